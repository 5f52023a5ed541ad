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
 * A virtual-time tree was rejected: it costs more at each switch, and for tasks of equal weight it
 * does the same.
 *
 * The kernel itself is never preempted: WORK_RESCHED is looked at on the way to user mode and in
 * cond_resched().
 */
#include "kernel/process.h"

#include "arch/clock.h"
#include "kernel/panic.h"
#include "mm/alloc.h"

#define BASE_SLICE_NS (4 * NSEC_PER_MSEC)  /* at nice 0 */
#define SAMPLE_NS     (10 * NSEC_PER_MSEC) /* between samples of user or system time */
#define PREEMPT_RUN_NS \
	(4 * NSEC_PER_MSEC) /* a task that ran as long gives way to one just woken \
			     */

/* run queue of one CPU */
static struct runq {
	spinlock_t lock; /* guards what follows and the scheduler's fields of its tasks */
	struct list_head fresh, expired;
	u32 nr_queued;
	struct task *running, *idle;
	u64 nr_switches;
	u64 busy_ns, nice_ns, idle_ns;
	u64 tick_user, tick_system; /* samples that found the CPU busy */
	u64 user_shown, system_shown, nice_shown, normal_shown;
} runqs[MAX_CPUS];

static struct runq *this_runq(void)
{
	return &runqs[cpu_id()];
}

u64 sched_slice_ns(s32 nice)
{
	u64 ns = BASE_SLICE_NS;

	/* Each step of nice is a quarter more or a fifth less, as Linux weighs it. */
	for (; nice < 0; nice++)
		ns += ns / 4;
	for (; nice > 0; nice--)
		ns -= ns / 5;
	return ns;
}

static void enqueue(struct runq *rq, struct task *t, struct list_head *queue)
{
	if (queue == &rq->expired && !t->slice_left_ns)
		t->slice_left_ns = sched_slice_ns(t->nice);
	list_add_tail(queue, &t->run_link);
	t->on_queue = true;
	rq->nr_queued++;
}

/* Charges the running task for the time since it was last charged. */
static void account(struct runq *rq, struct task *t, u64 now)
{
	u64 ran = now > t->run_start_ns ? now - t->run_start_ns : 0;

	t->run_start_ns = now;
	if (t == rq->idle) {
		rq->idle_ns += ran;
		return;
	}
	t->usage.stime_ns += ran;
	t->slice_left_ns -= min(ran, t->slice_left_ns);
	rq->busy_ns += ran;
	if (t->nice > 0)
		rq->nice_ns += ran;
}

/* Sees to it that the timer comes at the end of the running task's slice and for its samples. */
static void arm_slice(struct runq *rq, u64 now)
{
	struct task *t = rq->running;

	if (t == rq->idle)
		return;
	if (rq->nr_queued)
		timer_need(now + min(t->slice_left_ns, SAMPLE_NS));
	else
		timer_need(now + SAMPLE_NS);
}

static void preempt(struct runq *rq)
{
	atomic_or(&rq->running->work, WORK_RESCHED);
}

static void make_runnable(struct runq *rq, struct task *t)
{
	u64 now = clock_ns();

	enqueue(rq, t, t->slice_left_ns ? &rq->fresh : &rq->expired);
	if (rq->running == rq->idle ||
	    (t->slice_left_ns && now >= rq->running->switched_ns + PREEMPT_RUN_NS))
		preempt(rq);
	else if (rq->nr_queued == 1)
		arm_slice(rq, now);
}

void sched_start(struct task *t)
{
	struct runq *rq = this_runq();
	u64 flags = spin_lock_irq(&rq->lock);

	t->cpu = cpu_id();
	t->slice_left_ns = 0;
	make_runnable(rq, t);
	spin_unlock_irq(&rq->lock, flags);
}

bool sched_wake(struct task *t, u32 states)
{
	struct runq *rq = &runqs[t->cpu];
	u64 flags = spin_lock_irq(&rq->lock);
	bool asleep = states & (1u << atomic_load(&t->state));

	if (asleep) {
		atomic_store(&t->state, TASK_RUNNING);
		if (!t->on_cpu && !t->on_queue)
			make_runnable(rq, t);
	}
	spin_unlock_irq(&rq->lock, flags);
	return asleep;
}

