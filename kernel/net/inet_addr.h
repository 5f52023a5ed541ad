/* Internet addresses: all of them in 16 bytes, those of version 4 as ::ffff:a.b.c.d. */
#pragma once

#include "kernel/lib/string.h"

struct inet_addr {
	u8 ip[16];
	u16 port; /* the CPU's byte order */
};

static const u8 inet_v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

static inline bool inet_is_v4(const struct inet_addr *a)
{
	return !memcmp(a->ip, inet_v4_prefix, sizeof(inet_v4_prefix));
}

/* Every byte of [from, to) is 0. */
static inline bool inet_zero(const struct inet_addr *a, unsigned from, unsigned to)
{
	while (from < to && !a->ip[from])
		from++;
	return from == to;
}

/* 0.0.0.0 or :: */
static inline bool inet_is_any(const struct inet_addr *a)
{
	return inet_is_v4(a) ? inet_zero(a, 12, 16) : inet_zero(a, 0, 16);
}

/* What this machine can be reached by: 127.0.0.0/8 and ::1. */
static inline bool inet_is_loopback(const struct inet_addr *a)
{
	return inet_is_v4(a) ? a->ip[12] == 127 : inet_zero(a, 0, 15) && a->ip[15] == 1;
}

static inline bool inet_same_ip(const struct inet_addr *a, const struct inet_addr *b)
{
	return !memcmp(a->ip, b->ip, sizeof(a->ip));
}

static inline struct inet_addr inet_v4(u8 a, u8 b, u8 c, u8 d)
{
	return (struct inet_addr){
	    .ip = {[10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d}};
}

/* The address that a packet to `to` comes from, where the sender has not chosen one. */
static inline struct inet_addr inet_source_for(const struct inet_addr *to)
{
	return inet_is_v4(to) ? inet_v4(127, 0, 0, 1) : (struct inet_addr){.ip = {[15] = 1}};
}
