/* Timers and sleeps by CPU time: timer_create(2) and clock_nanosleep(2) on such clocks. */
#include "thread.h"

#include <signal.h>

/* clock_getcpuclockid(3): a clock below 0 that names its process or thread. */
#define CLOCK_OF(id, what) ((clockid_t)(~(unsigned)(id) << 3 | (what)))
enum { ALL_OF_PROCESS = 0, USER_OF_PROCESS = 1, RUNTIME_OF_PROCESS = 2, RUNTIME_OF_THREAD = 6 };

static volatile int hits;
static volatile siginfo_t last;
static volatile long hit_at;

static long us_of(clockid_t clock)
{
	struct timespec ts = {0};

	OK(clock_gettime(clock, &ts));
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static clockid_t goes_by;

static void hit(int sig, siginfo_t *info, void *ctx)
{
	last = *info;
	hit_at = us_of(goes_by);
	hits++;
}

static void burn_cpu(long ms)
{
	long until = us_of(CLOCK_THREAD_CPUTIME_ID) + ms * 1000;

	while (us_of(CLOCK_THREAD_CPUTIME_ID) < until)
		;
}

static void *burn_some(void *ms)
{
	burn_cpu((long)ms);
	return NULL;
}

static int create(clockid_t clock)
{
	struct sigevent e = {.sigev_signo = SIGUSR1, .sigev_notify = SIGEV_SIGNAL};
	struct sigaction act = {.sa_sigaction = hit, .sa_flags = SA_SIGINFO | SA_RESTART};
	int id = -1;

	REQUIRE(!sigaction(SIGUSR1, &act, NULL));
	goes_by = clock;
	hits = 0;
	OK(syscall(SYS_timer_create, clock, &e, &id));
	return id;
}

static void set(int id, int flags, long first_us, long period_us)
{
	struct itimerspec s = {{period_us / 1000000, period_us % 1000000 * 1000},
			       {first_us / 1000000, first_us % 1000000 * 1000}};

	OK(syscall(SYS_timer_settime, id, flags, &s, NULL));
}

static long left_us(int id)
{
	struct itimerspec s;

	OK(syscall(SYS_timer_gettime, id, &s));
	return s.it_value.tv_sec * 1000000 + s.it_value.tv_nsec / 1000;
}

static void fires_after_its_time(clockid_t clock)
{
	int id = create(clock);
	long begun = us_of(clock);

	set(id, 0, 40000, 0);
	sleep_ms(60);
	EQ(hits, 0);
	BETWEEN(left_us(id), 10000, 40000);
	burn_cpu(20);
	EQ(hits, 0);
	burn_cpu(60);
	EQ(hits, 1);
	CHECK(hit_at - begun >= 40000);
	EQ(last.si_code, SI_TIMER);
	EQ(last.si_timerid, id);
	EQ(left_us(id), 0);
	burn_cpu(20);
	EQ(hits, 1);
	OK(syscall(SYS_timer_delete, id));
}

TEST(fires_once)
{
	fires_after_its_time(CLOCK_PROCESS_CPUTIME_ID);
	fires_after_its_time(CLOCK_THREAD_CPUTIME_ID);
	fires_after_its_time(CLOCK_OF(0, ALL_OF_PROCESS));
	fires_after_its_time(CLOCK_OF(getpid(), RUNTIME_OF_PROCESS));
	fires_after_its_time(CLOCK_OF(tid_now(), RUNTIME_OF_THREAD));
}

TEST(only_user_mode)
{
	int id = create(CLOCK_OF(0, USER_OF_PROCESS));
	volatile unsigned long n = 0;

	set(id, 0, 40000, 0);
	for (long until = us_of(goes_by) + 80000; us_of(goes_by) < until;)
		for (int i = 0; i < 100000; i++)
			n++;
	EQ(hits, 1);
	OK(syscall(SYS_timer_delete, id));
}

/* What other threads use counts for the process, and not for a thread. */
TEST(whose_time_it_is)
{
	int process = create(CLOCK_PROCESS_CPUTIME_ID), thread;

	set(process, 0, 40000, 0);
	join(start(burn_some, (void *)80));
	EQ(hits, 1);
	OK(syscall(SYS_timer_delete, process));
	thread = create(CLOCK_THREAD_CPUTIME_ID);
	set(thread, 0, 40000, 0);
	join(start(burn_some, (void *)80));
	EQ(hits, 0);
	burn_cpu(60);
	EQ(hits, 1);
	OK(syscall(SYS_timer_delete, thread));
}

/* A thread's clock stands still when the thread has ended, and its timer may still be asked and deleted. */
TEST(of_a_thread_that_ends)
{
	struct idler i;
	int id;

	idler_start(&i);
	id = create(CLOCK_OF(i.tid, RUNTIME_OF_THREAD));
	set(id, 0, 20000, 0);
	idler_end(&i);
	burn_cpu(40);
	EQ(hits, 0);
	EQ(syscall(SYS_timer_getoverrun, id), 0);
	OK(syscall(SYS_timer_delete, id));
}

TEST(again_and_again)
{
	int id = create(CLOCK_PROCESS_CPUTIME_ID), seen;
	sigset_t s;

	set(id, 0, 10000, 20000);
	burn_cpu(120);
	BETWEEN(hits, 3, 6);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	burn_cpu(120);
	seen = hits;
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	EQ(hits, seen + 1);
	BETWEEN(last.si_overrun, 3, 6);
	set(id, 0, 0, 0);
	seen = hits;
	burn_cpu(60);
	EQ(hits, seen);
	OK(syscall(SYS_timer_delete, id));
}

TEST(absolute)
{
	int id = create(CLOCK_PROCESS_CPUTIME_ID);

	burn_cpu(5);
	set(id, TIMER_ABSTIME, 1, 0);
	EQ(hits, 1);
	set(id, TIMER_ABSTIME, us_of(goes_by) + 30000, 0);
	EQ(hits, 1);
	burn_cpu(60);
	EQ(hits, 2);
	OK(syscall(SYS_timer_delete, id));
}

TEST(ignored_ones_go_on)
{
	int id = create(CLOCK_THREAD_CPUTIME_ID);
	struct sigaction act = {.sa_sigaction = hit, .sa_flags = SA_SIGINFO};

	signal(SIGUSR1, SIG_IGN);
	set(id, 0, 1, 5000);
	burn_cpu(40);
	REQUIRE(!sigaction(SIGUSR1, &act, NULL));
	burn_cpu(40);
	CHECK(hits >= 2);
	OK(syscall(SYS_timer_delete, id));
}

TEST(errors)
{
	struct sigevent e = {.sigev_notify = SIGEV_NONE};
	int id;

	FAILS(syscall(SYS_timer_create, CLOCK_OF(0, 3), &e, &id), EOPNOTSUPP);
	FAILS(syscall(SYS_timer_create, CLOCK_OF(0, 7), &e, &id), EINVAL);
	FAILS(syscall(SYS_timer_create, CLOCK_OF(4000000, RUNTIME_OF_PROCESS), &e, &id), EINVAL);
	FAILS(syscall(SYS_timer_create, CLOCK_OF(getppid(), RUNTIME_OF_THREAD), &e, &id), EINVAL);
	FAILS(syscall(SYS_timer_create, CLOCK_OF(4000000, RUNTIME_OF_PROCESS), &e, (int *)8),
	      EFAULT);
	/* Whoever is not found when it is deleted was never there. */
	FAILS(syscall(SYS_timer_delete, id), EINVAL);
}

static long sleep_by(clockid_t clock, int flags, long us, struct timespec *rest)
{
	struct timespec t = {us / 1000000, us % 1000000 * 1000};

	return syscall(SYS_clock_nanosleep, clock, flags, &t, rest);
}

TEST(sleeps_while_others_work)
{
	pthread_t t = start(burn_some, (void *)150);
	long begun = us_of(CLOCK_PROCESS_CPUTIME_ID);

	OK(sleep_by(CLOCK_PROCESS_CPUTIME_ID, 0, 30000, NULL));
	CHECK(us_of(CLOCK_PROCESS_CPUTIME_ID) - begun >= 30000);
	OK(sleep_by(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, begun + 60000, NULL));
	CHECK(us_of(CLOCK_PROCESS_CPUTIME_ID) - begun >= 60000);
	OK(sleep_by(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, begun, NULL));
	join(t);
}

TEST(sleeps_by_another_process)
{
	pid_t pid = CHILD(burn_cpu(100); sleep_ms(50));

	OK(sleep_by(CLOCK_OF(pid, RUNTIME_OF_PROCESS), TIMER_ABSTIME, 30000, NULL));
	CHECK(us_of(CLOCK_OF(pid, RUNTIME_OF_PROCESS)) >= 30000);
	JOIN(pid);
}

static void nothing(int sig)
{
}

TEST(signals_end_the_sleep)
{
	struct itimerval soon = {{0, 0}, {0, 20000}};
	struct timespec rest = {0, 0};

	handle(SIGALRM, nothing, 0);
	REQUIRE(!setitimer(ITIMER_REAL, &soon, NULL));
	FAILS(sleep_by(CLOCK_PROCESS_CPUTIME_ID, 0, 5000000, &rest), EINTR);
	BETWEEN(rest.tv_sec, 4, 4);
	REQUIRE(!setitimer(ITIMER_REAL, &soon, NULL));
	FAILS(sleep_by(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, 5000000, NULL), EINTR);
}

TEST(sleeps_that_would_not_end)
{
	FAILS(sleep_by(CLOCK_THREAD_CPUTIME_ID, 0, 1000, NULL), EOPNOTSUPP);
	FAILS(sleep_by(CLOCK_OF(0, RUNTIME_OF_THREAD), 0, 1000, NULL), EINVAL);
	FAILS(sleep_by(CLOCK_OF(tid_now(), RUNTIME_OF_THREAD), 0, 1000, NULL), EINVAL);
	FAILS(sleep_by(CLOCK_OF(4000000, RUNTIME_OF_PROCESS), 0, 1000, NULL), EINVAL);
	FAILS(sleep_by(CLOCK_OF(0, 3), 0, 1000, NULL), EOPNOTSUPP);
}
