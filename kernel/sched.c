/*
 * The scheduler: each CPU takes turns among its tasks.
 *
 * A task has a slice of CPU time, as long as its nice value says. Who has used it up gets a new
 * one and goes to the back of `expired`. Who slept before the end of its slice comes back to
 * `fresh`, which is served first: it waits for the end of one slice at most, and still has no more
 * than its share, because sleeping does not refill the slice.
 *
 *	task		where it goes			next
 *	slice is over	back of expired, new slice	fresh, then expired, in order
 *	preempted	front of expired		the task that preempted it
 *	woken		back of fresh; back of expired where its slice is over
 *
 * The end of a slice may come late, above all where the machine's host is busy: what a task has had beyond
 * it is taken off its next ones, and it is passed over while nothing is left of them. So late ends favour
 * nobody, and least of all those with short slices.
 *
 * A virtual-time tree was rejected: it costs more at each switch, and for tasks of equal weight it
 * does the same.
 *
 * Each CPU has a queue of its own; balance.c says which one a task goes to, and moves it. task->cpu
 * names the queue that a task belongs to, asleep or not, and changes under the lock of the old one
 * alone. The lock of a queue is held from the moment that a task leaves the CPU until another has
 * its stack: so who finds, under it, that a task is not on_cpu may run it anywhere.
 *
 * The kernel itself is never preempted: WORK_RESCHED is looked at on the way to user mode and in
 * cond_resched().
 */
#include "kernel/runq.h"

#include "arch/clock.h"
#include "kernel/panic.h"

#define BASE_SLICE_NS (4 * NSEC_PER_MSEC) /* at nice 0 */
#define FIFO_SLICE_NS (~0ull >> 8)	  /* two years */
#define RR_SLICE_NS   (100 * NSEC_PER_MSEC)
#define SAMPLE_NS     (10 * NSEC_PER_MSEC) /* between samples of user or system time */
#define PREEMPT_RUN_NS \
	(4 * NSEC_PER_MSEC) /* a task that ran as long gives way to one just woken \
			     */

struct runq runqs[MAX_CPUS];

u64 sched_slice_ns(u8 policy, s32 nice)
{
	u64 ns = BASE_SLICE_NS;

	if (policy == SCHED_FIFO)
		return FIFO_SLICE_NS;
	if (policy == SCHED_RR)
		return RR_SLICE_NS;
	/* Each step of nice is a quarter more or a fifth less, as Linux weighs it. */
	for (; nice < 0; nice++)
		ns += ns / 4;
	for (; nice > 0; nice--)
		ns -= ns / 5;
	return ns;
}

/* Sees to it that the timer comes at the end of the running task's slice and for its samples. */
static void arm_slice(struct runq *rq, u64 now) __must_hold(&rq->lock)
{
	struct task *t = rq->running;

	if (t == rq->idle)
		return;
	/* Over already: at once. */
	timer_need(now +
		   (u64)(rq->nr_queued ? min(t->slice_left_ns, (s64)SAMPLE_NS) : (s64)SAMPLE_NS));
}

static inline void preempt(struct runq *rq, u64 now) __must_hold(&rq->lock)
{
	atomic_or(&rq->running->work, WORK_RESCHED); /* a full barrier: see idle.c */
	if (!rq->resched_ns)
		atomic_store(&rq->resched_ns, now);
	if (rq->cpu != cpu_id() && (rq->running != rq->idle || atomic_load(&rq->halts)))
		cpu_kick(rq->cpu);
}

static void __noinline make_realtime_runnable(struct runq *rq, struct task *t)
    __must_hold(&rq->lock)
{
	bool now = runq_outranks(rq, t);

	realtime_enqueue(rq, t, true);
	if (now)
		preempt(rq, clock_ns());
	else if (rq->cpu == cpu_id())
		arm_slice(rq, clock_ns());
	else
		cpu_kick(rq->cpu);
}

