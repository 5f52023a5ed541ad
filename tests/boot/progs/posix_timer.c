/* timer_create(2) and its kin. */
#include "thread.h"
#include <sys/signalfd.h>

#ifndef SIGEV_THREAD_ID
#define SIGEV_THREAD_ID 4
#endif
#define MS 1000000l

struct event {
	uint64_t value;
	int signo, notify, tid, rest[11];
};

static volatile int hits, overruns;
static siginfo_t last;

static void hit(int sig, siginfo_t *info, void *ctx)
{
	last = *info;
	overruns += info->si_overrun;
	hits++;
}

static void take_signal(int sig)
{
	struct sigaction act = {.sa_sigaction = hit, .sa_flags = SA_SIGINFO | SA_RESTART};

	REQUIRE(!sigaction(sig, &act, NULL));
}

static int create(int clock, int notify, int sig, uint64_t value)
{
	struct event e = {.value = value, .signo = sig, .notify = notify};
	int id = -1;

	REQUIRE(!syscall(SYS_timer_create, clock, &e, &id));
	return id;
}

static void set(int id, long first_ms, long period_ms)
{
	struct itimerspec s = {{period_ms / 1000, period_ms % 1000 * MS},
			       {first_ms / 1000, first_ms % 1000 * MS}};

	EQ(syscall(SYS_timer_settime, id, 0, &s, NULL), 0);
}

static struct itimerspec get(int id)
{
	struct itimerspec s;

	EQ(syscall(SYS_timer_gettime, id, &s), 0);
	return s;
}

static void await_hits(int n)
{
	for (int i = 0; i < 2000 && hits < n; i++)
		sleep_ms(1);
	CHECK(hits >= n);
}

TEST(fires_once)
{
	static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};

	take_signal(SIGUSR1);
	for (int i = 0; i < 3; i++) {
		int id = create(clocks[i], SIGEV_SIGNAL, SIGUSR1, 0x123456789a + i);
		long t = now_ms();

		hits = 0;
		set(id, 30, 0);
		await_hits(1);
		CHECK(now_ms() - t >= 29);
		EQ(last.si_code, SI_TIMER);
		EQ(last.si_timerid, id);
		EQ(last.si_overrun, 0);
		EQ((uint64_t)last.si_ptr, 0x123456789a + i);
		sleep_ms(50);
		EQ(hits, 1);
		EQ(get(id).it_value.tv_nsec, 0);
		EQ(syscall(SYS_timer_delete, id), 0);
	}
}

TEST(fires_again_and_again)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 0);

	take_signal(SIGRTMIN);
	set(id, 5, 10);
	await_hits(5);
	set(id, 0, 0);
	int seen = hits;
	sleep_ms(40);
	EQ(hits, seen);
}

TEST(no_event_means_sigalrm)
{
	int id = -1;

	take_signal(SIGALRM);
	EQ(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id), 0);
	set(id, 5, 0);
	await_hits(1);
	EQ(last.si_value.sival_int, id);
}

TEST(errors)
{
	struct event e = {.signo = SIGUSR1, .notify = SIGEV_SIGNAL};
	struct itimerspec s = {{0, 0}, {1, 0}};
	int id = -1;

	FAILS(syscall(SYS_timer_create, 77, &e, &id), EINVAL);
	FAILS(syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, &e, &id), EOPNOTSUPP);
	FAILS(syscall(SYS_timer_create, CLOCK_MONOTONIC, (void *)8, &id), EFAULT);
	FAILS(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, (void *)8), EFAULT);
	e.signo = 65;
	FAILS(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id), EINVAL);
	e.signo = 0;
	FAILS(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id), EINVAL);
	e = (struct event){.signo = SIGUSR1, .notify = 3};
	FAILS(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id), EINVAL);
	e = (struct event){.signo = SIGUSR1, .notify = SIGEV_THREAD_ID, .tid = getppid()};
	FAILS(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id), EINVAL);
	FAILS(syscall(SYS_timer_delete, 4711), EINVAL);
	FAILS(syscall(SYS_timer_getoverrun, 4711), EINVAL);
	FAILS(syscall(SYS_timer_gettime, 4711, &s), EINVAL);
	FAILS(syscall(SYS_timer_settime, 4711, 0, &s, NULL), EINVAL);
	id = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
	FAILS(syscall(SYS_timer_settime, id, 0, NULL, NULL), EINVAL);
	FAILS(syscall(SYS_timer_settime, id, 0, (void *)8, NULL), EFAULT);
	FAILS(syscall(SYS_timer_gettime, id, (void *)8), EFAULT);
	s.it_value.tv_nsec = -1;
	FAILS(syscall(SYS_timer_settime, id, 0, &s, NULL), EINVAL);
	EQ(syscall(SYS_timer_delete, id), 0);
	FAILS(syscall(SYS_timer_delete, id), EINVAL);
}

