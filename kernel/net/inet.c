/* AF_INET and AF_INET6: addresses, and what both protocols do. */
#include "kernel/net/inet.h"

#include "arch/uaccess.h"
#include "kernel/task.h"

#define FIRST_FREE_PORT 1024 /* below it are root's */
#define TCP_SEND_BUF	16384
#define TCP_RECV_BUF	131072

int inet_choose(int type, int *protocol, const struct sock_ops **ops)
{
	int own = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;

	if (*protocol < 0 || *protocol >= 256)
		return -EINVAL;
	if (type == SOCK_RAW && *protocol)
		return current->cred.euid ? -EPERM : -EPROTONOSUPPORT;
	if (type != SOCK_STREAM && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (*protocol && *protocol != own)
		return -EPROTONOSUPPORT;
	*protocol = own;
	*ops = type == SOCK_STREAM ? &tcp_ops : &udp_ops;
	return 0;
}

void inet_setup(struct socket *s)
{
	spin_assume_held(&s->lock);
	list_init(&s->in.link);
	list_init(&s->in.waiting);
	if (s->family == AF_INET)
		s->in.local = s->in.remote = inet_v4(0, 0, 0, 0);
	if (s->type == SOCK_STREAM) {
		s->send_buf = TCP_SEND_BUF;
		s->recv_buf = TCP_RECV_BUF;
	}
	inet_default_options(s);
}

void inet_setup_like(struct socket *s, const struct socket *like)
    __no_lock_analysis /* what of `like` may change meanwhile is set anew */
{
	s->in = like->in;
	list_init(&s->in.link);
	list_init(&s->in.waiting);
	s->in.nr_waiting = 0;
}

/* ---- addresses ---- */

static u16 swap16(u16 n)
{
	return (u16)(n << 8 | n >> 8);
}

void inet_to_addr(const struct socket *s, const struct inet_addr *from, struct sock_addr *a)
{
	memset(a, 0, sizeof(*a));
	a->family = s->family;
	if (s->family == AF_INET) {
		a->len = sizeof(a->in);
		a->in.port = swap16(from->port);
		memcpy(a->in.addr, from->ip + 12, sizeof(a->in.addr));
	} else {
		a->len = sizeof(a->in6);
		a->in6.port = swap16(from->port);
		memcpy(a->in6.addr, from->ip, sizeof(a->in6.addr));
	}
}

#define IN6_LEN_OLD 24 /* without a scope */

int inet_from_addr(const struct socket *s, const struct sock_addr *a, struct inet_addr *to)
{
	if (a->len < sizeof(u16))
		return -EINVAL;
	/* A datagram socket of version 6 may be given an address of version 4. */
	if (s->family == AF_INET || (a->family == AF_INET && s->type == SOCK_DGRAM)) {
		if (a->len < sizeof(a->in))
			return -EINVAL;
		if (a->family != AF_INET)
			return -EAFNOSUPPORT;
		*to = inet_v4(a->in.addr[0], a->in.addr[1], a->in.addr[2], a->in.addr[3]);
		to->port = swap16(a->in.port);
		return 0;
	}
	if (a->len < IN6_LEN_OLD)
		return -EINVAL;
	if (a->family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(to->ip, a->in6.addr, sizeof(to->ip));
	to->port = swap16(a->in6.port);
	return 0;
}

/* An address that was asked for does not change any more. */
static bool bound_to_v4(const struct socket *s) __no_lock_analysis
{
	return inet_is_v4(&s->in.local);
}

int inet_destination(const struct socket *s, const struct sock_addr *a, struct inet_addr *to)
{
	int err = inet_from_addr(s, a, to);

	if (err)
		return err;
	if (inet_is_any(to)) {
		u16 port = to->port;

		*to = inet_source_for(to);
		to->port = port;
	}
	if (!inet_is_loopback(to) || (inet_is_v4(to) && s->in.only_v6))
		return -ENETUNREACH;
	/* Nothing leads from the one version to the other. */
	if (s->in.bound_addr && bound_to_v4(s) != inet_is_v4(to))
		return -ENETUNREACH;
	return 0;
}

int inet_bind(struct socket *s, const struct sock_addr *a)
{
	struct inet_addr at;
	int err;

	/* "No family" and no address has always been let pass. */
	if (s->family == AF_INET && a->len >= sizeof(a->in) && a->family == AF_UNSPEC) {
		struct sock_addr any = *a;

		any.family = AF_INET;
		err = inet_from_addr(s, &any, &at);
		if (!err && !inet_is_any(&at))
			err = -EAFNOSUPPORT;
	} else if (s->family == AF_INET6 && a->family != AF_INET6) {
		err = a->len >= IN6_LEN_OLD ? -EAFNOSUPPORT : -EINVAL;
	} else {
		err = inet_from_addr(s, a, &at);
	}
	if (err)
		return err;
	if (s->in.only_v6 && inet_is_v4(&at))
		return -EINVAL;
	if (!inet_is_any(&at) && !inet_is_loopback(&at))
		return -EADDRNOTAVAIL;
	if (at.port && at.port < FIRST_FREE_PORT && current->cred.euid != 0)
		return -EACCES;
	return port_bind(s, &at);
}

int inet_get_name(struct socket *s, struct sock_addr *a, bool peer)
{
	struct inet_addr local, remote;

	port_names(s, &local, &remote);
	if (peer && (!remote.port || READ_ONCE(s->state) != SS_CONNECTED))
		return -ENOTCONN;
	inet_to_addr(s, peer ? &remote : &local, a);
	return 0;
}

long inet_ioctl(struct socket *s, u32 cmd, u64 arg)
{
	s32 __user *user = (s32 __user *)arg;

	if (cmd != FIONREAD && cmd != SIOCOUTQ && cmd != SIOCATMARK)
		return netdev_ioctl(cmd, arg);
	if (READ_ONCE(s->state) == SS_LISTENING)
		return -EINVAL;
	if (cmd == FIONREAD)
		return put_user((s32)sock_next_bytes(s), user);
	if (cmd == SIOCATMARK && s->type != SOCK_STREAM)
		return -ENOTTY;
	return put_user(0, user); /* all that was sent has arrived; there is no urgent data */
}
