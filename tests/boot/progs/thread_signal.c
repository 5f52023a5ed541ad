/* Signals to threads, and to a process that has several. */
#include "thread.h"

/* ---- signals ---- */

static volatile pid_t handled_by;
static volatile int handled;

static void note_tid(int sig)
{
	handled_by = tid_now();
	handled++;
}

static sigset_t one(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return set;
}

static void mask(int how, int sig)
{
	sigset_t set = one(sig);

	OK(pthread_sigmask(how, &set, NULL));
}

/* Waits till what the handler counts is n, for a second. */
static void await_handled(int n)
{
	for (int i = 0; i < 1000 && handled < n; i++)
		sleep_ms(1);
	EQ(handled, n);
}

TEST(to_one_thread)
{
	struct idler i, j;

	handle(SIGUSR1, note_tid, 0);
	idler_start(&i);
	idler_start(&j);
	OK(pthread_kill(j.thread, SIGUSR1));
	await_handled(1);
	EQ(handled_by, j.tid);
	OK(pthread_kill(pthread_self(), SIGUSR1));
	EQ(handled, 2);
	EQ(handled_by, getpid());
	idler_end(&i);
	idler_end(&j);
}

TEST(to_whoever_takes_it)
{
	struct idler i;

	handle(SIGUSR1, note_tid, 0);
	idler_start(&i);
	mask(SIG_BLOCK, SIGUSR1);
	OK(kill(getpid(), SIGUSR1));
	await_handled(1);
	EQ(handled_by, i.tid);
	mask(SIG_UNBLOCK, SIGUSR1);
	/* The leader first, if it can. */
	OK(kill(getpid(), SIGUSR1));
	await_handled(2);
	EQ(handled_by, getpid());
	idler_end(&i);
}

static void *take_pending(void *arg)
{
	sigset_t set;

	sigpending(&set);
	CHECK(sigismember(&set, SIGUSR1));
	CHECK(!sigismember(&set, SIGUSR2));
	mask(SIG_UNBLOCK, SIGUSR1);
	EQ(handled, 1);
	EQ(handled_by, tid_now());
	return NULL;
}

TEST(pending_for_all_or_one)
{
	sigset_t set;

	handle(SIGUSR1, note_tid, 0);
	handle(SIGUSR2, note_tid, 0);
	mask(SIG_BLOCK, SIGUSR1);
	mask(SIG_BLOCK, SIGUSR2);
	OK(kill(getpid(), SIGUSR1));
	OK(pthread_kill(pthread_self(), SIGUSR2));
	join(start(take_pending, NULL));
	sigpending(&set);
	CHECK(!sigismember(&set, SIGUSR1));
	CHECK(sigismember(&set, SIGUSR2));
}

static void *wait_for_usr1(void *arg)
{
	sigset_t set = one(SIGUSR1);
	int sig = 0;

	sem_post(&done);
	OK(sigwait(&set, &sig));
	return (void *)(long)sig;
}

static void *wait_with_info(void *arg)
{
	sigset_t set = one(SIGRTMIN);
	struct timespec ts = {5, 0};
	siginfo_t info;

	sem_post(&done);
	EQ(sigtimedwait(&set, &info, &ts), SIGRTMIN);
	EQ(info.si_value.sival_int, 4711);
	EQ(info.si_code, SI_QUEUE);
	return NULL;
}

TEST(sigwait_takes_the_process)
{
	union sigval value = {.sival_int = 4711};
	pthread_t t;

	sem_init(&done, 0, 0);
	mask(SIG_BLOCK, SIGUSR1);
	mask(SIG_BLOCK, SIGRTMIN);
	for (int i = 0; i < 20; i++) {
		t = start(wait_for_usr1, NULL);
		sem_wait(&done);
		if (i % 2)
			sleep_ms(1);
		OK(i % 3 ? kill(getpid(), SIGUSR1) : pthread_kill(t, SIGUSR1));
		EQ(join(t), SIGUSR1);
	}
	t = start(wait_with_info, NULL);
	sem_wait(&done);
	sleep_ms(5);
	OK(sigqueue(getpid(), SIGRTMIN, value));
	join(t);
}

