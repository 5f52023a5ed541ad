/*
 * futex(2): sleeping until a word of user memory changes.
 *
 * A word in shared memory is named by what is mapped there and the offset in it, so that processes
 * which map it at different addresses meet; any other, and one that the caller says is private, by
 * its address space and address. Waiters hang in a hash table; each chain has its lock.
 */
#include "kernel/process.h"

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/syscalls.h"

#define FUTEX_WAIT	     0
#define FUTEX_WAKE	     1
#define FUTEX_REQUEUE	     3
#define FUTEX_CMP_REQUEUE    4
#define FUTEX_WAIT_BITSET    9
#define FUTEX_WAKE_BITSET    10
#define FUTEX_PRIVATE_FLAG   128
#define FUTEX_CLOCK_REALTIME 256
#define FUTEX_CMD_MASK	     (~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME))
#define FUTEX_BITSET_ANY     (~0u)

#define FUTEX_TID_MASK	 0x3fffffffu
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_WAITERS	 0x80000000u

#define NR_CHAINS 64

/* The object is compared, never followed: it may be gone while somebody waits for it. */
struct futex_key {
	const void *object; /* a struct mapping or a struct mm */
	u64 offset;	    /* in it */
};

struct futex_waiter {
	struct list_head link; /* in its chain */
	struct futex_key key;
	u32 bitset;
	bool woken;
	struct waitq q;
};

/* LOCK_WAIT nests in it: the chain, and each waiter's fields while it hangs there. */
static struct chain {
	spinlock_t lock;
	struct list_head waiters;
} chains[NR_CHAINS];

static struct chain *chain_of(struct futex_key key)
{
	u64 hash = ((u64)key.object ^ key.offset) * 0x9e3779b97f4a7c15ull;

	return &chains[hash >> 58];
}

static bool same_key(struct futex_key a, struct futex_key b)
{
	return a.object == b.object && a.offset == b.offset;
}

/* May sleep on mm->lock. */
static struct futex_key key_of(const u32 __user *addr, bool private)
{
	struct futex_key key = {current->mm, (u64)addr};
	struct mapping *map = NULL;

	if (!private)
		map = mm_shared_mapping(current->mm, (vaddr_t)addr, &key.offset);
	if (map)
		key.object = map;
	return key;
}

void futex_init(void)
{
	for (unsigned i = 0; i < NR_CHAINS; i++) {
		spin_init(&chains[i].lock, LOCK_FUTEX);
		list_init(&chains[i].waiters);
	}
}

static u32 wake(struct futex_key key, u32 count, u32 bitset)
{
	struct chain *c = chain_of(key);
	struct futex_waiter *w, *tmp;
	u32 woken = 0;

	spin_lock(&c->lock);
	list_for_each_safe (w, tmp, &c->waiters, link) {
		if (woken == count)
			break;
		if (!same_key(w->key, key) || !(w->bitset & bitset))
			continue;
		list_del(&w->link);
		atomic_store(&w->woken, true);
		waitq_wake_all(&w->q);
		woken++;
	}
	spin_unlock(&c->lock);
	return woken;
}

int futex_wake_addr(u32 __user *addr, u32 count)
{
	return (int)wake(key_of(addr, false), count, FUTEX_BITSET_ANY);
}

static void unhang(struct futex_waiter *w)
{
	struct chain *c = chain_of(w->key);

	spin_lock(&c->lock);
	list_del(&w->link);
	spin_unlock(&c->lock);
}

static long wait(u32 __user *addr, struct futex_key key, u32 expected, u32 bitset, u64 deadline)
{
	struct futex_waiter w = {.key = key, .bitset = bitset};
	struct chain *c = chain_of(key);
	u32 value;
	long err;

	waitq_init(&w.q);
	/* On the chain before the word is read: who changes it after that finds the waiter. */
	spin_lock(&c->lock);
	list_add_tail(&c->waiters, &w.link);
	spin_unlock(&c->lock);
	err = get_user(value, addr);
	if (!err && value != expected)
		err = -EAGAIN;
	if (!err)
		err = wait_event_until(&w.q, WAIT_INTERRUPTIBLE, deadline, atomic_load(&w.woken));
	unhang(&w);
	return w.woken ? 0 : err;
}

static long requeue(struct futex_key from, struct futex_key to, u32 nr_wake, u32 nr_move)
{
	struct chain *a = chain_of(from), *b = chain_of(to);
	struct futex_waiter *w, *tmp;
	struct list_head moved = LIST_INIT(moved);
	u32 woken = wake(from, nr_wake, FUTEX_BITSET_ANY), n = 0;

	/* The chains one after the other: in between, the movers are on a list that only this call
	 * sees. */
	spin_lock(&a->lock);
	list_for_each_safe (w, tmp, &a->waiters, link) {
		if (n == nr_move)
			break;
		if (!same_key(w->key, from))
			continue;
		list_del(&w->link);
		list_add_tail(&moved, &w->link);
		w->key = to;
		n++;
	}
	spin_unlock(&a->lock);
	spin_lock(&b->lock);
	list_splice_tail(&b->waiters, &moved);
	spin_unlock(&b->lock);
	return woken + n;
}

