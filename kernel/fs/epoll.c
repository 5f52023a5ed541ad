/* Epoll sets and their items: see kernel/fs/epoll.h. */
#include "kernel/fs/epoll.h"

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/seq.h"
#include "kernel/panic.h"
#include "kernel/task.h"
#include "kernel/users.h"
#include "mm/alloc.h"

spinlock_t watch_lock = SPINLOCK_INIT(LOCK_WATCH);
/* Most files have two queues at most. */
#define ITEM_COST (sizeof(struct epoll_item) + sizeof(struct epoll_hook))

/* What one user may watch, with all sets that it has made. */
int epoll_max_user_watches;
static struct slab_cache *item_cache;

void epoll_init(void)
{
	/* As on Linux: some four hundredths of memory. */
	epoll_max_user_watches =
	    (int)min(frames_total() / 25 * PAGE_SIZE / ITEM_COST, (u64)INT32_MAX);
	rwsem_init(&epoll_nest_lock, LOCK_EPOLL_NEST);
	item_cache = slab_create("epoll_item", sizeof(struct epoll_item), 16);
	if (!item_cache)
		panic("no memory for the cache of epoll items");
}

/* ---- the ready list ---- */

/* Puts i on its set's list, at the front or the back, unless it is there. */
static void list_ready(struct epoll_item *i, bool front)
{
	struct epoll_set *s = i->set;
	u64 flags = spin_lock_irq(&s->ready_lock);

	if (list_empty(&i->ready_link)) {
		if (front)
			list_add(&s->ready, &i->ready_link);
		else
			list_add_tail(&s->ready, &i->ready_link);
		s->nr_ready++;
	}
	spin_unlock_irq(&s->ready_lock, flags);
}

static void unlist(struct epoll_item *i)
{
	struct epoll_set *s = i->set;
	u64 flags = spin_lock_irq(&s->ready_lock);

	if (!list_empty(&i->ready_link)) {
		list_del(&i->ready_link);
		s->nr_ready--;
	}
	spin_unlock_irq(&s->ready_lock, flags);
}

/* Takes the first item off the list; NULL: it is empty. Under s->lock, so that the item stays. */
static struct epoll_item *pop_ready(struct epoll_set *s)
{
	u64 flags = spin_lock_irq(&s->ready_lock);
	struct epoll_item *i = NULL;

	if (!list_empty(&s->ready)) {
		i = list_first(&s->ready, struct epoll_item, ready_link);
		list_del(&i->ready_link);
		s->nr_ready--;
	}
	spin_unlock_irq(&s->ready_lock, flags);
	return i;
}

static void make_ready(struct epoll_item *i)
{
	list_ready(i, false);
	waitq_wake_one(&i->set->wait);
	waitq_wake_all(&i->set->poll_wait);
}

static void woken(struct wait_hook *h)
{
	struct epoll_item *i = container_of(h, struct epoll_hook, hook)->item;

	if (READ_ONCE(i->events) & ~EPOLL_HOW)
		make_ready(i);
}

static u32 ask(const struct epoll_item *i, struct poll_table *pt)
{
	return file_poll(i->file, pt) & i->events & ~EPOLL_HOW;
}

/* ---- items ---- */

static int compare(const struct file *f, s32 fd, const struct epoll_item *i)
{
	if (f != i->file)
		return f < i->file ? -1 : 1;
	return fd == i->fd ? 0 : fd < i->fd ? -1 : 1;
}

struct epoll_item *epoll_find(struct epoll_set *s, struct file *f, s32 fd)
{
	struct rb_node *n = s->items.root;

	while (n) {
		struct epoll_item *i = rb_entry(n, struct epoll_item, node);
		int order = compare(f, fd, i);

		if (!order)
			return i;
		n = order < 0 ? n->left : n->right;
	}
	return NULL;
}

static void insert(struct epoll_set *s, struct epoll_item *i)
{
	struct rb_node **link = &s->items.root, *above = NULL;

	while (*link) {
		above = *link;
		link = compare(i->file, i->fd, rb_entry(above, struct epoll_item, node)) < 0
			   ? &above->left
			   : &above->right;
	}
	rb_insert_at(&s->items, &i->node, above, link);
	spin_lock(&watch_lock);
	list_add_tail(&i->file->watches, &i->watch_link);
	spin_unlock(&watch_lock);
}

