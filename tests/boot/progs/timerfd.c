/* timerfd_create(2) and its kin. */
#include "tap.h"
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define MS 1000000l

static int timer(int clock, int flags)
{
	int fd = timerfd_create(clock, flags);

	REQUIRE(fd >= 0);
	return fd;
}

static struct itimerspec spec(long first_ms, long period_ms)
{
	return (struct itimerspec){{period_ms / 1000, period_ms % 1000 * MS},
				   {first_ms / 1000, first_ms % 1000 * MS}};
}

static void set(int fd, long first_ms, long period_ms)
{
	struct itimerspec s = spec(first_ms, period_ms);

	EQ(timerfd_settime(fd, 0, &s, NULL), 0);
}

static uint64_t ticks(int fd)
{
	uint64_t n = 0;

	EQ(read(fd, &n, 8), 8);
	return n;
}

TEST(creation_and_errors)
{
	struct itimerspec s = spec(10, 0), old;
	uint64_t n;
	int fd = timer(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
	    null = open("/dev/null", O_RDWR);

	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
	FAILS(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
	FAILS(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
	FAILS(timerfd_create(CLOCK_MONOTONIC_RAW, 0), EINVAL);
	FAILS(timerfd_create(-1, 0), EINVAL);
	FAILS(read(fd, &n, 8), EAGAIN);
	FAILS(read(fd, &n, 7), EINVAL);
	FAILS(write(fd, &n, 8), EINVAL);
	FAILS(timerfd_settime(null, 0, &s, NULL), EINVAL);
	FAILS(timerfd_gettime(null, &s), EINVAL);
	FAILS(timerfd_settime(-1, 0, &s, NULL), EBADF);
	FAILS(timerfd_gettime(-1, &s), EBADF);
	FAILS(timerfd_settime(fd, 4, &s, NULL), EINVAL);
	FAILS(timerfd_settime(fd, 0, (void *)8, NULL), EFAULT);
	FAILS(timerfd_gettime(fd, (void *)8), EFAULT);
	s.it_value.tv_nsec = 1000 * MS;
	FAILS(timerfd_settime(fd, 0, &s, NULL), EINVAL);
	s.it_value.tv_nsec = -1;
	FAILS(timerfd_settime(fd, 0, &s, NULL), EINVAL);
	s = spec(10, 0);
	s.it_interval.tv_sec = -1;
	FAILS(timerfd_settime(fd, 0, &s, NULL), EINVAL);
	EQ(timerfd_gettime(fd, &old), 0);
	EQ(old.it_value.tv_sec | old.it_value.tv_nsec | old.it_interval.tv_sec, 0);
}

TEST(expires_once)
{
	static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};

	for (int i = 0; i < 3; i++) {
		int fd = timer(clocks[i], 0);
		long t = now_ms();

		CHECK(!readable(fd, 0));
		set(fd, 40, 0);
		CHECK(!readable(fd, 0));
		EQ(ticks(fd), 1);
		BETWEEN(now_ms() - t, 39, 2000);
		CHECK(!readable(fd, 60));
	}
}

TEST(counts_what_nobody_reads)
{
	int fd = timer(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t n;
	long t = now_ms(), passed;

	set(fd, 10, 10);
	sleep_ms(105);
	passed = now_ms() - t;
	n = ticks(fd);
	BETWEEN(n, 9, passed / 10 + 1);
	/* and goes on from there */
	CHECK(readable(fd, 1000));
	BETWEEN(ticks(fd), 1, 100);
	set(fd, 0, 10); /* an interval alone does not arm */
	sleep_ms(30);
	FAILS(read(fd, &n, 8), EAGAIN);
}

TEST(gettime_tells_what_is_left)
{
	int fd = timer(CLOCK_MONOTONIC, 0);
	struct itimerspec s = spec(5000, 3000), old;

	EQ(timerfd_settime(fd, 0, &s, NULL), 0);
	sleep_ms(20);
	EQ(timerfd_gettime(fd, &s), 0);
	EQ(s.it_interval.tv_sec, 3);
	EQ(s.it_value.tv_sec, 4);
	CHECK(s.it_value.tv_nsec < 981 * MS);
	s = spec(0, 0);
	EQ(timerfd_settime(fd, 0, &s, &old), 0);
	EQ(old.it_value.tv_sec, 4);
	EQ(old.it_interval.tv_sec, 3);
	EQ(timerfd_gettime(fd, &old), 0);
	EQ(old.it_value.tv_sec | old.it_value.tv_nsec, 0);
	/* one that expires again and again has always something left */
	set(fd, 5, 4000);
	sleep_ms(20);
	EQ(timerfd_gettime(fd, &s), 0);
	EQ(s.it_value.tv_sec, 3);
	EQ(ticks(fd), 1);
	/* one that has expired for good has not */
	set(fd, 5, 0);
	sleep_ms(20);
	EQ(timerfd_gettime(fd, &s), 0);
	EQ(s.it_value.tv_sec | s.it_value.tv_nsec, 0);
	EQ(ticks(fd), 1);
}

TEST(setting_forgets_what_was)
{
	int fd = timer(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t n;

	set(fd, 5, 5);
	sleep_ms(30);
	CHECK(readable(fd, 0));
	set(fd, 10000, 0);
	CHECK(!readable(fd, 0));
	FAILS(read(fd, &n, 8), EAGAIN);
}

TEST(absolute_times)
{
	static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};

	for (int i = 0; i < 3; i++) {
		int fd = timer(clocks[i], 0);
		struct itimerspec s = {0};
		long t = now_ms();

		clock_gettime(clocks[i], &s.it_value);
		s.it_value.tv_nsec += 50 * MS;
		if (s.it_value.tv_nsec >= 1000 * MS) {
			s.it_value.tv_nsec -= 1000 * MS;
			s.it_value.tv_sec++;
		}
		EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, NULL), 0);
		EQ(ticks(fd), 1);
		BETWEEN(now_ms() - t, 48, 2000);
		/* what has passed expires at once */
		s.it_value.tv_sec--;
		EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, NULL), 0);
		EQ(ticks(fd), 1);
		/* with all the periods since */
		s.it_interval.tv_nsec = 100 * MS;
		EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, NULL), 0);
		CHECK(readable(fd, 1000));
		BETWEEN(ticks(fd), 10, 30);
	}
}

