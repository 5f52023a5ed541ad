/* Processes as descriptors: pidfd_open(2) and its kin, CLONE_PIDFD, waitid(P_PIDFD). */
#include "thread.h"
#include <sys/epoll.h>

#define SYS_pidfd_send_signal_ 424
#define SYS_pidfd_open_	       434
#define SYS_clone3_	       435
#define SYS_pidfd_getfd_       438
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

static int pidfd_open(pid_t pid, unsigned flags)
{
	return syscall(SYS_pidfd_open_, pid, flags);
}

static int pidfd_send_signal(int fd, int sig, siginfo_t *info, unsigned flags)
{
	return syscall(SYS_pidfd_send_signal_, fd, sig, info, flags);
}

static int pidfd_getfd(int fd, int theirs, unsigned flags)
{
	return syscall(SYS_pidfd_getfd_, fd, theirs, flags);
}

static pid_t sleeper(void)
{
	return CHILD(for (;;) pause());
}

TEST(errors_of_open)
{
	FAILS(pidfd_open(0, 0), EINVAL);
	FAILS(pidfd_open(-1, 0), EINVAL);
	FAILS(pidfd_open(getpid(), 1), EINVAL);
	FAILS(pidfd_open(30000, 0), ESRCH);
	struct idler i;
	idler_start(&i);
	FAILS(pidfd_open(i.tid, 0), EINVAL);
	idler_end(&i);
	int fd = pidfd_open(getpid(), 0), nonblock = pidfd_open(getpid(), O_NONBLOCK);
	char c, path[64], name[64];

	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(fd, F_GETFL), O_RDWR);
	EQ(fcntl(nonblock, F_GETFL), O_RDWR | O_NONBLOCK);
	FAILS(read(fd, &c, 1), EINVAL);
	FAILS(write(fd, &c, 1), EINVAL);
	sprintf(path, "/proc/self/fd/%d", fd);
	EQ(readlink(path, name, sizeof(name)), 18);
	CHECK(!memcmp(name, "anon_inode:[pidfd]", 18));
}

TEST(poll_tells_the_end)
{
	pid_t pid = sleeper();
	int fd = pidfd_open(pid, 0);

	REQUIRE(fd >= 0);
	CHECK(!readable(fd, 20));
	kill(pid, SIGKILL);
	CHECK(readable(fd, 10000));
	CHECK(readable(fd, 0));
	EQ(WTERMSIG(status_of(pid)), SIGKILL);
	CHECK(readable(fd, 0));
}

TEST(epoll_tells_the_end)
{
	int s = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN};
	pid_t pid = CHILD(sleep_ms(30));
	int fd = pidfd_open(pid, 0);

	EQ(epoll_ctl(s, EPOLL_CTL_ADD, fd, &e), 0);
	EQ(epoll_wait(s, &e, 1, 10000), 1);
	EQ(e.events, EPOLLIN);
	JOIN(pid);
}

TEST(a_process_with_threads_ends_with_the_last)
{
	pid_t pid = CHILD(start(burn, (void *)100); RAW_EXIT(0));
	int fd = pidfd_open(pid, 0);
	long t = now_ms();

	REQUIRE(fd >= 0);
	CHECK(readable(fd, 20000));
	CHECK(now_ms() - t >= 50);
	JOIN(pid);
}

static volatile int hits;
static volatile siginfo_t last;

static void hit(int sig, siginfo_t *info, void *ctx)
{
	*(siginfo_t *)&last = *info;
	hits++;
}

