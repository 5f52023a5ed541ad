/*
 * AF_UNIX datagrams, and sequenced packets: a datagram's boundaries over a stream's connection.
 *
 * A datagram socket may name a default receiver (`peer`), which may in turn have another, or none. A
 * receiver that has one itself takes datagrams from nobody else. It is full with more than UNIX_DGRAM_MAX
 * datagrams for those that it is not connected to: they wait in its room_wait.
 */
#include "kernel/fs/poll.h"
#include "kernel/net/control.h"
#include "kernel/net/unix.h"

/* ---- the default receiver ---- */

/* Replaces the default receiver, whose reference it takes; where `only` is not NULL, only that one. */
static void set_peer(struct socket *s, struct socket *peer, const struct socket *only)
{
	struct socket *old;
	bool was_full;

	if (peer)
		atomic_inc(&peer->un.senders);
	spin_lock(&s->lock);
	old = s->peer;
	if (only && old != only) {
		old = peer;
	} else {
		s->peer = peer;
		s->state = peer ? SS_CONNECTED : SS_UNCONNECTED;
	}
	was_full = s->received.count > UNIX_DGRAM_MAX;
	spin_unlock(&s->lock);
	sock_wake_write(s);
	if (was_full)
		unix_room(s); /* to its new default receiver it is not */
	if (old) {
		atomic_dec(&old->un.senders);
		sock_put(old);
	}
}

/* True where `to` takes datagrams of s. */
static bool may_send_locked(const struct socket *s, const struct socket *to) __must_hold(&to->lock)
{
	return !to->peer || to->peer == s;
}

static int dgram_connect(struct socket *s, const struct sock_addr *a, bool dontwait)
{
	struct socket *to;
	bool may;

	(void)dontwait;
	if (a->len >= sizeof(u16) && a->family == AF_UNSPEC) {
		set_peer(s, NULL, NULL);
		return 0;
	}
	if (unix_check_addr(a))
		return -EINVAL;
	to = unix_find(a, s->type);
	if (IS_ERR(to))
		return (int)PTR_ERR(to);
	spin_lock(&to->lock);
	may = may_send_locked(s, to);
	spin_unlock(&to->lock);
	if (!may) {
		sock_put(to);
		return -EPERM;
	}
	set_peer(s, to, NULL);
	return 0;
}

/* ---- sending ---- */

static bool is_full(const struct socket *s, const struct socket *to)
{
	return READ_ONCE(to->received.count) > UNIX_DGRAM_MAX && READ_ONCE(to->peer) != s;
}

void unix_room(struct socket *s)
{
	waitq_wake_all(&s->room_wait);
	sock_wake_senders(s);
}

/* One try to put p into the queue. 0, or an errno: p is still the caller's. */
static int try_put(struct socket *s, struct socket *to, struct packet *p)
{
	int err = 0;

	spin_lock(&to->lock);
	if (to->dead)
		err = s->type == SOCK_DGRAM ? -ECONNREFUSED : -EPIPE;
	else if (!may_send_locked(s, to))
		err = -EPERM;
	else if (to->shut & SHUT_RECV)
		err = -EPIPE;
	else if (s->type == SOCK_DGRAM && is_full(s, to))
		err = -EAGAIN;
	if (!err)
		packet_append(&to->received, p);
	spin_unlock(&to->lock);
	if (!err)
		sock_wake_read(to);
	return err;
}

static int put(struct socket *s, struct socket *to, struct packet *p, const struct message *m,
	       u64 deadline)
{
	for (;;) {
		int err = try_put(s, to, p);

		if (err == -ECONNREFUSED)
			set_peer(s, NULL, to);
		if (err != -EAGAIN || (m->flags & MSG_DONTWAIT))
			return err;
		err = (int)sock_wait(&to->room_wait, deadline,
				     !is_full(s, to) || READ_ONCE(to->dead) ||
					 (READ_ONCE(to->shut) & SHUT_RECV));
		if (err)
			return err;
	}
}

/* 0 where what s has sent leaves room for more; waits for it. */
static int wait_room(struct socket *s, const struct message *m, u64 deadline)
{
	int err = sock_take_error(s);

	while (!err && !(READ_ONCE(s->shut) & SHUT_SEND)) {
		if (sock_has_room(s))
			return 0;
		if (m->flags & MSG_DONTWAIT)
			return -EAGAIN;
		err = (int)sock_wait(&s->write_wait, deadline,
				     sock_has_room(s) || (READ_ONCE(s->shut) & SHUT_SEND));
	}
	return err ? err : -EPIPE;
}

static ssize_t send_to(struct socket *s, struct socket *to, struct message *m)
{
	u64 deadline = sock_deadline(s->options.send_timeout);
	size_t len = m->it->left;
	struct packet *p;
	int err;

	if (len > READ_ONCE(s->send_buf) - 32)
		return -EMSGSIZE;
	err = wait_room(s, m, deadline);
	if (err)
		return err;
	p = packet_new(m->it, len);
	if (IS_ERR(p))
		return PTR_ERR(p);
	unix_add_cred(p, m, s, to);
	p->rights = m->rights;
	m->rights = NULL;
	p->name = unix_name_ref(unix_name_of(s));
	sock_charge(s, p);
	err = put(s, to, p, m, deadline);
	if (err)
		packet_free(p);
	return err ? err : (ssize_t)len;
}

static ssize_t dgram_send(struct socket *s, struct message *m)
{
	struct socket *to;
	ssize_t n;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->addr->len) {
		if (unix_check_addr(m->addr))
			return -EINVAL;
		to = unix_find(m->addr, s->type);
		if (IS_ERR(to))
			return PTR_ERR(to);
	} else {
		to = sock_get_peer(s);
		if (!to)
			return -ENOTCONN;
	}
	n = send_to(s, to, m);
	sock_put(to);
	return n;
}

static u32 dgram_poll(struct socket *s)
{
	u32 ready = unix_poll(s);
	struct socket *to = sock_get_peer(s);

	if (to && is_full(s, to))
		ready &= ~(POLLOUT | POLLWRNORM | POLLWRBAND);
	if (to)
		sock_put(to);
	return ready;
}

/* ---- sequenced packets ---- */

static ssize_t seqpacket_send(struct socket *s, struct message *m)
{
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (READ_ONCE(s->state) != SS_CONNECTED) {
		int err = sock_take_error(s);

		return err ? err : -ENOTCONN;
	}
	return send_to(s, READ_ONCE(s->peer), m);
}

static ssize_t seqpacket_recv(struct socket *s, struct message *m)
{
	return READ_ONCE(s->state) == SS_CONNECTED ? dgram_recv(s, m) : -ENOTCONN;
}

#define UNIX_OPS                                                                                  \
	.bind = unix_bind, .name = unix_get_name, .shutdown = unix_shutdown, .ioctl = unix_ioctl, \
	.release = unix_release

const struct sock_ops unix_dgram_ops = {
    UNIX_OPS,		.proto = "UNIX",    .connect = dgram_connect,
    .send = dgram_send, .recv = dgram_recv, .poll = dgram_poll,
};

const struct sock_ops unix_seqpacket_ops = {
    UNIX_OPS,
    .proto = "UNIX",
    .connect = unix_stream_connect,
    .listen = unix_listen,
    .accept = stream_accept,
    .send = seqpacket_send,
    .recv = seqpacket_recv,
    .poll = unix_poll,
};
