/* epoll(7) on several CPUs, and of several tasks: closes against waits, changes against wake-ups. */
#include "thread.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int set;

static int event(int flags)
{
	int fd = eventfd(0, EFD_NONBLOCK | flags);

	REQUIRE(fd >= 0);
	return fd;
}

static int ctl(int s, int op, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u64 = fd};

	return epoll_ctl(s, op, fd, &e);
}

static void put(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, 8);
}

static bool take(int fd)
{
	uint64_t n;

	return read(fd, &n, 8) == 8;
}

static volatile int stop;

static void *wait_till_stop(void *arg)
{
	struct epoll_event ev[8];
	long got = 0;

	while (!stop) {
		int n = epoll_wait(set, ev, 8, 10);

		for (int i = 0; i < n; i++)
			got += take(ev[i].data.u64);
	}
	return (void *)got;
}

TEST(closes_against_waits)
{
	pthread_t t[2];

	set = epoll_create1(0);
	for (int i = 0; i < 2; i++)
		t[i] = start(wait_till_stop, NULL);
	for (int i = 0; goes_on(i, 3000); i++) {
		int fd = event(0);

		EQ(ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN | (i & 1 ? EPOLLET : 0)), 0);
		put(fd);
		close(fd);
	}
	stop = 1;
	for (int i = 0; i < 2; i++)
		join(t[i]);
	struct epoll_event ev;
	EQ(epoll_wait(set, &ev, 1, 0), 0);
}

static int shared_fd;

static void *change(void *arg)
{
	while (!stop) {
		(void)!ctl(set, EPOLL_CTL_ADD, shared_fd, EPOLLIN);
		(void)!ctl(set, EPOLL_CTL_MOD, shared_fd, EPOLLIN | EPOLLONESHOT);
		(void)!ctl(set, EPOLL_CTL_DEL, shared_fd, 0);
	}
	return NULL;
}

static void *wake(void *arg)
{
	while (!stop) {
		put(shared_fd);
		take(shared_fd);
	}
	return NULL;
}

TEST(changes_against_wake_ups)
{
	pthread_t t[4];

	set = epoll_create1(0);
	shared_fd = event(0);
	t[0] = start(wait_till_stop, NULL);
	t[1] = start(change, NULL);
	t[2] = start(wake, NULL);
	t[3] = start(change, NULL);
	sleep_ms(1000);
	stop = 1;
	for (int i = 0; i < 4; i++)
		join(t[i]);
}

/* Each event of a set that several wait on comes to one of them, and none is lost. */
TEST(no_event_is_lost)
{
	enum { WAITERS = 3, FDS = 8, ROUNDS = 1000 };
	pthread_t t[WAITERS];
	int fds[FDS];
	long sent = 0, got = 0;

	set = epoll_create1(0);
	for (int i = 0; i < FDS; i++) {
		fds[i] = event(EFD_SEMAPHORE);
		EQ(ctl(set, EPOLL_CTL_ADD, fds[i], EPOLLIN), 0);
	}
	for (int i = 0; i < WAITERS; i++)
		t[i] = start(wait_till_stop, NULL);
	for (int i = 0; goes_on(i, ROUNDS); i++, sent++)
		put(fds[i % FDS]);
	for (int i = 0; i < 500; i++) {
		struct pollfd p = {set, POLLIN, 0};

		if (poll(&p, 1, 0) == 0)
			break;
		sleep_ms(10);
	}
	stop = 1;
	for (int i = 0; i < WAITERS; i++)
		got += (long)join(t[i]);
	EQ(got, sent);
}

/* A ping-pong through edge-triggered sets hangs as soon as one edge goes unseen. */
TEST(no_edge_is_lost)
{
	int a = event(0), b = event(0);
	int sa = epoll_create1(0), sb = epoll_create1(0);
	struct epoll_event ev;
	int rounds = 2000;

	EQ(ctl(sa, EPOLL_CTL_ADD, a, EPOLLIN | EPOLLET), 0);
	EQ(ctl(sb, EPOLL_CTL_ADD, b, EPOLLIN | EPOLLET), 0);
	pid_t pid = CHILD(for (int i = 0; i < rounds; i++) {
		REQUIRE(epoll_wait(sb, &ev, 1, 20000) == 1);
		REQUIRE(take(b));
		put(a);
	});
	for (int i = 0; i < rounds; i++) {
		put(b);
		REQUIRE(epoll_wait(sa, &ev, 1, 20000) == 1);
		REQUIRE(take(a));
	}
	JOIN(pid);
}

static void *close_set(void *arg)
{
	close((int)(long)arg);
	return NULL;
}

/* A set and what it watches go at the same moment, by different hands. */
TEST(both_ends_go_at_once)
{
	for (int i = 0; goes_on(i, 500); i++) {
		int s = epoll_create1(0), outer = epoll_create1(0), fd = event(0);

		EQ(ctl(s, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
		EQ(ctl(outer, EPOLL_CTL_ADD, s, EPOLLIN), 0);
		pthread_t t = start(close_set, (void *)(long)s);
		pthread_t u = start(close_set, (void *)(long)outer);
		close(fd);
		join(t);
		join(u);
	}
}

static int sets[2];

static void *add_other(void *arg)
{
	long i = (long)arg;

	return (void *)(long)ctl(sets[i], EPOLL_CTL_ADD, sets[!i], EPOLLIN);
}

TEST(a_circle_is_never_closed)
{
	for (int i = 0; goes_on(i, 300); i++) {
		for (int n = 0; n < 2; n++)
			sets[n] = epoll_create1(0);
		pthread_t t = start(add_other, (void *)0), u = start(add_other, (void *)1);
		long failed = (long)join(t) + (long)join(u);

		EQ(failed, -1); /* one of the two */
		close(sets[0]);
		close(sets[1]);
	}
}

/* Processes that wait on one set for one pipe: prefork servers. */
TEST(children_share_the_work)
{
	enum { WORKERS = 4, JOBS = 400 };
	int work[2], done_pipe[2], s = epoll_create1(0);
	pid_t pids[WORKERS];
	char c;

	REQUIRE(!pipe2(work, O_NONBLOCK) && !pipe(done_pipe));
	EQ(ctl(s, EPOLL_CTL_ADD, work[0], EPOLLIN), 0);
	for (int w = 0; w < WORKERS; w++)
		pids[w] = CHILD(struct epoll_event ev; close(work[1]); for (;;) {
			REQUIRE(epoll_wait(s, &ev, 1, 30000) == 1);
			ssize_t n = read(work[0], &c, 1);
			if (n == 0)
				break;
			if (n == 1)
				REQUIRE(write(done_pipe[1], &c, 1) == 1);
		});
	for (int i = 0; i < JOBS; i++) {
		while (write(work[1], "j", 1) != 1)
			sleep_ms(1);
	}
	for (int i = 0; i < JOBS; i++)
		EQ(read(done_pipe[0], &c, 1), 1);
	close(work[1]);
	for (int w = 0; w < WORKERS; w++)
		JOIN(pids[w]);
}
