/* mount(2), umount2(2), statfs(2), sync(2), and mounting at boot. */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define MOUNT_FLAGS                                                                   \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_NOATIME | \
	 MS_NODIRATIME | MS_RELATIME)
#define MS_NOUSER     0x80000000u /* the kernel's own */
#define MS_MAGIC      0xc0ed0000u /* once marked the flags' presence; ignored */
#define MS_MAGIC_MASK 0xffff0000u

#define MNT_FORCE	1u
#define MNT_DETACH	2u
#define MNT_EXPIRE	4u
#define UMOUNT_NOFOLLOW 8u

#define ST_VALID    0x20u
#define ST_RELATIME 4096u

/* What a mount(2) or a remount with these flags makes of a mount's. */
static u32 mount_flags(u32 flags)
{
	if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
		flags |= MS_RELATIME;
	return flags & MOUNT_FLAGS;
}

static int mount_over(const char *type, const char *source, const struct path *at, u32 flags,
		      const char *options)
{
	struct mount *m = mount_new(type, source, mount_flags(flags), options);
	int err;

	if (IS_ERR(m))
		return (int)PTR_ERR(m);
	if (S_ISDIR(m->root->inode->mode) != S_ISDIR(at->dentry->inode->mode))
		err = -ENOTDIR;
	else
		err = mount_attach(m, at);
	mount_put(m);
	return err;
}

int kernel_mount(const char *type, const char *source, const char *target, u32 flags)
{
	struct path at;
	int err = path_lookup(AT_FDCWD, target, LOOKUP_FOLLOW, &at);

	if (err)
		return err;
	err = mount_over(type, source, &at, flags, "");
	path_put(&at);
	return err;
}

static int mount_bind(const char *source, const struct path *at)
{
	struct path from;
	struct mount *m;
	int err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from);

	if (err)
		return err;
	if (S_ISDIR(from.dentry->inode->mode) != S_ISDIR(at->dentry->inode->mode)) {
		path_put(&from);
		return -ENOTDIR;
	}
	m = mount_clone(&from, from.mnt->flags);
	path_put(&from);
	if (IS_ERR(m))
		return (int)PTR_ERR(m);
	err = mount_attach(m, at);
	mount_put(m);
	return err;
}

static int mount_move_to(const char *source, const struct path *at)
{
	struct path from;
	int err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from);

	if (err)
		return err;
	err = from.dentry == from.mnt->root ? mount_move(from.mnt, at) : -EINVAL;
	path_put(&from);
	return err;
}

static int mount_remount(const struct path *at, u32 flags)
{
	if (at->dentry != at->mnt->root)
		return -EINVAL;
	if ((flags & MS_RDONLY) && atomic_load(&at->mnt->writers))
		return -EBUSY;
	WRITE_ONCE(at->mnt->flags, mount_flags(flags));
	return 0;
}

static int do_mount(const char *source, const char *type, const struct path *at, u32 flags,
		    const char *options)
{
	if (flags & MS_REMOUNT)
		return mount_remount(at, flags);
	if (flags & MS_BIND)
		return *source ? mount_bind(source, at) : -EINVAL;
	if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))
		/* There is one namespace and nothing propagates: private is what every mount is. */
		return at->dentry != at->mnt->root || !(flags & MS_PRIVATE) ? -EINVAL : 0;
	if (flags & MS_MOVE)
		return *source ? mount_move_to(source, at) : -EINVAL;
	if (!*type)
		return -EINVAL;
	return mount_over(type, *source ? source : "none", at, flags, options);
}

/* A string argument of mount(2), which may be NULL: "". */
static char *mount_string(const char __user *s)
{
	char *buf = kmalloc(PAGE_SIZE);
	ssize_t n = 0;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	if (s)
		n = strncpy_from_user(buf, s, PAGE_SIZE);
	if (n < 0 || n == (ssize_t)PAGE_SIZE) {
		kfree(buf);
		return ERR_PTR(n < 0 ? n : -EINVAL);
	}
	buf[n] = 0;
	return buf;
}