struct asking {
	struct poll_table table;
	struct epoll_item *item;
};

static bool enter(struct poll_table *pt, struct waitq *q)
{
	struct epoll_item *i = container_of(pt, struct asking, table)->item;
	struct epoll_hook *h = i->hooks ? kmalloc(sizeof(*h)) : &i->first;

	if (!h)
		return false;
	*h = (struct epoll_hook){.hook.fn = woken, .item = i, .next = i->hooks};
	i->hooks = h;
	wait_hook_add(&h->hook, q);
	return true;
}

/* False: the user has all that it may. */
static bool charge(struct user *u)
{
	if (atomic_inc(&u->counts[USER_WATCHES]) <= (u32)READ_ONCE(epoll_max_user_watches))
		return true;
	atomic_dec(&u->counts[USER_WATCHES]);
	return false;
}

static struct epoll_item *item_new(struct epoll_set *s)
{
	struct epoll_item *i;

	if (!charge(s->user))
		return ERR_PTR(-ENOSPC);
	i = slab_zalloc(item_cache);
	if (i) {
		i->set = s;
		return i;
	}
	atomic_dec(&s->user->counts[USER_WATCHES]);
	return ERR_PTR(-ENOMEM);
}

static void item_free(struct epoll_item *i)
{
	atomic_dec(&i->set->user->counts[USER_WATCHES]);
	slab_free(item_cache, i);
}

int epoll_add(struct epoll_set *s, struct file *f, s32 fd, const struct epoll_event *e)
{
	struct asking a = {.table = {.registering = true, .file = f, .enter = enter}};
	struct epoll_item *i;
	u32 got;

	if (epoll_find(s, f, fd))
		return -EEXIST;
	i = item_new(s);
	if (IS_ERR(i))
		return (int)PTR_ERR(i);
	i->file = f;
	i->fd = fd;
	i->events = e->events | POLLERR | POLLHUP;
	i->data = e->data;
	list_init(&i->ready_link);
	insert(s, i);
	a.item = i;
	got = ask(i, &a.table);
	if (a.table.failed) {
		epoll_remove(i);
		return -ENOMEM;
	}
	if (got)
		make_ready(i);
	return 0;
}

void epoll_modify(struct epoll_item *i, const struct epoll_event *e)
{
	i->data = e->data;
	/* A full barrier: a change that the question below is too early for wakes a hook that sees
	 * these events. */
	(void)atomic_xchg(&i->events, e->events | POLLERR | POLLHUP);
	if (ask(i, NULL))
		make_ready(i);
}

void epoll_remove(struct epoll_item *i)
{
	while (i->hooks) {
		struct epoll_hook *h = i->hooks;

		i->hooks = h->next;
		wait_hook_remove(&h->hook);
		if (h != &i->first)
			kfree(h);
	}
	unlist(i);
	rb_erase(&i->set->items, &i->node);
	/* Last: a file that nobody watches may go. */
	spin_lock(&watch_lock);
	list_del_release(&i->watch_link);
	spin_unlock(&watch_lock);
	item_free(i);
}

/* Nobody else changes the list: who adds to it has a reference to f, and sets end under the lock. */
void epoll_forget(struct file *f)
{
	rwsem_write_lock(&epoll_nest_lock);
	while (!list_empty(&f->watches)) {
		struct epoll_item *i = list_first(&f->watches, struct epoll_item, watch_link);
		struct epoll_set *s = i->set;

		rwsem_write_lock(&s->lock);
		epoll_remove(i);
		rwsem_write_unlock(&s->lock);
	}
	rwsem_write_unlock(&epoll_nest_lock);
}

/* ---- waiting ---- */

/* What is ready, under s->lock, up to `max` events: how many, or -EFAULT. */
static int report(struct epoll_set *s, struct epoll_event __user *to, u32 max)
{
	u32 n = 0;

	for (u32 look = READ_ONCE(s->nr_ready); look && n < max; look--) {
		struct epoll_item *i = pop_ready(s);
		struct epoll_event e;

		if (!i)
			break;
		e = (struct epoll_event){.events = ask(i, NULL), .data = i->data};
		if (!e.events)
			continue;
		if (copy_to_user(&to[n], &e, sizeof(e))) {
			list_ready(i, true);
			return n ? (int)n : -EFAULT;
		}
		n++;
		if (i->events & EPOLLONESHOT)
			WRITE_ONCE(i->events, i->events & EPOLL_HOW);
		else if (!(i->events & EPOLLET))
			list_ready(i, false);
	}
	return (int)n;
}

