/*
 * Changing directories: mkdir, mknod, symlink, link, unlink, rmdir, rename.
 *
 * Each call walks to the parent, checks, prepares what needs memory, and then makes its change in
 * one critical section under dentry_lock, with the checks that other calls could have overtaken
 * made again there.
 */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/fsnotify.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

/* A path walked up to its last component. Between target_begin() and target_end(). */
struct target {
	struct user_name name;
	struct walk w;
};

static int target_walk(struct target *t, s32 dirfd)
{
	int err = walk_start(&t->w, dirfd, t->name.s, 0);

	if (!err) {
		err = walk_parent(&t->w);
		if (err)
			walk_end(&t->w);
	}
	if (err)
		user_name_put(&t->name);
	return err;
}

static int target_begin(struct target *t, s32 dirfd, const char __user *name)
{
	int err = user_name_get(&t->name, name);

	return err ? err : target_walk(t, dirfd);
}

/* As target_begin() for a name of the kernel's own. */
static int target_begin_kernel(struct target *t, const char *name)
{
	t->name.s = name;
	t->name.heap = NULL;
	return target_walk(t, AT_FDCWD);
}

static void target_end(struct target *t)
{
	walk_end(&t->w);
	user_name_put(&t->name);
}

static void dir_changed(struct inode *dir)
{
	dir->mtime = dir->ctime = inode_now();
}

/* Whether a name may be added to the directory w->at: what Linux answers before it looks at
 * anything else. */
static int may_create(struct walk *w, bool dir)
{
	struct dentry *d;
	int err;

	if (w->last_type != LAST_NORM)
		return -EEXIST;
	d = dentry_lookup(w->at.dentry, w->last, w->last_len);
	if (!IS_ERR(d)) {
		dentry_put(d);
		return -EEXIST;
	}
	if (PTR_ERR(d) != -ENOENT || w->at.dentry->inode->ops->lookup)
		return (int)PTR_ERR(d);
	if (w->trailing && !dir)
		return -ENOENT;
	err = path_permission(&w->at, MAY_WRITE | MAY_EXEC);
	if (!err && !w->at.dentry->inode->ops->create)
		err = -EPERM;
	return err;
}

/* Creates w's last component with this mode: everything that makes a new inode ends here. made, where not
 * NULL, becomes its path, referenced. */
static int create_at(struct walk *w, u32 mode, u64 rdev, const char *link, struct path *made)
{
	struct inode *dir = w->at.dentry->inode, *i;
	struct dentry *d;
	int err = may_create(w, S_ISDIR(mode));

	if (err)
		return err;
	if ((S_ISCHR(mode) || S_ISBLK(mode)) && current->cred.euid != 0)
		return -EPERM;
	i = dir->ops->create(dir, mode, rdev, link);
	if (IS_ERR(i))
		return (int)PTR_ERR(i);
	d = dentry_add(w->at.dentry, w->last, w->last_len, i, true);
	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	dir_changed(dir);
	if (made) {
		*made = (struct path){w->at.mnt, d};
		path_get(made);
	}
	dentry_put(d);
	return 0;
}

static u32 masked(u32 mode)
{
	return mode & ~atomic_load(&current->fs->umask);
}

static long do_mkdir(s32 dirfd, const char __user *name, u32 mode)
{
	struct target t;
	int err = target_begin(&t, dirfd, name);

	if (err)
		return err;
	err = create_at(&t.w, S_IFDIR | (masked(mode) & (0777 | S_ISVTX)), 0, NULL, NULL);
	target_end(&t);
	return err;
}

static int mknod_kernel(const char *name, u32 mode, u64 rdev, const char *link, struct path *made)
{
	struct target t;
	int err = target_begin_kernel(&t, name);

	if (err)
		return err;
	err = create_at(&t.w, mode, rdev, link, made);
	target_end(&t);
	return err;
}

int kernel_mknod(const char *name, u32 mode, u64 rdev, const char *link)
{
	return mknod_kernel(name, mode, rdev, link, NULL);
}

int kernel_mknod_path(const char *name, u32 mode, struct path *made)
{
	return mknod_kernel(name, mode, 0, NULL, made);
}

