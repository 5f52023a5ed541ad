/* What the tests of AF_INET and AF_INET6 share. Linux's loopback device has to be switched on first. */
#pragma once

#include "sock.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static inline void loopback_up(void)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	REQUIRE(fd >= 0);
	EQ(ioctl(fd, SIOCSIFFLAGS, &r), 0);
	close(fd);
}

static inline union addr at4(const char *ip, int port)
{
	union addr a = {.in = {.sin_family = AF_INET, .sin_port = htons(port)}};

	EQ(inet_pton(AF_INET, ip, &a.in.sin_addr), 1);
	return a;
}

static inline union addr at6(const char *ip, int port)
{
	union addr a = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};

	EQ(inet_pton(AF_INET6, ip, &a.in6.sin6_addr), 1);
	return a;
}

static inline socklen_t size_of(const union addr *a)
{
	return a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

static inline int bind_at(int fd, union addr a)
{
	return bind(fd, &a.sa, size_of(&a));
}

static inline int connect_at(int fd, union addr a)
{
	return connect(fd, &a.sa, size_of(&a));
}

/* The port of this end, or (peer) of the other. */
static inline int port_of(int fd, bool peer)
{
	union addr a = {.sa = {0}};
	socklen_t len = sizeof(a);

	if ((peer ? getpeername : getsockname)(fd, &a.sa, &len) < 0)
		return -1;
	return ntohs(a.sa.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
}

/* This end's address, or (peer) the other's, as text. */
static inline const char *ip_of(int fd, bool peer)
{
	static char text[64];
	union addr a = {.sa = {0}};
	socklen_t len = sizeof(a);

	if ((peer ? getpeername : getsockname)(fd, &a.sa, &len) < 0)
		return "none";
	if (a.sa.sa_family == AF_INET)
		return inet_ntop(AF_INET, &a.in.sin_addr, text, sizeof(text));
	return inet_ntop(AF_INET6, &a.in6.sin6_addr, text, sizeof(text));
}

static inline int listener(union addr a, int backlog)
{
	int fd = socket(a.sa.sa_family, SOCK_STREAM, 0);

	loopback_up();
	REQUIRE(fd >= 0);
	SET(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	REQUIRE(!bind_at(fd, a));
	REQUIRE(!listen(fd, backlog));
	return fd;
}

/* Two connected ends. */
static inline void tcp_pair(int s[2])
{
	int l = listener(at4("127.0.0.1", 0), 1);

	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(!connect_at(s[0], at4("127.0.0.1", port_of(l, false))));
	s[1] = accept(l, NULL, NULL);
	REQUIRE(s[1] >= 0);
	close(l);
}

/* What poll says within a second of these events and those that need no asking. */
static inline int becomes(int fd, int events)
{
	struct pollfd p = {fd, events, 0};

	return poll(&p, 1, 1000) < 0 ? -1 : p.revents;
}
