/*
 * Extended attributes: no file system here has any. What is asked of a file that is there is
 * answered as Linux answers for such a file system.
 */
#include "kernel/fs/fs_internal.h"
#include "kernel/syscalls.h"

/* 0, or why the file cannot be reached. */
static long check_name(const char __user *name, u32 lookup)
{
	struct path p;
	int err = path_lookup_user(AT_FDCWD, name, lookup, &p);

	if (!err)
		path_put(&p);
	return err;
}

static long check_fd(s32 fd)
{
	struct file *f = fd_get(fd);

	if (!f)
		return -EBADF;
	file_put(f);
	return 0;
}

static long unsupported(long err)
{
	return err ? err : -EOPNOTSUPP;
}

SYSCALL1(getxattr, const char __user *, name)
{
	return unsupported(check_name(name, LOOKUP_FOLLOW));
}

SYSCALL1(lgetxattr, const char __user *, name)
{
	return unsupported(check_name(name, 0));
}

SYSCALL1(fgetxattr, s32, fd)
{
	return unsupported(check_fd(fd));
}

SYSCALL1(setxattr, const char __user *, name)
{
	return unsupported(check_name(name, LOOKUP_FOLLOW));
}

SYSCALL1(lsetxattr, const char __user *, name)
{
	return unsupported(check_name(name, 0));
}

SYSCALL1(fsetxattr, s32, fd)
{
	return unsupported(check_fd(fd));
}

SYSCALL1(removexattr, const char __user *, name)
{
	return unsupported(check_name(name, LOOKUP_FOLLOW));
}

SYSCALL1(lremovexattr, const char __user *, name)
{
	return unsupported(check_name(name, 0));
}

SYSCALL1(fremovexattr, s32, fd)
{
	return unsupported(check_fd(fd));
}

/* The list of names is empty. */
SYSCALL1(listxattr, const char __user *, name)
{
	return check_name(name, LOOKUP_FOLLOW);
}

SYSCALL1(llistxattr, const char __user *, name)
{
	return check_name(name, 0);
}

SYSCALL1(flistxattr, s32, fd)
{
	return check_fd(fd);
}
