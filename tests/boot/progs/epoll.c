/* epoll(7): what is reported, when, and to whom. */
#include "epoll.h"
#include <poll.h>
#include <pthread.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#define MANY 300

/* What one event says of `fd` now; -1: none. */
static long now(int set, int fd)
{
	struct epoll_event e[2];
	int n = epoll_wait(set, e, 2, 0);

	if (n <= 0)
		return -1;
	EQ(n, 1);
	EQ(e[0].data.u64, fd);
	return e[0].events;
}

static void put(int fd)
{
	uint64_t one = 1;

	EQ(write(fd, &one, 8), 8);
}

static void take(int fd)
{
	uint64_t n;

	EQ(read(fd, &n, 8), 8);
}

TEST(creation)
{
	FAILS(syscall(SYS_epoll_create, 0), EINVAL);
	FAILS(syscall(SYS_epoll_create, -1), EINVAL);
	FAILS(epoll_create1(1), EINVAL);
	int a = epoll_create(1), b = epoll_create1(EPOLL_CLOEXEC);
	char c, path[64], name[64];

	EQ(fcntl(a, F_GETFD), 0);
	EQ(fcntl(b, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(a, F_GETFL), O_RDWR);
	FAILS(read(a, &c, 1), EINVAL);
	FAILS(write(a, &c, 1), EINVAL);
	sprintf(path, "/proc/self/fd/%d", a);
	EQ(readlink(path, name, sizeof(name)), 22);
	CHECK(!memcmp(name, "anon_inode:[eventpoll]", 22));
}

TEST(errors_of_ctl)
{
	int s = ep(), e = event(0), file = open("/tmp/epoll", O_RDWR | O_CREAT, 0600);
	int dir = open("/", O_RDONLY | O_DIRECTORY), path = open("/", O_PATH);

	FAILS(ctl(-1, EPOLL_CTL_ADD, e, EPOLLIN), EBADF);
	FAILS(ctl(s, EPOLL_CTL_ADD, -1, EPOLLIN), EBADF);
	FAILS(ctl(s, EPOLL_CTL_ADD, path, EPOLLIN), EBADF);
	FAILS(ctl(e, EPOLL_CTL_ADD, e, EPOLLIN), EINVAL);
	FAILS(ctl(e, EPOLL_CTL_ADD, s, EPOLLIN), EINVAL);
	FAILS(ctl(s, EPOLL_CTL_ADD, s, EPOLLIN), EINVAL);
	FAILS(ctl(s, EPOLL_CTL_ADD, file, EPOLLIN), EPERM);
	FAILS(ctl(s, EPOLL_CTL_ADD, dir, EPOLLIN), EPERM);
	FAILS(ctl(e, EPOLL_CTL_ADD, file, EPOLLIN), EPERM);
	FAILS(ctl(s, EPOLL_CTL_MOD, e, EPOLLIN), ENOENT);
	FAILS(ctl(s, EPOLL_CTL_DEL, e, EPOLLIN), ENOENT);
	FAILS(ctl(s, 4, e, EPOLLIN), EINVAL);
	FAILS(ctl(s, 0, e, EPOLLIN), EINVAL);
	FAILS(epoll_ctl(s, EPOLL_CTL_ADD, e, NULL), EFAULT);
	FAILS(epoll_ctl(s, EPOLL_CTL_ADD, -1, (void *)8), EFAULT);
	add(s, e, EPOLLIN);
	FAILS(ctl(s, EPOLL_CTL_ADD, e, EPOLLOUT), EEXIST);
	EQ(epoll_ctl(s, EPOLL_CTL_DEL, e, NULL), 0);
	FAILS(epoll_ctl(s, EPOLL_CTL_DEL, e, NULL), ENOENT);
	unlink("/tmp/epoll");
}

TEST(errors_of_wait)
{
	int s = ep(), e = event(1);
	struct epoll_event ev;

	FAILS(epoll_wait(s, &ev, 0, 0), EINVAL);
	FAILS(epoll_wait(s, &ev, -1, 0), EINVAL);
	FAILS(epoll_wait(s, &ev, INT32_MAX, 0), EINVAL);
	FAILS(epoll_wait(-1, &ev, 1, 0), EBADF);
	FAILS(epoll_wait(e, &ev, 1, 0), EINVAL);
	FAILS(epoll_wait(s, (void *)-4096, 1, 0), EFAULT);
	EQ(epoll_wait(s, (void *)8, 1, 0), 0);
	add(s, e, EPOLLIN);
	FAILS(epoll_wait(s, (void *)8, 1, 0), EFAULT);
	EQ(now(s, e), EPOLLIN); /* it is not lost */
	FAILS(syscall(SYS_epoll_pwait, s, &ev, 1, 0, &ev, 4), EINVAL);
	FAILS(syscall(SYS_epoll_pwait, s, &ev, 1, 0, (void *)8, 8), EFAULT);
}

TEST(level_triggered)
{
	int s = ep(), e = event(0);

	add(s, e, EPOLLIN);
	EQ(now(s, e), -1);
	put(e);
	for (int i = 0; i < 3; i++)
		EQ(now(s, e), EPOLLIN);
	take(e);
	EQ(now(s, e), -1);
	EQ(ctl(s, EPOLL_CTL_MOD, e, EPOLLIN | EPOLLOUT), 0);
	EQ(now(s, e), EPOLLOUT);
	put(e);
	EQ(now(s, e), EPOLLIN | EPOLLOUT);
	EQ(ctl(s, EPOLL_CTL_MOD, e, 0), 0);
	EQ(now(s, e), -1);
	EQ(ctl(s, EPOLL_CTL_DEL, e, 0), 0);
	EQ(now(s, e), -1);
}

TEST(edge_triggered)
{
	int s = ep(), e = event(0);

	add(s, e, EPOLLIN | EPOLLET);
	EQ(now(s, e), -1);
	put(e);
	EQ(now(s, e), EPOLLIN);
	EQ(now(s, e), -1);
	put(e);
	EQ(now(s, e), EPOLLIN);
	EQ(now(s, e), -1);
	/* a change of what is asked for asks anew */
	EQ(ctl(s, EPOLL_CTL_MOD, e, EPOLLIN | EPOLLET), 0);
	EQ(now(s, e), EPOLLIN);
	EQ(now(s, e), -1);
	take(e);
	EQ(now(s, e), -1);
	/* one that is ready when it is added is reported once */
	int f = event(1);
	add(s, f, EPOLLIN | EPOLLET);
	EQ(now(s, f), EPOLLIN);
	EQ(now(s, f), -1);
}

TEST(one_shot)
{
	int s = ep(), e = event(1);

	add(s, e, EPOLLIN | EPOLLONESHOT);
	EQ(now(s, e), EPOLLIN);
	EQ(now(s, e), -1);
	put(e);
	EQ(now(s, e), -1);
	EQ(ctl(s, EPOLL_CTL_MOD, e, EPOLLIN | EPOLLONESHOT), 0);
	EQ(now(s, e), EPOLLIN);
	EQ(now(s, e), -1);
}

TEST(exclusive)
{
	int s = ep(), e = event(0), inner = ep();

	FAILS(ctl(s, EPOLL_CTL_ADD, e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), EINVAL);
	FAILS(ctl(s, EPOLL_CTL_ADD, e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP), EINVAL);
	FAILS(ctl(s, EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	add(s, e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET);
	FAILS(ctl(s, EPOLL_CTL_MOD, e, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	FAILS(ctl(s, EPOLL_CTL_MOD, e, EPOLLIN), EINVAL);
	put(e);
	EQ(now(s, e), EPOLLIN);
	EQ(ctl(s, EPOLL_CTL_DEL, e, EPOLLEXCLUSIVE), 0);
}

TEST(pipes_hang_up)
{
	int s = ep(), p[2], q[2];
	char buf[8];

	REQUIRE(!pipe(p) && !pipe(q));
	add(s, p[0], EPOLLIN);
	EQ(now(s, p[0]), -1);
	EQ(write(p[1], "abc", 3), 3);
	EQ(now(s, p[0]), EPOLLIN);
	close(p[1]);
	EQ(now(s, p[0]), EPOLLIN | EPOLLHUP);
	EQ(read(p[0], buf, 8), 3);
	EQ(now(s, p[0]), EPOLLHUP); /* asked for or not */
	close(p[0]);
	EQ(now(s, p[0]), -1);
	add(s, q[1], EPOLLOUT | EPOLLET);
	EQ(now(s, q[1]), EPOLLOUT);
	EQ(now(s, q[1]), -1);
	close(q[0]);
	EQ(now(s, q[1]), EPOLLOUT | EPOLLERR);
}

TEST(order_is_fair)
{
	int s = ep(), fds[8], seen[8] = {0};
	struct epoll_event e[3];

	for (int i = 0; i < 8; i++) {
		fds[i] = event(1);
		add(s, fds[i], EPOLLIN);
	}
	for (int round = 0; round < 8; round++) {
		EQ(epoll_wait(s, e, 3, 0), 3);
		for (int n = 0; n < 3; n++)
			for (int i = 0; i < 8; i++)
				seen[i] += e[n].data.u64 == (uint64_t)fds[i];
	}
	for (int i = 0; i < 8; i++)
		EQ(seen[i], 3);
}

TEST(data_is_the_callers)
{
	int s = ep(), e = event(1);
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0x1122334455667788};

	EQ(epoll_ctl(s, EPOLL_CTL_ADD, e, &ev), 0);
	ev.data.u64 = 0;
	EQ(epoll_wait(s, &ev, 1, 0), 1);
	EQ(ev.data.u64, 0x1122334455667788);
	ev.data.u64 = 5;
	ev.events = EPOLLIN;
	EQ(epoll_ctl(s, EPOLL_CTL_MOD, e, &ev), 0);
	EQ(epoll_wait(s, &ev, 1, 0), 1);
	EQ(ev.data.u64, 5);
}

TEST(dup_is_watched_apart)
{
	int s = ep(), e = event(1), d = dup(e);
	struct epoll_event ev[4];

	add(s, e, EPOLLIN);
	add(s, d, EPOLLIN);
	EQ(epoll_wait(s, ev, 4, 0), 2);
	EQ(ctl(s, EPOLL_CTL_DEL, d, 0), 0);
	EQ(epoll_wait(s, ev, 4, 0), 1);
	/* closed by this name, the file lives on by the other, and is still reported by the first */
	close(e);
	EQ(epoll_wait(s, ev, 4, 0), 1);
	EQ(ev[0].data.u64, e);
	FAILS(ctl(s, EPOLL_CTL_DEL, e, 0), EBADF);
	EQ(dup2(d, e), e);
	EQ(ctl(s, EPOLL_CTL_DEL, e, 0), 0);
	EQ(epoll_wait(s, ev, 4, 0), 0);
}

TEST(the_last_close_ends_the_watch)
{
	int s = ep(), e = event(1), d = dup(e);
	struct epoll_event ev[4];

	add(s, e, EPOLLIN);
	close(e);
	EQ(epoll_wait(s, ev, 4, 0), 1);
	close(d);
	EQ(epoll_wait(s, ev, 4, 0), 0);
	/* a new file of that number is no heir */
	EQ(event(1), e);
	EQ(epoll_wait(s, ev, 4, 0), 0);
	add(s, e, EPOLLIN);
	EQ(epoll_wait(s, ev, 4, 0), 1);
}

TEST(a_child_keeps_a_file_watched)
{
	int s = ep(), e = event(1), go[2];
	struct epoll_event ev[4];
	char c;

	REQUIRE(!pipe(go));
	add(s, e, EPOLLIN);
	pid_t pid = CHILD(close(go[1]); EQ(read(go[0], &c, 1), 0));
	/* fork alone changes nothing; the child has the file until it ends */
	close(e);
	EQ(epoll_wait(s, ev, 4, 0), 1);
	close(go[1]);
	JOIN(pid);
	EQ(epoll_wait(s, ev, 4, 0), 0);
}

TEST(a_child_shares_the_set)
{
	int s = ep(), e = event(0), f = event(0);
	struct epoll_event ev[4];
	pid_t pid;

	add(s, e, EPOLLIN);
	pid = CHILD(add(s, f, EPOLLIN); EQ(ctl(s, EPOLL_CTL_DEL, e, 0), 0); put(e); put(f));
	JOIN(pid);
	EQ(epoll_wait(s, ev, 4, 0), 1);
	EQ(ev[0].data.u64, f);
	/* closed by the child it stays the parent's */
	pid = CHILD(close(f); close(s));
	JOIN(pid);
	EQ(epoll_wait(s, ev, 4, 0), 1);
}

TEST(waits_for_an_event)
{
	int s = ep(), e = event(0);
	struct epoll_event ev;
	long t = now_ms();

	add(s, e, EPOLLIN);
	pid_t pid = CHILD(sleep_ms(40); put(e));
	EQ(epoll_wait(s, &ev, 1, 10000), 1);
	BETWEEN(now_ms() - t, 35, 5000);
	JOIN(pid);
	take(e);
	pid = CHILD(sleep_ms(20); put(e));
	EQ(epoll_wait(s, &ev, 1, -1), 1);
	JOIN(pid);
	/* an item that comes while somebody waits */
	int f = event(1);
	take(e);
	pid = CHILD(sleep_ms(20); add(s, f, EPOLLIN));
	EQ(epoll_wait(s, &ev, 1, 10000), 1);
	EQ(ev.data.u64, f);
	JOIN(pid);
}

TEST(timeouts)
{
	int s = ep();
	struct epoll_event ev;
	struct timespec ts = {0, 30000000};
	long t = now_ms();

	EQ(epoll_wait(s, &ev, 1, 50), 0);
	BETWEEN(now_ms() - t, 49, 2000);
	t = now_ms();
	EQ(syscall(SYS_epoll_pwait2, s, &ev, 1, &ts, NULL, 0), 0);
	BETWEEN(now_ms() - t, 29, 2000);
	EQ(ts.tv_nsec, 30000000);
	ts = (struct timespec){0, 0};
	EQ(syscall(SYS_epoll_pwait2, s, &ev, 1, &ts, NULL, 0), 0);
	ts.tv_nsec = 1000000000;
	FAILS(syscall(SYS_epoll_pwait2, s, &ev, 1, &ts, NULL, 0), EINVAL);
	FAILS(syscall(SYS_epoll_pwait2, s, &ev, 1, (void *)8, NULL, 0), EFAULT);
}

static volatile int hits;

static void hit(int sig)
{
	hits++;
}

static void alarm_in(long us)
{
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, us}}, NULL);
}

TEST(a_signal_ends_the_wait)
{
	struct sigaction act = {.sa_handler = hit, .sa_flags = SA_RESTART};
	struct epoll_event ev;
	int s = ep();

	sigaction(SIGALRM, &act, NULL);
	alarm_in(30000);
	FAILS(epoll_wait(s, &ev, 1, 10000), EINTR);
	EQ(hits, 1);
	/* stopping and going on ends it too */
	int up[2], child = ep();
	REQUIRE(!pipe(up));
	pid_t pid =
	    CHILD(EQ(write(up[1], "x", 1), 1); FAILS(epoll_wait(child, &ev, 1, 20000), EINTR));
	char c;
	EQ(read(up[0], &c, 1), 1);
	sleep_ms(50);
	kill(pid, SIGSTOP);
	int status;
	EQ(waitpid(pid, &status, WUNTRACED), pid);
	kill(pid, SIGCONT);
	JOIN(pid);
}

TEST(pwait_changes_the_mask)
{
	struct sigaction act = {.sa_handler = hit};
	struct epoll_event ev;
	sigset_t block, none, old;
	int s = ep(), e = event(0);

	sigaction(SIGUSR1, &act, NULL);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &old);
	raise(SIGUSR1);
	EQ(hits, 0);
	EQ(epoll_pwait(s, &ev, 1, 20, NULL), 0);
	EQ(hits, 0);
	FAILS(epoll_pwait(s, &ev, 1, 10000, &none), EINTR);
	EQ(hits, 1);
	sigprocmask(SIG_BLOCK, NULL, &old);
	CHECK(sigismember(&old, SIGUSR1));
	/* who only looks is not interrupted */
	raise(SIGUSR1);
	EQ(epoll_pwait(s, &ev, 1, 0, &none), 0);
	EQ(hits, 1);
	/* what is ready comes before the signal */
	raise(SIGUSR1);
	add(s, e, EPOLLIN);
	put(e);
	EQ(epoll_pwait(s, &ev, 1, 10000, &none), 1);
}

