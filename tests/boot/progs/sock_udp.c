/* UDP over loopback. */
#include "tap.h"
#include "sock_net.h"

#include <pthread.h>

static int bound(union addr a)
{
	int fd = socket(a.sa.sa_family, SOCK_DGRAM, 0);

	loopback_up();
	REQUIRE(fd >= 0);
	REQUIRE(!bind_at(fd, a));
	return fd;
}

static ssize_t send_at(int fd, const char *text, union addr a)
{
	return sendto(fd, text, strlen(text), 0, &a.sa, size_of(&a));
}

TEST(datagrams_keep_their_bounds)
{
	union addr from;
	socklen_t len = sizeof(from);
	char buf[16];
	int r = bound(at4("127.0.0.1", 0)), s = socket(AF_INET, SOCK_DGRAM, 0), left;
	union addr to = at4("127.0.0.1", port_of(r, false));

	EQ(ready(r), POLLOUT);
	EQ(send_at(s, "one", to), 3);
	EQ(send_at(s, "", to), 0);
	EQ(send_at(s, "three", to), 5);
	EQ(ready(r), POLLIN | POLLOUT);
	EQ(ioctl(r, FIONREAD, &left), 0);
	EQ(left, 3);
	EQ(recvfrom(r, buf, sizeof(buf), 0, &from.sa, &len), 3);
	EQ(len, sizeof(from.in));
	EQ(ntohs(from.in.sin_port), port_of(s, false));
	EQ(from.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	EQ(recv(r, buf, sizeof(buf), 0), 0);
	EQ(recv(r, buf, 2, MSG_PEEK | MSG_TRUNC), 5);
	EQ(recv(r, buf, 2, 0), 2);
	FAILS(recv(r, buf, 2, MSG_DONTWAIT), EAGAIN);
	/* and back */
	EQ(sendto(r, "back", 4, 0, &from.sa, len), 4);
	GOT(s, "back");
}

TEST(connected)
{
	int r = bound(at4("127.0.0.1", 0)), s = socket(AF_INET, SOCK_DGRAM, 0), other;
	union addr none = {.sa = {.sa_family = AF_UNSPEC}};

	FAILS(send(s, "x", 1, 0), EDESTADDRREQ);
	EQ(port_of(s, true), -1);
	EQ(connect_at(s, at4("127.0.0.1", port_of(r, false))), 0);
	EQ(port_of(s, true), port_of(r, false));
	CHECK(!strcmp(ip_of(s, false), "127.0.0.1"));
	SENT(s, "hello");
	GOT(r, "hello");
	/* from nobody else */
	other = socket(AF_INET, SOCK_DGRAM, 0);
	EQ(send_at(other, "intruder", at4("127.0.0.1", port_of(s, false))), 8);
	EQ(ready(s), POLLOUT);
	EQ(send_at(r, "friend", at4("127.0.0.1", port_of(s, false))), 6);
	GOT(s, "friend");
	EQ(connect(s, &none.sa, sizeof(none.in)), 0);
	EQ(port_of(s, true), -1);
	FAILS(send(s, "x", 1, 0), EDESTADDRREQ);
}

TEST(nobody_there)
{
	char c;
	int r = bound(at4("127.0.0.1", 0)), s = socket(AF_INET, SOCK_DGRAM, 0), port;

	port = port_of(r, false);
	close(r);
	EQ(send_at(s, "x", at4("127.0.0.1", port)), 1);
	EQ(send_at(s, "x", at4("127.0.0.1", port)), 1);
	EQ(connect_at(s, at4("127.0.0.1", port)), 0);
	SENT(s, "x");
	EQ(ready(s), POLLOUT | POLLERR);
	FAILS(recv(s, &c, 1, 0), ECONNREFUSED);
	SENT(s, "x");
	FAILS(send(s, "x", 1, 0), ECONNREFUSED);
	SENT(s, "x");
	EQ(OPTION(s, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
}

TEST(only_who_is_connected_refuses)
{
	int gone = bound(at4("127.0.0.1", 0)), r = bound(at4("127.0.0.1", 0)), port;
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	port = port_of(gone, false);
	close(gone);
	EQ(connect_at(s, at4("127.0.0.1", port_of(r, false))), 0);
	EQ(send_at(s, "x", at4("127.0.0.1", port)), 1);
	EQ(ready(s), POLLOUT);
	SENT(s, "y");
	GOT(r, "y");
}

TEST(error_queue_is_empty)
{
	char c;
	int s = bound(at4("127.0.0.1", 0)), tcp[2];

	tcp_pair(tcp);
	FAILS(recv(s, &c, 1, MSG_ERRQUEUE), EAGAIN);
	FAILS(recv(tcp[0], &c, 1, MSG_ERRQUEUE), EAGAIN);
	FAILS(recv(socket(AF_INET, SOCK_STREAM, 0), &c, 1, MSG_ERRQUEUE), EAGAIN);
}

TEST(sizes)
{
	static char buf[70000], got[70000];
	int r = bound(at4("127.0.0.1", 0)), s = socket(AF_INET, SOCK_DGRAM, 0);

	EQ(connect_at(s, at4("127.0.0.1", port_of(r, false))), 0);
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = i * 7;
	EQ(send(s, buf, 65507, 0), 65507);
	EQ(recv(r, got, sizeof(got), 0), 65507);
	CHECK(!memcmp(buf, got, 65507));
	FAILS(send(s, buf, 65508, 0), EMSGSIZE);
	FAILS(send(s, buf, 70000, 0), EMSGSIZE);
	/* what does not fit in is lost */
	for (int i = 0; i < 100; i++)
		EQ(send(s, buf, 10000, 0), 10000);
	int n = 0;
	while (recv(r, got, sizeof(got), MSG_DONTWAIT) > 0)
		n++;
	BETWEEN(n, 5, 50);
}

TEST(version_6_and_4)
{
	union addr from;
	socklen_t len = sizeof(from);
	char buf[8];
	int r = bound(at6("::", 0)), s = socket(AF_INET, SOCK_DGRAM, 0), s6;

	EQ(send_at(s, "four", at4("127.0.0.1", port_of(r, false))), 4);
	EQ(recvfrom(r, buf, sizeof(buf), 0, &from.sa, &len), 4);
	EQ(len, sizeof(from.in6));
	CHECK(IN6_IS_ADDR_V4MAPPED(&from.in6.sin6_addr));
	EQ(sendto(r, "back", 4, 0, &from.sa, len), 4);
	GOT(s, "back");
	s6 = socket(AF_INET6, SOCK_DGRAM, 0);
	EQ(send_at(s6, "six", at6("::1", port_of(r, false))), 3);
	EQ(recvfrom(r, buf, sizeof(buf), 0, &from.sa, &len), 3);
	CHECK(IN6_IS_ADDR_LOOPBACK(&from.in6.sin6_addr));
	FAILS(bind_at(s, at4("127.0.0.1", port_of(r, false))), EINVAL);
	FAILS(bind_at(socket(AF_INET, SOCK_DGRAM, 0), at4("127.0.0.1", port_of(r, false))),
	      EADDRINUSE);
}

TEST(errnos)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	union addr to = at4("127.0.0.1", 0);

	loopback_up();
	FAILS(send_at(s, "x", to), EINVAL);
	FAILS(send_at(s, "x", at4("10.9.8.7", 5)), ENETUNREACH);
	FAILS(listen(s, 5), EOPNOTSUPP);
	FAILS(accept(s, NULL, NULL), EOPNOTSUPP);
	FAILS(sendto(s, "x", 1, 0, &to.sa, 4), EINVAL);
	to = at6("::1", 5);
	FAILS(send_at(s, "x", to), EAFNOSUPPORT);
	FAILS(shutdown(s, SHUT_RD), ENOTCONN);
	FAILS(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
}

TEST(shutdown_ends_a_wait)
{
	char c;
	int r = bound(at4("127.0.0.1", 0)), s = socket(AF_INET, SOCK_DGRAM, 0);

	EQ(connect_at(s, at4("127.0.0.1", port_of(r, false))), 0);
	pid_t pid = CHILD(sleep_ms(30); EQ(shutdown(s, SHUT_RDWR), 0));
	EQ(recv(s, &c, 1, 0), 0);
	JOIN(pid);
	FAILS(send(s, "x", 1, MSG_NOSIGNAL), EPIPE);
	timeout(r, SO_RCVTIMEO, 30);
	FAILS(recv(r, &c, 1, 0), EAGAIN);
}

TEST(many_at_a_time)
{
	struct mmsghdr m[4] = {0};
	struct iovec iov[4];
	struct timespec ts = {5, 0};
	char buf[4][8];
	int r = bound(at4("127.0.0.1", 0)), s = socket(AF_INET, SOCK_DGRAM, 0);

	EQ(connect_at(s, at4("127.0.0.1", port_of(r, false))), 0);
	for (int i = 0; i < 4; i++) {
		iov[i] = (struct iovec){buf[i], i + 1};
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
		memset(buf[i], 'a' + i, 8);
	}
	EQ(sendmmsg(s, m, 3, 0), 3);
	EQ(m[2].msg_len, 3);
	memset(buf, 0, sizeof(buf));
	for (int i = 0; i < 4; i++)
		iov[i].iov_len = 2;
	EQ(recvmmsg(r, m, 4, MSG_WAITFORONE, &ts), 3);
	EQ(m[0].msg_len, 1);
	EQ(m[1].msg_len, 2);
	EQ(m[2].msg_len, 2);
	EQ(m[2].msg_hdr.msg_flags, MSG_TRUNC);
	CHECK(buf[2][0] == 'c');
	FAILS(recvmmsg(r, m, 4, MSG_DONTWAIT, NULL), EAGAIN);
}

#define ROUNDS 1000

static struct {
	pthread_barrier_t round;
	int fd;
	union addr to;
} together;

static void *disconnects(void *unused)
{
	union addr none = {.sa.sa_family = AF_UNSPEC};

	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&together.round);
		connect(together.fd, &none.sa, sizeof(none.in));
		pthread_barrier_wait(&together.round);
	}
	return NULL;
}

/* Whichever of the two was last: it is wholly connected, or not at all. */
TEST(connecting_and_disconnecting_at_once)
{
	int r = bound(at4("127.0.0.1", 0)), halves = 0;
	pthread_t other;

	together.to = at4("127.0.0.1", port_of(r, false));
	together.fd = socket(AF_INET, SOCK_DGRAM, 0);
	EQ(pthread_barrier_init(&together.round, NULL, 2), 0);
	EQ(pthread_create(&other, NULL, disconnects, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		union addr peer;
		socklen_t len = sizeof(peer);

		pthread_barrier_wait(&together.round);
		connect_at(together.fd, together.to);
		pthread_barrier_wait(&together.round);
		halves += (send(together.fd, "", 0, 0) == 0) !=
			  (getpeername(together.fd, &peer.sa, &len) == 0);
	}
	EQ(pthread_join(other, NULL), 0);
	EQ(halves, 0);
}