TEST(a_wall_timer_follows_the_clock)
{
	int fd = timer(CLOCK_REALTIME, 0), relative = timer(CLOCK_REALTIME, 0);
	int told = timer(CLOCK_REALTIME, TFD_NONBLOCK);
	struct itimerspec s = {0};
	struct timespec now, set_to;
	uint64_t n;

	if (geteuid())
		SKIP("not root");
	clock_gettime(CLOCK_REALTIME, &now);
	s.it_value = now;
	s.it_value.tv_sec += 1000;
	EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, NULL), 0);
	EQ(timerfd_settime(told, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &s, NULL), 0);
	set(relative, 500000, 0);
	CHECK(!readable(fd, 20));
	set_to = now;
	set_to.tv_sec += 2000;
	EQ(clock_settime(CLOCK_REALTIME, &set_to), 0);
	CHECK(readable(fd, 1000));
	CHECK(!readable(relative, 20));
	CHECK(readable(told, 0));
	FAILS(read(told, &n, 8), ECANCELED);
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec -= 2000;
	EQ(clock_settime(CLOCK_REALTIME, &now), 0);
	EQ(ticks(fd), 1);
}

TEST(a_signal_ends_the_wait)
{
	int fd = timer(CLOCK_MONOTONIC, 0);
	uint64_t n;

	signal(SIGALRM, (void (*)(int))(void *)getpid);
	siginterrupt(SIGALRM, 1);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 20000}}, NULL);
	FAILS(read(fd, &n, 8), EINTR);
}

TEST(fork_shares_it)
{
	int fd = timer(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t n;

	pid_t pid = CHILD(set(fd, 20, 0); close(fd));
	JOIN(pid);
	CHECK(readable(fd, 5000));
	pid = CHILD(EQ(ticks(fd), 1));
	JOIN(pid);
	FAILS(read(fd, &n, 8), EAGAIN);
}

TEST(epoll_reports_each_period)
{
	int fd = timer(CLOCK_MONOTONIC, TFD_NONBLOCK), s = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};

	EQ(epoll_ctl(s, EPOLL_CTL_ADD, fd, &e), 0);
	set(fd, 10, 10);
	for (int i = 0; i < 5; i++) {
		EQ(epoll_wait(s, &e, 1, 5000), 1);
		BETWEEN(ticks(fd), 1, 1000);
	}
}

TEST(fdinfo)
{
	int fd = timer(CLOCK_BOOTTIME, 0);
	char path[64], text[1024];

	set(fd, 50000, 7000);
	sprintf(path, "/proc/self/fdinfo/%d", fd);
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	CHECK(strstr(text, "\nclockid: 7\nticks: 0\nsettime flags: 00\nit_value: (49, "));
	CHECK(strstr(text, "\nit_interval: (7, 0)\n"));
}

TEST(many_are_closed_while_they_run)
{
	for (int i = 0; goes_on(i, 300); i++) {
		int fds[8];

		for (int n = 0; n < 8; n++) {
			struct itimerspec s = {{0, 50000}, {0, 20000 + 10000 * n}};

			fds[n] = timer(CLOCK_MONOTONIC, TFD_NONBLOCK);
			EQ(timerfd_settime(fds[n], 0, &s, NULL), 0);
		}
		for (int n = 0; n < 8; n++) {
			uint64_t got;

			(void)!read(fds[n], &got, 8);
			close(fds[n]);
		}
	}
}
