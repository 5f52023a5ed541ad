/* TCP over loopback. */
#include "tap.h"
#include "sock_net.h"
#include <pthread.h>
#include <sys/mman.h>

#define EVERY (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

static volatile int pipes;

static void hit(int sig)
{
	pipes++;
}

TEST(connect_accept_talk)
{
	union addr from;
	socklen_t len = sizeof(from);
	int l = listener(at4("127.0.0.1", 0), 5), c = socket(AF_INET, SOCK_STREAM, 0), a, port;

	port = port_of(l, false);
	CHECK(port >= 32768);
	EQ(ready(c), POLLOUT | POLLHUP);
	EQ(ready(l), 0);
	EQ(connect_at(c, at4("127.0.0.1", port)), 0);
	EQ(becomes(l, POLLIN), POLLIN);
	a = accept(l, &from.sa, &len);
	REQUIRE(a >= 0);
	EQ(len, sizeof(from.in));
	EQ(ntohs(from.in.sin_port), port_of(c, false));
	EQ(port_of(a, true), port_of(c, false));
	EQ(port_of(a, false), port);
	EQ(port_of(c, true), port);
	CHECK(!strcmp(ip_of(a, false), "127.0.0.1"));
	CHECK(!strcmp(ip_of(c, false), "127.0.0.1"));
	SENT(c, "hello");
	GOT(a, "hello");
	SENT(a, "world");
	GOT(c, "world");
	EQ(ready(a), POLLOUT);
	FAILS(connect_at(c, at4("127.0.0.1", port)), EISCONN);
	FAILS(port_of(l, true), ENOTCONN);
}