TEST(overruns_are_counted)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	sigset_t s;

	take_signal(SIGUSR1);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	set(id, 10, 10);
	sleep_ms(105);
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	BETWEEN(last.si_overrun, 7, 1000);
	EQ(syscall(SYS_timer_getoverrun, id), last.si_overrun);
	EQ(hits, 1);
	await_hits(2);
}

TEST(what_is_left)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	struct itimerspec s, old;

	EQ(get(id).it_value.tv_sec, 0);
	set(id, 9000, 7000);
	sleep_ms(10);
	s = get(id);
	EQ(s.it_value.tv_sec, 8);
	EQ(s.it_interval.tv_sec, 7);
	s = (struct itimerspec){{0, 0}, {0, 0}};
	EQ(syscall(SYS_timer_settime, id, 0, &s, &old), 0);
	EQ(old.it_value.tv_sec, 8);
	EQ(old.it_interval.tv_sec, 7);
	EQ(get(id).it_value.tv_sec, 0);
}

TEST(none_only_counts)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);

	set(id, 10, 100000);
	sleep_ms(30);
	BETWEEN(get(id).it_value.tv_sec, 99, 99);
	set(id, 10, 0);
	sleep_ms(30);
	EQ(get(id).it_value.tv_sec | get(id).it_value.tv_nsec, 0);
}

TEST(absolute)
{
	int id = create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 0);
	struct itimerspec s = {0};

	take_signal(SIGUSR1);
	clock_gettime(CLOCK_REALTIME, &s.it_value);
	s.it_value.tv_sec -= 5;
	EQ(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &s, NULL), 0);
	await_hits(1);
	clock_gettime(CLOCK_REALTIME, &s.it_value);
	s.it_value.tv_sec += 1;
	EQ(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &s, NULL), 0);
	EQ(hits, 1);
	BETWEEN(get(id).it_value.tv_nsec, 500 * MS, 1000 * MS);
	await_hits(2);
}

TEST(ignored_signals_do_not_stop_it)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);

	signal(SIGUSR1, SIG_IGN);
	set(id, 5, 5);
	sleep_ms(40);
	take_signal(SIGUSR1);
	await_hits(2);
}

static volatile pid_t hit_tid;

static void hit_here(int sig)
{
	hit_tid = tid_now();
	hits++;
}

TEST(to_one_thread)
{
	struct idler i;
	struct event e = {.signo = SIGUSR1, .notify = SIGEV_THREAD_ID};
	int id;

	handle(SIGUSR1, hit_here, SA_RESTART);
	idler_start(&i);
	e.tid = i.tid;
	EQ(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id), 0);
	set(id, 5, 5);
	await_hits(3);
	EQ(hit_tid, i.tid);
	idler_end(&i);
	sleep_ms(20); /* to nobody */
	EQ(syscall(SYS_timer_delete, id), 0);
}

TEST(fork_and_exec_lose_it)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);

	take_signal(SIGUSR1);
	set(id, 30, 0);
	JOIN(CHILD(FAILS(syscall(SYS_timer_delete, id), EINVAL); sleep_ms(60); EQ(hits, 0)));
	await_hits(1);
	JOIN(CHILD(int own = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGKILL, 0); set(own, 50, 0);
		   execl("/proc/self/exe", "posix_timer", "--nap", NULL)));
}

HELPER(nap)
{
	sleep_ms(120);
	return 0;
}

