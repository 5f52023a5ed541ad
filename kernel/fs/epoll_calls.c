/* The calls of epoll(7). */
#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/fs/epoll.h"
#include "kernel/fs/poll.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

enum { EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL, EPOLL_CTL_MOD };

#define MAX_EVENTS (INT32_MAX / (s32)sizeof(struct epoll_event))
/* What may be asked for together with EPOLLEXCLUSIVE. */
#define EXCLUSIVE_OK (POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

static long create(bool cloexec)
{
	struct epoll_set *s = epoll_set_new();
	struct file *f;

	if (!s)
		return -ENOMEM;
	f = epoll_file(s);
	if (IS_ERR(f)) {
		epoll_set_free(s);
		return PTR_ERR(f);
	}
	return fd_install(f, 0, cloexec);
}

SYSCALL1(epoll_create, s32, size)
{
	return size > 0 ? create(false) : -EINVAL;
}

SYSCALL1(epoll_create1, u32, flags)
{
	return flags & ~O_CLOEXEC ? -EINVAL : create(flags & O_CLOEXEC);
}

/* ---- epoll_ctl ---- */

struct request {
	int op;
	s32 fd;
	struct file *file; /* that fd names */
	struct epoll_event event;
};

static int check(const struct epoll_set *s, const struct request *r)
{
	bool exclusive = r->op != EPOLL_CTL_DEL && (r->event.events & EPOLLEXCLUSIVE);

	if (!r->file->ops->poll)
		return -EPERM;
	if (!s || s->file == r->file)
		return -EINVAL;
	if (exclusive &&
	    (r->op == EPOLL_CTL_MOD || file_epoll(r->file) || (r->event.events & ~EXCLUSIVE_OK)))
		return -EINVAL;
	return 0;
}

/* Under s->lock. */
static int change(struct epoll_set *s, const struct request *r)
{
	struct epoll_item *i = epoll_find(s, r->file, r->fd);

	switch (r->op) {
	case EPOLL_CTL_ADD:
		return epoll_add(s, r->file, r->fd, &r->event);
	case EPOLL_CTL_DEL:
		if (!i)
			return -ENOENT;
		epoll_remove(i);
		return 0;
	case EPOLL_CTL_MOD:
		if (!i)
			return -ENOENT;
		if (i->events & EPOLLEXCLUSIVE)
			return -EINVAL;
		epoll_modify(i, &r->event);
		return 0;
	default:
		return -EINVAL;
	}
}

static int change_locked(struct epoll_set *s, const struct request *r)
{
	int err;

	rwsem_write_lock(&s->lock);
	err = change(s, r);
	rwsem_write_unlock(&s->lock);
	return err;
}

static int control(struct epoll_set *s, const struct request *r)
{
	struct epoll_set *inner = r->op == EPOLL_CTL_ADD ? file_epoll(r->file) : NULL;
	int err;

	if (!inner)
		return change_locked(s, r);
	rwsem_write_lock(&epoll_nest_lock);
	err = epoll_check_nest(s, inner);
	if (!err)
		err = change_locked(s, r);
	rwsem_write_unlock(&epoll_nest_lock);
	return err;
}

SYSCALL4(epoll_ctl, s32, epfd, int, op, s32, fd, const struct epoll_event __user *, event)
{
	struct request r = {.op = op, .fd = fd};
	struct file *f;
	int err = -EBADF;

	if (op != EPOLL_CTL_DEL && copy_from_user(&r.event, event, sizeof(r.event)))
		return -EFAULT;
	f = fd_get(epfd);
	r.file = f ? fd_get(fd) : NULL;
	if (r.file) {
		err = check(file_epoll(f), &r);
		if (!err)
			err = control(file_epoll(f), &r);
		file_put(r.file);
	}
	if (f)
		file_put(f);
	return err;
}

/* ---- epoll_wait ---- */

static long do_wait(s32 epfd, struct epoll_event __user *to, s32 max, u64 deadline)
{
	struct epoll_set *s;
	struct file *f;
	long n = -EINVAL;

	if (max <= 0 || max > MAX_EVENTS)
		return -EINVAL;
	if (!user_range_ok(to, (size_t)max * sizeof(*to)))
		return -EFAULT;
	f = fd_get(epfd);
	if (!f)
		return -EBADF;
	s = file_epoll(f);
	if (s)
		n = epoll_collect(s, to, (u32)max, deadline);
	file_put(f);
	return n == -ETIMEDOUT ? 0 : n;
}

static u64 deadline_of(s32 timeout_ms)
{
	return timeout_ms < 0 ? WAIT_FOREVER : poll_deadline((u64)timeout_ms * NSEC_PER_MSEC);
}

SYSCALL4(epoll_wait, s32, epfd, struct epoll_event __user *, to, s32, max, s32, timeout_ms)
{
	return do_wait(epfd, to, max, deadline_of(timeout_ms));
}

static long wait_masked(s32 epfd, struct epoll_event __user *to, s32 max, u64 deadline,
			const u64 __user *mask, u64 mask_size)
{
	long n = signal_mask_begin(mask, mask_size);

	if (n)
		return n;
	n = do_wait(epfd, to, max, deadline);
	signal_mask_end(n == -EINTR);
	return n;
}

SYSCALL6(epoll_pwait, s32, epfd, struct epoll_event __user *, to, s32, max, s32, timeout_ms,
	 const u64 __user *, mask, u64, mask_size)
{
	return wait_masked(epfd, to, max, deadline_of(timeout_ms), mask, mask_size);
}

SYSCALL6(epoll_pwait2, s32, epfd, struct epoll_event __user *, to, s32, max,
	 const struct timespec __user *, timeout, const u64 __user *, mask, u64, mask_size)
{
	u64 deadline = WAIT_FOREVER, ns;

	if (timeout) {
		int err = timespec_get(&ns, timeout);

		if (err)
			return err;
		deadline = poll_deadline(ns);
	}
	return wait_masked(epfd, to, max, deadline, mask, mask_size);
}
