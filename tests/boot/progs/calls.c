/*
 * What the calls about processes answer to arguments that are wrong, missing or odd: Linux's answer,
 * call by call.
 */
#include "tap.h"
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>

#define BAD    ((void *)8)
#define NO_PID 99999

enum { WAIT, WAKE, CMP_REQUEUE = 4, WAIT_BITSET = 9 }; /* futex(2) */

TEST(sending)
{
	siginfo_t info = {.si_code = SI_QUEUE};

	FAILS(syscall(SYS_tkill, 0, 0), EINVAL);
	FAILS(syscall(SYS_tkill, -1, 0), EINVAL);
	FAILS(syscall(SYS_tgkill, getpid(), NO_PID, 0), ESRCH);
	FAILS(syscall(SYS_tgkill, NO_PID, getpid(), 0), ESRCH);
	EQ(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &info), 0);
	FAILS(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &info), EINVAL);
	FAILS(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, BAD), EFAULT);
	info.si_code = SI_USER; /* kill's own code, to somebody else */
	FAILS(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info), EPERM);
	FAILS(syscall(SYS_rt_sigqueueinfo, -5, 0, &info), EPERM);
}

TEST(signal_sets)
{
	struct timespec bad = {0, -1}, none = {0, 0}, ms = {0, 1000000};
	unsigned long set = 0, one = 1;

	FAILS(syscall(SYS_rt_sigaction, 1, 0, 0, 4), EINVAL);
	FAILS(syscall(SYS_rt_sigaction, 65, 0, 0, 8), EINVAL);
	FAILS(syscall(SYS_rt_sigaction, 0, 0, 0, 8), EINVAL);
	FAILS(syscall(SYS_rt_sigaction, 1, BAD, 0, 8), EFAULT);
	EQ(syscall(SYS_rt_sigprocmask, 7, 0, 0, 8), 0); /* without a set, `how` says nothing */
	FAILS(syscall(SYS_rt_sigprocmask, 7, &set, 0, 8), EINVAL);
	FAILS(syscall(SYS_rt_sigprocmask, 0, &set, BAD, 8), EFAULT);
	FAILS(syscall(SYS_rt_sigpending, &set, 16), EINVAL);
	EQ(syscall(SYS_rt_sigpending, &set, 4), 0);
	FAILS(syscall(SYS_rt_sigsuspend, &set, 4), EINVAL);
	FAILS(syscall(SYS_rt_sigsuspend, 0, 8), EFAULT);
	FAILS(syscall(SYS_rt_sigtimedwait, 0, 0, 0, 8), EFAULT);
	FAILS(syscall(SYS_rt_sigtimedwait, &one, 0, &bad, 8), EINVAL);
	FAILS(syscall(SYS_rt_sigtimedwait, &one, 0, &none, 8), EAGAIN);
	FAILS(syscall(SYS_rt_sigtimedwait, &one, 0, &ms, 8), EAGAIN);
	FAILS(syscall(SYS_rt_sigtimedwait, &one, 0, BAD, 8), EFAULT);
	FAILS(syscall(SYS_rt_sigtimedwait, &one, 0, &ms, 7), EINVAL);
}

TEST(groups)
{
	FAILS(setpgid(-1, 0), EINVAL); /* the group that 0 stands for would be -1 */
	FAILS(setpgid(0, -1), EINVAL);
	FAILS(setpgid(NO_PID, 0), ESRCH);
	FAILS(setpgid(0, NO_PID), EPERM);
	FAILS(setpgid(1, 1), ESRCH); /* nobody's child of ours */
	FAILS(getpgid(NO_PID), ESRCH);
	FAILS(getpgid(-1), ESRCH);
	FAILS(getsid(NO_PID), ESRCH);
}

