/*
 * Clocks of CPU time. A clockid_t below 0 has the bits of ~id above the lowest three, where 0 stands for
 * the caller; bit 2 says that id is a thread's, and the lowest two what is counted.
 */
#include "kernel/cpu_clock.h"

#include "arch/clock.h"
#include "kernel/process.h"

enum { COUNT_ALL = 0, COUNT_USER = 1, COUNT_RUNTIME = 2, COUNT_NOTHING = 3 };

#define OF_CALLER   ((s32)(~0u << 3))
#define OF_A_THREAD 4
#define COUNTED	    3

/* The clocks that have names of their own as what they stand for. */
static s32 spelt_out(s32 clock)
{
	if (clock == CLOCK_PROCESS_CPUTIME_ID)
		return OF_CALLER | COUNT_RUNTIME;
	if (clock == CLOCK_THREAD_CPUTIME_ID)
		return OF_CALLER | OF_A_THREAD | COUNT_RUNTIME;
	return clock;
}

bool cpu_clock_is(s32 clock)
{
	return spelt_out(clock) < 0 && !clock_is_device(clock);
}

static s32 id_of(s32 clock)
{
	s32 id = ~(clock >> 3);

	if (id)
		return id;
	return clock & OF_A_THREAD ? current->tid : current->proc->pid;
}

/* A task of this process, referenced, or NULL. */
static struct task *own_task(s32 tid)
{
	struct task *t;

	spin_lock(&tasks_lock);
	t = task_lookup(tid);
	if (t && t->proc == current->proc)
		task_get(t);
	else
		t = NULL;
	spin_unlock(&tasks_lock);
	return t;
}

int cpu_clock_get(s32 clock, struct cpu_clock *c)
{
	clock = spelt_out(clock);
	*c = (struct cpu_clock){.user = (clock & COUNTED) == COUNT_USER};
	if ((clock & COUNTED) == COUNT_NOTHING)
		return -EINVAL;
	if (clock & OF_A_THREAD) {
		c->task = own_task(id_of(clock));
		if (!c->task)
			return -EINVAL;
		c->proc = current->proc;
		process_get(c->proc);
	} else {
		c->proc = process_find(id_of(clock));
	}
	return c->proc ? 0 : -EINVAL;
}

void cpu_clock_put(struct cpu_clock *c)
{
	if (c->task)
		task_put(c->task);
	process_put(c->proc);
}

u64 cpu_clock_now_locked(const struct cpu_clock *c)
{
	struct rusage_counts u;

	if (c->task)
		task_times(c->task, &u.utime_ns, &u.stime_ns);
	else
		process_usage_locked(c->proc, &u);
	return c->user ? u.utime_ns : u.utime_ns + u.stime_ns;
}

u64 cpu_clock_now(const struct cpu_clock *c)
{
	u64 ns;

	spin_lock(&c->proc->sighand_lock);
	ns = cpu_clock_now_locked(c);
	spin_unlock(&c->proc->sighand_lock);
	return ns;
}

int cpu_clock_read(s32 clock, u64 *ns)
{
	struct cpu_clock c;
	int err = cpu_clock_get(clock, &c);

	if (err)
		return err;
	*ns = cpu_clock_now(&c);
	cpu_clock_put(&c);
	return 0;
}

/* Sleeps till the clock has come to a time: looks once in a tick, which is as often as it goes on. */
static long sleep_until(s32 clock, u64 deadline, u64 *now)
{
	struct waitq q = WAITQ_INIT(q);
	long err;

	do {
		err = cpu_clock_read(clock, now);
		if (err || *now >= deadline)
			return err;
		err = wait_event_until(&q, WAIT_INTERRUPTIBLE, clock_deadline(TICK_NS), false);
	} while (err == -ETIMEDOUT);
	return err;
}

/* A relative sleep, from its start or after a signal. */
static long sleep_on(struct task *t)
{
	struct timespec __user *rest = (struct timespec __user *)t->restart_arg[1];
	u64 deadline = t->restart_arg[0], now;
	long err = sleep_until((s32)t->restart_arg[2], deadline, &now);

	if (!err || err == -EINVAL)
		return err;
	t->restart = sleep_on;
	if (rest && timespec_put(rest, deadline - now))
		return -EFAULT;
	return -ERESTART_RESTARTBLOCK;
}

long cpu_clock_sleep(s32 clock, bool absolute, u64 ns, struct timespec __user *rest)
{
	struct task *t = current;
	u64 now;
	long err;

	/* It would stand still as long as one waits for it. */
	if (clock & OF_A_THREAD && id_of(clock) == t->tid)
		return -EINVAL;
	if (absolute) {
		err = sleep_until(clock, ns, &now);
		return err && err != -EINVAL ? -ERESTARTNOHAND : err;
	}
	err = cpu_clock_read(clock, &now);
	if (err)
		return err;
	t->restart_arg[0] = now + min(ns, INT64_MAX - now);
	t->restart_arg[1] = (u64)rest;
	t->restart_arg[2] = (u64)clock;
	return sleep_on(t);
}
