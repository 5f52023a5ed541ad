/* wait4 and waitid with all their options; zombies and orphans. */
#include "tap.h"
#include <sys/prctl.h>

static pid_t leaves(int status)
{
	return CHILD(_exit(status));
}

static pid_t sleeps(void)
{
	return CHILD(for (;;) pause());
}

TEST(exit_codes)
{
	static const int codes[] = {0, 1, 42, 127, 128, 255, 256, 511, -1};

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		int s = status_of(leaves(codes[i]));

		CHECK(WIFEXITED(s));
		EQ(WEXITSTATUS(s), codes[i] & 255);
	}
}

TEST(killed_by_signal)
{
	static const int sigs[] = {SIGHUP, SIGINT, SIGKILL, SIGTERM, SIGUSR1, SIGPIPE, SIGALRM};

	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++) {
		pid_t pid = sleeps();
		int s;

		EQ(kill(pid, sigs[i]), 0);
		s = status_of(pid);
		CHECK(WIFSIGNALED(s) && !WCOREDUMP(s));
		EQ(WTERMSIG(s), sigs[i]);
	}
}

TEST(any_and_each)
{
	pid_t a = leaves(1), b = leaves(2);
	int s, seen = 0;

	for (int i = 0; i < 2; i++) {
		pid_t pid = waitpid(-1, &s, 0);

		CHECK(pid == a || pid == b);
		EQ(WEXITSTATUS(s), pid == a ? 1 : 2);
		seen |= pid == a ? 1 : 2;
	}
	EQ(seen, 3);
	FAILS(waitpid(-1, &s, 0), ECHILD);
	FAILS(waitpid(a, &s, 0), ECHILD);
}

TEST(nohang)
{
	pid_t pid = sleeps();
	int s = 77;

	EQ(waitpid(pid, &s, WNOHANG), 0);
	EQ(s, 77);
	kill(pid, SIGKILL);
	EQ(waitpid(pid, &s, 0), pid);
	FAILS(waitpid(-1, &s, WNOHANG), ECHILD);
}

TEST(by_process_group)
{
	pid_t a = CHILD(setpgid(0, 0); for (;;) pause()), b = leaves(3);
	int s;

	setpgid(a, a);
	EQ(waitpid(-a, &s, WNOHANG), 0);
	EQ(waitpid(0, &s, 0), b); /* of the caller's group */
	kill(a, SIGKILL);
	EQ(waitpid(-a, &s, 0), a);
	FAILS(waitpid(-a, &s, 0), ECHILD);
}

TEST(stopped_and_continued)
{
	pid_t pid = sleeps();
	int s;

	kill(pid, SIGSTOP);
	EQ(waitpid(pid, &s, WUNTRACED), pid);
	CHECK(WIFSTOPPED(s));
	EQ(WSTOPSIG(s), SIGSTOP);
	EQ(waitpid(pid, &s, WUNTRACED | WNOHANG), 0); /* told once */
	kill(pid, SIGCONT);
	EQ(waitpid(pid, &s, WCONTINUED), pid);
	CHECK(WIFCONTINUED(s));
	EQ(s, 0xffff);
	EQ(waitpid(pid, &s, WCONTINUED | WNOHANG), 0);
	kill(pid, SIGSTOP);
	kill(pid, SIGKILL); /* a stopped one dies as well */
	EQ(waitpid(pid, &s, 0), pid);
	EQ(s, SIGKILL);
}

TEST(waitid_exited)
{
	pid_t pid = leaves(9);
	siginfo_t si;

	memset(&si, 0x55, sizeof(si));
	EQ(waitid(P_PID, pid, &si, WEXITED | WNOWAIT), 0);
	EQ(si.si_signo, SIGCHLD);
	EQ(si.si_code, CLD_EXITED);
	EQ(si.si_pid, pid);
	EQ(si.si_uid, 0);
	EQ(si.si_status, 9);
	EQ(waitid(P_PID, pid, &si, WEXITED), 0); /* WNOWAIT left it */
	EQ(si.si_status, 9);
	FAILS(waitid(P_PID, pid, &si, WEXITED), ECHILD);
}

TEST(waitid_killed_stopped_continued)
{
	pid_t pid = sleeps();
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	EQ(waitid(P_ALL, 0, &si, WEXITED | WNOHANG), 0);
	EQ(si.si_pid, 0);
	kill(pid, SIGSTOP);
	EQ(waitid(P_PID, pid, &si, WSTOPPED), 0);
	EQ(si.si_code, CLD_STOPPED);
	EQ(si.si_status, SIGSTOP);
	kill(pid, SIGCONT);
	EQ(waitid(P_PID, pid, &si, WCONTINUED), 0);
	EQ(si.si_code, CLD_CONTINUED);
	EQ(si.si_status, SIGCONT);
	kill(pid, SIGTERM);
	EQ(waitid(P_PGID, getpgrp(), &si, WEXITED), 0);
	EQ(si.si_code, CLD_KILLED);
	EQ(si.si_status, SIGTERM);
}

TEST(refusals)
{
	siginfo_t si;
	int s;

	FAILS(waitid(P_ALL, 0, &si, 0), EINVAL);
	FAILS(waitid(P_ALL, 0, &si, 0x10000 | WEXITED), EINVAL);
	FAILS(waitid(17, 0, &si, WEXITED), EINVAL);
	FAILS(waitpid(-1, &s, 0x10000), EINVAL);
	FAILS(waitpid(getpid(), &s, 0), ECHILD);
	FAILS(waitpid(1, &s, 0), ECHILD);
	FAILS(waitpid(-2147483647 - 1, &s, 0), ESRCH);
	leaves(0);
	FAILS(wait4(-1, (int *)8, 0, NULL), EFAULT);
}

