/*
 * Wait queues: how a task sleeps until something is true.
 *
 *	long err = wait_event(&q, condition);
 *
 * evaluates the condition, with the task on the queue, before each sleep, so a wake-up between
 * the test and the sleep is not lost. Waking is safe from interrupt handlers.
 *
 * A hook waits in a task's place: each wake-up calls its function, under the queue's lock and with
 * interrupts off, perhaps in an interrupt handler. The function may take locks ranked after
 * LOCK_WAIT, all of them with interrupts off, and wake other queues: that is how an event comes from
 * a file to the epoll sets that watch it, and to those that watch them. Who hooks a queue to another
 * sees to it that they form no circle.
 */
#pragma once

#include "kernel/errno.h"
#include "kernel/lib/list.h"
#include "kernel/lock.h"

struct task;

struct waitq {
	spinlock_t lock; /* LOCK_WAIT */
	struct list_head waiters __guarded_by(&lock);
};

/* One waiter. poll() puts one task on many queues, so the entry is apart from the task. */
struct waiter {
	struct list_head link __guarded; /* by the queue's lock */
	struct waitq *queue;		 /* NULL while on none */
	struct task *task;		 /* NULL: this is the waiter of a struct wait_hook */
	bool exclusive;			 /* wake_one() stops at the first exclusive waiter */
};

struct wait_hook {
	struct waiter waiter;
	void (*fn)(struct wait_hook *h);
};

void waitq_init(struct waitq *q);
#define WAITQ_INIT(q)                                            \
	{                                                        \
		SPINLOCK_INIT(LOCK_WAIT), LIST_INIT((q).waiters) \
	}

void waitq_wake_all(struct waitq *q);
void waitq_wake_one(struct waitq *q);

/* Puts h, with its fn set, on q, which outlives its stay there. */
void wait_hook_add(struct wait_hook *h, struct waitq *q);
/* Takes h off its queue: on return its function neither runs nor is called any more. */
void wait_hook_remove(struct wait_hook *h);

enum wait_mode {
	WAIT_KILLABLE,	    /* only a fatal signal ends the sleep early */
	WAIT_INTERRUPTIBLE, /* any signal that would be delivered does */
	WAIT_UNINTERRUPTIBLE,
};

#define WAIT_FOREVER (~0ull)

/* Puts the task on q and marks it asleep; it does not yet give up the CPU. */
void wait_prepare(struct waiter *w, struct waitq *q, enum wait_mode mode);
/* Gives up the CPU until woken, signalled or `deadline` of clock_ns(). 0, -ERESTARTSYS or
 * -ETIMEDOUT. */
long wait_sleep(enum wait_mode mode, u64 deadline);
/* Takes the task off its queue and marks it running. */
void wait_finish(struct waiter *w);

#define wait_event_until(q, mode, deadline, cond)                            \
	({                                                                   \
		long wait_ret_ = 0;                                          \
		if (!(cond)) {                                               \
			u64 wait_until_ = (deadline);                        \
			struct waiter wait_w_ = {0};                         \
			for (;;) {                                           \
				wait_prepare(&wait_w_, (q), (mode));         \
				if (cond) {                                  \
					wait_ret_ = 0;                       \
					break;                               \
				}                                            \
				if (wait_ret_)                               \
					break;                               \
				wait_ret_ = wait_sleep((mode), wait_until_); \
			}                                                    \
			wait_finish(&wait_w_);                               \
		}                                                            \
		wait_ret_;                                                   \
	})

/* 0 once cond holds, -ERESTARTSYS where a signal came first. */
#define wait_event(q, cond) wait_event_until(q, WAIT_INTERRUPTIBLE, WAIT_FOREVER, cond)
/* 0 once cond holds, -ERESTARTSYS where the task is being killed. */
#define wait_event_killable(q, cond) wait_event_until(q, WAIT_KILLABLE, WAIT_FOREVER, cond)