TEST(signals)
{
	struct sigaction act = {.sa_sigaction = hit, .sa_flags = SA_SIGINFO};
	int me = pidfd_open(getpid(), 0), null = open("/dev/null", O_RDWR);
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};

	sigaction(SIGUSR1, &act, NULL);
	EQ(pidfd_send_signal(me, 0, NULL, 0), 0);
	EQ(pidfd_send_signal(me, SIGUSR1, NULL, 0), 0);
	EQ(hits, 1);
	EQ(last.si_code, SI_USER);
	EQ(last.si_pid, getpid());
	info.si_value.sival_int = 99;
	EQ(pidfd_send_signal(me, SIGUSR1, &info, 0), 0);
	EQ(hits, 2);
	EQ(last.si_value.sival_int, 99);
	FAILS(pidfd_send_signal(me, SIGUSR1, NULL, 8), EINVAL);
	FAILS(pidfd_send_signal(me, SIGUSR2, &info, 0), EINVAL);
	FAILS(pidfd_send_signal(me, 65, NULL, 0), EINVAL);
	FAILS(pidfd_send_signal(me, SIGUSR1, (void *)8, 0), EFAULT);
	FAILS(pidfd_send_signal(null, 0, NULL, 0), EBADF);
	FAILS(pidfd_send_signal(-1, 0, NULL, 0), EBADF);
	pid_t pid = sleeper();
	int fd = pidfd_open(pid, 0);
	info.si_code = SI_USER;
	FAILS(pidfd_send_signal(fd, SIGUSR1, &info, 0), EPERM);
	EQ(pidfd_send_signal(fd, SIGTERM, NULL, 0), 0);
	EQ(WTERMSIG(status_of(pid)), SIGTERM);
	FAILS(pidfd_send_signal(fd, SIGTERM, NULL, 0), ESRCH);
	FAILS(pidfd_send_signal(fd, 0, NULL, 0), ESRCH);
}

/* Those of /proc were there first (Linux 5.1), and are still taken for it, and for nothing else. */
TEST(signals_by_a_folder_of_proc)
{
	pid_t pid = sleeper();
	char path[64];
	int fd, other;

	sprintf(path, "/proc/%d", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	REQUIRE(fd >= 0);
	EQ(pidfd_send_signal(fd, 0, NULL, 0), 0);
	FAILS(syscall(SYS_pidfd_getfd_, fd, 0, 0), EBADF);
	other = openat(fd, "task", O_RDONLY | O_DIRECTORY);
	FAILS(pidfd_send_signal(other, 0, NULL, 0), EBADF);
	close(other);
	other = openat(fd, "stat", O_RDONLY);
	FAILS(pidfd_send_signal(other, 0, NULL, 0), EBADF);
	close(other);
	other = open(path, O_PATH);
	FAILS(pidfd_send_signal(other, 0, NULL, 0), EBADF);
	close(other);
	other = open("/proc", O_RDONLY);
	FAILS(pidfd_send_signal(other, 0, NULL, 0), EBADF);
	close(other);
	EQ(pidfd_send_signal(fd, SIGTERM, NULL, 0), 0);
	EQ(WTERMSIG(status_of(pid)), SIGTERM);
	FAILS(pidfd_send_signal(fd, 0, NULL, 0), ESRCH);
	close(fd);
}

TEST(a_number_used_again_is_not_meant)
{
	pid_t pid = CHILD();
	int fd = pidfd_open(pid, 0);
	char path[64], text[512];

	sprintf(path, "/proc/self/fdinfo/%d", fd);
	EQ(value_of(path, "Pid:"), pid);
	JOIN(pid);
	EQ(value_of(path, "Pid:"), -1);
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	CHECK(strstr(text, "\nPid:\t-1\nNSpid:\t-1\n"));
}

TEST(permission)
{
	if (geteuid())
		SKIP("not root");
	pid_t pid = sleeper();
	int fd = pidfd_open(pid, 0);

	JOIN(CHILD(REQUIRE(!setuid(4711)); FAILS(pidfd_send_signal(fd, 0, NULL, 0), EPERM);
		   FAILS(pidfd_getfd(fd, 0, 0), EPERM)));
	kill(pid, SIGKILL);
	status_of(pid);
}

TEST(getfd)
{
	int p[2], up[2], null = open("/dev/null", O_RDWR);
	int theirs;
	char c;

	REQUIRE(!pipe(up));
	pid_t pid = CHILD(REQUIRE(!pipe(p)); dup2(p[1], 100); EQ(write(up[1], &p[0], 4), 4);
			  EQ(read(p[0], &c, 1), 1); EQ(c, 'k'); pause());
	EQ(read(up[0], &theirs, 4), 4);
	int fd = pidfd_open(pid, 0), got = pidfd_getfd(fd, 100, 0);
	REQUIRE(got >= 0);
	EQ(fcntl(got, F_GETFD), FD_CLOEXEC);
	EQ(write(got, "k", 1), 1);
	FAILS(pidfd_getfd(fd, 100, 1), EINVAL);
	FAILS(pidfd_getfd(fd, 555, 0), EBADF);
	FAILS(pidfd_getfd(fd, -1, 0), EBADF);
	FAILS(pidfd_getfd(null, 0, 0), EBADF);
	FAILS(pidfd_getfd(-1, 0, 0), EBADF);
	kill(pid, SIGKILL);
	status_of(pid);
	FAILS(pidfd_getfd(fd, 0, 0), ESRCH);
}

TEST(waitid_by_descriptor)
{
	siginfo_t info = {0};
	pid_t pid = sleeper(), other = CHILD();
	int fd = pidfd_open(pid, 0), waits_not = pidfd_open(pid, O_NONBLOCK);

	FAILS(waitid(P_PIDFD, -1, &info, WEXITED), EINVAL);
	FAILS(waitid(P_PIDFD, 4711, &info, WEXITED), EBADF);
	FAILS(waitid(P_PIDFD, 1, &info, WEXITED), EBADF);
	FAILS(waitid(P_PIDFD, pidfd_open(getpid(), 0), &info, WEXITED), ECHILD);
	EQ(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG), 0);
	EQ(info.si_pid, 0);
	FAILS(waitid(P_PIDFD, waits_not, &info, WEXITED), EAGAIN);
	EQ(waitid(P_PIDFD, waits_not, &info, WEXITED | WNOHANG), 0);
	kill(pid, SIGKILL);
	EQ(waitid(P_PIDFD, fd, &info, WEXITED | WNOWAIT), 0);
	EQ(info.si_pid, pid);
	EQ(info.si_code, CLD_KILLED);
	EQ(waitid(P_PIDFD, fd, &info, WEXITED), 0);
	EQ(info.si_status, SIGKILL);
	FAILS(waitid(P_PIDFD, fd, &info, WEXITED), ECHILD);
	JOIN(other);
}

