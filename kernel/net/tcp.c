/*
 * TCP over loopback, as far as programs can tell: a connected pair is two queues, and segments,
 * windows and timers are not there. What they would have brought about is:
 *
 *	connect		finds the listener at once, and is established where its backlog has room; else it
 *			waits there (SS_CONNECTING) until the listener has accepted one more. A call that
 *			does not wait answers EINPROGRESS all the same, and poll tells how it went.
 *	end (FIN)	shutdown, or close with everything read: the other end reads what is left and
 *			then the end, and may go on sending; what it sends to a closed socket resets it.
 *	reset (RST)	close with data unread, or with a linger time of 0: the other end keeps what it
 *			has received, then fails with ECONNRESET.
 *
 * A listener's backlog holds the far ends of connections. The first `backlog` + 1 are established.
 */
#include "kernel/fs/poll.h"
#include "kernel/net/inet.h"
#include "kernel/task.h"

#define GROWN_SEND_BUF 262144 /* of a connection, unless the program has set another */

/* ---- what the other end hears ---- */

/* Both directions have ended: nothing of the connection is left. */
static void close_if_over_locked(struct socket *s) __must_hold(&s->lock)
{
	if (!s->got_end || !s->in.fin_sent)
		return;
	s->state = SS_CLOSED;
	s->shut = SHUT_BOTH;
}

static void receive_end(struct socket *s)
{
	spin_lock(&s->lock);
	if (s->state == SS_CONNECTED) {
		s->got_end = true;
		s->shut |= SHUT_RECV;
		close_if_over_locked(s);
	}
	spin_unlock(&s->lock);
	sock_wake(s);
}

static void receive_reset(struct socket *s)
{
	int err = 0;

	spin_lock(&s->lock);
	if (s->state == SS_CONNECTING) {
		err = ECONNREFUSED;
		s->in.failed = true;
		s->state = SS_UNCONNECTED;
	} else if (s->state == SS_CONNECTED) {
		err = s->got_end ? EPIPE : ECONNRESET;
		s->state = SS_CLOSED;
	}
	if (err) {
		s->shut = SHUT_BOTH;
		sock_set_error(s, err);
	}
	spin_unlock(&s->lock);
	sock_wake(s);
}

static void establish(struct socket *s)
{
	spin_lock(&s->lock);
	if (s->state == SS_CONNECTING)
		s->state = SS_CONNECTED;
	spin_unlock(&s->lock);
	sock_wake(s);
}

/* ---- connecting ---- */

/* Connects the far end `conn` to s, before anybody knows it. */
static void make_pair(struct socket *s, struct socket *conn, const struct inet_addr *to)
{
	struct inet_addr local, remote, source = inet_source_for(to);

	port_connect(s, &source, to);
	port_names(s, &local, &remote);
	port_share(conn, to, &local);
	conn->state = SS_CONNECTED;
	conn->in.told = true;
	conn->peer = sock_get(s);
	for (struct socket *end = s; end; end = end == s ? conn : NULL)
		if (!end->options.send_buf_set)
			end->send_buf = GROWN_SEND_BUF;
	s->peer_buf = conn->recv_buf;
	conn->peer_buf = s->recv_buf;
}

/* Puts conn where l accepts from. 0: established; 1: it has to wait there; or -ECONNREFUSED. */
static int enqueue(struct socket *l, struct socket *conn)
{
	int ret = -ECONNREFUSED;

	spin_lock(&l->lock);
	if (l->state == SS_LISTENING && !l->dead) {
		ret = l->nr_pending > l->backlog;
		list_add_tail(&l->pending, &conn->pending_link);
		WRITE_ONCE(l->nr_pending, l->nr_pending + 1);
	}
	spin_unlock(&l->lock);
	if (ret >= 0)
		sock_wake_read(l);
	return ret;
}

static void forget(struct socket *s, struct socket *conn)
{
	spin_lock(&s->lock);
	s->peer = NULL;
	spin_unlock(&s->lock);
	port_unbind(conn);
	conn->peer = NULL;
	sock_put(s);
	sock_put(conn); /* s's */
	sock_put(conn);
}

/* Connects s, which is SS_CONNECTING by now, to a listener: as enqueue(). */
static int connect_to(struct socket *s, const struct inet_addr *to)
{
	struct inet_addr from, none;
	struct socket *l, *conn;
	int ret = port_bind_any(s);

	if (ret)
		return ret;
	port_names(s, &from, &none);
	l = port_find(SOCK_STREAM, to, &from);
	if (!l)
		return -ECONNREFUSED;
	conn = sock_create_like(l);
	ret = conn ? 0 : -ENOBUFS;
	if (conn) {
		make_pair(s, conn, to);
		spin_lock(&s->lock);
		s->peer = sock_get(conn);
		spin_unlock(&s->lock);
		ret = enqueue(l, conn);
		if (ret < 0)
			forget(s, conn);
		else if (!ret)
			establish(s);
	}
	sock_put(l);
	return ret;
}