SYSCALL2(mkdir, const char __user *, name, u32, mode)
{
	return do_mkdir(AT_FDCWD, name, mode);
}

SYSCALL3(mkdirat, s32, dirfd, const char __user *, name, u32, mode)
{
	return do_mkdir(dirfd, name, mode);
}

static long do_mknod(s32 dirfd, const char __user *name, u32 mode, u32 dev)
{
	struct target t;
	int err;

	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	if (S_ISDIR(mode))
		return -EPERM;
	if (!S_ISREG(mode) && !S_ISCHR(mode) && !S_ISBLK(mode) && !S_ISFIFO(mode) &&
	    !S_ISSOCK(mode))
		return -EINVAL;
	err = target_begin(&t, dirfd, name);
	if (err)
		return err;
	err = create_at(&t.w, (mode & S_IFMT) | (masked(mode) & S_IALLUGO), dev, NULL, NULL);
	target_end(&t);
	return err;
}

SYSCALL3(mknod, const char __user *, name, u32, mode, u32, dev)
{
	return do_mknod(AT_FDCWD, name, mode, dev);
}

SYSCALL4(mknodat, s32, dirfd, const char __user *, name, u32, mode, u32, dev)
{
	return do_mknod(dirfd, name, mode, dev);
}

static long do_symlink(const char __user *text, s32 dirfd, const char __user *name)
{
	struct user_name link;
	struct target t;
	int err = user_name_get(&link, text);

	if (err)
		return err;
	err = *link.s ? target_begin(&t, dirfd, name) : -ENOENT;
	if (!err) {
		err = create_at(&t.w, S_IFLNK | 0777, 0, link.s, NULL);
		target_end(&t);
	}
	user_name_put(&link);
	return err;
}

SYSCALL2(symlink, const char __user *, text, const char __user *, name)
{
	return do_symlink(text, AT_FDCWD, name);
}

SYSCALL3(symlinkat, const char __user *, text, s32, dirfd, const char __user *, name)
{
	return do_symlink(text, dirfd, name);
}

/* ---- link ---- */

/* A second name for what `old` is. Takes no reference over. */
static int link_at(const struct path *old, struct walk *w)
{
	struct inode *i = old->dentry->inode;
	struct dentry *d;
	int err = may_create(w, false);

	if (err)
		return err;
	if (old->mnt != w->at.mnt)
		return -EXDEV;
	if (S_ISDIR(i->mode))
		return -EPERM;
	spin_lock(&dentry_lock);
	err = i->nlink ? 0 : -ENOENT; /* deleted meanwhile; O_TMPFILE has its own way */
	if (!err)
		i->nlink++;
	spin_unlock(&dentry_lock);
	if (err)
		return err;
	inode_get(i);
	d = dentry_add(w->at.dentry, w->last, w->last_len, i, true);
	if (IS_ERR(d)) {
		spin_lock(&dentry_lock);
		i->nlink--;
		spin_unlock(&dentry_lock);
		return (int)PTR_ERR(d);
	}
	i->ctime = inode_now();
	dir_changed(w->at.dentry->inode);
	dentry_put(d);
	return 0;
}

