/* sendfile(2) and copy_file_range(2): from one file to another by way of one frame. */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/fsnotify.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define MAX_COPY 0x7ffff000ull

/* Copies one piece of at most n bytes: how many, 0 at the end of `in`, or an errno. */
static ssize_t copy_piece(struct file *out, loff_t *out_pos, struct file *in, loff_t *in_pos,
			  void *buf, size_t n)
{
	loff_t start = *in_pos;
	struct io_iter it;
	ssize_t got, put;

	iter_kernel(&it, buf, min(n, (size_t)PAGE_SIZE));
	got = file_read(in, &it, in_pos);
	if (got <= 0)
		return got;
	iter_kernel(&it, buf, (size_t)got);
	put = file_write(out, &it, out_pos);
	/* What could not be written has not been read. */
	*in_pos = start + (put > 0 ? put : 0);
	return put;
}

static ssize_t copy_file(struct file *out, loff_t *out_pos, struct file *in, loff_t *in_pos, u64 n)
{
	struct page *page = page_alloc(PAGE_KERNEL, 0, 0);
	ssize_t done = 0, piece = 0;

	if (!page)
		return -ENOMEM;
	n = min(n, (u64)MAX_COPY);
	while ((u64)done < n) {
		piece = copy_piece(out, out_pos, in, in_pos, page_to_virt(page), n - (u64)done);
		if (piece <= 0)
			break;
		done += piece;
		if (signal_pending())
			break;
		cond_resched();
	}
	page_put(page);
	fsnotify_io(in, done, false);
	fsnotify_io(out, done, true);
	return done ? done : piece;
}

static long sendfile_files(struct file *out, struct file *in, s64 __user *offset, u64 n)
{
	loff_t pos = in->pos;
	ssize_t done;

	if (!file_readable(in) || !file_writable(out))
		return -EBADF;
	if (offset && !in->ops->seek)
		return -ESPIPE;
	/* The source is what could be mapped, or at least has positions. */
	if (!in->ops->seek || !in->ops->read || S_ISDIR(in->inode->mode))
		return -EINVAL;
	if (out->flags & O_APPEND)
		return -EINVAL;
	if (offset && get_user(pos, offset))
		return -EFAULT;
	if (pos < 0 || (s64)n < 0)
		return -EINVAL;
	done = copy_file(out, &out->pos, in, &pos, n);
	if (!offset)
		in->pos = pos;
	else if (put_user(pos, offset))
		return -EFAULT;
	return done;
}

SYSCALL4(sendfile, s32, out_fd, s32, in_fd, s64 __user *, offset, u64, n)
{
	struct file *in = fd_get(in_fd), *out = fd_get(out_fd);
	long done = in && out ? sendfile_files(out, in, offset, n) : -EBADF;

	if (in)
		file_put(in);
	if (out)
		file_put(out);
	return done;
}

static bool ranges_overlap(u64 a, u64 b, u64 n)
{
	return a < b + n && b < a + n;
}

static long copy_range(struct file *in, s64 __user *in_user, struct file *out, s64 __user *out_user,
		       u64 n)
{
	loff_t in_pos = in->pos, out_pos = out->pos;
	ssize_t done;

	if ((in_user && get_user(in_pos, in_user)) || (out_user && get_user(out_pos, out_user)))
		return -EFAULT;
	if (!file_readable(in) || !file_writable(out) || (out->flags & O_APPEND))
		return -EBADF;
	if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
		return -EISDIR;
	if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
		return -EINVAL;
	if (in_pos < 0 || out_pos < 0 || (s64)n < 0 || in_pos + (s64)n < 0)
		return -EINVAL;
	if (in->inode->sb != out->inode->sb && in->inode->sb->type != out->inode->sb->type)
		return -EXDEV;
	if (in->inode == out->inode && ranges_overlap((u64)in_pos, (u64)out_pos, n))
		return -EINVAL;
	done = copy_file(out, &out_pos, in, &in_pos, n);
	if (done <= 0)
		return done;
	if (!in_user)
		in->pos = in_pos;
	else if (put_user(in_pos, in_user))
		return -EFAULT;
	if (!out_user)
		out->pos = out_pos;
	else if (put_user(out_pos, out_user))
		return -EFAULT;
	return done;
}

SYSCALL6(copy_file_range, s32, in_fd, s64 __user *, in_off, s32, out_fd, s64 __user *, out_off, u64,
	 n, u32, flags)
{
	struct file *in, *out;
	long done;

	if (flags)
		return -EINVAL;
	in = fd_get(in_fd);
	out = fd_get(out_fd);
	done = in && out ? copy_range(in, in_off, out, out_off, n) : -EBADF;
	if (in)
		file_put(in);
	if (out)
		file_put(out);
	return done;
}
