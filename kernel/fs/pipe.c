/*
 * Pipes and fifos: a ring of bytes in whole frames.
 *
 *	lock	guards the ring and the counts, and sleeps, since data is copied to and from programs
 *		under it.
 *	atomic	A write of up to PIPE_BUF bytes waits until all of it fits, and goes in in one piece.
 *	frames	come when the first byte is written to their part of the ring, and stay with the pipe.
 *
 * A pipe lives as long as one of its ends is open. Rejected: a list of buffers of varying fill,
 * which makes small writes cost a frame each.
 */
#include "kernel/fs/pipe.h"

#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/poll.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define PIPE_BUF	  4096
#define PIPE_DEFAULT_SIZE 65536
#define PIPE_MAX_SIZE	  1048576 /* without privilege */

struct pipe {
	struct rwsem lock; /* LOCK_PIPE, taken exclusive */
	u32 head, tail;	   /* bytes ever written and read; the difference is what it holds */
	u32 size;	   /* of the ring: a power of two */
	u32 held;	   /* bytes from tail on that pipe_hold() gave out: who reads waits */
	u32 promised;	   /* bytes of room that pipe_promise() gave out: who writes has the rest */
	struct page **frames;
	u32 readers, writers;
	u32 opened_readers, opened_writers; /* ever: what a fifo's open waits for */
	u32 files;			    /* open files of it, under the inode's lock */
	struct waitq read_wait, write_wait;
};

static struct page **frames_alloc(u32 size)
{
	return kzalloc(size / PAGE_SIZE * sizeof(struct page *));
}

static struct pipe *pipe_new(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->size = PIPE_DEFAULT_SIZE;
	p->frames = frames_alloc(p->size);
	if (!p->frames) {
		kfree(p);
		return NULL;
	}
	rwsem_init(&p->lock, LOCK_PIPE);
	waitq_init(&p->read_wait);
	waitq_init(&p->write_wait);
	return p;
}

static void frames_free_all(struct page **frames, u32 size)
{
	for (u32 n = 0; n < size / PAGE_SIZE; n++)
		if (frames[n])
			page_put(frames[n]);
	kfree(frames);
}

static void pipe_free(struct pipe *p)
{
	frames_free_all(p->frames, p->size);
	kfree(p);
}

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

static ssize_t broken(ssize_t done)
{
	if (done)
		return done;
	signal_task(current, SIGPIPE, NULL);
	return -EPIPE;
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

static struct pipe *file_pipe(struct file *f);

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

/* ---- the rest ---- */

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

/* One end goes, and with the last of them the pipe; i is the inode that has it. */
static void close_end(struct pipe *p, struct file *f, struct inode *i)
{
	bool last;

	rwsem_write_lock(&p->lock);
	if (file_readable(f))
		p->readers--;
	if (file_writable(f))
		p->writers--;
	rwsem_write_unlock(&p->lock);
	/* Both sides may wait for the other to go. */
	waitq_wake_all(&p->read_wait);
	waitq_wake_all(&p->write_wait);
	rwsem_write_lock(&i->lock);
	last = --p->files == 0;
	if (last)
		i->pipe = NULL;
	rwsem_write_unlock(&i->lock);
	if (last)
		pipe_free(p);
}

static void pipe_release(struct file *f)
{
	close_end(f->private, f, f->inode);
}

static const struct file_ops pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .release = pipe_release,
};

/* ---- pipe(2) ---- */

static int make_pipe(struct file *ends[2], u32 flags)
{
	struct inode *i = inode_anon(S_IFIFO | 0600);
	struct pipe *p = pipe_new();

	if (!i || !p) {
		if (i)
			inode_put(i);
		if (p)
			pipe_free(p);
		return -ENOMEM;
	}
	i->uid = current->cred.fsuid;
	i->gid = current->cred.fsgid;
	p->readers = p->writers = p->opened_readers = p->opened_writers = 1;
	p->files = 2;
	/* Opened again by its name in /proc/PID/fd, it is a fifo as any other. */
	i->fops = &fifo_ops;
	i->pipe = p;
	inode_get(i);
	ends[0] = file_anon("pipe:", i, &pipe_ops, O_RDONLY | flags, p);
	ends[1] = file_anon("pipe:", i, &pipe_ops, O_WRONLY | flags, p);
	for (unsigned n = 0; n < 2; n++)
		if (IS_ERR(ends[n]))
			p->files--;
	if (p->files == 2)
		return 0;
	if (!p->files)
		pipe_free(p);
	for (unsigned n = 0; n < 2; n++)
		if (!IS_ERR(ends[n]))
			file_put(ends[n]); /* the last one frees the pipe */
	return -ENOMEM;
}

