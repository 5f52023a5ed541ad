/*
 * Sleeping locks, shared or exclusive. The count is guarded by the wait queue's lock; a writer
 * that waits holds back new readers, so that it cannot starve.
 */
#include "kernel/rwsem.h"

#include "kernel/task.h"

void rwsem_init(struct rwsem *s, enum lock_rank rank)
{
	s->count = 0;
	s->writers_waiting = 0;
	s->rank = rank;
	waitq_init(&s->q);
}

static bool try_read(struct rwsem *s)
{
	u64 flags = spin_lock_irq(&s->q.lock);
	bool ok = s->count >= 0 && !s->writers_waiting;

	if (ok)
		s->count++;
	spin_unlock_irq(&s->q.lock, flags);
	return ok;
}

/* `waited`: this writer is counted in writers_waiting, and no longer once it has the lock. */
static bool try_write(struct rwsem *s, bool waited)
{
	u64 flags = spin_lock_irq(&s->q.lock);
	bool ok = s->count == 0;

	if (ok) {
		s->count = -1;
		if (waited)
			s->writers_waiting--;
	}
	spin_unlock_irq(&s->q.lock, flags);
	return ok;
}

static void count_waiting_writer(struct rwsem *s, bool more)
{
	u64 flags = spin_lock_irq(&s->q.lock);

	if (more)
		s->writers_waiting++;
	else
		s->writers_waiting--;
	spin_unlock_irq(&s->q.lock, flags);
}

void rwsem_read_lock(struct rwsem *s)
{
	lock_order_sleep_acquire(s->rank);
	(void)wait_event_until(&s->q, WAIT_UNINTERRUPTIBLE, WAIT_FOREVER, try_read(s));
}

static int write_lock(struct rwsem *s, enum wait_mode mode)
{
	long err;

	lock_order_sleep_acquire(s->rank);
	if (try_write(s, false))
		return 0;
	count_waiting_writer(s, true);
	err = wait_event_until(&s->q, mode, WAIT_FOREVER, try_write(s, true));
	if (!err)
		return 0;
	count_waiting_writer(s, false);
	waitq_wake_all(&s->q); /* readers that this writer held back */
	lock_order_sleep_release(s->rank);
	return -EINTR;
}

void rwsem_write_lock(struct rwsem *s)
{
	(void)write_lock(s, WAIT_UNINTERRUPTIBLE);
}

int rwsem_write_lock_killable(struct rwsem *s)
{
	return write_lock(s, WAIT_KILLABLE);
}

static void leave(struct rwsem *s, s64 count_change)
{
	u64 flags = spin_lock_irq(&s->q.lock);
	bool wake;

	s->count += count_change;
	wake = s->count >= 0 && !list_empty(&s->q.waiters);
	spin_unlock_irq(&s->q.lock, flags);
	if (wake)
		waitq_wake_all(&s->q);
}

void rwsem_read_unlock(struct rwsem *s)
{
	lock_order_sleep_release(s->rank);
	leave(s, -1);
}

void rwsem_write_unlock(struct rwsem *s)
{
	lock_order_sleep_release(s->rank);
	leave(s, 1);
}

void rwsem_downgrade(struct rwsem *s)
{
	leave(s, 2);
}

bool rwsem_is_write_locked(const struct rwsem *s)
{
	return atomic_load(&s->count) < 0;
}

bool rwsem_is_locked(const struct rwsem *s)
{
	return atomic_load(&s->count) != 0;
}
