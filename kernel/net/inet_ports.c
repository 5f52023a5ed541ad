/*
 * Ports: who has which, of TCP and of UDP. Sockets that have one hang in a table by its number; `lock` of
 * the table guards it, and the addresses in struct inet_part.
 *
 * Two sockets may have one port where their addresses do not overlap; or both set SO_REUSEADDR, and (TCP)
 * neither listens; or both set SO_REUSEPORT and belong to the same user.
 */
#include "kernel/net/inet.h"
#include "kernel/random.h"

#define BUCKETS	   256
#define PORT_LOW   32768 /* those given to who asks for any: as Linux */
#define PORT_HIGH  60999
#define PORT_COUNT (PORT_HIGH - PORT_LOW + 1)

struct port_table {
	spinlock_t lock;
	struct list_head buckets[BUCKETS] __guarded_by(&lock); /* each set up at its first use */
};

static struct port_table tcp_table = {.lock = SPINLOCK_INIT(LOCK_PORTS)};
static struct port_table udp_table = {.lock = SPINLOCK_INIT(LOCK_PORTS)};

static struct port_table *table_of(u16 type)
{
	return type == SOCK_STREAM ? &tcp_table : &udp_table;
}

static struct list_head *bucket(struct port_table *t, u16 port) __must_hold(&t->lock)
{
	struct list_head *b = &t->buckets[port % BUCKETS];

	if (!b->next)
		list_init(b);
	return b;
}

/* ---- who is in whose way ---- */

/* What is sent to `ip` comes to a socket bound to `own` too. */
static bool covers(const struct inet_addr *own, bool only_v6, const struct inet_addr *ip)
{
	if (inet_same_ip(own, ip))
		return true;
	if (!inet_is_any(own))
		return false;
	if (inet_is_v4(own))
		return inet_is_v4(ip);
	return !only_v6 || !inet_is_v4(ip);
}

static bool
conflicts(const struct socket *s, const struct inet_addr *a, const struct socket *other,
	  bool listens) __no_lock_analysis /* under the lock of a table, which it does not know */
{
	const struct sock_options *mine = &s->options, *theirs = &other->options;

	if (other == s || other->in.local.port != a->port)
		return false;
	if (!covers(a, s->in.only_v6, &other->in.local) &&
	    !covers(&other->in.local, other->in.only_v6, a))
		return false;
	if (mine->reuse_port && theirs->reuse_port && s->uid == other->uid)
		return false;
	if (!mine->reuse_addr || !theirs->reuse_addr)
		return true;
	return s->type == SOCK_STREAM && (listens || READ_ONCE(other->state) == SS_LISTENING);
}

static bool is_taken(struct port_table *t, const struct socket *s, const struct inet_addr *a)
    __must_hold(&t->lock)
{
	struct socket *other;

	list_for_each (other, bucket(t, a->port), in.link)
		if (conflicts(s, a, other, false))
			return true;
	return false;
}

/* Nobody has the port at all. */
static bool is_free(struct port_table *t, u16 port) __must_hold(&t->lock)
{
	struct socket *other;

	list_for_each (other, bucket(t, port), in.link)
		if (other->in.local.port == port)
			return false;
	return true;
}

static u16 free_port(struct port_table *t) __must_hold(&t->lock)
{
	u32 start = (u32)(random_u64() % PORT_COUNT);

	for (u32 n = 0; n < PORT_COUNT; n++) {
		u16 port = (u16)(PORT_LOW + (start + n) % PORT_COUNT);

		if (is_free(t, port))
			return port;
	}
	return 0;
}

/* ---- binding ---- */

static int bind_locked(struct port_table *t, struct socket *s, const struct inet_addr *a)
    __must_hold(&t->lock)
{
	struct inet_addr at = *a;

	if (s->in.local.port)
		return -EINVAL;
	if (!at.port)
		at.port = free_port(t);
	else if (is_taken(t, s, &at))
		return -EADDRINUSE;
	if (!at.port)
		return -EADDRINUSE;
	s->in.local = at;
	s->in.bound_addr = !inet_is_any(&at);
	list_add_tail(bucket(t, at.port), &s->in.link);
	return 0;
}

