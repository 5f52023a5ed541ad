/*
 * How busy the machine is: load averages, which take every 5 seconds a share of the tasks that run
 * or could; and the times of tasks and CPUs.
 */
#include "kernel/runq.h"

#include "arch/clock.h"

#define LOAD_PERIOD_NS (5 * NSEC_PER_SEC)
#define LOAD_SHIFT     16
#define LOAD_PERIODS   360 /* half an hour: nothing older shows in the averages */

static spinlock_t lock = SPINLOCK_INIT(LOCK_LOAD);
static u64 load_avg[3] __guarded_by_global(&lock), load_next_ns __guarded_by_global(&lock);

static void load_sample(u64 n) __must_hold(&lock)
{
	/* exp(-5/60), exp(-5/300), exp(-5/900) */
	static const u64 keep[3] = {60296, 64453, 65172};

	for (int i = 0; i < 3; i++)
		load_avg[i] =
		    (load_avg[i] * keep[i] + (n << LOAD_SHIFT) * (BIT(LOAD_SHIFT) - keep[i])) >>
		    LOAD_SHIFT;
}

/* Takes the samples that are due; the time of each but the last was idle or as now. */
static void load_update(u64 now, u64 running) __must_hold(&lock)
{
	for (int i = 0; i < LOAD_PERIODS && now >= load_next_ns; i++) {
		load_sample(running);
		load_next_ns += LOAD_PERIOD_NS;
	}
	if (now >= load_next_ns)
		load_next_ns = now + LOAD_PERIOD_NS;
}

void load_tick(u64 now)
{
	if (likely(now < atomic_load(&load_next_ns)))
		return;
	spin_lock(&lock);
	load_update(now, sched_nr_running());
	spin_unlock(&lock);
}

void sched_load(u64 load[3])
{
	u64 flags = spin_lock_irq(&lock);

	load_update(clock_ns(), sched_nr_running());
	for (int i = 0; i < 3; i++)
		load[i] = load_avg[i];
	spin_unlock_irq(&lock, flags);
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
	u64 flags = irq_save();
	struct runq *rq = runq_lock_of(t);
	u64 total, user, ticks;

	spin_assert_held(&rq->lock);
	ticks = t->tick_user + t->tick_system;
	if (t->on_cpu)
		runq_account(rq, t, clock_ns());
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
		runq_account(rq, rq->running, clock_ns());
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

	for (u32 i = 0; i < cpu_count(); i++)
		n += atomic_load(&runqs[i].nr_queued) +
		     (atomic_load(&runqs[i].running) != runqs[i].idle);
	return n;
}

u64 sched_nr_switches(void)
{
	u64 n = 0;

	for (u32 i = 0; i < cpu_count(); i++)
		n += atomic_load(&runqs[i].nr_switches);
	return n;
}
