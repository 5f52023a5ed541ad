/* send(2), recv(2) and their kin. */
#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/net/calls.h"
#include "kernel/net/control.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

#define BATCH_MAX 1024 /* messages of one call */

/* A socket's file for a call with these flags: *flags has MSG_DONTWAIT where its file says so. */
static struct file *begin(s32 fd, struct socket **s, u32 *flags)
{
	struct file *f = sock_fd_get(fd, s);

	if (!IS_ERR(f) && (f->flags & O_NONBLOCK))
		*flags |= MSG_DONTWAIT;
	return f;
}

/* The same for messages with headers, whose flags must not say that those are of 32 bits. */
static struct file *begin_headers(s32 fd, struct socket **s, u32 *flags)
{
	return *flags & MSG_CMSG_COMPAT ? ERR_PTR(-EINVAL) : begin(fd, s, flags);
}

static long send_message(struct socket *s, struct message *m)
{
	long n = s->ops->send(s, m);

	if (m->rights)
		rights_drop(m->rights); /* they went nowhere */
	return n;
}

SYSCALL6(sendto, s32, fd, const void __user *, buf, u64, len, u32, flags, const void __user *, user,
	 s32, user_len)
{
	struct sock_addr a = {.len = 0};
	struct io_iter it;
	struct message m = {.it = &it, .addr = &a};
	struct socket *s;
	struct file *f;
	long n = 0;

	len = min(len, (u64)IO_MAX);
	if (!user_range_ok(buf, len))
		return -EFAULT;
	f = begin(fd, &s, &flags);
	if (IS_ERR(f))
		return PTR_ERR(f);
	iter_user(&it, buf, len);
	m.flags = flags;
	if (user)
		n = addr_from_user(&a, user, user_len);
	if (!n)
		n = send_message(s, &m);
	file_put(f);
	return n;
}

SYSCALL6(recvfrom, s32, fd, void __user *, buf, u64, len, u32, flags, void __user *, user,
	 s32 __user *, user_len)
{
	struct sock_addr a = {.len = 0};
	struct io_iter it;
	struct message m = {.it = &it, .addr = user ? &a : NULL};
	struct socket *s;
	struct file *f;
	long n;

	len = min(len, (u64)IO_MAX);
	if (!user_range_ok(buf, len))
		return -EFAULT;
	f = begin(fd, &s, &flags);
	if (IS_ERR(f))
		return PTR_ERR(f);
	iter_user(&it, buf, len);
	m.flags = flags;
	n = s->ops->recv(s, &m);
	file_put(f);
	if (m.rights)
		rights_free(m.rights);
	if (n >= 0 && user) {
		int err = addr_to_user(&a, user, user_len);

		if (err)
			return err;
	}
	return n;
}

/* ---- struct msghdr ---- */

/* One struct msghdr of the program's, with all that it leads to. Between header_get() and header_put(). */
struct header {
	struct user_msghdr user;
	struct io_vector vec;
	struct sock_addr addr;
	struct message m;
};

static int header_get(struct header *h, const struct user_msghdr __user *user, u32 flags)
{
	int err;

	if (copy_from_user(&h->user, user, sizeof(h->user)))
		return -EFAULT;
	if (!h->user.name)
		h->user.name_len = 0;
	if (h->user.name_len < 0)
		return -EINVAL;
	h->user.name_len = min(h->user.name_len, (s32)sizeof(h->addr.bytes));
	if (h->user.iov_len > IO_VECTOR_MAX)
		return -EMSGSIZE;
	err = io_vector_get(&h->vec, (const struct iovec __user *)h->user.iov, h->user.iov_len);
	if (err)
		return err;
	h->addr.len = 0;
	h->m = (struct message){.it = &h->vec.it, .flags = flags, .addr = &h->addr};
	return 0;
}

static void header_put(struct header *h)
{
	io_vector_put(&h->vec);
}

/* *left: bytes of it that a stream has not taken. */
static long send_header(struct socket *s, const struct user_msghdr __user *user, u32 flags,
			size_t *left)
{
	struct header h;
	long n = header_get(&h, user, flags);

	if (n)
		return n;
	if (h.user.name_len)
		n = addr_from_user(&h.addr, (const void __user *)h.user.name, h.user.name_len);
	if (!n && h.user.control_len)
		n = control_get(s, &h.m, h.user.control, h.user.control_len);
	if (!n)
		n = send_message(s, &h.m);
	*left = h.vec.it.left;
	header_put(&h);
	return n;
}

