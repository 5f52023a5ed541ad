/*
 * Clocks of CPU time: those of a process and of a thread, by clockid_t. clock_getcpuclockid(3).
 */
#pragma once

#include "kernel/task.h"

#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID	 3

/* How often a tick finds a task running: what goes by CPU time is seen to that often. */
#define TICK_NS (4 * NSEC_PER_MSEC)

struct cpu_clock {
	struct process *proc; /* referenced */
	struct task *task;    /* of proc, referenced; NULL: all that there were */
	bool user;	      /* only the time in user mode */
};

/* One below 0 that is a file's: there are none, and Linux' have no timers. */
static inline bool clock_is_device(s32 clock)
{
	return clock < 0 && (clock & 7) == 3;
}

bool cpu_clock_is(s32 clock);
/* Finds it: cpu_clock_put() when done. -EINVAL: `clock` names no process, nor a task of this one. */
int __must_check cpu_clock_get(s32 clock, struct cpu_clock *c);
void cpu_clock_put(struct cpu_clock *c);
u64 cpu_clock_now(const struct cpu_clock *c);
u64 cpu_clock_now_locked(const struct cpu_clock *c) __must_hold(&c->proc->sighand_lock);
/* 0, or -EINVAL as above. */
int __must_check cpu_clock_read(s32 clock, u64 *ns);
/* clock_nanosleep(2) till a time, or for so long. */
long cpu_clock_sleep(s32 clock, bool absolute, u64 ns, struct timespec __user *rest);
