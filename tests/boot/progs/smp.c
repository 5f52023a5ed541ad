/* Several CPUs: all are seen and used, affinity, waking, signals and kills across them, and memory
 * that programs on two CPUs share while one changes the mappings. */
#include "tap.h"
#include <sys/syscall.h>

static int cpus_allowed(cpu_set_t *set)
{
	CPU_ZERO(set);
	REQUIRE(!sched_getaffinity(0, sizeof(*set), set));
	return CPU_COUNT(set);
}

static int nr_cpus(void)
{
	cpu_set_t set;

	return cpus_allowed(&set);
}

static int this_cpu(void)
{
	unsigned cpu = ~0u;

	EQ(syscall(SYS_getcpu, &cpu, NULL, NULL), 0);
	return (int)cpu;
}

static void need_two(void)
{
	if (nr_cpus() < 2)
		SKIP("one CPU");
}

/* Lines of that file that begin with `key` and a digit or a tab. */
static int count_lines(const char *path, const char *key)
{
	static char buf[65536];
	int found = 0;

	REQUIRE(slurp(path, buf, sizeof(buf)) > 0);
	for (char *line = buf; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		char next = strncmp(line, key, strlen(key)) ? 0 : line[strlen(key)];

		found += next == '\t' || (next >= '0' && next <= '9');
	}
	return found;
}

TEST(every_cpu_is_shown)
{
	int n = nr_cpus();
	char online[64] = "", want[64];

	EQ(sysconf(_SC_NPROCESSORS_ONLN), n);
	EQ(count_lines("/proc/cpuinfo", "processor"), n);
	EQ(count_lines("/proc/stat", "cpu"), n);
	REQUIRE(slurp("/sys/devices/system/cpu/online", online, sizeof(online)) > 0);
	snprintf(want, sizeof(want), n > 1 ? "0-%d\n" : "0\n", n - 1);
	CHECK(!strcmp(online, want));
}

TEST(a_pinned_task_stays_on_its_cpu)
{
	int n = nr_cpus();

	for (int cpu = 0; cpu < n; cpu++) {
		cpu_set_t set;

		REQUIRE(!pin(0, cpu));
		EQ(this_cpu(), cpu);
		EQ(cpus_allowed(&set), 1);
		CHECK(CPU_ISSET(cpu, &set));
		for (int i = 0; i < 20; i++) {
			if (i % 2)
				sched_yield();
			else
				sleep_ms(1);
			EQ(this_cpu(), cpu);
		}
		JOIN(CHILD(EQ(this_cpu(), cpu); EQ(cpus_allowed(&set), 1)));
	}
}

TEST(affinity_refuses_what_is_not_there)
{
	cpu_set_t set;

	FAILS(pin(0, nr_cpus()), EINVAL);
	CPU_ZERO(&set);
	FAILS(sched_setaffinity(0, sizeof(set), &set), EINVAL);
	FAILS(pin(30001, 0), ESRCH);
	FAILS(sched_getaffinity(30001, sizeof(set), &set), ESRCH);
	EQ(cpus_allowed(&set), nr_cpus());
}

static bool comes_true(volatile int *p, int want, long ms)
{
	long end = now_ms() + ms;

	while (*p != want && now_ms() < end)
		sleep_ms(1);
	return *p == want;
}

TEST(a_running_task_moves_when_told)
{
	volatile int *at = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int n = nr_cpus();
	pid_t pid = CHILD(for (;;) *at = this_cpu());

	for (int i = 0; i < 4 * n; i++) {
		REQUIRE(!pin(pid, i % n));
		CHECK(comes_true(at, i % n, 20000));
	}
	kill(pid, SIGKILL);
	EQ(status_of(pid), SIGKILL);
}

TEST(a_sleeping_task_wakes_where_it_may)
{
	int n = nr_cpus(), p[2], q[2];
	pid_t pid;
	char c = 0;

	REQUIRE(!pipe(p) && !pipe(q));
	pid = CHILD(close(p[1]); while (read(p[0], &c, 1) == 1) {
		c = (char)this_cpu();
		EQ(write(q[1], &c, 1), 1);
	});
	close(p[0]);
	for (int i = 0; i < 4 * n; i++) {
		sleep_ms(1);
		REQUIRE(!pin(pid, i % n));
		EQ(write(p[1], &c, 1), 1);
		EQ(read(q[0], &c, 1), 1);
		EQ(c, i % n);
	}
	close(p[1]);
	JOIN(pid);
}

