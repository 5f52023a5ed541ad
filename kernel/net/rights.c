/*
 * Files in flight. `rights_lock` guards which are: a socket's `inflight` count changes, and a queue's
 * packet loses its rights, in one step under it.
 *
 * Looking for what nobody can reach:
 *	1. A socket in flight whose file has no other references than those is a candidate.
 *	2. From each one's count is taken what lies in the queues of candidates. Where something is left,
 *	   it lies in the queue of a socket that is reachable, or is being sent or received right now.
 *	3. Such a one is reachable, and so is what its own queue holds. A candidate that is found so moves to
 *	   the end of the list that is being walked: one walk finds all.
 *	4. The rest is dropped.
 *
 * A file's references cannot grow behind our back between 1 and 4: a candidate has no descriptor, and
 * gets one only from a packet, under the lock.
 */
#include "kernel/net/rights.h"

#include "kernel/net/socket.h"
#include "kernel/task.h"
#include "kernel/users.h"
#include "mm/alloc.h"

spinlock_t rights_lock = SPINLOCK_INIT(LOCK_RIGHTS);
/* sockets */
static struct list_head inflight __guarded_by_global(&rights_lock) = LIST_INIT(inflight);
/* rights whose files are to be closed */
static struct list_head dropped __guarded_by_global(&rights_lock) = LIST_INIT(dropped);
static bool dropping __guarded_by_global(&rights_lock);	     /* a task is about it */
static bool collect_again __guarded_by_global(&rights_lock); /* when that is done */

struct rights *rights_new(void)
{
	struct rights *r = kmalloc(sizeof(*r) + SCM_MAX_FD * sizeof(struct file *));

	if (r)
		r->count = 0;
	return r;
}

void rights_free(struct rights *r)
{
	for (u32 n = 0; n < r->count; n++)
		file_put(r->files[n]);
	kfree(r);
}

struct rights *rights_copy(const struct rights *r)
{
	struct rights *copy = rights_new();

	if (!copy)
		return NULL;
	spin_lock(&rights_lock);
	for (; copy->count < r->count; copy->count++)
		copy->files[copy->count] = file_get(r->files[copy->count]);
	spin_unlock(&rights_lock);
	return copy;
}

/* ---- in flight ---- */

static struct socket *unix_socket(struct file *f)
{
	struct socket *s = file_socket(f);

	return s && s->family == AF_UNIX ? s : NULL;
}

/* u's reference goes with the files. */
static void launch_locked(struct rights *r, struct user *u) __must_hold(&rights_lock)
{
	r->user = u;
	u->counts[USER_IN_FLIGHT] += r->count;
	for (u32 n = 0; n < r->count; n++) {
		struct socket *s = unix_socket(r->files[n]);

		if (s && !s->un.inflight++)
			list_add_tail(&inflight, &s->un.inflight_link);
	}
}

int rights_send(struct rights *r)
{
	u64 limit = current->proc->rlimits[RLIMIT_NOFILE].cur;
	struct user *u = user_get(current->cred.uid);
	int err = 0;

	if (!u)
		return -ENOMEM;
	spin_lock(&rights_lock);
	if (u->counts[USER_IN_FLIGHT] > limit && current->cred.euid != 0)
		err = -ETOOMANYREFS;
	else
		launch_locked(r, u);
	spin_unlock(&rights_lock);
	if (err)
		user_put(u);
	return err;
}

static void land_locked(struct rights *r) __must_hold(&rights_lock)
{
	r->user->counts[USER_IN_FLIGHT] -= r->count;
	user_put(r->user);
	for (u32 n = 0; n < r->count; n++) {
		struct socket *s = unix_socket(r->files[n]);

		if (s && !--s->un.inflight)
			list_del(&s->un.inflight_link);
	}
}

struct rights *rights_detach(struct packet *p)
{
	struct rights *r;

	spin_lock(&rights_lock);
	r = p->rights;
	p->rights = NULL;
	if (r)
		land_locked(r);
	spin_unlock(&rights_lock);
	return r;
}

static void collect_locked(void) __must_hold(&rights_lock);

