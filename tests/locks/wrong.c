/*
 * What clang must refuse: each line that ends in "wrong" breaks a rule of kernel/lock.h, and the others
 * keep them. "wrong: exact" is seen by a clang that lets a field name the lock beside it, which looks at
 * pointers to fields, too.
 */
#include "kernel/lib/list.h"
#include "kernel/rwsem.h"

struct thing {
	spinlock_t lock, other;
	int value __guarded_by(&lock);
	struct list_head list __guarded_by(&lock);
	int others __guarded; /* by the lock of whatever the thing hangs in */
	struct rwsem sleeping;
	int slow __guarded_by(&sleeping);
};

static spinlock_t global = SPINLOCK_INIT(LOCK_NONE);
static int counter __guarded_by_global(&global);

void right(struct thing *a);
void forgotten(struct thing *a, struct thing *b);
int looks(struct thing *a);
int made(struct thing *a);
void unbalanced(struct thing *a);
int on_one_path(struct thing *a, bool early);

static void needs_it(struct thing *t) __must_hold(&t->lock)
{
	t->value++;
}

static void needs_shared(struct thing *t) __must_hold_shared(&t->sleeping)
{
	(void)t;
}

static void needs_exclusive(struct thing *t) __must_hold(&t->sleeping)
{
	needs_shared(t);
}

static int locked_by(struct thing *t) __try_acquires(0, &t->lock) __no_lock_analysis
{
	spin_lock(&t->lock);
	return 0;
}

void right(struct thing *a)
{
	u64 flags = spin_lock_irq(&a->lock);

	needs_it(a);
	a->value++;
	spin_unlock_irq(&a->lock, flags);
	spin_lock(&global);
	counter++;
	spin_unlock(&global);
	if (rwsem_write_lock_killable(&a->sleeping))
		return;
	needs_exclusive(a);
	rwsem_downgrade(&a->sleeping);
	needs_shared(a);
	rwsem_read_unlock(&a->sleeping);
	if (locked_by(a))
		return;
	needs_it(a);
	spin_unlock(&a->lock);
}

int looks(struct thing *a)
{
	int seen = READ_ONCE(a->value) + READ_ONCE(counter);

	seen += atomic_load(&a->value);
	seen += a->value; /* wrong */
	spin_lock(&global);
	seen += a->others;
	spin_unlock(&global);
	seen += a->others; /* wrong */
	rwsem_read_lock(&a->sleeping);
	seen += a->slow;
	a->slow++; /* wrong: exact */
	rwsem_read_unlock(&a->sleeping);
	return seen;
}

int made(struct thing *a)
{
	list_init(&a->list); /* wrong: exact */
	spin_assume_held(&a->lock);
	list_init(&a->list);
	return a->value;
}

void forgotten(struct thing *a, struct thing *b)
{
	a->value++;		 /* wrong */
	WRITE_ONCE(a->value, 1); /* wrong: exact */
	a->list.next = NULL;	 /* wrong */
	counter++;		 /* wrong */
	needs_it(a);		 /* wrong */
	spin_lock(&a->lock);
	needs_it(b); /* wrong */
	counter++;   /* wrong */
	spin_unlock(&a->lock);
	spin_lock(&a->other);
	a->value++;  /* wrong: exact */
	needs_it(a); /* wrong */
	spin_unlock(&a->other);
	rwsem_read_lock(&a->sleeping);
	needs_shared(a);
	needs_exclusive(a); /* wrong */
	rwsem_read_unlock(&a->sleeping);
}

void unbalanced(struct thing *a)
{
	spin_unlock(&a->lock); /* wrong */
	spin_lock(&a->lock);
	spin_lock(&a->lock); /* wrong */
} /* wrong */

int on_one_path(struct thing *a, bool early)
{
	spin_lock(&a->lock);
	if (early)
		return -EINTR;
	spin_unlock(&a->lock);
	return 0;
} /* wrong */
