/*
 * splice(2), tee(2) and vmsplice(2).
 *
 * A pipe owns its frames: what goes in is copied in, and what comes out is copied out. So no page of a program's is ever
 * in a pipe, none needs a pin, and what a program writes to its memory after vmsplice(2) is not in the pipe,
 * SPLICE_F_GIFT or not. Nor is a page of a file.
 *
 * Data leaves the source only once it has arrived: room in a pipe is promised before anything is read, and
 * bytes of a pipe are held while they are written elsewhere (kernel/fs/pipe.h).
 */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/fsnotify.h"
#include "kernel/fs/pipe.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

#define SPLICE_F_NONBLOCK 2u
#define SPLICE_F_ALL	  15u

#define SPLICE_PART 65536ul /* that one step moves at most */

struct splice {
	struct file *in, *out;
	loff_t in_pos, out_pos; /* of what is no pipe */
	bool nonblock;		/* pipes are not waited for */
	void *buf;
	size_t size; /* of buf */
};

/* Up to n bytes of a pipe into another; `keep`: they stay in the first. */
static ssize_t pipe_to_pipe(struct splice *s, size_t n, bool keep)
{
	ssize_t got, room, put = 0;
	struct io_iter it;

	/* Neither pipe is kept from others while the other one is waited for. */
	for (;;) {
		room = pipe_promise(s->out, 1, s->nonblock);
		if (room < 0)
			return room;
		(void)pipe_keep_promise(s->out, (size_t)room, NULL);
		got = pipe_hold(s->in, s->buf, min(n, s->size), s->nonblock);
		if (got <= 0)
			return got;
		room = pipe_promise(s->out, (size_t)got, true);
		if (room > 0) {
			iter_kernel(&it, s->buf, (size_t)room);
			put = pipe_keep_promise(s->out, (size_t)room, &it);
		}
		pipe_let_go(s->in, put > 0 && !keep ? (size_t)put : 0);
		if (room != -EAGAIN || s->nonblock)
			return room < 0 ? room : put;
	}
}

static ssize_t pipe_to_file(struct splice *s, size_t n)
{
	struct io_iter it;
	ssize_t got = pipe_hold(s->in, s->buf, min(n, s->size), s->nonblock), put;

	if (got <= 0)
		return got;
	iter_kernel(&it, s->buf, (size_t)got);
	put = file_write(s->out, &it, &s->out_pos);
	pipe_let_go(s->in, put > 0 ? (size_t)put : 0);
	return put;
}

static ssize_t file_to_pipe(struct splice *s, size_t n)
{
	ssize_t room = pipe_promise(s->out, min(n, s->size), s->nonblock), got, put;
	loff_t start = s->in_pos;
	struct io_iter it;

	if (room < 0)
		return room;
	iter_kernel(&it, s->buf, (size_t)room);
	got = file_read(s->in, &it, &s->in_pos);
	if (got <= 0) {
		(void)pipe_keep_promise(s->out, (size_t)room, NULL);
		return got;
	}
	iter_kernel(&it, s->buf, (size_t)got);
	put = pipe_keep_promise(s->out, (size_t)room, &it);
	/* Less than all only where memory ran out, or who reads has gone. */
	if (s->in->ops->seek)
		s->in_pos = start + max(put, (ssize_t)0);
	return put;
}

/* One step, or an errno. */
static ssize_t splice_step(struct splice *s, size_t n)
{
	if (file_is_pipe(s->in))
		return file_is_pipe(s->out) ? pipe_to_pipe(s, n, false) : pipe_to_file(s, n);
	return file_to_pipe(s, n);
}

/* Until n bytes are moved, or the next step would have to wait. */
static ssize_t splice_all(struct splice *s, size_t n)
{
	ssize_t done = 0, got = 0;

	s->size = min(n, SPLICE_PART);
	s->buf = kmalloc(s->size);
	if (!s->buf)
		return -ENOMEM;
	while ((size_t)done < n) {
		got = splice_step(s, n - (size_t)done);
		if (got <= 0)
			break;
		done += got;
		s->nonblock = true; /* something has been moved */
		if (signal_pending())
			break;
		cond_resched();
	}
	kfree(s->buf);
	fsnotify_io(s->in, done, false);
	fsnotify_io(s->out, done, true);
	return done ? done : got;
}

