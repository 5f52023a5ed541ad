/*
 * How pipes and fifos begin and end, and how large their rings are. A pipe lives as long as one of its ends
 * is open; a fifo's is made by the first that opens it.
 */
#include "kernel/fs/pipe_internal.h"

#include "arch/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/process.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "kernel/users.h"
#include "mm/alloc.h"

#define PIPE_DEFAULT_SIZE 65536
#define PIPE_SMALL_SIZE	  (2 * PAGE_SIZE) /* for who has many */

int pipe_max_size = 1048576; /* bytes that a pipe may have without privilege */
/* Pages that the pipes of one user may come to without privilege: beyond the first limit its pipes are small
 * and stay so, beyond the second it gets none. 0: no limit. */
int pipe_user_pages_soft = 16384, pipe_user_pages_hard;

static bool privileged(void)
{
	return cred_capable(&current->cred, CAP_SYS_RESOURCE) ||
	       cred_capable(&current->cred, CAP_SYS_ADMIN);
}

static bool beyond(const struct user *u, const int *limit)
{
	u32 most = (u32)READ_ONCE(*limit);

	return most && atomic_load(&u->counts[USER_PIPE_PAGES]) > most && !privileged();
}

static bool beyond_max(u32 size)
{
	return size > (u32)READ_ONCE(pipe_max_size) &&
	       !cred_capable(&current->cred, CAP_SYS_RESOURCE);
}

/* Has a ring of `size` counted instead of one of `before`. */
static void charge(struct user *u, u32 before, u32 size)
{
	atomic_add(&u->counts[USER_PIPE_PAGES], size / PAGE_SIZE - before / PAGE_SIZE);
}

/* The size of a new pipe of u's, counted; 0: it has too many. */
static u32 new_size(struct user *u)
{
	u32 size = PIPE_DEFAULT_SIZE;

	while (size > PAGE_SIZE && beyond_max(size))
		size /= 2;
	charge(u, 0, size);
	if (size > PIPE_SMALL_SIZE && beyond(u, &pipe_user_pages_soft)) {
		charge(u, size, PIPE_SMALL_SIZE);
		size = PIPE_SMALL_SIZE;
	}
	if (!beyond(u, &pipe_user_pages_hard))
		return size;
	charge(u, size, 0);
	return 0;
}

static struct page **frames_alloc(u32 size)
{
	return kzalloc(size / PAGE_SIZE * sizeof(struct page *));
}

