/* SCHED_FIFO and SCHED_RR: who may have them, who runs before whom, and that a busy loop does not take all. */
#include "tap.h"
#include <sys/resource.h>
#include <sys/syscall.h>

#define RESET 0x40000000 /* SCHED_RESET_ON_FORK */

/* musl's own refuse. */
static int set(pid_t pid, int policy, int priority)
{
	struct sched_param p = {.sched_priority = priority};

	return (int)syscall(SYS_sched_setscheduler, pid, policy, &p);
}

static int policy_of(pid_t pid)
{
	return (int)syscall(SYS_sched_getscheduler, pid);
}

static int priority_of(pid_t pid)
{
	struct sched_param p = {.sched_priority = -1};

	EQ(syscall(SYS_sched_getparam, pid, &p), 0);
	return p.sched_priority;
}

/* Field n of /proc/self/stat, as proc(5) counts. */
static long stat_field(int n)
{
	char text[1024] = "", *p;

	REQUIRE(slurp("/proc/self/stat", text, sizeof(text)) > 0);
	p = strrchr(text, ')') + 1;
	for (int i = 2; p && i < n - 1; i++)
		p = strchr(p + 1, ' ');
	return p ? atol(p + 1) : -999;
}

TEST(policies_are_remembered)
{
	static const int others[] = {SCHED_BATCH, SCHED_IDLE, SCHED_OTHER};
	struct timespec ts = {9, 9};

	EQ(set(0, SCHED_FIFO, 10), 0);
	EQ(policy_of(0), SCHED_FIFO);
	EQ(priority_of(0), 10);
	EQ(stat_field(18), -11);
	EQ(stat_field(40), 10);
	EQ(stat_field(41), SCHED_FIFO);
	EQ(syscall(SYS_sched_rr_get_interval, 0, &ts), 0);
	EQ(ts.tv_sec * 1000000000 + ts.tv_nsec, 0);
	JOIN(CHILD(EQ(policy_of(0), SCHED_FIFO); EQ(priority_of(0), 10)));
	EQ(set(0, SCHED_RR, 99), 0);
	EQ(priority_of(getpid()), 99);
	EQ(syscall(SYS_sched_rr_get_interval, 0, &ts), 0);
	EQ(ts.tv_sec * 1000000000 + ts.tv_nsec, 100000000);
	for (int i = 0; i < 3; i++) {
		EQ(set(0, others[i], 0), 0);
		EQ(policy_of(0), others[i]);
		EQ(stat_field(41), others[i]);
	}
	EQ(stat_field(18), 20);
	EQ(stat_field(40), 0);
}

TEST(children_may_start_anew)
{
	EQ(set(0, SCHED_RR | RESET, 5), 0);
	EQ(policy_of(0), SCHED_RR | RESET);
	JOIN(CHILD(EQ(policy_of(0), SCHED_OTHER); EQ(priority_of(0), 0)));
	EQ(set(0, SCHED_OTHER | RESET, 0), 0);
	EQ(setpriority(PRIO_PROCESS, 0, -5), 0);
	JOIN(CHILD(EQ(getpriority(PRIO_PROCESS, 0), 0)));
	EQ(setpriority(PRIO_PROCESS, 0, 5), 0);
	JOIN(CHILD(EQ(getpriority(PRIO_PROCESS, 0), 5); EQ(policy_of(0), SCHED_OTHER)));
}

TEST(what_cannot_be_is_refused)
{
	struct sched_param p = {.sched_priority = 1};

	FAILS(set(0, SCHED_FIFO, 0), EINVAL);
	FAILS(set(0, SCHED_FIFO, 100), EINVAL);
	FAILS(set(0, SCHED_RR, -1), EINVAL);
	FAILS(set(0, SCHED_OTHER, 1), EINVAL);
	FAILS(set(0, 4, 0), EINVAL);
	FAILS(set(0, 6, 0), EINVAL);
	FAILS(set(0, 7, 0), EINVAL);
	FAILS(set(0, -1, 0), EINVAL);
	FAILS(set(-1, SCHED_FIFO, 1), EINVAL);
	FAILS(set(99999, SCHED_FIFO, 1), ESRCH);
	FAILS(syscall(SYS_sched_setparam, 0, &p), EINVAL);
	FAILS(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, NULL), EINVAL);
	FAILS(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, 8), EFAULT);
	EQ(policy_of(0), SCHED_OTHER);
}

