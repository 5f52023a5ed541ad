/* Pipes, poll and select. */
#include "tap.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define FULL 65536

static volatile int hits;

static void hit(int sig)
{
	hits++;
}

TEST(bytes_come_in_order)
{
	static unsigned char buf[8192];
	int p[2];
	unsigned seen = 0;
	ssize_t n;

	REQUIRE(!pipe(p));
	pid_t pid = CHILD(close(p[0]); for (unsigned i = 0; i < 300000;) {
		unsigned char chunk[977];
		unsigned want = 300000 - i < sizeof(chunk) ? 300000 - i : sizeof(chunk);

		for (unsigned j = 0; j < want; j++)
			chunk[j] = (i + j) * 7;
		REQUIRE(write(p[1], chunk, want) == (ssize_t)want);
		i += want;
	});
	close(p[1]);
	while ((n = read(p[0], buf, sizeof(buf))) > 0)
		for (ssize_t j = 0; j < n; j++, seen++)
			if (buf[j] != (unsigned char)(seen * 7))
				REQUIRE(!"bytes out of order");
	EQ(n, 0);
	EQ(seen, 300000);
	JOIN(pid);
}

TEST(capacity_and_nonblocking)
{
	static char buf[FULL + 1];
	int p[2], n = 0;

	REQUIRE(!pipe2(p, O_NONBLOCK));
	FAILS(read(p[0], buf, 1), EAGAIN);
	EQ(write(p[1], buf, FULL + 1), FULL);
	FAILS(write(p[1], buf, 1), EAGAIN);
	EQ(ioctl(p[0], FIONREAD, &n), 0);
	EQ(n, FULL);
	EQ(read(p[0], buf, 100), 100);
	/* a write of at most PIPE_BUF goes whole or not at all */
	FAILS(write(p[1], buf, 4096), EAGAIN);
	EQ(read(p[0], buf, FULL), FULL - 100);
	EQ(fcntl(p[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

TEST(end_of_file_and_broken_pipe)
{
	char c;
	int p[2];

	REQUIRE(!pipe(p));
	EQ(write(p[1], "ab", 2), 2);
	close(p[1]);
	EQ(read(p[0], &c, 1), 1);
	EQ(read(p[0], &c, 1), 1);
	EQ(read(p[0], &c, 1), 0);
	EQ(read(p[0], &c, 1), 0);
	REQUIRE(!pipe(p));
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	FAILS(write(p[1], "a", 1), EPIPE);
}

TEST(eof_waits_for_every_writer)
{
	int p[2];
	char c;
	long t = now_ms();
	pid_t pid;

	REQUIRE(!pipe(p));
	pid = CHILD(close(p[0]); sleep_ms(50));
	close(p[1]);
	EQ(read(p[0], &c, 1), 0);
	CHECK(now_ms() - t >= 45);
	JOIN(pid);
}

TEST(wrong_ends_and_seeks)
{
	char c;
	int p[2];

	REQUIRE(!pipe(p));
	FAILS(write(p[0], "a", 1), EBADF);
	FAILS(read(p[1], &c, 1), EBADF);
	FAILS(lseek(p[0], 0, SEEK_SET), ESPIPE);
	FAILS(pread(p[0], &c, 1, 0), ESPIPE);
	EQ(write(p[1], "", 0), 0);
	FAILS(ftruncate(p[1], 0), EINVAL);
	struct stat st;
	EQ(fstat(p[0], &st), 0);
	CHECK(S_ISFIFO(st.st_mode));
	FAILS(pipe2(p, 0x1234567), EINVAL);
}

TEST(small_writes_are_atomic)
{
	enum { WRITERS = 4, EACH = 50, SIZE = 1000 };
	int p[2], seen[WRITERS] = {0};
	static unsigned char buf[SIZE];

	REQUIRE(!pipe(p));
	for (int w = 0; w < WRITERS; w++)
		CHILD(memset(buf, 'a' + w, SIZE);
		      for (int i = 0; i < EACH; i++) EQ(write(p[1], buf, SIZE), SIZE));
	close(p[1]);
	for (int i = 0; i < WRITERS * EACH; i++) {
		size_t n = 0;

		while (n < SIZE) {
			ssize_t r = read(p[0], buf + n, SIZE - n);
			REQUIRE(r > 0);
			n += r;
		}
		for (int j = 1; j < SIZE; j++)
			REQUIRE(buf[j] == buf[0]);
		seen[buf[0] - 'a']++;
	}
	for (int w = 0; w < WRITERS; w++)
		EQ(seen[w], EACH);
	while (wait(NULL) > 0)
		;
}

TEST(blocked_writer_goes_on_as_there_is_room)
{
	static char buf[FULL * 3];
	int p[2];
	size_t n = 0;
	pid_t pid;

	REQUIRE(!pipe(p));
	pid = CHILD(close(p[0]); EQ(write(p[1], buf, sizeof(buf)), sizeof(buf)));
	close(p[1]);
	sleep_ms(20);
	for (ssize_t r; (r = read(p[0], buf, 5000)) > 0;)
		n += r;
	EQ(n, sizeof(buf));
	JOIN(pid);
}

TEST(interrupted_write_tells_how_much)
{
	static char buf[FULL * 2];
	struct sigaction sa = {.sa_handler = hit};
	int p[2];
	pid_t self = getpid();

	REQUIRE(!pipe(p));
	sigaction(SIGUSR1, &sa, NULL);
	CHILD(sleep_ms(30); kill(self, SIGUSR1));
	EQ(write(p[1], buf, sizeof(buf)), FULL);
	EQ(hits, 1);
}

TEST(vectors)
{
	char a[3] = "", b[4] = "";
	struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cde", 3}}, in[2] = {{a, 2}, {b, 3}};
	int p[2];

	REQUIRE(!pipe(p));
	EQ(writev(p[1], out, 3), 5);
	EQ(readv(p[0], in, 2), 5);
	CHECK(!strcmp(a, "ab") && !strcmp(b, "cde"));
	FAILS(writev(p[1], out, -1), EINVAL);
	FAILS(writev(p[1], out, 1025), EINVAL);
	FAILS(syscall(SYS_writev, p[1], 8, 1), EFAULT);
	EQ(writev(p[1], out, 0), 0);
}

TEST(mode_and_owner)
{
	struct stat st;
	int p[2];

	REQUIRE(!pipe(p));
	REQUIRE(!fstat(p[1], &st));
	EQ(st.st_mode, S_IFIFO | 0600);
	EQ(fchmod(p[0], 0640), 0);
	EQ(fchown(p[0], 12, 34), 0);
	/* both ends are one file */
	REQUIRE(!fstat(p[1], &st));
	EQ(st.st_mode, S_IFIFO | 0640);
	EQ(st.st_uid, 12);
	EQ(st.st_gid, 34);
	close(p[0]);
	close(p[1]);
}

TEST(fifo_by_name)
{
	char c;
	int fd;

	EQ(mkfifo("/tmp/fifo", 0600), 0);
	FAILS(open("/tmp/fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	pid_t pid = CHILD(int w = open("/tmp/fifo", O_WRONLY); EQ(write(w, "q", 1), 1));
	fd = open("/tmp/fifo", O_RDONLY); /* waits for the writer */
	REQUIRE(fd >= 0);
	EQ(read(fd, &c, 1), 1);
	EQ(read(fd, &c, 1), 0);
	JOIN(pid);
	unlink("/tmp/fifo");
}

TEST(poll_events)
{
	int p[2];
	char c;
	struct pollfd fds[3];

	REQUIRE(!pipe(p));
	fds[0] = (struct pollfd){.fd = p[0], .events = POLLIN};
	fds[1] = (struct pollfd){.fd = p[1], .events = POLLOUT};
	fds[2] = (struct pollfd){.fd = 999, .events = POLLIN};
	EQ(poll(fds, 2, 0), 1);
	EQ(fds[0].revents, 0);
	EQ(fds[1].revents, POLLOUT);
	EQ(poll(fds, 3, 0), 2);
	EQ(fds[2].revents, POLLNVAL);
	EQ(write(p[1], "x", 1), 1);
	EQ(poll(fds, 2, -1), 2);
	EQ(fds[0].revents, POLLIN);
	close(p[1]);
	EQ(poll(fds, 1, -1), 1);
	EQ(fds[0].revents, POLLIN | POLLHUP);
	EQ(read(p[0], &c, 1), 1);
	EQ(poll(fds, 1, -1), 1);
	EQ(fds[0].revents, POLLHUP);
	fds[0].fd = -1;
	EQ(poll(fds, 1, 0), 0);
	EQ(fds[0].revents, 0);
}

TEST(poll_of_the_writing_end)
{
	static char buf[FULL];
	int p[2];
	struct pollfd fd;

	REQUIRE(!pipe(p));
	fd = (struct pollfd){.fd = p[1], .events = POLLOUT};
	EQ(write(p[1], buf, FULL), FULL);
	EQ(poll(&fd, 1, 0), 0);
	EQ(read(p[0], buf, FULL), FULL);
	EQ(poll(&fd, 1, 0), 1);
	close(p[0]);
	EQ(poll(&fd, 1, 0), 1);
	CHECK(fd.revents & POLLERR);
}

TEST(poll_waits_and_wakes)
{
	int p[2];
	struct pollfd fd;
	long t = now_ms();

	REQUIRE(!pipe(p));
	fd = (struct pollfd){.fd = p[0], .events = POLLIN};
	EQ(poll(&fd, 1, 40), 0);
	CHECK(now_ms() - t >= 39);
	EQ(poll(NULL, 0, 10), 0);
	pid_t pid = CHILD(sleep_ms(30); EQ(write(p[1], "x", 1), 1));
	t = now_ms();
	EQ(poll(&fd, 1, 10000), 1);
	CHECK(now_ms() - t < 5000);
	JOIN(pid);
}

TEST(poll_interrupted_and_ppoll_mask)
{
	struct sigaction sa = {.sa_handler = hit, .sa_flags = SA_RESTART};
	struct timespec ts = {5, 0};
	pid_t self = getpid();
	sigset_t block, none;

	sigaction(SIGUSR1, &sa, NULL);
	CHILD(sleep_ms(20); kill(self, SIGUSR1));
	FAILS(poll(NULL, 0, 5000), EINTR); /* whatever SA_RESTART says */
	EQ(hits, 1);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGUSR1);
	EQ(hits, 1);
	FAILS(ppoll(NULL, 0, &ts, &none), EINTR);
	EQ(hits, 2);
	ts.tv_nsec = -1;
	FAILS(ppoll(NULL, 0, &ts, NULL), EINVAL);
}

TEST(select_sets)
{
	int p[2], q[2];
	fd_set in, out;
	struct timeval tv = {0, 20000};

	REQUIRE(!pipe(p) && !pipe(q));
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	FD_SET(q[0], &in);
	EQ(select(q[1] + 1, &in, NULL, NULL, &tv), 0);
	CHECK(!FD_ISSET(p[0], &in));
	EQ(write(q[1], "x", 1), 1);
	FD_ZERO(&out);
	FD_SET(p[0], &in);
	FD_SET(q[0], &in);
	FD_SET(p[1], &out);
	EQ(select(q[1] + 1, &in, &out, NULL, NULL), 2);
	CHECK(!FD_ISSET(p[0], &in) && FD_ISSET(q[0], &in) && FD_ISSET(p[1], &out));
	FD_ZERO(&in);
	FD_SET(40, &in);
	FAILS(select(41, &in, NULL, NULL, NULL), EBADF);
	FAILS(select(-1, NULL, NULL, NULL, &tv), EINVAL);
	tv.tv_usec = 1000;
	tv.tv_sec = 0;
	EQ(select(0, NULL, NULL, NULL, &tv), 0);
}

TEST(poll_of_files_and_devices)
{
	int null = open("/dev/null", O_RDWR), dir = open("/", O_RDONLY);
	struct pollfd fds[2] = {{.fd = null, .events = POLLIN | POLLOUT},
				{.fd = dir, .events = POLLIN | POLLOUT}};

	EQ(poll(fds, 2, 0), 2);
	EQ(fds[0].revents, POLLIN | POLLOUT);
	EQ(fds[1].revents, POLLIN | POLLOUT);
}

TEST(ping_pong)
{
	int to[2], back[2];
	unsigned v = 0;

	REQUIRE(!pipe(to) && !pipe(back));
	pid_t pid = CHILD(close(to[1]); while (read(to[0], &v, 4) == 4) {
		v++;
		EQ(write(back[1], &v, 4), 4);
	});
	close(to[0]);
	for (int i = 0; i < 1000; i++) {
		EQ(write(to[1], &v, 4), 4);
		EQ(read(back[0], &v, 4), 4);
	}
	EQ(v, 1000);
	close(to[1]);
	JOIN(pid);
}

/* As `echo x | cat /dev/stdin` does, where the writer may be gone by then. */
TEST(opened_again_by_its_name_in_proc)
{
	char name[64], buf[8] = "";
	int p[2], again;

	REQUIRE(pipe(p) == 0);
	EQ(write(p[1], "x", 1), 1);
	close(p[1]);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p[0]);
	again = open(name, O_RDONLY);
	REQUIRE(again >= 0);
	EQ(read(again, buf, sizeof(buf)), 1);
	EQ(buf[0], 'x');
	EQ(read(again, buf, sizeof(buf)), 0);
	close(p[0]);
	close(again);
}

/*
 * Full, with its end somewhere within a frame: the last bytes lie before the first ones in one frame. Grown
 * (F_SETPIPE_SZ) it has a frame for each. Linux counts buffers instead, and may say that it is too full.
 */
TEST(grows_while_it_is_full)
{
	static unsigned char in[FULL + 4096], out[FULL + 4096];
	static const int offsets[] = {1, 100, 2048, 4095};
	int p[2];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = i * 7 + i / 253;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		int at = offsets[i];

		REQUIRE(!pipe(p));
		EQ(write(p[1], in, FULL), FULL);
		EQ(read(p[0], out, at), at);
		if (on_calf())
			EQ(write(p[1], in + FULL, at), at);
		EQ(fcntl(p[1], F_SETPIPE_SZ, 2 * FULL), 2 * FULL);
		EQ(write(p[1], "end", 3), 3);
		at = on_calf() ? FULL : FULL - at;
		EQ(read(p[0], out, at), at);
		CHECK(!memcmp(out, in + offsets[i], at));
		EQ(read(p[0], out, sizeof(out)), 3);
		CHECK(!memcmp(out, "end", 3));
		close(p[0]);
		close(p[1]);
	}
}

TEST(broken_while_it_is_written)
{
	static char buf[2 * FULL];
	int p[2];

	REQUIRE(!pipe(p));
	pid_t pid = CHILD(close(p[0]); signal(SIGPIPE, hit);
			  BETWEEN(write(p[1], buf, sizeof(buf)), FULL, 2 * FULL - 1); EQ(hits, 1));
	close(p[1]);
	sleep_ms(50);
	EQ(read(p[0], buf, 1), 1);
	close(p[0]);
	JOIN(pid);
}
