/* TCP over loopback: how connections come about, or not, between those who listen and those who connect. */
#include "tap.h"
#include "sock_net.h"
#include <pthread.h>

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
