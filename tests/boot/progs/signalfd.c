/* signalfd(2): who reads which signals, and what it is told of them. */
#include "thread.h"
#include <sys/epoll.h>
#include <sys/signalfd.h>

static sigset_t set_of(int a, int b)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, a);
	if (b)
		sigaddset(&s, b);
	return s;
}

/* A descriptor for two signals, which are blocked. */
static int sfd(int a, int b, int flags)
{
	sigset_t s = set_of(a, b);
	int fd;

	EQ(sigprocmask(SIG_BLOCK, &s, NULL), 0);
	fd = signalfd(-1, &s, flags);
	REQUIRE(fd >= 0);
	return fd;
}

static struct signalfd_siginfo get(int fd)
{
	struct signalfd_siginfo i = {0};

	EQ(read(fd, &i, sizeof(i)), sizeof(i));
	return i;
}

TEST(creation_and_errors)
{
	sigset_t s = set_of(SIGUSR1, 0);
	int fd = sfd(SIGUSR1, SIGUSR2, SFD_NONBLOCK | SFD_CLOEXEC),
	    null = open("/dev/null", O_RDWR);
	struct signalfd_siginfo i;

	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
	FAILS(signalfd(-1, &s, 1), EINVAL);
	FAILS(syscall(SYS_signalfd4, -1, &s, 4, 0), EINVAL);
	FAILS(syscall(SYS_signalfd4, -1, (void *)8, 8, 0), EFAULT);
	FAILS(signalfd(null, &s, 0), EINVAL);
	FAILS(signalfd(4711, &s, 0), EBADF);
	EQ(signalfd(fd, &s, 0), fd);
	FAILS(read(fd, &i, sizeof(i)), EAGAIN);
	FAILS(read(fd, &i, sizeof(i) - 1), EINVAL);
	FAILS(write(fd, &i, sizeof(i)), EINVAL);
}

TEST(tells_who_sent_it)
{
	int fd = sfd(SIGUSR1, SIGRTMIN, SFD_NONBLOCK);
	struct signalfd_siginfo i;

	kill(getpid(), SIGUSR1);
	CHECK(readable(fd, 0));
	i = get(fd);
	EQ(i.ssi_signo, SIGUSR1);
	EQ(i.ssi_code, SI_USER);
	EQ(i.ssi_pid, getpid());
	EQ(i.ssi_uid, getuid());
	CHECK(!readable(fd, 0));
	sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 4711});
	sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 4712});
	i = get(fd);
	EQ(i.ssi_code, SI_QUEUE);
	EQ(i.ssi_int, 4711);
	EQ((uint32_t)i.ssi_ptr, 4711);
	EQ(get(fd).ssi_int, 4712);
	FAILS(read(fd, &i, sizeof(i)), EAGAIN);
}

TEST(tells_of_a_child)
{
	int fd = sfd(SIGCHLD, 0, 0);
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	struct signalfd_siginfo i = get(fd);
	EQ(i.ssi_signo, SIGCHLD);
	EQ(i.ssi_code, CLD_EXITED);
	EQ(i.ssi_pid, pid);
	EQ(i.ssi_status, 7);
	EQ(WEXITSTATUS(status_of(pid)), 7);
}

TEST(several_come_in_one_read)
{
	int fd = sfd(SIGUSR1, SIGUSR2, SFD_NONBLOCK);
	struct signalfd_siginfo i[3];

	raise(SIGUSR2);
	raise(SIGUSR1);
	raise(SIGUSR1);
	EQ(read(fd, i, sizeof(i)), 2 * sizeof(*i));
	EQ(i[0].ssi_signo, SIGUSR1);
	EQ(i[1].ssi_signo, SIGUSR2);
	raise(SIGUSR1);
	raise(SIGUSR2);
	EQ(read(fd, i, 2 * sizeof(*i) - 1), sizeof(*i));
	EQ(read(fd, i, sizeof(i)), sizeof(*i));
}

TEST(only_signals_of_the_mask)
{
	int fd = sfd(SIGUSR1, SIGUSR2, SFD_NONBLOCK);
	sigset_t one = set_of(SIGUSR1, SIGKILL), pending;

	EQ(signalfd(fd, &one, 0), fd);
	raise(SIGUSR2);
	CHECK(!readable(fd, 0));
	raise(SIGUSR1);
	EQ(get(fd).ssi_signo, SIGUSR1);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGUSR2));
	CHECK(!sigismember(&pending, SIGUSR1));
	one = set_of(SIGUSR2, 0);
	EQ(signalfd(fd, &one, 0), fd);
	CHECK(readable(fd, 0));
	EQ(get(fd).ssi_signo, SIGUSR2);
}