/* Spins on CPU 0, and once the other one does so, too, wherever there is room, until they are apart. */
static void part(volatile int *at, int self, const cpu_set_t *all)
{
	REQUIRE(!pin(0, 0));
	at[self] = 0;
	while (at[!self] < 0)
		sched_yield();
	REQUIRE(!sched_setaffinity(0, sizeof(*all), all));
	while ((at[self] = this_cpu()) == at[!self])
		sched_yield();
}

TEST(one_of_two_goes_to_an_idle_cpu)
{
	volatile int *at = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	long begin, took = 0;
	pid_t pid;
	cpu_set_t all;

	need_two();
	cpus_allowed(&all);
	for (int i = 0; i < 9; i++) {
		at[0] = at[1] = -1;
		begin = now_ms();
		pid = CHILD(part(at, 1, &all));
		part(at, 0, &all);
		took += now_ms() - begin;
		JOIN(pid);
	}
	CHECK(took < 2000); /* a busy host is late, and Linux with it */
	REQUIRE(!sched_setaffinity(0, sizeof(all), &all));
}

TEST(work_spreads_over_all_cpus)
{
	volatile int *at = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int n = nr_cpus(), seen = 0;
	pid_t pids[64];
	long end = now_ms() + 20000;

	for (int i = 0; i < n; i++) {
		at[i] = -1;
		pids[i] = CHILD(for (;;) at[i] = this_cpu());
	}
	/* At one moment, or nearly so, each is somewhere else. */
	while (seen != n && now_ms() < end) {
		uint64_t mask = 0;

		sleep_ms(5);
		for (int i = 0; i < n; i++)
			if (at[i] >= 0)
				mask |= 1ull << at[i];
		seen = __builtin_popcountll(mask);
	}
	EQ(seen, n);
	for (int i = 0; i < n; i++) {
		kill(pids[i], SIGKILL);
		EQ(status_of(pids[i]), SIGKILL);
	}
}

/* Forks children that write to what they share with it, and checks that they do not meet. */
static void storm(int forks)
{
	int *mine = map_private(64 * PAGE);

	for (int i = 0; goes_on(i, forks); i++) {
		pid_t pid;

		mine[i % 64 * 1024] = i;
		pid = CHILD(EQ(mine[i % 64 * 1024], i); mine[i % 64 * 1024] = -1; _exit(i & 0x3f));
		EQ(mine[i % 64 * 1024], i);
		EQ(status_of(pid), (i & 0x3f) << 8);
		EQ(mine[i % 64 * 1024], i);
	}
}

TEST_FOR(180, fork_storms_side_by_side)
{
	pid_t pids[6];

	for (int i = 0; i < 6; i++)
		pids[i] = CHILD(storm(150));
	/* The counts agree at any moment, not only when it is quiet. */
	for (int i = 0; i < 10 && on_calf(); i++) {
		spit("/proc/sys/vm/audit", "1\n");
		sleep_ms(20);
	}
	for (int i = 0; i < 6; i++)
		JOIN(pids[i]);
	if (on_calf())
		spit("/proc/sys/vm/audit", "1\n");
}

static void ping_pong(int rounds)
{
	int p[2], q[2], last = nr_cpus() - 1;
	pid_t pid;
	char c = 0;

	REQUIRE(!pipe(p) && !pipe(q));
	pid = CHILD(REQUIRE(!pin(0, last)); close(p[1]);
		    while (read(p[0], &c, 1) == 1) EQ(write(q[1], &c, 1), 1));
	REQUIRE(!pin(0, 0));
	close(p[0]);
	for (int i = 0; goes_on(i, rounds); i++) {
		char sent = (char)i;

		REQUIRE(write(p[1], &sent, 1) == 1);
		REQUIRE(read(q[0], &c, 1) == 1);
		EQ(c, sent);
	}
	close(p[1]);
	JOIN(pid);
}

TEST_FOR(120, ping_pong_across_cpus)
{
	ping_pong(3000);
}

