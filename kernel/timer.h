/*
 * Timers in the kernel: a function called once at a time of clock_ns(), in the timer interrupt.
 * Such a function may bump, wake and set another timer, and nothing else.
 */
#pragma once

#include "kernel/lib/rbtree.h"

struct ktimer {
	/* What is guarded, by the lock of the queue of `cpu`: see timer.c. */
	struct rb_node node __guarded;
	u64 deadline __guarded;
	void (*fn)(struct ktimer *t);
	void *arg;
	u32 cpu __guarded; /* whose queue it is on, or was last */
	bool queued __guarded;
};

#define NSEC_PER_SEC  1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_USEC 1000ull
#define NSEC_PER_TICK 10000000ull /* clock_t's unit: 100 a second */

struct timespec {
	s64 tv_sec, tv_nsec;
};

struct timeval {
	s64 tv_sec, tv_usec;
};

struct itimerspec {
	struct timespec interval, value;
};

/* Nanoseconds of a user's timespec: -EFAULT, or -EINVAL where it is no valid duration. Saturates.
 */
int timespec_get(u64 *ns, const struct timespec __user *p);
int timespec_put(struct timespec __user *p, u64 ns);
int itimerspec_get(u64 *value, u64 *interval, const struct itimerspec __user *p);
int itimerspec_put(struct itimerspec __user *p, u64 value, u64 interval);
int timeval_get(u64 *ns, const struct timeval __user *p);
/* As select(2): microseconds may come to seconds. */
int timeval_get_any(u64 *ns, const struct timeval __user *p);
int timeval_put(struct timeval __user *p, u64 ns);

/* The time `ns` from now, for wait_event_until(); WAIT_FOREVER where it lies beyond all time. */
u64 clock_deadline(u64 ns);

void ktimer_init(struct ktimer *t, void (*fn)(struct ktimer *t), void *arg);
/* (Re)arms t. Callable from anywhere, interrupt handlers included. */
void ktimer_set(struct ktimer *t, u64 deadline);
/* True where t was armed. On return its function does not run on another CPU: a lock that it takes
 * must not be held. */
bool ktimer_cancel(struct ktimer *t);

/* The timer interrupt, from arch; `user`: it came in user mode. */
void timer_interrupt(bool user);
