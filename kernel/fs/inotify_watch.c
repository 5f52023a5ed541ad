/* The watches of inotify(7) by number, how many there may be, and the calls. See kernel/fs/inotify.h. */
#include "kernel/fs/inotify.h"

#include "kernel/fs/fs_internal.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "kernel/users.h"
#include "mm/alloc.h"

#define EVENT_BITS (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ISDIR)
#define FLAG_BITS \
	(IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ONESHOT)
#define KEPT_BITS (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT) /* in watch->mask */

#define BATCH 64 /* watches that end under one hold of fsnotify_lock */

int inotify_max_queued_events = 16384, inotify_max_user_instances = 128, inotify_max_user_watches;

void inotify_init(void)
{
	/* As Linux: what the watches of one user keep may be a hundredth of memory. */
	u64 watches =
	    frames_total() / 100 * PAGE_SIZE / (sizeof(struct watch) + sizeof(struct inode));

	inotify_max_user_watches = (int)min(max(watches, 8192ul), 1048576ul);
	fsnotify_init();
}

/* ---- watches by number ---- */

struct watch *inotify_below(const struct inotify *in, s64 wd)
{
	struct rb_node *n = in->watches.root;
	struct watch *found = NULL;

	while (n) {
		struct watch *w = rb_entry(n, struct watch, node);

		if (w->wd < wd)
			found = w;
		n = w->wd < wd ? n->right : n->left;
	}
	return found;
}

static struct watch *by_number(const struct inotify *in, s32 wd) __must_hold(&fsnotify_lock)
{
	struct watch *w = inotify_below(in, (s64)wd + 1);

	return w && w->wd == wd ? w : NULL;
}

void inotify_forget(struct watch *w)
{
	rb_erase(&w->in->watches, &w->node);
	w->in->user->counts[USER_INOTIFY_WATCHES]--;
}

/* Numbers go round once all have been used. */
static void number(struct watch *w) __must_hold(&fsnotify_lock)
{
	struct inotify *in = w->in;
	struct rb_node **link = &in->watches.root, *above = NULL;

	do
		in->last_wd = in->last_wd == INT32_MAX ? 1 : in->last_wd + 1;
	while (by_number(in, in->last_wd));
	w->wd = in->last_wd;
	while (*link) {
		above = *link;
		link =
		    w->wd < rb_entry(above, struct watch, node)->wd ? &above->left : &above->right;
	}
	rb_insert_at(&in->watches, &w->node, above, link);
	in->user->counts[USER_INOTIFY_WATCHES]++;
}

void inotify_end(struct inotify *in)
{
	bool more;

	do {
		struct watch *w;

		spin_lock(&fsnotify_lock);
		for (unsigned n = 0; n < BATCH && (w = inotify_below(in, INT64_MAX)); n++)
			watch_detach(w, false);
		more = !rb_empty(&in->watches);
		spin_unlock(&fsnotify_lock);
		fsnotify_reap();
	} while (more);
	spin_lock(&fsnotify_lock);
	in->user->counts[USER_INOTIFY]--;
	spin_unlock(&fsnotify_lock);
	user_put(in->user);
}

/* ---- the calls ---- */

/* in counts for the current user from now on: 0, -ENOMEM, -EMFILE. inotify_end() ends that. */
static int begin(struct inotify *in)
{
	u32 *instances;
	bool may;

	in->user = user_get(current->cred.euid);
	if (!in->user)
		return -ENOMEM;
	instances = &in->user->counts[USER_INOTIFY];
	spin_lock(&fsnotify_lock);
	may = *instances < (u32)inotify_max_user_instances;
	*instances += may;
	spin_unlock(&fsnotify_lock);
	if (!may)
		user_put(in->user);
	return may ? 0 : -EMFILE;
}

static long create(u32 flags)
{
	struct inotify *in;
	struct file *f;
	int err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	in = inotify_new();
	if (!in)
		return -ENOMEM;
	err = begin(in);
	if (err) {
		inotify_free(in);
		return err;
	}
	f = inotify_file(in, flags & O_NONBLOCK);
	if (IS_ERR(f)) {
		inotify_end(in);
		inotify_free(in);
		return PTR_ERR(f);
	}
	return fd_install(f, 0, flags & O_CLOEXEC);
}

