/*
 * Options of the levels IP, IPv6 and TCP. Most tell a network what to do that is not there: they are
 * checked, kept and read back.
 */
#include "kernel/net/calls.h"
#include "kernel/net/inet.h"

/* IPPROTO_IP */
#define IP_TOS 1
#define IP_TTL 2

/* IPPROTO_IPV6 */
#define IPV6_UNICAST_HOPS 16
#define IPV6_V6ONLY	  26
#define IPV6_TCLASS	  67

/* IPPROTO_TCP: what struct inet_part keeps, by number. */
#define TCP_INFO       11
#define TCP_CONGESTION 13

static const struct tcp_option {
	s32 least, most, at_first;
} tcp_options[TCP_OPTIONS] = {
    [1] = {INT32_MIN, INT32_MAX, 0},  /* NODELAY */
    [2] = {88, 32767, 536},	      /* MAXSEG */
    [3] = {INT32_MIN, INT32_MAX, 0},  /* CORK */
    [4] = {1, 32767, 7200},	      /* KEEPIDLE */
    [5] = {1, 32767, 75},	      /* KEEPINTVL */
    [6] = {1, 127, 9},		      /* KEEPCNT */
    [7] = {1, 127, 6},		      /* SYNCNT */
    [8] = {INT32_MIN, INT32_MAX, 60}, /* LINGER2 */
    [9] = {INT32_MIN, INT32_MAX, 0},  /* DEFER_ACCEPT */
    [10] = {0, INT32_MAX, 0},	      /* WINDOW_CLAMP */
    [12] = {INT32_MIN, INT32_MAX, 1}, /* QUICKACK */
    [18] = {0, INT32_MAX, 0},	      /* USER_TIMEOUT */
    [23] = {0, INT32_MAX, 0},	      /* FASTOPEN */
    [25] = {INT32_MIN, INT32_MAX, 0}, /* NOTSENT_LOWAT */
};

/* Those that are a yes or no. */
#define TCP_FLAGS (BIT(1) | BIT(3) | BIT(12))

static const struct tcp_option *find_tcp(int name)
{
	bool known = name > 0 && name < TCP_OPTIONS && tcp_options[name].most;

	return known ? &tcp_options[name] : NULL;
}

void inet_default_options(struct socket *s)
{
	for (unsigned n = 0; n < TCP_OPTIONS; n++)
		s->in.tcp[n] = tcp_options[n].at_first;
	s->in.ttl = s->in.hops = 64;
}

/* ---- set ---- */

static int set_tcp(struct socket *s, int name, const struct option *o)
{
	const struct tcp_option *t = find_tcp(name);

	if (name == TCP_CONGESTION) /* there is one, of which nobody can tell */
		return o->len >= 5 && !memcmp(o->bytes, "cubic", 5) ? 0 : -ENOENT;
	if (!t)
		return -ENOPROTOOPT;
	if (o->len < sizeof(o->number) || o->number < t->least || o->number > t->most)
		return -EINVAL;
	s->in.tcp[name] = TCP_FLAGS & BIT(name) ? o->number != 0 : o->number;
	return 0;
}

static int set_v6_only(struct socket *s, const struct option *o)
{
	if (o->len < sizeof(o->number) || READ_ONCE(s->in.local.port))
		return -EINVAL;
	s->in.only_v6 = o->number != 0;
	return 0;
}

/* A byte in [least, 255]; -1: as at first. */
static int set_byte(u8 *to, const struct option *o, s32 least, u8 at_first)
{
	s32 n = o->len >= sizeof(s32) ? o->number : (u8)o->bytes[0];

	if (!o->len || n < -1 || n > 255 || (n >= 0 && n < least))
		return -EINVAL;
	*to = n < 0 ? at_first : (u8)n;
	return 0;
}

int inet_set_option(struct socket *s, int level, int name, const struct option *o)
{
	if (level == IPPROTO_TCP && s->type == SOCK_STREAM)
		return set_tcp(s, name, o);
	if (level == IPPROTO_IP && name == IP_TOS)
		return set_byte(&s->in.tos, o, 0, 0);
	if (level == IPPROTO_IP && name == IP_TTL)
		return set_byte(&s->in.ttl, o, 1, 64);
	if (level != IPPROTO_IPV6 || s->family != AF_INET6)
		return -ENOPROTOOPT;
	switch (name) {
	case IPV6_V6ONLY:
		return set_v6_only(s, o);
	case IPV6_UNICAST_HOPS:
		return set_byte(&s->in.hops, o, 0, 64);
	case IPV6_TCLASS:
		return set_byte(&s->in.tos, o, 0, 0);
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- get ---- */

#define TCP_INFO_LEN \
	232 /* struct tcp_info: the state, and figures of a network that is not there */

static int get_tcp(struct socket *s, int name, struct option *o)
{
	if (name == TCP_CONGESTION) {
		o->len = 16;
		memcpy(o->bytes, "cubic", 5);
		return 0;
	}
	if (name == TCP_INFO) {
		o->len = TCP_INFO_LEN;
		o->bytes[0] = (char)tcp_state(s);
		return 0;
	}
	return find_tcp(name) ? option_number(o, s->in.tcp[name]) : -ENOPROTOOPT;
}

int inet_get_option(struct socket *s, int level, int name, struct option *o)
{
	if (level == IPPROTO_TCP && s->type == SOCK_STREAM)
		return get_tcp(s, name, o);
	if (level == IPPROTO_IP && name == IP_TOS)
		return option_number(o, s->in.tos);
	if (level == IPPROTO_IP && name == IP_TTL)
		return option_number(o, s->in.ttl);
	if (level != IPPROTO_IPV6 || s->family != AF_INET6)
		return level == IPPROTO_IP || level == IPPROTO_IPV6 ? -ENOPROTOOPT : -EOPNOTSUPP;
	switch (name) {
	case IPV6_V6ONLY:
		return option_number(o, s->in.only_v6);
	case IPV6_UNICAST_HOPS:
		return option_number(o, s->in.hops);
	case IPV6_TCLASS:
		return option_number(o, s->in.tos);
	default:
		return -ENOPROTOOPT;
	}
}
