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
 * What an end does to the other is done only where that one has it for its peer still, under its lock: a
 * socket may be disconnected, and connected anew, while the far end of the first connection lives on.
 * read_lock keeps connect(2)'s calls apart, those that end a connection too.
 *
 * tcp_listen.c has the listeners.
 */
#include "kernel/fs/poll.h"
#include "kernel/net/inet.h"
#include "kernel/net/tcp.h"
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

static void receive_end(struct socket *s, const struct socket *from)
{
	spin_lock(&s->lock);
	if (s->state == SS_CONNECTED && s->peer == from) {
		s->got_end = true;
		s->shut |= SHUT_RECV;
		close_if_over_locked(s);
	}
	spin_unlock(&s->lock);
	sock_wake(s);
}

/* Connecting has failed: connect(2) is told, or who asks before. */
static void fail_locked(struct socket *s) __must_hold(&s->lock)
{
	s->in.failed = true;
	s->state = SS_UNCONNECTED;
	s->shut = SHUT_BOTH;
	sock_set_error(s, ECONNREFUSED);
}

static void receive_reset(struct socket *s, const struct socket *from)
{
	struct socket *peer = NULL;

	spin_lock(&s->lock);
	if (s->peer == from && s->state == SS_CONNECTING) {
		peer = s->peer;
		s->peer = NULL;
		fail_locked(s);
	} else if (s->peer == from && s->state == SS_CONNECTED) {
		/* First: who sees the end, under no lock, finds why. */
		sock_set_error(s, s->got_end ? EPIPE : ECONNRESET);
		WRITE_ONCE(s->state, SS_CLOSED);
		WRITE_ONCE(s->shut, SHUT_BOTH);
	}
	spin_unlock(&s->lock);
	sock_wake(s);
	if (peer)
		sock_put(peer);
}

/* s has left its peer, whose reference goes. */
static void leave(struct socket *s, struct socket *peer, bool reset)
{
	if (!tcp_leave(peer)) {
		if (reset)
			receive_reset(peer, s);
		else
			receive_end(peer, s);
	}
	sock_put(peer);
}

void tcp_establish(struct socket *s, const struct socket *from)
{
	spin_lock(&s->lock);
	if (s->state == SS_CONNECTING && s->peer == from)
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
	spin_assume_held(&conn->lock);
	conn->state = SS_CONNECTED;
	conn->in.told = true;
	conn->peer = sock_get(s);
	for (struct socket *end = s; end; end = end == s ? conn : NULL)
		if (!end->options.send_buf_set)
			end->send_buf = GROWN_SEND_BUF;
	s->peer_buf = conn->recv_buf;
	conn->peer_buf = s->recv_buf;
}

static void forget(struct socket *s, struct socket *conn)
{
	spin_lock(&s->lock);
	s->peer = NULL;
	spin_unlock(&s->lock);
	port_unbind(conn);
	spin_assume_held(&conn->lock);
	conn->peer = NULL;
	sock_put(s);
	sock_put(conn); /* s's */
	sock_put(conn);
}

