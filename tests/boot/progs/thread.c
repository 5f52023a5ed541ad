/* Threads of one process: how they begin, what they are called, and how they end. */
#include "thread.h"

/* ---- life ---- */

static void *tell_ids(void *arg)
{
	pid_t *ids = arg;

	ids[0] = getpid();
	ids[1] = tid_now();
	return arg;
}

TEST(create_and_join)
{
	enum { N = 40, ROUNDS = 6 };
	static pid_t ids[N][2];
	pthread_t threads[N];

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < N; i++)
			threads[i] = start(tell_ids, ids[i]);
		for (int i = 0; i < N; i++)
			EQ(join(threads[i]), ids[i]);
		for (int i = 0; i < N; i++) {
			EQ(ids[i][0], getpid());
			CHECK(ids[i][1] != getpid());
			for (int j = 0; j < i; j++)
				CHECK(ids[i][1] != ids[j][1] || round);
		}
	}
	EQ(tid_now(), getpid());
	await_threads(1);
}

TEST(detached)
{
	pthread_attr_t attr;
	pthread_t t;

	sem_init(&done, 0, 0);
	OK(pthread_attr_init(&attr));
	OK(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	for (int i = 0; i < 100; i++)
		OK(pthread_create(&t, &attr, post_and_go, NULL));
	for (int i = 0; i < 100; i++)
		while (sem_wait(&done))
			;
	await_threads(1);
}

static __thread int tls_zero;
static __thread int tls_seven = 7;
static pthread_key_t key;
static int destroyed;

static void destroy(void *p)
{
	__atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST);
}

static void *use_tls(void *arg)
{
	long n = (long)arg;

	EQ(tls_zero, 0);
	EQ(tls_seven, 7);
	tls_zero = tls_seven = n;
	pthread_setspecific(key, arg);
	for (int i = 0; i < 20; i++) {
		sched_yield();
		EQ(tls_zero, n);
		EQ(tls_seven, n);
		EQ(pthread_getspecific(key), arg);
	}
	return NULL;
}

TEST(thread_local_data)
{
	pthread_t threads[10];

	OK(pthread_key_create(&key, destroy));
	for (long i = 0; i < 10; i++)
		threads[i] = start(use_tls, (void *)(i + 100));
	for (int i = 0; i < 10; i++)
		join(threads[i]);
	EQ(destroyed, 10);
	EQ(tls_zero, 0);
	EQ(tls_seven, 7);
}

/* ---- numbers and calls ---- */

#define THREAD_FLAGS \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

