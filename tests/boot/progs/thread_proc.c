/* Threads, each told from the others: its entry in /proc, its name, its CPU time, its CPUs. */
#include "thread.h"

#include <dirent.h>

static int entries_of(const char *path, const char *wanted)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;

	REQUIRE(d);
	while ((e = readdir(d)))
		if (wanted ? !strcmp(e->d_name, wanted) : e->d_name[0] != '.')
			n++;
	closedir(d);
	return n;
}

/* The n-th field of a stat file, counted from 1 as proc(5) does; from the fourth on. */
static long stat_field(const char *path, int n)
{
	char text[1024], *at;

	if (slurp(path, text, sizeof(text)) <= 0)
		return -1;
	at = strrchr(text, ')');
	for (int i = 2; at && i < n; i++)
		at = strchr(at + 1, ' ');
	return at ? atol(at) : -1;
}

TEST(in_proc)
{
	struct idler i, j;
	char path[96], name[16], text[64];

	idler_start(&i);
	idler_start(&j);
	EQ(value_of("/proc/self/status", "Threads"), 3);
	EQ(stat_field("/proc/self/stat", 20), 3);
	EQ(entries_of("/proc/self/task", NULL), 3);
	snprintf(name, sizeof(name), "%d", i.tid);
	EQ(entries_of("/proc/self/task", name), 1);
	EQ(entries_of("/proc", name), 0);
	snprintf(path, sizeof(path), "/proc/%d/status", i.tid);
	EQ(value_of(path, "Tgid"), getpid());
	EQ(value_of(path, "Pid"), i.tid);
	EQ(value_of(path, "Threads"), 3);
	snprintf(path, sizeof(path), "/proc/%d/task", i.tid);
	EQ(entries_of(path, NULL), 3);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", i.tid);
	EQ(stat_field(path, 5), getpgid(0));
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	EQ(atoi(text), i.tid);
	EQ(strchr(text, ')')[2], 'S');
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", i.tid);
	spit(path, "worker");
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	EQ(strcmp(text, "worker\n"), 0);
	REQUIRE(slurp("/proc/self/comm", text, sizeof(text)) > 0);
	CHECK(strcmp(text, "worker\n"));
	idler_end(&i);
	idler_end(&j);
}

/* What was looked up while the thread was there is not found after it. */
TEST(gone_from_proc)
{
	char path[4][96], text[512];
	struct idler i;
	int dir, stat;

	idler_start(&i);
	snprintf(path[0], sizeof(path[0]), "/proc/self/task/%d", i.tid);
	snprintf(path[1], sizeof(path[1]), "/proc/self/task/%d/stat", i.tid);
	snprintf(path[2], sizeof(path[2]), "/proc/%d", i.tid);
	snprintf(path[3], sizeof(path[3]), "/proc/%d/status", i.tid);
	for (int k = 0; k < 4; k++)
		OK(access(path[k], F_OK));
	dir = open(path[0], O_RDONLY | O_DIRECTORY);
	stat = open(path[1], O_RDONLY);
	REQUIRE(dir >= 0 && stat >= 0);
	OK(faccessat(dir, "comm", F_OK, 0));
	idler_end(&i);
	await_threads(1);
	for (int k = 0; k < 4; k++)
		FAILS(access(path[k], F_OK), ENOENT);
	FAILS(faccessat(dir, "comm", F_OK, 0), ENOENT);
	FAILS(syscall(SYS_getdents64, dir, text, sizeof(text)), ENOENT);
	FAILS(read(stat, text, sizeof(text)), ESRCH);
	close(dir);
	close(stat);
}

static void *name_me(void *arg)
{
	char name[16] = {0};

	OK(pthread_setname_np(pthread_self(), "named"));
	OK(pthread_getname_np(pthread_self(), name, sizeof(name)));
	EQ(strcmp(name, "named"), 0);
	return NULL;
}

