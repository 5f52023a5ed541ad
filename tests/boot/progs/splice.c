/* splice(2), tee(2), vmsplice(2), copy_file_range(2): data arrives whole, once, and stays what it was. */
#include "tap.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int file_with(const char *text)
{
	int fd = memfd_create("splice", 0);

	REQUIRE(fd >= 0);
	EQ(write(fd, text, strlen(text)), (long)strlen(text));
	EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void expect(int fd, const char *text)
{
	char buf[256] = "";

	EQ(read(fd, buf, sizeof(buf) - 1), (long)strlen(text));
	if (strcmp(buf, text)) {
		CHECK(!"what was read is what was sent");
		say("# '%s', not '%s'", buf, text);
	}
}

TEST(from_a_file_into_a_pipe_and_on)
{
	int in = file_with("hello, pipes and files"), out = memfd_create("out", 0), ends[2];
	loff_t at = 7;

	REQUIRE(!pipe(ends));
	EQ(splice(in, NULL, ends[1], NULL, 5, 0), 5);
	EQ(lseek(in, 0, SEEK_CUR), 5);
	EQ(splice(in, &at, ends[1], NULL, 100, 0), 15);
	EQ(at, 22);
	EQ(lseek(in, 0, SEEK_CUR), 5);
	EQ(splice(in, &at, ends[1], NULL, 100, 0), 0);
	at = 3;
	EQ(splice(ends[0], NULL, out, &at, 10, 0), 10);
	EQ(at, 13);
	EQ(splice(ends[0], NULL, out, NULL, 3, 0), 3);
	EQ(lseek(out, 0, SEEK_CUR), 3);
	expect(ends[0], "d files");
	EQ(lseek(out, 0, SEEK_SET), 0);
	expect(out, " anhellopipes");
}

TEST(from_pipe_to_pipe)
{
	int a[2], b[2];

	REQUIRE(!pipe(a) && !pipe(b));
	EQ(write(a[1], "abcdef", 6), 6);
	EQ(splice(a[0], NULL, b[1], NULL, 4, 0), 4);
	expect(b[0], "abcd");
	expect(a[0], "ef");
	FAILS(splice(a[0], NULL, b[1], NULL, 4, SPLICE_F_NONBLOCK), EAGAIN);
	FAILS(splice(a[0], NULL, a[1], NULL, 4, 0), EINVAL);
	close(a[1]);
	EQ(splice(a[0], NULL, b[1], NULL, 4, 0), 0);
}

TEST(tee_leaves_what_it_copies)
{
	int a[2], b[2];

	REQUIRE(!pipe(a) && !pipe(b));
	EQ(write(a[1], "abcdef", 6), 6);
	EQ(tee(a[0], b[1], 4, 0), 4);
	EQ(tee(a[0], b[1], 100, 0), 6);
	expect(b[0], "abcdabcdef");
	expect(a[0], "abcdef");
	FAILS(tee(a[0], b[1], 4, SPLICE_F_NONBLOCK), EAGAIN);
	FAILS(tee(a[0], a[1], 4, 0), EINVAL);
	FAILS(tee(a[0], file_with(""), 4, 0), EINVAL);
	FAILS(tee(a[1], b[1], 4, 0), EBADF);
}

TEST(a_full_pipe_loses_nothing)
{
	static char big[65536], back[65536];
	int a[2], b[2];
	long n;

	REQUIRE(!pipe(a) && !pipe(b));
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i * 7 + i / 251;
	EQ(write(a[1], big, sizeof(big)), sizeof(big));
	EQ(fcntl(b[1], F_SETPIPE_SZ, 4 * PAGE), 4 * PAGE);
	n = splice(a[0], NULL, b[1], NULL, sizeof(big), 0);
	EQ(n, 4 * PAGE);
	FAILS(splice(a[0], NULL, b[1], NULL, sizeof(big), SPLICE_F_NONBLOCK), EAGAIN);
	EQ(read(b[0], back, n), n);
	EQ(read(a[0], back + n, sizeof(back)), (long)sizeof(back) - n);
	CHECK(!memcmp(big, back, sizeof(big)));
}

TEST(a_splice_waits_for_data_and_for_room)
{
	int a[2], b[2];
	pid_t pid;
	static char big[65536];

	REQUIRE(!pipe(a) && !pipe(b));
	pid = CHILD(EQ(splice(a[0], NULL, b[1], NULL, 3, 0), 3));
	sleep_ms(10);
	EQ(write(a[1], "abc", 3), 3);
	JOIN(pid);
	expect(b[0], "abc");
	EQ(write(b[1], big, sizeof(big)), sizeof(big));
	EQ(write(a[1], "def", 3), 3);
	pid = CHILD(EQ(splice(a[0], NULL, b[1], NULL, 3, 0), 3));
	sleep_ms(10);
	EQ(read(b[0], big, sizeof(big)), sizeof(big));
	JOIN(pid);
	expect(b[0], "def");
}

static volatile int pipe_signal;

static void on_pipe(int sig)
{
	pipe_signal = sig;
}

TEST(splice_refuses)
{
	int a[2], b[2], f = file_with("text"), dir = open("/", O_RDONLY);
	loff_t at = 0;

	REQUIRE(!pipe(a) && !pipe(b));
	EQ(splice(-1, NULL, -1, NULL, 0, 0), 0);
	FAILS(splice(f, NULL, a[1], NULL, 1, 16), EINVAL);
	FAILS(splice(-1, NULL, a[1], NULL, 1, 0), EBADF);
	FAILS(splice(f, NULL, a[0], NULL, 1, 0), EBADF);
	FAILS(splice(a[1], NULL, f, NULL, 1, 0), EBADF);
	FAILS(splice(a[0], &at, f, NULL, 1, 0), ESPIPE);
	FAILS(splice(f, NULL, a[1], &at, 1, 0), ESPIPE);
	FAILS(splice(f, NULL, file_with(""), NULL, 1, 0), EINVAL);
	FAILS(splice(f, (void *)8, a[1], NULL, 1, 0), EFAULT);
	FAILS(splice(dir, NULL, a[1], NULL, 1, 0), EINVAL);
	int append = open("/dev/shm/append", O_RDWR | O_CREAT | O_APPEND, 0600);
	if (append >= 0) {
		unlink("/dev/shm/append");
		EQ(write(a[1], "x", 1), 1);
		FAILS(splice(a[0], NULL, append, NULL, 1, 0), EINVAL);
		expect(a[0], "x");
	}
	signal(SIGPIPE, on_pipe);
	close(b[0]);
	FAILS(splice(f, NULL, b[1], NULL, 1, 0), EPIPE);
	EQ(pipe_signal, SIGPIPE);
}

TEST(vmsplice_both_ways)
{
	char one[] = "first ", two[] = "second", back[16] = "";
	struct iovec v[2] = {{one, 6}, {two, 6}}, in[2] = {{back, 3}, {back + 3, 9}};
	int a[2];

	REQUIRE(!pipe(a));
	EQ(vmsplice(a[1], v, 2, 0), 12);
	EQ(vmsplice(a[0], in, 2, 0), 12);
	CHECK(!strcmp(back, "first second"));
	FAILS(vmsplice(a[0], in, 2, SPLICE_F_NONBLOCK), EAGAIN);
	EQ(vmsplice(a[1], v, 0, 0), 0);
	FAILS(vmsplice(a[1], v, 2, 16), EINVAL);
	FAILS(vmsplice(a[1], (void *)8, 1, 0), EFAULT);
	FAILS(vmsplice(file_with("x"), v, 2, 0), EBADF);
	FAILS(vmsplice(-1, v, 2, 0), EBADF);
}

/* A page in a pipe is a page of nobody's: a child that writes its copy, or a parent that unmaps it. */
TEST(vmsplice_and_fork)
{
	char *p = map_anon(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE), back[5] = "";
	struct iovec v = {p, 4};
	int a[2];

	REQUIRE(!pipe(a));
	memcpy(p, "abcd", 4);
	EQ(vmsplice(a[1], &v, 1, 0), 4);
	JOIN(CHILD(memcpy(p, "wxyz", 4)));
	CHECK(!memcmp(p, "abcd", 4));
	EQ(munmap(p, 2 * PAGE), 0);
	EQ(read(a[0], back, 4), 4);
	CHECK(!strcmp(back, "abcd"));
}

TEST(vmsplice_takes_what_fits)
{
	static char big[32 * 4096];
	struct iovec v = {big, sizeof(big)};
	int a[2];
	long n;

	REQUIRE(!pipe(a));
	n = vmsplice(a[1], &v, 1, 0);
	BETWEEN(n, 60000, 65536);
	FAILS(vmsplice(a[1], &v, 1, SPLICE_F_NONBLOCK), EAGAIN);
}

TEST(copy_file_range_copies)
{
	int in = file_with("0123456789"), out = memfd_create("out", 0), ends[2];
	loff_t from = 2, to = 1;

	REQUIRE(!pipe(ends));
	EQ(copy_file_range(in, &from, out, &to, 4, 0), 4);
	EQ(from, 6);
	EQ(to, 5);
	EQ(copy_file_range(in, NULL, out, NULL, 1, 0), 1);
	EQ(copy_file_range(in, &from, out, &to, 100, 0), 4);
	EQ(copy_file_range(in, &from, out, &to, 100, 0), 0);
	EQ(lseek(out, 0, SEEK_SET), 0);
	expect(out, "023456789");
	FAILS(copy_file_range(in, NULL, out, NULL, 1, 1), EINVAL);
	FAILS(copy_file_range(in, NULL, ends[1], NULL, 1, 0), EINVAL);
	from = 0;
	to = 3;
	FAILS(copy_file_range(in, &from, in, &to, 5, 0), EINVAL);
}

/* Bytes go round between readers and writers, each once. */
TEST(several_splice_at_once)
{
	int a[2], b[2];
	pid_t pids[4];
	long sum = 0, got;
	unsigned char buf[512];

	REQUIRE(!pipe(a) && !pipe(b));
	for (int k = 0; k < 2; k++)
		pids[k] = CHILD(unsigned char c[100]; memset(c, k + 1, sizeof(c));
				for (int n = 0; n < 200; n++) EQ(write(a[1], c, 100), 100));
	close(a[1]);
	for (int k = 2; k < 4; k++)
		pids[k] = CHILD(while (splice(a[0], NULL, b[1], NULL, 37 * k, 0) > 0););
	close(b[1]);
	close(a[0]);
	for (long n = 0; (got = read(b[0], buf, sizeof(buf))) > 0; n += got)
		for (long i = 0; i < got; i++)
			sum += buf[i];
	EQ(sum, 200 * 100 * 3);
	for (int k = 0; k < 4; k++)
		JOIN(pids[k]);
}

/* What was read off a socket is not dropped since another writer took the room for it. */
TEST(from_a_socket_beside_another_writer)
{
	enum { ROOM = 4096 };
	static unsigned char buf[65536];
	long counts[3] = {0, 0, 0}, got;
	pid_t spliced, written;
	int p[2], s[2];

	REQUIRE(!pipe(p) && !socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	EQ(fcntl(p[1], F_SETFL, O_NONBLOCK), 0);
	EQ(write(p[1], buf, sizeof(buf) - ROOM), sizeof(buf) - ROOM);
	spliced = CHILD(close(p[0]); long n = 0; for (long r; n < ROOM;) {
		r = splice(s[0], NULL, p[1], NULL, ROOM - n, 0);
		if (r < 0 && errno == EAGAIN)
			sleep_ms(1);
		else if (!CHECK(r > 0))
			break;
		n += r > 0 ? r : 0;
	});
	sleep_ms(30);
	written = CHILD(close(p[0]); memset(buf, 2, ROOM); for (int n = 0; n < ROOM;) {
		long r = write(p[1], buf, ROOM - n);

		if (r > 0)
			n += r;
		else
			sleep_ms(1);
	});
	sleep_ms(30);
	memset(buf, 1, ROOM);
	EQ(write(s[1], buf, ROOM), ROOM);
	close(p[1]);
	sleep_ms(30);
	while ((got = read(p[0], buf, sizeof(buf))) > 0)
		for (long i = 0; i < got; i++)
			counts[buf[i]]++;
	EQ(counts[1], ROOM);
	EQ(counts[2], ROOM);
	EQ(counts[0], sizeof(buf) - ROOM);
	JOIN(spliced);
	JOIN(written);
}

/* Poll says nothing of bytes that are on their way out: a read would not get them. */
TEST(held_bytes_are_not_to_be_read)
{
	static char buf[65536];
	struct pollfd pfd;
	int p[2], s[2];
	pid_t pid;

	if (!on_calf())
		SKIP("Linux keeps the pipe's lock, and who reads waits in spite of O_NONBLOCK");
	REQUIRE(!pipe(p) && !socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	EQ(fcntl(s[0], F_SETFL, O_NONBLOCK), 0);
	while (write(s[0], buf, sizeof(buf)) > 0)
		;
	EQ(fcntl(s[0], F_SETFL, 0), 0);
	EQ(write(p[1], "held", 4), 4);
	EQ(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	pid = CHILD(EQ(splice(p[0], NULL, s[0], NULL, 4, 0), 4));
	pfd = (struct pollfd){.fd = p[0], .events = POLLIN};
	for (int i = 0; i < 2000 && poll(&pfd, 1, 0); i++)
		sleep_ms(1);
	EQ(poll(&pfd, 1, 0), 0);
	FAILS(read(p[0], buf, 1), EAGAIN);
	EQ(fcntl(s[1], F_SETFL, O_NONBLOCK), 0);
	for (long n = 0; n >= 0 || waitpid(pid, NULL, WNOHANG) == 0;)
		n = read(s[1], buf, sizeof(buf));
	close(p[1]);
	EQ(poll(&pfd, 1, 1000), 1);
	EQ(pfd.revents, POLLHUP);
}
