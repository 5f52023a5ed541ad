/*
 * The watchdog: a CPU that has something to run and has not come forward for long is reported in the
 * log, with where each CPU is.
 *
 *	no tick		The CPU is busy, so its timer comes every few milliseconds; it has not for
 *			STUCK_NS: interrupts are off, or it spins for a lock with them off.
 *	no schedule	Somebody waits, the timer says so, and the running task does not give way: it
 *			loops in the kernel without a safe point.
 *
 * Each CPU looks at all others from its timer interrupt. An idle one has no tick: while others are
 * busy, it wakes for this alone. A machine whose every CPU is stuck says nothing.
 */
#include "kernel/runq.h"

#include "arch/clock.h"
#include "kernel/log.h"
#include "kernel/trace.h"

#define STUCK_NS (10 * NSEC_PER_SEC)
#define LOOK_NS	 (2 * NSEC_PER_SEC)
#define AGAIN_NS (60 * NSEC_PER_SEC) /* between two reports of one CPU */

static u64 next_look_ns; /* atomic */
static u32 showing;	 /* somebody has all CPUs show where they are. Atomic. */

static const char *trouble(const struct runq *rq, u64 now)
{
	u64 ticked = atomic_load(&rq->ticked_ns), resched = atomic_load(&rq->resched_ns);

	if (atomic_load(&rq->running) == rq->idle)
		return NULL;
	if (rq != this_runq() && now > ticked + STUCK_NS)
		return "has had no timer interrupt";
	if (resched && now > resched + STUCK_NS)
		return "has not given way to a task that waits";
	return NULL;
}

void watchdog_show_all(void)
{
	struct trace here;

	trace_collect(&here, 0, (u64)__builtin_frame_address(0));
	trace_log(&here);
	if (atomic_xchg(&showing, 1))
		return;
	cpu_backtrace_others();
	atomic_store(&showing, 0);
}

static void report(struct runq *rq, const char *what, u64 now)
{
	const struct task *t = atomic_load(&rq->running);

	if (!rq->told_ns || now > rq->told_ns + AGAIN_NS) {
		rq->told_ns = now;
		log_err("watchdog: CPU %u %s for %llu s; it runs task %d (%s)", rq->cpu, what,
			(unsigned long long)(STUCK_NS / NSEC_PER_SEC), t->tid, t->comm);
		watchdog_show_all();
	}
}

void watchdog_tick(u64 now)
{
	u64 next = atomic_load(&next_look_ns);

	atomic_store(&this_runq()->ticked_ns, now);
	if (likely(now < next) || !atomic_cas(&next_look_ns, &next, now + LOOK_NS))
		return;
	for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
		const char *what = trouble(&runqs[cpu], now);

		if (what)
			report(&runqs[cpu], what, now);
	}
}

u64 watchdog_next(u64 now)
{
	return runq_any_busy() ? now + LOOK_NS : 0;
}