TEST(nested)
{
	int outer = ep(), inner = ep(), e = event(0);
	struct pollfd p = {outer, POLLIN | POLLOUT, 0};

	add(inner, e, EPOLLIN);
	add(outer, inner, EPOLLIN);
	EQ(now(outer, inner), -1);
	EQ(poll(&p, 1, 0), 0);
	put(e);
	EQ(poll(&p, 1, 0), 1);
	EQ(p.revents, POLLIN);
	EQ(now(outer, inner), EPOLLIN);
	EQ(now(inner, e), EPOLLIN);
	EQ(now(outer, inner), EPOLLIN);
	take(e);
	EQ(now(outer, inner), -1);
	EQ(poll(&p, 1, 0), 0);
	pid_t pid = CHILD(sleep_ms(30); put(e));
	EQ(poll(&p, 1, 10000), 1);
	JOIN(pid);
	take(e);
	pid = CHILD(sleep_ms(30); put(e));
	struct epoll_event ev;
	EQ(epoll_wait(outer, &ev, 1, 10000), 1);
	EQ(ev.data.u64, inner);
	JOIN(pid);
	/* the inner set goes, and with it the outer one's item */
	close(inner);
	EQ(epoll_wait(outer, &ev, 1, 0), 0);
}

TEST(nested_edge_triggered)
{
	int outer = ep(), inner = ep(), e = event(0);

	add(inner, e, EPOLLIN);
	add(outer, inner, EPOLLIN | EPOLLET);
	put(e);
	EQ(now(outer, inner), EPOLLIN);
	EQ(now(outer, inner), -1);
	/* taken without asking the inner set: its list is stale, and the next event counts all the same */
	take(e);
	put(e);
	EQ(now(outer, inner), EPOLLIN);
	EQ(now(outer, inner), -1);
}

