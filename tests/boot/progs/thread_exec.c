/* Threads, and the calls that make another process or program. */
#include "thread.h"

static __thread int tls_seven = 7;

HELPER(alone)
{
	int fd = atoi(argv[1]), cloexec = atoi(argv[2]);

	EQ(tid_now(), getpid());
	EQ(getpid(), atoi(argv[3]));
	EQ(value_of("/proc/self/status", "Threads"), 1);
	EQ(value_of("/proc/self/status", "Pid"), getpid());
	CHECK(fcntl(fd, F_GETFD) == 0);
	FAILS(fcntl(cloexec, F_GETFD), EBADF);
	return tap_failed ? 1 : 33;
}

#define ARGS(...) ((char *[]){__VA_ARGS__, NULL})

static int kept, closed;

NORETURN static void *exec_alone(void *arg)
{
	char fds[3][16];
	pid_t pid = getpid();

	snprintf(fds[0], 16, "%d", kept);
	snprintf(fds[1], 16, "%d", closed);
	snprintf(fds[2], 16, "%d", pid);
	sleep_ms(20);
	/* By descriptor: /proc/self has no exe where the leader has ended. */
	syscall(SYS_execveat, kept, "", ARGS("thread", "--alone", fds[0], fds[1], fds[2]), environ,
		AT_EMPTY_PATH);
	say("# exec: errno %d", errno);
	_exit(1);
}

static void open_some(void)
{
	kept = open("/proc/self/exe", O_RDONLY);
	closed = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	REQUIRE(kept > 0 && closed > 0);
}

TEST(exec_by_leader)
{
	EQ(status_of(CHILD(open_some(); company(); exec_alone(NULL))), 33 << 8);
}

TEST(exec_by_another)
{
	EQ(status_of(CHILD(open_some(); company(); start(exec_alone, NULL); sleep_long(NULL))),
	   33 << 8);
}

TEST(exec_after_leader)
{
	EQ(status_of(CHILD(open_some(); company(); start(exec_alone, NULL); RAW_EXIT(5))), 33 << 8);
	/* The leader is gone and the one that executes is the last. */
	EQ(status_of(CHILD(open_some(); start(exec_alone, NULL); RAW_EXIT(5))), 33 << 8);
}

TEST(execs_race)
{
	for (int round = 0; round < 10; round++)
		EQ(status_of(CHILD(open_some(); start(exec_alone, NULL); start(exec_alone, NULL);
				   start(exec_alone, NULL); exec_alone(NULL))),
		   33 << 8);
}

TEST(killed_while_executing)
{
	for (int round = 0; round < 20; round++) {
		pid_t p = CHILD(open_some(); company(); start(exec_alone, NULL); sleep_long(NULL));
		int status;

		sleep_ms(38 + round / 2);
		OK(kill(p, SIGKILL));
		status = status_of(p);
		CHECK(status == SIGKILL || status == 33 << 8);
	}
}

HELPER(linger)
{
	sleep_ms(60000);
	return 7;
}

/* Executes a program slowly, for all that it has to copy. */
NORETURN static void *exec_much(void *arg)
{
	static char *argv[202] = {"thread", "--linger"};
	static char long_arg[8192];

	memset(long_arg, 'a', sizeof(long_arg) - 1);
	for (int i = 2; i < 201; i++)
		argv[i] = long_arg;
	sleep_ms(20);
	execve("/proc/self/exe", argv, environ);
	say("# exec: errno %d", errno);
	_exit(1);
}

static bool gives_status(pid_t p, int *status, int options)
{
	for (int i = 0; i < 4000; i++) {
		if (waitpid(p, status, options | WNOHANG) == p)
			return true;
		sleep_ms(1);
	}
	return false;
}

/* Whether a stop comes before, under or after an execution: it stops the process, and once. Linux loses
 * some of those that come under it. */
TEST(stopped_while_executing)
{
	for (int round = 0; goes_on(round, 40); round++) {
		pid_t p = CHILD(company(); start(exec_much, NULL); sleep_long(NULL));
		int status;

		sleep_ms(36 + round / 5);
		for (volatile int i = 0; i < round % 5 * 30000; i++)
			;
		OK(kill(p, SIGSTOP));
		if (gives_status(p, &status, WUNTRACED)) {
			EQ(status, SIGSTOP << 8 | 0x7f);
			sleep_ms(2);
			EQ(waitpid(p, &status, WUNTRACED | WNOHANG), 0);
			OK(kill(p, SIGCONT));
			CHECK(gives_status(p, &status, WCONTINUED) && WIFCONTINUED(status));
		} else {
			CHECK(!on_calf());
		}
		OK(kill(p, SIGKILL));
		EQ(status_of(p), SIGKILL);
	}
}