/* Takes s for a new connection. 1: it is about one, or has one that connect(2) has yet to tell. */
static int claim(struct socket *s)
{
	int ret = 0;

	spin_lock(&s->lock);
	if (s->state == SS_CONNECTING)
		ret = 1;
	else if (s->state != SS_UNCONNECTED)
		ret = s->in.told || s->state == SS_LISTENING ? -EISCONN : 1;
	else if (s->in.failed)
		ret = 1;
	else
		s->state = SS_CONNECTING;
	spin_unlock(&s->lock);
	return ret;
}

/* How connecting went; the program is told, so that it is not again. */
static int tell(struct socket *s)
{
	int err = 0;

	spin_lock(&s->lock);
	if (s->in.failed) {
		err = sock_take_error(s);
		err = err ? err : -ECONNABORTED;
		s->in.failed = false;
		s->shut = 0;
	} else {
		s->in.told = true;
	}
	spin_unlock(&s->lock);
	return err;
}

static int await(struct socket *s)
{
	u64 deadline = sock_deadline(s->options.send_timeout);
	long err = sock_wait(&s->write_wait, deadline, READ_ONCE(s->state) != SS_CONNECTING);

	if (err)
		return err == -EAGAIN ? -EINPROGRESS : (int)err;
	return tell(s);
}

/* connect(2) to "no family": the connection is no more, the socket may be used again. */
static int disconnect(struct socket *s)
{
	struct list_head packets;
	struct socket *peer;

	spin_lock(&s->lock);
	if (s->state == SS_LISTENING) {
		spin_unlock(&s->lock);
		return -EINVAL;
	}
	packet_queue_take(&s->received, &packets);
	peer = s->peer;
	s->peer = NULL;
	s->state = SS_UNCONNECTED;
	s->shut = 0;
	s->got_end = s->in.fin_sent = s->in.told = s->in.failed = false;
	sock_set_error(s, 0);
	spin_unlock(&s->lock);
	port_connect(s, &s->in.local, NULL);
	sock_wake(s);
	if (peer) {
		receive_reset(peer);
		sock_put(peer);
	}
	packets_free(&packets);
	return 0;
}

static int tcp_connect(struct socket *s, const struct sock_addr *a, bool dontwait)
{
	struct inet_addr to;
	int ret;

	if (a->len >= sizeof(u16) && a->family == AF_UNSPEC)
		return disconnect(s);
	ret = claim(s);
	if (ret < 0)
		return ret;
	if (ret) {
		if (dontwait && READ_ONCE(s->state) == SS_CONNECTING)
			return -EALREADY;
		return await(s);
	}
	ret = inet_destination(s, a, &to);
	if (!ret)
		ret = connect_to(s, &to);
	if (ret == -ECONNREFUSED && dontwait) {
		receive_reset(s);
		return -EINPROGRESS;
	}
	if (ret < 0) {
		WRITE_ONCE(s->state, SS_UNCONNECTED);
		sock_wake(s);
		return ret;
	}
	return dontwait ? -EINPROGRESS : await(s);
}

/* ---- listening ---- */

static int tcp_listen(struct socket *s, u32 backlog)
{
	int err = port_bind_any(s);

	if (!err)
		err = port_may_listen(s);
	if (err)
		return err == -EADDRNOTAVAIL ? -EADDRINUSE : err;
	spin_lock(&s->lock);
	if (s->state != SS_UNCONNECTED && s->state != SS_LISTENING) {
		err = -EINVAL;
	} else {
		s->state = SS_LISTENING;
		s->backlog = backlog;
	}
	spin_unlock(&s->lock);
	return err;
}

/* The far end that has come to be the last of those established; referenced. NULL: there are fewer. */
static struct socket *newly_established(struct socket *l)
{
	struct socket *conn, *found = NULL;
	u32 n = 0;

	spin_lock(&l->lock);
	if (l->nr_pending > l->backlog)
		list_for_each (conn, &l->pending, pending_link)
			if (n++ == l->backlog)
				found = sock_get(conn);
	spin_unlock(&l->lock);
	return found;
}

static int tcp_accept(struct socket *l, bool dontwait, struct socket **conn)
{
	int err = stream_accept(l, dontwait, conn);
	struct socket *next = err ? NULL : newly_established(l);

	struct socket *client = next ? sock_get_peer(next) : NULL;

	if (client) {
		establish(client);
		sock_put(client);
	}
	if (next)
		sock_put(next);
	return err;
}

/* ---- sending and receiving ---- */

static int tcp_deliver(struct socket *s, struct packet *p)
{
	struct socket *peer = sock_get_peer(s);
	bool taken = peer && sock_receive(peer, p);

	if (peer)
		sock_put(peer);
	if (!taken) {
		/* It went, and what came back was a reset. */
		packet_free(p);
		receive_reset(s);
	}
	return 0;
}

static ssize_t tcp_send(struct socket *s, struct message *m)
{
	u32 state = READ_ONCE(s->state);
	int err = sock_take_error(s);

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (err)
		return err == -EPIPE ? sock_broken(m) : err;
	if (state == SS_UNCONNECTED || state == SS_LISTENING)
		return sock_broken(m);
	return stream_send(s, m);
}