static pid_t clone_with(unsigned long flags, int *fd)
{
	return syscall(SYS_clone, flags | SIGCHLD, NULL, fd, NULL, 0);
}

TEST(clone_gives_one)
{
	int fd = -1;
	pid_t pid = clone_with(CLONE_PIDFD, &fd);

	if (pid == 0)
		_exit(fcntl(3, F_GETFD) >= 0 ? 1 : 0); /* the child has not got it */
	REQUIRE(pid > 0);
	EQ(fd, 3);
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(readable(fd, 10000));
	JOIN(pid);
	FAILS(clone_with(CLONE_PIDFD | CLONE_PARENT_SETTID, &fd), EINVAL);
	FAILS(clone_with(CLONE_PIDFD | 0x00400000, &fd), EINVAL);
	FAILS(clone_with(CLONE_PIDFD, (void *)8), EFAULT);
	FAILS(syscall(SYS_clone, CLONE_PIDFD | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, NULL, &fd,
		      NULL, 0),
	      EINVAL);
	close(fd);
	/* those that failed have left nothing */
	EQ(dup(0), 3);
}

TEST(clone3_gives_one)
{
	int fd = -1, tid = 0;
	uint64_t args[11] = {CLONE_PIDFD | CLONE_PARENT_SETTID, (uint64_t)&fd, 0, (uint64_t)&tid,
			     SIGCHLD};
	pid_t pid = syscall(SYS_clone3_, args, 64);

	if (pid == 0)
		_exit(5);
	REQUIRE(pid > 0);
	EQ(tid, pid);
	siginfo_t info;
	EQ(waitid(P_PIDFD, fd, &info, WEXITED), 0);
	EQ(info.si_status, 5);
}

TEST(no_room_for_a_descriptor)
{
	struct rlimit r = {4, 4};
	int fd = -1;

	setrlimit(RLIMIT_NOFILE, &r);
	EQ(dup(0), 3);
	FAILS(clone_with(CLONE_PIDFD, &fd), EMFILE);
	FAILS(waitpid(-1, NULL, 0), ECHILD);
	FAILS(pidfd_open(getpid(), 0), EMFILE);
}

TEST(ends_against_polls)
{
	for (int i = 0; goes_on(i, 300); i++) {
		pid_t pid = CHILD();
		int fd = pidfd_open(pid, 0), s = epoll_create1(0);
		struct epoll_event e = {.events = EPOLLIN | EPOLLET};

		REQUIRE(fd >= 0);
		EQ(epoll_ctl(s, EPOLL_CTL_ADD, fd, &e), 0);
		if (i & 1)
			EQ(epoll_wait(s, &e, 1, 20000), 1);
		else
			CHECK(readable(fd, 20000));
		JOIN(pid);
		close(i & 2 ? fd : s);
		close(i & 2 ? s : fd);
	}
}
