/*
 * AF_UNIX: streams, and what all its types do.
 *
 * The end of a connection is seen at once: when one socket of a pair is closed, the other reads what
 * is left and then the end, and writes no more; where the closed one had not read all, the other's
 * next call fails with ECONNRESET.
 */
#include "kernel/net/unix.h"

#include "arch/uaccess.h"
#include "kernel/fs/poll.h"
#include "kernel/net/rights.h"
#include "kernel/task.h"

static const struct sock_ops stream_ops;

int unix_choose(int type, int *protocol, const struct sock_ops **ops)
{
	if (*protocol && *protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	*protocol = 0;
	if (type == SOCK_STREAM)
		*ops = &stream_ops;
	else if (type == SOCK_DGRAM || type == SOCK_RAW)
		*ops = &unix_dgram_ops;
	else if (type == SOCK_SEQPACKET)
		*ops = &unix_seqpacket_ops;
	else
		return -ESOCKTNOSUPPORT;
	return 0;
}

void unix_setup(struct socket *s)
{
	spin_assume_held(&unix_lock);
	spin_assume_held(&rights_lock);
	spin_assume_held(&s->lock);
	list_init(&s->un.link);
	list_init(&s->un.inflight_link);
	s->peer_cred = (struct ucred){0, ~0u, ~0u};
}

void unix_pair(struct socket *a, struct socket *b, struct ucred cred)
{
	spin_assume_held(&a->lock);
	spin_assume_held(&b->lock);
	a->peer_cred = b->peer_cred = cred;
	a->peer = sock_get(b);
	b->peer = sock_get(a);
	a->state = b->state = SS_CONNECTED;
	if (a->type == SOCK_DGRAM)
		a->un.senders = b->un.senders = 1;
}

int unix_get_name(struct socket *s, struct sock_addr *a, bool peer)
{
	struct socket *of = s;

	if (peer) {
		spin_lock(&s->lock);
		of = s->state == SS_CONNECTED && s->peer ? sock_get(s->peer) : NULL;
		spin_unlock(&s->lock);
		if (!of)
			return -ENOTCONN;
	}
	unix_name_get_addr(unix_name_of(of), a);
	if (!a->len) {
		a->len = sizeof(u16);
		a->family = AF_UNIX;
	}
	if (peer)
		sock_put(of);
	return 0;
}

/* ---- listening and connecting ---- */

int unix_listen(struct socket *s, u32 backlog)
{
	int err = 0;

	if (!unix_name_of(s))
		return -EINVAL;
	spin_lock(&s->lock);
	if (s->state != SS_UNCONNECTED && s->state != SS_LISTENING)
		err = -EINVAL;
	if (!err) {
		s->state = SS_LISTENING;
		s->backlog = backlog;
		s->cred = sock_current_cred();
	}
	spin_unlock(&s->lock);
	waitq_wake_all(&s->room_wait);
	return err;
}

/* The other end of s for listener l: as yet known to nobody. */
static struct socket *make_other_end(struct socket *s, struct socket *l)
{
	struct socket *conn = sock_create(AF_UNIX, s->type, 0);

	if (IS_ERR(conn))
		return conn;
	conn->uid = l->uid;
	conn->options.pass_cred = l->options.pass_cred;
	conn->un.name = unix_name_ref(unix_name_of(l));
	spin_assume_held(&conn->lock);
	conn->state = SS_CONNECTED;
	conn->peer = sock_get(s);
	conn->peer_cred = sock_current_cred();
	return conn;
}

/* s is about to be connected to conn, which may send at once: nobody else may do that, or listen. */
static int claim(struct socket *s, struct socket *conn)
{
	int err = 0;

	spin_lock(&s->lock);
	if (s->state == SS_CONNECTED)
		err = -EISCONN;
	else if (s->state != SS_UNCONNECTED)
		err = -EINVAL;
	if (!err) {
		s->state = SS_CONNECTING;
		s->peer = sock_get(conn);
	}
	spin_unlock(&s->lock);
	return err;
}

static bool is_full(const struct socket *l)
{
	return READ_ONCE(l->nr_pending) > READ_ONCE(l->backlog);
}

/* Puts conn where it is accepted from: -EAGAIN where that is full. *cred: whose l is. */
static int enqueue(struct socket *l, struct socket *conn, struct ucred *cred)
{
	int err = 0;

	spin_lock(&l->lock);
	if (l->dead || l->state != SS_LISTENING || (l->shut & SHUT_RECV))
		err = -ECONNREFUSED;
	else if (is_full(l))
		err = -EAGAIN;
	if (!err) {
		*cred = l->cred;
		list_add_tail(&l->pending, &conn->pending_link);
		WRITE_ONCE(l->nr_pending, l->nr_pending + 1);
	}
	spin_unlock(&l->lock);
	if (!err)
		sock_wake_read(l);
	return err;
}

/* One try. conn's reference is the backlog's, its other one s->peer's. */
static int connect_to(struct socket *s, struct socket *l)
{
	struct socket *conn = make_other_end(s, l);
	int err = IS_ERR(conn) ? (int)PTR_ERR(conn) : claim(s, conn);
	struct ucred cred;

	if (!err) {
		err = enqueue(l, conn, &cred);
		spin_lock(&s->lock);
		if (err) {
			s->state = SS_UNCONNECTED;
			s->peer = NULL;
		} else {
			s->peer_cred = cred;
			s->state = SS_CONNECTED;
		}
		spin_unlock(&s->lock);
		if (err)
			sock_put(conn);
		else
			sock_wake_write(s);
	}
	if (err && !IS_ERR(conn)) {
		spin_assume_held(&conn->lock);
		conn->peer = NULL;
		sock_put(s);
		sock_put(conn);
	}
	return err;
}

int unix_stream_connect(struct socket *s, const struct sock_addr *a, bool dontwait)
{
	u64 deadline = sock_deadline(s->options.send_timeout);
	long err = unix_check_addr(a);

	while (!err) {
		struct socket *l = unix_find(a, s->type);

		if (IS_ERR(l))
			return (int)PTR_ERR(l);
		err = connect_to(s, l);
		if (err != -EAGAIN || dontwait) {
			sock_put(l);
			break;
		}
		err = sock_wait(&l->room_wait, deadline,
				!is_full(l) || READ_ONCE(l->state) != SS_LISTENING ||
				    (READ_ONCE(l->shut) & SHUT_RECV));
		sock_put(l);
	}
	return (int)err;
}

/* ---- sending and receiving ---- */

void unix_add_cred(struct packet *p, const struct message *m, const struct socket *from,
		   const struct socket *to)
{
	p->has_cred = m->has_cred;
	p->cred = m->cred;
	if (m->has_cred || !(from->options.pass_cred || to->options.pass_cred || !to->file))
		return;
	p->has_cred = true;
	p->cred = (struct ucred){current->proc->pid, current->cred.uid, current->cred.gid};
}

static int unix_deliver(struct socket *s, struct packet *p)
{
	struct socket *to = READ_ONCE(s->peer);
	struct message said = {.has_cred = p->has_cred, .cred = p->cred};

	unix_add_cred(p, &said, s, to);
	if (!(READ_ONCE(to->shut) & SHUT_RECV) && sock_receive(to, s, p))
		return 0;
	packet_free(p);
	return -EPIPE;
}

static ssize_t unix_stream_send(struct socket *s, struct message *m)
{
	bool connected = READ_ONCE(s->state) == SS_CONNECTED;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->addr->len)
		return connected ? -EISCONN : -EOPNOTSUPP;
	if (!connected)
		return -ENOTCONN;
	return stream_send(s, m);
}