int port_bind(struct socket *s, const struct inet_addr *a)
{
	struct port_table *t = table_of(s->type);
	int err;

	spin_lock(&t->lock);
	err = bind_locked(t, s, a);
	spin_unlock(&t->lock);
	return err;
}

int port_bind_any(struct socket *s)
{
	struct port_table *t = table_of(s->type);
	int err = 0;

	spin_lock(&t->lock);
	if (!s->in.local.port)
		err = bind_locked(t, s, &s->in.local);
	spin_unlock(&t->lock);
	return err == -EADDRINUSE ? -EADDRNOTAVAIL : err;
}

void port_share(struct socket *s, const struct inet_addr *a, const struct inet_addr *remote)
{
	struct port_table *t = table_of(s->type);

	spin_lock(&t->lock);
	s->in.local = *a;
	s->in.remote = *remote;
	s->in.bound_addr = true;
	list_add_tail(bucket(t, a->port), &s->in.link);
	spin_unlock(&t->lock);
}

void port_unbind(struct socket *s)
{
	struct port_table *t = table_of(s->type);

	spin_lock(&t->lock);
	list_del(&s->in.link);
	spin_unlock(&t->lock);
}

static bool may_listen(struct port_table *t, const struct socket *s) __must_hold(&t->lock)
{
	struct socket *other;

	list_for_each (other, bucket(t, s->in.local.port), in.link)
		if (READ_ONCE(other->state) == SS_LISTENING &&
		    conflicts(s, &s->in.local, other, true))
			return false;
	return true;
}

int port_listen(struct socket *s, u32 backlog)
{
	struct port_table *t = table_of(s->type);
	int err = 0;

	spin_lock(&t->lock);
	spin_lock(&s->lock);
	if (s->state != SS_UNCONNECTED && s->state != SS_LISTENING) {
		err = -EINVAL;
	} else if (!may_listen(t, s)) {
		err = -EADDRINUSE;
	} else {
		WRITE_ONCE(s->state, SS_LISTENING);
		s->backlog = backlog;
	}
	spin_unlock(&s->lock);
	spin_unlock(&t->lock);
	return err;
}

void port_names(struct socket *s, struct inet_addr *local, struct inet_addr *remote)
{
	struct port_table *t = table_of(s->type);

	spin_lock(&t->lock);
	*local = s->in.local;
	*remote = s->in.remote;
	spin_unlock(&t->lock);
}

void port_connect(struct socket *s, const struct inet_addr *local, const struct inet_addr *remote)
{
	struct port_table *t = table_of(s->type);

	spin_lock(&t->lock);
	if (remote)
		s->in.remote = *remote;
	else
		s->in.remote.port = 0;
	if (!s->in.bound_addr)
		memcpy(s->in.local.ip, local->ip, sizeof(local->ip));
	spin_unlock(&t->lock);
}

/* ---- finding ---- */

/* How well s suits a packet; 0: not at all. */
static int score(const struct socket *s, const struct inet_addr *to, const struct inet_addr *from)
    __no_lock_analysis /* under the lock of a table, which it does not know */
{
	int n = 1;

	if (s->in.local.port != to->port || !covers(&s->in.local, s->in.only_v6, to))
		return 0;
	if (s->type == SOCK_STREAM && READ_ONCE(s->state) != SS_LISTENING)
		return 0;
	if (s->type == SOCK_DGRAM && s->in.remote.port) {
		if (s->in.remote.port != from->port || !inet_same_ip(&s->in.remote, from))
			return 0;
		n += 4;
	}
	if (inet_same_ip(&s->in.local, to))
		n += 2;
	else if (inet_is_v4(&s->in.local))
		n += 1;
	return n;
}

struct socket *port_find(u16 type, const struct inet_addr *to, const struct inet_addr *from)
{
	struct port_table *t = table_of(type);
	struct socket *s, *found = NULL;
	int best = 0, n;
	u32 equal = 0;

	spin_lock(&t->lock);
	list_for_each (s, bucket(t, to->port), in.link) {
		n = score(s, to, from);
		equal = n > best ? 1 : n == best ? equal + 1 : equal;
		best = max(best, n);
	}
	if (best)
		equal = from->port % equal;
	list_for_each (s, bucket(t, to->port), in.link)
		if (best && !found && score(s, to, from) == best && !equal--)
			found = sock_get(s);
	spin_unlock(&t->lock);
	return found;
}