TEST(queue_to_one_thread)
{
	siginfo_t info = {.si_code = SI_QUEUE};
	sigset_t set = one(SIGRTMIN);
	struct timespec none = {0, 0};
	struct idler i;

	mask(SIG_BLOCK, SIGRTMIN);
	idler_start(&i);
	info.si_value.sival_int = 1;
	OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGRTMIN, &info));
	info.si_value.sival_int = 2;
	OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), i.tid, SIGRTMIN, &info));
	FAILS(syscall(SYS_rt_tgsigqueueinfo, i.tid, i.tid, SIGRTMIN, &info), ESRCH);
	FAILS(syscall(SYS_rt_tgsigqueueinfo, 0, i.tid, SIGRTMIN, &info), EINVAL);
	EQ(sigtimedwait(&set, &info, &none), SIGRTMIN);
	EQ(info.si_value.sival_int, 1);
	FAILS(sigtimedwait(&set, &info, &none), EAGAIN);
	idler_end(&i);
}

static void *block_and_unblock(void *arg)
{
	while (racing) {
		mask(SIG_BLOCK, SIGUSR1);
		mask(SIG_UNBLOCK, SIGUSR1);
	}
	mask(SIG_BLOCK, SIGUSR1);
	return NULL;
}

/* A signal that a thread was told of, and then blocked, another takes. */
TEST(blocked_in_between)
{
	struct idler i;
	pthread_t t[2];

	handle(SIGUSR1, note_tid, 0);
	idler_start(&i);
	racing = 1;
	mask(SIG_BLOCK, SIGUSR1);
	for (int n = 0; n < 2; n++)
		t[n] = start(block_and_unblock, NULL);
	for (int n = 1; n <= 200; n++) {
		OK(kill(getpid(), SIGUSR1));
		await_handled(n);
	}
	racing = 0;
	join(t[0]);
	join(t[1]);
	idler_end(&i);
}

static void *fault_and_tell(void *arg)
{
	return (void *)(long)*(volatile char *)arg;
}

static volatile pid_t fault_tid;
static char *fault_page;

static void mend(int sig, siginfo_t *info, void *context)
{
	fault_tid = tid_now();
	EQ(info->si_addr, fault_page);
	mprotect(fault_page, PAGE, PROT_READ | PROT_WRITE);
}

TEST(faults_go_to_their_thread)
{
	struct sigaction act = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO};
	struct idler i;

	idler_start(&i);
	fault_page = map_anon(PAGE, PROT_NONE, MAP_PRIVATE);
	OK(sigaction(SIGSEGV, &act, NULL));
	EQ(join(start(fault_and_tell, fault_page)), 0);
	CHECK(fault_tid != getpid() && fault_tid != i.tid && fault_tid > 0);
	idler_end(&i);
}

static volatile uintptr_t on_stack;

static void note_stack(int sig)
{
	char here;

	on_stack = (uintptr_t)&here;
}

static void *own_altstack(void *arg)
{
	stack_t s = {.ss_sp = arg, .ss_size = 8 * PAGE}, old;

	OK(sigaltstack(NULL, &old));
	CHECK(old.ss_flags & SS_DISABLE);
	OK(sigaltstack(&s, NULL));
	OK(pthread_kill(pthread_self(), SIGUSR1));
	CHECK(on_stack - (uintptr_t)arg < 8 * PAGE);
	return NULL;
}

TEST(altstacks)
{
	char *a = map_private(8 * PAGE), *b = map_private(8 * PAGE);
	stack_t s = {.ss_sp = a, .ss_size = 8 * PAGE};

	handle(SIGUSR1, note_stack, SA_ONSTACK);
	OK(sigaltstack(&s, NULL));
	join(start(own_altstack, b));
	OK(pthread_kill(pthread_self(), SIGUSR1));
	CHECK(on_stack - (uintptr_t)a < 8 * PAGE);
}

TEST(timers_are_the_processes)
{
	struct itimerval it = {{0, 5000}, {0, 5000}};
	struct idler i;

	handle(SIGALRM, note_tid, 0);
	idler_start(&i);
	mask(SIG_BLOCK, SIGALRM);
	OK(setitimer(ITIMER_REAL, &it, NULL));
	for (int n = 0; n < 2000 && handled < 5; n++)
		sleep_ms(1);
	CHECK(handled >= 5);
	EQ(handled_by, i.tid);
	it = (struct itimerval){0};
	OK(setitimer(ITIMER_REAL, &it, NULL));
	idler_end(&i);
}