static void *exec_nothing(void *arg)
{
	FAILS(execl("/no/such/program", "x", NULL), ENOENT);
	return NULL;
}

TEST(failed_exec_ends_nobody)
{
	struct idler i;

	idler_start(&i);
	join(start(exec_nothing, NULL));
	OK(syscall(SYS_tgkill, getpid(), i.tid, 0));
	await_threads(2);
	idler_end(&i);
}

static void *fork_once(void *arg)
{
	int mine = 5;
	pid_t p = CHILD(EQ(value_of("/proc/self/status", "Threads"), 1); EQ(tid_now(), getpid());
			CHECK(getppid() == *(pid_t *)arg); EQ(mine, 5); EQ(tls_seven, 11));

	JOIN(p);
	return NULL;
}

static void *fork_with_tls(void *arg)
{
	tls_seven = 11;
	return fork_once(arg);
}

TEST(fork_copies_the_caller)
{
	pid_t me = getpid();
	struct idler i;

	idler_start(&i);
	join(start(fork_with_tls, &me));
	idler_end(&i);
}

static void *vfork_and_wait(void *arg)
{
	volatile unsigned long *count = arg;
	unsigned long before = *count;
	pid_t p = vfork();

	if (p == 0) {
		struct timespec ts = {0, 50000000};

		syscall(SYS_nanosleep, &ts, NULL);
		syscall(SYS_exit_group, 3);
	}
	/* The rest of the process went on. */
	CHECK(*count > before + 1000);
	EQ(status_of(p), 3 << 8);
	return NULL;
}

TEST(vfork_stops_one)
{
	static volatile unsigned long count;

	JOIN(CHILD(start(spin, (void *)&count); sleep_ms(5);
		   join(start(vfork_and_wait, (void *)&count))));
}

struct parting {
	volatile pid_t tid;
	volatile int parted, leave;
};

static void *vfork_long(void *arg)
{
	struct parting *v = arg;

	v->tid = tid_now();
	if (vfork() == 0) {
		struct timespec ts = {0, 1000000};

		v->parted = 1;
		while (!v->leave)
			syscall(SYS_nanosleep, &ts, NULL);
		syscall(SYS_exit_group, 0);
	}
	return sleep_long(NULL);
}

static void await_state(pid_t pid, pid_t tid, char state)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	for (int i = 0; i < 4000; i++) {
		if (slurp(path, text, sizeof(text)) > 0 && strrchr(text, ')')[2] == state)
			return;
		sleep_ms(1);
	}
	CHECK(!"it does not come to this state");
}

/* A stop is not done before each thread has, and what comes meanwhile waits for SIGCONT; not SIGKILL. */
TEST(stop_waits_for_vfork)
{
	for (int killed = 0; killed < 2; killed++) {
		struct parting *v = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
		pid_t p = CHILD(start(vfork_long, v); sleep_long(NULL));
		int status;

		while (!v->parted)
			sleep_ms(1);
		await_state(p, v->tid, 'D');
		OK(kill(p, SIGSTOP));
		await_state(p, p, 'T');
		EQ(waitpid(p, &status, WUNTRACED | WNOHANG), 0);
		OK(kill(p, killed ? SIGKILL : SIGTERM));
		if (!killed) {
			v->leave = 1;
			EQ(waitpid(p, &status, WUNTRACED), p);
			EQ(status, SIGSTOP << 8 | 0x7f);
			OK(kill(p, SIGCONT));
		}
		EQ(status_of(p), killed ? SIGKILL : SIGTERM);
		v->leave = 1;
	}
}

static void *leave_child(void *arg)
{
	return (void *)(long)CHILD(_exit(6));
}

/* A child is the process's: any thread may wait for it. */
TEST(any_thread_waits)
{
	pid_t p = (long)join(start(leave_child, NULL));

	EQ(status_of(p), 6 << 8);
}
