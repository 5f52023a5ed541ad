/* The calls that make descriptors of descriptors, and close them; the table is fdtable.c's. */
#include "kernel/fs/fs_internal.h"

#include "arch/uaccess.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

int fd_install_pair(struct file *const f[2], bool cloexec, s32 __user *user)
{
	s32 fds[2] = {-1, -1};
	int err = 0;

	for (unsigned n = 0; n < 2 && !err; n++) {
		fds[n] = IS_ERR(f[n]) ? (s32)PTR_ERR(f[n]) : fd_install(file_get(f[n]), 0, cloexec);
		err = min(fds[n], 0);
	}
	if (!err && copy_to_user(user, fds, sizeof(fds)))
		err = -EFAULT;
	for (unsigned n = 0; n < 2; n++) {
		if (err && fds[n] >= 0)
			fd_uninstall(fds[n], f[n]);
		if (!IS_ERR(f[n]))
			file_put(f[n]);
	}
	return err;
}

SYSCALL1(close, s32, fd)
{
	return fd_close(fd);
}

#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u

SYSCALL3(close_range, u32, first, u32, last, u32, flags)
{
	struct fd_table *t;

	if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	if ((flags & CLOSE_RANGE_UNSHARE) && fd_table_unshare())
		return -ENOMEM;
	t = current->files;
	for (u64 fd = first; fd <= last && fd < fd_table_size(t); fd++) {
		int err =
		    flags & CLOSE_RANGE_CLOEXEC ? fd_set_cloexec((s32)fd, true) : fd_close((s32)fd);

		if (err == -ENOMEM)
			return err;
	}
	return 0;
}

SYSCALL1(dup, s32, fd)
{
	struct file *f = fd_get_any(fd);

	return f ? fd_install(f, 0, false) : -EBADF;
}

SYSCALL3(dup3, s32, from, u32, to, u32, flags)
{
	struct file *f;

	if (flags & ~O_CLOEXEC || from == (s32)to)
		return -EINVAL;
	f = fd_get_any(from);
	return f ? fd_replace(f, to, flags & O_CLOEXEC) : -EBADF;
}

SYSCALL2(dup2, s32, from, u32, to)
{
	struct file *f = fd_get_any(from);

	if (!f)
		return -EBADF;
	if (from != (s32)to)
		return fd_replace(f, to, false);
	file_put(f);
	return from;
}
