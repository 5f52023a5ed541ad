/*
 * futex(2): sleeping until a word of user memory changes.
 *
 * A word in shared memory is named by what is mapped there and the offset in it, so that processes
 * which map it at different addresses meet; any other, and one that the caller says is private, by
 * its address space and address. Waiters hang in a hash table; each chain has its lock.
 *
 *	hang	Before the word is read: who changes it after that finds the waiter.
 *	move	Requeueing takes a waiter from one chain to another under the locks of both, so it
 *		always hangs where its `chain` says. Who wants it off looks, locks, and looks again.
 *	compare	Words that decide what happens to waiters are read under the lock, where no fault
 *		may be resolved: a page that is not there is faulted in outside, and all is done
 *		again.
 */
#include "kernel/futex.h"

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/syscalls.h"

#define FUTEX_WAIT	     0
#define FUTEX_WAKE	     1
#define FUTEX_REQUEUE	     3
#define FUTEX_CMP_REQUEUE    4
#define FUTEX_WAKE_OP	     5
#define FUTEX_LOCK_PI	     6
#define FUTEX_UNLOCK_PI	     7
#define FUTEX_TRYLOCK_PI     8
#define FUTEX_WAIT_BITSET    9
#define FUTEX_WAKE_BITSET    10
#define FUTEX_LOCK_PI2	     13
#define FUTEX_PRIVATE_FLAG   128
#define FUTEX_CLOCK_REALTIME 256
#define FUTEX_CMD_MASK	     (~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME))
#define FUTEX_BITSET_ANY     (~0u)

#define NR_CHAINS 64

static struct futex_chain chains[NR_CHAINS];

struct futex_chain *futex_chain_of(struct futex_key key)
{
	u64 hash = (key.object * 0xc2b2ae3d27d4eb4full ^ key.offset) * 0x9e3779b97f4a7c15ull;

	return &chains[hash >> 58];
}

struct futex_chain *futex_chain_at(unsigned i)
{
	return i < NR_CHAINS ? &chains[i] : NULL;
}

bool futex_same_key(struct futex_key a, struct futex_key b)
{
	return a.object == b.object && a.offset == b.offset;
}

static struct futex_key key_of(const u32 __user *addr, bool private)
{
	struct futex_key key;

	key.object = mm_name_word(current->mm, (vaddr_t)addr, private, &key.offset);
	return key;
}

int futex_key_of(u32 __user *addr, bool private, struct futex_key *key)
{
	u32 value;

	if ((u64)addr & 3)
		return -EINVAL;
	if (!user_range_ok(addr, sizeof(*addr)) || (!private && user_load32(&value, addr)))
		return -EFAULT;
	*key = key_of(addr, private);
	return key->object ? 0 : -EFAULT;
}

void futex_init(void)
{
	for (unsigned i = 0; i < NR_CHAINS; i++) {
		spin_init(&chains[i].lock, LOCK_FUTEX);
		spin_assume_held(&chains[i].lock);
		list_init(&chains[i].waiters);
	}
}

/* ---- the word ---- */