static ssize_t tcp_recv(struct socket *s, struct message *m)
{
	u32 state = READ_ONCE(s->state);
	int err;

	if (state == SS_LISTENING)
		return -ENOTCONN;
	if (state != SS_UNCONNECTED)
		return stream_recv(s, m);
	err = sock_take_error(s);
	if (err)
		return err;
	return READ_ONCE(s->shut) & SHUT_RECV ? 0 : -ENOTCONN;
}

/* ---- ends ---- */

static void release_pending(struct list_head *pending)
{
	while (!list_empty(pending)) {
		struct socket *conn = list_first(pending, struct socket, pending_link);

		list_del(&conn->pending_link);
		tcp_ops.release(conn, true);
		sock_put(conn);
	}
}

static void stop_listening(struct socket *s)
{
	struct list_head pending;

	list_init(&pending);
	spin_lock(&s->lock);
	list_splice_tail(&pending, &s->pending);
	s->nr_pending = 0;
	s->state = SS_UNCONNECTED;
	spin_unlock(&s->lock);
	sock_wake(s);
	release_pending(&pending);
}

static int tcp_shutdown(struct socket *s, u32 shut)
{
	struct socket *peer = NULL;
	int err = 0;

	if (READ_ONCE(s->state) == SS_LISTENING) {
		if (shut & SHUT_RECV)
			stop_listening(s);
		return 0;
	}
	spin_lock(&s->lock);
	if (s->state != SS_CONNECTED) {
		err = -ENOTCONN;
	} else {
		s->shut |= shut;
		if ((shut & SHUT_SEND) && !s->in.fin_sent) {
			s->in.fin_sent = true;
			peer = sock_get(s->peer);
		}
		close_if_over_locked(s);
	}
	spin_unlock(&s->lock);
	sock_wake(s);
	if (peer) {
		receive_end(peer);
		sock_put(peer);
	}
	return err;
}

static void tcp_release(struct socket *s, bool embryo)
{
	struct list_head packets;
	struct socket *peer;
	bool reset, over;

	/* One that found no descriptor may have been put back after the listening ended. */
	if (READ_ONCE(s->state) == SS_LISTENING || READ_ONCE(s->nr_pending))
		stop_listening(s);
	port_unbind(s);
	spin_lock(&s->lock);
	reset = embryo || s->received.count || (s->options.linger.on && !s->options.linger.seconds);
	over = s->state == SS_CLOSED; /* the peer may be connected anew by now */
	s->dead = true;
	s->file = NULL;
	s->shut = SHUT_BOTH;
	s->state = SS_CLOSED;
	packet_queue_take(&s->received, &packets);
	peer = s->peer;
	s->peer = NULL;
	spin_unlock(&s->lock);
	if (peer) {
		if (reset && !over)
			receive_reset(peer);
		else if (!over)
			receive_end(peer);
		sock_put(peer);
	}
	packets_free(&packets);
}

enum tcp_state tcp_state(const struct socket *s)
{
	switch (READ_ONCE(s->state)) {
	case SS_LISTENING:
		return TCP_LISTEN;
	case SS_CONNECTING:
		return TCP_SYN_SENT;
	case SS_CONNECTED:
		if (s->got_end)
			return TCP_CLOSE_WAIT;
		return s->in.fin_sent ? TCP_FIN_WAIT2 : TCP_ESTABLISHED;
	default:
		return TCP_CLOSE;
	}
}

static u32 tcp_poll(struct socket *s)
{
	u32 ready = 0, shut = READ_ONCE(s->shut), state = READ_ONCE(s->state);

	if (state == SS_LISTENING)
		return READ_ONCE(s->nr_pending) ? POLLIN | POLLRDNORM : 0;
	if (atomic_load(&s->error))
		ready |= POLLERR;
	if (shut == SHUT_BOTH || state == SS_UNCONNECTED || state == SS_CLOSED)
		ready |= POLLHUP;
	if (shut & SHUT_RECV)
		ready |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (state == SS_CONNECTING)
		return ready;
	if (READ_ONCE(s->received.bytes) >= READ_ONCE(s->options.recv_low))
		ready |= POLLIN | POLLRDNORM;
	if (sock_writable(s) || (shut & SHUT_SEND))
		ready |= POLLOUT | POLLWRNORM;
	return ready;
}

const struct sock_ops tcp_ops = {
    .proto = "TCP",
    .bind = inet_bind,
    .connect = tcp_connect,
    .listen = tcp_listen,
    .accept = tcp_accept,
    .name = inet_get_name,
    .send = tcp_send,
    .recv = tcp_recv,
    .deliver = tcp_deliver,
    .shutdown = tcp_shutdown,
    .poll = tcp_poll,
    .set_option = inet_set_option,
    .get_option = inet_get_option,
    .ioctl = inet_ioctl,
    .release = tcp_release,
};
