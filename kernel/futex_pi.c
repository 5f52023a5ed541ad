/*
 * Futexes with an owner: FUTEX_LOCK_PI, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI.
 *
 * The word holds the owner's tid, and FUTEX_WAITERS where somebody waits. Who unlocks hands the
 * futex to the waiter that came first: the word never says "free" in between. The priority
 * inheritance that gives these calls their name is not there, since the scheduler has no
 * priorities that one task could lend another; nor is a ring of waiters found to be a deadlock.
 *
 *	owner	Each waiter of a futex refers to the same owner. The waiters tell it, not the word,
 *		which is the program's to write. With nobody waiting the word tells it.
 *	dying	The owner's pi_waiters says how many of these it has to care for at its end. A
 *		waiter counts itself first and then looks whether the owner is exiting; the owner
 *		says that it is and then looks at the count.
 *	heir	Who is handed the futex of a dead owner writes the word itself, for it has the
 *		memory that the dead one may have left. It hangs on the chain till it has, as a
 *		waiter whose owner is itself: whoever comes in between finds the owner there.
 *		One that cannot write it leaves it to the next.
 */
#include "kernel/futex.h"

#include "arch/uaccess.h"

/* Of one attempt: another must follow, after a fault outside the lock where FAULT; the waiter hangs. */
enum { AGAIN = 1, FAULT, HUNG };

/* The waiter that came first, or NULL. Under the chain's lock. */
static struct futex_waiter *first_waiter(struct futex_chain *c, struct futex_key key)
    __must_hold(&c->lock)
{
	struct futex_waiter *w;

	list_for_each (w, &c->waiters, link)
		if (futex_same_key(w->key, key))
			return w;
	return NULL;
}

static bool others_wait(struct futex_chain *c, const struct futex_waiter *but) __must_hold(&c->lock)
{
	struct futex_waiter *w;

	list_for_each (w, &c->waiters, link)
		if (w != but && futex_same_key(w->key, but->key))
			return true;
	return false;
}

static void set_owner(struct futex_waiter *w, struct task *owner)
{
	struct task *old = w->owner;

	task_get(owner);
	atomic_inc(&owner->pi_waiters);
	w->owner = owner;
	if (!old)
		return;
	atomic_dec(&old->pi_waiters);
	task_put(old);
}

static void drop_owner(struct futex_waiter *w)
{
	atomic_dec(&w->owner->pi_waiters);
	task_put(w->owner);
	w->owner = NULL;
}

/* All that wait for the key wait for this owner from now on. Under the chain's lock. */
static void change_owner(struct futex_chain *c, struct futex_key key, struct task *owner)
    __must_hold(&c->lock)
{
	struct futex_waiter *w;

	list_for_each (w, &c->waiters, link)
		if (w->owner && futex_same_key(w->key, key)) /* else it waits for no owner */
			set_owner(w, owner);
}

/* What one attempt to lock knows. */
struct attempt {
	u32 __user *addr;
	struct futex_key key;
	struct futex_chain *chain;
	u32 word;	    /* as read outside the lock */
	struct task *owner; /* that it names, referenced, or NULL */
	bool owner_is_kthread;
	bool try;
};

static int set_word(u32 __user *addr, u32 old, u32 new)
{
	u32 seen;

	if (futex_cas(addr, old, new, &seen))
		return FAULT;
	return seen == old ? 0 : AGAIN;
}

/* Who owns the futex, for a new waiter to wait for. Under the chain's lock. */
static int find_owner(const struct attempt *a, u32 word, struct task **owner)
    __must_hold(&a->chain->lock)
{
	const struct futex_waiter *top = first_waiter(a->chain, a->key);

	*owner = a->owner;
	if (top) {
		*owner = top->owner;
		return *owner == current ? -EDEADLK : *owner ? 0 : -EINVAL;
	}
	if (!(word & FUTEX_TID_MASK)) {
		*owner = NULL;
		return 0;
	}
	if ((word ^ a->word) & FUTEX_TID_MASK)
		return AGAIN;
	/* The word was read again after the look-up: who was not found then has left it so. */
	if (!a->owner)
		return -ESRCH;
	return a->owner_is_kthread ? -EPERM : 0;
}