TEST(scheduling)
{
	struct sched_param p = {0};
	unsigned long mask[16] = {0};

	FAILS(syscall(SYS_sched_getscheduler, NO_PID), ESRCH);
	FAILS(syscall(SYS_sched_getscheduler, -1), EINVAL);
	EQ(syscall(SYS_sched_setscheduler, 0, 0, &p), 0);
	p.sched_priority = 5;
	FAILS(syscall(SYS_sched_setscheduler, 0, 0, &p), EINVAL);
	FAILS(syscall(SYS_sched_setscheduler, 0, 99, &p), EINVAL);
	FAILS(syscall(SYS_sched_setscheduler, 0, 1, 0), EINVAL);
	FAILS(syscall(SYS_sched_getparam, 0, 0), EINVAL);
	EQ(sched_get_priority_max(SCHED_FIFO), 99);
	EQ(sched_get_priority_min(SCHED_FIFO), 1);
	EQ(sched_get_priority_max(SCHED_OTHER), 0);
	FAILS(sched_get_priority_max(77), EINVAL);
	FAILS(syscall(SYS_sched_getaffinity, 0, 7, mask), EINVAL);
	FAILS(syscall(SYS_sched_getaffinity, NO_PID, 128, mask), ESRCH);
	memset(mask, 0, sizeof(mask));
	FAILS(syscall(SYS_sched_setaffinity, 0, 8, mask), EINVAL);
	FAILS(syscall(SYS_sched_setaffinity, 0, 8, BAD), EFAULT);
}

TEST(limits)
{
	struct rlimit l = {5, 4};

	FAILS(setrlimit(RLIMIT_CORE, &l), EINVAL);
	FAILS(syscall(SYS_getrlimit, 16, &l), EINVAL);
	FAILS(syscall(SYS_getrlimit, RLIMIT_CORE, BAD), EFAULT);
	FAILS(syscall(SYS_prlimit64, NO_PID, 0, 0, 0), ESRCH);
	l.rlim_cur = l.rlim_max = 1 << 30;
	FAILS(setrlimit(RLIMIT_NOFILE, &l), EPERM);
}

TEST(prctl_options)
{
	char name[16];

	EQ(prctl(PR_SET_NAME, "a-name-too-long-for-a-task"), 0);
	EQ(prctl(PR_GET_NAME, name), 0);
	CHECK(!strcmp(name, "a-name-too-long"));
	FAILS(prctl(PR_SET_NAME, BAD), EFAULT);
	FAILS(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
	FAILS(prctl(PR_SET_DUMPABLE, 2), EINVAL);
	FAILS(prctl(9999), EINVAL);
	FAILS(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	FAILS(prctl(PR_SET_TIMING, 1), EINVAL);
	EQ(prctl(PR_CAPBSET_READ, 0), 1);
	FAILS(prctl(PR_CAPBSET_READ, 60), EINVAL);
	EQ(personality(0xffffffff), 0);
	EQ(personality(ADDR_NO_RANDOMIZE), 0);
	EQ(personality(0), ADDR_NO_RANDOMIZE);
}

TEST(times_of_day)
{
	struct timespec t = {0, 1}, bad = {0, 2000000000};
	struct itimerval it = {{0, 0}, {0, 1000000}};

	FAILS(syscall(SYS_clock_gettime, 77, &t), EINVAL);
	FAILS(syscall(SYS_clock_gettime, 0, BAD), EFAULT);
	EQ(syscall(SYS_clock_getres, CLOCK_MONOTONIC, 0), 0);
	FAILS(syscall(SYS_clock_getres, 99, 0), EINVAL);
	FAILS(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &t), EINVAL);
	FAILS(syscall(SYS_clock_settime, CLOCK_REALTIME, &bad), EINVAL);
	FAILS(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &t, 0), EOPNOTSUPP);
	FAILS(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &t, 0), EOPNOTSUPP);
	FAILS(syscall(SYS_clock_nanosleep, 99, 0, &t, 0), EINVAL);
	FAILS(setitimer(ITIMER_REAL, &it, 0), EINVAL);
	FAILS(syscall(SYS_getitimer, ITIMER_REAL, BAD), EFAULT);
	FAILS(syscall(SYS_getrusage, 5, BAD), EINVAL);
	FAILS(syscall(SYS_getrusage, 0, BAD), EFAULT);
	FAILS(syscall(SYS_times, BAD), EFAULT);
}

