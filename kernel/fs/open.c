/* Opening files: open(2) and its kin, and what the kernel itself opens. */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/fsnotify.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

#define OPEN_KEPT \
	(~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC)) /* in file->flags, during the open \
						     */

static u32 open_mask(u32 flags)
{
	static const u32 masks[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE,
				     MAY_READ | MAY_WRITE};

	return masks[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0);
}

/* What is refused of an existing file, in Linux's order. */
static int may_open(const struct path *p, u32 flags)
{
	struct inode *i = p->dentry->inode;
	u32 mask = open_mask(flags);
	int err;

	if (S_ISLNK(i->mode))
		return -ELOOP;
	if (S_ISDIR(i->mode) && ((mask & MAY_WRITE) || (flags & O_CREAT)))
		return -EISDIR;
	if ((S_ISCHR(i->mode) || S_ISBLK(i->mode)) && (p->mnt->flags & MS_NODEV))
		return -EACCES;
	err = path_permission(p, mask);
	if (err)
		return err;
	if ((flags & O_NOATIME) && !inode_is_owner(i))
		return -EPERM;
	return 0;
}

/*
 * The file itself, checks done: f, of which it disposes when it fails. Its own reference on the
 * path. f comes from the caller so that a file that cannot be opened for want of memory is not
 * created either.
 */
static struct file *file_from_path(struct path *p, u32 flags, struct file *f)
{
	static const struct file_ops path_only_ops;
	struct inode *i = p->dentry->inode;
	bool counted = false;
	int err = 0;

	f->flags = flags & OPEN_KEPT;
	f->inode = i;
	f->ops = i->fops ? i->fops : &path_only_ops;
	f->path = *p;
	path_get(p);
	if (flags & O_PATH) {
		f->ops = &path_only_ops;
		return f;
	}
	if (file_writable(f) && S_ISREG(i->mode)) {
		err = file_get_write(f);
		counted = !err;
	}
	if (!err && S_ISSOCK(i->mode))
		err = -ENXIO;
	if (!err && (flags & O_DIRECT))
		err = -EINVAL; /* nothing here is read around the page cache */
	if (!err && f->ops->open)
		err = f->ops->open(i, f);
	if (err) {
		if (counted)
			file_put_write(f);
		path_put(p);
		file_free(f);
		return ERR_PTR(err);
	}
	f->flags &= ~O_NOCTTY;
	return f;
}

/* O_TRUNC is a write, of a file that is opened for reading too. */
static int cut_to_nothing(const struct path *p)
{
	struct iattr attr = {.valid = ATTR_SIZE | ATTR_MTIME, .mtime = inode_now()};
	int err = inode_get_write(p->dentry->inode);

	if (err)
		return err;
	err = notify_change(p, &attr);
	inode_put_write(p->dentry->inode);
	return err;
}

/* Opens what a walk has led to; `created` by this very call, so that its mode does not apply yet.
 */
static struct file *open_with(struct path *p, u32 flags, bool created, struct file *f)
{
	struct inode *i = p->dentry->inode;
	int err = 0;

	if ((flags & O_DIRECTORY) && !S_ISDIR(i->mode))
		err = -ENOTDIR;
	else if (!created && !(flags & O_PATH))
		err = may_open(p, flags);
	if (err) {
		file_free(f);
		return ERR_PTR(err);
	}
	f = file_from_path(p, flags, f);
	if (IS_ERR(f) || created || !(flags & O_TRUNC) || !S_ISREG(i->mode))
		return f;
	err = i->ops && i->ops->setattr ? cut_to_nothing(p) : 0;
	if (err) {
		fsnotify_file(f, IN_OPEN); /* it is told of its end, too */
		file_put(f);
		return ERR_PTR(err);
	}
	return f;
}

struct file *open_path(struct path *p, u32 flags, bool created)
{
	struct file *f = file_alloc();

	return f ? open_with(p, flags, created, f) : ERR_PTR(-ENOMEM);
}

/* The same where what is opened needs no checks. */
static struct file *open_unchecked(struct path *p, u32 flags)
{
	struct file *f = file_alloc();

	return f ? file_from_path(p, flags, f) : ERR_PTR(-ENOMEM);
}

/* Makes the last component of w in w->at. The new dentry, or ERR_PTR: -EEXIST where it is there by
 * now. */
static struct dentry *create_last(struct walk *w, u32 mode)
{
	struct inode *dir = w->at.dentry->inode, *i;
	struct dentry *d;
	int err = path_permission(&w->at, MAY_WRITE | MAY_EXEC);

	if (err)
		return ERR_PTR(err);
	if (!dir->ops->create)
		return ERR_PTR(-EACCES);
	mode = (mode & S_IALLUGO & ~atomic_load(&current->fs->umask)) | S_IFREG;
	i = dir->ops->create(dir, mode, 0, NULL);
	if (IS_ERR(i))
		return ERR_PTR(PTR_ERR(i));
	d = dentry_add(w->at.dentry, w->last, w->last_len, i, true);
	if (!IS_ERR(d))
		dir->mtime = dir->ctime = inode_now();
	return d;
}

/*
 * The last step of an open with O_CREAT: w->at becomes the file. *more: it was a symlink, whose
 * text is to be walked now.
 */
