/*
 * The debug build's check of the order of locks: each CPU remembers the spinlocks that it holds,
 * each task the sleeping ones, and an acquisition that the list in kernel/lock_order.h does not
 * allow panics at once, whether or not it would have deadlocked this time.
 *
 * Some locks are an interrupt handler's too: these must be taken with interrupts off everywhere, or
 * the handler spins for what its own CPU holds; and under them no lock may be taken that others
 * hold with interrupts on, since such a holder's handler may spin for the outer one. Which ranks
 * are which is learnt from what is done.
 *
 * An interrupt handler takes its locks on top of whatever the code that it interrupted holds, so
 * a lock taken with interrupts off is compared only with those taken with interrupts off.
 */
#include "kernel/lock.h"

#ifdef CONFIG_DEBUG

#include "kernel/panic.h"
#include "kernel/task.h"

#define MAX_HELD 16

struct held {
	const void *lock;
	enum lock_rank rank;
	bool irqs_off;
};

static struct held_locks {
	struct held held[MAX_HELD];
	u32 n;
} held_locks[MAX_CPUS];

/* Two locks of one rank may be held together where a rule of their own orders them. */
static bool rank_nests(enum lock_rank rank)
{
	return rank == LOCK_INODE || rank == LOCK_TABLE || rank == LOCK_DENTRY ||
	       rank == LOCK_FUTEX || rank == LOCK_EPOLL || rank == LOCK_WAIT || rank == LOCK_SOCK;
}

static void check_against(const struct held *h, const void *lock, enum lock_rank rank)
{
	if (h->lock == lock)
		panic("lock %p of rank %d is taken twice", lock, rank);
	if (rank == LOCK_NONE || h->rank == LOCK_NONE)
		return;
	if (h->rank > rank || (h->rank == rank && !rank_nests(rank)))
		panic("lock of rank %d is taken under one of rank %d", rank, h->rank);
}

/* Ranks taken in interrupt handlers, and with interrupts on. Atomic. */
static u64 irq_ranks, plain_ranks;

static void check_irqs(const struct held_locks *mine, enum lock_rank rank, bool irqs_off)
{
	u64 bit = BIT(rank);

	if (rank == LOCK_NONE)
		return;
	if (cpu_in_irq() && !(atomic_load(&irq_ranks) & bit))
		atomic_or(&irq_ranks, bit);
	if (!irqs_off && !(atomic_load(&plain_ranks) & bit))
		atomic_or(&plain_ranks, bit);
	if (atomic_load(&irq_ranks) & atomic_load(&plain_ranks) & bit)
		panic("locks of rank %d are taken by interrupts, and with interrupts on", rank);
	for (u32 i = 0; i < mine->n && atomic_load(&plain_ranks) & bit; i++)
		if (atomic_load(&irq_ranks) & BIT(mine->held[i].rank))
			panic("lock of rank %d, held elsewhere with interrupts on, is taken under "
			      "one of rank %d, which interrupts take",
			      rank, mine->held[i].rank);
}

void lock_order_acquire(const void *lock, enum lock_rank rank)
{
	u64 flags = irq_save();
	struct held_locks *mine = &held_locks[cpu_id()];
	bool irqs_off = !(flags & BIT(9));

	check_irqs(mine, rank, irqs_off);
	for (u32 i = 0; i < mine->n; i++)
		if (!irqs_off || mine->held[i].irqs_off)
			check_against(&mine->held[i], lock, rank);
	if (mine->n == MAX_HELD)
		panic("CPU %u holds %u locks", cpu_id(), MAX_HELD);
	mine->held[mine->n++] = (struct held){lock, rank, irqs_off};
	irq_restore(flags);
}

void lock_order_release(const void *lock, enum lock_rank rank)
{
	u64 flags = irq_save();
	struct held_locks *mine = &held_locks[cpu_id()];
	u32 i = mine->n;

	while (i && mine->held[i - 1].lock != lock)
		i--;
	if (!i)
		panic("lock %p of rank %d is released by a CPU that does not hold it", lock, rank);
	for (mine->n--; i <= mine->n; i++)
		mine->held[i - 1] = mine->held[i];
	irq_restore(flags);
}

void lock_order_assert_held(const void *lock)
{
	u64 flags = irq_save();
	const struct held_locks *mine = &held_locks[cpu_id()];
	u32 i = 0;

	while (i < mine->n && mine->held[i].lock != lock)
		i++;
	if (i == mine->n)
		panic("lock %p is not held by this CPU", lock);
	irq_restore(flags);
}

void lock_order_may_sleep(void)
{
	struct held_locks *mine = &held_locks[cpu_id()];

	if (mine->n)
		panic("going to sleep under a spinlock of rank %d", mine->held[mine->n - 1].rank);
}

void lock_order_sleep_acquire(enum lock_rank rank)
{
	struct task *t = current;

	lock_order_may_sleep();
	for (u32 i = 0; rank && i < t->nr_held; i++) {
		u32 held = t->held_ranks[i];

		if (held > (u32)rank || (held == (u32)rank && !rank_nests(rank)))
			panic("sleeping lock of rank %d is taken under one of rank %u", rank, held);
	}
	if (t->nr_held == ARRAY_SIZE(t->held_ranks))
		panic("%s holds %u sleeping locks", t->comm, t->nr_held);
	t->held_ranks[t->nr_held++] = (u8)rank;
}

void lock_order_sleep_release(enum lock_rank rank)
{
	struct task *t = current;
	u32 i = t->nr_held;

	while (i && t->held_ranks[i - 1] != rank)
		i--;
	if (!i)
		panic("%s releases a sleeping lock of rank %d that it does not hold", t->comm,
		      rank);
	for (t->nr_held--; i <= t->nr_held; i++)
		t->held_ranks[i - 1] = t->held_ranks[i];
}

void lock_order_sleep_assert_held(enum lock_rank rank)
{
	const struct task *t = current;
	u32 i = 0;

	while (i < t->nr_held && t->held_ranks[i] != rank)
		i++;
	if (i == t->nr_held)
		panic("%s holds no sleeping lock of rank %d", t->comm, rank);
}

#endif
