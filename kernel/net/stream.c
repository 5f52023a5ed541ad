/*
 * Streams: bytes in order between two connected sockets, and listening for such connections. AF_UNIX
 * and AF_INET share all of this; what differs is what an end's going means to the other (their
 * ops->deliver and ops->release).
 *
 * A writer cuts its bytes into packets, fills each under no lock, and appends it to the peer's queue.
 * It waits while what it has sent and nobody has read reaches its limit.
 *
 * A call is about the connection that was there when it began: where that has been disconnected meanwhile (TCP
 * only), it ends, though there may be another one by now.
 */
#include "kernel/lib/string.h"
#include "kernel/net/control.h"
#include "kernel/net/socket.h"
#include "kernel/task.h"

#define CHUNK 32768 /* bytes of one packet: so much goes in and out at a time */

int sock_broken(const struct message *m)
{
	if (!(m->flags & MSG_NOSIGNAL))
		signal_task(current, SIGPIPE, NULL);
	return -EPIPE;
}

bool sock_receive(struct socket *s, const struct socket *from, struct packet *p)
{
	bool takes;

	spin_lock(&s->lock);
	takes = !s->dead && s->peer == from;
	if (takes)
		packet_append(&s->received, p);
	spin_unlock(&s->lock);
	if (takes)
		sock_wake_read(s);
	return takes;
}

/*
 * The pending error, negative, or 0. It is taken; but where the call has something to return already, TCP keeps
 * it for the next one. (On Linux a stream of AF_UNIX does not.)
 */
static int stream_error(struct socket *s, bool done)
{
	if (done && s->family != AF_UNIX)
		return -atomic_load(&s->error);
	return sock_take_error(s);
}

/* ---- sending ---- */

/* Nothing more can be sent. An error is there before the end shows, but may have come after the last look. */
static int end_of_sending(struct socket *s, bool done)
{
	int err = stream_error(s, done);

	return err ? err : -EPIPE;
}

struct sending {
	ssize_t done;
	u64 deadline;
	u32 disconnects; /* the socket's, when it began */
};

static bool may_send(const struct socket *s)
{
	return sock_has_room(s) && READ_ONCE(s->state) != SS_CONNECTING;
}

/* 0 where something may be sent now; waits for it, unless the call says no. */
static int wait_room(struct socket *s, const struct message *m, const struct sending *sd)
{
	for (;;) {
		int err = stream_error(s, sd->done);
		long ret;

		if (err)
			return err;
		if (READ_ONCE(s->shut) & SHUT_SEND)
			return end_of_sending(s, sd->done);
		if (READ_ONCE(s->disconnects) != sd->disconnects)
			return -EPIPE;
		if (may_send(s))
			return 0;
		if (m->flags & MSG_DONTWAIT)
			return -EAGAIN;
		ret = sock_wait(&s->write_wait, sd->deadline,
				may_send(s) || atomic_load(&s->error) ||
				    (READ_ONCE(s->shut) & SHUT_SEND) ||
				    READ_ONCE(s->disconnects) != sd->disconnects);
		if (ret)
			return (int)ret;
	}
}

/* One packet of what is left: bytes, or an errno. */
static ssize_t send_chunk(struct socket *s, struct message *m)
{
	struct packet *p = packet_new(m->it, min(m->it->left, (size_t)CHUNK));
	u32 len;
	int err;

	if (IS_ERR(p))
		return PTR_ERR(p);
	len = packet_len(p);
	p->has_cred = m->has_cred;
	p->cred = m->cred;
	p->rights = m->rights; /* with the first bytes */
	m->rights = NULL;
	sock_charge(s, p);
	err = s->ops->deliver(s, p);
	return err ? err : (ssize_t)len;
}

ssize_t stream_send(struct socket *s, struct message *m)
{
	struct sending sd = {.deadline = sock_deadline(s->options.send_timeout),
			     .disconnects = READ_ONCE(s->disconnects)};
	ssize_t n = 0;

	if (READ_ONCE(s->shut) & SHUT_SEND)
		n = s->family == AF_UNIX ? -EPIPE : end_of_sending(s, false);
	while (m->it->left && n >= 0) {
		n = wait_room(s, m, &sd);
		if (!n)
			n = send_chunk(s, m);
		if (n > 0)
			sd.done += n;
	}
	if (sd.done)
		return sd.done;
	return n == -EPIPE ? sock_broken(m) : n;
}

/* ---- receiving ---- */

struct taking {
	size_t done;
	bool over;	 /* no more is taken, whatever is there */
	u32 disconnects; /* the socket's, when it began */
};

/* What one program sent is not put together with another's where the reader asks who that was. */
static bool same_sender(const struct message *m, const struct packet *p)
{
	return m->has_cred == p->has_cred && !memcmp(&m->cred, &p->cred, sizeof(m->cred));
}

static void consume(struct socket *s, struct packet *p, size_t n)
{
	bool empty;

	spin_lock(&s->lock);
	packet_consume(&s->received, p, (u32)n);
	empty = !packet_len(p);
	if (empty)
		packet_remove(&s->received, p);
	spin_unlock(&s->lock);
	if (empty)
		packet_free(p);
}