static int open_last(struct walk *w, u32 flags, u32 mode, bool *created, bool *more)
{
	struct dentry *d;
	int err = 0;

	if (w->last_type != LAST_NORM)
		return flags & O_EXCL ? -EEXIST : -EISDIR;
	if (w->trailing)
		return -EISDIR;
	d = dentry_lookup(w->at.dentry, w->last, w->last_len);
	if (IS_ERR(d) && PTR_ERR(d) == -ENOENT && !w->at.dentry->inode->ops->lookup) {
		d = create_last(w, mode);
		*created = !IS_ERR(d);
		if (IS_ERR(d) && PTR_ERR(d) == -EEXIST && !(flags & O_EXCL))
			d = dentry_lookup(w->at.dentry, w->last, w->last_len);
	} else if (!IS_ERR(d) && (flags & O_EXCL)) {
		err = -EEXIST;
	}
	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	if (!err && S_ISLNK(d->inode->mode)) {
		err = flags & O_NOFOLLOW ? -ELOOP : walk_follow(w, d);
		*more = !err;
	}
	if (err || *more) {
		dentry_put(d);
		return err;
	}
	dentry_put(w->at.dentry);
	w->at.dentry = d;
	path_enter_mounts(&w->at);
	return 0;
}

static struct file *open_create(s32 dirfd, const char *name, u32 flags, u32 mode)
{
	struct walk w;
	struct file *f = file_alloc();
	bool created, more;
	int err = f ? walk_start(&w, dirfd, name, 0) : -ENOMEM;

	if (err) {
		if (f)
			file_free(f);
		return ERR_PTR(err);
	}
	do {
		created = more = false;
		err = walk_parent(&w);
		/* A magic link leads to the file itself: nothing is left to create. */
		if (!err && w.last_type == LAST_ROOT && !S_ISDIR(w.at.dentry->inode->mode))
			break;
		if (!err)
			err = open_last(&w, flags, mode, &created, &more);
	} while (!err && more);
	if (err) {
		file_free(f);
		f = ERR_PTR(err);
	} else {
		f = open_with(&w.at, flags, created, f);
	}
	walk_end(&w);
	return f;
}

/* O_TMPFILE: a file of the directory's file system that has no name. */
static struct file *open_tmpfile(s32 dirfd, const char *name, u32 flags, u32 mode)
{
	struct path dir;
	struct inode *i;
	struct dentry *d;
	struct file *f;
	int err = path_lookup(dirfd, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &dir);

	if (err)
		return ERR_PTR(err);
	err = path_permission(&dir, MAY_WRITE | MAY_EXEC);
	if (!err && (!dir.dentry->inode->ops->create || dir.dentry->inode->ops->lookup))
		err = -EOPNOTSUPP;
	if (err) {
		path_put(&dir);
		return ERR_PTR(err);
	}
	mode = (mode & S_IALLUGO & ~atomic_load(&current->fs->umask)) | S_IFREG;
	i = dir.dentry->inode->ops->create(dir.dentry->inode, mode, 0, NULL);
	d = IS_ERR(i) ? NULL : dentry_alloc(dir.dentry->sb, "#tmp", 4, i);
	if (!d) {
		path_put(&dir);
		return ERR_PTR(IS_ERR(i) ? PTR_ERR(i) : -ENOMEM);
	}
	i->nlink = 0;
	d->parent = dir.dentry; /* the path's reference */
	d->flags |= DENTRY_UNLINKED;
	f = open_unchecked(&(struct path){dir.mnt, d}, flags);
	dentry_put(d);
	mount_put(dir.mnt);
	return f;
}

struct file *open_name(s32 dirfd, const char *name, u32 flags, u32 mode)
{
	struct path p;
	struct file *f;
	int err;

	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	else if ((flags & O_TMPFILE) == O_TMPFILE)
		return open_mask(flags) & MAY_WRITE ? open_tmpfile(dirfd, name, flags, mode)
						    : ERR_PTR(-EINVAL);
	if (flags & O_CREAT)
		return open_create(dirfd, name, flags, mode);
	err = path_lookup(dirfd, name, flags & O_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
	if (err)
		return ERR_PTR(err);
	f = open_path(&p, flags, false);
	path_put(&p);
	return f;
}

struct file *file_open(const char *path, u32 flags, u32 mode)
{
	return open_name(AT_FDCWD, path, flags, mode);
}

struct file *file_open_exec(s32 dirfd, const char *path, u32 flags)
{
	u32 lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path p;
	struct file *f;
	int err = path_lookup(dirfd, path, lookup | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), &p);

	if (err)
		return ERR_PTR(err);
	if (S_ISLNK(p.dentry->inode->mode))
		err = -ELOOP;
	else if (!S_ISREG(p.dentry->inode->mode) || (p.mnt->flags & MS_NOEXEC))
		err = -EACCES;
	else
		err = inode_permission(p.dentry->inode, MAY_EXEC);
	f = err ? ERR_PTR(err) : open_unchecked(&p, O_RDONLY);
	path_put(&p);
	if (IS_ERR(f))
		return f;
	if (*path) /* what a descriptor names was opened before */
		fsnotify_file(f, IN_OPEN);
	err = inode_deny_write(f->inode);
	if (err) {
		file_put(f);
		return ERR_PTR(err);
	}
	f->executed = true;
	return f;
}

static long open_user(s32 dirfd, const char __user *name, u32 flags, u32 mode)
{
	struct user_name n;
	struct file *f;
	int err = user_name_get(&n, name);

	if (err)
		return err;
	f = open_name(dirfd, n.s, flags, mode);
	user_name_put(&n);
	if (IS_ERR(f))
		return PTR_ERR(f);
	fsnotify_file(f, IN_OPEN);
	return fd_install(f, 0, flags & O_CLOEXEC);
}

SYSCALL3(open, const char __user *, name, u32, flags, u32, mode)
{
	return open_user(AT_FDCWD, name, flags | O_LARGEFILE, mode);
}

SYSCALL4(openat, s32, dirfd, const char __user *, name, u32, flags, u32, mode)
{
	return open_user(dirfd, name, flags | O_LARGEFILE, mode);
}

SYSCALL2(creat, const char __user *, name, u32, mode)
{
	return open_user(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC | O_LARGEFILE, mode);
}