bool task_wake(struct task *t)
{
	return sched_wake(t, 1u << TASK_INTERRUPTIBLE | 1u << TASK_KILLABLE |
				 1u << TASK_UNINTERRUPTIBLE);
}

void sched_kick(struct task *t)
{
	/* The work bit is set; with one CPU, a running task is the caller's own and sees it on its
	 * way out. */
	(void)t;
}

/* ---- load averages: every 5 seconds a share of the tasks that run or could ---- */

#define LOAD_PERIOD_NS (5 * NSEC_PER_SEC)
#define LOAD_SHIFT     16
#define LOAD_PERIODS   360 /* half an hour: nothing older shows in the averages */

/* Under LOCK_RUNQ of CPU 0. */
static u64 load_avg[3], load_next_ns;

static void load_sample(u64 n)
{
	/* exp(-5/60), exp(-5/300), exp(-5/900) */
	static const u64 keep[3] = {60296, 64453, 65172};

	for (int i = 0; i < 3; i++)
		load_avg[i] =
		    (load_avg[i] * keep[i] + (n << LOAD_SHIFT) * (BIT(LOAD_SHIFT) - keep[i])) >>
		    LOAD_SHIFT;
}

/* Takes the samples that are due; the time of each but the last was idle or as now. */
static void load_update(u64 now, u64 running)
{
	for (int i = 0; i < LOAD_PERIODS && now >= load_next_ns; i++) {
		load_sample(running);
		load_next_ns += LOAD_PERIOD_NS;
	}
	if (now >= load_next_ns)
		load_next_ns = now + LOAD_PERIOD_NS;
}

void sched_load(u64 load[3])
{
	u64 flags = spin_lock_irq(&runqs[0].lock);

	load_update(clock_ns(), sched_nr_running());
	for (int i = 0; i < 3; i++)
		load[i] = load_avg[i];
	spin_unlock_irq(&runqs[0].lock, flags);
}

static struct task *pick(struct runq *rq)
{
	struct list_head *queue = list_empty(&rq->fresh) ? &rq->expired : &rq->fresh;
	struct task *t;

	if (list_empty(queue))
		return NULL;
	t = list_first(queue, struct task, run_link);
	list_del(&t->run_link);
	t->on_queue = false;
	rq->nr_queued--;
	return t;
}

/* Chooses who runs next; prev goes back to the queue where it can still run. */
static struct task *choose(struct runq *rq, struct task *prev)
{
	struct task *next = pick(rq);

	if (atomic_load(&prev->state) != TASK_RUNNING || prev == rq->idle)
		return next ? next : rq->idle;
	if (!next) {
		if (!prev->slice_left_ns)
			prev->slice_left_ns = sched_slice_ns(prev->nice);
		return prev;
	}
	if (!prev->slice_left_ns) {
		enqueue(rq, prev, &rq->expired);
	} else {
		list_add(&rq->expired, &prev->run_link);
		prev->on_queue = true;
		rq->nr_queued++;
	}
	return next;
}

static void switch_to(struct runq *rq, struct task *prev, struct task *next, u64 now)
{
	if (atomic_load(&prev->state) == TASK_RUNNING)
		prev->usage.nivcsw++;
	else
		prev->usage.nvcsw++;
	rq->nr_switches++;
	rq->running = next;
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
	u64 flags = irq_save();
	struct runq *rq = this_runq();
	struct task *prev = current, *next;
	u64 now;

	spin_lock(&rq->lock);
	now = clock_ns();
	account(rq, prev, now);
	atomic_and(&prev->work, ~WORK_RESCHED);
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
	bool dead = atomic_load(&prev->state) == TASK_DEAD;

	prev->on_cpu = false;
	spin_unlock(&this_runq()->lock);
	if (dead)
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

	current->slice_left_ns = 0;
	spin_unlock_irq(&rq->lock, flags);
	schedule();
}

