/*
 * rename(2) and its kin.
 *
 * Memory for new names is taken first. Then one critical section under dentry_lock checks that both
 * names still are what the walk found, and moves. A directory never becomes its own descendant: the
 * check walks up from the new parent under the same lock.
 */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/fsnotify.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

/* One side: the directory, the name in it, and the dentry that has the name (NULL: none). */
struct side {
	struct user_name name;
	struct walk w;
	struct dentry *d; /* referenced */
	char *spare;	  /* memory for a long name */
};

struct rename {
	struct side from, to;
	u32 flags;
};

static int side_begin(struct side *s, s32 dirfd, const char __user *name)
{
	int err = user_name_get(&s->name, name);

	if (err)
		return err;
	err = walk_start(&s->w, dirfd, s->name.s, 0);
	if (!err) {
		err = walk_parent(&s->w);
		if (err)
			walk_end(&s->w);
	}
	if (err)
		user_name_put(&s->name);
	s->d = NULL;
	s->spare = NULL;
	return err;
}

static void side_end(struct side *s)
{
	if (s->d)
		dentry_put(s->d);
	kfree(s->spare);
	walk_end(&s->w);
	user_name_put(&s->name);
}

static int side_lookup(struct side *s)
{
	struct dentry *d = dentry_lookup(s->w.at.dentry, s->w.last, s->w.last_len);

	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	s->d = d;
	return 0;
}

/* Permission to take a name out of, or put one in, a side's directory. */
static int may_change(struct side *s)
{
	const struct inode *dir = s->w.at.dentry->inode;
	u32 fsuid = current->cred.fsuid;
	int err = path_permission(&s->w.at, MAY_WRITE | MAY_EXEC);

	if (err)
		return err;
	if (s->d && (dir->mode & S_ISVTX) && fsuid != 0 && fsuid != s->d->inode->uid &&
	    fsuid != dir->uid)
		return -EPERM;
	if (dir->ops->lookup || !dir->ops->create)
		return -EPERM;
	return 0;
}

static bool is_ancestor_locked(const struct dentry *above, const struct dentry *d)
{
	for (;; d = d->parent) {
		if (d == above)
			return true;
		if (d == d->parent)
			return false;
	}
}

/* Moving a directory to another parent writes its "..". */
static int may_move_dir(struct side *s, struct side *other)
{
	if (!S_ISDIR(s->d->inode->mode) || s->w.at.dentry == other->w.at.dentry)
		return 0;
	return inode_permission(s->d->inode, MAY_WRITE);
}

/* A name with a slash behind it is a directory's. */
static int check_slashes(const struct rename *r)
{
	if ((r->flags & RENAME_EXCHANGE) && !S_ISDIR(r->to.d->inode->mode) && r->to.w.trailing)
		return -ENOTDIR;
	if (S_ISDIR(r->from.d->inode->mode))
		return 0;
	if (r->from.w.trailing || (!(r->flags & RENAME_EXCHANGE) && r->to.w.trailing))
		return -ENOTDIR;
	return 0;
}