/* No wake-up is lost, whether an idle CPU halts at once, after a while, or hardly ever. */
TEST_FOR(120, ping_pong_however_an_idle_cpu_waits)
{
	static const char knob[] = "/proc/sys/kernel/idle_poll_ns";
	static const char *const ns[] = {"0", "2000", "1000000"};
	char was[16], is[16];

	if (slurp(knob, was, sizeof(was)) <= 0)
		SKIP("no such knob");
	for (unsigned i = 0; i < sizeof(ns) / sizeof(*ns); i++) {
		spit(knob, ns[i]);
		CHECK(slurp(knob, is, sizeof(is)) > 0 && atol(is) == atol(ns[i]));
		ping_pong(700);
	}
	spit(knob, was);
	CHECK(slurp(knob, is, sizeof(is)) > 0 && !strcmp(is, was));
}

static volatile int *hits;

static void hit(int sig)
{
	++*hits;
}

TEST_FOR(120, a_signal_reaches_a_spinner_elsewhere)
{
	volatile int *ready = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int last = nr_cpus() - 1;
	pid_t pid;

	hits = ready + 1;
	need_two();
	pid = CHILD(signal(SIGUSR1, hit); REQUIRE(!pin(0, last)); *ready = 1; for (;;));
	REQUIRE(!pin(0, 0));
	REQUIRE(comes_true(ready, 1, 20000));
	for (int i = 1; goes_on(i, 301); i++) {
		kill(pid, SIGUSR1);
		/* Without a sleep: nothing but the signal's own interrupt is to bring it about. */
		for (long end = now_ms() + 20000; *hits < i && now_ms() < end;)
			;
		if (!EQ(*hits, i))
			break;
	}
	kill(pid, SIGKILL);
	EQ(status_of(pid), SIGKILL);
}

TEST_FOR(120, a_kill_reaches_a_spinner_elsewhere)
{
	volatile int *ready = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int last = nr_cpus() - 1;

	REQUIRE(!pin(0, 0));
	for (int i = 0; goes_on(i, 100); i++) {
		pid_t pid = CHILD(REQUIRE(!pin(0, last)); *ready = 1; for (;;));

		REQUIRE(comes_true(ready, 1, 20000));
		kill(pid, SIGKILL);
		EQ(status_of(pid), SIGKILL);
		*ready = 0;
	}
}

TEST_FOR(120, a_spinner_elsewhere_stops_and_goes_on)
{
	volatile long *count = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int last = nr_cpus() - 1, status;
	pid_t pid = CHILD(REQUIRE(!pin(0, last)); for (;;)++ * count);

	REQUIRE(!pin(0, 0));
	for (int i = 0; goes_on(i, 50); i++) {
		long seen;

		kill(pid, SIGSTOP);
		EQ(waitpid(pid, &status, WUNTRACED), pid);
		REQUIRE(WIFSTOPPED(status));
		seen = *count;
		sleep_ms(1);
		EQ(*count, seen);
		kill(pid, SIGCONT);
		for (long end = now_ms() + 20000; *count == seen && now_ms() < end;)
			;
		CHECK(*count != seen);
	}
	kill(pid, SIGKILL);
	EQ(status_of(pid), SIGKILL);
}

TEST(an_alarm_reaches_a_spinner)
{
	JOIN(CHILD(hits = map_private(PAGE); signal(SIGALRM, hit); for (int i = 1; i <= 20; i++) {
		struct itimerval t = {{0, 0}, {0, 2000}};

		setitimer(ITIMER_REAL, &t, NULL);
		while (*hits < i)
			;
	}));
}

/* ---- one address space on two CPUs ---- */

/* Starts fn(arg) on the last CPU in this program's memory; the caller stays on the first. */
static pid_t beside(int (*fn)(void *), void *arg)
{
	char *stack = map_private(64 * 1024);

	REQUIRE(!pin(0, 0));
	return clone(fn, stack + 64 * 1024, CLONE_VM | SIGCHLD, arg);
}

struct shared {
	volatile long *page; /* what the other writes to */
	volatile int stop, started, faults;
};
static struct shared sh;

static void fault_wait(int sig)
{
	sh.faults++;
	usleep(200);
}

