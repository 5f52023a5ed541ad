/* Changing attributes: chmod(2), chown(2), utimensat(2), truncate(2) and their kin; access(2). */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/fsnotify.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

int notify_change(const struct path *p, struct iattr *attr)
{
	struct inode *i = p->dentry->inode;
	int err;

	if (path_mount_readonly(p))
		return -EROFS;
	if (!i->ops || !i->ops->setattr)
		return -EPERM;
	rwsem_write_lock(&i->lock);
	err = attr->may ? attr->may(i, attr) : 0;
	if (!err)
		err = i->ops->setattr(i, attr);
	rwsem_write_unlock(&i->lock);
	if (!err)
		fsnotify_change(p->dentry, attr->valid);
	return err;
}

/* Runs change(path, arg) on what (dirfd, name, flags) names. */
static long at_path(s32 dirfd, const char __user *name, u32 flags,
		    int (*change)(const struct path *p, void *arg), void *arg)
{
	struct path p;
	long err = path_lookup_user(dirfd, name,
				    (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
					(flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
				    &p);

	if (err)
		return err;
	err = change(&p, arg);
	path_put(&p);
	return err;
}

static long at_fd(s32 fd, int (*change)(const struct path *p, void *arg), void *arg)
{
	struct file *f = fd_get(fd);
	long err;

	if (!f)
		return -EBADF;
	err = change(&f->path, arg);
	file_put(f);
	return err;
}

/* ---- mode ---- */

static int may_change_mode(const struct inode *i, struct iattr *attr)
{
	(void)attr;
	if (!inode_is_owner(i))
		return -EPERM;
	return S_ISLNK(i->mode) ? -EOPNOTSUPP : 0;
}

static int change_mode(const struct path *p, void *arg)
{
	struct iattr attr = {.valid = ATTR_MODE, .mode = *(u32 *)arg, .may = may_change_mode};

	return notify_change(p, &attr);
}

SYSCALL2(chmod, const char __user *, name, u32, mode)
{
	return at_path(AT_FDCWD, name, 0, change_mode, &mode);
}

SYSCALL2(fchmod, s32, fd, u32, mode)
{
	return at_fd(fd, change_mode, &mode);
}

SYSCALL3(fchmodat, s32, dirfd, const char __user *, name, u32, mode)
{
	return at_path(dirfd, name, 0, change_mode, &mode);
}

/* ---- owner ---- */

struct owner {
	u32 uid, gid; /* ~0: as it is */
};

static bool may_give(const struct inode *i, const struct iattr *to)
{
	const struct cred *c = &current->cred;
	bool member = to->gid == i->gid || to->gid == c->fsgid;

	if (c->fsuid == 0)
		return true;
	/* To change nothing needs no right, unless it takes privileges off the file. */
	if (to->uid == ~0u && to->gid == ~0u &&
	    (S_ISDIR(i->mode) || !(i->mode & (S_ISUID | S_ISGID))))
		return true;
	if (c->fsuid != i->uid || (to->uid != ~0u && to->uid != i->uid))
		return false;
	for (u32 n = 0; n < c->ngroups; n++)
		member |= c->groups[n] == to->gid;
	return to->gid == ~0u || member;
}

/* The privileges that go with another owner, or other content. */
static void drop_privileges(const struct inode *i, struct iattr *attr)
{
	u32 lost = inode_lost_bits(i);

	if (!lost)
		return;
	attr->valid |= ATTR_MODE;
	attr->mode = i->mode & ~lost;
}

static int may_change_owner(const struct inode *i, struct iattr *attr)
{
	if (!may_give(i, attr))
		return -EPERM;
	drop_privileges(i, attr);
	return 0;
}

static int change_owner(const struct path *p, void *arg)
{
	const struct owner *to = arg;
	struct iattr attr = {.uid = to->uid, .gid = to->gid, .may = may_change_owner};

	attr.valid = (to->uid != ~0u ? ATTR_UID : 0) | (to->gid != ~0u ? ATTR_GID : 0);
	return notify_change(p, &attr);
}

SYSCALL3(chown, const char __user *, name, u32, uid, u32, gid)
{
	return at_path(AT_FDCWD, name, 0, change_owner, &(struct owner){uid, gid});
}

SYSCALL3(lchown, const char __user *, name, u32, uid, u32, gid)
{
	return at_path(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, change_owner,
		       &(struct owner){uid, gid});
}

SYSCALL3(fchown, s32, fd, u32, uid, u32, gid)
{
	return at_fd(fd, change_owner, &(struct owner){uid, gid});
}

SYSCALL5(fchownat, s32, dirfd, const char __user *, name, u32, uid, u32, gid, u32, flags)
{
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return at_path(dirfd, name, flags, change_owner, &(struct owner){uid, gid});
}

/* ---- times ---- */

#define UTIME_NOW  0x3fffffffl
#define UTIME_OMIT 0x3ffffffel

static int change_times(const struct path *p, void *arg)
{
	const struct timespec *t = arg; /* access, modification; NULL: now, both */
	struct inode *i = p->dentry->inode;
	bool both_now = !t || (t[0].tv_nsec == UTIME_NOW && t[1].tv_nsec == UTIME_NOW);
	struct iattr attr = {.valid = ATTR_ATIME | ATTR_MTIME};

	attr.atime = attr.mtime = inode_now();
	if (path_mount_readonly(p))
		return -EROFS;
	if (!inode_is_owner(i)) {
		if (!both_now)
			return -EPERM;
		if (inode_permission(i, MAY_WRITE))
			return -EACCES;
	}
	if (t && t[0].tv_nsec == UTIME_OMIT)
		attr.valid &= ~ATTR_ATIME;
	else if (t && t[0].tv_nsec != UTIME_NOW)
		attr.atime = t[0];
	if (t && t[1].tv_nsec == UTIME_OMIT)
		attr.valid &= ~ATTR_MTIME;
	else if (t && t[1].tv_nsec != UTIME_NOW)
		attr.mtime = t[1];
	return notify_change(p, &attr);
}

/* `t` NULL: now. A NULL name is dirfd itself. */
static long set_times(s32 dirfd, const char __user *name, const struct timespec *t, u32 flags)
{
	if (!name) {
		if (dirfd == AT_FDCWD)
			return -EFAULT;
		return flags ? -EINVAL : at_fd(dirfd, change_times, (void *)t);
	}
	return at_path(dirfd, name, flags, change_times, (void *)t);
}

static bool nsec_valid(s64 nsec)
{
	return nsec == UTIME_NOW || nsec == UTIME_OMIT || (nsec >= 0 && nsec < (s64)NSEC_PER_SEC);
}

SYSCALL4(utimensat, s32, dirfd, const char __user *, name, const struct timespec __user *, times,
	 u32, flags)
{
	struct timespec t[2];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!times)
		return set_times(dirfd, name, NULL, flags);
	if (copy_from_user(t, times, sizeof(t)))
		return -EFAULT;
	if (t[0].tv_nsec == UTIME_OMIT && t[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (!nsec_valid(t[0].tv_nsec) || !nsec_valid(t[1].tv_nsec))
		return -EINVAL;
	return set_times(dirfd, name, t, flags);
}

static long set_timevals(s32 dirfd, const char __user *name, const struct timeval __user *times)
{
	struct timeval tv[2];
	struct timespec t[2];

	if (!times)
		return set_times(dirfd, name, NULL, 0);
	if (copy_from_user(tv, times, sizeof(tv)))
		return -EFAULT;
	for (unsigned n = 0; n < 2; n++) {
		if (tv[n].tv_usec < 0 || tv[n].tv_usec >= 1000000)
			return -EINVAL;
		t[n] = (struct timespec){tv[n].tv_sec, tv[n].tv_usec * 1000};
	}
	return set_times(dirfd, name, t, 0);
}

SYSCALL2(utimes, const char __user *, name, const struct timeval __user *, times)
{
	return set_timevals(AT_FDCWD, name, times);
}

SYSCALL3(futimesat, s32, dirfd, const char __user *, name, const struct timeval __user *, times)
{
	return set_timevals(dirfd, name, times);
}

SYSCALL2(utime, const char __user *, name, const s64 __user *, times)
{
	s64 sec[2];
	struct timespec t[2];

	if (!times)
		return set_times(AT_FDCWD, name, NULL, 0);
	if (copy_from_user(sec, times, sizeof(sec)))
		return -EFAULT;
	t[0] = (struct timespec){sec[0], 0};
	t[1] = (struct timespec){sec[1], 0};
	return set_times(AT_FDCWD, name, t, 0);
}

/* ---- size ---- */

static int may_change_size(const struct inode *i, struct iattr *attr)
{
	if (current->cred.fsuid != 0)
		drop_privileges(i, attr);
	return 0;
}

static int truncate_path(const struct path *p, u64 size)
{
	struct iattr attr = {.valid = ATTR_SIZE | ATTR_MTIME,
			     .size = size,
			     .mtime = inode_now(),
			     .may = may_change_size};
	int err = ram_size_allowed(p->dentry->inode, size);

	return err ? err : notify_change(p, &attr);
}

SYSCALL2(truncate, const char __user *, name, s64, size)
{
	struct path p;
	int err;

	if (size < 0)
		return -EINVAL;
	err = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	if (S_ISDIR(p.dentry->inode->mode))
		err = -EISDIR;
	else if (!S_ISREG(p.dentry->inode->mode))
		err = -EINVAL;
	else
		err = path_permission(&p, MAY_WRITE);
	if (!err)
		err = inode_get_write(p.dentry->inode);
	if (!err) {
		err = truncate_path(&p, (u64)size);
		inode_put_write(p.dentry->inode);
	}
	path_put(&p);
	return err;
}

SYSCALL2(ftruncate, s32, fd, s64, size)
{
	struct file *f;
	long err;

	if (size < 0)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	if (!S_ISREG(f->inode->mode) || !file_writable(f))
		err = -EINVAL;
	else
		err = truncate_path(&f->path, (u64)size);
	file_put(f);
	return err;
}

/* ---- access ---- */

static long check_access(s32 dirfd, const char __user *name, u32 mode, u32 flags)
{
	struct cred *c = &current->cred;
	u32 fsuid = c->fsuid, fsgid = c->fsgid;
	struct path p;
	long err;

	if (mode & ~7u || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	/* The real ids are what it asks about. */
	if (!(flags & AT_EACCESS)) {
		c->fsuid = c->uid;
		c->fsgid = c->gid;
	}
	err = path_lookup_user(dirfd, name,
			       (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
				   (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
			       &p);
	if (!err) {
		if ((mode & MAY_EXEC) && (p.mnt->flags & MS_NOEXEC) &&
		    S_ISREG(p.dentry->inode->mode))
			err = -EACCES;
		else if (mode)
			err = path_permission(&p, mode);
		path_put(&p);
	}
	c->fsuid = fsuid;
	c->fsgid = fsgid;
	return err;
}

SYSCALL2(access, const char __user *, name, u32, mode)
{
	return check_access(AT_FDCWD, name, mode, 0);
}

SYSCALL3(faccessat, s32, dirfd, const char __user *, name, u32, mode)
{
	return check_access(dirfd, name, mode, 0);
}

SYSCALL4(faccessat2, s32, dirfd, const char __user *, name, u32, mode, u32, flags)
{
	return check_access(dirfd, name, mode, flags);
}
