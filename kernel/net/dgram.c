/* Receiving packets one at a time: datagrams of all families, and SOCK_SEQPACKET. */
#include "kernel/lib/string.h"
#include "kernel/net/control.h"
#include "kernel/net/inet.h"
#include "kernel/net/socket.h"
#include "kernel/net/unix.h"

/* What a receive has taken out of the queue. */
struct taken {
	struct packet *packet;
	bool makes_room; /* who waits to send may go on */
};

static void take_off(struct socket *s, struct packet *p, struct taken *taken)
{
	spin_lock(&s->lock);
	packet_remove(&s->received, p);
	taken->makes_room =
	    s->family == AF_UNIX && s->type == SOCK_DGRAM && s->received.count == UNIX_DGRAM_MAX;
	spin_unlock(&s->lock);
	taken->packet = p;
}

/* Tells who sent it, and takes the files along; p is out of the queue unless it is peeked at. */
static int take_about(struct socket *s, struct message *m, struct packet *p)
{
	m->has_cred = p->has_cred;
	m->cred = p->cred;
	if (m->addr && s->family == AF_UNIX)
		unix_name_get_addr(p->name, m->addr);
	else if (m->addr)
		inet_to_addr(s, &p->from, m->addr);
	if (!p->rights)
		return 0;
	m->rights = m->flags & MSG_PEEK ? rights_copy(p->rights) : rights_detach(p);
	return m->rights ? 0 : -ENOMEM;
}

/* Under read_lock. The length, -EFAULT, or -EAGAIN: there is none. */
static ssize_t take(struct socket *s, struct message *m, struct taken *taken)
{
	struct packet *p = sock_next_packet(s, NULL);
	size_t n, len, room = m->it->left;
	int err;

	if (!p)
		return -EAGAIN;
	if (!(m->flags & MSG_PEEK))
		take_off(s, p, taken);
	len = packet_len(p);
	n = packet_copy(p, m->it, 0, room);
	if (n < min(len, room))
		return -EFAULT;
	err = take_about(s, m, p);
	if (err)
		return err;
	if (n < len)
		m->out_flags |= MSG_TRUNC;
	return (ssize_t)(m->flags & MSG_TRUNC ? len : n);
}

/* 1: a packet may be there by now. 0: the end. Or an errno. */
static int wait_packet(struct socket *s, const struct message *m, u64 deadline)
{
	bool ended = READ_ONCE(s->shut) & SHUT_RECV;
	long err;

	/* Without a connection an end is none for who does not wait. */
	if (ended && (s->type == SOCK_SEQPACKET || !(m->flags & MSG_DONTWAIT)))
		return 0;
	if (m->flags & MSG_DONTWAIT)
		return -EAGAIN;
	err = sock_wait(&s->read_wait, deadline, sock_has_news(s));
	return err ? (int)err : 1;
}

ssize_t dgram_recv(struct socket *s, struct message *m)
{
	u64 deadline = sock_deadline(s->options.recv_timeout);

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	for (;;) {
		struct taken taken = {NULL, false};
		ssize_t n = sock_take_error(s);

		if (n)
			return n;
		rwsem_write_lock(&s->read_lock);
		n = take(s, m, &taken);
		rwsem_write_unlock(&s->read_lock);
		if (taken.packet)
			packet_free(taken.packet);
		if (taken.makes_room)
			unix_room(s);
		if (n != -EAGAIN)
			return n;
		n = wait_packet(s, m, deadline);
		if (n <= 0)
			return n;
	}
}
