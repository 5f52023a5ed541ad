/* eventfd(2): counts, semaphores, waiting, errors. */
#include "tap.h"
#include <poll.h>
#include <sys/eventfd.h>

#define LARGEST (UINT64_MAX - 1)

static uint64_t get(int fd)
{
	uint64_t n = 0;

	EQ(read(fd, &n, 8), 8);
	return n;
}

static void put(int fd, uint64_t n)
{
	EQ(write(fd, &n, 8), 8);
}

static int polled(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI, 0};

	REQUIRE(poll(&p, 1, 0) >= 0);
	return p.revents;
}

TEST(counts_and_is_emptied)
{
	int fd = eventfd(3, EFD_NONBLOCK);
	uint64_t n;

	REQUIRE(fd >= 0);
	EQ(get(fd), 3);
	FAILS(read(fd, &n, 8), EAGAIN);
	put(fd, 5);
	put(fd, 0);
	put(fd, 1ul << 40);
	EQ(get(fd), 5 + (1ul << 40));
	FAILS(read(fd, &n, 8), EAGAIN);
}

TEST(semaphore_gives_one_at_a_time)
{
	int fd = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
	uint64_t n;

	REQUIRE(fd >= 0);
	EQ(get(fd), 1);
	put(fd, 2);
	for (int i = 0; i < 3; i++)
		EQ(get(fd), 1);
	FAILS(read(fd, &n, 8), EAGAIN);
}

TEST(is_full_at_the_largest_count)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t n;

	EQ(polled(fd), POLLOUT);
	put(fd, 1);
	EQ(polled(fd), POLLIN | POLLOUT);
	put(fd, LARGEST - 1);
	EQ(polled(fd), POLLIN);
	n = 1;
	FAILS(write(fd, &n, 8), EAGAIN);
	n = UINT64_MAX;
	FAILS(write(fd, &n, 8), EINVAL);
	n = 0;
	EQ(write(fd, &n, 8), 8);
	EQ(get(fd), LARGEST);
	EQ(polled(fd), POLLOUT);
}

TEST(errors)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t n[2] = {7, 9};

	FAILS(eventfd(0, 0x10), EINVAL);
	FAILS(read(fd, n, 7), EINVAL);
	FAILS(write(fd, n, 7), EINVAL);
	FAILS(write(fd, (void *)8, 8), EFAULT);
	FAILS(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0, ENODEV);
	FAILS(ftruncate(fd, 0), EINVAL);
	/* more than eight bytes are eight */
	EQ(write(fd, n, 16), 8);
	EQ(read(fd, n, 16), 8);
	EQ(n[0], 7);
	EQ(n[1], 9);
	put(fd, 1);
	FAILS(read(fd, (void *)8, 8), EFAULT);
}

TEST(flags_and_names)
{
	int a = eventfd(0, EFD_CLOEXEC), b = eventfd(0, EFD_NONBLOCK);
	char path[64], name[64], text[1024];
	struct stat st;
	ssize_t n;

	EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(b, F_GETFD), 0);
	EQ(fcntl(a, F_GETFL), O_RDWR);
	EQ(fcntl(b, F_GETFL), O_RDWR | O_NONBLOCK);
	EQ(syscall(SYS_eventfd, 1), b + 1);
	sprintf(path, "/proc/self/fd/%d", a);
	n = readlink(path, name, sizeof(name));
	EQ(n, 20);
	CHECK(!memcmp(name, "anon_inode:[eventfd]", 20));
	FAILS(open(path, O_RDWR), ENXIO);
	EQ(fstat(a, &st), 0);
	EQ(st.st_mode, 0600);
	put(b, 0x1f);
	sprintf(path, "/proc/self/fdinfo/%d", b);
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	CHECK(strstr(text, "\neventfd-count:               1f\n"));
}

TEST(a_reader_waits_for_a_writer)
{
	int fd = eventfd(0, 0);
	pid_t pid = CHILD(sleep_ms(30); put(fd, 42));
	long t = now_ms();

	EQ(get(fd), 42);
	CHECK(now_ms() - t >= 25);
	JOIN(pid);
}

TEST(a_writer_waits_for_room)
{
	int fd = eventfd(0, 0);

	put(fd, LARGEST);
	pid_t pid = CHILD(sleep_ms(30); EQ(get(fd), LARGEST));
	put(fd, 7);
	EQ(get(fd), 7);
	JOIN(pid);
}

TEST(poll_sleeps_till_it_is_written)
{
	int fd = eventfd(0, 0);
	struct pollfd p = {fd, POLLIN, 0};
	pid_t pid = CHILD(sleep_ms(30); put(fd, 1));

	EQ(poll(&p, 1, 10000), 1);
	EQ(p.revents, POLLIN);
	JOIN(pid);
}

static void nothing(int sig)
{
}

TEST(a_signal_ends_the_wait)
{
	struct sigaction act = {.sa_handler = nothing};
	int fd = eventfd(0, 0);
	uint64_t n;

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 30000}}, NULL);
	FAILS(read(fd, &n, 8), EINTR);
	act.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 30000}}, NULL);
	pid_t pid = CHILD(sleep_ms(80); put(fd, 2));
	EQ(get(fd), 2);
	JOIN(pid);
}

TEST(nothing_is_lost_between_processes)
{
	enum { WRITERS = 4, READERS = 3, ROUNDS = 600 };
	int fd = eventfd(0, EFD_SEMAPHORE);
	pid_t pids[WRITERS + READERS];

	for (int w = 0; w < WRITERS; w++)
		pids[w] = CHILD(for (int i = 0; i < ROUNDS; i++) put(fd, 1));
	for (int r = 0; r < READERS; r++)
		pids[WRITERS + r] =
		    CHILD(for (int i = 0; i < WRITERS * ROUNDS / READERS; i++) EQ(get(fd), 1));
	for (int i = 0; i < WRITERS + READERS; i++)
		JOIN(pids[i]);
	EQ(polled(fd), POLLOUT);
}