static bool may_be_ready(struct epoll_set *s)
{
	return READ_ONCE(s->nr_ready);
}

static int report_locked(struct epoll_set *s, struct epoll_event __user *to, u32 max)
{
	int n;

	rwsem_write_lock(&s->lock);
	n = report(s, to, max);
	rwsem_write_unlock(&s->lock);
	/* One that looked while the items were off the list sleeps, and has had no wake-up. */
	if (may_be_ready(s))
		waitq_wake_one(&s->wait);
	return n;
}

long epoll_collect(struct epoll_set *s, struct epoll_event __user *to, u32 max, u64 deadline)
{
	long n = 0, slept = 0;

	for (;;) {
		struct waiter w = {.exclusive = true};

		/* After each sleep, however it ended: the wake-up may have been for this task alone. */
		if (may_be_ready(s))
			n = report_locked(s, to, max);
		if (n || slept || deadline == POLL_LOOK_ONCE)
			break;
		wait_prepare(&w, &s->wait, WAIT_INTERRUPTIBLE);
		if (!may_be_ready(s))
			slept = wait_sleep(WAIT_INTERRUPTIBLE, deadline);
		wait_finish(&w);
	}
	return n ? n : slept == -ERESTARTSYS ? -EINTR : slept;
}

/* ---- the set as a file ---- */

static u32 epoll_poll(struct file *f, struct poll_table *pt)
{
	struct epoll_set *s = f->private;
	u32 got = 0;

	poll_wait(&s->poll_wait, pt);
	rwsem_write_lock(&s->lock);
	for (u32 look = READ_ONCE(s->nr_ready); look && !got; look--) {
		struct epoll_item *i = pop_ready(s);

		if (i && ask(i, NULL)) {
			list_ready(i, true);
			got = POLLIN | POLLRDNORM;
		}
	}
	rwsem_write_unlock(&s->lock);
	if (got)
		waitq_wake_one(&s->wait);
	return got;
}

static void epoll_release(struct file *f)
{
	struct epoll_set *s = f->private;
	struct rb_node *n;

	rwsem_write_lock(&epoll_nest_lock);
	while ((n = rb_first(&s->items)))
		epoll_remove(rb_entry(n, struct epoll_item, node));
	rwsem_write_unlock(&epoll_nest_lock);
	epoll_set_free(s);
}

static void epoll_show(struct file *f, struct seq *out)
{
	struct epoll_set *s = f->private;

	rwsem_write_lock(&s->lock);
	for (struct rb_node *n = rb_first(&s->items); n; n = rb_next(n)) {
		const struct epoll_item *i = rb_entry(n, struct epoll_item, node);
		const struct inode *inode = i->file->inode;

		seq_printf(out, "tfd: %8d events: %8x data: %16lx  pos:%ld ino:%lx sdev:%lx\n",
			   i->fd, i->events, i->data, i->file->pos, inode->ino, inode->sb->dev);
	}
	rwsem_write_unlock(&s->lock);
}

static const struct file_ops epoll_ops = {
    .poll = epoll_poll,
    .release = epoll_release,
    .show_fdinfo = epoll_show,
    .special = true,
};

struct epoll_set *file_epoll(struct file *f)
{
	return f->ops == &epoll_ops ? f->private : NULL;
}

struct epoll_set *epoll_set_new(void)
{
	struct epoll_set *s = kzalloc(sizeof(*s));

	if (!s)
		return NULL;
	s->user = user_get(current->cred.uid);
	if (!s->user) {
		kfree(s);
		return NULL;
	}
	rwsem_init(&s->lock, LOCK_EPOLL);
	spin_init(&s->ready_lock, LOCK_READY);
	list_init(&s->ready);
	waitq_init(&s->wait);
	waitq_init(&s->poll_wait);
	return s;
}

void epoll_set_free(struct epoll_set *s)
{
	user_put(s->user);
	kfree(s);
}

struct file *epoll_file(struct epoll_set *s)
{
	struct file *f = file_special("anon_inode:[eventpoll]", &epoll_ops, O_RDWR, s);

	if (!IS_ERR(f))
		s->file = f;
	return f;
}
