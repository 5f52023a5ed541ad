/* setsockopt(2) and getsockopt(2), and the level SOL_SOCKET, which all sockets have. */
#include "arch/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/net/calls.h"
#include "kernel/net/unix.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "kernel/timer.h"

#define BUF_MAX	     212992 /* as Linux's wmem_max and rmem_max: what a program may ask for */
#define SEND_BUF_MIN 4608
#define RECV_BUF_MIN 2304

/* ---- set ---- */

static int set_buffer(struct socket *s, bool send, s32 asked, bool force)
{
	u32 *to = send ? &s->send_buf : &s->recv_buf;
	u32 least = send ? SEND_BUF_MIN : RECV_BUF_MIN, n = (u32)asked;

	if (force && current->cred.euid != 0)
		return -EPERM;
	if (force)
		n = asked < 0 ? 0 : min(n, (u32)INT32_MAX / 2);
	else
		n = min(n, (u32)BUF_MAX);
	/* Twice that, for what is beside the data. */
	WRITE_ONCE(*to, max(2 * n, least));
	if (send)
		s->options.send_buf_set = true;
	sock_wake_write(s);
	return 0;
}

static int set_timeout(u64 *to, const struct option *o)
{
	s64 sec = o->pair[0], usec = o->pair[1];

	if (o->len < sizeof(o->pair))
		return -EINVAL;
	if (usec < 0 || usec >= 1000000)
		return -EDOM;
	if (sec < 0)
		*to = 1; /* already over */
	else if (sec >= (s64)(INT64_MAX / NSEC_PER_SEC))
		*to = 0;
	else
		*to = (u64)sec * NSEC_PER_SEC + (u64)usec * 1000;
	return 0;
}

static int set_linger(struct socket *s, const struct option *o)
{
	if (o->len < sizeof(o->linger))
		return -EINVAL;
	s->options.linger.on = !!o->linger.on;
	if (o->linger.on)
		s->options.linger.seconds = o->linger.seconds;
	return 0;
}

/* The options that are a yes or no, and NULL for others. */
static bool *option_flag(struct socket *s, int name)
{
	struct sock_options *o = &s->options;

	switch (name) {
	case SO_DEBUG:
		return &o->debug;
	case SO_REUSEADDR:
		return &o->reuse_addr;
	case SO_REUSEPORT:
		return &o->reuse_port;
	case SO_DONTROUTE:
		return &o->dont_route;
	case SO_BROADCAST:
		return &o->broadcast;
	case SO_KEEPALIVE:
		return &o->keep_alive;
	case SO_OOBINLINE:
		return &o->oob_inline;
	case SO_PASSCRED:
		return &o->pass_cred;
	default:
		return NULL;
	}
}

static int set_flag(int name, bool *flag, bool on)
{
	if (name == SO_DEBUG && on && current->cred.euid != 0)
		return -EACCES;
	*flag = on;
	return 0;
}