static long do_link(s32 old_dirfd, const char __user *old_name, s32 dirfd, const char __user *name,
		    u32 flags)
{
	u32 lookup = (flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) |
		     (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	struct target t;
	struct path old;
	int err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = path_lookup_user(old_dirfd, old_name, lookup, &old);
	if (err)
		return err;
	err = target_begin(&t, dirfd, name);
	if (!err) {
		err = link_at(&old, &t.w);
		target_end(&t);
	}
	path_put(&old);
	return err;
}

int kernel_link(const char *old_name, const char *name)
{
	struct target t;
	struct path old;
	int err = path_lookup(AT_FDCWD, old_name, 0, &old);

	if (err)
		return err;
	err = target_begin_kernel(&t, name);
	if (!err) {
		err = link_at(&old, &t.w);
		target_end(&t);
	}
	path_put(&old);
	return err;
}

SYSCALL2(link, const char __user *, old, const char __user *, name)
{
	return do_link(AT_FDCWD, old, AT_FDCWD, name, 0);
}

SYSCALL5(linkat, s32, old_dirfd, const char __user *, old, s32, dirfd, const char __user *, name,
	 u32, flags)
{
	return do_link(old_dirfd, old, dirfd, name, flags);
}

/* ---- unlink ---- */

/* Whether the name d may go from directory dir: write permission, and the sticky bit. */
static int may_delete(const struct path *dir, struct dentry *d)
{
	u32 fsuid = current->cred.fsuid;
	int err = path_permission(dir, MAY_WRITE | MAY_EXEC);

	if (err)
		return err;
	if ((dir->dentry->inode->mode & S_ISVTX) && fsuid != 0 && fsuid != d->inode->uid &&
	    fsuid != dir->dentry->inode->uid)
		return -EPERM;
	if (!(d->flags & DENTRY_PINNED))
		return -EPERM; /* a synthetic file system's */
	return 0;
}

/* Takes d out of the tree; its pin is the caller's to put. Checked already. */
static void unlink_locked(struct dentry *d)
{
	struct inode *dir = d->parent->inode;

	dentry_detach_locked(d);
	d->flags &= ~DENTRY_PINNED;
	d->inode->nlink--;
	if (S_ISDIR(d->inode->mode)) {
		d->inode->nlink--;
		dir->nlink--;
	}
}

static int try_unlink_locked(struct dentry *dir, struct dentry *d, bool want_dir)
{
	if ((d->flags & DENTRY_UNLINKED) || d->parent != dir)
		return -ENOENT;
	if (want_dir && !S_ISDIR(d->inode->mode))
		return -ENOTDIR;
	if (!want_dir && S_ISDIR(d->inode->mode))
		return -EISDIR;
	if (dentry_is_mountpoint_locked(d))
		return -EBUSY;
	if (want_dir && !list_empty(&d->child_list))
		return -ENOTEMPTY;
	unlink_locked(d);
	fsnotify_unlinked_locked(d);
	return 0;
}

static int unlink_last(struct walk *w, bool want_dir)
{
	struct dentry *d = dentry_lookup(w->at.dentry, w->last, w->last_len);
	int err;

	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	if (w->trailing && !want_dir)
		err = S_ISDIR(d->inode->mode) ? -EISDIR : -ENOTDIR;
	else
		err = may_delete(&w->at, d);
	if (!err) {
		spin_lock(&dentry_lock);
		err = try_unlink_locked(w->at.dentry, d, want_dir);
		spin_unlock(&dentry_lock);
		fsnotify_reap();
		if (!err) {
			dir_changed(w->at.dentry->inode);
			d->inode->ctime = inode_now();
			dentry_put(d); /* the pin */
		}
	}
	dentry_put(d);
	return err;
}

static int unlink_target(struct walk *w, bool want_dir)
{
	/* The last component when it is not a name: "/", ".", "..". */
	static const int dir_errors[] = {
	    [LAST_ROOT] = -EBUSY, [LAST_DOT] = -EINVAL, [LAST_DOTDOT] = -ENOTEMPTY};

	if (w->last_type != LAST_NORM)
		return want_dir ? dir_errors[w->last_type] : -EISDIR;
	return unlink_last(w, want_dir);
}

int kernel_unlink(const char *name, bool want_dir)
{
	struct target t;
	int err = target_begin_kernel(&t, name);

	if (err)
		return err;
	err = unlink_target(&t.w, want_dir);
	target_end(&t);
	return err;
}

static long do_unlink(s32 dirfd, const char __user *name, bool want_dir)
{
	struct target t;
	int err = target_begin(&t, dirfd, name);

	if (err)
		return err;
	err = unlink_target(&t.w, want_dir);
	target_end(&t);
	return err;
}

SYSCALL1(unlink, const char __user *, name)
{
	return do_unlink(AT_FDCWD, name, false);
}

SYSCALL1(rmdir, const char __user *, name)
{
	return do_unlink(AT_FDCWD, name, true);
}

SYSCALL3(unlinkat, s32, dirfd, const char __user *, name, u32, flags)
{
	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	return do_unlink(dirfd, name, flags & AT_REMOVEDIR);
}
