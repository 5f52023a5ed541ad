/* Sets of epoll(7), and eventfds to watch with them. */
#pragma once

#include "tap.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static inline int ep(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	REQUIRE(fd >= 0);
	return fd;
}

static inline int event(int init)
{
	int fd = eventfd(init, EFD_NONBLOCK);

	REQUIRE(fd >= 0);
	return fd;
}

static inline int ctl(int set, int op, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u64 = fd};

	return epoll_ctl(set, op, fd, &e);
}

static inline void add(int set, int fd, uint32_t events)
{
	EQ(ctl(set, EPOLL_CTL_ADD, fd, events), 0);
}