static void as_a_user(void)
{
	EQ(setgid(1000), 0);
	EQ(setuid(1000), 0);
	FAILS(set(0, SCHED_FIFO, 6), EPERM);
	EQ(set(0, SCHED_FIFO, 5), 0);
	FAILS(set(0, SCHED_FIFO, 6), EPERM);
	EQ(set(0, SCHED_RR, 3), 0);
	EQ(set(0, SCHED_OTHER | RESET, 0), 0);
	FAILS(set(0, SCHED_OTHER, 0), EPERM);
	FAILS(set(getppid(), SCHED_OTHER, 0), EPERM);
}

TEST(users_have_what_their_limit_gives)
{
	struct rlimit five = {5, 5}, none = {0, 0};

	EQ(setrlimit(RLIMIT_RTPRIO, &five), 0);
	JOIN(CHILD(as_a_user()));
	EQ(setrlimit(RLIMIT_RTPRIO, &none), 0);
	JOIN(CHILD(EQ(setuid(1000), 0); FAILS(set(0, SCHED_FIFO, 1), EPERM);
		   EQ(set(0, SCHED_BATCH, 0), 0)));
}

/* ---- who runs before whom ---- */

/* A child on CPU 0, with that priority, that says in *said when it has read a byte. */
static pid_t reader(int fd, int priority, volatile int *said)
{
	volatile int *ready = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	char c;
	pid_t pid = CHILD(EQ(pin(0, 0), 0); EQ(set(0, SCHED_FIFO, priority), 0); *ready = 1;
			  EQ(read(fd, &c, 1), 1); *said = 1);

	while (!*ready)
		sleep_ms(1);
	sleep_ms(20);
	return pid;
}

static void woken_by(int mine, int its, bool at_once)
{
	volatile int *said = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int p[2];
	pid_t pid;

	REQUIRE(!pipe(p));
	pid = reader(p[0], its, said);
	EQ(write(p[1], "x", 1), 1);
	EQ(*said, at_once);
	if (!at_once && mine > its) {
		sched_yield();
		EQ(*said, 0);
	} else if (!at_once) {
		sched_yield();
		EQ(*said, 1);
	}
	JOIN(pid);
	close(p[0]);
	close(p[1]);
	munmap((void *)said, PAGE);
}

TEST(the_highest_runs_first)
{
	EQ(pin(0, 0), 0);
	EQ(set(0, SCHED_FIFO, 20), 0);
	for (int i = 0; i < 5; i++) {
		woken_by(20, 30, true);
		woken_by(20, 20, false);
		woken_by(20, 10, false);
	}
}

/* Counts on CPU 0 until it is told to stop. */
static pid_t counter(volatile long *count, volatile int *stop, int policy, int priority)
{
	pid_t pid =
	    CHILD(EQ(pin(0, 0), 0); EQ(set(0, policy, priority), 0); while (!*stop)++ * count);

	return pid;
}

/* What an ordinary task on this CPU counts while the caller, by then real-time, keeps it so many ms. */
static long counted_beside(int priority, long ms)
{
	volatile long *shared = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	volatile int *stop = (volatile int *)&shared[8];
	long before, until, counted;
	pid_t pid;

	EQ(pin(0, 0), 0);
	pid = counter(&shared[0], stop, SCHED_OTHER, 0);
	while (!shared[0])
		sleep_ms(1);
	EQ(set(0, SCHED_FIFO, priority), 0);
	before = shared[0];
	until = now_ms() + ms;
	while (now_ms() < until)
		;
	counted = shared[0] - before;
	EQ(set(0, SCHED_OTHER, 0), 0);
	*stop = 1;
	JOIN(pid);
	return counted;
}

TEST(an_ordinary_one_waits)
{
	EQ(counted_beside(1, 200), 0);
}

