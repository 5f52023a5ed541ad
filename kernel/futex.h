/* Inside of futexes: keys, chains and waiters, which futex.c keeps and futex_pi.c uses too. */
#pragma once

#include "kernel/process.h"

#define FUTEX_TID_MASK	 0x3fffffffu
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_WAITERS	 0x80000000u

/* What a word is: see mm_name_word(). The object may be gone while somebody waits. */
struct futex_key {
	u64 object;
	u64 offset; /* in it */
};

struct futex_chain {
	spinlock_t lock; /* LOCK_FUTEX: the list, and the fields of the waiters on it */
	struct list_head waiters __guarded_by(&lock);
};

struct futex_waiter {
	struct list_head link;
	struct futex_chain *chain; /* where it hangs; NULL: nowhere, and nobody will touch it */
	struct futex_key key;
	u32 bitset;
	bool woken; /* atomic */
	struct waitq q;

	/* of a PI futex */
	struct task *task;
	struct task *owner; /* of the futex, referenced; NULL: this is a waiter of a plain one */
};

/* What names this word: 0, or -EFAULT where it is not private and not there. May sleep. */
int futex_key_of(u32 __user *addr, bool private, struct futex_key *key);
bool futex_same_key(struct futex_key a, struct futex_key b);
struct futex_chain *futex_chain_of(struct futex_key key);
/* The i-th of all, or NULL. */
struct futex_chain *futex_chain_at(unsigned i);
/* At the end of the chain, whose lock is held. */
void futex_hang(struct futex_waiter *w, struct futex_chain *c) __must_hold(&c->lock);
/* Takes w off the chain, whose lock is held, and wakes its task. The waiter is its task's again. */
void futex_release(struct futex_waiter *w);

/*
 * The word under a chain's lock: -EFAULT where its page is not there just now, and
 * futex_fault_in() outside the lock makes that right, or fails with -EFAULT for good.
 */
int futex_peek(u32 *value, u32 __user *addr);
int futex_cas(u32 __user *addr, u32 expected, u32 new, u32 *seen);
int futex_fault_in(u32 __user *addr, bool write);

/* futex_pi.c: FUTEX_LOCK_PI, FUTEX_TRYLOCK_PI (`try`), FUTEX_UNLOCK_PI. */
long futex_lock_pi(u32 __user *addr, bool private, u64 deadline, bool try);
long futex_unlock_pi(u32 __user *addr, bool private);
