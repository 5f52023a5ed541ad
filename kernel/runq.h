/* Run queues, as the files of the scheduler share them: see kernel/sched.c. */
#pragma once

#include "kernel/process.h"

/* How many slices a task may be behind. */
#define DEBT_SLICES 16

/* Run queue of one CPU. */
struct runq {
	spinlock_t lock; /* and the scheduler's fields of its tasks */
	u32 cpu;
	struct list_head fresh __guarded_by(&lock), expired __guarded_by(&lock);
	u32 nr_queued __guarded_by(&lock); /* atomic, so that it can be read without the lock */
	u32 ticks; /* since it was last compared with the other queues; the CPU's own */
	struct task *running __guarded_by(&lock), *idle;
	bool halts;	/* only an interrupt gets its idle CPU to look at the above. Atomic. */
	bool looks_out; /* see idle.c; the CPU's own, like the next two */
	u32 let_go, in_vain;
	u64 nr_switches __guarded_by(&lock);
	u64 busy_ns __guarded_by(&lock), nice_ns __guarded_by(&lock), idle_ns __guarded_by(&lock);
	/* samples that found the CPU busy */
	u64 tick_user __guarded_by(&lock), tick_system __guarded_by(&lock);
	u64 user_shown __guarded_by(&lock), system_shown __guarded_by(&lock);
	u64 nice_shown __guarded_by(&lock), normal_shown __guarded_by(&lock);
	u64 ticked_ns; /* the timer's last interrupt. Atomic; the watchdog's, like the next two */
	/* since when somebody waits for the running task to give way; 0: nobody */
	u64 resched_ns __guarded_by(&lock);
	u64 told_ns; /* when this CPU was last reported */
	/* realtime.c: the second that is counted, what they used of it, whether that was too much */
	u64 rt_began_ns __guarded_by(&lock), rt_used_ns __guarded_by(&lock);
	bool rt_throttled __guarded_by(&lock);
} __aligned(64);

extern struct runq runqs[MAX_CPUS];

static inline struct runq *runq_of(u32 cpu)
{
	struct runq *rq = &runqs[cpu];

	/* Else GCC multiplies anew for each member. */
	__asm__("" : "+r"(rq));
	return rq;
}

static inline struct runq *this_runq(void)
{
	return runq_of(cpu_id());
}

/* Interrupts are off, here and below. The queue that t belongs to, locked. */
static inline struct runq *runq_lock_of(struct task *t) __no_lock_analysis /* returns it */
{
	for (;;) {
		struct runq *rq = runq_of(atomic_load(&t->cpu));

		spin_lock(&rq->lock);
		if (likely(rq->cpu == atomic_load(&t->cpu)))
			return rq;
		spin_unlock(&rq->lock);
	}
}

/* Charges the running task for the time since it was last charged. */
static inline void runq_account(struct runq *rq, struct task *t, u64 now) __must_hold(&rq->lock)
{
	u64 ran = now > t->run_start_ns ? now - t->run_start_ns : 0;

	t->run_start_ns = now;
	if (t == rq->idle) {
		rq->idle_ns += ran;
		return;
	}
	t->usage.stime_ns += ran;
	t->slice_left_ns -= (s64)ran;
	rq->busy_ns += ran;
	if (unlikely(t->rt_priority))
		rq->rt_used_ns += ran;
	if (t->nice > 0)
		rq->nice_ns += ran;
}

/* A further slice, less what it has had beyond the last one, as far as that is remembered. */
static inline void runq_add_slice(struct task *t) __no_lock_analysis /* the lock of its queue */
{
	s64 slice = (s64)sched_slice_ns(t->sched_policy, t->nice);

	t->slice_left_ns = max(t->slice_left_ns, -DEBT_SLICES * slice) + slice;
}

/* At the end of the queue; or before a task of it, by its run_link. */
static inline void runq_enqueue(struct runq *rq, struct task *t, struct list_head *queue)
    __must_hold(&rq->lock)
{
	if (queue == &rq->expired && t->slice_left_ns <= 0)
		runq_add_slice(t);
	list_add_tail(queue, &t->run_link);
	t->on_queue = true;
	atomic_store(&rq->nr_queued, rq->nr_queued + 1);
}

static inline void runq_dequeue(struct runq *rq, struct task *t) __must_hold(&rq->lock)
{
	list_del(&t->run_link);
	t->on_queue = false;
	atomic_store(&rq->nr_queued, rq->nr_queued - 1);
}

/* ---- sched.c ---- */

/*
 * t can run, and is on no queue and no CPU: puts it where it should run. rq, to which it belongs, is
 * locked, and no queue is afterwards.
 */
void runq_place(struct runq *rq, struct task *t) __releases(&rq->lock);

/* Has rq's CPU come to schedule() soon, idle or not. No queue is locked. */
void runq_call(struct runq *rq);

/* ---- realtime.c ---- */

/* As runq_enqueue() for one with a real-time priority: behind its equals, or before them. */
void realtime_enqueue(struct runq *rq, struct task *t, bool behind) __must_hold(&rq->lock);
/* The same, on this CPU's queue, from another one's: it runs soon where it should. */
void realtime_arrives(struct runq *rq, struct task *t) __must_hold(&rq->lock);
/* t, which runs and could go on, does so rather than `next`. */
bool realtime_keeps(struct runq *rq, const struct task *t, const struct task *next)
    __must_hold(&rq->lock);
/* A queue where t would run at once, locked in place of rq; or any that it may be on. */
struct runq *realtime_choose(struct runq *rq, struct task *t) __releases(&rq->lock);
/* Counts what they use; true where the running t has to give way. */
bool realtime_tick(struct runq *rq, const struct task *t, u64 now) __must_hold(&rq->lock);

static inline bool runq_outranks(const struct runq *rq, const struct task *t) __must_hold(&rq->lock)
{
	return rq->running == rq->idle || t->rt_priority > rq->running->rt_priority;
}

/* ---- stop.c ---- */

extern bool sched_stopping; /* atomic */
/* Waits here until sched_stopping is false again. */
void sched_hold(void);

/* ---- balance.c ---- */

static inline bool runq_allows(const struct runq *rq, const struct task *t)
{
	return atomic_load(&t->cpu_mask) & BIT(rq->cpu);
}

/* The queue that t should go to, to which it belongs now, locked in place of rq. */
struct runq *runq_choose(struct runq *rq, struct task *t) __releases(&rq->lock);
/* This CPU has nothing to run: takes a task that waits elsewhere. True: now it has. */
bool runq_steal(void);
/* A busy CPU's tick: takes a task from a much longer queue, or has an idle CPU take one of its own. */
void runq_balance(void);
/* A CPU is idle that t may run on. */
bool runq_idle_for(const struct task *t);
/* This CPU is idle, or no longer. */
void runq_set_idle(struct runq *rq, bool idle);
/* CPUs that have something to run. */
bool runq_any_busy(void);

/* ---- load.c ---- */

/* Takes the samples that are due. */
void load_tick(u64 now);

/* ---- watchdog.c ---- */

/* In the timer interrupt: looks whether some CPU has not come forward for long. */
void watchdog_tick(u64 now);
/* When an idle CPU should look again; 0: all are idle. */
u64 watchdog_next(u64 now);
