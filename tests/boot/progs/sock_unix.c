/* Sockets of AF_UNIX: what comes through a pair of streams, how it ends, and which signals tell of it. */
#include "tap.h"
#include "sock.h"
#include <pthread.h>

static volatile int pipes;

static void hit(int sig)
{
	pipes++;
}

TEST(pair_talks_both_ways)
{
	struct stat st;
	char c;
	int s[2];

	PAIR(s, SOCK_STREAM);
	EQ(write(s[0], "ping", 4), 4);
	GOT(s[1], "ping");
	SENT(s[1], "pong");
	EQ(read(s[0], &c, 1), 1);
	GOT(s[0], "ong");
	EQ(fstat(s[0], &st), 0);
	CHECK(S_ISSOCK(st.st_mode));
	FAILS(lseek(s[0], 0, SEEK_SET), ESPIPE);
	FAILS(pread(s[0], &c, 1, 0), ESPIPE);
	EQ(fcntl(s[0], F_GETFL) & O_ACCMODE, O_RDWR);
}

TEST(end_and_broken_pipe)
{
	char c;
	int s[2];

	signal(SIGPIPE, hit);
	PAIR(s, SOCK_STREAM);
	SENT(s[0], "ab");
	close(s[0]);
	EQ(read(s[1], &c, 1), 1);
	EQ(read(s[1], &c, 1), 1);
	EQ(read(s[1], &c, 1), 0);
	EQ(read(s[1], &c, 1), 0);
	FAILS(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	EQ(pipes, 0);
	FAILS(write(s[1], "x", 1), EPIPE);
	EQ(pipes, 1);
	close(s[1]);
}

TEST(unread_data_resets_the_peer)
{
	char c;
	int s[2];

	signal(SIGPIPE, SIG_IGN);
	PAIR(s, SOCK_STREAM);
	SENT(s[0], "lost");
	SENT(s[1], "kept");
	close(s[1]);
	EQ(ready(s[0]), POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	GOT(s[0], "kept");
	FAILS(read(s[0], &c, 1), ECONNRESET);
	EQ(read(s[0], &c, 1), 0);
	FAILS(write(s[0], "x", 1), EPIPE);
}

TEST(shutdown_halves)
{
	char c;
	int s[2];

	signal(SIGPIPE, SIG_IGN);
	PAIR(s, SOCK_STREAM);
	SENT(s[0], "last");
	EQ(shutdown(s[0], SHUT_WR), 0);
	FAILS(write(s[0], "x", 1), EPIPE);
	GOT(s[1], "last");
	EQ(read(s[1], &c, 1), 0);
	SENT(s[1], "still");
	GOT(s[0], "still");
	EQ(ready(s[1]), POLLIN | POLLOUT | POLLRDHUP);
	EQ(shutdown(s[1], SHUT_WR), 0);
	EQ(ready(s[1]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	PAIR(s, SOCK_STREAM);
	EQ(shutdown(s[0], SHUT_RD), 0);
	FAILS(write(s[1], "x", 1), EPIPE);
	EQ(read(s[0], &c, 1), 0);
	FAILS(shutdown(s[0], 3), EINVAL);
	FAILS(shutdown(1000, SHUT_RD), EBADF);
}

TEST(bytes_come_in_order)
{
	static unsigned char buf[8192];
	unsigned seen = 0;
	ssize_t n;
	int s[2];

	PAIR(s, SOCK_STREAM);
	pid_t pid = CHILD(close(s[0]); for (unsigned i = 0; i < 600000;) {
		static unsigned char chunk[70001];
		unsigned want = 600000 - i < sizeof(chunk) ? 600000 - i : sizeof(chunk);

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
	EQ(seen, 600000);
	JOIN(pid);
}

TEST(full_and_nonblocking)
{
	static char buf[65536];
	long total = 0, back = 0;
	ssize_t n;
	int s[2], left = 0;

	PAIR(s, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
	EQ(fcntl(s[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	EQ(fcntl(s[0], F_GETFD), FD_CLOEXEC);
	FAILS(read(s[0], buf, 1), EAGAIN);
	EQ(ready(s[0]), POLLOUT);
	while ((n = write(s[0], buf, sizeof(buf))) > 0)
		total += n;
	EQ(errno, EAGAIN);
	CHECK(total >= 100000);
	EQ(ready(s[0]), 0);
	EQ(ioctl(s[1], FIONREAD, &left), 0);
	EQ(left, total);
	EQ(ioctl(s[0], TIOCOUTQ, &left), 0);
	CHECK(left >= total);
	while ((n = read(s[1], buf, sizeof(buf))) > 0)
		back += n;
	EQ(back, total);
	EQ(ready(s[0]), POLLOUT);
	/* a byte at a time does not take all memory */
	for (total = 0; write(s[0], buf, 1) == 1; total++)
		;
	BETWEEN(total, 100, 212992);
}

TEST(blocked_calls_go_on)
{
	static char buf[400000];
	long t = now_ms();
	size_t n = 0;
	int s[2];
	char c;

	PAIR(s, SOCK_STREAM);
	pid_t pid = CHILD(close(s[0]); sleep_ms(50); EQ(write(s[1], "x", 1), 1);
			  EQ(write(s[1], buf, sizeof(buf)), sizeof(buf)));
	close(s[1]);
	EQ(read(s[0], &c, 1), 1);
	CHECK(now_ms() - t >= 45);
	sleep_ms(50);
	while (n < sizeof(buf)) {
		ssize_t r = read(s[0], buf, 10000);

		REQUIRE(r > 0);
		n += r;
	}
	EQ(read(s[0], &c, 1), 0);
	JOIN(pid);
}

TEST(peek_waitall_and_dontwait)
{
	char buf[16] = "";
	int s[2];

	PAIR(s, SOCK_STREAM);
	FAILS(recv(s[0], buf, 1, MSG_DONTWAIT), EAGAIN);
	SENT(s[1], "ab");
	SENT(s[1], "cd");
	EQ(recv(s[0], buf, sizeof(buf), MSG_PEEK), 4);
	CHECK(!memcmp(buf, "abcd", 4));
	EQ(recv(s[0], buf, 3, MSG_PEEK), 3);
	EQ(recv(s[0], buf, 3, 0), 3);
	EQ(recv(s[0], buf, 3, 0), 1);
	pid_t pid = CHILD(sleep_ms(20); SENT(s[1], "12345"); sleep_ms(20); SENT(s[1], "67890"));
	EQ(recv(s[0], buf, 10, MSG_WAITALL), 10);
	CHECK(!memcmp(buf, "1234567890", 10));
	JOIN(pid);
	SENT(s[1], "12345");
	SENT(s[1], "67890");
	char *hole = map_anon(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	munmap(hole + PAGE, PAGE);
	EQ(recv(s[0], hole + PAGE - 5, 10, MSG_WAITALL), 5); /* and not one byte of the second */
	FAILS(recv(s[0], hole + PAGE, 10, MSG_WAITALL), EFAULT);
	EQ(recv(s[0], buf, 10, 0), 5);
	SENT(s[1], "end");
	close(s[1]);
	EQ(recv(s[0], buf, 10, MSG_WAITALL), 3);
	EQ(recv(s[0], buf, 10, MSG_WAITALL), 0);
}

TEST(vectors_and_sendfile)
{
	char a[4] = "", b[8] = "";
	struct iovec out[3] = {{"one", 3}, {"", 0}, {"two", 3}}, in[2] = {{a, 4}, {b, 8}};
	int s[2], fd;

	PAIR(s, SOCK_STREAM);
	EQ(writev(s[0], out, 3), 6);
	EQ(readv(s[1], in, 2), 6);
	CHECK(!memcmp(a, "onet", 4) && !memcmp(b, "wo", 2));
	spit("/tmp/sent", "from a file");
	fd = open("/tmp/sent", O_RDONLY);
	EQ(syscall(SYS_sendfile, s[0], fd, NULL, 100), 11);
	GOT(s[1], "from a file");
	unlink("/tmp/sent");
}

TEST(timeouts)
{
	static char buf[65536];
	struct timeval tv = {1, 0};
	socklen_t len = sizeof(tv);
	long t = now_ms();
	int s[2];

	PAIR(s, SOCK_STREAM);
	timeout(s[0], SO_RCVTIMEO, 60);
	FAILS(read(s[0], buf, 1), EAGAIN);
	BETWEEN(now_ms() - t, 50, 2000);
	timeout(s[0], SO_SNDTIMEO, 60);
	EQ(getsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, &len), 0);
	EQ(len, sizeof(tv));
	EQ(tv.tv_sec, 0);
	NEAR(tv.tv_usec, 60000, 4000);
	while (write(s[0], buf, sizeof(buf)) == sizeof(buf))
		;
	FAILS(write(s[0], buf, sizeof(buf)), EAGAIN);
	tv.tv_usec = 1000000;
	FAILS(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), EDOM);
}

TEST(signals_interrupt)
{
	struct sigaction sa = {.sa_handler = hit};
	char c;
	int s[2];

	PAIR(s, SOCK_STREAM);
	sigaction(SIGUSR1, &sa, NULL);
	pid_t pid = CHILD(for (int i = 0; i < 20; i++) {
		sleep_ms(10);
		kill(getppid(), SIGUSR1);
	});
	FAILS(read(s[0], &c, 1), EINTR);
	signal(SIGUSR1, SIG_IGN);
	JOIN(pid);
}

TEST(signals_instead_of_polling)
{
	int s[2], on = 1;

	signal(SIGIO, hit);
	signal(SIGUSR2, hit);
	PAIR(s, SOCK_STREAM);
	EQ(fcntl(s[0], F_SETOWN, getpid()), 0);
	EQ(fcntl(s[0], F_GETOWN), getpid());
	SENT(s[1], "a");
	EQ(pipes, 0);
	EQ(ioctl(s[0], FIOASYNC, &on), 0);
	CHECK(fcntl(s[0], F_GETFL) & O_ASYNC);
	SENT(s[1], "b");
	EQ(pipes, 1);
	EQ(fcntl(s[0], F_SETSIG, SIGUSR2), 0);
	EQ(fcntl(s[0], F_GETSIG), SIGUSR2);
	SENT(s[1], "c");
	EQ(pipes, 2);
	EQ(fcntl(s[0], F_SETFL, 0), 0);
	SENT(s[1], "d");
	EQ(pipes, 2);
	FAILS(fcntl(s[0], F_SETOWN, 99999), ESRCH);
}

static volatile int hits;

static void count(int sig)
{
	hits++;
}

/* Writes where nobody reads, with SIGPIPE blocked: which waits for this thread alone. */
static void *writes_to_nobody(void *arg)
{
	int fd = *(int *)arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	FAILS(write(fd, "x", 1), EPIPE);
	sigpending(&set);
	EQ(sigismember(&set, SIGPIPE), 1);
	return NULL;
}

TEST(broken_pipe_signals_the_thread)
{
	int s[2], p[2];
	pthread_t t;

	signal(SIGPIPE, count);
	PAIR(s, SOCK_STREAM);
	close(s[1]);
	REQUIRE(!pipe(p));
	close(p[0]);
	for (int i = 0; i < 2; i++) {
		REQUIRE(!pthread_create(&t, NULL, writes_to_nobody, i ? &p[1] : &s[0]));
		pthread_join(t, NULL);
		sleep_ms(10);
		EQ(hits, 0);
	}
	FAILS(write(s[0], "x", 1), EPIPE);
	EQ(hits, 1);
}

TEST(owner_may_be_a_group)
{
	int s[2];

	signal(SIGIO, count);
	JOIN(CHILD(EQ(setpgid(0, 0), 0); EQ(setresuid(1000, 1000, 1000), 0); PAIR(s, SOCK_STREAM);
		   EQ(fcntl(s[0], F_SETOWN, -getpid()), 0); EQ(fcntl(s[0], F_SETFL, O_ASYNC), 0);
		   SENT(s[1], "x"); sleep_ms(20); CHECK(hits > 0)));
}

TEST(forked_ends)
{
	char c;
	int s[2];

	PAIR(s, SOCK_STREAM);
	for (int i = 0; i < 8; i++)
		CHILD(close(s[0]); for (int k = 0; k < 100; k++) EQ(write(s[1], "x", 1), 1));
	close(s[1]);
	for (int i = 0; i < 800; i++)
		REQUIRE(read(s[0], &c, 1) == 1);
	EQ(read(s[0], &c, 1), 0);
	while (wait(NULL) > 0)
		;
}

TEST(ping_pong)
{
	char c = 'p';
	int s[2];

	PAIR(s, SOCK_STREAM);
	pid_t pid = CHILD(close(s[0]); while (read(s[1], &c, 1) == 1) EQ(write(s[1], &c, 1), 1));
	close(s[1]);
	for (int i = 0; goes_on(i, 2000); i++) {
		REQUIRE(write(s[0], &c, 1) == 1);
		REQUIRE(read(s[0], &c, 1) == 1);
	}
	close(s[0]);
	JOIN(pid);
}
