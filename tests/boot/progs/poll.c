/* poll(2), select(2) and their kin over files of all kinds. */
#include "tap.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static volatile int hits;

static void hit(int sig)
{
	hits++;
}

static sigset_t only(int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	return s;
}

enum { PIPE, EVENT, TIMER, SIGNAL, EPOLL, PID, KINDS };

/* One descriptor of each kind, and a way to make each readable. */
static int fds[KINDS], pipe_in, inner;
static pid_t child;

static void make_all(void)
{
	sigset_t usr1 = only(SIGUSR1);
	struct epoll_event e = {.events = EPOLLIN};
	int p[2];

	REQUIRE(!pipe(p));
	fds[PIPE] = p[0];
	pipe_in = p[1];
	fds[EVENT] = eventfd(0, 0);
	fds[TIMER] = timerfd_create(CLOCK_MONOTONIC, 0);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	fds[SIGNAL] = signalfd(-1, &usr1, 0);
	inner = eventfd(0, 0);
	fds[EPOLL] = epoll_create1(0);
	EQ(epoll_ctl(fds[EPOLL], EPOLL_CTL_ADD, inner, &e), 0);
	child = CHILD(pause());
	fds[PID] = syscall(434, child, 0);
}

static void make_readable(int kind)
{
	struct itimerspec s = {{0, 0}, {0, 1}};
	uint64_t one = 1;

	switch (kind) {
	case PIPE:
		EQ(write(pipe_in, "x", 1), 1);
		break;
	case EVENT:
		EQ(write(fds[EVENT], &one, 8), 8);
		break;
	case TIMER:
		EQ(timerfd_settime(fds[TIMER], 0, &s, NULL), 0);
		break;
	case SIGNAL:
		kill(getppid(), SIGUSR1);
		break;
	case EPOLL:
		EQ(write(inner, &one, 8), 8);
		break;
	default:
		kill(child, SIGKILL);
	}
}

static void poll_all(struct pollfd *p)
{
	for (int i = 0; i < KINDS; i++)
		p[i] = (struct pollfd){fds[i], POLLIN, 0};
}

TEST(poll_wakes_for_each_kind)
{
	struct pollfd p[KINDS];

	for (int kind = 0; kind < KINDS; kind++) {
		JOIN(CHILD(make_all(); poll_all(p); EQ(poll(p, KINDS, 0), 0);
			   pid_t helper = CHILD(sleep_ms(20); make_readable(kind));
			   EQ(poll(p, KINDS, 10000), 1); EQ(p[kind].revents, POLLIN); JOIN(helper);
			   kill(child, SIGKILL)));
	}
}

TEST(select_wakes_for_each_kind)
{
	for (int kind = 0; kind < KINDS; kind++) {
		JOIN(CHILD(fd_set in; struct timeval tv = {10, 0}; make_all(); FD_ZERO(&in);
			   for (int i = 0; i < KINDS; i++) FD_SET(fds[i], &in);
			   pid_t helper = CHILD(sleep_ms(20); make_readable(kind));
			   EQ(syscall(SYS_select, fds[PID] + 1, &in, NULL, NULL, &tv), 1);
			   CHECK(FD_ISSET(fds[kind], &in)); CHECK(tv.tv_sec < 10); JOIN(helper);
			   kill(child, SIGKILL)));
	}
}

TEST(epoll_wakes_for_each_kind)
{
	for (int kind = 0; kind < KINDS; kind++) {
		JOIN(CHILD(int s = epoll_create1(0); struct epoll_event e; make_all();
			   for (int i = 0; i < KINDS; i++) {
				   e = (struct epoll_event){.events = EPOLLIN | EPOLLET,
							    .data.u32 = i};
				   EQ(epoll_ctl(s, EPOLL_CTL_ADD, fds[i], &e), 0);
			   } EQ(epoll_wait(s, &e, 1, 0), 0);
			   pid_t helper = CHILD(sleep_ms(20); make_readable(kind));
			   EQ(epoll_wait(s, &e, 1, 10000), 1); EQ(e.data.u32, kind); JOIN(helper);
			   kill(child, SIGKILL)));
	}
}

