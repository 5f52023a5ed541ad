/* Process groups, sessions, and who may signal whom. */
#include "tap.h"

static pid_t sleeps(void)
{
	return CHILD(for (;;) pause());
}

TEST(setpgid_and_getpgid)
{
	pid_t pid = sleeps();

	EQ(getpgid(0), getpgrp());
	EQ(getpgid(pid), getpgrp()); /* inherited */
	EQ(setpgid(pid, pid), 0);
	EQ(getpgid(pid), pid);
	EQ(setpgid(pid, getpgrp()), 0);
	EQ(getpgid(pid), getpgrp());
	FAILS(getpgid(99999), ESRCH);
	FAILS(setpgid(99999, 0), ESRCH);
	FAILS(setpgid(pid, -1), EINVAL);
	FAILS(setpgid(pid, 99999), EPERM);
	FAILS(setpgid(1, 0), ESRCH); /* not a child */
	kill(pid, SIGKILL);
}

HELPER(nap)
{
	sleep_ms(5000);
	return 0;
}

TEST(setpgid_after_exec_is_refused)
{
	int p[2];
	char c;
	pid_t pid;

	REQUIRE(!pipe2(p, O_CLOEXEC));
	pid = CHILD(execl("/proc/self/exe", "group", "--nap", NULL));
	close(p[1]);
	EQ(read(p[0], &c, 1), 0); /* the exec has closed it */
	FAILS(setpgid(pid, pid), EACCES);
	kill(pid, SIGKILL);
}

TEST(setsid)
{
	int p[2];
	pid_t seen[3], pid;

	REQUIRE(!pipe(p));
	FAILS(setsid(), EPERM); /* a group's leader, as the harness made it */
	pid = CHILD(EQ(setsid(), getpid()); EQ(getsid(0), getpid()); EQ(getpgrp(), getpid());
		    FAILS(setsid(), EPERM); FAILS(setpgid(0, 0), EPERM); seen[0] = getsid(0);
		    EQ(write(p[1], seen, 4), 4); for (;;) pause());
	EQ(read(p[0], seen, 4), 4);
	EQ(seen[0], pid);
	EQ(getsid(pid), pid);
	FAILS(setpgid(pid, getpgrp()), EPERM);
	CHECK(getsid(0) != pid);
	FAILS(getsid(99999), ESRCH);
	kill(pid, SIGKILL);
	JOIN(CHILD(EQ(fork() < 0, 0)));
}

static volatile int hits;

static void hit(int sig)
{
	hits++;
}

TEST(kill_of_a_group)
{
	enum { N = 4 };
	pid_t leader = CHILD(setpgid(0, 0); for (;;) pause()), pids[N];
	int s;

	setpgid(leader, leader);
	for (int i = 0; i < N; i++) {
		pids[i] = sleeps();
		EQ(setpgid(pids[i], leader), 0);
	}
	EQ(kill(-leader, SIGTERM), 0);
	EQ(waitpid(leader, &s, 0), leader);
	EQ(s, SIGTERM);
	for (int i = 0; i < N; i++) {
		EQ(waitpid(pids[i], &s, 0), pids[i]);
		EQ(s, SIGTERM);
	}
	FAILS(kill(-leader, 0), ESRCH);
}

TEST(kill_zero_is_the_own_group)
{
	pid_t pid;

	signal(SIGUSR1, hit);
	pid = CHILD(hits = 0; while (!hits) sleep_ms(1); _exit(0));
	sleep_ms(20);
	EQ(kill(0, SIGUSR1), 0);
	EQ(hits, 1);
	JOIN(pid);
}

TEST(kill_refusals)
{
	FAILS(kill(99999, 0), ESRCH);
	FAILS(kill(getpid(), 65), EINVAL);
	FAILS(kill(getpid(), -1), EINVAL);
	FAILS(syscall(SYS_tgkill, getpid(), getpid(), 65), EINVAL);
	FAILS(syscall(SYS_tgkill, -1, getpid(), 0), EINVAL);
	FAILS(syscall(SYS_tgkill, getpid(), 99999, 0), ESRCH);
	EQ(kill(getpid(), 0), 0);
	EQ(kill(1, 0), 0);
}

/* Process 1 is spared what it has no handler for. */
/* Being refused by everybody is no failure. */
TEST(kill_of_all)
{
	pid_t pid = sleeps();

	JOIN(CHILD(EQ(setresuid(1234, 1234, 1234), 0); EQ(kill(-1, 0), 0);
		   EQ(kill(-1, SIGKILL), 0)));
	EQ(kill(pid, 0), 0);
	EQ(kill(-1, 0), 0);
	kill(pid, SIGKILL);
}

TEST(process_1_is_not_killed)
{
	EQ(kill(1, SIGTERM), 0);
	EQ(kill(1, SIGKILL), 0);
	EQ(kill(1, SIGSTOP), 0);
	sleep_ms(10);
	EQ(kill(1, 0), 0);
}

TEST(permission)
{
	pid_t target = sleeps(), other;

	other = CHILD(REQUIRE(!setuid(1000)); FAILS(kill(target, SIGTERM), EPERM);
		      FAILS(kill(1, 0), EPERM); EQ(kill(getpid(), 0), 0); EQ(getuid(), 1000);
		      FAILS(setuid(0), EPERM));
	JOIN(other);
	EQ(kill(target, 0), 0);
	kill(target, SIGKILL);
}

/* A group that is orphaned with a member stopped gets SIGHUP and SIGCONT. */
TEST(orphaned_stopped_group)
{
	int p[2];
	char c = 0;

	REQUIRE(!pipe(p));
	JOIN(CHILD(setsid(); pid_t member;
		   member = CHILD(setpgid(0, 0); signal(SIGHUP, hit); raise(SIGSTOP);
				  for (int i = 0; i < 1000 && !hits; i++) sleep_ms(1);
				  EQ(write(p[1], hits ? "y" : "n", 1), 1));
		   int s; EQ(waitpid(member, &s, WUNTRACED), member); CHECK(WIFSTOPPED(s));
		   /* ends: nobody of its session outside the group is left */
		   _exit(tap_failed)));
	EQ(read(p[0], &c, 1), 1);
	EQ(c, 'y');
}

TEST(stop_signals_of_the_terminal_do_nothing_to_orphans)
{
	int p[2];
	char c = 0;

	REQUIRE(!pipe(p));
	JOIN(CHILD(CHILD(setsid(); raise(SIGTSTP); EQ(write(p[1], "x", 1), 1))));
	EQ(read(p[0], &c, 1), 1);
	EQ(c, 'x');
}
