/*
 * Pipes and fifos: a ring of bytes in whole frames. How they begin and end is pipe_open.c's.
 *
 *	lock	guards the ring and the counts, and sleeps, since data is copied to and from programs
 *		under it.
 *	atomic	A write of up to PIPE_BUF bytes waits until all of it fits, and goes in in one piece.
 *	frames	come when the first byte is written to their part of the ring, and stay with the pipe.
 *
 * Rejected: a list of buffers of varying fill, which makes small writes cost a frame each.
 */
#include "kernel/fs/pipe_internal.h"

#include "arch/uaccess.h"
#include "kernel/fs/poll.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define PIPE_BUF 4096

static u32 pipe_used(const struct pipe *p)
{
	return p->head - p->tail;
}

static u32 pipe_room(const struct pipe *p)
{
	return p->size - pipe_used(p) - p->promised;
}

/* The same two without the lock: good for a look that is followed by one under it. */
static u32 pipe_used_now(const struct pipe *p)
{
	return READ_ONCE(p->head) - READ_ONCE(p->tail);
}

static u32 pipe_room_now(const struct pipe *p)
{
	u32 taken = pipe_used_now(p) + READ_ONCE(p->promised), size = READ_ONCE(p->size);

	return taken < size ? size - taken : 0;
}

/* ---- reading ---- */

/* Moves what is there, under the lock. Bytes, or -EFAULT. */
static ssize_t take(struct pipe *p, struct io_iter *it)
{
	ssize_t done = 0;

	while (it->left && pipe_used(p)) {
		u32 at = p->tail & (p->size - 1), offset = at & (PAGE_SIZE - 1);
		size_t n = min((size_t)(PAGE_SIZE - offset), it->left), got;

		n = min(n, (size_t)pipe_used(p));
		got = iter_put(it, (char *)page_to_virt(p->frames[at / PAGE_SIZE]) + offset, n);
		p->tail += (u32)got;
		done += (ssize_t)got;
		if (got < n)
			return done ? done : -EFAULT;
	}
	return done;
}

/* There is something to take, or nothing will come any more. */
static bool can_read(const struct pipe *p)
{
	return (pipe_used_now(p) || !READ_ONCE(p->writers)) && !READ_ONCE(p->held);
}

static ssize_t read_some(struct pipe *p, struct io_iter *it, bool nonblock)
{
	ssize_t n = 0;
	bool was_full;

	if (!it->left)
		return 0;
	for (;;) {
		rwsem_write_lock(&p->lock);
		was_full = pipe_room(p) < PIPE_BUF;
		n = likely(!p->held) ? take(p, it) : 0;
		if (n || (!p->writers && !p->held)) {
			rwsem_write_unlock(&p->lock);
			break;
		}
		rwsem_write_unlock(&p->lock);
		if (nonblock)
			return -EAGAIN;
		n = wait_event(&p->read_wait, can_read(p));
		if (n)
			return n;
	}
	if (n > 0 && was_full)
		waitq_wake_all(&p->write_wait);
	return n;
}

static ssize_t pipe_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	(void)pos;
	return read_some(f->private, it, f->flags & O_NONBLOCK);
}

/* ---- writing ---- */

/* Copies one frame's worth into the ring, under the lock. Bytes, -EFAULT or -ENOMEM. */
static ssize_t put_chunk(struct pipe *p, struct io_iter *it, size_t limit)
{
	u32 at = p->head & (p->size - 1), offset = at & (PAGE_SIZE - 1);
	size_t n = min((size_t)(PAGE_SIZE - offset), limit), got;
	struct page **frame = &p->frames[at / PAGE_SIZE];

	if (!*frame)
		*frame = page_alloc(PAGE_KERNEL, 0, 0);
	if (!*frame)
		return -ENOMEM;
	got = iter_get(it, (char *)page_to_virt(*frame) + offset, n);
	/* What could be copied in part is not written at all. */
	if (got < n)
		return -EFAULT;
	p->head += (u32)n;
	return (ssize_t)n;
}

/* Puts as much as fits; where `whole`, all or nothing. */
static ssize_t put(struct pipe *p, struct io_iter *it, bool whole)
{
	ssize_t done = 0;

	if (whole && pipe_room(p) < it->left)
		return 0;
	while (it->left && pipe_room(p)) {
		ssize_t n = put_chunk(p, it, min(it->left, (size_t)pipe_room(p)));

		if (n < 0)
			return done ? done : n;
		done += n;
	}
	return done;
}

static bool can_write(struct pipe *p, size_t left)
{
	return pipe_room_now(p) >= (left <= PIPE_BUF ? left : 1) || !READ_ONCE(p->readers);
}

/* As on Linux the signal comes to who has written a part, too. */
static ssize_t broken(ssize_t done)
{
	signal_task(current, SIGPIPE, NULL);
	return done ? done : -EPIPE;
}