void sched_tick(bool user, u64 now)
{
	struct runq *rq = this_runq();
	struct task *t = current;

	spin_lock(&rq->lock);
	account(rq, t, now);
	if (cpu_id() == 0 && now >= load_next_ns)
		load_update(now, sched_nr_running());
	if (t != rq->idle) {
		if (user) {
			t->tick_user++;
			rq->tick_user++;
		} else {
			t->tick_system++;
			rq->tick_system++;
		}
		itimer_tick(t, user, now - t->ticked_ns);
		t->ticked_ns = now;
		if (rq->nr_queued && !t->slice_left_ns)
			preempt(rq);
		else
			arm_slice(rq, now);
	}
	spin_unlock(&rq->lock);
}

/* Part a of n of ns, without overflow for any time that a machine stays up. */
static u64 share(u64 ns, u64 a, u64 n)
{
	return ns / n * a + ns % n * a / n;
}

/*
 * Splits total into *a, as near to `wanted` as may be, and *b, where neither goes back. What was
 * split before was no more than total.
 */
static void split_time(u64 total, u64 wanted, u64 *a, u64 *b)
{
	u64 part = max(wanted, *a);

	if (total < part + *b)
		part = total - *b;
	*a = part;
	*b = total - part;
}

void task_times(struct task *t, u64 *utime_ns, u64 *stime_ns)
{
	struct runq *rq = &runqs[t->cpu];
	u64 flags = spin_lock_irq(&rq->lock);
	u64 total, user, ticks = t->tick_user + t->tick_system;

	if (t->on_cpu)
		account(rq, t, clock_ns());
	total = t->usage.stime_ns;
	user = t->tick_system ? share(total, t->tick_user, ticks) : total;
	split_time(total, user, &t->utime_shown, &t->stime_shown);
	*utime_ns = t->utime_shown;
	*stime_ns = t->stime_shown;
	spin_unlock_irq(&rq->lock, flags);
}

void sched_cpu_times(u32 cpu, struct cpu_times *t)
{
	struct runq *rq = &runqs[cpu];
	u64 flags = spin_lock_irq(&rq->lock);
	u64 ticks = rq->tick_user + rq->tick_system;
	u64 user, nice;

	if (rq->running)
		account(rq, rq->running, clock_ns());
	user = ticks ? share(rq->busy_ns, rq->tick_user, ticks) : 0;
	split_time(rq->busy_ns, user, &rq->user_shown, &rq->system_shown);
	/* Of user time, what low priority took; as that can only grow, so must the rest. */
	nice = min(rq->nice_ns, rq->user_shown);
	split_time(rq->user_shown, nice, &rq->nice_shown, &rq->normal_shown);
	t->nice_ns = rq->nice_shown;
	t->user_ns = rq->normal_shown;
	t->system_ns = rq->system_shown;
	t->idle_ns = rq->idle_ns;
	spin_unlock_irq(&rq->lock, flags);
}

u32 sched_nr_running(void)
{
	u32 n = 0;

	for (u32 i = 0; i < MAX_CPUS; i++)
		if (runqs[i].running)
			n += atomic_load(&runqs[i].nr_queued) +
			     (atomic_load(&runqs[i].running) != runqs[i].idle);
	return n;
}

u64 sched_nr_switches(void)
{
	u64 n = 0;

	for (u32 i = 0; i < MAX_CPUS; i++)
		n += atomic_load(&runqs[i].nr_switches);
	return n;
}

void sched_adopt_idle(struct task *t)
{
	struct runq *rq = this_runq();

	spin_init(&rq->lock, LOCK_RUNQ);
	list_init(&rq->fresh);
	list_init(&rq->expired);
	rq->idle = t;
	rq->running = t;
	t->on_cpu = true;
	t->run_start_ns = clock_ns();
}

void sched_idle(void)
{
	struct runq *rq = this_runq();

	irq_enable();
	for (;;) {
		schedule();
		while (!atomic_load(&rq->nr_queued) && frames_zero_one())
			;
		irq_disable();
		/* Interrupts stay off from this test to the halt: a wake-up in between ends the
		 * halt. */
		if (!rq->nr_queued)
			cpu_idle();
		irq_enable();
	}
}