TEST(a_reader_waits)
{
	int fd = sfd(SIGUSR1, SIGALRM, 0);
	pid_t me = getpid(), pid = CHILD(sleep_ms(30); kill(me, SIGUSR1));

	EQ(get(fd).ssi_signo, SIGUSR1);
	JOIN(pid);
	pid = CHILD(sleep_ms(30); kill(me, SIGUSR1));
	CHECK(readable(fd, 10000));
	EQ(get(fd).ssi_signo, SIGUSR1);
	JOIN(pid);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 20000}}, NULL);
	EQ(get(fd).ssi_signo, SIGALRM);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 20000}}, NULL);
	CHECK(readable(fd, 10000));
}

static volatile int hits;

static void hit(int sig)
{
	hits++;
}

TEST(other_signals_end_the_wait)
{
	int fd = sfd(SIGUSR1, 0, 0);
	struct signalfd_siginfo i;

	handle(SIGALRM, hit, 0);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 20000}}, NULL);
	FAILS(read(fd, &i, sizeof(i)), EINTR);
	EQ(hits, 1);
}

TEST(a_child_reads_its_own)
{
	int fd = sfd(SIGUSR1, 0, SFD_NONBLOCK);

	raise(SIGUSR1);
	pid_t pid = CHILD(CHECK(!readable(fd, 0)); raise(SIGUSR1); EQ(get(fd).ssi_pid, getpid()));
	JOIN(pid);
	EQ(get(fd).ssi_pid, getpid());
}

static int thread_fd;

static void *read_own(void *arg)
{
	raise(SIGUSR1); /* to this thread */
	EQ(get(thread_fd).ssi_code, SI_TKILL);
	return NULL;
}

TEST(a_thread_reads_its_own)
{
	thread_fd = sfd(SIGUSR1, 0, SFD_NONBLOCK);
	raise(SIGUSR1);
	pthread_t t = start(read_own, NULL);
	join(t);
	CHECK(readable(thread_fd, 0));
	get(thread_fd);
	CHECK(!readable(thread_fd, 0));
}

static void *read_some(void *arg)
{
	long n = 0;

	while (get(thread_fd).ssi_int)
		n++;
	return (void *)n;
}

TEST(several_readers_share)
{
	enum { READERS = 3, SENT = 300 };
	pthread_t t[READERS];
	long got = 0;

	thread_fd = sfd(SIGRTMIN + 3, 0, 0);
	for (int i = 0; i < READERS; i++)
		t[i] = start(read_some, NULL);
	for (int i = 0; i < SENT; i++)
		while (sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i + 1}))
			sleep_ms(1);
	for (int i = 0; i < READERS; i++)
		EQ(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 0}), 0);
	for (int i = 0; i < READERS; i++)
		got += (long)join(t[i]);
	EQ(got, SENT);
}

TEST(epoll_and_signals)
{
	int fd = sfd(SIGUSR1, 0, SFD_NONBLOCK), s = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN};
	pid_t me = getpid(), pid;

	EQ(epoll_ctl(s, EPOLL_CTL_ADD, fd, &e), 0);
	EQ(epoll_wait(s, &e, 1, 0), 0);
	pid = CHILD(sleep_ms(30); kill(me, SIGUSR1));
	EQ(epoll_wait(s, &e, 1, 10000), 1);
	JOIN(pid);
	get(fd);
	EQ(epoll_wait(s, &e, 1, 0), 0);
}

/* A set that was filled by a process that has ended is still sound. */
TEST(an_epoll_set_outlives_who_filled_it)
{
	int fd = sfd(SIGUSR1, 0, SFD_NONBLOCK), s = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN};

	for (int i = 0; i < 20; i++) {
		pid_t pid = CHILD(EQ(epoll_ctl(s, EPOLL_CTL_ADD, fd, &e), 0); raise(SIGUSR1));

		JOIN(pid);
		(void)!epoll_wait(s, &e, 1, 0);
		raise(SIGUSR1);
		get(fd);
		EQ(epoll_ctl(s, EPOLL_CTL_DEL, fd, NULL), 0);
	}
}

TEST(fdinfo)
{
	int fd = sfd(SIGHUP, SIGUSR1, 0);
	char path[64], text[1024];

	sprintf(path, "/proc/self/fdinfo/%d", fd);
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	CHECK(strstr(text, "\nsigmask:\t0000000000000201\n"));
}