static void begin_no_faults(void)
{
	current->fault_mm = NULL;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void end_no_faults(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	current->fault_mm = current->mm;
}

int futex_peek(u32 *value, u32 __user *addr)
{
	int err;

	begin_no_faults();
	err = user_load32(value, addr);
	end_no_faults();
	return err;
}

int futex_cas(u32 __user *addr, u32 expected, u32 new, u32 *seen)
{
	int err;

	begin_no_faults();
	err = user_cmpxchg32(addr, expected, new, seen);
	end_no_faults();
	return err;
}

int futex_fault_in(u32 __user *addr, bool write)
{
	u32 value;

	if (user_load32(&value, addr))
		return -EFAULT;
	/* A compare-and-exchange writes, whatever it finds. */
	return write ? user_cmpxchg32(addr, value, value, &value) : 0;
}

/* ---- waiters ---- */

void futex_hang(struct futex_waiter *w, struct futex_chain *c)
{
	list_add_tail(&c->waiters, &w->link);
	atomic_store(&w->chain, c);
}

void futex_release(struct futex_waiter *w)
{
	list_del(&w->link);
	atomic_store(&w->woken, true);
	waitq_wake_all(&w->q);
	/* Last: the waiter lives on its task's stack, and goes once this is seen. */
	atomic_store_release(&w->chain, NULL);
}

static void unhang(struct futex_waiter *w)
{
	struct futex_chain *c;

	while ((c = atomic_load_acquire(&w->chain))) {
		spin_lock(&c->lock);
		if (w->chain == c) {
			list_del(&w->link);
			w->chain = NULL;
		}
		spin_unlock(&c->lock);
	}
}

static void lock_both(struct futex_chain *a, struct futex_chain *b)
    __acquires(&a->lock, &b->lock) __no_lock_analysis /* by address; a may be b */
{
	spin_lock(a < b ? &a->lock : &b->lock);
	if (a != b)
		spin_lock(a < b ? &b->lock : &a->lock);
}

static void unlock_both(struct futex_chain *a, struct futex_chain *b)
    __releases(&a->lock, &b->lock) __no_lock_analysis /* a may be b */
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

/* ---- FUTEX_WAKE ---- */

/* Under the chain's lock. Wakes one where the count is below 1, as Linux does. */
static long wake_locked(struct futex_key key, s32 count, u32 bitset)
{
	struct futex_chain *c = futex_chain_of(key);
	struct futex_waiter *w, *tmp;
	s32 woken = 0;

	spin_assert_held(&c->lock);
	list_for_each_safe (w, tmp, &c->waiters, link) {
		if (!futex_same_key(w->key, key))
			continue;
		if (w->owner)
			return -EINVAL;
		if (!(w->bitset & bitset))
			continue;
		futex_release(w);
		if (++woken >= count)
			break;
	}
	return woken;
}

static long wake(struct futex_key key, s32 count, u32 bitset)
{
	struct futex_chain *c = futex_chain_of(key);
	long woken;

	spin_lock(&c->lock);
	woken = wake_locked(key, count, bitset);
	spin_unlock(&c->lock);
	return woken;
}

int futex_wake_addr(u32 __user *addr, u32 count)
{
	return (int)wake(key_of(addr, false), (s32)count, FUTEX_BITSET_ANY);
}

static long wake_call(u32 __user *addr, bool private, s32 count, u32 bitset)
{
	struct futex_key key;
	int err = bitset ? futex_key_of(addr, private, &key) : -EINVAL;

	return err ? err : wake(key, count, bitset);
}

/* ---- FUTEX_WAIT ---- */

static long wait(u32 __user *addr, struct futex_key key, u32 expected, u32 bitset, u64 deadline)
{
	struct futex_waiter w = {.key = key, .bitset = bitset};
	struct futex_chain *c = futex_chain_of(key);
	u32 value;
	long err;

	waitq_init(&w.q);
	spin_lock(&c->lock);
	futex_hang(&w, c);
	spin_unlock(&c->lock);
	err = user_load32(&value, addr);
	if (!err && value != expected)
		err = -EAGAIN;
	if (!err)
		err = wait_event_until(&w.q, WAIT_INTERRUPTIBLE, deadline, atomic_load(&w.woken));
	unhang(&w);
	return w.woken ? 0 : err;
}

static long wait_call(u32 __user *addr, bool private, u32 expected, u32 bitset, u64 deadline);

/* A wait with a time-out goes on till the same moment. */
static long wait_again(struct task *t)
{
	u64 words = t->restart_arg[1];

	return wait_call((u32 __user *)(t->restart_arg[0] & ~1ull), t->restart_arg[0] & 1,
			 (u32)words, (u32)(words >> 32), t->restart_arg[2]);
}

static long wait_call(u32 __user *addr, bool private, u32 expected, u32 bitset, u64 deadline)
{
	struct task *t = current;
	struct futex_key key;
	long err = bitset ? futex_key_of(addr, private, &key) : -EINVAL;

	if (!err)
		err = wait(addr, key, expected, bitset, deadline);
	if (err != -ERESTARTSYS || deadline == WAIT_FOREVER)
		return err;
	t->restart = wait_again;
	t->restart_arg[0] = (u64)addr | private;
	t->restart_arg[1] = (u64)bitset << 32 | expected;
	t->restart_arg[2] = deadline;
	return -ERESTART_RESTARTBLOCK;
}

/* ---- FUTEX_REQUEUE, FUTEX_CMP_REQUEUE ---- */

struct requeue {
	struct futex_key from, to;
	s32 nr_wake, nr_move;
};

/* Under the locks of both chains: how many were woken or moved. */
static long requeue_locked(const struct requeue *r)
{
	struct futex_chain *a = futex_chain_of(r->from), *b = futex_chain_of(r->to);
	struct list_head moved = LIST_INIT(moved);
	struct futex_waiter *w, *tmp;
	s32 n = 0;

	spin_assert_held(&a->lock);
	spin_assert_held(&b->lock);
	list_for_each_safe (w, tmp, &a->waiters, link) {
		if (n - r->nr_wake >= r->nr_move)
			break;
		if (!futex_same_key(w->key, r->from))
			continue;
		if (w->owner) {
			list_splice_tail(&b->waiters, &moved);
			return -EINVAL;
		}
		if (++n <= r->nr_wake) {
			futex_release(w);
			continue;
		}
		list_del(&w->link);
		list_add_tail(&moved, &w->link);
		w->key = r->to;
		atomic_store(&w->chain, b);
	}
	list_splice_tail(&b->waiters, &moved);
	return n;
}

/* Where `compare` is not NULL, only if the word at addr is that. */
static long requeue_call(u32 __user *addr, u32 __user *addr2, bool private, struct requeue *r,
			 const u32 *compare)
{
	struct futex_chain *a, *b;
	u32 value = 0;
	long err;

	if (r->nr_wake < 0 || r->nr_move < 0)
		return -EINVAL;
	err = futex_key_of(addr, private, &r->from);
	if (!err)
		err = futex_key_of(addr2, private, &r->to);
	while (!err) {
		a = futex_chain_of(r->from);
		b = futex_chain_of(r->to);
		lock_both(a, b);
		if (!compare || !futex_peek(&value, addr)) {
			err = compare && value != *compare ? -EAGAIN : requeue_locked(r);
			unlock_both(a, b);
			return err;
		}
		unlock_both(a, b);
		err = futex_fault_in(addr, false);
	}
	return err;
}

/* ---- FUTEX_WAKE_OP ---- */

enum { OP_SET, OP_ADD, OP_OR, OP_ANDN, OP_XOR };
enum { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };
#define OP_SHIFT BIT(31) /* the operand is the number of a bit */

static s32 operand(u32 code, unsigned shift)
{
	return (s32)(code << (20 - shift)) >> 20;
}

static int op_apply(u32 code, u32 old, u32 *new)
{
	u32 arg = (u32)operand(code, 12);

	if (code & OP_SHIFT)
		arg = 1u << (arg & 31);
	switch (code >> 28 & 7) {
	case OP_SET:
		*new = arg;
		return 0;
	case OP_ADD:
		*new = old + arg;
		return 0;
	case OP_OR:
		*new = old | arg;
		return 0;
	case OP_ANDN:
		*new = old & ~arg;
		return 0;
	case OP_XOR:
		*new = old ^ arg;
		return 0;
	default:
		return -ENOSYS;
	}
}

/* What the old value is to the operand: 1, 0 or -ENOSYS. */
static int op_compare(u32 code, u32 value)
{
	s32 old = (s32)value, arg = operand(code, 0);

	switch (code >> 24 & 15) {
	case CMP_EQ:
		return old == arg;
	case CMP_NE:
		return old != arg;
	case CMP_LT:
		return old < arg;
	case CMP_LE:
		return old <= arg;
	case CMP_GT:
		return old > arg;
	case CMP_GE:
		return old >= arg;
	default:
		return -ENOSYS;
	}
}

/* Changes the word, under its lock. 0, -EFAULT as futex_cas() has it, or -ENOSYS. */
static int op_change(u32 __user *addr, u32 code, u32 *old)
{
	u32 new, seen;
	int err = futex_peek(old, addr);

	while (!err) {
		err = op_apply(code, *old, &new);
		if (!err)
			err = futex_cas(addr, *old, new, &seen);
		if (!err && seen == *old)
			return 0;
		*old = seen;
	}
	return err;
}

static long wake_op_locked(struct futex_key key, struct futex_key key2, s32 count, s32 count2,
			   u32 code, u32 old)
{
	int also = op_compare(code, old);
	long woken, more = 0;

	if (also < 0)
		return also;
	woken = wake_locked(key, count, FUTEX_BITSET_ANY);
	if (woken >= 0 && also)
		more = wake_locked(key2, count2, FUTEX_BITSET_ANY);
	return woken < 0 ? woken : more < 0 ? more : woken + more;
}

static long wake_op_call(u32 __user *addr, u32 __user *addr2, bool private, s32 count, s32 count2,
			 u32 code)
{
	struct futex_key key, key2;
	long err = futex_key_of(addr, private, &key);

	if (!err)
		err = futex_key_of(addr2, private, &key2);
	while (!err) {
		struct futex_chain *a = futex_chain_of(key), *b = futex_chain_of(key2);
		u32 old = 0;

		lock_both(a, b);
		err = op_change(addr2, code, &old);
		if (!err) {
			err = wake_op_locked(key, key2, count, count2, code, old);
			unlock_both(a, b);
			return err;
		}
		unlock_both(a, b);
		if (err == -EFAULT)
			err = futex_fault_in(addr2, true);
	}
	return err;
}

/* ---- the call ---- */

/*
 * The time-out of FUTEX_WAIT is a duration, that of the others a moment of the monotonic clock, or
 * of the wall clock where the flag says so or the call is FUTEX_LOCK_PI.
 */
static int get_deadline(int op, const struct timespec __user *timeout, u64 *deadline)
{
	int command = op & FUTEX_CMD_MASK;
	bool wall = op & FUTEX_CLOCK_REALTIME || command == FUTEX_LOCK_PI;
	u64 ns, now;
	int err;

	*deadline = WAIT_FOREVER;
	if (!timeout)
		return 0;
	err = timespec_get(&ns, timeout);
	if (err)
		return err;
	if (command != FUTEX_WAIT) {
		now = wall ? clock_wall_ns() : clock_ns();
		ns = ns > now ? ns - now : 0;
	}
	*deadline = clock_deadline(ns);
	return 0;
}

/* Calls that take a time-out. */
static long timed_call(u32 __user *addr, int op, u32 val, const struct timespec __user *timeout,
		       u32 val3)
{
	bool private = op & FUTEX_PRIVATE_FLAG;
	int command = op & FUTEX_CMD_MASK;
	u64 deadline;
	long err = get_deadline(op, timeout, &deadline);

	if (err)
		return err;
	if (command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2)
		return futex_lock_pi(addr, private, deadline, false);
	return wait_call(addr, private, val, command == FUTEX_WAIT ? FUTEX_BITSET_ANY : val3,
			 deadline);
}

SYSCALL6(futex, u32 __user *, addr, int, op, u32, val, const struct timespec __user *, timeout,
	 u32 __user *, addr2, u32, val3)
{
	bool private = op & FUTEX_PRIVATE_FLAG;
	int command = op & FUTEX_CMD_MASK;
	s32 val2 = (s32)(u64)timeout; /* where the call takes no time-out */
	struct requeue r = {.nr_wake = (s32)val, .nr_move = val2};

	if (op & FUTEX_CLOCK_REALTIME && command != FUTEX_WAIT_BITSET && command != FUTEX_LOCK_PI2)
		return -ENOSYS;
	switch (command) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return timed_call(addr, op, val, timeout, val3);
	case FUTEX_WAKE:
		return wake_call(addr, private, (s32)val, FUTEX_BITSET_ANY);
	case FUTEX_WAKE_BITSET:
		return wake_call(addr, private, (s32)val, val3);
	case FUTEX_REQUEUE:
		return requeue_call(addr, addr2, private, &r, NULL);
	case FUTEX_CMP_REQUEUE:
		return requeue_call(addr, addr2, private, &r, &val3);
	case FUTEX_WAKE_OP:
		return wake_op_call(addr, addr2, private, (s32)val, val2, val3);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(addr, private);
	case FUTEX_TRYLOCK_PI:
		return futex_lock_pi(addr, private, WAIT_FOREVER, true);
	default:
		return -ENOSYS;
	}
}