TEST(futexes)
{
	struct timespec ms = {0, 1000000}, bad = {0, -1};
	int word = 1;

	FAILS(syscall(SYS_futex, &word, WAIT, 2, 0, 0, 0), EAGAIN);
	FAILS(syscall(SYS_futex, &word, WAIT, 1, &ms, 0, 0), ETIMEDOUT);
	FAILS(syscall(SYS_futex, (char *)&word + 1, WAIT, 1, &ms, 0, 0), EINVAL);
	FAILS(syscall(SYS_futex, BAD, WAIT, 1, &ms, 0, 0), EFAULT);
	FAILS(syscall(SYS_futex, -4096l, WAKE, 1, 0, 0, 0), EFAULT);
	FAILS(syscall(SYS_futex, &word, 77, 1, 0, 0, 0), ENOSYS);
	FAILS(syscall(SYS_futex, &word, WAIT, 1, &bad, 0, 0), EINVAL);
	FAILS(syscall(SYS_futex, &word, WAIT_BITSET, 1, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_futex, &word, CMP_REQUEUE, 1, 1, &word, 5), EAGAIN);
	EQ(syscall(SYS_futex, &word, WAKE, 1, 0, 0, 0), 0);
	FAILS(syscall(SYS_set_robust_list, 0, 5), EINVAL);
}

TEST(clone3_arguments)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
		uint64_t set_tid, set_tid_size, cgroup, beyond[10];
	} a = {0};
	int status;
	pid_t pid;

	FAILS(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_clone3, &a, 8), EINVAL);
	FAILS(syscall(SYS_clone3, &a, 5000), E2BIG);
	FAILS(syscall(SYS_clone3, BAD, 88), EFAULT);
	a.exit_signal = 100;
	FAILS(syscall(SYS_clone3, &a, 88), EINVAL);
	a.exit_signal = 0;
	a.flags = SIGCHLD;
	FAILS(syscall(SYS_clone3, &a, 88), EINVAL);
	a.flags = 0;
	a.stack = 4096; /* without a size */
	FAILS(syscall(SYS_clone3, &a, 88), EINVAL);
	a.stack = 0;
	a.beyond[3] = 1; /* what no kernel knows */
	FAILS(syscall(SYS_clone3, &a, sizeof(a)), E2BIG);
	a.beyond[3] = 0;
	pid = syscall(SYS_clone3, &a, sizeof(a)); /* no exit signal: only __WALL sees it */
	if (!pid)
		_exit(4);
	FAILS(waitpid(pid, &status, 0), ECHILD);
	EQ(waitpid(pid, &status, __WALL), pid);
	EQ(status, 4 << 8);
}

TEST(exec_arguments)
{
	char *argv[] = {"x", NULL};

	FAILS(syscall(SYS_execve, BAD, 0, 0), EFAULT);
	FAILS(syscall(SYS_execve, "/proc/self/exe", BAD, 0), EFAULT);
	FAILS(execve("/proc/self/mem", argv, 0), EACCES);
	FAILS(syscall(SYS_execveat, -1, "", argv, 0, 0x1000), EBADF);
	FAILS(syscall(SYS_execveat, 99, "x", argv, 0, 0), EBADF);
	FAILS(syscall(SYS_execveat, -100, "/proc/self/exe", argv, 0, 0x77777), EINVAL);
}

TEST(a_user_is_no_root)
{
	struct rlimit l = {10, 10}, more = {11, 11};

	JOIN(CHILD(EQ(setgid(5), 0); EQ(setuid(7), 0); FAILS(setuid(0), EPERM);
		   EQ(syscall(SYS_setresuid, 7, 7, 7), 0);
		   FAILS(syscall(SYS_setresuid, 8, -1, -1), EPERM);
		   EQ(syscall(SYS_setreuid, 7, 7), 0); FAILS(setgid(0), EPERM);
		   FAILS(kill(1, 0), EPERM); FAILS(setpriority(PRIO_PROCESS, 0, -5), EACCES);
		   FAILS(syscall(SYS_setgroups, 0, 0), EPERM); EQ(setrlimit(RLIMIT_NOFILE, &l), 0);
		   FAILS(setrlimit(RLIMIT_NOFILE, &more), EPERM); FAILS(sethostname("x", 1), EPERM);
		   FAILS(syscall(SYS_reboot, 0, 0, 0, 0), EPERM); FAILS(chroot("/"), EPERM)));
	FAILS(syscall(SYS_setuid, -1), EINVAL);
	FAILS(syscall(SYS_reboot, 0, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_capget, 0, 0), EFAULT);
}