/*
 * Closes what is to be closed, unless another task is about it, or this one further up. Sockets that are
 * closed by it may leave others unreachable: these are looked for once all is closed, not for each.
 * Called under the lock, which it drops meanwhile.
 */
static void drop_locked(void) __must_hold(&rights_lock)
{
	if (dropping)
		return;
	dropping = true;
	while (!list_empty(&dropped)) {
		struct rights *r = list_first(&dropped, struct rights, link);

		list_del(&r->link);
		spin_unlock(&rights_lock);
		rights_free(r);
		cond_resched();
		spin_lock(&rights_lock);
		if (list_empty(&dropped) && collect_again)
			collect_locked();
	}
	dropping = false;
}

void rights_drop(struct rights *r)
{
	spin_lock(&rights_lock);
	land_locked(r);
	list_add_tail(&dropped, &r->link);
	drop_locked();
	spin_unlock(&rights_lock);
}

/* ---- what nobody can reach ---- */

typedef void (*visit_fn)(struct packet *p); /* called under rights_lock */

static void visit_queue(struct socket *s, visit_fn fn) __must_hold(&s->lock)
{
	struct packet *p;

	list_for_each (p, &s->received.list, link)
		if (p->rights)
			fn(p);
}

/* Each packet with files in the queue of s, and in those of sockets that wait to be accepted from it. */
static void visit(struct socket *s, visit_fn fn)
{
	struct socket *conn;

	spin_lock(&s->lock);
	visit_queue(s, fn);
	list_for_each (conn, &s->pending, pending_link) {
		spin_lock(&conn->lock);
		visit_queue(conn, fn);
		spin_unlock(&conn->lock);
	}
	spin_unlock(&s->lock);
}

static void take_off(struct packet *p) __must_hold(&rights_lock)
{
	for (u32 n = 0; n < p->rights->count; n++) {
		struct socket *s = unix_socket(p->rights->files[n]);

		if (s && s->un.gc_candidate)
			s->un.gc_refs--;
	}
}

static void put_back(struct packet *p) __must_hold(&rights_lock)
{
	for (u32 n = 0; n < p->rights->count; n++) {
		struct socket *s = unix_socket(p->rights->files[n]);

		if (!s || !s->un.gc_candidate || s->un.gc_refs++)
			continue;
		/* The walk may have passed it. */
		list_del(&s->un.inflight_link);
		list_add_tail(&inflight, &s->un.inflight_link);
	}
}

static struct list_head garbage __guarded_by_global(&rights_lock) = LIST_INIT(garbage);

static void take_garbage(struct packet *p) __must_hold(&rights_lock)
{
	struct rights *r = p->rights;

	p->rights = NULL;
	list_add_tail(&garbage, &r->link);
}

static void find_candidates(void) __must_hold(&rights_lock)
{
	struct socket *s;

	list_for_each (s, &inflight, un.inflight_link) {
		s->un.gc_refs = s->un.inflight;
		s->un.gc_candidate = atomic_load(&s->file->refs) == s->un.inflight;
	}
	list_for_each (s, &inflight, un.inflight_link)
		if (s->un.gc_candidate)
			visit(s, take_off);
}

/* Clears the candidates that something reaches. */
static void spare_reachable(void) __must_hold(&rights_lock)
{
	struct socket *s;

	list_for_each (s, &inflight, un.inflight_link) {
		if (!s->un.gc_candidate || !s->un.gc_refs)
			continue;
		s->un.gc_candidate = false;
		visit(s, put_back);
	}
}

/* Moves what nobody can reach to the list of what is to be closed. */
static void collect_locked(void)
{
	struct rights *r;
	struct socket *s;

	collect_again = false;
	find_candidates();
	spare_reachable();
	list_for_each (s, &inflight, un.inflight_link)
		if (s->un.gc_candidate)
			visit(s, take_garbage);
	list_for_each (r, &garbage, link)
		land_locked(r);
	list_splice_tail(&dropped, &garbage);
}

void rights_collect(void)
{
	if (READ_ONCE(inflight.next) == &inflight)
		return;
	spin_lock(&rights_lock);
	if (dropping) {
		collect_again = true;
	} else {
		collect_locked();
		drop_locked();
	}
	spin_unlock(&rights_lock);
}
