/*
 * Spinlocks. A lock knows its rank in kernel/lock_order.h; the debug build panics where one is
 * taken out of order, twice, or released by a CPU that does not hold it.
 *
 * Kernel code is not preempted, so a plain spin_lock() suffices for what no interrupt handler
 * takes. What a handler takes too is taken with the _irq forms everywhere.
 */
#pragma once

#include "arch/cpu.h"
#include "kernel/lib/atomic.h"
#include "kernel/lock_order.h"

/* Four bytes, so that one fits in struct page: bit 0 is held, bits 8-15 are the rank. */
typedef struct {
	u32 v;
} spinlock_t;

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
/* Panics where a spinlock is held: called wherever the caller may sleep. */
void lock_order_may_sleep(void);
/* The same check for sleeping locks, which a task holds rather than a CPU. */
void lock_order_sleep_acquire(enum lock_rank rank);
void lock_order_sleep_release(enum lock_rank rank);
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
#endif

static inline bool spin_is_locked(const spinlock_t *l)
{
	return atomic_load(&l->v) & 1;
}

static inline void spin_lock(spinlock_t *l)
{
	lock_order_acquire(l, (enum lock_rank)((atomic_load(&l->v) >> 8) & 0xff));
	while (unlikely(__atomic_fetch_or(&l->v, 1, __ATOMIC_ACQUIRE) & 1))
		while (spin_is_locked(l))
			cpu_relax();
}

static inline void spin_unlock(spinlock_t *l)
{
	u32 v = atomic_load(&l->v);

	lock_order_release(l, (enum lock_rank)((v >> 8) & 0xff));
	atomic_store_release(&l->v, v & ~1u);
}

/* Interrupts off on this CPU while held; the result goes to the matching unlock. */
static inline u64 __must_check spin_lock_irq(spinlock_t *l)
{
	u64 flags = irq_save();

	spin_lock(l);
	return flags;
}

static inline void spin_unlock_irq(spinlock_t *l, u64 flags)
{
	spin_unlock(l);
	irq_restore(flags);
}