TEST(names)
{
	char before[64], after[64];

	REQUIRE(slurp("/proc/self/comm", before, sizeof(before)) > 0);
	join(start(name_me, NULL));
	REQUIRE(slurp("/proc/self/comm", after, sizeof(after)) > 0);
	EQ(strcmp(before, after), 0);
}

static long clock_ms(clockid_t clock)
{
	struct timespec ts = {0};

	OK(clock_gettime(clock, &ts));
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static long used_ms(const struct rusage *u)
{
	return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000 +
	       (u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1000;
}

static void *burn_and_tell(void *arg)
{
	struct rusage own;

	burn((void *)200);
	OK(getrusage(RUSAGE_THREAD, &own));
	NEAR(used_ms(&own), clock_ms(CLOCK_THREAD_CPUTIME_ID), 30);
	return (void *)used_ms(&own);
}

TEST(cpu_times)
{
	struct rusage all, own, child;
	int status;
	long burnt;
	pid_t p;

	burnt = (long)join(start(burn_and_tell, NULL));
	CHECK(burnt > 50);
	OK(getrusage(RUSAGE_SELF, &all));
	OK(getrusage(RUSAGE_THREAD, &own));
	CHECK(used_ms(&all) >= burnt);
	CHECK(used_ms(&own) < burnt);
	NEAR(clock_ms(CLOCK_PROCESS_CPUTIME_ID), used_ms(&all), 30);

	p = CHILD(join(start(burn_and_tell, NULL)));
	EQ(wait4(p, &status, 0, &child), p);
	EQ(status, 0);
	CHECK(used_ms(&child) > 50);
}

static clockid_t clock_of_thread(pid_t tid)
{
	return ~tid << 3 | 6;
}

TEST(clocks_of_threads)
{
	struct timespec ts;
	struct idler i;

	idler_start(&i);
	burn((void *)100);
	CHECK(clock_ms(clock_of_thread(i.tid)) < 50);
	CHECK(clock_ms(clock_of_thread(getpid())) >= 50);
	FAILS(clock_gettime(clock_of_thread(getppid()), &ts), EINVAL);
	idler_end(&i);
}

static cpu_set_t cpus_of(pid_t tid)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CHECK(sched_getaffinity(tid, sizeof(set), &set) == 0);
	return set;
}

static void *tell_cpu(void *arg)
{
	unsigned cpu = 99;
	cpu_set_t mine = cpus_of(0);

	EQ(CPU_EQUAL(&mine, (cpu_set_t *)arg), 1);
	OK(syscall(SYS_getcpu, &cpu, NULL, NULL));
	return (void *)(long)cpu;
}

static void *pin_me(void *arg)
{
	OK(sched_setaffinity(0, sizeof(cpu_set_t), arg));
	/* A new thread has its maker's. */
	EQ((long)join(start(tell_cpu, arg)), (long)tell_cpu(arg));
	return NULL;
}

/* Which CPUs a thread may run on is its own affair, and is asked for by its number. */
TEST(affinity_of_one)
{
	cpu_set_t all = cpus_of(0), last, got;
	struct idler i;
	char path[64];
	int cpu = 0;

	for (int k = 0; k < CPU_SETSIZE; k++)
		if (CPU_ISSET(k, &all))
			cpu = k;
	CPU_ZERO(&last);
	CPU_SET(cpu, &last);
	idler_start(&i);
	OK(sched_setaffinity(i.tid, sizeof(last), &last));
	got = cpus_of(i.tid);
	EQ(CPU_EQUAL(&got, &last), 1);
	got = cpus_of(0);
	EQ(CPU_EQUAL(&got, &all), 1);
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", i.tid);
	EQ(value_of(path, "Cpus_allowed_list"), cpu);
	join(start(pin_me, &last));
	got = cpus_of(getpid());
	EQ(CPU_EQUAL(&got, &all), 1);
	idler_end(&i);
	await_threads(1);
	FAILS(sched_setaffinity(i.tid, sizeof(last), &last), ESRCH);
}
