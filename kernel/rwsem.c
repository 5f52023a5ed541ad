/*
 * Sleeping locks, shared or exclusive: the slow half, for who does not get in at once.
 *
 * Who is about to sleep sets RWSEM_WAITERS first and looks again after; who leaves the lock free
 * sees it and wakes all, and they try again. The bit goes with the waking, but stays
 * while a writer waits, so that readers who come meanwhile queue up behind it here.
 */
#include "kernel/rwsem.h"

#include "kernel/task.h"

void rwsem_init(struct rwsem *s, enum lock_rank rank)
{
	spin_assume_held(&s->q.lock);
	s->count = 0;
	s->writers_waiting = 0;
	s->rank = rank;
	waitq_init(&s->q);
}

static bool try_read(struct rwsem *s)
{
	u64 flags = spin_lock_irq(&s->q.lock);
	s64 c = atomic_or(&s->count, RWSEM_WAITERS);
	bool ok = false;

	while (!(c & RWSEM_WRITER) && !s->writers_waiting && !ok)
		ok = atomic_cas(&s->count, &c, c + 1);
	spin_unlock_irq(&s->q.lock, flags);
	return ok;
}

/* The writer is counted in writers_waiting, and no longer once it has the lock. */
static bool try_write(struct rwsem *s)
{
	u64 flags = spin_lock_irq(&s->q.lock);
	s64 c = atomic_or(&s->count, RWSEM_WAITERS);
	bool ok = c == RWSEM_WAITERS && atomic_cas(&s->count, &c, RWSEM_WAITERS | RWSEM_WRITER);

	if (ok)
		s->writers_waiting--;
	spin_unlock_irq(&s->q.lock, flags);
	return ok;
}

static void count_waiting_writer(struct rwsem *s, bool more)
{
	u64 flags = spin_lock_irq(&s->q.lock);

	s->writers_waiting += more ? 1u : -1u;
	spin_unlock_irq(&s->q.lock, flags);
}

void rwsem_wake(struct rwsem *s)
{
	u64 flags = spin_lock_irq(&s->q.lock);

	if (!s->writers_waiting)
		atomic_and(&s->count, ~RWSEM_WAITERS);
	spin_unlock_irq(&s->q.lock, flags);
	waitq_wake_all(&s->q);
}

void rwsem_read_lock_slow(struct rwsem *s)
{
	(void)wait_event_until(&s->q, WAIT_UNINTERRUPTIBLE, WAIT_FOREVER, try_read(s));
}

static long write_lock_slow(struct rwsem *s, enum wait_mode mode)
{
	long err;

	count_waiting_writer(s, true);
	err = wait_event_until(&s->q, mode, WAIT_FOREVER, try_write(s));
	if (err) {
		count_waiting_writer(s, false);
		rwsem_wake(s); /* readers that this writer held back */
	}
	return err;
}

void rwsem_write_lock_slow(struct rwsem *s)
{
	(void)write_lock_slow(s, WAIT_UNINTERRUPTIBLE);
}

int rwsem_write_lock_killable(struct rwsem *s)
{
	s64 none = 0;

	lock_order_sleep_acquire(s->rank);
	if (atomic_cas(&s->count, &none, RWSEM_WRITER) || !write_lock_slow(s, WAIT_KILLABLE))
		return 0;
	lock_order_sleep_release(s->rank);
	return -EINTR;
}

bool rwsem_is_write_locked(const struct rwsem *s)
{
	return atomic_load(&s->count) & RWSEM_WRITER;
}

bool rwsem_is_locked(const struct rwsem *s)
{
	return atomic_load(&s->count) & ~RWSEM_WAITERS;
}
