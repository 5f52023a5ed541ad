/*
 * TCP's listeners. One holds the far ends of connections, in two lists under its lock:
 *
 *	pending		their clients are established, accept(2) takes them: up to backlog + 1, and those
 *			that were put back
 *	in.waiting	their clients wait for room in the first (SS_CONNECTING), up to WAITING_MAX. A far end
 *			whose client goes leaves the list, as on the wire its client would just not ask again.
 *
 * A waiting far end knows its listener by in.listener, which changes under the locks of both: not
 * referenced, because the listener clears it before it goes.
 */
#include "kernel/net/tcp.h"

#include "kernel/net/inet.h"

#define WAITING_MAX SOMAXCONN

/* ---- who waits ---- */

static void add_pending(struct socket *l, struct socket *conn) __must_hold(&l->lock)
{
	list_add_tail(&l->pending, &conn->pending_link);
	WRITE_ONCE(l->nr_pending, l->nr_pending + 1);
}

static void set_listener(struct socket *conn, struct socket *l)
{
	spin_lock(&conn->lock);
	conn->in.listener = l;
	spin_unlock(&conn->lock);
}

static void add_waiting(struct socket *l, struct socket *conn) __must_hold(&l->lock)
{
	set_listener(conn, l);
	list_add_tail(&l->in.waiting, &conn->pending_link);
	l->in.nr_waiting++;
}

static void remove_waiting(struct socket *l, struct socket *conn) __must_hold(&l->lock)
{
	set_listener(conn, NULL);
	list_del(&conn->pending_link);
	l->in.nr_waiting--;
}

static bool has_room(const struct socket *l) __must_hold(&l->lock)
{
	return l->nr_pending <= l->backlog;
}

int tcp_enqueue(struct socket *l, struct socket *conn)
{
	int ret = -ECONNREFUSED;

	spin_lock(&l->lock);
	if (l->state == SS_LISTENING && !l->dead) {
		if (has_room(l) && !l->in.nr_waiting) {
			add_pending(l, conn);
			ret = 0;
		} else if (l->in.nr_waiting < WAITING_MAX) {
			add_waiting(l, conn);
			ret = 1;
		}
	}
	spin_unlock(&l->lock);
	if (!ret)
		sock_wake_read(l);
	return ret;
}

bool tcp_leave(struct socket *conn)
{
	struct socket *l;
	bool waited;

	spin_lock(&conn->lock);
	l = conn->in.listener ? sock_get(conn->in.listener) : NULL;
	spin_unlock(&conn->lock);
	if (!l)
		return false;
	spin_lock(&l->lock);
	waited = conn->in.listener == l;
	if (waited)
		remove_waiting(l, conn);
	spin_unlock(&l->lock);
	if (waited) {
		tcp_release(conn, true);
		sock_put(conn);
	}
	sock_put(l);
	return waited;
}

/* ---- establishing them ---- */

static void establish_client(struct socket *conn)
{
	struct socket *client = sock_get_peer(conn);

	if (client) {
		tcp_establish(client, conn);
		sock_put(client);
	}
}

/* Moves the first that waits to those that may be accepted, where there is room; referenced. NULL: none. */
static struct socket *admit(struct socket *l)
{
	struct socket *conn = NULL;

	spin_lock(&l->lock);
	if (l->state == SS_LISTENING && has_room(l) && !list_empty(&l->in.waiting)) {
		conn = sock_get(list_first(&l->in.waiting, struct socket, pending_link));
		remove_waiting(l, conn);
		add_pending(l, conn);
	}
	spin_unlock(&l->lock);
	return conn;
}

static void admit_all(struct socket *l)
{
	struct socket *conn;

	while ((conn = admit(l))) {
		establish_client(conn);
		sock_put(conn);
		sock_wake_read(l);
	}
}

/* ---- the calls ---- */

int tcp_listen(struct socket *s, u32 backlog)
{
	int err = port_bind_any(s);

	if (!err)
		err = port_listen(s, backlog);
	if (err)
		return err == -EADDRNOTAVAIL ? -EADDRINUSE : err;
	admit_all(s);
	return 0;
}

int tcp_accept(struct socket *l, bool dontwait, struct socket **conn)
{
	int err = stream_accept(l, dontwait, conn);

	if (!err) {
		/* Who made room for it, or its client itself, may not have come to it yet. */
		establish_client(*conn);
		admit_all(l);
	}
	return err;
}

void tcp_stop_listening(struct socket *s)
{
	struct list_head pending;
	struct socket *conn;

	list_init(&pending);
	spin_lock(&s->lock);
	list_for_each (conn, &s->in.waiting, pending_link)
		set_listener(conn, NULL);
	list_splice_tail(&pending, &s->pending);
	list_splice_tail(&pending, &s->in.waiting);
	s->nr_pending = s->in.nr_waiting = 0;
	if (s->state == SS_LISTENING)
		s->state = SS_UNCONNECTED;
	spin_unlock(&s->lock);
	sock_wake(s);
	stream_release_pending(&pending);
}
