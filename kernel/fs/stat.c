/* stat(2), statx(2) and their kin; readlink(2). */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"
#include "mm/alloc.h"

int path_getattr(const struct path *p, struct kstat *st)
{
	inode_get_attr(p->dentry->inode, st);
	return 0;
}

static long put_stat(struct user_stat __user *buf, const struct kstat *st)
{
	struct user_stat s = {
	    .dev = st->dev,
	    .ino = st->ino,
	    .nlink = st->nlink,
	    .mode = st->mode,
	    .uid = st->uid,
	    .gid = st->gid,
	    .rdev = st->rdev,
	    .size = (s64)st->size,
	    .blksize = st->blksize,
	    .blocks = (s64)st->blocks,
	    .atime = st->atime,
	    .mtime = st->mtime,
	    .ctime = st->ctime,
	};

	return copy_to_user(buf, &s, sizeof(s)) ? -EFAULT : 0;
}

/* The attributes of what (dirfd, name, AT_ flags) names. */
static int stat_name(s32 dirfd, const char __user *name, u32 flags, struct kstat *st)
{
	u32 lookup = (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
		     (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	struct path p;
	int err = path_lookup_user(dirfd, name, lookup, &p);

	if (err)
		return err;
	err = path_getattr(&p, st);
	path_put(&p);
	return err;
}

SYSCALL2(stat, const char __user *, name, struct user_stat __user *, buf)
{
	struct kstat st;
	int err = stat_name(AT_FDCWD, name, 0, &st);

	return err ? err : put_stat(buf, &st);
}

SYSCALL2(lstat, const char __user *, name, struct user_stat __user *, buf)
{
	struct kstat st;
	int err = stat_name(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, &st);

	return err ? err : put_stat(buf, &st);
}

SYSCALL2(fstat, s32, fd, struct user_stat __user *, buf)
{
	struct file *f = fd_get_any(fd);
	struct kstat st;
	int err;

	if (!f)
		return -EBADF;
	err = path_getattr(&f->path, &st);
	file_put(f);
	return err ? err : put_stat(buf, &st);
}

SYSCALL4(newfstatat, s32, dirfd, const char __user *, name, struct user_stat __user *, buf, u32,
	 flags)
{
	struct kstat st;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	err = stat_name(dirfd, name, flags, &st);
	return err ? err : put_stat(buf, &st);
}

#define STATX_BASIC_STATS     0x7ffu
#define STATX_BTIME	      0x800u
#define STATX_RESERVED	      0x80000000u
#define STATX_ATTR_MOUNT_ROOT 0x2000u

struct statx_time {
	s64 sec;
	u32 nsec;
	s32 pad;
};

struct user_statx {
	u32 mask, blksize;
	u64 attributes;
	u32 nlink, uid, gid;
	u16 mode, pad0;
	u64 ino, size, blocks, attributes_mask;
	struct statx_time atime, btime, ctime, mtime;
	u32 rdev_major, rdev_minor, dev_major, dev_minor;
	u64 mnt_id, spare[13];
};
_Static_assert(sizeof(struct user_statx) == 256, "struct statx is 256 bytes");

static struct statx_time statx_time(struct timespec t)
{
	return (struct statx_time){t.tv_sec, (u32)t.tv_nsec, 0};
}

SYSCALL5(statx, s32, dirfd, const char __user *, name, u32, flags, u32, mask,
	 struct user_statx __user *, buf)
{
	struct user_statx s = {.mask = STATX_BASIC_STATS | STATX_BTIME};
	struct kstat st;
	int err;

	if (mask & STATX_RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE ||
	    flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	err = stat_name(dirfd, name, flags, &st);
	if (err)
		return err;
	s.blksize = st.blksize;
	s.nlink = st.nlink;
	s.uid = st.uid;
	s.gid = st.gid;
	s.mode = (u16)st.mode;
	s.ino = st.ino;
	s.size = st.size;
	s.blocks = st.blocks;
	s.attributes_mask = STATX_ATTR_MOUNT_ROOT;
	s.atime = statx_time(st.atime);
	s.btime = statx_time(st.btime);
	s.ctime = statx_time(st.ctime);
	s.mtime = statx_time(st.mtime);
	s.rdev_major = dev_major(st.rdev);
	s.rdev_minor = dev_minor(st.rdev);
	s.dev_major = dev_major(st.dev);
	s.dev_minor = dev_minor(st.dev);
	return copy_to_user(buf, &s, sizeof(s)) ? -EFAULT : 0;
}

/* The text of a link: a stored or computed one, or, of a magic link, the path that it leads to. */
static ssize_t link_text(struct inode *i, char *buf, size_t size)
{
	struct path to;
	char *s;
	int err;

	if (i->ops->readlink)
		return i->ops->readlink(i, buf, size);
	err = i->ops->follow(i, &to);
	if (err)
		return err;
	s = path_format(&to, buf, size);
	path_put(&to);
	if (IS_ERR(s))
		return PTR_ERR(s);
	memmove(buf, s, strlen(s));
	return (ssize_t)strlen(s);
}

static long do_readlink(s32 dirfd, const char __user *name, char __user *buf, s32 size)
{
	struct inode *i;
	struct path p;
	char *text, first;
	bool empty; /* dirfd itself is asked about */
	long n;

	if (size <= 0)
		return -EINVAL;
	if (get_user(first, name))
		return -EFAULT;
	n = path_lookup_user(dirfd, name, LOOKUP_EMPTY, &p);
	if (n)
		return n;
	empty = !first;
	i = p.dentry->inode;
	text = kmalloc(PATH_MAX);
	if (!text)
		n = -ENOMEM;
	else if (!S_ISLNK(i->mode))
		n = empty ? -ENOENT : -EINVAL;
	else
		n = link_text(i, text, PATH_MAX);
	if (n > 0) {
		n = min(n, (long)size);
		i->atime = inode_now();
		if (copy_to_user(buf, text, (size_t)n))
			n = -EFAULT;
	}
	kfree(text);
	path_put(&p);
	return n;
}

SYSCALL3(readlink, const char __user *, name, char __user *, buf, s32, size)
{
	return do_readlink(AT_FDCWD, name, buf, size);
}

SYSCALL4(readlinkat, s32, dirfd, const char __user *, name, char __user *, buf, s32, size)
{
	return do_readlink(dirfd, name, buf, size);
}