/* ERR_PTR(-ENOMEM), or -ENFILE where this user has too many. */
static struct pipe *pipe_new(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (!p)
		return ERR_PTR(-ENOMEM);
	p->user = user_get(current->cred.uid);
	p->size = p->user ? new_size(p->user) : 0;
	p->frames = p->size ? frames_alloc(p->size) : NULL;
	if (!p->frames) {
		int err = p->user && !p->size ? -ENFILE : -ENOMEM;

		if (p->user) {
			charge(p->user, p->size, 0);
			user_put(p->user);
		}
		kfree(p);
		return ERR_PTR(err);
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
	charge(p->user, p->size, 0);
	user_put(p->user);
	kfree(p);
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

void pipe_release(struct file *f)
{
	close_end(f->private, f, f->inode);
}

/* ---- pipe(2) ---- */

static int make_pipe(struct file *ends[2], u32 flags)
{
	struct pipe *p = pipe_new();
	struct inode *i;

	if (IS_ERR(p))
		return (int)PTR_ERR(p);
	i = inode_anon(S_IFIFO | 0600);
	if (!i) {
		pipe_free(p);
		return -ENOMEM;
	}
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
	int err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	if (flags & O_DIRECT)
		return -EINVAL; /* packets are not there */
	err = make_pipe(ends, flags & O_NONBLOCK);
	if (err)
		return err;
	return fd_install_pair(ends, flags & O_CLOEXEC, fds);
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

long pipe_get_size(struct file *f)
{
	struct pipe *p = file_pipe(f);

	return p ? (long)READ_ONCE(p->size) : -EBADF;
}

/*
 * Moves the ring to another array, under the lock: frames go along whole, from the one at tail on. Where
 * the ring is so full that its head has come round into that frame, too, `own` takes the head's bytes.
 */
static void move_ring(struct pipe *p, struct page **frames, u32 size, struct page *own)
{
	u32 first = p->tail / PAGE_SIZE, used = p->head - first * PAGE_SIZE;
	u32 old = p->size / PAGE_SIZE;

	for (u32 n = 0; n < DIV_ROUND_UP(min(used, p->size), PAGE_SIZE); n++) {
		frames[n] = p->frames[(first + n) % old];
		p->frames[(first + n) % old] = NULL;
	}
	if (own) {
		memcpy(page_to_virt(own), page_to_virt(frames[0]), p->head % PAGE_SIZE);
		frames[old] = own;
	}
	p->tail -= first * (u32)PAGE_SIZE;
	p->head -= first * (u32)PAGE_SIZE;
	frames_free_all(p->frames, p->size);
	p->frames = frames;
	p->size = size;
}

/* What lies in the ring or is to come, in whole frames, must fit. */
static int resize(struct pipe *p, struct page **frames, u32 size)
{
	u32 used = p->head - ALIGN_DOWN(p->tail, (u32)PAGE_SIZE);
	struct page *own = NULL;

	if (used + p->promised > size)
		return -EBUSY;
	charge(p->user, p->size, size);
	if (size > p->size &&
	    (beyond(p->user, &pipe_user_pages_soft) || beyond(p->user, &pipe_user_pages_hard))) {
		charge(p->user, size, p->size);
		return -EPERM;
	}
	if (used > p->size) {
		own = page_alloc(PAGE_KERNEL, 0, 0);
		if (!own) {
			charge(p->user, size, p->size);
			return -ENOMEM;
		}
	}
	move_ring(p, frames, size, own);
	return 0;
}

long pipe_set_size(struct file *f, u64 want)
{
	struct pipe *p = file_pipe(f);
	struct page **frames;
	u32 size = PAGE_SIZE;
	int err;

	if (!p)
		return -EBADF;
	if (want > BIT(31))
		return -EINVAL;
	while (size < want)
		size *= 2;
	if (size > READ_ONCE(p->size) && beyond_max(size))
		return -EPERM;
	frames = frames_alloc(size);
	if (!frames)
		return -ENOMEM;
	rwsem_write_lock(&p->lock);
	err = resize(p, frames, size);
	rwsem_write_unlock(&p->lock);
	if (err) {
		kfree(frames);
		return err;
	}
	waitq_wake_all(&p->write_wait);
	return (long)size;
}

/* ---- fifos ---- */

/* The fifo's pipe with one more file, made by the first; or an ERR_PTR. */
static struct pipe *fifo_get(struct inode *i)
{
	struct pipe *p;

	rwsem_write_lock(&i->lock);
	p = i->pipe ? i->pipe : pipe_new();
	if (!IS_ERR(p)) {
		i->pipe = p;
		p->files++;
	}
	rwsem_write_unlock(&i->lock);
	return p;
}

/*
 * Counts one more end, or two, and says in *seen how often the other end had been opened by then. True:
 * nobody has it open now.
 */
static bool add_end(struct pipe *p, bool reads, bool writes, u32 *seen) __must_hold(&p->lock)
{
	if (reads) {
		p->readers++;
		p->opened_readers++;
	}
	if (writes) {
		p->writers++;
		p->opened_writers++;
	}
	*seen = reads ? p->opened_writers : p->opened_readers;
	return reads ? !p->writers : !p->readers;
}

/* Waits for the other end to be opened, if only for a moment: since it has been so `seen` times. */
static long wait_other_end(struct pipe *p, bool reads, u32 seen)
{
	return wait_event(reads ? &p->read_wait : &p->write_wait,
			  READ_ONCE(*(reads ? &p->opened_writers : &p->opened_readers)) != seen);
}

static int fifo_open(struct inode *i, struct file *f)
{
	bool reads = file_readable(f), writes = file_writable(f);
	/* A pipe opened again has had both its ends from the start. */
	bool waits = i->sb->magic != ANON_FS_MAGIC, alone;
	struct pipe *p = fifo_get(i);
	long err = 0;
	u32 seen;

	if (IS_ERR(p))
		return -ENOMEM; /* whatever it was, as on Linux */
	f->ops = &pipe_ops;
	f->private = p;
	rwsem_write_lock(&p->lock);
	if (waits && writes && !reads && (f->flags & O_NONBLOCK) && !p->readers)
		err = -ENXIO;
	alone = add_end(p, reads, writes, &seen);
	rwsem_write_unlock(&p->lock);
	if (!err) {
		waitq_wake_all(&p->read_wait);
		waitq_wake_all(&p->write_wait);
		if (waits && alone && !(f->flags & O_NONBLOCK))
			err = wait_other_end(p, reads, seen);
	}
	if (err)
		close_end(p, f, i);
	return (int)err;
}

const struct file_ops fifo_ops = {.open = fifo_open};
