/*
 * Preemption, fair shares, nice, and yields. Who competes does so for one CPU, and by the time that the
 * kernel charges: where the host takes a CPU away for a while, that is charged to whoever was on, and
 * made good to the others later.
 */
#include "tap.h"

struct counters {
	volatile long used[8]; /* microseconds */
	volatile int go, stop;
};

static long cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void compete(struct counters *c, int i, int nice_value)
{
	long began;

	EQ(pin(0, 0), 0);
	EQ(setpriority(PRIO_PROCESS, 0, nice_value), 0);
	while (!c->go)
		sched_yield();
	began = cpu_us();
	while (!c->stop)
		;
	c->used[i] = cpu_us() - began;
}

/* `count` busy children with these nice values run for `ms`; what each used comes back. */
static void race(int count, const int *nice_values, long ms, long *result)
{
	struct counters *c = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	pid_t pids[8];

	memset((void *)c, 0, sizeof(*c));
	for (int i = 0; i < count; i++)
		pids[i] = CHILD(compete(c, i, nice_values[i]));
	sleep_ms(50);
	c->go = 1;
	sleep_ms(ms);
	c->stop = 1;
	for (int i = 0; i < count; i++) {
		JOIN(pids[i]);
		result[i] = c->used[i];
	}
	munmap((void *)c, PAGE);
}

TEST(equal_shares)
{
	static const int none[4] = {0, 0, 0, 0};
	long n[4], sum = 0;

	race(4, none, on_host_time() ? 3000 : 1200, n);
	for (int i = 0; i < 4; i++)
		sum += n[i];
	/* What the host took last is not made good any more. */
	for (int i = 0; i < 4; i++)
		BETWEEN(n[i] * 100 / sum, on_host_time() ? 10 : 15, on_host_time() ? 45 : 35);
}

/* Linux weighs each step of nice by about 1.25; Calf does the same in kind. */
TEST(nice_gives_less)
{
	static const int values[2] = {0, 10};
	long n[2];

	race(2, values, 1500, n);
	say("# %ld to %ld", n[0], n[1]);
	CHECK(n[0] > n[1] * 5); /* 9 to 1, however late a slice ends */
	CHECK(n[1] > 0);	/* and yet does not starve */
}