static inline void make_runnable(struct runq *rq, struct task *t) __must_hold(&rq->lock)
{
	u64 now;

	if (unlikely(t->rt_priority)) {
		make_realtime_runnable(rq, t);
		return;
	}
	now = clock_ns();
	runq_enqueue(rq, t, t->slice_left_ns > 0 ? &rq->fresh : &rq->expired);
	if (rq->running == rq->idle ||
	    (t->slice_left_ns > 0 && now >= rq->running->switched_ns + PREEMPT_RUN_NS))
		preempt(rq, now);
	else if (rq->nr_queued != 1)
		return;
	else if (rq->cpu == cpu_id())
		arm_slice(rq, now);
	else
		cpu_kick(rq->cpu); /* its own timer has to be armed */
}

static inline void place(struct runq *rq, struct task *t)
    __releases(&rq->lock) __no_lock_analysis /* the lock may become another queue's */
{
	if (cpu_count() > 1) {
		rq = runq_choose(rq, t);
		if (unlikely(t->rt_priority))
			rq = realtime_choose(rq, t);
	}
	make_runnable(rq, t);
	spin_unlock(&rq->lock);
}

void runq_call(struct runq *rq)
{
	u64 flags = spin_lock_irq(&rq->lock);

	preempt(rq, clock_ns());
	spin_unlock_irq(&rq->lock, flags);
}

void runq_place(struct runq *rq, struct task *t)
{
	place(rq, t);
}

void sched_start(struct task *t)
{
	struct runq *rq;
	u64 flags = irq_save();

	rq = runq_lock_of(t);
	spin_assert_held(&rq->lock);
	t->slice_left_ns = 0;
	if (rq != this_runq()) {
		atomic_store(&t->cpu, cpu_id());
		spin_unlock(&rq->lock);
		rq = this_runq();
		spin_lock(&rq->lock);
	}
	runq_place(rq, t);
	irq_restore(flags);
}

bool sched_wake(struct task *t, u32 states)
{
	u64 flags = irq_save();
	struct runq *rq = runq_lock_of(t);
	bool asleep = states & (1u << atomic_load(&t->state));

	spin_assert_held(&rq->lock);
	if (asleep)
		atomic_store(&t->state, TASK_RUNNING);
	/* One that is still on its CPU will find in schedule() that it need not sleep. */
	if (asleep && !t->on_cpu && !t->on_queue)
		place(rq, t);
	else
		spin_unlock(&rq->lock);
	irq_restore(flags);
	return asleep;
}

bool task_wake(struct task *t)
{
	return sched_wake(t, 1u << TASK_INTERRUPTIBLE | 1u << TASK_KILLABLE |
				 1u << TASK_UNINTERRUPTIBLE);
}

void sched_kick(struct task *t)
{
	struct runq *rq;
	u64 flags;

	/* The caller sees its own work bit on its way out; so does the only CPU's only running task. */
	if (t == current || cpu_count() == 1)
		return;
	/* Under the lock: a CPU that takes t up later sees the bit, which was set before. */
	flags = irq_save();
	rq = runq_lock_of(t);
	spin_assert_held(&rq->lock);
	if (t->on_cpu && rq != this_runq())
		cpu_kick(rq->cpu);
	spin_unlock(&rq->lock);
	irq_restore(flags);
}

void sched_kicked(void)
{
	struct runq *rq = this_runq();

	spin_lock(&rq->lock);
	arm_slice(rq, clock_ns());
	spin_unlock(&rq->lock);
}

/* Before a change that says where t belongs: whether it was on a queue, on which it is no more. */
static bool take_off(struct runq *rq, struct task *t) __must_hold(&rq->lock)
{
	bool queued = t->on_queue;

	if (queued)
		runq_dequeue(rq, t);
	return queued;
}

/* After it: t is placed anew, one that was on no queue when it is switched away from or woken. */
static void put_back(struct runq *rq, struct task *t, bool queued) __releases(&rq->lock)
{
	if (queued) {
		runq_place(rq, t);
		return;
	}
	if (t->on_cpu)
		preempt(rq, clock_ns());
	spin_unlock(&rq->lock);
}

int sched_set_affinity(struct task *t, u64 mask)
{
	struct runq *rq;
	u64 flags;

	if (!(mask & (~0ull >> (64 - cpu_count()))))
		return -EINVAL;
	flags = irq_save();
	rq = runq_lock_of(t);
	spin_assert_held(&rq->lock);
	atomic_store(&t->cpu_mask, mask);
	if (runq_allows(rq, t))
		spin_unlock(&rq->lock);
	else
		put_back(rq, t, take_off(rq, t));
	irq_restore(flags);
	if (t == current)
		cond_resched();
	return 0;
}