/* The leader is not there to notice that the time has come. */
TEST(alarm_without_leader)
{
	pid_t p = CHILD(start(sleep_long, NULL); alarm(1); RAW_EXIT(3));

	EQ(status_of(p), SIGALRM);
}

TEST(profiling_counts_all_threads)
{
	struct itimerval it = {{0, 0}, {0, 100000}}, left;
	pthread_t a, b;

	handle(SIGPROF, note_tid, 0);
	OK(setitimer(ITIMER_PROF, &it, NULL));
	a = start(burn, (void *)400);
	b = start(burn, (void *)400);
	join(a);
	join(b);
	EQ(handled, 1);
	OK(getitimer(ITIMER_PROF, &left));
	EQ(left.it_value.tv_usec, 0);
}

/* ---- stop and continue ---- */

struct counters {
	volatile unsigned long n[3];
	volatile int woken;
};

NORETURN static void *count_up(void *arg)
{
	volatile unsigned long *n = arg;

	for (;;) {
		++*n;
		if (*n % 1024 == 0)
			sched_yield();
	}
}

NORETURN static void *count_naps(void *arg)
{
	volatile unsigned long *n = arg;

	for (;;) {
		sleep_ms(1);
		++*n;
	}
}

static bool moves(struct counters *c, int i)
{
	unsigned long before = c->n[i];

	for (int k = 0; k < 400; k++) {
		if (c->n[i] != before)
			return true;
		sleep_ms(1);
	}
	return false;
}

TEST(stop_and_continue)
{
	struct counters *c = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int status;
	pid_t p = CHILD(start(count_up, (void *)&c->n[0]); start(count_naps, (void *)&c->n[1]);
			count_up((void *)&c->n[2]));

	for (int round = 0; round < 4; round++) {
		unsigned long n[3];

		for (int i = 0; i < 3; i++)
			CHECK(moves(c, i));
		OK(kill(p, SIGSTOP));
		EQ(waitpid(p, &status, WUNTRACED), p);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
		EQ(waitpid(p, &status, WUNTRACED | WNOHANG), 0);
		memcpy(n, (void *)c->n, sizeof(n));
		sleep_ms(20);
		for (int i = 0; i < 3; i++)
			EQ(c->n[i], n[i]);
		OK(kill(p, SIGCONT));
		EQ(waitpid(p, &status, WCONTINUED), p);
		CHECK(WIFCONTINUED(status));
		EQ(waitpid(p, &status, WCONTINUED | WNOHANG), 0);
	}
	OK(kill(p, SIGSTOP));
	EQ(waitpid(p, &status, WUNTRACED), p);
	OK(kill(p, SIGKILL));
	EQ(status_of(p), SIGKILL);
}

static void *stop_me(void *arg)
{
	sleep_ms(10);
	OK(pthread_kill(pthread_self(), SIGSTOP));
	return NULL;
}

/* Sent to one thread, it stops them all; those that sleep or wait go on with it afterwards. */
TEST(stop_by_one_thread)
{
	struct counters *c = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int status;
	pid_t p = CHILD(struct idler i; struct timespec ts = {0, 100000000}; idler_start(&i);
			start(count_up, (void *)&c->n[0]); start(stop_me, NULL);
			OK(nanosleep(&ts, NULL)); c->woken = 1; idler_end(&i); _exit(tap_failed));

	EQ(waitpid(p, &status, WUNTRACED), p);
	CHECK(WIFSTOPPED(status));
	unsigned long n = c->n[0];

	sleep_ms(30);
	EQ(c->n[0], n);
	EQ(c->woken, 0);
	OK(kill(p, SIGCONT));
	EQ(status_of(p), 0);
	EQ(c->woken, 1);
}

static void *stop_storm(void *arg)
{
	for (int i = 0; i < 20; i++) {
		kill(getpid(), SIGTSTP);
		sched_yield();
	}
	return NULL;
}

TEST(stops_and_continues_race)
{
	pid_t p = CHILD(setpgid(0, 0); pthread_t a = start(stop_storm, NULL);
			pthread_t b = start(stop_storm, NULL); join(a); join(b); _exit(12));
	int status;

	for (;;) {
		pid_t got = waitpid(p, &status, WNOHANG);

		if (got == p)
			break;
		OK(kill(p, SIGCONT));
		sleep_ms(1);
	}
	EQ(status, 12 << 8);
}