/* Neither side may lie below the other. */
static int check_ancestors_locked(const struct rename *r)
{
	if (is_ancestor_locked(r->from.d, r->to.w.at.dentry))
		return -EINVAL;
	if (r->to.d && is_ancestor_locked(r->to.d, r->from.w.at.dentry))
		return r->flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int check_types(const struct rename *r)
{
	bool from_dir = S_ISDIR(r->from.d->inode->mode);

	if (!r->to.d || (r->flags & RENAME_EXCHANGE))
		return 0;
	if (from_dir && !S_ISDIR(r->to.d->inode->mode))
		return -ENOTDIR;
	if (!from_dir && S_ISDIR(r->to.d->inode->mode))
		return -EISDIR;
	return 0;
}

static int find_sides(struct rename *r)
{
	int err;

	if (r->from.w.at.mnt != r->to.w.at.mnt)
		return -EXDEV;
	if (r->from.w.last_type != LAST_NORM)
		return -EBUSY;
	if (r->to.w.last_type != LAST_NORM)
		return r->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	err = side_lookup(&r->from);
	if (err)
		return err;
	err = side_lookup(&r->to);
	if (err && (err != -ENOENT || (r->flags & RENAME_EXCHANGE)))
		return err;
	return r->to.d && (r->flags & RENAME_NOREPLACE) ? -EEXIST : 0;
}

static bool same_file(const struct rename *r)
{
	return r->to.d && r->to.d->inode == r->from.d->inode;
}

/* Everything that can be refused before memory is asked for, in Linux's order. */
static int rename_check(struct rename *r)
{
	int err = find_sides(r);

	if (!err)
		err = check_slashes(r);
	if (err)
		return err;
	spin_lock(&dentry_lock);
	err = check_ancestors_locked(r);
	spin_unlock(&dentry_lock);
	/* Two names of one file: nothing to do, and nothing more to be refused. */
	if (err || same_file(r))
		return err;
	err = may_change(&r->from);
	if (!err)
		err = may_change(&r->to);
	if (!err)
		err = check_types(r);
	if (!err)
		err = may_move_dir(&r->from, &r->to);
	if (!err && (r->flags & RENAME_EXCHANGE))
		err = may_move_dir(&r->to, &r->from);
	return err;
}

static int check_locked(const struct rename *r)
{
	int err;
	struct dentry *from_dir = r->from.w.at.dentry, *to_dir = r->to.w.at.dentry;
	struct dentry *now = dentry_find_locked(to_dir, r->to.w.last, r->to.w.last_len,
						name_hash(r->to.w.last, r->to.w.last_len));

	/* A descriptor may hold a removed directory for good: walking again would find it again. */
	if (to_dir->flags & DENTRY_UNLINKED)
		return -ENOENT;
	/* Overtaken by another call: the caller walks again. */
	if (now != r->to.d || r->from.d->parent != from_dir || (r->from.d->flags & DENTRY_UNLINKED))
		return -EAGAIN;
	err = check_ancestors_locked(r);
	if (err)
		return err;
	if (dentry_is_mountpoint_locked(r->from.d) ||
	    (r->to.d && dentry_is_mountpoint_locked(r->to.d)))
		return -EBUSY;
	if (r->to.d && !(r->flags & RENAME_EXCHANGE) && !list_empty(&r->to.d->child_list))
		return -ENOTEMPTY;
	return 0;
}

static void take_down_locked(struct dentry *d)
{
	if (S_ISDIR(d->inode->mode))
		d->parent->inode->nlink--;
	dentry_detach_locked(d);
}

/* Hangs d where side `as` says, under its name. The memory of a long old name ends up in as->spare.
 */
static void put_up_locked(struct dentry *d, struct side *as)
{
	struct dentry *dir = as->w.at.dentry;
	char *old_name = d->name != d->inline_name ? d->name : NULL;

	d->name = as->spare ? as->spare : d->inline_name;
	memcpy(d->name, as->w.last, as->w.last_len);
	d->name[as->w.last_len] = 0;
	d->len = (u32)as->w.last_len;
	d->hash = name_hash(as->w.last, as->w.last_len);
	as->spare = old_name;
	dentry_attach_locked(dir, d);
	if (S_ISDIR(d->inode->mode))
		dir->inode->nlink++;
}

/* The move itself. What put[] returns loses one reference each, outside the lock. */
static void commit_locked(struct rename *r, struct dentry *put[2])
{
	struct dentry *from = r->from.d, *to = r->to.d;

	put[0] = from->parent;
	take_down_locked(from);
	if (to)
		take_down_locked(to);
	put_up_locked(from, &r->to);
	if (r->flags & RENAME_EXCHANGE) {
		put[1] = to->parent;
		put_up_locked(to, &r->from);
	} else if (to) {
		to->flags &= ~DENTRY_PINNED;
		to->inode->nlink -= S_ISDIR(to->inode->mode) ? 2 : 1;
		put[1] = to; /* its pin */
	}
}

static void tell_locked(const struct rename *r)
{
	const struct side *from = &r->from, *to = &r->to;
	bool exchange = r->flags & RENAME_EXCHANGE;

	fsnotify_moved_locked(from->w.at.dentry, from->w.last, from->w.last_len, from->d,
			      exchange ? NULL : to->d);
	if (exchange)
		fsnotify_moved_locked(to->w.at.dentry, to->w.last, to->w.last_len, to->d, NULL);
}

static int rename_commit(struct rename *r)
{
	struct dentry *put[2] = {NULL, NULL};
	int err;

	spin_lock(&dentry_lock);
	err = check_locked(r);
	if (!err) {
		commit_locked(r, put);
		tell_locked(r);
	}
	spin_unlock(&dentry_lock);
	fsnotify_reap();
	if (err)
		return err;
	r->from.w.at.dentry->inode->mtime = r->from.w.at.dentry->inode->ctime = inode_now();
	r->to.w.at.dentry->inode->mtime = r->to.w.at.dentry->inode->ctime = inode_now();
	r->from.d->inode->ctime = inode_now();
	for (unsigned n = 0; n < ARRAY_SIZE(put); n++)
		if (put[n])
			dentry_put(put[n]);
	return 0;
}

static int side_prepare(struct side *s)
{
	if (s->w.last_len < DENTRY_INLINE_NAME)
		return 0;
	s->spare = kmalloc(s->w.last_len + 1);
	return s->spare ? 0 : -ENOMEM;
}

static int rename_sides(struct rename *r)
{
	int err = rename_check(r);

	if (err || same_file(r))
		return err;
	err = side_prepare(&r->from);
	if (!err)
		err = side_prepare(&r->to);
	return err ? err : rename_commit(r);
}

static long do_rename(s32 from_dirfd, const char __user *from, s32 to_dirfd, const char __user *to,
		      u32 flags)
{
	struct rename *r;
	int err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	r = kmalloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->flags = flags;
	do {
		err = side_begin(&r->from, from_dirfd, from);
		if (err)
			break;
		err = side_begin(&r->to, to_dirfd, to);
		if (!err) {
			err = rename_sides(r);
			side_end(&r->to);
		}
		side_end(&r->from);
	} while (err == -EAGAIN);
	kfree(r);
	return err;
}

SYSCALL2(rename, const char __user *, from, const char __user *, to)
{
	return do_rename(AT_FDCWD, from, AT_FDCWD, to, 0);
}

SYSCALL4(renameat, s32, from_dirfd, const char __user *, from, s32, to_dirfd, const char __user *,
	 to)
{
	return do_rename(from_dirfd, from, to_dirfd, to, 0);
}

SYSCALL5(renameat2, s32, from_dirfd, const char __user *, from, s32, to_dirfd, const char __user *,
	 to, u32, flags)
{
	return do_rename(from_dirfd, from, to_dirfd, to, flags);
}
