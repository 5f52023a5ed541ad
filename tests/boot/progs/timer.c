/*
 * Clocks, sleeps, interval timers, alarm and times. Nothing may come early, on any machine. How late it
 * may come is exact where time is counted in instructions; on the host's time the host may be late, too.
 */
#include "tap.h"
#include <sys/times.h>

static volatile int ticks;

static void tick(int sig)
{
	ticks++;
}

/* Counts this signal from now on, but only within wait_for_tick(). */
static void count_ticks(int sig)
{
	sigset_t set;

	signal(sig, tick);
	sigemptyset(&set);
	sigaddset(&set, sig);
	EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
}

static void wait_for_tick(void)
{
	sigset_t none;

	sigemptyset(&none);
	FAILS(sigsuspend(&none), EINTR);
}

TEST(clocks_go_forward)
{
	static const clockid_t ids[] = {CLOCK_REALTIME,		  CLOCK_MONOTONIC,
					CLOCK_BOOTTIME,		  CLOCK_MONOTONIC_RAW,
					CLOCK_REALTIME_COARSE,	  CLOCK_MONOTONIC_COARSE,
					CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		struct timespec a, b;

		REQUIRE(!clock_gettime(ids[i], &a));
		for (int n = 0; n < 2000; n++) {
			REQUIRE(!clock_gettime(ids[i], &b));
			if (b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec))
				CHECK(!"a clock went back");
			CHECK(b.tv_nsec >= 0 && b.tv_nsec < 1000000000);
			a = b;
		}
		EQ(clock_getres(ids[i], &a), 0);
	}
	FAILS(clock_gettime(4711, &(struct timespec){0, 0}), EINVAL);
}

TEST(wall_clock_is_sane)
{
	time_t now = time(NULL);
	struct timeval tv;

	CHECK(now > 1700000000); /* the machine's clock is the host's */
	EQ(gettimeofday(&tv, NULL), 0);
	NEAR(tv.tv_sec, now, 1);
}

TEST(nanosleep_sleeps_long_enough)
{
	static const long wanted[] = {1, 5, 20, 100};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		long t = now_ms();

		sleep_ms(wanted[i]);
		BETWEEN(now_ms() - t, wanted[i] - 1, wanted[i] + 500 + LATE);
	}
}

TEST(clock_nanosleep_absolute)
{
	struct timespec at;
	long t = now_ms();

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += 30000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL), 0);
	CHECK(now_ms() - t >= 29);
	at.tv_sec = 0;
	EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL), 0); /* long past */
	EQ(clock_nanosleep(4711, 0, &at, NULL), EINVAL);
}

TEST(sleep_refusals)
{
	struct timespec bad = {0, 1000000000}, negative = {-1, 0};

	FAILS(nanosleep(&bad, NULL), EINVAL);
	FAILS(nanosleep(&negative, NULL), EINVAL);
	FAILS(nanosleep((void *)8, NULL), EFAULT);
}

TEST(itimer_real_once_and_repeated)
{
	struct itimerval once = {{0, 0}, {0, 20000}}, every = {{0, 10000}, {0, 10000}}, old;
	long t = now_ms();

	count_ticks(SIGALRM);
	EQ(setitimer(ITIMER_REAL, &once, NULL), 0);
	EQ(getitimer(ITIMER_REAL, &old), 0);
	BETWEEN(old.it_value.tv_usec, on_host_time() ? 0 : 1, 20000);
	wait_for_tick();
	EQ(ticks, 1);
	CHECK(now_ms() - t >= 19);
	EQ(getitimer(ITIMER_REAL, &old), 0);
	EQ(old.it_value.tv_usec, 0);
	EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
	while (ticks < 6)
		wait_for_tick();
	EQ(setitimer(ITIMER_REAL, &once, &old), 0);
	EQ(old.it_interval.tv_usec, 10000);
	once.it_value.tv_usec = 0;
	setitimer(ITIMER_REAL, &once, NULL);
}

TEST(itimer_interrupts_a_busy_loop)
{
	struct itimerval once = {{0, 0}, {0, 20000}};

	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &once, NULL);
	while (!ticks)
		;
	EQ(ticks, 1);
}

/* Mostly in user mode, which is what ITIMER_VIRTUAL counts: the clock may have to be asked by a call. */
static void spin_until_tick(void)
{
	long began = now_ms();

	while (!ticks && now_ms() - began < 10000)
		for (volatile int i = 0; i < 100000; i++)
			;
}

