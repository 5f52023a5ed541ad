/*
 * Tables of signal actions, copied on write like the memory of the processes that they belong to:
 * fork gives the child a reference to its parent's table, and whoever changes an action first makes
 * a table of its own. Most children exit or exec before that.
 *
 * The tasks of a process use one table, under its sighand_lock.
 *
 * CLONE_SIGHAND is another kind of sharing: changes are meant to be seen on the other side. Such a
 * table is marked, is never copied by a writer, and fork copies it at once.
 */
#include "kernel/process.h"

#include "kernel/lib/string.h"

static struct slab_cache *cache;

/* A copy of `from`; NULL: all actions are the default. */
static struct sighand *make(struct sighand *from)
{
	struct sighand *h = slab_alloc(cache);

	if (!h)
		return NULL;
	h->refs = 1;
	h->clone_shared = false;
	spin_init(&h->lock, LOCK_SIGACTION);
	if (!from) {
		memset(h->actions, 0, sizeof(h->actions));
		return h;
	}
	spin_lock(&from->lock);
	memcpy(h->actions, from->actions, sizeof(h->actions));
	spin_unlock(&from->lock);
	return h;
}

static struct sighand *get(struct sighand *h)
{
	atomic_inc(&h->refs);
	return h;
}

struct sighand *sighand_create(void)
{
	return make(NULL);
}

void sighand_put(struct sighand *h)
{
	if (atomic_dec(&h->refs) == 0)
		slab_free(cache, h);
}

int sighand_own(struct process *p)
{
	struct sighand *old = p->sighand, *copy;

	if (old->clone_shared || atomic_load(&old->refs) == 1)
		return 0;
	copy = make(old);
	if (!copy)
		return -ENOMEM;
	p->sighand = copy;
	sighand_put(old);
	return 0;
}

struct sighand *sighand_fork(struct process *p)
{
	struct sighand *h;

	spin_lock(&p->sighand_lock);
	h = p->sighand;
	if (h->clone_shared && atomic_load(&h->refs) > 1) {
		h = make(h);
	} else {
		h->clone_shared = false;
		get(h);
	}
	spin_unlock(&p->sighand_lock);
	return h;
}

struct sighand *sighand_share(struct process *p)
{
	struct sighand *h = NULL;

	spin_lock(&p->sighand_lock);
	if (sighand_own(p) == 0) {
		h = get(p->sighand);
		h->clone_shared = true;
	}
	spin_unlock(&p->sighand_lock);
	return h;
}

static bool has_handlers(const struct sighand *h)
{
	for (int i = 0; i < NSIG; i++)
		if (h->actions[i].handler > SIG_IGN || h->actions[i].flags)
			return true;
	return false;
}

static struct sighand *without_handlers(struct sighand *h)
{
	struct sighand *clean;

	if (!h->clone_shared && !has_handlers(h))
		return get(h);
	clean = make(h);
	if (!clean)
		return NULL;
	for (int i = 0; i < NSIG; i++) {
		u64 handler = clean->actions[i].handler == SIG_IGN ? SIG_IGN : SIG_DFL;

		clean->actions[i] = (struct sigaction){.handler = handler};
	}
	return clean;
}

struct sighand *sighand_without_handlers(struct process *p)
{
	struct sighand *h;

	spin_lock(&p->sighand_lock);
	h = without_handlers(p->sighand);
	spin_unlock(&p->sighand_lock);
	return h;
}

struct sigaction sighand_action(struct process *p, int sig)
{
	struct sighand *h = p->sighand;
	struct sigaction act;

	spin_lock(&h->lock);
	act = h->actions[sig - 1];
	spin_unlock(&h->lock);
	return act;
}

void sighand_set_action(struct process *p, int sig, const struct sigaction *act)
{
	struct sighand *h = p->sighand;

	spin_lock(&h->lock);
	h->actions[sig - 1] = *act;
	spin_unlock(&h->lock);
}

void sighand_init(void)
{
	cache = slab_create("sighand", sizeof(struct sighand), 64);
	if (!cache)
		panic("no memory for the cache of signal actions");
}
