/*
 * What a CPU does that has nothing to run: takes a task that waits elsewhere, tidies up, zeroes frames
 * ahead, looks out for a while, halts.
 *
 *	halts		A CPU that has halted has to be interrupted, and its emulator or hypervisor to be
 *			woken by its own host, which takes many times what a switch does. While it has
 *			not, it looks by itself, and who gives it a task need not interrupt it. It says
 *			that it halts, then looks for the last time; who gives it a task gives it, then
 *			looks whether it halts, each with a full barrier between: one sees the other.
 *	look out	So it looks out for sched_idle_poll_ns before it halts, if the last time that it
 *			had nothing to run was over within as long. Where it did so in vain, it does
 *			not the next 1, 3, 7... times, up to LET_GO_MAX: the other CPU may be one that
 *			the emulator's host runs in turn with this one, and cannot come meanwhile.
 *	tree		While it looks out it keeps the tree of the task that ran last, which is most
 *			likely the next one, too: it answers flushes as any CPU that is awake does.
 *	one CPU		Neither: nobody else could give it anything.
 */
#include "kernel/runq.h"

#include "arch/clock.h"
#include "arch/kstack.h"
#include "kernel/knobs.h"
#include "mm/alloc.h"

#define LOOKS	   64 /* between two looks at the clock */
#define LET_GO_MAX 63u

int sched_idle_poll_ns = 200 * 1000;

static inline bool has_work(const struct runq *rq)
{
	return atomic_load(&rq->nr_queued) || atomic_load(&rq->idle->work) & WORK_RESCHED;
}

/*
 * True once there is something to do; false: there was not until the clock says `end`. Without
 * cpu_relax(): an emulator takes it for a reason to leave its translated code, and takes a lock that
 * all its CPUs share.
 */
static bool look_out(const struct runq *rq, u64 end)
{
	do {
		for (int i = 0; i < LOOKS; i++)
			if (has_work(rq))
				return true;
	} while (clock_ns() < end);
	return false;
}

/* The same, where it is worth while. */
static bool try_look_out(struct runq *rq, u64 end)
{
	if (!rq->looks_out)
		return false;
	if (rq->let_go) {
		rq->let_go--;
		return false;
	}
	if (look_out(rq, end)) {
		rq->in_vain = 0;
		return true;
	}
	rq->in_vain = min(2 * rq->in_vain + 1, LET_GO_MAX);
	rq->let_go = rq->in_vain;
	return false;
}

/* Interrupts are off from the last test to the halt: a wake-up in between ends the halt. */
static void halt(struct runq *rq)
{
	u64 next;

	irq_disable();
	(void)atomic_xchg(&rq->halts, true);
	if (cpu_count() > 1) {
		next = watchdog_next(clock_ns());
		if (next)
			timer_need(next);
		/* So that nobody who changes the tree has to wake this CPU. */
		if (!has_work(rq))
			mmu_activate(NULL);
	}
	if (!has_work(rq))
		cpu_idle();
	atomic_store(&rq->halts, false);
	irq_enable();
}

/* Waits until there may be something to run. */
static void await(struct runq *rq)
{
	u64 began = clock_ns(), poll = (u64)READ_ONCE(sched_idle_poll_ns), called;

	if (cpu_count() > 1 && try_look_out(rq, began + poll))
		return;
	halt(rq);
	/* Not when it came back: that takes long where it had to be woken. */
	called = atomic_load(&rq->resched_ns);
	if (called)
		rq->looks_out = called < began + poll;
}

void sched_idle(void)
{
	struct runq *rq = this_runq();

	irq_enable();
	for (;;) {
		schedule();
		if (cpu_count() > 1) {
			/* First: who makes a task runnable from now on may give it to this CPU. */
			runq_set_idle(rq, true);
			if (runq_steal())
				continue;
		}
		kstack_release();
		while (!has_work(rq) && frames_zero_one())
			;
		await(rq);
	}
}