static ssize_t pipe_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct pipe *p = f->private;
	bool whole = it->left <= PIPE_BUF;
	ssize_t done = 0, n;

	(void)pos;
	while (it->left) {
		bool gone;

		rwsem_write_lock(&p->lock);
		gone = !p->readers;
		n = gone ? 0 : put(p, it, whole);
		rwsem_write_unlock(&p->lock);
		if (gone)
			return broken(done);
		if (n < 0)
			return done ? done : n;
		done += n;
		if (n)
			waitq_wake_all(&p->read_wait);
		if (!it->left)
			break;
		if (f->flags & O_NONBLOCK)
			return done ? done : -EAGAIN;
		n = wait_event(&p->write_wait, can_write(p, it->left));
		if (n)
			return done ? done : n;
	}
	return done;
}

/* ---- for splice(2) and its kin: see kernel/fs/splice.c ---- */

bool file_is_pipe(struct file *f)
{
	return file_pipe(f);
}

bool pipe_same(struct file *a, struct file *b)
{
	return file_pipe(a) == file_pipe(b);
}

ssize_t pipe_read_some(struct file *f, struct io_iter *it, bool nonblock)
{
	return read_some(file_pipe(f), it, nonblock);
}

ssize_t pipe_hold(struct file *f, void *buf, size_t n, bool nonblock)
{
	struct pipe *p = file_pipe(f);
	struct io_iter it;
	ssize_t got;
	u32 tail;

	for (;;) {
		rwsem_write_lock(&p->lock);
		if (can_read(p))
			break;
		rwsem_write_unlock(&p->lock);
		if (nonblock)
			return -EAGAIN;
		got = wait_event(&p->read_wait, can_read(p));
		if (got)
			return got;
	}
	iter_kernel(&it, buf, n);
	tail = p->tail;
	got = take(p, &it);
	p->tail = tail;
	p->held = (u32)got;
	rwsem_write_unlock(&p->lock);
	return got;
}

void pipe_let_go(struct file *f, size_t taken)
{
	struct pipe *p = file_pipe(f);

	rwsem_write_lock(&p->lock);
	p->tail += (u32)taken;
	p->held = 0;
	rwsem_write_unlock(&p->lock);
	waitq_wake_all(&p->read_wait);
	if (taken)
		waitq_wake_all(&p->write_wait);
}

ssize_t pipe_promise(struct file *f, size_t n, bool nonblock)
{
	struct pipe *p = file_pipe(f);
	ssize_t room;

	for (;;) {
		rwsem_write_lock(&p->lock);
		room = p->readers ? (ssize_t)min((size_t)pipe_room(p), n) : -EPIPE;
		if (room > 0)
			p->promised += (u32)room;
		rwsem_write_unlock(&p->lock);
		if (room == -EPIPE)
			return broken(0);
		if (room)
			return room;
		if (nonblock)
			return -EAGAIN;
		room = wait_event(&p->write_wait, can_write(p, PIPE_BUF + 1));
		if (room)
			return room;
	}
}

ssize_t pipe_keep_promise(struct file *f, size_t promised, struct io_iter *it)
{
	struct pipe *p = file_pipe(f);
	ssize_t n = 0;

	rwsem_write_lock(&p->lock);
	p->promised -= (u32)promised;
	if (it)
		n = p->readers ? put(p, it, false) : -EPIPE;
	rwsem_write_unlock(&p->lock);
	if (n > 0)
		waitq_wake_all(&p->read_wait);
	if (n < (ssize_t)promised)
		waitq_wake_all(&p->write_wait);
	return n == -EPIPE ? broken(0) : n;
}

/* ---- the rest of what is done with an end ---- */

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->private;
	u32 ready = 0;

	if (file_readable(f))
		poll_wait(&p->read_wait, pt);
	if (file_writable(f))
		poll_wait(&p->write_wait, pt);
	/* What is held is about to be taken, or comes back and wakes who waits. */
	if (file_readable(f) && !READ_ONCE(p->held)) {
		if (pipe_used_now(p))
			ready |= POLLIN | POLLRDNORM;
		if (!READ_ONCE(p->writers) && p->opened_writers)
			ready |= POLLHUP;
	}
	if (file_writable(f)) {
		if (pipe_room_now(p) >= PIPE_BUF)
			ready |= POLLOUT | POLLWRNORM;
		if (!READ_ONCE(p->readers))
			ready |= POLLERR;
	}
	return ready;
}

#define FIONREAD 0x541b

static long pipe_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct pipe *p = f->private;

	if (cmd != FIONREAD)
		return -ENOTTY;
	return put_user((s32)pipe_used_now(p), (s32 __user *)arg);
}

const struct file_ops pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .release = pipe_release,
};