/* Connects s, which is SS_CONNECTING by now, to a listener, or has it wait there. Under read_lock. */
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
		ret = tcp_enqueue(l, conn);
		if (ret < 0)
			forget(s, conn);
		else if (!ret)
			tcp_establish(s, conn);
	}
	sock_put(l);
	return min(ret, 0);
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
	if (!ret)
		sock_set_error(s, 0);
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
	} else if (s->state == SS_UNCONNECTED) {
		/* Another thread was told, or has ended it. */
		err = sock_take_error(s);
		err = err ? err : -ECONNABORTED;
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

/* Under read_lock: nothing of the connection is left. *peer: the far end, whose reference is the caller's. */
static int forget_connection(struct socket *s, struct list_head *packets, struct socket **peer)
{
	int err = 0;

	spin_lock(&s->lock);
	if (s->state == SS_LISTENING) {
		err = -EINVAL;
	} else {
		packet_queue_take(&s->received, packets);
		*peer = s->peer;
		s->peer = NULL;
		/* Linux resets itself, too, until it connects again. */
		if (s->state == SS_CONNECTING || s->state == SS_CONNECTED)
			sock_set_error(s, ECONNRESET);
		WRITE_ONCE(s->disconnects, s->disconnects + 1);
		s->state = SS_UNCONNECTED;
		s->shut = 0;
		s->got_end = s->in.fin_sent = s->in.told = s->in.failed = false;
	}
	spin_unlock(&s->lock);
	return err;
}

/* connect(2) to "no family": the connection is no more, the socket may be used again. */
static int disconnect(struct socket *s)
{
	struct list_head packets;
	struct socket *peer = NULL;
	int err;

	list_init(&packets);
	rwsem_write_lock(&s->read_lock);
	err = forget_connection(s, &packets, &peer);
	if (!err)
		port_connect(s, &s->in.local, NULL);
	rwsem_write_unlock(&s->read_lock);
	if (err)
		return err;
	sock_wake(s);
	if (peer)
		leave(s, peer, true);
	packets_free(&packets);
	return 0;
}

/* Under read_lock: s, which was claimed, has not come to wait anywhere. */
static int give_up(struct socket *s, int err, bool dontwait)
{
	spin_lock(&s->lock);
	s->state = SS_UNCONNECTED;
	if (err == -ECONNREFUSED && dontwait) {
		fail_locked(s); /* poll tells */
		err = 0;
	}
	spin_unlock(&s->lock);
	sock_wake(s);
	return err;
}

/* 0: it is under way. 1: one was before. Or an errno. */
static int begin(struct socket *s, const struct sock_addr *a, bool dontwait)
{
	struct inet_addr to;
	int ret;

	rwsem_write_lock(&s->read_lock);
	ret = claim(s);
	if (!ret) {
		ret = inet_destination(s, a, &to);
		if (!ret)
			ret = connect_to(s, &to);
		if (ret)
			ret = give_up(s, ret, dontwait);
	}
	rwsem_write_unlock(&s->read_lock);
	return ret;
}

static int tcp_connect(struct socket *s, const struct sock_addr *a, bool dontwait)
{
	int ret;

	if (a->len >= sizeof(u16) && a->family == AF_UNSPEC)
		return disconnect(s);
	ret = begin(s, a, dontwait);
	if (ret < 0)
		return ret;
	if (dontwait && !ret)
		return -EINPROGRESS;
	if (dontwait && READ_ONCE(s->state) == SS_CONNECTING)
		return -EALREADY;
	return await(s);
}

/* ---- sending and receiving ---- */

static int tcp_deliver(struct socket *s, struct packet *p)
{
	struct socket *peer = sock_get_peer(s);

	if (!peer) {
		packet_free(p);
		return -EPIPE;
	}
	if (!sock_receive(peer, s, p)) {
		/* It went, and what came back was a reset. */
		packet_free(p);
		receive_reset(s, peer);
	}
	sock_put(peer);
	return 0;
}

static ssize_t tcp_send(struct socket *s, struct message *m)
{
	u32 state = READ_ONCE(s->state);
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	err = sock_take_error(s);
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

	if (m->flags & MSG_ERRQUEUE)
		return -EAGAIN; /* there never is anything */
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

static int tcp_shutdown(struct socket *s, u32 shut)
{
	struct socket *peer = NULL;
	int err = 0;

	if (READ_ONCE(s->state) == SS_LISTENING) {
		if (shut & SHUT_RECV)
			tcp_stop_listening(s);
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
		receive_end(peer, s);
		sock_put(peer);
	}
	return err;
}

void tcp_release(struct socket *s, bool embryo)
{
	struct list_head packets;
	struct socket *peer;
	bool reset;

	/* One that found no descriptor may have been put back after the listening ended. */
	if (READ_ONCE(s->state) == SS_LISTENING || READ_ONCE(s->nr_pending))
		tcp_stop_listening(s);
	port_unbind(s);
	spin_lock(&s->lock);
	reset = embryo || s->received.count || (s->options.linger.on && !s->options.linger.seconds);
	s->dead = true;
	s->file = NULL;
	s->shut = SHUT_BOTH;
	s->state = SS_CLOSED;
	packet_queue_take(&s->received, &packets);
	peer = s->peer;
	s->peer = NULL;
	spin_unlock(&s->lock);
	if (peer)
		leave(s, peer, reset);
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
		if (READ_ONCE(s->got_end))
			return TCP_CLOSE_WAIT;
		return READ_ONCE(s->in.fin_sent) ? TCP_FIN_WAIT2 : TCP_ESTABLISHED;
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