static ssize_t unix_stream_recv(struct socket *s, struct message *m)
{
	if (READ_ONCE(s->state) != SS_CONNECTED)
		return -EINVAL;
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->addr)
		unix_name_get_addr(unix_name_of(READ_ONCE(s->peer)), m->addr);
	return stream_recv(s, m);
}

/* ---- ends ---- */

int unix_shutdown(struct socket *s, u32 shut)
{
	struct socket *peer = NULL;

	spin_lock(&s->lock);
	s->shut |= shut;
	if (s->peer && s->type != SOCK_DGRAM)
		peer = sock_get(s->peer);
	spin_unlock(&s->lock);
	sock_wake(s);
	if (!peer)
		return 0;
	spin_lock(&peer->lock);
	if (shut & SHUT_RECV)
		peer->shut |= SHUT_SEND;
	if (shut & SHUT_SEND)
		peer->shut |= SHUT_RECV;
	spin_unlock(&peer->lock);
	sock_wake(peer);
	sock_put(peer);
	return 0;
}

/* The other end of a connection hears that s is gone. */
static void tell_peer(struct socket *peer, bool reset)
{
	/* First: who sees the end, under no lock, finds why. */
	if (reset)
		sock_set_error(peer, ECONNRESET);
	spin_lock(&peer->lock);
	peer->shut = SHUT_BOTH;
	spin_unlock(&peer->lock);
	sock_wake(peer);
}