/* As much as can be read of a page of options, which need no end; NULL: "". */
static char *mount_options(const char __user *data)
{
	char *buf = kzalloc(PAGE_SIZE);
	size_t n;

	if (!buf || !data)
		return buf ? buf : ERR_PTR(-ENOMEM);
	n = PAGE_SIZE - copy_from_user(buf, data, PAGE_SIZE);
	if (!n) {
		kfree(buf);
		return ERR_PTR(-EFAULT);
	}
	buf[PAGE_SIZE - 1] = 0;
	return buf;
}

SYSCALL5(mount, const char __user *, source, const char __user *, target, const char __user *, type,
	 u64, flags, const char __user *, data)
{
	const char __user *from[3] = {source, type, data};
	char *strings[3] = {NULL, NULL, NULL};
	struct path at;
	u32 f = (u32)flags;
	long err = 0;

	if ((f & MS_MAGIC_MASK) == MS_MAGIC)
		f &= ~MS_MAGIC_MASK;
	for (unsigned n = 0; n < 3 && !err; n++) {
		strings[n] = n < 2 ? mount_string(from[n]) : mount_options(from[n]);
		if (IS_ERR(strings[n])) {
			err = PTR_ERR(strings[n]);
			strings[n] = NULL;
		}
	}
	if (!err)
		err = path_lookup_user(AT_FDCWD, target, LOOKUP_FOLLOW, &at);
	if (!err) {
		if (f & MS_NOUSER)
			err = -EINVAL;
		else if (current->cred.euid != 0)
			err = -EPERM;
		else
			err = do_mount(strings[0], strings[1], &at, f, strings[2]);
		path_put(&at);
	}
	for (unsigned n = 0; n < 3; n++)
		kfree(strings[n]);
	return err;
}

SYSCALL2(umount2, const char __user *, target, u32, flags)
{
	struct path at;
	struct mount *m;
	int err;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	err = path_lookup_user(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &at);
	if (err)
		return err;
	m = at.mnt;
	if (current->cred.euid != 0)
		err = -EPERM;
	else if (at.dentry != m->root)
		err = -EINVAL;
	/* The mount alone from here on: the path's dentry would keep nothing busy, but is done
	 * with. */
	dentry_put(at.dentry);
	if (!err)
		err = mount_detach(m, flags & MNT_DETACH);
	mount_put(m);
	return err;
}

struct user_statfs {
	s64 type, bsize;
	u64 blocks, bfree, bavail, files, ffree;
	s32 fsid[2];
	s64 namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct user_statfs) == 120, "struct statfs is 120 bytes");

static long put_statfs(const struct path *p, struct user_statfs __user *buf)
{
	struct super_block *sb = p->mnt->sb;
	struct user_statfs s = {
	    .type = sb->magic,
	    .bsize = PAGE_SIZE,
	    .frsize = PAGE_SIZE,
	    .namelen = NAME_MAX,
	    .fsid = {(s32)sb->dev, 0},
	    /* MS_ and ST_ have the same values up to 1024. */
	    .flags = (s64)(ST_VALID | (p->mnt->flags & MOUNT_FLAGS & ~MS_RELATIME) |
			   (p->mnt->flags & MS_RELATIME ? ST_RELATIME : 0)),
	};

	if (sb->magic == TMPFS_MAGIC) {
		s.blocks = sb->max_bytes ? sb->max_bytes / PAGE_SIZE : frames_total();
		s.bfree = s.bavail = ram_free_pages(sb);
		s.files = frames_total() / 2;
		s.ffree = min(s.files, frames_free());
	}
	return copy_to_user(buf, &s, sizeof(s)) ? -EFAULT : 0;
}

SYSCALL2(statfs, const char __user *, name, struct user_statfs __user *, buf)
{
	struct path p;
	long err = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = put_statfs(&p, buf);
	path_put(&p);
	return err;
}

SYSCALL2(fstatfs, s32, fd, struct user_statfs __user *, buf)
{
	struct file *f = fd_get_any(fd);
	long err;

	if (!f)
		return -EBADF;
	err = put_statfs(&f->path, buf);
	file_put(f);
	return err;
}

/* Nothing here is written back anywhere: all file systems live in memory. */
SYSCALL0(sync)
{
	return 0;
}

SYSCALL1(syncfs, s32, fd)
{
	struct file *f = fd_get(fd);

	if (!f)
		return -EBADF;
	file_put(f);
	return 0;
}