TEST(end_comes_after_the_data)
{
	char c;
	int s[2];

	signal(SIGPIPE, hit);
	tcp_pair(s);
	SENT(s[0], "last words");
	close(s[0]);
	GOT(s[1], "last words");
	EQ(read(s[1], &c, 1), 0);
	EQ(read(s[1], &c, 1), 0);
	EQ(ready(s[1]) & ~POLLOUT, POLLIN | POLLRDHUP);
	/* what goes to a closed socket comes back as a reset */
	EQ(write(s[1], "x", 1), 1);
	EQ(becomes(s[1], POLLPRI) & POLLHUP, POLLHUP);
	EQ(pipes, 0);
	FAILS(write(s[1], "x", 1), EPIPE);
	EQ(pipes, 1);
	FAILS(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	EQ(pipes, 1);
	EQ(read(s[1], &c, 1), 0);
	EQ(port_of(s[1], true), -1);
}

TEST(half_close)
{
	char c;
	int s[2];

	signal(SIGPIPE, SIG_IGN);
	tcp_pair(s);
	SENT(s[0], "request");
	EQ(shutdown(s[0], SHUT_WR), 0);
	FAILS(write(s[0], "x", 1), EPIPE);
	GOT(s[1], "request");
	EQ(read(s[1], &c, 1), 0);
	EQ(ready(s[1]), POLLIN | POLLOUT | POLLRDHUP);
	SENT(s[1], "answer");
	GOT(s[0], "answer");
	EQ(port_of(s[0], true), port_of(s[1], false));
	EQ(shutdown(s[1], SHUT_WR), 0);
	EQ(read(s[0], &c, 1), 0);
	EQ(ready(s[0]) & (POLLIN | POLLRDHUP | POLLHUP), POLLIN | POLLRDHUP | POLLHUP);
	FAILS(shutdown(s[0], SHUT_WR), ENOTCONN);
	FAILS(shutdown(socket(AF_INET, SOCK_STREAM, 0), SHUT_WR), ENOTCONN);
	FAILS(shutdown(s[0], 5), EINVAL);
}

TEST(unread_data_resets)
{
	char c;
	int s[2];

	signal(SIGPIPE, SIG_IGN);
	tcp_pair(s);
	SENT(s[0], "unread");
	EQ(becomes(s[1], POLLIN), POLLIN);
	close(s[1]);
	EQ(becomes(s[0], EVERY), POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	FAILS(read(s[0], &c, 1), ECONNRESET);
	EQ(read(s[0], &c, 1), 0);
	FAILS(write(s[0], "x", 1), EPIPE);
	EQ(port_of(s[0], true), -1);
	/* the next call that can fails with it, whichever it is */
	tcp_pair(s);
	SENT(s[0], "unread");
	EQ(becomes(s[1], POLLIN), POLLIN);
	close(s[1]);
	EQ(becomes(s[0], POLLIN) & POLLERR, POLLERR);
	EQ(OPTION(s[0], SOL_SOCKET, SO_ERROR), ECONNRESET);
	EQ(OPTION(s[0], SOL_SOCKET, SO_ERROR), 0);
}

/* A call that is refused for what it asks leaves the error to the next. */
TEST(refused_call_keeps_the_error)
{
	int s[2];

	if (!on_calf())
		SKIP("Linux sends urgent data");
	tcp_pair(s);
	SENT(s[0], "unread");
	EQ(becomes(s[1], POLLIN), POLLIN);
	close(s[1]);
	EQ(becomes(s[0], POLLIN) & POLLERR, POLLERR);
	FAILS(send(s[0], "x", 1, MSG_OOB | MSG_NOSIGNAL), EOPNOTSUPP);
	EQ(OPTION(s[0], SOL_SOCKET, SO_ERROR), ECONNRESET);
}

TEST(linger_of_zero_resets)
{
	struct linger l = {1, 0};
	char c;
	int s[2];

	tcp_pair(s);
	SENT(s[1], "kept");
	EQ(becomes(s[0], POLLIN), POLLIN);
	EQ(setsockopt(s[1], SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	close(s[1]);
	EQ(becomes(s[0], POLLPRI) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
	GOT(s[0], "kept");
	FAILS(read(s[0], &c, 1), ECONNRESET);
	/* one that waits for data goes by */
	l.l_linger = 2;
	tcp_pair(s);
	EQ(setsockopt(s[1], SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	SENT(s[1], "x");
	close(s[1]);
	GOT(s[0], "x");
	EQ(read(s[0], &c, 1), 0);
}

TEST(refused)
{
	int c, port, l = listener(at4("127.0.0.1", 0), 5);

	port = port_of(l, false);
	close(l);
	c = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(connect_at(c, at4("127.0.0.1", port)), ECONNREFUSED);
	EQ(OPTION(c, SOL_SOCKET, SO_ERROR), 0);
	/* the same socket may try again */
	l = listener(at4("127.0.0.1", port), 5);
	EQ(connect_at(c, at4("127.0.0.1", port)), 0);
}

TEST(connect_without_waiting)
{
	int l = listener(at4("127.0.0.1", 0), 5), c, port = port_of(l, false);

	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	FAILS(connect_at(c, at4("127.0.0.1", port)), EINPROGRESS);
	EQ(becomes(c, POLLOUT), POLLOUT);
	EQ(OPTION(c, SOL_SOCKET, SO_ERROR), 0);
	EQ(connect_at(c, at4("127.0.0.1", port)), 0);
	FAILS(connect_at(c, at4("127.0.0.1", port)), EISCONN);
	SENT(c, "x");
	close(l);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	FAILS(connect_at(c, at4("127.0.0.1", port)), EINPROGRESS);
	EQ(becomes(c, EVERY), POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	EQ(OPTION(c, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	EQ(OPTION(c, SOL_SOCKET, SO_ERROR), 0);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	FAILS(connect_at(c, at4("127.0.0.1", port)), EINPROGRESS);
	EQ(becomes(c, POLLOUT) & POLLERR, POLLERR);
	FAILS(connect_at(c, at4("127.0.0.1", port)), ECONNREFUSED);
	FAILS(connect_at(c, at4("127.0.0.1", port)), EINPROGRESS);
}

TEST(full_backlog_waits)
{
	int l = listener(at4("127.0.0.1", 0), 0), c[2], a, port = port_of(l, false);

	c[0] = socket(AF_INET, SOCK_STREAM, 0);
	EQ(connect_at(c[0], at4("127.0.0.1", port)), 0);
	c[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	FAILS(connect_at(c[1], at4("127.0.0.1", port)), EINPROGRESS);
	EQ(ready(c[1]), 0);
	FAILS(connect_at(c[1], at4("127.0.0.1", port)), EALREADY);
	FAILS(send(c[1], "x", 1, 0), EAGAIN);
	a = accept(l, NULL, NULL);
	REQUIRE(a >= 0);
	/* Linux sends again after a second, and after another two */
	struct pollfd p = {c[1], POLLOUT, 0};
	EQ(poll(&p, 1, 10000), 1);
	EQ(p.revents, POLLOUT);
	EQ(OPTION(c[1], SOL_SOCKET, SO_ERROR), 0);
	a = accept(l, NULL, NULL);
	EQ(port_of(a, true), port_of(c[1], false));
	SENT(c[1], "late");
	GOT(a, "late");
}

/* `n` clients that wait for room in a listener's backlog of 0, which is full. */
static int crowd(int c[], int n)
{
	int l = listener(at4("127.0.0.1", 0), 0), port = port_of(l, false);

	EQ(connect_at(socket(AF_INET, SOCK_STREAM, 0), at4("127.0.0.1", port)), 0);
	EQ(becomes(l, POLLIN), POLLIN);
	for (int i = 0; i < n; i++) {
		c[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		FAILS(connect_at(c[i], at4("127.0.0.1", port)), EINPROGRESS);
		EQ(ready(c[i]), 0);
	}
	return l;
}

TEST(a_longer_backlog_establishes)
{
	int c[3], l = crowd(c, 3);

	EQ(listen(l, 10), 0);
	for (int i = 0; i < 3; i++) {
		/* as above */
		struct pollfd p = {c[i], POLLOUT, 0};

		EQ(poll(&p, 1, 10000), 1);
		EQ(p.revents, POLLOUT);
	}
}

TEST(clients_that_gave_up_are_not_accepted)
{
	union addr none = {.sa = {.sa_family = AF_UNSPEC}};
	int c[20], l = crowd(c, 20);

	for (int i = 0; i < 20; i++) {
		if (i % 2)
			EQ(connect(c[i], &none.sa, sizeof(none.in)), 0);
		else
			close(c[i]);
	}
	EQ(OPTION(c[1], SOL_SOCKET, SO_ERROR), ECONNRESET);
	nonblock(l);
	CHECK(accept(l, NULL, NULL) >= 0);
	EQ(becomes(l, POLLIN), 0);
	FAILS(accept(l, NULL, NULL), EAGAIN);
	/* one that was disconnected may connect again */
	EQ(connect_at(c[1], at4("127.0.0.1", port_of(l, false))), -1);
	EQ(errno, EINPROGRESS);
	EQ(becomes(c[1], POLLOUT), POLLOUT);
	CHECK(accept(l, NULL, NULL) >= 0);
}

/* A waiting client's listener goes, time and again: what the client knew of the other end goes too. */
TEST(refused_while_it_waits)
{
	for (int i = 0; i < 3; i++) {
		int c, l = crowd(&c, 1), port = port_of(l, false);

		close(l);
		struct pollfd p = {c, POLLOUT, 0};
		EQ(poll(&p, 1, 10000), 1);
		CHECK(p.revents & POLLERR);
		FAILS(connect_at(c, at4("127.0.0.1", port)), ECONNREFUSED);
		l = listener(at4("127.0.0.1", 0), 1);
		FAILS(connect_at(c, at4("127.0.0.1", port_of(l, false))), EINPROGRESS);
		EQ(becomes(c, POLLOUT), POLLOUT);
		close(c);
		close(l);
	}
}

TEST(listener_goes)
{
	char b;
	int l = listener(at4("127.0.0.1", 0), 5), c = socket(AF_INET, SOCK_STREAM, 0);

	EQ(connect_at(c, at4("127.0.0.1", port_of(l, false))), 0);
	EQ(becomes(l, POLLIN), POLLIN);
	close(l);
	FAILS(read(c, &b, 1), ECONNRESET);
	l = listener(at4("127.0.0.1", 0), 5);
	pid_t pid = CHILD(sleep_ms(30); EQ(shutdown(l, SHUT_RD), 0));
	FAILS(accept(l, NULL, NULL), EINVAL);
	JOIN(pid);
	FAILS(accept(l, NULL, NULL), EINVAL);
	c = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(accept(c, NULL, NULL), EINVAL);
}

TEST(client_goes_before_it_is_accepted)
{
	char b[8];
	int l = listener(at4("127.0.0.1", 0), 5), c = socket(AF_INET, SOCK_STREAM, 0), a;

	EQ(connect_at(c, at4("127.0.0.1", port_of(l, false))), 0);
	SENT(c, "bye");
	close(c);
	a = accept(l, NULL, NULL);
	REQUIRE(a >= 0);
	GOT(a, "bye");
	EQ(read(a, b, 1), 0);
}

TEST(ports)
{
	int l = listener(at4("127.0.0.1", 0), 5), s = socket(AF_INET, SOCK_STREAM, 0);
	int port = port_of(l, false);

	FAILS(bind_at(s, at4("127.0.0.1", port)), EADDRINUSE);
	FAILS(bind_at(s, at4("0.0.0.0", port)), EADDRINUSE);
	SET(s, SOL_SOCKET, SO_REUSEADDR, 1);
	FAILS(bind_at(s, at4("127.0.0.1", port)), EADDRINUSE);
	EQ(bind_at(s, at4("127.0.0.2", port)), 0);
	FAILS(bind_at(s, at4("127.0.0.3", port)), EINVAL);
	FAILS(bind_at(socket(AF_INET, SOCK_STREAM, 0), at4("10.1.2.3", 0)), EADDRNOTAVAIL);
	/* both may be bound where both say so, but only one may listen */
	close(l);
	s = socket(AF_INET, SOCK_STREAM, 0);
	l = socket(AF_INET, SOCK_STREAM, 0);
	SET(s, SOL_SOCKET, SO_REUSEADDR, 1);
	SET(l, SOL_SOCKET, SO_REUSEADDR, 1);
	EQ(bind_at(s, at4("127.0.0.1", port)), 0);
	EQ(bind_at(l, at4("127.0.0.1", port)), 0);
	EQ(listen(s, 1), 0);
	FAILS(listen(l, 1), EADDRINUSE);
	JOIN(CHILD(EQ(setresuid(1000, 1000, 1000), 0); s = socket(AF_INET, SOCK_STREAM, 0);
		   FAILS(bind_at(s, at4("127.0.0.1", 80)), EACCES)));
}

TEST(port_is_free_again)
{
	int l = listener(at4("127.0.0.1", 0), 5), s, c, a, port = port_of(l, false);

	c = socket(AF_INET, SOCK_STREAM, 0);
	EQ(connect_at(c, at4("127.0.0.1", port)), 0);
	a = accept(l, NULL, NULL);
	close(l);
	/* the connection still has the port */
	s = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(bind_at(s, at4("127.0.0.1", port)), EADDRINUSE);
	l = listener(at4("127.0.0.1", port), 5);
	SENT(a, "x");
	GOT(c, "x");
}

TEST(ports_shared_by_many)
{
	int l[3], hits[3] = {0}, port = 0;

	loopback_up();
	for (int i = 0; i < 3; i++) {
		l[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		SET(l[i], SOL_SOCKET, SO_REUSEPORT, 1);
		EQ(bind_at(l[i], at4("127.0.0.1", port)), 0);
		EQ(listen(l[i], 100), 0);
		port = port_of(l[i], false);
	}
	for (int k = 0; k < 60; k++) {
		int c = socket(AF_INET, SOCK_STREAM, 0);

		EQ(connect_at(c, at4("127.0.0.1", port)), 0);
		for (int i = 0; i < 3; i++) {
			int a = accept(l[i], NULL, NULL);

			if (a >= 0) {
				hits[i]++;
				close(a);
			}
		}
		close(c);
	}
	EQ(hits[0] + hits[1] + hits[2], 60);
	for (int i = 0; i < 3; i++)
		CHECK(hits[i] > 0);
}

TEST(addresses)
{
	int l = listener(at4("0.0.0.0", 0), 5), c, a, port = port_of(l, false);

	c = socket(AF_INET, SOCK_STREAM, 0);
	EQ(connect_at(c, at4("0.0.0.0", port)), 0);
	CHECK(!strcmp(ip_of(c, true), "127.0.0.1"));
	a = accept(l, NULL, NULL);
	CHECK(!strcmp(ip_of(a, false), "127.0.0.1"));
	c = socket(AF_INET, SOCK_STREAM, 0);
	EQ(bind_at(c, at4("127.9.9.9", 0)), 0);
	EQ(connect_at(c, at4("127.1.2.3", port)), 0);
	a = accept(l, NULL, NULL);
	CHECK(!strcmp(ip_of(a, false), "127.1.2.3"));
	CHECK(!strcmp(ip_of(a, true), "127.9.9.9"));
	c = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(connect_at(c, at4("10.1.2.3", 80)), ENETUNREACH);
	FAILS(connect_at(c, at6("::1", port)), EAFNOSUPPORT);
	union addr x = at4("127.0.0.1", port);
	FAILS(connect(c, &x.sa, 8), EINVAL);
	FAILS(connect(c, &x.sa, 1), EINVAL);
}

TEST(version_6)
{
	int l = listener(at6("::", 0), 5), c, a, port = port_of(l, false);

	c = socket(AF_INET6, SOCK_STREAM, 0);
	EQ(connect_at(c, at6("::1", port)), 0);
	a = accept(l, NULL, NULL);
	CHECK(!strcmp(ip_of(a, true), "::1"));
	SENT(c, "six");
	GOT(a, "six");
	/* both versions come to a socket of version 6 */
	c = socket(AF_INET, SOCK_STREAM, 0);
	EQ(connect_at(c, at4("127.0.0.1", port)), 0);
	a = accept(l, NULL, NULL);
	CHECK(!strcmp(ip_of(a, true), "::ffff:127.0.0.1"));
	CHECK(!strcmp(ip_of(c, true), "127.0.0.1"));
	c = socket(AF_INET6, SOCK_STREAM, 0);
	EQ(connect_at(c, at6("::ffff:127.0.0.1", port)), 0);
	CHECK(!strcmp(ip_of(c, false), "::ffff:127.0.0.1"));
	c = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(bind_at(c, at4("127.0.0.1", port)), EADDRINUSE);
	close(l);
	l = socket(AF_INET6, SOCK_STREAM, 0);
	EQ(OPTION(l, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	SET(l, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	SET(l, SOL_SOCKET, SO_REUSEADDR, 1);
	EQ(bind_at(l, at6("::", 0)), 0);
	EQ(listen(l, 5), 0);
	port = port_of(l, false);
	FAILS(connect_at(c, at4("127.0.0.1", port)), ECONNREFUSED);
	EQ(bind_at(socket(AF_INET, SOCK_STREAM, 0), at4("0.0.0.0", port)), 0);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	FAILS(connect_at(c, at6("2001:db8::1", 80)), ENETUNREACH);
	union addr x = at4("127.0.0.1", port);
	FAILS(connect(c, &x.sa, sizeof(x.in)), EINVAL);
	FAILS(connect(c, &x.sa, sizeof(x.in6)), EAFNOSUPPORT);
}

TEST(bytes_come_in_order)
{
	static unsigned char buf[30000];
	unsigned seen = 0, size = 3000000;
	ssize_t n;
	int s[2];

	tcp_pair(s);
	pid_t pid = CHILD(close(s[0]); for (unsigned i = 0; i < size;) {
		static unsigned char chunk[100003];
		unsigned want = size - i < sizeof(chunk) ? size - i : sizeof(chunk);

		for (unsigned j = 0; j < want; j++)
			chunk[j] = (i + j) * 7;
		REQUIRE(write(s[1], chunk, want) == (ssize_t)want);
		i += want;
	});
	close(s[1]);
	while ((n = read(s[0], buf, sizeof(buf))) > 0)
		for (ssize_t j = 0; j < n; j++, seen++)
			if (buf[j] != (unsigned char)(seen * 7))
				REQUIRE(!"bytes out of order");
	EQ(n, 0);
	EQ(seen, size);
	JOIN(pid);
}

TEST(full_and_nonblocking)
{
	static char buf[65536];
	long total = 0, back = 0;
	ssize_t n;
	int s[2], left;

	tcp_pair(s);
	nonblock(s[0]);
	nonblock(s[1]);
	FAILS(read(s[0], buf, 1), EAGAIN);
	do {
		while ((n = write(s[0], buf, sizeof(buf))) > 0)
			total += n;
		EQ(errno, EAGAIN);
	} while (becomes(s[0], 0) == 0 && (ready(s[0]) & POLLOUT));
	CHECK(total > 100000);
	EQ(ioctl(s[1], FIONREAD, &left), 0);
	CHECK(left > 0);
	while (back < total) {
		EQ(becomes(s[1], POLLIN), POLLIN);
		while ((n = read(s[1], buf, sizeof(buf))) > 0)
			back += n;
	}
	EQ(back, total);
	EQ(becomes(s[0], POLLOUT), POLLOUT);
}

TEST(peek_waitall_low_water)
{
	char buf[16];
	int s[2];

	tcp_pair(s);
	SENT(s[1], "abcd");
	EQ(becomes(s[0], POLLIN), POLLIN);
	EQ(recv(s[0], buf, 2, MSG_PEEK), 2);
	EQ(recv(s[0], buf, 16, MSG_PEEK), 4);
	SET(s[0], SOL_SOCKET, SO_RCVLOWAT, 5);
	EQ(ready(s[0]), POLLOUT);
	SENT(s[1], "e");
	EQ(becomes(s[0], POLLIN), POLLIN);
	EQ(recv(s[0], buf, 5, 0), 5);
	SET(s[0], SOL_SOCKET, SO_RCVLOWAT, 1);
	pid_t pid = CHILD(SENT(s[1], "1234"); sleep_ms(20); SENT(s[1], "5678"));
	EQ(recv(s[0], buf, 8, MSG_WAITALL), 8);
	JOIN(pid);
	FAILS(recv(s[0], buf, 8, MSG_DONTWAIT), EAGAIN);
	/* MSG_TRUNC throws data away */
	timeout(s[0], SO_RCVTIMEO, 30);
	FAILS(recv(s[0], buf, 8, 0), EAGAIN);
}

TEST(options)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	char name[16] = "";
	int s[2], n = 0;

	tcp_pair(s);
	EQ(OPTION(s[0], SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	EQ(OPTION(s[0], SOL_SOCKET, SO_DOMAIN), AF_INET);
	EQ(OPTION(s[0], SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	EQ(OPTION(s[0], IPPROTO_TCP, TCP_NODELAY), 0);
	SET(s[0], IPPROTO_TCP, TCP_NODELAY, 1);
	EQ(OPTION(s[0], IPPROTO_TCP, TCP_NODELAY), 1);
	EQ(OPTION(s[0], IPPROTO_TCP, TCP_KEEPIDLE), 7200);
	EQ(OPTION(s[0], IPPROTO_TCP, TCP_KEEPINTVL), 75);
	EQ(OPTION(s[0], IPPROTO_TCP, TCP_KEEPCNT), 9);
	SET(s[0], IPPROTO_TCP, TCP_KEEPIDLE, 300);
	EQ(OPTION(s[0], IPPROTO_TCP, TCP_KEEPIDLE), 300);
	n = 0;
	FAILS(setsockopt(s[0], IPPROTO_TCP, TCP_KEEPIDLE, &n, sizeof(n)), EINVAL);
	SET(s[0], IPPROTO_TCP, TCP_CORK, 1);
	EQ(OPTION(s[0], IPPROTO_TCP, TCP_CORK), 1);
	SET(s[0], IPPROTO_TCP, TCP_CORK, 0);
	SET(s[0], IPPROTO_TCP, TCP_USER_TIMEOUT, 1234);
	EQ(OPTION(s[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 1234);
	SET(s[0], IPPROTO_TCP, TCP_QUICKACK, 1);
	SET(s[0], IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
	SET(s[0], SOL_SOCKET, SO_KEEPALIVE, 1);
	EQ(OPTION(s[0], SOL_SOCKET, SO_KEEPALIVE), 1);
	SET(s[0], IPPROTO_IP, IP_TOS, 16);
	EQ(OPTION(s[0], IPPROTO_IP, IP_TOS), 16);
	EQ(OPTION(s[0], IPPROTO_IP, IP_TTL), 64);
	EQ(getsockopt(s[0], IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	EQ(info.tcpi_state, TCP_ESTABLISHED);
	len = sizeof(name);
	EQ(getsockopt(s[0], IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	CHECK(!strcmp(name, "cubic"));
	FAILS(getsockopt(s[0], IPPROTO_TCP, 99, &n, &len), ENOPROTOOPT);
	FAILS(setsockopt(s[0], 99, 1, &n, sizeof(n)), ENOPROTOOPT);
	FAILS(setsockopt(s[0], IPPROTO_IPV6, IPV6_V6ONLY, &n, sizeof(n)), ENOPROTOOPT);
	FAILS(getsockopt(socket(AF_UNIX, SOCK_STREAM, 0), IPPROTO_TCP, TCP_NODELAY, &n, &len),
	      EOPNOTSUPP);
}

TEST(errnos)
{
	char c;
	int s = socket(AF_INET, SOCK_STREAM, 0), p[2];

	signal(SIGPIPE, SIG_IGN);
	FAILS(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	FAILS(socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
	FAILS(socketpair(AF_INET, SOCK_STREAM, 0, p), EOPNOTSUPP);
	FAILS(read(s, &c, 1), ENOTCONN);
	FAILS(write(s, "x", 1), EPIPE);
	FAILS(bind_at(s, at6("::1", 0)), EAFNOSUPPORT);
	EQ(listen(s, 5), 0);
	CHECK(port_of(s, false) > 0);
	FAILS(read(s, &c, 1), ENOTCONN);
	FAILS(connect_at(s, at4("127.0.0.1", 1)), EISCONN);
	EQ(ioctl(s, FIONREAD, &c), -1);
	EQ(errno, EINVAL);
	FAILS(syscall(SYS_accept4, s, NULL, NULL, 77), EINVAL);
}

TEST(disconnect_and_again)
{
	union addr none = {.sa = {.sa_family = AF_UNSPEC}};
	int l = listener(at4("127.0.0.1", 0), 5), c = socket(AF_INET, SOCK_STREAM, 0), a;
	char b;

	EQ(connect_at(c, at4("127.0.0.1", port_of(l, false))), 0);
	a = accept(l, NULL, NULL);
	EQ(connect(c, &none.sa, sizeof(none.in)), 0);
	EQ(port_of(c, true), -1);
	FAILS(read(a, &b, 1), ECONNRESET);
	EQ(connect_at(c, at4("127.0.0.1", port_of(l, false))), 0);
	close(a);
	a = accept(l, NULL, NULL);
	SENT(c, "again");
	GOT(a, "again");
}

/* What the far end of a connection that is over does is nothing to the next one. */
TEST(old_far_end_is_nobody)
{
	union addr none = {.sa = {.sa_family = AF_UNSPEC}};
	int l = listener(at4("127.0.0.1", 0), 5), c = socket(AF_INET, SOCK_STREAM, 0), a[3];
	struct linger now = {1, 0};

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 3; i++) {
		EQ(connect_at(c, at4("127.0.0.1", port_of(l, false))), 0);
		a[i] = accept(l, NULL, NULL);
		REQUIRE(a[i] >= 0);
		if (i < 2)
			EQ(connect(c, &none.sa, sizeof(none.in)), 0);
	}
	EQ(setsockopt(a[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	EQ(write(a[1], "stray", 5), -1);
	EQ(shutdown(a[1], SHUT_WR), -1);
	close(a[0]);
	close(a[1]);
	EQ(ready(c), POLLOUT);
	SENT(c, "third");
	GOT(a[2], "third");
	SENT(a[2], "still");
	GOT(c, "still");
}

static int shared;
static union addr target;
static volatile bool racing_ends;

static void *disconnects(void *arg)
{
	union addr none = {.sa = {.sa_family = AF_UNSPEC}};

	while (!racing_ends) {
		connect(shared, &none.sa, sizeof(none.in));
		shutdown(shared, SHUT_WR);
	}
	return NULL;
}

static void *connects(void *arg)
{
	while (!racing_ends)
		connect_at(shared, target);
	return NULL;
}

static void *reads(void *page)
{
	while (!racing_ends) {
		/* each copy faults, which gives others time */
		madvise(page, 65536, MADV_DONTNEED);
		recv(shared, page, 65536, MSG_DONTWAIT);
	}
	return NULL;
}

static void *serves(void *arg)
{
	static char data[32768];

	while (!racing_ends) {
		int a = accept(*(int *)arg, NULL, NULL);

		if (a < 0)
			continue;
		send(a, data, sizeof(data), MSG_NOSIGNAL | MSG_DONTWAIT);
		close(a);
	}
	return NULL;
}

/* Threads that connect, disconnect, read and accept one connection at the same time. */
TEST(one_socket_many_threads)
{
	void *(*const runs[])(void *) = {disconnects, disconnects, connects, connects,
					 reads,	      reads,	   serves,   serves};
	void *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int l = listener(at4("127.0.0.1", 0), 1);
	pthread_t t[8];

	signal(SIGPIPE, SIG_IGN);
	nonblock(l);
	target = at4("127.0.0.1", port_of(l, false));
	shared = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	for (int i = 0; i < 8; i++)
		REQUIRE(!pthread_create(&t[i], NULL, runs[i], i < 6 ? page : &l));
	sleep_ms(1000);
	racing_ends = true;
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
}

/* Several accept at once what several wait for: nobody is left out. */
TEST_FOR(60, acceptors_side_by_side)
{
	int c[4], l = crowd(c, 4);
	pid_t pid[4];

	for (int i = 0; i < 4; i++)
		pid[i] = CHILD(CHECK(accept(l, NULL, NULL) >= 0));
	for (int i = 0; i < 4; i++) {
		struct pollfd p = {c[i], POLLOUT, 0};

		EQ(poll(&p, 1, 10000), 1);
		EQ(p.revents & POLLOUT, POLLOUT);
		/* without data Linux may forget one that came while the backlog was full */
		SENT(c[i], "x");
	}
	for (int i = 0; i < 4; i++)
		JOIN(pid[i]);
}

TEST(forked_servers)
{
	int l = listener(at4("127.0.0.1", 0), 8), port = port_of(l, false);
	pid_t servers[3], clients[4];

	for (int i = 0; i < 3; i++)
		servers[i] = CHILD(for (;;) {
			char c;
			int a = accept(l, NULL, NULL);

			if (a < 0)
				break;
			while (read(a, &c, 1) == 1)
				EQ(write(a, &c, 1), 1);
			close(a);
		});
	for (int i = 0; i < 4; i++)
		clients[i] = CHILD(for (int k = 0; k < 20; k++) {
			char c = k;
			int s = socket(AF_INET, SOCK_STREAM, 0);

			REQUIRE(!connect_at(s, at4("127.0.0.1", port)));
			EQ(write(s, &c, 1), 1);
			EQ(read(s, &c, 1), 1);
			EQ(c, k);
			close(s);
		});
	for (int i = 0; i < 4; i++)
		JOIN(clients[i]);
	EQ(shutdown(l, SHUT_RDWR), 0);
	for (int i = 0; i < 3; i++)
		JOIN(servers[i]);
}

TEST(proc_shows_them)
{
	static char buf[65536];
	char want[128];
	struct stat st;
	int l = listener(at4("127.0.0.1", 0), 4), l6 = listener(at6("::1", 0), 4);

	EQ(fstat(l, &st), 0);
	CHECK(slurp("/proc/net/tcp", buf, sizeof(buf)) > 0);
	CHECK(!strncmp(buf, "  sl  local_address rem_address   st tx_queue rx_queue tr ", 58));
	EQ(strcspn(buf, "\n"), 149);
	snprintf(want, sizeof(want),
		 ": 0100007F:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0   "
		 "     0 %lu ",
		 port_of(l, false), (long)st.st_ino);
	CHECK(strstr(buf, want));
	CHECK(slurp("/proc/net/tcp6", buf, sizeof(buf)) > 0);
	snprintf(want, sizeof(want), ": 00000000000000000000000001000000:%04X ",
		 port_of(l6, false));
	CHECK(strstr(buf, want));
}