TEST(no_circles)
{
	int a = ep(), b = ep(), c = ep();

	add(a, b, EPOLLIN);
	add(b, c, EPOLLIN);
	FAILS(ctl(c, EPOLL_CTL_ADD, a, EPOLLIN), ELOOP);
	FAILS(ctl(b, EPOLL_CTL_ADD, a, EPOLLIN), ELOOP);
	FAILS(ctl(c, EPOLL_CTL_ADD, b, EPOLLIN), ELOOP);
	EQ(ctl(a, EPOLL_CTL_DEL, b, 0), 0);
	add(c, a, EPOLLIN);
	FAILS(ctl(a, EPOLL_CTL_ADD, b, EPOLLIN), ELOOP);
}

TEST(five_deep_and_no_deeper)
{
	int sets[12], e = event(1), n;

	sets[0] = ep();
	add(sets[0], e, EPOLLIN);
	for (n = 1; n < 12; n++) {
		sets[n] = ep();
		if (ctl(sets[n], EPOLL_CTL_ADD, sets[n - 1], EPOLLIN))
			break;
	}
	EQ(errno, ELOOP);
	BETWEEN(n, 5, 8); /* Linux has changed its mind about what counts */
	EQ(now(sets[4], sets[3]), EPOLLIN);
	take(e);
	EQ(now(sets[4], sets[3]), -1);
	put(e);
	EQ(now(sets[n - 1], sets[n - 2]), EPOLLIN);
}