TEST(itimers_of_cpu_time)
{
	/* So much that getting to sleep takes less, though a CPU that the host keeps waiting is charged. */
	long ms = on_host_time() ? 400 : 30;
	struct itimerval once = {{0, 0}, {0, ms * 1000}};

	signal(SIGVTALRM, tick);
	signal(SIGPROF, tick);
	EQ(setitimer(ITIMER_VIRTUAL, &once, NULL), 0);
	spin_until_tick();
	EQ(ticks, 1);
	ticks = 0;
	EQ(setitimer(ITIMER_PROF, &once, NULL), 0);
	sleep_ms(2 * ms); /* asleep: no CPU time passes */
	EQ(ticks, 0);
	spin_until_tick();
	EQ(ticks, 1);
}

TEST(itimer_refusals)
{
	struct itimerval bad = {{0, 0}, {0, 1000000}}, negative = {{0, 0}, {-1, 0}};

	FAILS(setitimer(ITIMER_REAL, &bad, NULL), EINVAL);
	FAILS(setitimer(ITIMER_REAL, &negative, NULL), EINVAL);
	FAILS(setitimer(7, &(struct itimerval){0}, NULL), EINVAL);
	FAILS(getitimer(ITIMER_REAL, (void *)8), EFAULT);
}

TEST(alarm_call)
{
	count_ticks(SIGALRM);
	EQ(alarm(100), 0);
	BETWEEN(alarm(1), on_host_time() ? 98 : 100, 100);
	wait_for_tick();
	EQ(ticks, 1);
	EQ(alarm(0), 0);
}

TEST(unhandled_alarm_kills)
{
	struct itimerval once = {{0, 0}, {0, 10000}};

	EQ(status_of(CHILD(setitimer(ITIMER_REAL, &once, NULL); for (;;) pause())), SIGALRM);
}

TEST(cpu_time_counts_work_not_sleep)
{
	struct timespec a, b;
	long t, ms, asleep = on_host_time() ? 1000 : 100;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	sleep_ms(asleep);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	BETWEEN(ms, 0, asleep * 6 / 10);
	t = now_ms();
	while (now_ms() - t < 150)
		;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	ms = (a.tv_sec - b.tv_sec) * 1000 + (a.tv_nsec - b.tv_nsec) / 1000000;
	BETWEEN(ms, 70, 160 + LATE);
}

TEST(times_and_getrusage)
{
	struct tms before, after;
	long t, wall = times(&before);

	CHECK(wall != -1);
	t = now_ms();
	while (now_ms() - t < 200)
		;
	wall = times(&after) - wall;
	BETWEEN(wall, 19, 60 + LATE / 10); /* in hundredths of a second */
	BETWEEN(after.tms_utime + after.tms_stime - before.tms_utime - before.tms_stime, 8,
		30 + LATE / 10);
	JOIN(CHILD(t = now_ms(); while (now_ms() - t < 100);));
	times(&after);
	CHECK(after.tms_cutime + after.tms_cstime - before.tms_cutime - before.tms_cstime >= 4);
}

TEST(uptime_file)
{
	char buf[64];
	double up;
	struct timespec ts;

	REQUIRE(slurp("/proc/uptime", buf, sizeof(buf)) > 0);
	up = strtod(buf, NULL);
	clock_gettime(CLOCK_BOOTTIME, &ts);
	NEAR((long)up, ts.tv_sec, 1);
}

/* Sleeps until `ms` after `start`, and says so by one byte. */
static void wake_at(struct timespec start, long ms, int fd, unsigned char who)
{
	struct timespec at = {start.tv_sec, start.tv_nsec + ms * 1000000}, now;

	at.tv_sec += at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	CHECK(now.tv_sec > at.tv_sec || (now.tv_sec == at.tv_sec && now.tv_nsec >= at.tv_nsec));
	EQ(write(fd, &who, 1), 1);
}

/* Of those that are due at once, as after a CPU was kept waiting, any may be the first to run. */
TEST(many_sleepers_wake_in_order)
{
	enum { N = 20 };
	int p[2], status;
	unsigned char who, last = 0;
	unsigned seen = 0;
	struct timespec start;

	REQUIRE(!pipe(p));
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = N; i > 0; i--)
		CHILD(wake_at(start, 50 + i * 15, p[1], i));
	for (int i = 0; i < N; i++) {
		EQ(read(p[0], &who, 1), 1);
		CHECK(who > last || on_host_time());
		seen |= 1u << who;
		last = who;
	}
	EQ(seen, (1u << (N + 1)) - 2);
	while (wait(&status) > 0)
		EQ(status, 0);
}
