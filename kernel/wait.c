/* Wait queues: see kernel/wait.h. The lock of a queue is taken from interrupt handlers too. */
#include "kernel/wait.h"

#include "arch/clock.h"
#include "kernel/task.h"

void waitq_init(struct waitq *q)
{
	spin_init(&q->lock, LOCK_WAIT);
	spin_assume_held(&q->lock);
	list_init(&q->waiters);
}

/* False: it was awake already. */
static bool wake_waiter(struct waiter *w)
{
	struct wait_hook *h;

	if (likely(w->task))
		return task_wake(w->task);
	h = container_of(w, struct wait_hook, waiter);
	h->fn(h);
	return true;
}

static void wake(struct waitq *q, bool all)
{
	u64 flags = spin_lock_irq(&q->lock);
	struct waiter *w;

	list_for_each (w, &q->waiters, link) {
		bool woken = wake_waiter(w);

		/* One that is awake already has had its wake-up: this one is the next waiter's. */
		if (woken && w->exclusive && !all)
			break;
	}
	spin_unlock_irq(&q->lock, flags);
}

void waitq_wake_all(struct waitq *q)
{
	wake(q, true);
}

void waitq_wake_one(struct waitq *q)
{
	wake(q, false);
}

static enum task_state state_of(enum wait_mode mode)
{
	switch (mode) {
	case WAIT_KILLABLE:
		return TASK_KILLABLE;
	case WAIT_INTERRUPTIBLE:
		return TASK_INTERRUPTIBLE;
	default:
		return TASK_UNINTERRUPTIBLE;
	}
}

void wait_prepare(struct waiter *w, struct waitq *q, enum wait_mode mode)
{
	u64 flags = spin_lock_irq(&q->lock);

	if (!w->queue) {
		w->queue = q;
		w->task = current;
		if (w->exclusive)
			list_add_tail(&q->waiters, &w->link);
		else
			list_add(&q->waiters, &w->link);
	}
	/*
	 * Under the lock: a wake-up that comes from now on finds the task asleep and undoes it. And
	 * by a full barrier: what the caller tests next, and whether a signal is pending, is read
	 * after others can see that the task sleeps.
	 */
	(void)atomic_xchg(&current->state, state_of(mode));
	spin_unlock_irq(&q->lock, flags);
}

static bool interrupted(enum wait_mode mode)
{
	if (mode == WAIT_INTERRUPTIBLE)
		return signal_pending();
	return mode == WAIT_KILLABLE && fatal_signal_pending();
}

static void wake_sleeper(struct ktimer *t)
{
	task_wake(t->arg);
}

long wait_sleep(enum wait_mode mode, u64 deadline)
{
	struct ktimer timer;

	lock_order_may_sleep();
	if (interrupted(mode))
		return -ERESTARTSYS;
	if (deadline == WAIT_FOREVER) {
		schedule();
		return interrupted(mode) ? -ERESTARTSYS : 0;
	}
	if (clock_ns() >= deadline)
		return -ETIMEDOUT;
	ktimer_init(&timer, wake_sleeper, current);
	ktimer_set(&timer, deadline);
	schedule();
	ktimer_cancel(&timer);
	return interrupted(mode) ? -ERESTARTSYS : 0;
}

static void leave(struct waiter *w)
{
	struct waitq *q = w->queue;
	u64 flags;

	if (!q)
		return;
	flags = spin_lock_irq(&q->lock);
	list_del(&w->link);
	w->queue = NULL;
	spin_unlock_irq(&q->lock, flags);
}

void wait_finish(struct waiter *w)
{
	atomic_store(&current->state, TASK_RUNNING);
	leave(w);
}

void wait_hook_add(struct wait_hook *h, struct waitq *q)
{
	u64 flags = spin_lock_irq(&q->lock);

	h->waiter = (struct waiter){.queue = q};
	list_add(&q->waiters, &h->waiter.link);
	spin_unlock_irq(&q->lock, flags);
}

void wait_hook_remove(struct wait_hook *h)
{
	leave(&h->waiter);
}
