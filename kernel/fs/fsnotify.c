/* From what happens to files to the watches that ask for it: see kernel/fs/fsnotify.h and inotify.h. */
#include "kernel/fs/inotify.h"

#include "kernel/fs/fs_internal.h"
#include "kernel/panic.h"
#include "mm/alloc.h"

u32 fsnotify_watches;
spinlock_t fsnotify_lock = SPINLOCK_INIT(LOCK_FSNOTIFY);
struct watch *fsnotify_dead;

static struct list_head all_watches = LIST_INIT(all_watches);
static u32 last_cookie;				 /* atomic */
static struct waitq reaped = WAITQ_INIT(reaped); /* a file system has no watches left */
static struct slab_cache *watch_cache;

void fsnotify_init(void)
{
	watch_cache = slab_create("inotify_watch", sizeof(struct watch), 16);
	if (!watch_cache)
		panic("no memory for the cache of watches");
}

/* ---- watches ---- */

struct watch *watch_alloc(void)
{
	return slab_zalloc(watch_cache);
}

void watch_free(struct watch *w)
{
	slab_free(watch_cache, w);
}

void watch_attach(struct watch *w)
{
	struct inode *i = w->inode;

	w->next = i->watches;
	WRITE_ONCE(i->watches, w);
	list_add_tail(&all_watches, &w->link);
	atomic_inc(&i->sb->nr_watches);
	atomic_inc(&fsnotify_watches);
}

struct watch *watch_find(const struct inode *i, const struct inotify *in)
{
	for (struct watch *w = i->watches; w; w = w->next)
		if (w->in == in)
			return w;
	return NULL;
}

void watch_detach(struct watch *w, bool tell)
{
	struct watch **at = &w->inode->watches;

	while (*at != w)
		at = &(*at)->next;
	WRITE_ONCE(*at, w->next);
	list_del(&w->link);
	atomic_dec(&fsnotify_watches);
	inotify_forget(w);
	if (tell)
		inotify_tell(w->in, w->wd, &(struct news){.mask = IN_IGNORED});
	w->next = fsnotify_dead;
	WRITE_ONCE(fsnotify_dead, w);
}

void fsnotify_reap_slow(void)
{
	struct watch *w, *next;

	spin_lock(&fsnotify_lock);
	w = fsnotify_dead;
	WRITE_ONCE(fsnotify_dead, NULL);
	spin_unlock(&fsnotify_lock);
	for (; w; w = next) {
		struct super_block *sb = w->inode->sb;

		next = w->next;
		if (w->kept)
			dentry_put(w->kept);
		inode_put(w->inode);
		watch_free(w);
		/* Last: who waits for it frees the super block. */
		if (!atomic_dec(&sb->nr_watches))
			waitq_wake_all(&reaped);
	}
}

void watch_children(struct dentry *d)
{
	struct dentry *child;

	spin_lock(&dentry_lock);
	list_for_each (child, &d->child_list, sibling)
		child->flags |= DENTRY_WATCHED;
	spin_unlock(&dentry_lock);
}

/* ---- telling ---- */

/* To each watch on i that asks for it, but those in whose flags is one of `except`. */
static void tell(struct inode *i, const struct news *n, u32 except) __must_hold(&fsnotify_lock)
{
	struct watch *w, *next;

	for (w = i->watches; w; w = next) {
		next = w->next;
		if (!(w->mask & n->mask & IN_ALL_EVENTS) || (w->mask & except))
			continue;
		inotify_tell(w->in, w->wd, n);
		if (w->mask & IN_ONESHOT)
			watch_detach(w, true);
	}
}

/* The same of the file itself. */
static void tell_self(struct inode *i, u32 mask) __must_hold(&fsnotify_lock)
{
	tell(i, &(struct news){.mask = mask}, 0);
}

static u32 isdir(const struct inode *i)
{
	return S_ISDIR(i->mode) ? IN_ISDIR : 0;
}

/* The directory of d is told with its name, then d's file. `except` as in tell(). */
static void tell_both(struct dentry *d, u32 mask, u32 except)
{
	struct news n = {.mask = mask | isdir(d->inode)};

	if (!(READ_ONCE(d->flags) & DENTRY_WATCHED) && !READ_ONCE(d->inode->watches))
		return;
	spin_lock(&dentry_lock);
	spin_lock(&fsnotify_lock);
	if (!d->parent->inode->watches) {
		d->flags &= ~DENTRY_WATCHED;
	} else if (d->flags & DENTRY_WATCHED) {
		n.name = d->name;
		n.len = d->len;
		tell(d->parent->inode, &n, except);
	}
	tell(d->inode, &(struct news){.mask = n.mask}, except);
	spin_unlock(&fsnotify_lock);
	spin_unlock(&dentry_lock);
	fsnotify_reap();
}