/* Takes the files that came with p. 0 or -ENOMEM, for a copy that a peek wants. */
static int take_rights(struct message *m, struct packet *p)
{
	if (m->flags & MSG_PEEK) {
		m->rights = rights_copy(p->rights);
		return m->rights ? 0 : -ENOMEM;
	}
	m->rights = rights_detach(p);
	return 0;
}

/* Under read_lock: copies what is there, up to a boundary that must show. 0 or -EFAULT, -ENOMEM. */
static int take(struct socket *s, struct message *m, struct taking *t)
{
	bool asks = s->options.pass_cred;
	struct packet *p = NULL;

	while (m->it->left && !t->over) {
		size_t n;

		p = sock_next_packet(s, m->flags & MSG_PEEK ? p : NULL);
		if (!p)
			return 0;
		if (asks && t->done && !same_sender(m, p)) {
			t->over = true;
			return 0;
		}
		n = packet_copy(p, m->it, 0, m->it->left);
		if (!n) {
			t->over = true;
			return t->done ? 0 : -EFAULT;
		}
		t->done += n;
		t->over = n < packet_len(p);
		m->has_cred = p->has_cred;
		m->cred = p->cred;
		if (p->rights) {
			t->over = true;
			if (take_rights(m, p))
				return -ENOMEM;
		}
		if (!(m->flags & MSG_PEEK))
			consume(s, p, n);
	}
	return 0;
}

/* Nothing is there: 0 and t->over at the end, 0 after a wait, or an errno. */
static int wait_data(struct socket *s, const struct message *m, struct taking *t, u64 deadline)
{
	int err = READ_ONCE(s->got_end) ? 0 : stream_error(s, t->done);

	if (err)
		return err;
	if (READ_ONCE(s->shut) & SHUT_RECV) {
		/* What came before the end is taken first. */
		t->over = !READ_ONCE(s->received.count);
		/* An error is there before its end shows, but may have come after the look above. */
		return t->over && !READ_ONCE(s->got_end) ? stream_error(s, t->done) : 0;
	}
	if (m->flags & MSG_DONTWAIT)
		return -EAGAIN;
	return (int)sock_wait(&s->read_wait, deadline,
			      sock_has_news(s) || READ_ONCE(s->disconnects) != t->disconnects);
}

static size_t wanted(const struct socket *s, const struct message *m)
{
	size_t n = m->flags & MSG_WAITALL
		       ? m->it->left
		       : min((size_t)READ_ONCE(s->options.recv_low), m->it->left);

	return m->flags & MSG_PEEK ? 1 : max(n, (size_t)1);
}

ssize_t stream_recv(struct socket *s, struct message *m)
{
	u64 deadline = sock_deadline(s->options.recv_timeout);
	size_t target = wanted(s, m);
	struct taking t = {.disconnects = READ_ONCE(s->disconnects)};
	int err = 0;

	if (m->flags & MSG_OOB)
		return -EINVAL;
	for (;;) {
		rwsem_write_lock(&s->read_lock);
		err = READ_ONCE(s->disconnects) == t.disconnects ? take(s, m, &t) : -EPIPE;
		rwsem_write_unlock(&s->read_lock);
		if (err || t.over || t.done >= target)
			break;
		if (!READ_ONCE(s->received.count))
			err = wait_data(s, m, &t, deadline);
		else if (!m->it->left)
			break; /* nothing was asked for but that something is there */
		if (err || t.over)
			break;
	}
	return t.done ? (ssize_t)t.done : err;
}

/* ---- connections to accept ---- */

static struct socket *pop_pending(struct socket *s) __must_hold(&s->lock)
{
	struct socket *conn;

	if (list_empty(&s->pending))
		return NULL;
	conn = list_first(&s->pending, struct socket, pending_link);
	list_del(&conn->pending_link);
	WRITE_ONCE(s->nr_pending, s->nr_pending - 1);
	return conn;
}

int stream_accept(struct socket *s, bool dontwait, struct socket **conn)
{
	u64 deadline = sock_deadline(s->options.recv_timeout);

	for (;;) {
		bool listens;
		long err;

		spin_lock(&s->lock);
		listens = s->state == SS_LISTENING && !(s->shut & SHUT_RECV);
		*conn = listens ? pop_pending(s) : NULL;
		spin_unlock(&s->lock);
		if (*conn)
			break;
		if (!listens)
			return -EINVAL;
		if (dontwait)
			return -EAGAIN;
		err = sock_wait(&s->read_wait, deadline,
				READ_ONCE(s->nr_pending) || READ_ONCE(s->state) != SS_LISTENING ||
				    (READ_ONCE(s->shut) & SHUT_RECV));
		if (err)
			return (int)err;
	}
	waitq_wake_all(&s->room_wait);
	return 0;
}

void stream_unaccept(struct socket *s, struct socket *conn)
{
	spin_lock(&s->lock);
	list_add(&s->pending, &conn->pending_link);
	WRITE_ONCE(s->nr_pending, s->nr_pending + 1);
	spin_unlock(&s->lock);
	sock_wake_read(s);
}

void stream_release_pending(struct list_head *pending)
{
	while (!list_empty(pending)) {
		struct socket *conn = list_first(pending, struct socket, pending_link);

		spin_assume_held(&conn->lock);
		list_del(&conn->pending_link);
		conn->ops->release(conn, true);
		sock_put(conn);
	}
}
