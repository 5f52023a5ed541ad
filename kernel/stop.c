/*
 * Stopping the other CPUs for a look at the whole machine: each is held at its next safe point, in
 * schedule(), where it has no spinlock and no change of mm/'s half made. It still answers interrupts
 * there, so flushes that were under way come to their end.
 */
#include "kernel/runq.h"

bool sched_stopping; /* atomic */
static bool taken;   /* somebody stops the others, or they are on their way again. Atomic. */
static u32 nr_held;  /* CPUs that wait in sched_hold(). Atomic. */
static struct waitq turn = WAITQ_INIT(turn);

static bool take_turn(void)
{
	return !atomic_xchg(&taken, true);
}

void sched_hold(void)
{
	/* Who stops the others goes on, and never comes here meanwhile. */
	atomic_inc(&nr_held);
	while (atomic_load(&sched_stopping))
		cpu_relax();
	atomic_dec(&nr_held);
}

void sched_stop_others(void)
{
	u32 me;

	if (cpu_count() == 1)
		return;
	(void)wait_event_until(&turn, WAIT_UNINTERRUPTIBLE, WAIT_FOREVER, take_turn());
	me = cpu_id();
	atomic_store_release(&sched_stopping, true);
	for (u32 cpu = 0; cpu < cpu_count(); cpu++)
		if (cpu != me)
			runq_call(&runqs[cpu]);
	while (atomic_load(&nr_held) != cpu_count() - 1)
		cpu_relax();
}

void sched_resume_others(void)
{
	if (cpu_count() == 1)
		return;
	atomic_store_release(&sched_stopping, false);
	/* All are on their way before the next one may stop them. */
	while (atomic_load(&nr_held))
		cpu_relax();
	atomic_store_release(&taken, false);
	waitq_wake_all(&turn);
}
