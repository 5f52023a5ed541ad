/*
 * A sleeping lock, shared or exclusive. A waiting writer holds back new readers. The struct has
 * room for the host tests' implementation, which stands on pthreads.
 */
#pragma once

#include "kernel/wait.h"

struct rwsem {
	s64 count; /* readers inside, RWSEM_WRITER, RWSEM_WAITERS; host: -1 for a writer. Atomic. */
	u32 writers_waiting __guarded; /* by q.lock */
	enum lock_rank rank;
	struct waitq q;
#ifdef CALF_HOST
	void *host;
#endif
} __capability("rwsem");

void rwsem_init(struct rwsem *s, enum lock_rank rank);
/* -EINTR where the task is killed while it waits. */
int __must_check rwsem_write_lock_killable(struct rwsem *s) __try_acquires(0, s);
bool rwsem_is_write_locked(const struct rwsem *s);
bool rwsem_is_locked(const struct rwsem *s);

/* Says to clang that s is held, where it cannot follow how; the debug build looks at the rank. */
static inline void rwsem_assert_held(const struct rwsem *s) __assert_holds(s)
{
	lock_order_sleep_assert_held(s->rank);
}
static inline void rwsem_assert_held_shared(const struct rwsem *s) __assert_holds_shared(s)
{
	lock_order_sleep_assert_held(s->rank);
}

/* Says to clang that s may pass for held: nobody else can reach what it guards. */
static inline void rwsem_assume_held(const struct rwsem *s) __assert_holds(s)
{
	(void)s;
}

#ifdef CALF_HOST
void rwsem_read_lock(struct rwsem *s) __acquires_shared(s);
void rwsem_read_unlock(struct rwsem *s) __releases_shared(s);
void rwsem_write_lock(struct rwsem *s) __acquires(s);
void rwsem_write_unlock(struct rwsem *s) __releases(s);
/* Turns an exclusive hold into a shared one, with no moment between. */
void rwsem_downgrade(struct rwsem *s) __releases(s) __acquires_shared(s);
#else

#define RWSEM_WRITER  (1ll << 32) /* a writer is inside */
#define RWSEM_WAITERS (1ll << 33) /* somebody sleeps, or is about to: who leaves must look */

void rwsem_read_lock_slow(struct rwsem *s);
void rwsem_write_lock_slow(struct rwsem *s);
void rwsem_wake(struct rwsem *s);

static inline void rwsem_read_lock(struct rwsem *s) __acquires_shared(s) __no_lock_analysis
{
	s64 c = atomic_load(&s->count);

	lock_order_sleep_acquire(s->rank);
	do {
		if (unlikely(c >= RWSEM_WRITER)) {
			rwsem_read_lock_slow(s);
			return;
		}
		/* Another reader may have been quicker, and is no reason to sleep. */
	} while (unlikely(!atomic_cas(&s->count, &c, c + 1)));
}

static inline void rwsem_read_unlock(struct rwsem *s) __releases_shared(s) __no_lock_analysis
{
	lock_order_sleep_release(s->rank);
	if (unlikely(atomic_dec(&s->count) == RWSEM_WAITERS))
		rwsem_wake(s);
}

static inline void rwsem_write_lock(struct rwsem *s) __acquires(s) __no_lock_analysis
{
	s64 none = 0;

	lock_order_sleep_acquire(s->rank);
	if (unlikely(!atomic_cas(&s->count, &none, RWSEM_WRITER)))
		rwsem_write_lock_slow(s);
}

static inline void rwsem_write_unlock(struct rwsem *s) __releases(s) __no_lock_analysis
{
	lock_order_sleep_release(s->rank);
	if (unlikely(atomic_sub(&s->count, RWSEM_WRITER)))
		rwsem_wake(s);
}

/* Turns an exclusive hold into a shared one, with no moment between. */
static inline void rwsem_downgrade(struct rwsem *s) __releases(s)
    __acquires_shared(s) __no_lock_analysis
{
	if (unlikely(atomic_sub(&s->count, RWSEM_WRITER - 1) & RWSEM_WAITERS))
		rwsem_wake(s);
}
#endif
