/*
 * eventfd(2): a number that is added to by write(2) and taken by read(2).
 *
 * The count is changed by compare-and-exchange alone, and whoever changes it wakes all who wait on the
 * one queue: readers for it to be more than 0, writers for room.
 */
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/seq.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define EFD_SEMAPHORE 1u
#define LARGEST	      (~0ull - 1)

struct eventfd {
	u64 count; /* atomic */
	bool semaphore;
	u32 id; /* for fdinfo */
	struct waitq wait;
};

static u32 last_id; /* atomic */

/* Takes what a read gets: false: there is nothing. */
static bool take(struct eventfd *e, u64 *got)
{
	u64 count = atomic_load(&e->count);

	do {
		if (!count)
			return false;
		*got = e->semaphore ? 1 : count;
	} while (!atomic_cas(&e->count, &count, count - *got));
	waitq_wake_all(&e->wait);
	return true;
}

static bool add(struct eventfd *e, u64 n)
{
	u64 count = atomic_load(&e->count);

	do {
		if (n > LARGEST - count)
			return false;
	} while (!atomic_cas(&e->count, &count, count + n));
	waitq_wake_all(&e->wait);
	return true;
}

static ssize_t eventfd_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct eventfd *e = f->private;
	u64 got;

	(void)pos;
	if (it->left < sizeof(got))
		return -EINVAL;
	if (!take(e, &got)) {
		long err;

		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event(&e->wait, take(e, &got));
		if (err)
			return err;
	}
	return iter_put(it, &got, sizeof(got)) == sizeof(got) ? (ssize_t)sizeof(got) : -EFAULT;
}

static ssize_t eventfd_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct eventfd *e = f->private;
	u64 n;

	(void)pos;
	if (it->left < sizeof(n))
		return -EINVAL;
	if (iter_get(it, &n, sizeof(n)) < sizeof(n))
		return -EFAULT;
	if (n == ~0ull)
		return -EINVAL;
	if (!add(e, n)) {
		long err;

		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event(&e->wait, add(e, n));
		if (err)
			return err;
	}
	return sizeof(n);
}

static u32 eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->private;
	u64 count;

	poll_wait(&e->wait, pt);
	count = atomic_load(&e->count);
	return (count ? POLLIN : 0) | (count < LARGEST ? POLLOUT : 0);
}

static void eventfd_release(struct file *f)
{
	kfree(f->private);
}

static void eventfd_show(struct file *f, struct seq *s)
{
	const struct eventfd *e = f->private;

	seq_printf(s, "eventfd-count: %16lx\neventfd-id: %u\n", atomic_load(&e->count), e->id);
}

static const struct file_ops eventfd_ops = {
    .read = eventfd_read,
    .write = eventfd_write,
    .poll = eventfd_poll,
    .release = eventfd_release,
    .show_fdinfo = eventfd_show,
    .special = true,
};

static long create(u32 count, u32 flags)
{
	struct eventfd *e;
	struct file *f;

	if (flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	e = kzalloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->count = count;
	e->semaphore = flags & EFD_SEMAPHORE;
	e->id = atomic_inc(&last_id) - 1;
	waitq_init(&e->wait);
	f = file_special("anon_inode:[eventfd]", &eventfd_ops, O_RDWR | (flags & O_NONBLOCK), e);
	if (IS_ERR(f)) {
		kfree(e);
		return PTR_ERR(f);
	}
	return fd_install(f, 0, flags & O_CLOEXEC);
}

SYSCALL1(eventfd, u32, count)
{
	return create(count, 0);
}

SYSCALL2(eventfd2, u32, count, u32, flags)
{
	return create(count, flags);
}