SYSCALL0(inotify_init)
{
	return create(0);
}

SYSCALL1(inotify_init1, u32, flags)
{
	return create(flags);
}

/* Changes the watch that there is on i: its number, -EEXIST, or -ENOENT. */
static s32 change(struct inotify *in, struct inode *i, u32 mask) __must_hold(&fsnotify_lock)
{
	struct watch *w = watch_find(i, in);

	if (!w)
		return -ENOENT;
	if (mask & IN_MASK_CREATE)
		return -EEXIST;
	w->mask = (mask & IN_MASK_ADD ? w->mask : 0) | (mask & KEPT_BITS);
	return w->wd;
}

/* A dentry that goes with its last user, and its folder would make another inode for its name. */
static bool is_synthetic(const struct dentry *d)
{
	if (d->parent == d || READ_ONCE(d->flags) & (DENTRY_PINNED | DENTRY_UNLINKED))
		return false;
	return d->parent->inode->ops && d->parent->inode->ops->lookup;
}

/* Makes *w a watch on d's inode, unless there is one by now, and takes it over where it does. */
static s32 attach(struct inotify *in, struct dentry *d, u32 mask, struct watch **w)
    __must_hold(&fsnotify_lock)
{
	struct inode *i = d->inode;
	struct watch *new = *w;
	s32 wd = change(in, i, mask);

	if (wd != -ENOENT)
		return wd;
	if (in->user->counts[USER_INOTIFY_WATCHES] >= (u32)inotify_max_user_watches)
		return -ENOSPC;
	inode_get(i);
	new->inode = i;
	if (is_synthetic(d)) {
		dentry_get(d);
		new->kept = d;
	}
	new->in = in;
	new->mask = mask &KEPT_BITS;
	number(new);
	watch_attach(new);
	*w = NULL;
	return new->wd;
}

static s32 add(struct inotify *in, const struct path *p, u32 mask)
{
	struct inode *i = p->dentry->inode;
	struct watch *w;
	s32 wd;

	spin_lock(&fsnotify_lock);
	wd = change(in, i, mask);
	spin_unlock(&fsnotify_lock);
	if (wd != -ENOENT)
		return wd;
	w = watch_alloc();
	if (!w)
		return -ENOMEM;
	spin_lock(&fsnotify_lock);
	wd = attach(in, p->dentry, mask, &w);
	spin_unlock(&fsnotify_lock);
	if (w)
		watch_free(w);
	else if (S_ISDIR(i->mode))
		watch_children(p->dentry);
	return wd;
}

static long add_path(struct inotify *in, const char __user *name, u32 mask)
{
	u32 lookup = (mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) |
		     (mask & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0);
	struct path p;
	long wd = path_lookup_user(AT_FDCWD, name, lookup, &p);

	if (wd)
		return wd;
	wd = path_permission(&p, MAY_READ);
	if (!wd)
		wd = add(in, &p, mask);
	path_put(&p);
	return wd;
}

SYSCALL3(inotify_add_watch, s32, fd, const char __user *, name, u32, mask)
{
	struct file *f;
	struct inotify *in;
	long wd;

	if ((mask & ~(EVENT_BITS | FLAG_BITS)) || !mask)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	in = file_inotify(f);
	if (!in || (mask & (IN_MASK_ADD | IN_MASK_CREATE)) == (IN_MASK_ADD | IN_MASK_CREATE))
		wd = -EINVAL;
	else
		wd = add_path(in, name, mask);
	file_put(f);
	return wd;
}

static long remove(struct inotify *in, s32 wd)
{
	struct watch *w;

	spin_lock(&fsnotify_lock);
	w = by_number(in, wd);
	if (w)
		watch_detach(w, true);
	spin_unlock(&fsnotify_lock);
	fsnotify_reap();
	return w ? 0 : -EINVAL;
}

SYSCALL2(inotify_rm_watch, s32, fd, s32, wd)
{
	struct file *f = fd_get(fd);
	struct inotify *in;
	long err;

	if (!f)
		return -EBADF;
	in = file_inotify(f);
	err = in ? remove(in, wd) : -EINVAL;
	file_put(f);
	return err;
}
