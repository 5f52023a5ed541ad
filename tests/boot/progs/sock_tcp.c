/* TCP over loopback: what comes through a connection, how it ends, and its options. */
#include "tap.h"
#include "sock_net.h"

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