TEST(many_ways_up_are_refused)
{
	/* Sets that watch each other in all ways, layer by layer: a wake-up would go along each of them. */
	enum { WIDE = 12 };
	int below[WIDE], above[WIDE], refused = 0;

	for (int i = 0; i < WIDE; i++)
		below[i] = ep();
	for (int layer = 0; layer < 4; layer++) {
		for (int i = 0; i < WIDE; i++) {
			above[i] = ep();
			for (int j = 0; j < WIDE; j++)
				if (ctl(above[i], EPOLL_CTL_ADD, below[j], EPOLLIN)) {
					refused++;
					CHECK(errno == EINVAL || errno == ELOOP);
				}
		}
		memcpy(below, above, sizeof(below));
	}
	if (on_calf())
		CHECK(refused > 0);
}

TEST(fdinfo_tells_what_is_watched)
{
	int s = ep(), e = event(0);
	char path[64], text[2048], want[64];

	add(s, e, EPOLLIN | EPOLLET);
	sprintf(path, "/proc/self/fdinfo/%d", s);
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	sprintf(want, "tfd: %8d events: 80000019 data: %16x", e, e);
	CHECK(strstr(text, want));
}

TEST(costs_what_is_ready)
{
	int s = ep(), fds[MANY];
	struct epoll_event ev[4];

	for (int i = 0; i < MANY; i++) {
		fds[i] = event(0);
		add(s, fds[i], EPOLLIN);
	}
	EQ(epoll_wait(s, ev, 4, 0), 0);
	for (int i = 0; i < MANY; i += 7) {
		put(fds[i]);
		EQ(epoll_wait(s, ev, 4, 0), 1);
		EQ(ev[0].data.u64, fds[i]);
		take(fds[i]);
	}
	EQ(epoll_wait(s, ev, 4, 0), 0);
}
