/* The sleeping lock of the host tests: threads spin, and give way while they do. */
#include "kernel/rwsem.h"
#include "kernel/panic.h"
#include <sched.h>

#define PATIENCE 100000000u /* a thread that waits longer will wait for ever */

void rwsem_init(struct rwsem *s, enum lock_rank rank)
{
	s->count = 0;
	s->rank = rank;
	s->host = NULL;
}

static bool change(struct rwsem *s, s64 from, s64 to)
{
	return atomic_cas(&s->count, &from, to);
}

static void wait(unsigned *tries)
{
	if (++*tries > PATIENCE)
		panic("rwsem: waits for ever");
	sched_yield();
}

void rwsem_read_lock(struct rwsem *s)
{
	unsigned tries = 0;
	s64 n;

	lock_order_may_sleep();
	lock_order_acquire(s, s->rank);
	for (;;) {
		n = atomic_load(&s->count);
		if (n >= 0 && change(s, n, n + 1))
			return;
		wait(&tries);
	}
}

void rwsem_read_unlock(struct rwsem *s)
{
	lock_order_release(s, s->rank);
	ASSERT(atomic_load(&s->count) > 0);
	atomic_dec(&s->count);
}

void rwsem_write_lock(struct rwsem *s)
{
	unsigned tries = 0;

	lock_order_may_sleep();
	lock_order_acquire(s, s->rank);
	while (!change(s, 0, -1))
		wait(&tries);
}

void rwsem_write_unlock(struct rwsem *s)
{
	lock_order_release(s, s->rank);
	ASSERT(change(s, -1, 0));
}

void rwsem_downgrade(struct rwsem *s)
{
	ASSERT(change(s, -1, 1));
}

int rwsem_write_lock_killable(struct rwsem *s)
{
	rwsem_write_lock(s);
	return 0;
}

bool rwsem_is_write_locked(const struct rwsem *s)
{
	return atomic_load(&s->count) < 0;
}

bool rwsem_is_locked(const struct rwsem *s)
{
	return atomic_load(&s->count) != 0;
}