static volatile int got;

static void on_child(int sig)
{
	got++;
}

TEST(interrupted)
{
	struct sigaction sa = {.sa_handler = on_child};
	pid_t pid = sleeps(), self = getpid();
	int s;

	sigaction(SIGUSR1, &sa, NULL);
	pid_t killer = CHILD(sleep_ms(30); kill(self, SIGUSR1); for (;;) pause());
	FAILS(waitpid(pid, &s, 0), EINTR);
	EQ(got, 1);
	kill(killer, SIGKILL);
	kill(pid, SIGKILL);
	while (waitpid(-1, &s, 0) > 0)
		;
}

TEST(ignored_sigchld_leaves_no_zombie)
{
	int s;
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	pid = leaves(1);
	FAILS(waitpid(pid, &s, 0), ECHILD); /* and waits for all of them first */
	FAILS(kill(pid, 0), ESRCH);
	signal(SIGCHLD, SIG_DFL);
	struct sigaction sa = {.sa_handler = on_child, .sa_flags = SA_NOCLDWAIT};
	sigaction(SIGCHLD, &sa, NULL);
	pid = leaves(1);
	while (waitpid(-1, &s, 0) >= 0 || errno == EINTR)
		;
	EQ(errno, ECHILD);
}

TEST(sigchld_comes_for_stops_unless_refused)
{
	struct sigaction sa = {.sa_handler = on_child};
	pid_t pid;
	int s;

	sigaction(SIGCHLD, &sa, NULL);
	pid = sleeps();
	kill(pid, SIGSTOP);
	EQ(waitpid(pid, &s, WUNTRACED), pid);
	/* On another CPU, the stop can be seen a moment before its signal comes. */
	for (int i = 0; i < 1000 && got < 1; i++)
		sleep_ms(1);
	EQ(got, 1);
	sa.sa_flags = SA_NOCLDSTOP;
	sigaction(SIGCHLD, &sa, NULL);
	kill(pid, SIGCONT);
	sleep_ms(5);
	EQ(got, 1);
	kill(pid, SIGKILL);
	while (waitpid(pid, &s, 0) != pid)
		;
	for (int i = 0; i < 1000 && got < 2; i++)
		sleep_ms(1);
	EQ(got, 2);
}

TEST(zombie_can_be_signalled_and_seen)
{
	pid_t pid = leaves(0);
	char path[32], buf[512];
	siginfo_t si;

	EQ(waitid(P_PID, pid, &si, WEXITED | WNOWAIT), 0);
	EQ(kill(pid, 0), 0);
	EQ(kill(pid, SIGTERM), 0);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	REQUIRE(slurp(path, buf, sizeof(buf)) > 0);
	EQ(strrchr(buf, ')')[2], 'Z');
	JOIN(pid);
	FAILS(kill(pid, 0), ESRCH);
	CHECK(access(path, F_OK));
}

TEST(orphans_go_to_process_1)
{
	int p[2], pid = 0;

	REQUIRE(!pipe(p));
	JOIN(CHILD(CHILD(while (getppid() != 1) sleep_ms(1); int me = getppid();
			 EQ(write(p[1], &me, sizeof(me)), sizeof(me)))));
	EQ(read(p[0], &pid, sizeof(pid)), sizeof(pid));
	EQ(pid, 1);
}

TEST(orphans_go_to_a_subreaper)
{
	int s, n = 0;

	EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	JOIN(CHILD(CHILD(sleep_ms(20); _exit(3))));
	while (waitpid(-1, &s, 0) > 0)
		n += WEXITSTATUS(s);
	EQ(n, 3);
}

TEST(zombies_of_a_dead_parent_are_reaped)
{
	int p[2];
	pid_t grandchild = 0;

	REQUIRE(!pipe(p));
	JOIN(CHILD(pid_t z = leaves(0); sleep_ms(10); EQ(write(p[1], &z, sizeof(z)), sizeof(z))));
	EQ(read(p[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	for (int i = 0; i < 200 && !kill(grandchild, 0); i++)
		sleep_ms(5);
	FAILS(kill(grandchild, 0), ESRCH);
}

TEST(many_children_in_any_order)
{
	enum { N = 60 };
	pid_t pids[N];
	int s;

	for (int i = 0; i < N; i++)
		pids[i] = leaves(i);
	for (int i = N - 1; i >= 0; i -= 2) {
		EQ(waitpid(pids[i], &s, 0), pids[i]);
		EQ(WEXITSTATUS(s), i);
	}
	for (int i = 0; i < N; i += 2) {
		EQ(waitpid(pids[i], &s, 0), pids[i]);
		EQ(WEXITSTATUS(s), i);
	}
	FAILS(waitpid(-1, &s, 0), ECHILD);
}

TEST(rusage_of_children)
{
	struct rusage before, after;

	getrusage(RUSAGE_CHILDREN, &before);
	JOIN(CHILD(for (long t = now_ms() + 150; now_ms() < t;)));
	getrusage(RUSAGE_CHILDREN, &after);
	long us = (after.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_utime.tv_sec -
		   before.ru_stime.tv_sec) *
		      1000000l +
		  after.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_utime.tv_usec -
		  before.ru_stime.tv_usec;
	BETWEEN(us, 50000, 400000);
}
