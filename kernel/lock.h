/*
 * Spinlocks. A lock knows its rank in kernel/lock_order.h; the debug build panics where one is
 * taken out of order, twice, or released by a CPU that does not hold it.
 *
 * Kernel code is not preempted, so a plain spin_lock() suffices for what no interrupt handler
 * takes. What a handler takes too is taken with the _irq forms everywhere.
 *
 * Who needs which lock is written where clang reads it, and `make check-locks` has it checked:
 *
 *	type x __guarded_by(&lock)		a field that is used under its struct's lock alone
 *	type x __guarded_by_global(&lock)	the same of a lock that is a variable
 *	type x __guarded			the same of a lock of another object, which a comment
 *						names: clang asks that some lock be held
 *	f(p) __must_hold(&p->lock)		called, and returning, with it held; _shared: a
 *						sleeping lock, at least shared
 *	f(p) __acquires(&p->lock)		returns with it held
 *	f(p) __try_acquires(0, &p->lock)	the same where it returns 0
 *	f(p) __releases(&p->lock)		called with it held, and returns without
 *	f(p) __no_lock_analysis			not checked within; a comment says why
 *
 * clang compares names: one lock must go by one name in a function and in what it calls.
 * spin_assert_held() says that a lock is held, by the name it is given, where clang cannot know:
 * a function has returned what it locked, or one object goes by two names. spin_assume_held()
 * stands where who makes an object, or has it alone at its end, does without the lock.
 *
 * A field may be looked at without its lock by READ_ONCE() and by what is atomic, which clang lets
 * pass; who does so can do with an old value, or is the only one that changes it. Not annotated is what
 * is never changed once the object is seen. A clang before 22 knows of __guarded_by() just that some
 * lock is held, shared or not, and is blind where a pointer to the field comes in between.
 */
#pragma once

#include "arch/cpu.h"
#include "kernel/lib/atomic.h"
#include "kernel/lock_order.h"

/* Four bytes, so that one fits in struct page: bit 0 is held, bits 8-15 are the rank. */
typedef struct __capability("spinlock")
{
	u32 v;
}
spinlock_t;

#define SPINLOCK_INIT(rank)      \
	{                        \
		(u32)(rank) << 8 \
	}

static inline void spin_init(spinlock_t *l, enum lock_rank rank)
{
	l->v = (u32)rank << 8;
}

#ifdef CONFIG_DEBUG
void lock_order_acquire(const void *lock, enum lock_rank rank);
void lock_order_release(const void *lock, enum lock_rank rank);
/* Panics where this CPU does not hold the spinlock. */
void lock_order_assert_held(const void *lock);
/* Panics where a spinlock is held: called wherever the caller may sleep. */
void lock_order_may_sleep(void);
/* The same check for sleeping locks, which a task holds rather than a CPU. */
void lock_order_sleep_acquire(enum lock_rank rank);
void lock_order_sleep_release(enum lock_rank rank);
/* Panics where the task holds no sleeping lock of this rank. */
void lock_order_sleep_assert_held(enum lock_rank rank);
#else
static inline void lock_order_acquire(const void *lock, enum lock_rank rank)
{
	(void)lock;
	(void)rank;
}
static inline void lock_order_release(const void *lock, enum lock_rank rank)
{
	(void)lock;
	(void)rank;
}
static inline void lock_order_assert_held(const void *lock)
{
	(void)lock;
}
static inline void lock_order_may_sleep(void)
{
}
static inline void lock_order_sleep_acquire(enum lock_rank rank)
{
	(void)rank;
}
static inline void lock_order_sleep_release(enum lock_rank rank)
{
	(void)rank;
}
static inline void lock_order_sleep_assert_held(enum lock_rank rank)
{
	(void)rank;
}
#endif

static inline bool spin_is_locked(const spinlock_t *l)
{
	return atomic_load(&l->v) & 1;
}

static inline void spin_lock(spinlock_t *l) __acquires(l) __no_lock_analysis
{
	lock_order_acquire(l, (enum lock_rank)((atomic_load(&l->v) >> 8) & 0xff));
	while (unlikely(__atomic_fetch_or(&l->v, 1, __ATOMIC_ACQUIRE) & 1))
		while (spin_is_locked(l))
			cpu_relax();
}

static inline void spin_unlock(spinlock_t *l) __releases(l) __no_lock_analysis
{
	u32 v = atomic_load(&l->v);

	lock_order_release(l, (enum lock_rank)((v >> 8) & 0xff));
	atomic_store_release(&l->v, v & ~1u);
}

/* Says to clang that l is held, where it cannot follow how; the debug build checks it. */
static inline void spin_assert_held(const spinlock_t *l) __assert_holds(l)
{
	lock_order_assert_held(l);
}

/* Says to clang that l may pass for held: nobody else can reach what it guards. */
static inline void spin_assume_held(const spinlock_t *l) __assert_holds(l)
{
	(void)l;
}

/* Interrupts off on this CPU while held; the result goes to the matching unlock. */
static inline u64 __must_check spin_lock_irq(spinlock_t *l) __acquires(l)
{
	u64 flags = irq_save();

	spin_lock(l);
	return flags;
}

static inline void spin_unlock_irq(spinlock_t *l, u64 flags) __releases(l)
{
	spin_unlock(l);
	irq_restore(flags);
}