TEST(waits_take_it)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 77), fd;
	struct signalfd_siginfo si;
	siginfo_t info;
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &s, NULL);
	set(id, 10, 10);
	for (int i = 0; i < 3; i++) {
		EQ(sigwaitinfo(&s, &info), SIGRTMIN);
		EQ(info.si_code, SI_TIMER);
		EQ(info.si_value.sival_int, 77);
	}
	fd = signalfd(-1, &s, 0);
	for (int i = 0; i < 3; i++) {
		EQ(read(fd, &si, sizeof(si)), sizeof(si));
		EQ(si.ssi_tid, id);
		EQ(si.ssi_int, 77);
	}
}

TEST(a_limit_of_pending_signals)
{
	struct rlimit r = {3, 3};
	struct event e = {.signo = SIGUSR1, .notify = SIGEV_NONE};
	int id, n = 0;

	JOIN(CHILD(if (geteuid() == 0) REQUIRE(!setuid(4711)); setrlimit(RLIMIT_SIGPENDING, &r);
		   while (n < 10 && !syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id)) n++;
		   EQ(errno, EAGAIN); BETWEEN(n, 1, 3)));
}

TEST(deletes_against_expirations)
{
	take_signal(SIGUSR1);
	for (int i = 0; goes_on(i, 400); i++) {
		int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
		struct itimerspec s = {{0, 50000}, {0, 10000 + i % 10 * 10000}};

		EQ(syscall(SYS_timer_settime, id, 0, &s, NULL), 0);
		for (volatile int n = 0; n < i % 7 * 300; n++)
			;
		EQ(syscall(SYS_timer_delete, id), 0);
	}
}

static void set_ns(int id, long first, long period)
{
	struct itimerspec s = {{0, period}, {0, first}};

	EQ(syscall(SYS_timer_settime, id, 0, &s, NULL), 0);
}

/* Takes what is pending of it, without waiting: how many there were. */
static int take_all(int sig)
{
	struct timespec none = {0, 0};
	sigset_t set;
	int n = 0;

	sigemptyset(&set);
	sigaddset(&set, sig);
	while (sigtimedwait(&set, NULL, &none) == sig)
		n++;
	return n;
}

static void block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	REQUIRE(!sigprocmask(SIG_BLOCK, &set, NULL));
}

static void await_pending(int sig)
{
	sigset_t set;

	for (int i = 0; i < 2000; i++) {
		sigpending(&set);
		if (sigismember(&set, sig))
			return;
		sleep_ms(1);
	}
	CHECK(!"the signal is pending");
}

/* However often it is set anew, one signal of it waits to be taken at most. */
TEST(takes_its_signal_back)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 1), n;

	block(SIGRTMIN);
	for (int i = 0; i < 20; i++) {
		set_ns(id, 1, 0);
		sleep_ms(2);
		await_pending(SIGRTMIN);
	}
	EQ(take_all(SIGRTMIN), 1);
	for (int i = 0; i < 20; i++) {
		int other = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 2);

		set_ns(other, 1, 0);
		await_pending(SIGRTMIN);
		EQ(syscall(SYS_timer_delete, other), 0);
	}
	n = take_all(SIGRTMIN);
	if (on_calf()) /* Linux of that age leaves those of timers that are gone */
		EQ(n, 0);
}

/* Nobody would get anything done between two expirations. */
TEST(of_a_nanosecond_and_ignored)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	volatile long n = 0;

	signal(SIGUSR1, SIG_IGN);
	set_ns(id, 1, 1);
	while (n < 100000)
		n++;
	sleep_ms(20);
	EQ(n, 100000);
	EQ(syscall(SYS_timer_delete, id), 0);
}

TEST(goes_on_where_its_signal_was_forgotten)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR2, 0), before;

	if (!on_calf())
		SKIP("Linux of that age waits for ever for what it has forgotten");
	block(SIGUSR2);
	set(id, 2, 2);
	await_pending(SIGUSR2);
	signal(SIGUSR2, SIG_IGN);
	take_signal(SIGUSR2);
	before = hits;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	await_hits(before + 3);
	EQ(syscall(SYS_timer_delete, id), 0);
}