void sched_set_policy(struct task *t, u8 policy, bool reset_on_fork, u8 priority)
{
	u64 flags = irq_save();
	struct runq *rq = runq_lock_of(t);
	bool queued;

	spin_assert_held(&rq->lock);
	queued = take_off(rq, t);
	if (policy != t->sched_policy)
		t->slice_left_ns = (s64)sched_slice_ns(policy, t->nice);
	t->sched_policy = policy;
	t->reset_on_fork = reset_on_fork;
	t->rt_priority = priority;
	put_back(rq, t, queued);
	irq_restore(flags);
}

void sched_inherit(struct task *t,
		   struct task *from) __no_lock_analysis /* its own, and a new one's */
{
	bool reset = from->reset_on_fork;

	t->nice = !reset ? from->nice : from->rt_priority ? 0 : max(from->nice, 0);
	t->sched_policy = reset && from->rt_priority ? SCHED_OTHER : from->sched_policy;
	t->rt_priority = reset ? 0 : from->rt_priority;
	t->ioprio = from->ioprio;
	t->cpu_mask = atomic_load(&from->cpu_mask);
}

/* The first of `expired` that is not behind: who is waits for its next slice. */
static struct task *__noinline first_due(struct runq *rq) __must_hold(&rq->lock)
{
	struct task *t = list_first(&rq->expired, struct task, run_link);

	while (unlikely(t->slice_left_ns <= 0)) {
		list_del(&t->run_link);
		list_add_tail(&rq->expired, &t->run_link);
		runq_add_slice(t);
		t = list_first(&rq->expired, struct task, run_link);
	}
	return t;
}

static inline struct task *pick(struct runq *rq) __must_hold(&rq->lock)
{
	struct task *t;

	if (!list_empty(&rq->fresh))
		t = list_first(&rq->fresh, struct task, run_link);
	else if (!list_empty(&rq->expired))
		t = first_due(rq);
	else
		return NULL;
	runq_dequeue(rq, t);
	return t;
}

/* The same as choose(), where prev has a real-time priority, and others wait. */
static struct task *__noinline choose_realtime(struct runq *rq, struct task *prev)
    __must_hold(&rq->lock)
{
	bool behind = prev->slice_left_ns <= 0;
	struct task *next = pick(rq);

	if (realtime_keeps(rq, prev, next)) {
		if (behind)
			runq_add_slice(prev);
		if (next->rt_priority)
			realtime_enqueue(rq, next, false);
		else
			runq_enqueue(rq, next,
				     next->slice_left_ns > 0 ? rq->fresh.next : &rq->expired);
		return prev;
	}
	if (cpu_count() == 1 || !runq_idle_for(prev)) /* else sched_switched() takes it there */
		realtime_enqueue(rq, prev, behind);
	return next;
}

/* The same, where prev can go on and others wait. */
static struct task *__noinline choose_among(struct runq *rq, struct task *prev)
    __must_hold(&rq->lock)
{
	if (cpu_count() > 1 && runq_idle_for(prev)) /* sched_switched() takes it there */
		return pick(rq);
	if (prev->slice_left_ns <= 0) {
		runq_enqueue(rq, prev, &rq->expired);
	} else {
		list_add(&rq->expired, &prev->run_link);
		prev->on_queue = true;
		atomic_store(&rq->nr_queued, rq->nr_queued + 1);
	}
	return pick(rq);
}

/* Chooses who runs next; prev goes back to the queue where it can still run. */
static struct task *choose(struct runq *rq, struct task *prev) __must_hold(&rq->lock)
{
	struct task *next;

	if (atomic_load(&prev->state) != TASK_RUNNING || prev == rq->idle ||
	    unlikely(!runq_allows(rq, prev))) { /* sched_switched() takes it elsewhere */
		next = pick(rq);
		return next ? next : rq->idle;
	}
	if (!rq->nr_queued) {
		if (prev->slice_left_ns <= 0)
			prev->slice_left_ns = (s64)sched_slice_ns(prev->sched_policy, prev->nice);
		return prev;
	}
	if (unlikely(prev->rt_priority))
		return choose_realtime(rq, prev);
	return choose_among(rq, prev);
}