/* On the host's time only most sleeps can be vouched for: it is late with some of them itself. */
TEST(a_sleeper_is_not_kept_waiting)
{
	pid_t pid = CHILD(EQ(pin(0, 0), 0); for (;;));
	int late = 0;

	EQ(pin(0, 0), 0);
	for (int i = 0; i < 20; i++) {
		long t = now_ms();

		sleep_ms(5);
		t = now_ms() - t - 5;
		CHECK(t >= 0);
		late += t > 120;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	BETWEEN(late, 0, on_host_time() ? 8 : 0);
}

TEST(busy_loops_do_not_stop_others)
{
	pid_t pids[3];
	char c;
	int p[2];

	REQUIRE(!pipe(p));
	EQ(pin(0, 0), 0);
	for (int i = 0; i < 3; i++)
		pids[i] = CHILD(for (;;));
	JOIN(CHILD(EQ(write(p[1], "x", 1), 1)));
	EQ(read(p[0], &c, 1), 1);
	for (int i = 0; i < 3; i++) {
		kill(pids[i], SIGKILL);
		EQ(status_of(pids[i]), SIGKILL);
	}
}

TEST(priority_calls)
{
	errno = 0;
	EQ(getpriority(PRIO_PROCESS, 0), 0);
	EQ(setpriority(PRIO_PROCESS, 0, 5), 0);
	EQ(getpriority(PRIO_PROCESS, 0), 5);
	JOIN(CHILD(EQ(getpriority(PRIO_PROCESS, 0), 5))); /* inherited */
	EQ(setpriority(PRIO_PROCESS, 0, 100), 0);
	EQ(getpriority(PRIO_PROCESS, 0), 19);
	EQ(setpriority(PRIO_PROCESS, 0, -100), 0);
	EQ(getpriority(PRIO_PROCESS, 0), -20);
	EQ(nice(3), -17);
	FAILS(setpriority(9, 0, 0), EINVAL);
	FAILS(setpriority(PRIO_PROCESS, 99999, 0), ESRCH);
	FAILS(getpriority(PRIO_PROCESS, 99999), ESRCH);
}

#define IO_PROCESS	      1
#define IO_GROUP	      2
#define IO_PRIO(class, level) ((class) << 13 | (level))

static long io_prio(void)
{
	return syscall(SYS_ioprio_get, IO_PROCESS, 0);
}

TEST(io_priority_calls)
{
	EQ(io_prio(), 0);
	EQ(syscall(SYS_ioprio_set, IO_PROCESS, 0, IO_PRIO(2, 7)), 0);
	EQ(io_prio(), IO_PRIO(2, 7));
	JOIN(CHILD(EQ(io_prio(), IO_PRIO(2, 7)))); /* inherited */
	EQ(syscall(SYS_ioprio_set, IO_PROCESS, 0, IO_PRIO(1, 3)), 0);
	EQ(io_prio(), IO_PRIO(1, 3));
	FAILS(syscall(SYS_ioprio_set, IO_PROCESS, 0, IO_PRIO(0, 1)), EINVAL);
	FAILS(syscall(SYS_ioprio_set, IO_PROCESS, 0, IO_PRIO(4, 1)), EINVAL);
	EQ(setpgid(0, 0), 0);
	EQ(syscall(SYS_ioprio_get, IO_GROUP, 0), IO_PRIO(1, 3));
	EQ(syscall(SYS_ioprio_set, IO_GROUP, 0, 0), 0);
	EQ(io_prio(), 0);
	EQ(syscall(SYS_ioprio_get, IO_GROUP, 0), IO_PRIO(2, 4)); /* as its nice value says */
	EQ(syscall(SYS_ioprio_set, IO_PROCESS, 0, IO_PRIO(1, 3)), 0);
	FAILS(syscall(SYS_ioprio_set, IO_PROCESS, 99999, IO_PRIO(2, 4)), ESRCH);
	EQ(io_prio(), IO_PRIO(1, 3));
}

TEST(scheduler_calls)
{
	struct sched_param param = {0};
	struct timespec ts;
	unsigned long mask[16] = {0};

	EQ(sched_yield(), 0);
	EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
	EQ(syscall(SYS_sched_getparam, 0, &param), 0);
	EQ(param.sched_priority, 0);
	EQ(sched_get_priority_max(SCHED_OTHER), 0);
	EQ(sched_get_priority_min(SCHED_FIFO), 1);
	EQ(sched_get_priority_max(SCHED_FIFO), 99);
	EQ(syscall(SYS_sched_rr_get_interval, 0, &ts), 0);
	CHECK(syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask) > 0);
	CHECK(mask[0] & 1);
	FAILS(syscall(SYS_sched_getscheduler, -5), EINVAL);
	FAILS(syscall(SYS_sched_getscheduler, 99999), ESRCH);
}

TEST(context_switches_are_counted)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < 10; i++)
		sleep_ms(1);
	getrusage(RUSAGE_SELF, &after);
	CHECK(after.ru_nvcsw - before.ru_nvcsw >= 10);
	CHECK(value_of("/proc/self/status", "voluntary_ctxt_switches") >= 10);
}

/* What `top` subtracts: user and system time of the CPU, half of it spent in each. */
TEST(cpu_times_never_go_back)
{
	long user = 0, system = 0;

	for (int i = 0; i < 60; i++) {
		long u, n, s, until = now_ms() + 10;
		char text[256];

		while (now_ms() < until)
			if (i % 3)
				syscall(SYS_getppid);
		REQUIRE(slurp("/proc/stat", text, sizeof(text)) > 0);
		REQUIRE(sscanf(text, "cpu %ld %ld %ld", &u, &n, &s) == 3);
		CHECK(u >= user && s >= system);
		user = u;
		system = s;
	}
}