/* The timeout of FUTEX_WAIT is a duration, that of FUTEX_WAIT_BITSET a moment. */
static int get_deadline(int op, const struct timespec __user *timeout, u64 *deadline)
{
	u64 ns, now;
	int err;

	*deadline = WAIT_FOREVER;
	if (!timeout)
		return 0;
	err = timespec_get(&ns, timeout);
	if (err)
		return err;
	if ((op & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET) {
		now = op & FUTEX_CLOCK_REALTIME ? clock_wall_ns() : clock_ns();
		ns = ns > now ? ns - now : 0;
	}
	*deadline = clock_deadline(ns);
	return 0;
}

SYSCALL6(futex, u32 __user *, addr, int, op, u32, val, const struct timespec __user *, timeout,
	 u32 __user *, addr2, u32, val3)
{
	u32 bitset = FUTEX_BITSET_ANY, value;
	bool private = op & FUTEX_PRIVATE_FLAG;
	u64 deadline;
	long err;

	if (((u64)addr & 3) || !user_range_ok(addr, 4))
		return (u64)addr & 3 ? -EINVAL : -EFAULT;
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAIT_BITSET:
		bitset = val3;
		__attribute__((fallthrough));
	case FUTEX_WAIT:
		if (!bitset)
			return -EINVAL;
		err = get_deadline(op, timeout, &deadline);
		return err ? err : wait(addr, key_of(addr, private), val, bitset, deadline);
	case FUTEX_WAKE_BITSET:
		bitset = val3;
		__attribute__((fallthrough));
	case FUTEX_WAKE:
		return bitset ? (long)wake(key_of(addr, private), val, bitset) : -EINVAL;
	case FUTEX_CMP_REQUEUE:
		if (get_user(value, addr))
			return -EFAULT;
		if (value != val3)
			return -EAGAIN;
		__attribute__((fallthrough));
	case FUTEX_REQUEUE:
		if ((u64)addr2 & 3)
			return -EINVAL;
		return requeue(key_of(addr, private), key_of(addr2, private), val,
			       (u32)(u64)timeout);
	default:
		return -ENOSYS;
	}
}

/* ---- robust futexes: locks that a dying task holds ---- */

struct robust_list_head {
	u64 next;
	s64 futex_offset;
	u64 pending;
};

#define ROBUST_LIMIT 2048

SYSCALL2(set_robust_list, struct robust_list_head __user *, head, size_t, len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

SYSCALL3(get_robust_list, s32, pid, u64 __user *, head, size_t __user *, len)
{
	struct process *p = pid ? process_find(pid) : current->proc;
	u64 list;

	if (!p)
		return -ESRCH;
	list = (u64)p->leader->robust_list;
	if (pid)
		process_put(p);
	if (put_user(sizeof(struct robust_list_head), len) || put_user(list, head))
		return -EFAULT;
	return 0;
}

static void mark_owner_dead(struct task *t, u32 __user *word)
{
	u32 value, seen;

	if (((u64)word & 3) || get_user(value, word))
		return;
	while ((value & FUTEX_TID_MASK) == (u32)t->tid) {
		if (user_cmpxchg32(word, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &seen))
			return;
		if (seen == value) {
			if (value & FUTEX_WAITERS)
				(void)futex_wake_addr(word, 1);
			return;
		}
		value = seen;
	}
}

void futex_exit_robust(struct task *t)
{
	struct robust_list_head __user *uhead = t->robust_list;
	struct robust_list_head head;
	u64 entry;

	t->robust_list = NULL;
	if (copy_from_user(&head, uhead, sizeof(head)))
		return;
	entry = head.next & ~1ull;
	for (int i = 0; i < ROBUST_LIMIT && entry != (u64)uhead; i++) {
		u64 next;

		/* Before the word is given up: its new owner may free the entry. */
		if (copy_from_user(&next, (const void __user *)entry, sizeof(next)))
			return;
		if (entry != (head.pending & ~1ull))
			mark_owner_dead(t, (u32 __user *)(entry + (u64)head.futex_offset));
		entry = next & ~1ull;
		cond_resched();
	}
	if (head.pending)
		mark_owner_dead(t, (u32 __user *)((head.pending & ~1ull) + (u64)head.futex_offset));
}