TEST(clone_refuses)
{
	FAILS(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_clone, CLONE_THREAD | CLONE_VM, 0, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = {.flags = THREAD_FLAGS, .exit_signal = SIGCHLD};

	FAILS(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
}

TEST(numbers)
{
	struct idler i;
	char path[64];

	idler_start(&i);
	FAILS(syscall(SYS_tgkill, getpid(), i.tid, 65), EINVAL);
	FAILS(syscall(SYS_tgkill, getpid() + 20000, i.tid, 0), ESRCH);
	FAILS(syscall(SYS_tgkill, i.tid, i.tid, 0), ESRCH);
	FAILS(syscall(SYS_tgkill, 0, i.tid, 0), EINVAL);
	OK(syscall(SYS_tgkill, getpid(), i.tid, 0));
	OK(syscall(SYS_tkill, i.tid, 0));
	OK(kill(i.tid, 0));
	EQ(getpgid(i.tid), getpgid(0));
	EQ(getsid(i.tid), getsid(0));
	FAILS(setpgid(i.tid, 0), EINVAL);
	FAILS(waitpid(i.tid, NULL, WNOHANG), ECHILD);
	FAILS(waitpid(-1, NULL, WNOHANG), ECHILD);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", getpid(), i.tid);
	OK(access(path, F_OK));
	idler_end(&i);
	for (int n = 0; n < 500 && access(path, F_OK) == 0; n++)
		sleep_ms(1);
	FAILS(access(path, F_OK), ENOENT);
	FAILS(syscall(SYS_tgkill, getpid(), i.tid, 0), ESRCH);
	FAILS(syscall(SYS_tkill, i.tid, 0), ESRCH);
}

TEST(nice_is_a_threads_own)
{
	struct idler i;

	idler_start(&i);
	OK(setpriority(PRIO_PROCESS, i.tid, 7));
	EQ(getpriority(PRIO_PROCESS, i.tid), 7);
	EQ(getpriority(PRIO_PROCESS, 0), 0);
	EQ(getpriority(PRIO_PROCESS, getpid()), 0);
	OK(setpriority(PRIO_PGRP, 0, 9));
	EQ(getpriority(PRIO_PROCESS, i.tid), 9);
	EQ(getpriority(PRIO_PROCESS, 0), 9);
	idler_end(&i);
}

TEST(membarrier)
{
	long commands = syscall(SYS_membarrier, 0, 0, 0);

	FAILS(syscall(SYS_membarrier, 0, 1, 0), EINVAL);
	FAILS(syscall(SYS_membarrier, 1 << 20, 0, 0), EINVAL);
	FAILS(syscall(SYS_membarrier, 3, 0, 0), EINVAL);
	REQUIRE(commands & 8);
	FAILS(syscall(SYS_membarrier, 8, 0, 0), EPERM);
	OK(syscall(SYS_membarrier, 16, 0, 0));
	OK(syscall(SYS_membarrier, 8, 0, 0));
	JOIN(CHILD(OK(syscall(SYS_membarrier, 8, 0, 0))));
}

TEST(threads_count_as_processes)
{
	struct rlimit limit = {4, 4};
	struct idler i[3];
	pthread_t t;

	REQUIRE(setgid(4711) == 0 && setuid(4711) == 0);
	REQUIRE(setrlimit(RLIMIT_NPROC, &limit) == 0);
	for (int n = 0; n < 3; n++)
		idler_start(&i[n]);
	EQ(pthread_create(&t, NULL, sleep_long, NULL), EAGAIN);
	FAILS(fork(), EAGAIN);
	for (int n = 0; n < 3; n++)
		idler_end(&i[n]);
}

/* ---- the end ---- */

static void *exit_later(void *arg)
{
	sleep_ms(60);
	RAW_EXIT((long)arg);
	return NULL;
}

NORETURN static void *exit_group_later(void *arg)
{
	sleep_ms(60);
	_exit((long)arg);
}

TEST(leader_exits_first)
{
	char path[64], text[512];
	int status;
	pid_t p;

	/* The status is that of the last one where nobody ended the process as a whole. */
	p = CHILD(start(exit_later, (void *)5); RAW_EXIT(3));
	sleep_ms(20);
	EQ(waitpid(p, &status, WNOHANG), 0);
	snprintf(path, sizeof(path), "/proc/%d/stat", p);
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	EQ(strchr(text, ')')[2], 'Z');
	snprintf(path, sizeof(path), "/proc/%d/status", p);
	EQ(value_of(path, "Threads"), 2);
	OK(kill(p, 0));
	EQ(status_of(p), 5 << 8);

	p = CHILD(start(exit_group_later, (void *)7); RAW_EXIT(3));
	EQ(status_of(p), 7 << 8);
}

TEST(leader_gone_and_killed)
{
	pid_t p = CHILD(start(sleep_long, NULL); start(sleep_long, NULL); RAW_EXIT(3));

	sleep_ms(20);
	OK(kill(p, SIGKILL));
	EQ(status_of(p), SIGKILL);

	p = CHILD(start(sleep_long, NULL); RAW_EXIT(3));
	sleep_ms(20);
	OK(kill(p, SIGTERM));
	EQ(status_of(p), SIGTERM);
}

TEST(exit_group_ends_all)
{
	EQ(status_of(CHILD(company(); _exit(21))), 21 << 8);
}

NORETURN static void *end_all(void *arg)
{
	_exit(22);
}

TEST(exit_group_by_another)
{
	EQ(status_of(CHILD(company(); start(end_all, NULL); sleep_long(NULL))), 22 << 8);
}

static void *crash(void *arg)
{
	sleep_ms(10);
	*(volatile int *)8 = 1;
	return NULL;
}

TEST(faults_end_all)
{
	EQ(status_of(CHILD(company(); start(crash, NULL); sleep_long(NULL))) & 0x7f, SIGSEGV);
}

TEST(fatal_signals_end_all)
{
	struct idler *i = map_private(PAGE);

	EQ(status_of(CHILD(company(); idler_start(i);
			   syscall(SYS_tgkill, getpid(), i->tid, SIGUSR1); sleep_long(NULL))),
	   SIGUSR1);
	EQ(status_of(CHILD(company(); idler_start(i);
			   syscall(SYS_tgkill, getpid(), i->tid, SIGKILL); sleep_long(NULL))),
	   SIGKILL);
}

NORETURN static void *exit_at_once(void *arg)
{
	pthread_barrier_wait(&barrier);
	if ((long)arg)
		RAW_EXIT((long)arg);
	_exit(9);
}

/* All come to their end at the same moment. */
TEST(exits_race)
{
	for (int round = 0; round < 30; round++) {
		int by_group = round % 3;
		pid_t p =
		    CHILD(pthread_barrier_init(&barrier, NULL, 5); for (long i = 0; i < 4; i++)
			      start(exit_at_once, (void *)(i < by_group ? 0 : i + 1));
			  pthread_barrier_wait(&barrier); RAW_EXIT(4));
		int status = status_of(p);

		if (by_group)
			CHECK(status == 9 << 8);
		else
			BETWEEN(status, 1 << 8, 4 << 8);
	}
}

NORETURN static void *spawn_for_ever(void *arg)
{
	pthread_t t;

	for (;;)
		if (!pthread_create(&t, NULL, post_and_go, NULL))
			pthread_detach(t);
}

NORETURN static void *fork_for_ever(void *arg)
{
	for (;;) {
		pid_t p = fork();

		if (p == 0)
			_exit(0);
		if (p > 0)
			waitpid(p, NULL, 0);
	}
}

/* SIGKILL at any moment of making threads and processes leaves nothing behind. */
TEST(killed_while_making_more)
{
	for (int round = 0; round < 12; round++) {
		pid_t p =
		    CHILD(sem_init(&done, 0, 0); start(spawn_for_ever, NULL);
			  start(fork_for_ever, NULL); start(fork_for_ever, NULL); sleep_long(NULL));

		sleep_ms(5 + round * 3);
		OK(kill(p, SIGKILL));
		EQ(status_of(p), SIGKILL);
	}
}