static int writer(void *arg)
{
	long i = 0;

	pin(0, nr_cpus() - 1);
	for (int cpu = 63; cpu > 0 && pin(0, cpu); cpu--)
		;
	signal(SIGSEGV, fault_wait);
	sh.started = 1;
	while (!sh.stop)
		*sh.page = ++i;
	return 0;
}

TEST_FOR(120, no_write_after_mprotect)
{
	pid_t pid;

	need_two();
	sh.page = map_private(PAGE);
	pid = beside(writer, NULL);
	REQUIRE(pid > 0);
	REQUIRE(comes_true(&sh.started, 1, 20000));
	for (int i = 0; goes_on(i, 200); i++) {
		long before, after;

		REQUIRE(!mprotect((void *)sh.page, PAGE, PROT_READ));
		before = *sh.page;
		for (volatile int k = 0; k < 20000; k++)
			;
		after = *sh.page;
		EQ(after, before);
		REQUIRE(!mprotect((void *)sh.page, PAGE, PROT_READ | PROT_WRITE));
		for (volatile int k = 0; k < 20000; k++)
			;
	}
	/* On a busy host the other CPU may have run at other moments only. */
	REQUIRE(!mprotect((void *)sh.page, PAGE, PROT_READ));
	for (long end = now_ms() + 60000; !sh.faults && now_ms() < end;)
		sleep_ms(1);
	REQUIRE(!mprotect((void *)sh.page, PAGE, PROT_READ | PROT_WRITE));
	sh.stop = 1;
	JOIN(pid);
	CHECK(sh.faults > 0);
}

/* The child of a fork sees memory as it was then, however busily another CPU goes on writing. */
TEST_FOR(120, no_write_reaches_the_child_of_a_fork)
{
	pid_t pid;

	need_two();
	sh.page = map_private(PAGE);
	pid = beside(writer, NULL);
	REQUIRE(pid > 0);
	REQUIRE(comes_true(&sh.started, 1, 20000));
	for (int i = 0; goes_on(i, 200); i++)
		JOIN(CHILD(long seen = *sh.page; for (volatile int k = 0; k < 5000; k++);
			   EQ(*sh.page, seen)));
	sh.stop = 1;
	JOIN(pid);
}

static int mapper(void *arg)
{
	for (int cpu = 63; cpu > 0 && pin(0, cpu); cpu--)
		;
	sh.started = 1;
	while (!sh.stop) {
		volatile char *p = map_private(16 * PAGE);

		for (int i = 0; i < 16; i++)
			p[i * PAGE] = 1;
		munmap((void *)p, 16 * PAGE);
	}
	return 0;
}

/* Two CPUs that unmap in one address space shoot at each other all the time. */
TEST_FOR(120, both_sides_unmap)
{
	pid_t pid;

	need_two();
	pid = beside(mapper, NULL);
	REQUIRE(pid > 0);
	REQUIRE(comes_true(&sh.started, 1, 20000));
	for (int i = 0; goes_on(i, 300); i++) {
		volatile char *p = map_private(16 * PAGE);

		for (int k = 0; k < 16; k++) {
			EQ(p[k * PAGE], 0);
			p[k * PAGE] = 2;
		}
		for (int k = 0; k < 16; k++)
			EQ(p[k * PAGE], 2);
		munmap((void *)p, 16 * PAGE);
	}
	sh.stop = 1;
	JOIN(pid);
}

static long remote_flushes(void)
{
	return value_of("/proc/vmstat", "nr_tlb_remote_flush ");
}

TEST(a_program_on_one_cpu_disturbs_no_other)
{
	long before;

	if (remote_flushes() < 0)
		SKIP("no nr_tlb_remote_flush");
	sleep_ms(20);
	before = remote_flushes();
	for (int i = 0; i < 500; i++) {
		volatile char *p = map_private(16 * PAGE);

		for (int k = 0; k < 16; k++)
			p[k * PAGE] = 2;
		munmap((void *)p, 16 * PAGE);
	}
	BETWEEN(remote_flushes() - before, 0, 20);
}

TEST(membarrier_reaches_all)
{
	for (int i = 0; goes_on(i, 50); i++)
		EQ(syscall(SYS_membarrier, 1, 0, 0), 0);
}
