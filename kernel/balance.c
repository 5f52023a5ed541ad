/*
 * Which CPU a task runs on.
 *
 *	woken, new	The CPU that it ran on last, where that is idle and its caches may still be warm;
 *			else another idle one; else the one that it ran on last.
 *	preempted	The same, where a CPU is idle that it may run on.
 *	idle		A CPU that runs out of tasks takes one that waits on another.
 *	busy		Now and then a CPU compares its queue with the others', and takes a task from one
 *			that is longer by two. One that has tasks waiting while a CPU is idle wakes that.
 *	cpu_mask	Is kept to in all of this. A task that may no longer be where it is moves when it
 *			leaves the CPU: sched_switched() places it.
 *
 * A task on its way from one queue to another is on none, and can run: nobody else touches it, since
 * a wake-up finds it awake. Two queues are never locked at once.
 *
 * A CPU sets its bit in `idle_cpus` before it looks for the last time whether there is something to
 * run. Who places a task on an idle CPU takes the bit, so that the next one looks elsewhere.
 */
#include "kernel/runq.h"

#define BALANCE_TICKS 8

static u64 idle_cpus __aligned(64); /* atomic */

void runq_set_idle(struct runq *rq, bool idle)
{
	u64 bit = BIT(rq->cpu);
	bool is = atomic_load(&idle_cpus) & bit;

	if (cpu_count() == 1 || is == idle)
		return;
	if (idle)
		atomic_or(&idle_cpus, bit);
	else
		atomic_and(&idle_cpus, ~bit);
}

bool runq_any_busy(void)
{
	u64 all = ~0ull >> (64 - cpu_count());

	return (atomic_load(&idle_cpus) & all) != all;
}

bool runq_idle_for(const struct task *t)
{
	return atomic_load(&idle_cpus) & atomic_load(&t->cpu_mask);
}

/* True where the CPU was idle, and nobody else has given it a task yet. */
static bool claim(u32 cpu)
{
	return __atomic_fetch_and(&idle_cpus, ~BIT(cpu), __ATOMIC_SEQ_CST) & BIT(cpu);
}

/* An idle CPU of the mask, taken; or MAX_CPUS. */
static u32 claim_idle(u64 mask, u32 last)
{
	u64 idle = atomic_load(&idle_cpus) & mask;

	if (idle & BIT(last) && claim(last))
		return last;
	for (; idle; idle &= idle - 1) {
		u32 cpu = (u32)__builtin_ctzll(idle);

		if (claim(cpu))
			return cpu;
	}
	return MAX_CPUS;
}

static u32 shortest(u64 mask)
{
	u32 best = (u32)__builtin_ctzll(mask);

	for (u64 left = mask; left; left &= left - 1) {
		u32 cpu = (u32)__builtin_ctzll(left);

		if (atomic_load(&runqs[cpu].nr_queued) < atomic_load(&runqs[best].nr_queued))
			best = cpu;
	}
	return best;
}

static u32 choose_cpu(const struct task *t)
{
	u64 all = ~0ull >> (64 - cpu_count());
	u64 mask = atomic_load(&t->cpu_mask) & all;
	u32 last = atomic_load(&t->cpu), cpu;

	cpu = claim_idle(mask, last);
	if (cpu != MAX_CPUS)
		return cpu;
	return mask & BIT(last) ? last : shortest(mask);
}

struct runq *runq_choose(struct runq *rq, struct task *t) __no_lock_analysis /* returns it */
{
	u32 cpu;

	while ((cpu = choose_cpu(t)) != rq->cpu) {
		atomic_store(&t->cpu, cpu);
		spin_unlock(&rq->lock);
		rq = &runqs[cpu];
		spin_lock(&rq->lock);
		if (runq_allows(rq, t))
			break;
	}
	return rq;
}

/* The task of this queue that has waited longest and may run on `cpu`; or NULL. */
static struct task *find(struct runq *rq, u32 cpu) __must_hold(&rq->lock)
{
	struct task *t;

	list_for_each (t, &rq->fresh, run_link)
		if (atomic_load(&t->cpu_mask) & BIT(cpu))
			return t;
	list_for_each (t, &rq->expired, run_link)
		if (atomic_load(&t->cpu_mask) & BIT(cpu))
			return t;
	return NULL;
}

/* Takes a task from another CPU's queue, if it still has one to give. Interrupts are off. */
static bool take_from(struct runq *from)
{
	struct runq *mine = this_runq();
	struct task *t = NULL;

	spin_lock(&from->lock);
	/* One that is about to run the only task that it has been given keeps it. */
	if (from->running != from->idle || from->nr_queued > 1)
		t = find(from, mine->cpu);
	if (t) {
		runq_dequeue(from, t);
		atomic_store(&t->cpu, mine->cpu);
	}
	spin_unlock(&from->lock);
	if (!t)
		return false;
	/* This CPU is the place: as an idle one, or as one with less to do. */
	spin_lock(&mine->lock);
	if (!runq_allows(mine, t)) {
		runq_place(mine, t);
		return false;
	}
	if (t->rt_priority)
		realtime_arrives(mine, t);
	else
		runq_enqueue(mine, t, t->slice_left_ns > 0 ? &mine->fresh : &mine->expired);
	spin_unlock(&mine->lock);
	return true;
}

bool runq_steal(void)
{
	u32 n = cpu_count(), me = cpu_id();
	bool found = false;

	for (u32 i = 1; i < n && !found; i++) {
		struct runq *from = &runqs[(me + i) % n];
		u64 flags;

		if (!atomic_load(&from->nr_queued))
			continue;
		flags = irq_save();
		found = take_from(from);
		irq_restore(flags);
	}
	return found;
}

/* Has an idle CPU come that may run one of those that wait here. */
static void call_idle(struct runq *mine)
{
	u64 idle = atomic_load(&idle_cpus) & ~BIT(mine->cpu);
	u32 cpu = MAX_CPUS;

	spin_lock(&mine->lock);
	for (; idle && cpu == MAX_CPUS; idle &= idle - 1)
		if (find(mine, (u32)__builtin_ctzll(idle)))
			cpu = (u32)__builtin_ctzll(idle);
	spin_unlock(&mine->lock);
	if (cpu != MAX_CPUS)
		runq_call(&runqs[cpu]);
}

void runq_balance(void)
{
	struct runq *mine = this_runq(), *longest = mine;
	u64 idle = atomic_load(&idle_cpus);

	if (++mine->ticks < BALANCE_TICKS)
		return;
	mine->ticks = 0;
	for (u32 cpu = 0; cpu < cpu_count(); cpu++)
		if (atomic_load(&runqs[cpu].nr_queued) > atomic_load(&longest->nr_queued))
			longest = &runqs[cpu];
	if (atomic_load(&longest->nr_queued) > atomic_load(&mine->nr_queued) + 1)
		(void)take_from(longest);
	else if (idle && atomic_load(&mine->nr_queued))
		call_idle(mine);
}
