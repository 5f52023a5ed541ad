/* Connections that end before their time: what a call that is under way, and the next one, is told. */
#include "tap.h"
#include "sock_net.h"

/* Closing fd resets the other end. */
static void will_reset(int fd)
{
	struct linger hard = {1, 0};

	EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
}

/* What has come is returned, and the reset is left to the next call. */
TEST(reset_after_a_part)
{
	char buf[16];
	int s[2];
	pid_t pid;

	tcp_pair(s);
	will_reset(s[0]);
	pid = CHILD(SENT(s[0], "12345"); sleep_ms(100));
	close(s[0]);
	EQ(recv(s[1], buf, 10, MSG_WAITALL), 5);
	FAILS(recv(s[1], buf, 10, 0), ECONNRESET);
	EQ(recv(s[1], buf, 10, 0), 0);
	JOIN(pid);
}

TEST(reset_of_a_sender)
{
	static char big[16 << 20];
	int s[2];
	pid_t pid;

	signal(SIGPIPE, SIG_IGN);
	tcp_pair(s);
	will_reset(s[0]);
	pid = CHILD(sleep_ms(100));
	close(s[0]);
	BETWEEN(send(s[1], big, sizeof(big), 0), 1, sizeof(big) - 1);
	FAILS(send(s[1], big, 1, 0), ECONNRESET);
	FAILS(send(s[1], big, 1, 0), EPIPE);
	JOIN(pid);
}

/* A stream of AF_UNIX forgets it. */
TEST(local_reset_after_a_part)
{
	char buf[16];
	int s[2];
	pid_t pid;

	PAIR(s, SOCK_STREAM);
	SENT(s[1], "unread");
	pid = CHILD(SENT(s[0], "12345"); sleep_ms(100));
	close(s[0]);
	EQ(recv(s[1], buf, 10, MSG_WAITALL), 5);
	EQ(recv(s[1], buf, 10, 0), 0);
	JOIN(pid);
}

static void disconnect(int fd)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	EQ(connect(fd, &none, sizeof(none)), 0);
}

/* Who waits at a socket that another task disconnects does not wait on. */
TEST(disconnected_reader)
{
	char buf[16];
	int s[2];
	pid_t waits, part;

	tcp_pair(s);
	waits = CHILD(FAILS(recv(s[1], buf, 10, 0), EPIPE));
	sleep_ms(100);
	disconnect(s[1]);
	JOIN(waits);
	tcp_pair(s);
	SENT(s[0], "12345");
	part = CHILD(EQ(recv(s[1], buf, 10, MSG_WAITALL), 5));
	sleep_ms(100);
	disconnect(s[1]);
	JOIN(part);
}

TEST(disconnected_writer)
{
	static char big[16 << 20];
	int s[2];
	pid_t pid;

	signal(SIGPIPE, SIG_IGN);
	tcp_pair(s);
	pid = CHILD(BETWEEN(send(s[1], big, sizeof(big), 0), 1, sizeof(big) - 1));
	sleep_ms(200);
	disconnect(s[1]);
	JOIN(pid);
}

/* Its next call is told of it, but not the next connection. */
TEST(disconnected_and_again)
{
	char c;
	int s[2], l = listener(at4("127.0.0.1", 0), 1);

	signal(SIGPIPE, SIG_IGN);
	tcp_pair(s);
	disconnect(s[1]);
	FAILS(send(s[1], "x", 1, 0), ECONNRESET);
	FAILS(send(s[1], "x", 1, 0), EPIPE);
	FAILS(recv(s[1], &c, 1, 0), ENOTCONN);
	tcp_pair(s);
	disconnect(s[1]);
	EQ(ready(s[1]), POLLOUT | POLLERR | POLLHUP);
	EQ(connect_at(s[1], at4("127.0.0.1", port_of(l, false))), 0);
	EQ(OPTION(s[1], SOL_SOCKET, SO_ERROR), 0);
	/* a reset that nobody was told of stays */
	tcp_pair(s);
	will_reset(s[0]);
	close(s[0]);
	EQ(becomes(s[1], POLLIN) & POLLERR, POLLERR);
	disconnect(s[1]);
	EQ(OPTION(s[1], SOL_SOCKET, SO_ERROR), ECONNRESET);
}
