/* What the socket tests share. */
#pragma once

#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define PAIR(s, type)  REQUIRE(!socketpair(AF_UNIX, (type), 0, (s)))
#define SENT(fd, text) EQ(send((fd), (text), strlen(text), 0), strlen(text))
/* The next that comes is this text, whole. */
#define GOT(fd, text)                                               \
	({                                                          \
		char got_[256] = "";                                \
		ssize_t n_ = recv((fd), got_, sizeof(got_) - 1, 0); \
		EQ(n_, strlen(text));                               \
		CHECK(n_ < 0 || !strcmp(got_, (text)));             \
	})
#define OPTION(fd, level, name)                                           \
	({                                                                \
		int value_ = -1;                                          \
		socklen_t len_ = sizeof(value_);                          \
		EQ(getsockopt((fd), (level), (name), &value_, &len_), 0); \
		EQ(len_, sizeof(value_));                                 \
		value_;                                                   \
	})
#define SET(fd, level, name, number)                                               \
	({                                                                         \
		int value_ = (number);                                             \
		EQ(setsockopt((fd), (level), (name), &value_, sizeof(value_)), 0); \
	})

#define EVERY (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

/* What poll says at once. */
static inline int ready(int fd)
{
	struct pollfd p = {fd, EVERY, 0};

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static inline void nonblock(int fd)
{
	EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

static inline void timeout(int fd, int name, long ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	EQ(setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)), 0);
}

static inline socklen_t unix_addr(struct sockaddr_un *un, const char *path)
{
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	if (path[0] == '@') {
		memcpy(un->sun_path + 1, path + 1, strlen(path) - 1);
		return offsetof(struct sockaddr_un, sun_path) + strlen(path);
	}
	strcpy(un->sun_path, path);
	return offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
}

static inline int unix_bind(int fd, const char *path)
{
	struct sockaddr_un un;
	socklen_t len = unix_addr(&un, path);

	return bind(fd, (void *)&un, len);
}

static inline int unix_connect(int fd, const char *path)
{
	struct sockaddr_un un;
	socklen_t len = unix_addr(&un, path);

	return connect(fd, (void *)&un, len);
}

/* A socket bound to path, and one that listens there. */
static inline int unix_bound(int type, const char *path)
{
	int fd = socket(AF_UNIX, type, 0);

	REQUIRE(fd >= 0);
	if (path[0] != '@')
		unlink(path);
	REQUIRE(!unix_bind(fd, path));
	return fd;
}

static inline int unix_listener(int type, const char *path, int backlog)
{
	int fd = unix_bound(type, path);

	REQUIRE(!listen(fd, backlog));
	return fd;
}

/* Sends one byte with these descriptors; returns sendmsg's answer. */
static inline ssize_t send_fds(int to, const int *fds, int n)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = "", byte = 'f';
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
	struct cmsghdr *c;

	m.msg_controllen = CMSG_SPACE(n * sizeof(int));
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return sendmsg(to, &m, 0);
}

/* Receives one byte and at most `max` descriptors; returns how many came, -1 where recvmsg failed. */
static inline int recv_fds(int from, int *fds, int max, int flags, int *msg_flags)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = "", byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
	struct cmsghdr *c;
	int n = 0;

	m.msg_controllen = max ? CMSG_SPACE(max * sizeof(int)) : 0;
	if (recvmsg(from, &m, flags) < 0)
		return -1;
	if (msg_flags)
		*msg_flags = m.msg_flags;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	}
	return n;
}