static void switch_to(struct runq *rq, struct task *prev, struct task *next, u64 now)
    __releases(&rq->lock) __no_lock_analysis /* sched_switched() does it, on another stack */
{
	if (atomic_load(&prev->state) == TASK_RUNNING)
		prev->usage.nivcsw++;
	else
		prev->usage.nvcsw++;
	rq->nr_switches++;
	if (prev == rq->idle)
		runq_set_idle(rq, false);
	atomic_store(&rq->running, next);
	next->on_cpu = true;
	next->run_start_ns = now;
	next->switched_ns = next->ticked_ns = now;
	arm_slice(rq, now);
	/* A kernel thread runs under whatever tree is active: it touches no user memory. */
	if (next->mm)
		mmu_activate(&next->mm->mmu);
	sched_switched(arch_switch(prev, next));
}

void schedule(void)
{
	struct task *prev = current, *next;
	struct runq *rq;
	u64 flags, now;

	flags = irq_save();
	rq = this_runq();
	spin_lock(&rq->lock);
	/* Under the lock: who stops the others says so, and then has WORK_RESCHED set under it. */
	while (unlikely(atomic_load(&sched_stopping))) {
		spin_unlock_irq(&rq->lock, flags);
		sched_hold();
		flags = irq_save();
		rq = this_runq();
		spin_lock(&rq->lock);
	}
	now = clock_ns();
	runq_account(rq, prev, now);
	atomic_and(&prev->work, ~WORK_RESCHED);
	rq->resched_ns = 0;
	next = choose(rq, prev);
	if (next != prev) {
		switch_to(rq, prev, next, now);
	} else {
		prev->switched_ns = now;
		arm_slice(rq, now);
		spin_unlock(&rq->lock);
	}
	irq_restore(flags);
}

void sched_switched(struct task *prev)
{
	struct runq *rq = this_runq();
	enum task_state state = atomic_load(&prev->state);

	spin_assert_held(&rq->lock); /* since schedule() */
	prev->on_cpu = false;
	if (unlikely(state == TASK_RUNNING && !prev->on_queue && prev != rq->idle)) {
		runq_place(rq, prev);
		return;
	}
	/* From here on another CPU may run prev, unless it is dead. */
	spin_unlock(&rq->lock);
	if (state == TASK_DEAD)
		task_reclaim(prev);
}

void cond_resched(void)
{
	lock_order_may_sleep();
	if (unlikely(atomic_load(&current->work) & WORK_RESCHED))
		schedule();
}

void sched_give_up(void)
{
	struct runq *rq = this_runq();
	u64 flags = spin_lock_irq(&rq->lock);

	current->slice_left_ns = min(current->slice_left_ns, 0ll);
	spin_unlock_irq(&rq->lock, flags);
	schedule();
}

void sched_tick(bool user, u64 now)
{
	struct runq *rq = this_runq();
	struct task *t = current;
	bool busy = t != rq->idle;

	spin_lock(&rq->lock);
	runq_account(rq, t, now);
	if (busy) {
		/* Nobody else wanted what it had beyond its slice. */
		if (!rq->nr_queued)
			t->slice_left_ns = max(t->slice_left_ns, 0ll);
		if (user) {
			t->tick_user++;
			rq->tick_user++;
		} else {
			t->tick_system++;
			rq->tick_system++;
		}
		itimer_tick(t, user, now - t->ticked_ns);
		t->ticked_ns = now;
		if (realtime_tick(rq, t, now) || (rq->nr_queued && t->slice_left_ns <= 0))
			preempt(rq, now);
		else
			arm_slice(rq, now);
	}
	spin_unlock(&rq->lock);
	load_tick(now);
	if (busy && cpu_count() > 1)
		runq_balance();
	watchdog_tick(now);
}

void sched_adopt_idle(struct task *t)
{
	struct runq *rq = this_runq();

	spin_init(&rq->lock, LOCK_RUNQ);
	spin_assume_held(&rq->lock);
	rq->cpu = cpu_id();
	list_init(&rq->fresh);
	list_init(&rq->expired);
	rq->idle = t;
	atomic_store(&t->cpu, rq->cpu);
	t->on_cpu = true;
	t->run_start_ns = rq->ticked_ns = clock_ns();
	atomic_store_release(&rq->running, t);
}
