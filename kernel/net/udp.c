/*
 * UDP over loopback. A datagram is in its receiver's queue when the call returns, or is lost: where
 * the receiver's buffer is full, or nobody has the port. The latter a connected sender is told
 * of by its next call: ECONNREFUSED.
 */
#include "kernel/fs/poll.h"
#include "kernel/net/inet.h"

#define MAX_V4 65507 /* the length fields say no more */
#define MAX_V6 65527

/* s talks to `to`, or (NULL) to nobody, and comes from `source`. Both at once, beside other threads' calls. */
static void set_remote(struct socket *s, const struct inet_addr *source, const struct inet_addr *to)
{
	rwsem_write_lock(&s->read_lock);
	port_connect(s, source, to);
	spin_lock(&s->lock);
	s->state = to ? SS_CONNECTED : SS_UNCONNECTED;
	spin_unlock(&s->lock);
	rwsem_write_unlock(&s->read_lock);
}

static int udp_connect(struct socket *s, const struct sock_addr *a, bool dontwait)
{
	struct inet_addr to, source;
	int err;

	(void)dontwait;
	if (a->len >= sizeof(u16) && a->family == AF_UNSPEC) {
		source = s->family == AF_INET ? inet_v4(0, 0, 0, 0) : (struct inet_addr){.port = 0};
		set_remote(s, &source, NULL);
		return 0;
	}
	err = inet_destination(s, a, &to);
	if (!err)
		err = port_bind_any(s);
	if (err)
		return err;
	source = inet_source_for(&to);
	set_remote(s, &source, &to);
	return 0;
}

/* ---- sending ---- */

/* Where a message goes: what it says, or whom s is connected to. */
static int find_destination(struct socket *s, const struct message *m, struct inet_addr *to)
{
	struct inet_addr local;
	int err;

	if (m->addr->len) {
		err = inet_destination(s, m->addr, to);
		return err || to->port ? err : -EINVAL;
	}
	if (READ_ONCE(s->state) != SS_CONNECTED)
		return -EDESTADDRREQ;
	port_names(s, &local, to);
	return 0;
}

/* Nobody has the port `to`: s is told where that is whom it is connected to. */
static void refuse(struct socket *s, const struct inet_addr *to)
{
	struct inet_addr local, remote;

	port_names(s, &local, &remote);
	if (READ_ONCE(s->state) != SS_CONNECTED || remote.port != to->port ||
	    !inet_same_ip(&remote, to))
		return;
	sock_set_error(s, ECONNREFUSED);
	sock_wake(s);
}

/* Puts p into the queue of s, where its buffer has room. */
static bool receive(struct socket *s, struct packet *p)
{
	bool takes;

	spin_lock(&s->lock);
	takes = !s->dead && s->received.charge + p->charge <= READ_ONCE(s->recv_buf);
	if (takes)
		packet_append(&s->received, p);
	spin_unlock(&s->lock);
	if (takes)
		sock_wake_read(s);
	return takes;
}

/* Puts p where it goes. False: it is lost, and still the caller's. */
static bool deliver(struct socket *s, struct packet *p, const struct inet_addr *to)
{
	struct socket *receiver = port_find(SOCK_DGRAM, to, &p->from);
	bool taken;

	if (!receiver) {
		refuse(s, to);
		return false;
	}
	taken = receive(receiver, p);
	sock_put(receiver);
	return taken;
}

static ssize_t udp_send(struct socket *s, struct message *m)
{
	size_t len = m->it->left;
	struct inet_addr to, none;
	struct packet *p;
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (len > 65535)
		return -EMSGSIZE;
	err = find_destination(s, m, &to);
	if (!err && len > (inet_is_v4(&to) ? MAX_V4 : MAX_V6))
		err = -EMSGSIZE;
	if (!err)
		err = port_bind_any(s);
	if (!err)
		err = sock_take_error(s);
	if (!err && (READ_ONCE(s->shut) & SHUT_SEND))
		err = -EPIPE;
	if (err)
		return err;
	p = packet_new(m->it, len);
	if (IS_ERR(p))
		return PTR_ERR(p);
	port_names(s, &p->from, &none);
	if (inet_is_any(&p->from)) {
		none = inet_source_for(&to);
		memcpy(p->from.ip, none.ip, sizeof(none.ip));
	}
	if (!deliver(s, p, &to))
		packet_free(p);
	return (ssize_t)len;
}

/* ---- the rest ---- */

static ssize_t udp_recv(struct socket *s, struct message *m)
{
	if (m->flags & MSG_ERRQUEUE)
		return -EAGAIN; /* there never is anything */
	return dgram_recv(s, m);
}

static int udp_shutdown(struct socket *s, u32 shut)
{
	spin_lock(&s->lock);
	s->shut |= shut;
	spin_unlock(&s->lock);
	sock_wake(s);
	return READ_ONCE(s->state) == SS_CONNECTED ? 0 : -ENOTCONN;
}

static u32 udp_poll(struct socket *s)
{
	u32 ready = POLLOUT | POLLWRNORM | POLLWRBAND, shut = READ_ONCE(s->shut);

	if (atomic_load(&s->error))
		ready |= POLLERR;
	if (shut == SHUT_BOTH)
		ready |= POLLHUP;
	if (shut & SHUT_RECV)
		ready |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (READ_ONCE(s->received.count))
		ready |= POLLIN | POLLRDNORM;
	return ready;
}

static void udp_release(struct socket *s, bool embryo)
{
	struct list_head packets;

	(void)embryo;
	port_unbind(s);
	spin_lock(&s->lock);
	s->dead = true;
	s->file = NULL;
	packet_queue_take(&s->received, &packets);
	spin_unlock(&s->lock);
	packets_free(&packets);
}

const struct sock_ops udp_ops = {
    .proto = "UDP",
    .bind = inet_bind,
    .connect = udp_connect,
    .name = inet_get_name,
    .send = udp_send,
    .recv = udp_recv,
    .shutdown = udp_shutdown,
    .poll = udp_poll,
    .set_option = inet_set_option,
    .get_option = inet_get_option,
    .ioctl = inet_ioctl,
    .release = udp_release,
};