void unix_release(struct socket *s, bool embryo)
{
	struct list_head packets, pending;
	struct socket *peer;

	unix_unbind(s);
	list_init(&pending);
	spin_lock(&s->lock);
	s->dead = true;
	s->file = NULL;
	s->shut = SHUT_BOTH;
	s->state = SS_CLOSED;
	packet_queue_take(&s->received, &packets);
	list_splice_tail(&pending, &s->pending);
	s->nr_pending = 0;
	peer = s->peer;
	s->peer = NULL;
	spin_unlock(&s->lock);
	sock_wake(s);
	if (s->type == SOCK_DGRAM) {
		sock_wake_senders(s);
		if (peer)
			atomic_dec(&peer->un.senders);
	} else if (peer) {
		tell_peer(peer, embryo || !list_empty(&packets));
	}
	stream_release_pending(&pending);
	packets_free(&packets);
	if (peer)
		sock_put(peer);
	rights_collect();
}

/* ---- poll, ioctl ---- */

u32 unix_poll(struct socket *s)
{
	u32 ready = 0, shut = READ_ONCE(s->shut), state = READ_ONCE(s->state);

	if (atomic_load(&s->error))
		ready |= POLLERR;
	if (shut == SHUT_BOTH)
		ready |= POLLHUP;
	if (shut & SHUT_RECV)
		ready |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (READ_ONCE(s->received.count) || READ_ONCE(s->nr_pending))
		ready |= POLLIN | POLLRDNORM;
	if (state == SS_UNCONNECTED && s->type != SOCK_DGRAM)
		ready |= POLLHUP;
	if (state != SS_LISTENING && sock_writable(s))
		ready |= POLLOUT | POLLWRNORM | POLLWRBAND;
	return ready;
}

long unix_ioctl(struct socket *s, u32 cmd, u64 arg)
{
	s32 __user *user = (s32 __user *)arg;

	if (cmd != FIONREAD && cmd != SIOCOUTQ)
		return -ENOTTY;
	if (READ_ONCE(s->state) == SS_LISTENING && cmd == FIONREAD)
		return -EINVAL;
	return put_user((s32)(cmd == FIONREAD ? sock_next_bytes(s) : atomic_load(&s->sent)), user);
}

static const struct sock_ops stream_ops = {
    .proto = "UNIX-STREAM",
    .bind = unix_bind,
    .connect = unix_stream_connect,
    .listen = unix_listen,
    .accept = stream_accept,
    .name = unix_get_name,
    .send = unix_stream_send,
    .recv = unix_stream_recv,
    .deliver = unix_deliver,
    .shutdown = unix_shutdown,
    .poll = unix_poll,
    .ioctl = unix_ioctl,
    .release = unix_release,
};