/* Writes back what was received beside the data. */
static int put_header(struct socket *s, struct header *h, struct user_msghdr __user *user)
{
	struct message *m = &h->m;
	u64 used = control_put(s, m, h->user.control, h->user.control_len);
	u32 flags = m->out_flags | (m->flags & MSG_CMSG_CLOEXEC);

	if (h->user.name) {
		u32 n = min((u32)h->user.name_len, h->addr.len);

		if (copy_to_user((void __user *)h->user.name, h->addr.bytes, n) ||
		    put_user((s32)h->addr.len, &user->name_len))
			return -EFAULT;
	}
	if (put_user(flags, &user->flags) || put_user(used, &user->control_len))
		return -EFAULT;
	return 0;
}

static long recv_header(struct socket *s, struct user_msghdr __user *user, u32 flags)
{
	struct header h;
	long n = header_get(&h, user, flags);
	int err;

	if (n)
		return n;
	n = s->ops->recv(s, &h.m);
	if (n >= 0) {
		err = put_header(s, &h, user);
		if (err)
			n = err;
	}
	if (h.m.rights)
		rights_free(h.m.rights);
	header_put(&h);
	return n;
}

SYSCALL3(sendmsg, s32, fd, const struct user_msghdr __user *, user, u32, flags)
{
	struct socket *s;
	struct file *f = begin_headers(fd, &s, &flags);
	size_t left;
	long n;

	if (IS_ERR(f))
		return PTR_ERR(f);
	n = send_header(s, user, flags, &left);
	file_put(f);
	return n;
}

SYSCALL3(recvmsg, s32, fd, struct user_msghdr __user *, user, u32, flags)
{
	struct socket *s;
	struct file *f = begin_headers(fd, &s, &flags);
	long n;

	if (IS_ERR(f))
		return PTR_ERR(f);
	n = recv_header(s, user, flags);
	file_put(f);
	return n;
}

/* ---- many messages in one call ---- */

SYSCALL4(sendmmsg, s32, fd, struct user_mmsghdr __user *, user, u32, count, u32, flags)
{
	struct socket *s;
	struct file *f = begin_headers(fd, &s, &flags);
	size_t left = 0;
	long n = 0;
	u32 done = 0;

	if (IS_ERR(f))
		return PTR_ERR(f);
	count = min(count, (u32)BATCH_MAX);
	/* What follows a message that went in part would be taken for the rest of that. */
	while (done < count && !left) {
		n = send_header(s, &user[done].hdr, flags, &left);
		if (n >= 0)
			n = put_user((u32)n, &user[done].len);
		if (n < 0)
			break;
		done++;
	}
	file_put(f);
	return done ? (long)done : n;
}

static long recv_many(struct socket *s, struct user_mmsghdr __user *user, u32 count, u32 flags,
		      u64 deadline)
{
	long n = flags & MSG_ERRQUEUE ? 0 : sock_take_error(s);
	u32 done;

	for (done = 0; !n && done < count; done++) {
		n = recv_header(s, &user[done].hdr, flags & ~MSG_WAITFORONE);
		if (n >= 0)
			n = put_user((u32)n, &user[done].len);
		if (n < 0)
			break;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (clock_ns() >= deadline) {
			done++;
			break;
		}
	}
	/* The next call is told of an error that came after some. */
	if (done && n < 0 && n != -EAGAIN && n != -EINTR && n != -ERESTARTSYS)
		sock_set_error(s, (s32)-n);
	return done ? (long)done : n;
}

SYSCALL5(recvmmsg, s32, fd, struct user_mmsghdr __user *, user, u32, count, u32, flags,
	 struct timespec __user *, timeout)
{
	u64 deadline = WAIT_FOREVER, ns, now;
	struct socket *s;
	struct file *f;
	long n;

	if (timeout) {
		n = timespec_get(&ns, timeout);
		if (n)
			return n;
		now = clock_ns();
		deadline = ns > WAIT_FOREVER - now ? WAIT_FOREVER : now + ns;
	}
	f = begin_headers(fd, &s, &flags);
	if (IS_ERR(f))
		return PTR_ERR(f);
	n = recv_many(s, user, min(count, (u32)BATCH_MAX), flags, deadline);
	file_put(f);
	now = clock_ns();
	if (n > 0 && timeout && timespec_put(timeout, deadline > now ? deadline - now : 0))
		return -EFAULT;
	return n;
}
