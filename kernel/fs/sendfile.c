/*
 * sendfile(2) and copy_file_range(2). What lies in the page cache goes out of its frames, a run of them at a time;
 * the rest by way of one frame.
 */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/fsnotify.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define RUN_PAGES 16

struct copy {
	struct file *out, *in;
	loff_t *out_pos, *in_pos;
	struct mapping *cache; /* of `in`; NULL: its contents are made as they are read */
	struct page *buf;      /* where there is no cache */
};

/* Frames of a file's contents, referenced, in order; NULL for a hole. */
struct run {
	unsigned count;
	struct page *pages[RUN_PAGES];
	struct iovec segs[RUN_PAGES];
};

/* At most n bytes from pos on: how many, 0 at the end of the file. */
static size_t run_get(struct run *r, struct mapping *m, u64 pos, u64 n)
{
	u64 size = atomic_load(&m->size), at = pos, end;

	r->count = 0;
	if (pos >= size)
		return 0;
	for (end = pos + min(n, size - pos); at < end && r->count < RUN_PAGES; r->count++) {
		u64 offset = at & (PAGE_SIZE - 1), len = min(PAGE_SIZE - offset, end - at);
		struct page *page = mapping_find(m, at >> PAGE_SHIFT);
		char *from = page ? page_to_virt(page) : pfn_to_virt(zero_pfn);

		r->pages[r->count] = page;
		r->segs[r->count] = (struct iovec){(u64)(from + offset), len};
		at += len;
	}
	return at - pos;
}

static void run_put(struct run *r)
{
	while (r->count--)
		if (r->pages[r->count])
			page_put(r->pages[r->count]);
}

/* Copies some of the next n bytes: how many, 0 at the end of `in`, or an errno. */
static ssize_t copy_run(struct copy *c, u64 n)
{
	struct run r;
	struct io_iter it;
	size_t len = run_get(&r, c->cache, (u64)*c->in_pos, n);
	ssize_t put;

	if (!len)
		return 0;
	iter_kernel_vec(&it, r.segs, len);
	put = file_write(c->out, &it, c->out_pos);
	run_put(&r);
	if (put > 0)
		*c->in_pos += put;
	return put;
}

/* The same where there is no page cache. */
static ssize_t copy_piece(struct copy *c, u64 n)
{
	loff_t start = *c->in_pos;
	struct io_iter it;
	ssize_t got, put;

	iter_kernel(&it, page_to_virt(c->buf), min(n, PAGE_SIZE));
	got = file_read(c->in, &it, c->in_pos);
	if (got <= 0)
		return got;
	iter_kernel(&it, page_to_virt(c->buf), (size_t)got);
	put = file_write(c->out, &it, c->out_pos);
	/* What could not be written has not been read. */
	*c->in_pos = start + (put > 0 ? put : 0);
	return put;
}

static ssize_t copy_file(struct file *out, loff_t *out_pos, struct file *in, loff_t *in_pos, u64 n)
{
	struct copy c = {out, in, out_pos, in_pos, file_mapping(in), NULL};
	ssize_t done = 0, piece = 0;

	if (!c.cache) {
		c.buf = page_alloc(PAGE_KERNEL, 0, 0);
		if (!c.buf)
			return -ENOMEM;
	}
	n = min(n, IO_MAX);
	while ((u64)done < n) {
		piece = c.cache ? copy_run(&c, n - (u64)done) : copy_piece(&c, n - (u64)done);
		if (piece <= 0)
			break;
		done += piece;
		if (signal_pending())
			break;
		cond_resched();
	}
	if (c.buf)
		page_put(c.buf);
	if (c.cache && done)
		file_accessed(in);
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
	if ((out->flags & O_APPEND) || out->ops->special)
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
	if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
		return -EISDIR;
	if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
		return -EINVAL;
	if (!file_readable(in) || !file_writable(out) || (out->flags & O_APPEND))
		return -EBADF;
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