/*
 * The owner is on its way out: it either finds w or has looked already. Once it has left its memory it
 * changes the word no more, but may have done so after that was read as `word`: only where it still
 * stands there is it the word of one who is gone.
 */
static int owner_exits(const struct attempt *a, struct futex_waiter *w, u32 word)
{
	bool gone = !atomic_load_acquire(&w->owner->mm);
	u32 now;

	drop_owner(w);
	if (!gone)
		return AGAIN;
	if (futex_peek(&now, a->addr))
		return FAULT;
	return now == word ? -ESRCH : AGAIN;
}

/* 0: the futex is the current task's; or HUNG, AGAIN, FAULT, an errno. Under the chain's lock. */
static int attempt_locked(const struct attempt *a, struct futex_waiter *w)
    __must_hold(&a->chain->lock)
{
	u32 word, me = (u32)current->tid;
	struct task *owner;
	int err;

	if (futex_peek(&word, a->addr))
		return FAULT;
	if ((word & FUTEX_TID_MASK) == me)
		return -EDEADLK;
	err = find_owner(a, word, &owner);
	if (err)
		return err;
	if (!owner)
		return set_word(a->addr, word, me | (word & FUTEX_OWNER_DIED));
	if (!(word & FUTEX_WAITERS)) {
		err = set_word(a->addr, word, word | FUTEX_WAITERS);
		if (err)
			return err;
		word |= FUTEX_WAITERS;
	}
	if (a->try)
		return -EAGAIN;
	set_owner(w, owner);
	if (atomic_load(&owner->exiting))
		return owner_exits(a, w, word);
	futex_hang(w, a->chain);
	return HUNG;
}

/* Finds the owner by a->word. A reference to a task does not keep its process. */
static void look_up_owner(struct attempt *a)
{
	s32 tid = (s32)(a->word & FUTEX_TID_MASK);

	a->owner = NULL;
	if (!tid)
		return;
	spin_lock(&tasks_lock);
	a->owner = task_lookup(tid);
	if (a->owner) {
		task_get(a->owner);
		a->owner_is_kthread = a->owner->proc->kthread;
	}
	spin_unlock(&tasks_lock);
}

static int attempt(struct attempt *a, struct futex_waiter *w)
{
	int err;

	if (user_load32(&a->word, a->addr))
		return -EFAULT;
	look_up_owner(a);
	spin_lock(&a->chain->lock);
	err = attempt_locked(a, w);
	spin_unlock(&a->chain->lock);
	if (a->owner)
		task_put(a->owner);
	if (err == FAULT)
		err = futex_fault_in(a->addr, true) ? -EFAULT : AGAIN;
	return err;
}

/* The current owner is gone: w's task is the next, and writes the word itself. Under the chain's lock. */
static void make_heir(struct futex_chain *c, struct futex_waiter *w) __must_hold(&c->lock)
{
	change_owner(c, w->key, w->task);
	atomic_store(&w->woken, true);
	waitq_wake_all(&w->q);
}

/* The first of those that wait for t to give up this futex, or any one where key is NULL, is its heir.
 * Under the chain's lock. */
static void bequeath(struct futex_chain *c, const struct task *t, const struct futex_key *key)
    __must_hold(&c->lock)
{
	struct futex_waiter *w;

	list_for_each (w, &c->waiters, link)
		if (w->owner == t && (!key || futex_same_key(w->key, *key)))
			make_heir(c, w);
}

/* The heir's word. Under the chain's lock; 0 or FAULT. */
static int write_inheritance(struct futex_waiter *w, u32 __user *addr)
{
	u32 word, new = (u32)current->tid | FUTEX_OWNER_DIED;
	int err = futex_peek(&word, addr) ? FAULT : AGAIN;

	spin_assert_held(&w->chain->lock);
	if (others_wait(w->chain, w))
		new |= FUTEX_WAITERS;
	while (err == AGAIN) {
		err = set_word(addr, word, new);
		if (err == AGAIN && futex_peek(&word, addr))
			err = FAULT;
	}
	return err;
}

