/* Users, found by number: see kernel/users.h. They are few, for only those are here that have something. */
#include "kernel/users.h"

#include "kernel/lock.h"
#include "mm/alloc.h"

static spinlock_t users_lock = SPINLOCK_INIT(LOCK_USERS);
static struct list_head users __guarded_by_global(&users_lock) = LIST_INIT(users);

/* Takes a reference. NULL: not known. */
static struct user *find(u32 uid) __must_hold(&users_lock)
{
	struct user *u;

	list_for_each (u, &users, link) {
		if (u->uid == uid) {
			u->refs++;
			return u;
		}
	}
	return NULL;
}

struct user *user_get(u32 uid)
{
	struct user *u, *fresh;

	spin_lock(&users_lock);
	u = find(uid);
	spin_unlock(&users_lock);
	if (u)
		return u;
	fresh = kzalloc(sizeof(*fresh));
	if (!fresh)
		return NULL;
	fresh->uid = uid;
	fresh->refs = 1;
	spin_lock(&users_lock);
	u = find(uid); /* made by another task meanwhile? */
	if (!u)
		list_add(&users, &fresh->link);
	spin_unlock(&users_lock);
	if (!u)
		return fresh;
	kfree(fresh);
	return u;
}

void user_put(struct user *u)
{
	bool last;

	spin_lock(&users_lock);
	last = !--u->refs;
	if (last)
		list_del(&u->link);
	spin_unlock(&users_lock);
	if (last)
		kfree(u);
}