void fsnotify_file_slow(const struct file *f, u32 event)
{
	struct dentry *d = f->path.dentry;

	if (f->flags & O_PATH)
		return;
	tell_both(d, event, READ_ONCE(d->flags) & DENTRY_UNLINKED ? IN_EXCL_UNLINK : 0);
}

void fsnotify_io_slow(const struct file *f, long n, bool write)
{
	if (n > 0)
		fsnotify_file_slow(f, write ? IN_MODIFY : IN_ACCESS);
}

void fsnotify_close_slow(const struct file *f)
{
	fsnotify_file_slow(f, file_writable(f) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
}

void fsnotify_change_slow(struct dentry *d, u32 valid)
{
	u32 mask = valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? IN_ATTRIB : 0;

	/* utime(2) sets both times; one alone is as if the file had been read, or written. */
	if ((valid & ATTR_ATIME) && (valid & ATTR_MTIME))
		mask |= IN_ATTRIB;
	else if (valid & ATTR_ATIME)
		mask |= IN_ACCESS;
	else if (valid & ATTR_MTIME)
		mask |= IN_MODIFY;
	if (valid & ATTR_SIZE)
		mask |= IN_MODIFY;
	if (mask)
		tell_both(d, mask, 0);
}

/* ---- changes of directories ---- */

static void tell_name(struct inode *dir, u32 mask, u32 cookie, const char *name, size_t len)
    __must_hold(&fsnotify_lock)
{
	tell(dir, &(struct news){.mask = mask, .cookie = cookie, .name = name, .len = len}, 0);
}

void fsnotify_created_slow(const struct dentry *d)
{
	struct inode *i = d->inode;

	spin_lock(&fsnotify_lock);
	if (!S_ISDIR(i->mode) && i->nlink > 1) /* another name of a file that was there */
		tell_self(i, IN_ATTRIB);
	tell_name(d->parent->inode, IN_CREATE | isdir(i), 0, d->name, d->len);
	spin_unlock(&fsnotify_lock);
}

/* All watches on i end, with this for a last event. */
static void end_all(struct inode *i, u32 mask) __must_hold(&fsnotify_lock)
{
	tell_self(i, mask);
	while (i->watches)
		watch_detach(i->watches, true);
}

void fsnotify_unlinked_slow(const struct dentry *d)
{
	struct inode *i = d->inode;

	spin_lock(&fsnotify_lock);
	if (!S_ISDIR(i->mode))
		tell_self(i, IN_ATTRIB);
	/* The pin and the caller's: nobody has the file open, and its end comes before its name's, as on Linux. */
	if (!i->nlink && atomic_load(&d->refs) == 2)
		end_all(i, IN_DELETE_SELF);
	tell_name(d->parent->inode, IN_DELETE | isdir(i), 0, d->name, d->len);
	spin_unlock(&fsnotify_lock);
}

void fsnotify_moved_slow(const struct dentry *old_dir, const char *old_name, size_t len,
			 const struct dentry *d, const struct dentry *over)
{
	u32 cookie = atomic_inc(&last_cookie), dir = isdir(d->inode);

	spin_lock(&fsnotify_lock);
	tell_name(old_dir->inode, IN_MOVED_FROM | dir, cookie, old_name, len);
	tell_name(d->parent->inode, IN_MOVED_TO | dir, cookie, d->name, d->len);
	if (over)
		tell_self(over->inode, IN_ATTRIB | isdir(over->inode));
	tell_self(d->inode, IN_MOVE_SELF);
	spin_unlock(&fsnotify_lock);
}

/* ---- the end of files ---- */

void fsnotify_gone_slow(struct inode *i)
{
	spin_lock(&fsnotify_lock);
	end_all(i, IN_DELETE_SELF);
	spin_unlock(&fsnotify_lock);
	fsnotify_reap();
}

void fsnotify_unmount_slow(struct super_block *sb)
{
	struct watch *w, *next;

	spin_lock(&fsnotify_lock);
	list_for_each_safe (w, next, &all_watches, link) {
		if (w->inode->sb != sb)
			continue;
		inotify_tell(w->in, w->wd, &(struct news){.mask = IN_UNMOUNT | isdir(w->inode)});
		watch_detach(w, true);
	}
	spin_unlock(&fsnotify_lock);
	fsnotify_reap();
	/* Those that others made dead before: their references go now. */
	(void)wait_event_until(&reaped, WAIT_UNINTERRUPTIBLE, WAIT_FOREVER,
			       !atomic_load(&sb->nr_watches));
}
