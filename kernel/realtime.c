/*
 * Tasks of SCHED_FIFO and SCHED_RR (sched(7)).
 *
 *	order		In `fresh`, before all others: by priority, those of one priority as they came. So
 *			the first of the queue is the right one, and nobody else has to look for them.
 *	slice		SCHED_RR's lasts 100 ms, SCHED_FIFO's for ever. Who has used it up, or yields, goes
 *			behind its equals; who gave way to a higher priority goes before them.
 *	woken		Preempts what is less on its CPU, or else on another one where it may run.
 *	throttle	Of each second they have 950 ms of a CPU. Past that those on this CPU lie in `expired`
 *			and take turns with all others, 10 ms at a time, until the second is over: no
 *			busy loop takes a machine from its user. Where nobody else waits they go on.
 */
#include "kernel/runq.h"

#define PERIOD_NS  NSEC_PER_SEC
#define RUNTIME_NS (950 * NSEC_PER_MSEC)

void realtime_enqueue(struct runq *rq, struct task *t, bool behind)
{
	struct list_head *at;

	if (t->slice_left_ns <= 0)
		t->slice_left_ns = (s64)sched_slice_ns(t->sched_policy, t->nice);
	if (rq->rt_throttled) {
		runq_enqueue(rq, t, &rq->expired);
		return;
	}
	for (at = rq->fresh.next; at != &rq->fresh; at = at->next) {
		u8 its = list_entry(at, struct task, run_link)->rt_priority;

		if (its < t->rt_priority || (its == t->rt_priority && !behind))
			break;
	}
	runq_enqueue(rq, t, at);
}

void realtime_arrives(struct runq *rq, struct task *t)
{
	if (runq_outranks(rq, t))
		atomic_or(&rq->running->work, WORK_RESCHED);
	realtime_enqueue(rq, t, true);
}

bool realtime_keeps(struct runq *rq, const struct task *t, const struct task *next)
{
	if (rq->rt_throttled)
		return false;
	return t->rt_priority > next->rt_priority ||
	       (t->rt_priority == next->rt_priority && t->slice_left_ns > 0);
}

struct runq *realtime_choose(struct runq *rq, struct task *t) __no_lock_analysis /* returns it */
{
	u64 left = atomic_load(&t->cpu_mask) & ~0ull >> (64 - cpu_count()) & ~BIT(rq->cpu);

	for (; left && !runq_outranks(rq, t); left &= left - 1) {
		u32 cpu = (u32)__builtin_ctzll(left);

		atomic_store(&t->cpu, cpu);
		spin_unlock(&rq->lock);
		rq = runq_of(cpu);
		spin_lock(&rq->lock);
		if (unlikely(!runq_allows(rq, t))) /* its mask has changed meanwhile */
			return runq_choose(rq, t);
	}
	return rq;
}

/* Moves those in `from` to where they belong now. */
static void sort_again(struct runq *rq, struct list_head *from) __must_hold(&rq->lock)
{
	struct list_head *at = from->next, *last = from->prev;
	bool more = at != from;

	while (more) {
		struct task *t = list_entry(at, struct task, run_link);

		more = at != last;
		at = at->next;
		if (t->rt_priority) {
			runq_dequeue(rq, t);
			realtime_enqueue(rq, t, true);
		}
	}
}

bool realtime_tick(struct runq *rq, const struct task *t, u64 now)
{
	if (now - rq->rt_began_ns >= PERIOD_NS) {
		rq->rt_began_ns = now;
		rq->rt_used_ns = 0;
		if (rq->rt_throttled) {
			rq->rt_throttled = false;
			sort_again(rq, &rq->expired);
			if (!list_empty(&rq->fresh) &&
			    list_first(&rq->fresh, struct task, run_link)->rt_priority >
				t->rt_priority)
				return true;
		}
	}
	if (!t->rt_priority)
		return false;
	if (rq->rt_used_ns <= RUNTIME_NS || !rq->nr_queued)
		return false;
	if (!rq->rt_throttled) {
		rq->rt_throttled = true;
		sort_again(rq, &rq->fresh);
	}
	return true;
}