static long do_pipe(s32 __user *fds, u32 flags)
{
	struct file *ends[2];
	s32 fd[2];
	int err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	if (flags & O_DIRECT)
		return -EINVAL; /* packets are not there */
	err = make_pipe(ends, flags & O_NONBLOCK);
	if (err)
		return err;
	fd[0] = fd_install(ends[0], 0, flags & O_CLOEXEC);
	if (fd[0] < 0) {
		file_put(ends[1]);
		return fd[0];
	}
	fd[1] = fd_install(ends[1], 0, flags & O_CLOEXEC);
	if (fd[1] < 0) {
		fd_close(fd[0]);
		return fd[1];
	}
	if (copy_to_user(fds, fd, sizeof(fd))) {
		fd_close(fd[0]);
		fd_close(fd[1]);
		return -EFAULT;
	}
	return 0;
}

SYSCALL1(pipe, s32 __user *, fds)
{
	return do_pipe(fds, 0);
}

SYSCALL2(pipe2, s32 __user *, fds, u32, flags)
{
	return do_pipe(fds, flags);
}

/* ---- size ---- */

static struct pipe *file_pipe(struct file *f)
{
	return f->ops == &pipe_ops ? f->private : NULL;
}

long pipe_get_size(struct file *f)
{
	struct pipe *p = file_pipe(f);

	return p ? (long)READ_ONCE(p->size) : -EBADF;
}

/* Moves the ring to another array, under the lock: frames go along whole, from the one at tail on.
 */
static void move_ring(struct pipe *p, struct page **frames, u32 size)
{
	u32 first = p->tail / PAGE_SIZE, used = p->head - first * PAGE_SIZE;
	u32 old = p->size / PAGE_SIZE;

	for (u32 n = 0; n < DIV_ROUND_UP(used, PAGE_SIZE); n++) {
		frames[n] = p->frames[(first + n) % old];
		p->frames[(first + n) % old] = NULL;
	}
	p->tail -= first * (u32)PAGE_SIZE;
	p->head -= first * (u32)PAGE_SIZE;
	frames_free_all(p->frames, p->size);
	p->frames = frames;
	p->size = size;
}

long pipe_set_size(struct file *f, u64 want)
{
	struct pipe *p = file_pipe(f);
	struct page **frames;
	u32 size = PAGE_SIZE;

	if (!p)
		return -EBADF;
	if (want > BIT(31))
		return -EINVAL;
	while (size < want)
		size *= 2;
	if (size > PIPE_MAX_SIZE && current->cred.euid != 0)
		return -EPERM;
	frames = frames_alloc(size);
	if (!frames)
		return -ENOMEM;
	rwsem_write_lock(&p->lock);
	/* What lies in the ring or is to come, in whole frames, must fit. */
	if (p->head - ALIGN_DOWN(p->tail, (u32)PAGE_SIZE) + p->promised > size) {
		rwsem_write_unlock(&p->lock);
		kfree(frames);
		return -EBUSY;
	}
	move_ring(p, frames, size);
	rwsem_write_unlock(&p->lock);
	waitq_wake_all(&p->write_wait);
	return (long)size;
}

/* ---- fifos ---- */

/* The fifo's pipe with one more file, made by the first. */
static struct pipe *fifo_get(struct inode *i)
{
	struct pipe *p;

	rwsem_write_lock(&i->lock);
	p = i->pipe ? i->pipe : pipe_new();
	if (p) {
		i->pipe = p;
		p->files++;
	}
	rwsem_write_unlock(&i->lock);
	return p;
}

/* Waits for the other end to be opened, if only for a moment. */
static long wait_other_end(struct pipe *p, bool reads)
{
	u32 *other = reads ? &p->opened_writers : &p->opened_readers, before = *other;
	u32 *there = reads ? &p->writers : &p->readers;

	return wait_event(reads ? &p->read_wait : &p->write_wait,
			  READ_ONCE(*there) || READ_ONCE(*other) != before);
}

static int fifo_open(struct inode *i, struct file *f)
{
	bool reads = file_readable(f), writes = file_writable(f);
	/* A pipe opened again has had both its ends from the start. */
	bool waits = i->sb->magic != ANON_FS_MAGIC;
	struct pipe *p = fifo_get(i);
	long err = 0;

	if (!p)
		return -ENOMEM;
	f->ops = &pipe_ops;
	f->private = p;
	rwsem_write_lock(&p->lock);
	if (waits && writes && !reads && (f->flags & O_NONBLOCK) && !p->readers)
		err = -ENXIO;
	if (reads) {
		p->readers++;
		p->opened_readers++;
	}
	if (writes) {
		p->writers++;
		p->opened_writers++;
	}
	rwsem_write_unlock(&p->lock);
	if (!err) {
		waitq_wake_all(&p->read_wait);
		waitq_wake_all(&p->write_wait);
		if (waits && reads != writes && !(f->flags & O_NONBLOCK))
			err = wait_other_end(p, reads);
	}
	if (err)
		close_end(p, f, i);
	return (int)err;
}

const struct file_ops fifo_ops = {.open = fifo_open};