/* Nor is the turn of SCHED_FIFO's over by itself, also after a yield to nobody. */
TEST(an_equal_waits_for_a_yield)
{
	volatile long *shared = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	volatile int *stop = (volatile int *)&shared[8];
	pid_t pids[2];
	long until;

	EQ(pin(0, 0), 0);
	pids[0] = counter(&shared[0], stop, SCHED_OTHER, 0);
	while (!shared[0])
		sleep_ms(1);
	EQ(set(0, SCHED_FIFO, 20), 0);
	sched_yield();
	pids[1] = CHILD(shared[1] = 1; while (!*stop)++ shared[1]);
	until = now_ms() + 100;
	while (now_ms() < until)
		;
	EQ(shared[1], 0);
	*stop = 1;
	sched_yield();
	CHECK(shared[1] > 0);
	EQ(set(0, SCHED_OTHER, 0), 0);
	for (int i = 0; i < 2; i++)
		JOIN(pids[i]);
}

TEST(equals_take_turns)
{
	volatile long *shared = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	volatile int *stop = (volatile int *)&shared[8];
	pid_t pids[4];

	EQ(pin(0, 0), 0);
	sleep_ms(1100); /* a second of its own, of which 950 ms may be used */
	EQ(set(0, SCHED_FIFO, 50), 0);
	pids[0] = counter(&shared[0], stop, SCHED_RR, 10);
	pids[1] = counter(&shared[1], stop, SCHED_RR, 10);
	pids[2] = counter(&shared[2], stop, SCHED_FIFO, 5);
	pids[3] = counter(&shared[3], stop, SCHED_FIFO, 5);
	sleep_ms(450);
	say("# %ld and %ld; %ld and %ld", shared[0], shared[1], shared[2], shared[3]);
	CHECK(shared[0] > shared[1] / 4 && shared[1] > shared[0] / 4);
	EQ(shared[2] + shared[3], 0);
	*stop = 1;
	for (int i = 0; i < 4; i++)
		JOIN(pids[i]);
}

/* Within a second, though not soon. */
TEST(a_busy_loop_leaves_something)
{
	CHECK(counted_beside(50, 2500) > 0);
}

/* Two that hand the CPU to each other all the time are no better than one that keeps it. */
TEST(yields_to_each_other_leave_something)
{
	volatile long *shared = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	volatile int *stop = (volatile int *)&shared[8];
	long until, before;
	pid_t pids[2];

	EQ(pin(0, 0), 0);
	pids[0] = counter(&shared[0], stop, SCHED_OTHER, 0);
	while (!shared[0])
		sleep_ms(1);
	EQ(set(0, SCHED_FIFO, 50), 0);
	pids[1] = CHILD(while (!*stop) sched_yield());
	before = shared[0];
	until = now_ms() + 5000;
	while (shared[0] == before && now_ms() < until)
		sched_yield();
	CHECK(shared[0] > before);
	EQ(set(0, SCHED_OTHER, 0), 0);
	*stop = 1;
	for (int i = 0; i < 2; i++)
		JOIN(pids[i]);
}

TEST(another_cpu_takes_who_would_wait)
{
	volatile int *said = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	volatile int *stop = said + 8;
	cpu_set_t all;
	long until;
	int p[2], n;
	pid_t pid, busy[8];

	EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	n = CPU_COUNT(&all);
	if (n < 2)
		SKIP("one CPU");
	/* None of the others idles: it has to make one of them give way. */
	for (int i = 1; i < n && i < 8; i++)
		busy[i] = CHILD(EQ(pin(0, i), 0); while (!*stop));
	REQUIRE(!pipe(p));
	pid = reader(p[0], 10, said);
	EQ(sched_setaffinity(pid, sizeof(all), &all), 0);
	EQ(pin(0, 0), 0);
	EQ(set(0, SCHED_FIFO, 20), 0);
	EQ(write(p[1], "x", 1), 1);
	until = now_ms() + 600;
	while (!*said && now_ms() < until)
		;
	EQ(*said, 1);
	EQ(set(0, SCHED_OTHER, 0), 0);
	*stop = 1;
	JOIN(pid);
	for (int i = 1; i < n && i < 8; i++)
		JOIN(busy[i]);
}