struct caps {
	uint32_t effective, permitted, inheritable;
};

static uint32_t cap_header[2] = {0x20080522, 0}; /* version 3, this task */

static struct caps caps_now(void)
{
	struct caps c[2] = {{0}};

	EQ(syscall(SYS_capget, cap_header, c), 0);
	return c[0];
}

static long caps_set(uint32_t effective, uint32_t permitted)
{
	struct caps c[2] = {{effective, permitted, 0}};

	return syscall(SYS_capset, cap_header, c);
}

/* What a program does that becomes another user and has ids to set after that: setpriv(1) is one. */
TEST(capabilities_kept_over_setuid)
{
	const uint32_t setgid_setuid = 1 << 6 | 1 << 7;

	EQ(prctl(PR_GET_KEEPCAPS), 0);
	FAILS(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0), EINVAL);
	JOIN(CHILD(EQ(setuid(7), 0); EQ(caps_now().permitted, 0);
		   FAILS(caps_set(1 << 6, 1 << 6), EPERM)));
	JOIN(CHILD(EQ(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0); EQ(prctl(PR_GET_KEEPCAPS), 1);
		   EQ(caps_set(setgid_setuid, setgid_setuid), 0); EQ(setuid(7), 0);
		   EQ(caps_now().permitted, setgid_setuid); EQ(caps_now().effective, 0);
		   FAILS(setgid(5), EPERM); FAILS(caps_set(1, 1), EPERM);
		   EQ(caps_set(1 << 6, setgid_setuid), 0); EQ(setgid(5), 0);
		   EQ(syscall(SYS_setgroups, 0, 0), 0); FAILS(setuid(8), EPERM);
		   EQ(caps_set(1 << 7, 1 << 7), 0); FAILS(setgid(6), EPERM); EQ(setuid(8), 0);
		   EQ(caps_now().effective, 1 << 7);
		   execl("/bin/busybox", "grep", "-q", "CapPrm:.0000000000000000",
			 "/proc/self/status", NULL)));
}

TEST(capabilities_follow_the_effective_uid)
{
	JOIN(CHILD(EQ(syscall(SYS_setresuid, -1, 7, -1), 0); EQ(caps_now().effective, 0);
		   CHECK(caps_now().permitted); FAILS(setgid(5), EPERM);
		   EQ(syscall(SYS_setresuid, -1, 0, -1), 0);
		   EQ(caps_now().effective, caps_now().permitted); EQ(setgid(5), 0);
		   EQ(caps_set(0, 0), 0); FAILS(setgid(6), EPERM); FAILS(setuid(7), EPERM)));
}

TEST(limit_of_processes)
{
	struct rlimit l = {3, 3};

	JOIN(CHILD(EQ(setrlimit(RLIMIT_NPROC, &l), 0); EQ(setuid(1234), 0);
		   for (int i = 0; i < 2; i++) if (fork() == 0) for (;;) pause();
		   FAILS(fork(), EAGAIN); kill(-1, SIGKILL)));
}

TEST(limit_of_queued_signals)
{
	struct rlimit l = {3, 3};
	union sigval v = {0};
	sigset_t all;

	JOIN(CHILD(EQ(setrlimit(RLIMIT_SIGPENDING, &l), 0); sigfillset(&all);
		   sigprocmask(SIG_BLOCK, &all, 0);
		   for (int i = 0; i < 3; i++) EQ(sigqueue(getpid(), SIGRTMIN, v), 0);
		   FAILS(sigqueue(getpid(), SIGRTMIN, v), EAGAIN); EQ(kill(getpid(), SIGRTMIN), 0);
		   EQ(kill(getpid(), SIGUSR1), 0)));
}