/* What is wrong with the two files, in Linux's order. */
static int splice_check(const struct splice *s, bool has_out_offset, bool has_in_offset)
{
	bool from = file_is_pipe(s->in), to = file_is_pipe(s->out);

	if (!file_readable(s->in) || !file_writable(s->out))
		return -EBADF;
	if (!from && !to)
		return -EINVAL;
	if (from && to)
		return pipe_same(s->in, s->out) ? -EINVAL : 0;
	if (from && (!s->out->ops->write || s->out->ops->special || (s->out->flags & O_APPEND) ||
		     (has_out_offset && !s->out->ops->seek)))
		return -EINVAL;
	if (to && (!s->in->ops->read || S_ISDIR(s->in->inode->mode) ||
		   (has_in_offset && !s->in->ops->seek)))
		return -EINVAL;
	return 0;
}

static long splice_files(struct splice *s, s64 __user *in_off, s64 __user *out_off, u64 n)
{
	long done;

	if ((file_is_pipe(s->in) && in_off) || (file_is_pipe(s->out) && out_off))
		return -ESPIPE;
	s->in_pos = s->in->pos;
	s->out_pos = s->out->pos;
	if ((in_off && get_user(s->in_pos, in_off)) || (out_off && get_user(s->out_pos, out_off)))
		return -EFAULT;
	done = splice_check(s, out_off, in_off);
	if (done)
		return done;
	if (s->in_pos < 0 || s->out_pos < 0)
		return -EINVAL;
	s->nonblock |= file_is_pipe(s->in) && s->in->flags & O_NONBLOCK;
	s->nonblock |= file_is_pipe(s->out) && s->out->flags & O_NONBLOCK;
	done = splice_all(s, (size_t)min(n, (u64)IO_MAX));
	if (done <= 0)
		return done;
	if (in_off ? put_user(s->in_pos, in_off) : 0)
		return -EFAULT;
	if (out_off ? put_user(s->out_pos, out_off) : 0)
		return -EFAULT;
	if (!in_off && !file_is_pipe(s->in))
		s->in->pos = s->in_pos;
	if (!out_off && !file_is_pipe(s->out))
		s->out->pos = s->out_pos;
	return done;
}

SYSCALL6(splice, s32, in_fd, s64 __user *, in_off, s32, out_fd, s64 __user *, out_off, u64, n, u32,
	 flags)
{
	struct splice s = {.nonblock = flags & SPLICE_F_NONBLOCK};
	long done = -EBADF;

	if (!n)
		return 0;
	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	s.in = fd_get(in_fd);
	s.out = s.in ? fd_get(out_fd) : NULL;
	if (s.out)
		done = splice_files(&s, in_off, out_off, n);
	if (s.out)
		file_put(s.out);
	if (s.in)
		file_put(s.in);
	return done;
}

static long tee_files(struct splice *s, u64 n)
{
	long done;

	if (!file_readable(s->in) || !file_writable(s->out))
		return -EBADF;
	if (!file_is_pipe(s->in) || !file_is_pipe(s->out) || pipe_same(s->in, s->out))
		return -EINVAL;
	s->nonblock |= (s->in->flags | s->out->flags) & O_NONBLOCK;
	s->size = min(n, SPLICE_PART);
	s->buf = kmalloc(s->size);
	done = s->buf ? pipe_to_pipe(s, s->size, true) : -ENOMEM;
	kfree(s->buf);
	return done;
}

SYSCALL4(tee, s32, in_fd, s32, out_fd, u64, n, u32, flags)
{
	struct splice s = {.nonblock = flags & SPLICE_F_NONBLOCK};
	long done = -EBADF;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!n)
		return 0;
	s.in = fd_get(in_fd);
	s.out = s.in ? fd_get(out_fd) : NULL;
	if (s.out)
		done = tee_files(&s, n);
	if (s.out)
		file_put(s.out);
	if (s.in)
		file_put(s.in);
	return done;
}

/* Into the pipe goes what fits at once; out of it comes what is there. */
static long vmsplice_file(struct file *f, const struct iovec __user *vec, u64 count, bool nonblock)
{
	bool into = file_writable(f);
	struct io_vector v;
	long n;

	n = io_vector_get(&v, vec, count);
	if (n)
		return n;
	nonblock |= f->flags & O_NONBLOCK;
	if (!v.it.left) {
		n = 0;
	} else if (!file_is_pipe(f)) {
		n = -EBADF;
	} else if (into) {
		n = pipe_promise(f, v.it.left, nonblock);
		if (n > 0)
			n = pipe_keep_promise(f, (size_t)n, &v.it);
	} else {
		n = pipe_read_some(f, &v.it, nonblock);
	}
	io_vector_put(&v);
	return n;
}

SYSCALL4(vmsplice, s32, fd, const struct iovec __user *, vec, u64, count, u32, flags)
{
	struct file *f;
	long n;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	n = vmsplice_file(f, vec, count, flags & SPLICE_F_NONBLOCK);
	file_put(f);
	return n;
}