/* The heir of a dead owner, which w's task is now, makes the word say so. 0 or -EFAULT. */
static long inherit(struct futex_waiter *w, u32 __user *addr)
{
	struct futex_chain *c = w->chain;
	long err = FAULT;

	while (err == FAULT) {
		spin_lock(&c->lock);
		err = write_inheritance(w, addr);
		if (!err) {
			list_del(&w->link);
			drop_owner(w);
		}
		spin_unlock(&c->lock);
		if (err && futex_fault_in(addr, true))
			err = -EFAULT;
	}
	if (!err)
		return 0;
	/* The memory has gone, or is to be read only: others may have it where they mapped it, and
	 * if not, find that out in their turn. */
	spin_lock(&c->lock);
	list_del(&w->link);
	bequeath(c, w->task, &w->key);
	drop_owner(w);
	spin_unlock(&c->lock);
	return err;
}

/* Sleeps till the futex is handed over. */
static long sleep(struct futex_waiter *w, struct attempt *a, u64 deadline)
{
	long err = wait_event_until(&w->q, WAIT_INTERRUPTIBLE, deadline, atomic_load(&w->woken));
	bool hangs;

	spin_lock(&a->chain->lock);
	hangs = w->chain;
	if (hangs && !w->woken) {
		list_del(&w->link);
		drop_owner(w);
		hangs = false;
	}
	spin_unlock(&a->chain->lock);
	if (hangs)
		return inherit(w, a->addr);
	if (w->woken)
		return 0;
	return err == -ERESTARTSYS ? -ERESTARTNOINTR : err;
}

long futex_lock_pi(u32 __user *addr, bool private, u64 deadline, bool try)
{
	struct attempt a = {.addr = addr, .try = try};
	struct futex_waiter w = {.task = current};
	long err = futex_key_of(addr, private, &a.key);

	if (err)
		return err;
	a.chain = futex_chain_of(a.key);
	w.key = a.key;
	waitq_init(&w.q);
	while ((err = attempt(&a, &w)) == AGAIN) {
		if (signal_pending())
			return -ERESTARTNOINTR;
		/* Where the owner is on its way out, it needs the CPU to get there. */
		sched_give_up();
	}
	return err == HUNG ? sleep(&w, &a, deadline) : err;
}

/* 0, a negative errno, AGAIN or FAULT. Under the chain's lock. */
static int unlock_locked(u32 __user *addr, struct futex_chain *c, struct futex_key key)
    __must_hold(&c->lock)
{
	struct futex_waiter *top = first_waiter(c, key);
	u32 word;
	int err;

	if (futex_peek(&word, addr))
		return FAULT;
	if ((word & FUTEX_TID_MASK) != (u32)current->tid)
		return -EPERM;
	if (!top)
		return set_word(addr, word, 0);
	if (top->owner != current)
		return -EINVAL;
	err = set_word(addr, word, (u32)top->task->tid | FUTEX_WAITERS);
	if (err)
		return err;
	change_owner(c, key, top->task);
	drop_owner(top);
	futex_release(top);
	return 0;
}

long futex_unlock_pi(u32 __user *addr, bool private)
{
	struct futex_chain *c;
	struct futex_key key;
	long err = futex_key_of(addr, private, &key);
	u32 word;

	if (err)
		return err;
	/* A private word has not been looked at yet, and may be nobody's. */
	if (user_load32(&word, addr))
		return -EFAULT;
	c = futex_chain_of(key);
	do {
		spin_lock(&c->lock);
		err = unlock_locked(addr, c, key);
		spin_unlock(&c->lock);
		if (err == FAULT)
			err = futex_fault_in(addr, true) ? -EFAULT : AGAIN;
	} while (err == AGAIN);
	return err;
}

void futex_exit_pi(struct task *t)
{
	struct futex_chain *c;

	for (unsigned i = 0; (c = futex_chain_at(i)); i++) {
		spin_lock(&c->lock);
		bequeath(c, t, NULL);
		spin_unlock(&c->lock);
	}
}