TEST(ppoll_masks_and_tells_the_rest)
{
	struct sigaction act = {.sa_handler = hit};
	sigset_t usr2 = only(SIGUSR2), none, now;
	struct timespec ts = {10, 0};
	struct pollfd p = {eventfd(0, 0), POLLIN, 0};

	sigemptyset(&none);
	sigaction(SIGUSR2, &act, NULL);
	sigprocmask(SIG_BLOCK, &usr2, NULL);
	raise(SIGUSR2);
	/* the raw call writes what is left */
	FAILS(syscall(SYS_ppoll, &p, 1, &ts, &none, 8), EINTR);
	EQ(hits, 1);
	CHECK(ts.tv_sec == 9 || ts.tv_sec == 10);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR2));
	ts = (struct timespec){0, 20000000};
	EQ(syscall(SYS_ppoll, &p, 1, &ts, &none, 8), 0);
	EQ(ts.tv_sec | ts.tv_nsec, 0);
	ts.tv_nsec = -1;
	FAILS(syscall(SYS_ppoll, &p, 1, &ts, NULL, 8), EINVAL);
	FAILS(syscall(SYS_ppoll, &p, 1, NULL, &none, 4), EINVAL);
	FAILS(syscall(SYS_ppoll, &p, 1, (void *)8, NULL, 8), EFAULT);
	FAILS(syscall(SYS_ppoll, &p, 1, NULL, (void *)8, 8), EFAULT);
}

TEST(pselect_masks_and_tells_the_rest)
{
	struct sigaction act = {.sa_handler = hit};
	sigset_t usr2 = only(SIGUSR2), none, now;
	struct timespec ts = {10, 0};
	struct {
		void *set;
		size_t size;
	} mask = {&none, 8};
	fd_set in;

	sigemptyset(&none);
	FD_ZERO(&in);
	sigaction(SIGUSR2, &act, NULL);
	sigprocmask(SIG_BLOCK, &usr2, NULL);
	raise(SIGUSR2);
	FAILS(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, &mask), EINTR);
	EQ(hits, 1);
	CHECK(ts.tv_sec == 9 || ts.tv_sec == 10);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR2));
	mask.set = NULL;
	ts = (struct timespec){0, 20000000};
	EQ(syscall(SYS_pselect6, 1, &in, NULL, NULL, &ts, &mask), 0);
	EQ(ts.tv_sec | ts.tv_nsec, 0);
	mask.set = &none;
	mask.size = 4;
	FAILS(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, &mask), EINVAL);
	FAILS(syscall(SYS_pselect6, -1, NULL, NULL, NULL, &ts, NULL), EINVAL);
}

TEST(select_and_closed_descriptors)
{
	struct timeval none = {0, 0};
	fd_set in;
	int fd = dup(0);

	close(fd);
	FD_ZERO(&in);
	FD_SET(fd, &in);
	FAILS(select(fd + 1, &in, NULL, NULL, &none), EBADF);
	EQ(select(fd, &in, NULL, NULL, &none), 0);
	FAILS(select(-1, NULL, NULL, NULL, &none), EINVAL);
	FAILS(select(1, (void *)8, NULL, NULL, &none), EFAULT);
	none.tv_sec = -1;
	FAILS(select(0, NULL, NULL, NULL, &none), EINVAL);
}

/* What a poll waits on may be closed meanwhile by another that shares the table. */
TEST(poll_and_a_close_meanwhile)
{
	int p[2];

	for (int i = 0; goes_on(i, 50); i++) {
		REQUIRE(!pipe(p));
		struct pollfd fd = {p[0], POLLIN, 0};
		pid_t pid = CHILD(close(p[0]); close(p[1]));

		close(p[1]);
		EQ(poll(&fd, 1, 20000), 1);
		EQ(fd.revents, POLLHUP);
		close(p[0]);
		JOIN(pid);
	}
}