static int set_common(struct socket *s, int name, const struct option *o)
{
	bool *flag = option_flag(s, name);

	if (o->len < sizeof(o->number))
		return -EINVAL;
	if (flag)
		return set_flag(name, flag, o->number != 0);
	switch (name) {
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		return set_buffer(s, true, o->number, name == SO_SNDBUFFORCE);
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		return set_buffer(s, false, o->number, name == SO_RCVBUFFORCE);
	case SO_LINGER:
		return set_linger(s, o);
	case SO_RCVTIMEO:
		return set_timeout(&s->options.recv_timeout, o);
	case SO_SNDTIMEO:
		return set_timeout(&s->options.send_timeout, o);
	case SO_RCVLOWAT:
		s->options.recv_low = o->number < 0 ? INT32_MAX : o->number ? (u32)o->number : 1;
		return 0;
	case SO_PRIORITY:
		if ((o->number < 0 || o->number > 6) && current->cred.euid != 0)
			return -EPERM;
		s->options.priority = (u32)o->number;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

SYSCALL5(setsockopt, s32, fd, s32, level, s32, name, const void __user *, user, s32, len)
{
	struct option o = {.len = 0};
	struct socket *s;
	struct file *f = sock_fd_get(fd, &s);
	long err;

	if (IS_ERR(f))
		return PTR_ERR(f);
	o.len = min((u32)len, (u32)sizeof(o.bytes));
	if (len < 0)
		err = -EINVAL;
	else if (level != SOL_SOCKET && !s->ops->set_option)
		err = -EOPNOTSUPP;
	else if (copy_from_user(o.bytes, user, o.len))
		err = -EFAULT;
	else if (level == SOL_SOCKET)
		err = set_common(s, name, &o);
	else
		err = s->ops->set_option(s, level, name, &o);
	file_put(f);
	return err;
}

/* ---- get ---- */

static int get_timeout(struct option *o, u64 ns)
{
	o->len = sizeof(o->pair);
	o->pair[0] = (s64)(ns / NSEC_PER_SEC);
	o->pair[1] = (s64)(ns % NSEC_PER_SEC / 1000);
	return 0;
}

static int get_peer_name(struct socket *s, struct option *o)
{
	struct sock_addr a;
	int err = s->ops->name(s, &a, true);

	if (err)
		return err;
	o->len = min(a.len, (u32)sizeof(o->bytes));
	memcpy(o->bytes, a.bytes, o->len);
	return 0;
}

static void get_peer_cred(struct socket *s, struct option *o)
{
	o->len = sizeof(o->cred);
	o->cred = (struct ucred){0, ~0u, ~0u};
	if (s->family != AF_UNIX)
		return;
	spin_lock(&s->lock);
	o->cred = s->peer_cred;
	spin_unlock(&s->lock);
}

/* What is not a number. -ENOPROTOOPT: it is none of these. */
static int get_structure(struct socket *s, int name, struct option *o)
{
	switch (name) {
	case SO_LINGER:
		o->len = sizeof(o->linger);
		o->linger = s->options.linger;
		return 0;
	case SO_RCVTIMEO:
		return get_timeout(o, s->options.recv_timeout);
	case SO_SNDTIMEO:
		return get_timeout(o, s->options.send_timeout);
	case SO_PEERCRED:
		get_peer_cred(s, o);
		return 0;
	case SO_PEERNAME:
		return get_peer_name(s, o);
	default:
		return -ENOPROTOOPT;
	}
}

static int get_common(struct socket *s, int name, struct option *o)
{
	const bool *flag = option_flag(s, name);

	if (flag)
		return option_number(o, *flag);
	switch (name) {
	case SO_TYPE:
		return option_number(o, s->type);
	case SO_DOMAIN:
		return option_number(o, s->family);
	case SO_PROTOCOL:
		return option_number(o, (s32)s->protocol);
	case SO_ERROR:
		return option_number(o, -sock_take_error(s));
	case SO_ACCEPTCONN:
		return option_number(o, READ_ONCE(s->state) == SS_LISTENING);
	case SO_SNDBUF:
		return option_number(o, (s32)s->send_buf);
	case SO_RCVBUF:
		return option_number(o, (s32)s->recv_buf);
	case SO_RCVLOWAT:
		return option_number(o, (s32)s->options.recv_low);
	case SO_SNDLOWAT:
		return option_number(o, 1);
	case SO_PRIORITY:
		return option_number(o, (s32)s->options.priority);
	default:
		return get_structure(s, name, o);
	}
}

static long get_option(struct socket *s, int level, int name, struct option *o)
{
	if (level == SOL_SOCKET)
		return get_common(s, name, o);
	return s->ops->get_option ? s->ops->get_option(s, level, name, o) : -EOPNOTSUPP;
}

SYSCALL5(getsockopt, s32, fd, s32, level, s32, name, void __user *, user, s32 __user *, user_len)
{
	struct option o;
	struct socket *s;
	struct file *f = sock_fd_get(fd, &s);
	long err;
	s32 len;

	if (IS_ERR(f))
		return PTR_ERR(f);
	memset(&o, 0, sizeof(o));
	if (level != SOL_SOCKET && !s->ops->get_option)
		err = -EOPNOTSUPP;
	else if (get_user(len, user_len))
		err = -EFAULT;
	else if (len < 0)
		err = -EINVAL;
	else
		err = get_option(s, level, name, &o);
	file_put(f);
	if (err)
		return err;
	len = min(len, (s32)o.len);
	if (copy_to_user(user, o.bytes, (u32)len))
		return -EFAULT;
	return put_user(len, user_len);
}
