/*
 * What two CPUs do side by side, by the clock: on a machine of two, on Calf and on Linux alike.
 *
 *	parallel [--rounds N] [--only NAME]
 *
 * A test is run by one worker or two, processes or threads of one, each on a CPU of its own (spread),
 * both on one (together), or where the kernel puts them (free). Two of them meet before a round and
 * begin it at once; it lasts until both are done. Rounds take less than a millisecond, and turns with those
 * of the other tests, so that a busy host hits all alike and leaves some of each alone.
 *
 * Two lines a test: NAME and NAME_median, the best and the middle of its rounds, in nanoseconds an
 * operation of one worker.
 */
#define _GNU_SOURCE
#include "common.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES	   128 /* that a round of faults touches */
#define TABLE	   (512 * PAGE)
#define MAX_ROUNDS 10000

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

enum kind { PROCESS, THREAD };
enum place { SPREAD, TOGETHER, FREE };

struct worker {
	int index;
	enum kind kind;
	volatile char *memory; /* a table that is dropped before a round, and one that stays */
};

struct test {
	const char *name;
	/* Returns how often worker 0 did what the test is about, which `operations` times is. */
	unsigned (*run)(const struct worker *w, unsigned count);
	unsigned count, operations;
	enum kind kind;
	enum place place;
	bool alone;
};

/* A word to wait for; no two on one cache line. */
struct word {
	int v;
} __attribute__((aligned(64)));

/* What all processes share. */
static struct {
	struct word go[2][2]; /* by kind and index: a round begins for this worker */
	struct word hand[2], arrived, left, done;
	const struct test *test; /* NULL: all is over */
	uint64_t start[2], end[2];
	unsigned did[2];
} * shared;

static int pipes[2][2]; /* into which worker 0 and worker 1 write */

/* ---- waiting ---- */

static int add(struct word *w, int n)
{
	return __atomic_add_fetch(&w->v, n, __ATOMIC_SEQ_CST);
}

/* Sleeps until somebody gives the word, and takes it. */
static void take(struct word *w)
{
	while (!__atomic_exchange_n(&w->v, 0, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &w->v, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void give(struct word *w)
{
	__atomic_store_n(&w->v, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &w->v, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Both workers go on at once; who shares a CPU with the other, or might, lets it run meanwhile. */
static void meet(enum place place)
{
	unsigned spins = 0;

	add(&shared->arrived, 1);
	while (__atomic_load_n(&shared->arrived.v, __ATOMIC_SEQ_CST) < 2)
		if (place == TOGETHER || ++spins % 1000 == 0)
			sched_yield();
}

/* ---- the tests ---- */

static unsigned fork_exec(const struct worker *w, unsigned count)
{
	char *argv[] = {"parallel", "--nothing", NULL};

	(void)w;
	for (unsigned i = 0; i < count; i++) {
		pid_t pid = fork();

		if (!pid) {
			execve(self, argv, environ);
			_exit(1);
		}
		wait_for(pid);
	}
	return count;
}

static unsigned fault(const struct worker *w, unsigned count)
{
	touch(w->memory, count);
	return count;
}

/* As a program writes that has no MADV_RANDOM. */
static unsigned copy(const struct worker *w, unsigned count)
{
	touch(w->memory + TABLE, count);
	return count;
}

static unsigned ping(const struct worker *w, unsigned count)
{
	int from = pipes[!w->index][0], to = pipes[w->index][1];
	char c = 0;

	for (unsigned i = 0; i < count; i++) {
		if (w->index == 0 && write(to, &c, 1) != 1)
			die("write");
		if (read(from, &c, 1) != 1)
			die("read");
		if (w->index == 1 && write(to, &c, 1) != 1)
			die("write");
	}
	return count;
}

static unsigned hand_over(const struct worker *w, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (w->index == 0)
			give(&shared->hand[1]);
		take(&shared->hand[w->index]);
		if (w->index == 1)
			give(&shared->hand[0]);
	}
	return count;
}

static unsigned switches(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (unsigned)(u.ru_nvcsw + u.ru_nivcsw);
}

static unsigned yield(const struct worker *w, unsigned count)
{
	unsigned before = switches();

	(void)w;
	while (count--)
		sched_yield();
	return switches() - before; /* Linux does not switch each time */
}

/* Neither calls nor faults, of memory of its own: what the host's CPUs have to give, next to each other. */
static unsigned compute(const struct worker *w, unsigned count)
{
	volatile uint64_t *to = (volatile uint64_t *)(w->memory + TABLE);
	volatile uint64_t *from = to + PAGE / sizeof(*to);

	for (unsigned n = 0; n < count; n++)
		for (unsigned i = 0; i < PAGE / sizeof(*to); i++)
			to[i] = from[i] + n;
	return count;
}

static const struct test tests[] = {
    {"fork_exec_wait", fork_exec, 2, 1, PROCESS, SPREAD, false},
    {"faults_processes", fault, PAGES, 1, PROCESS, SPREAD, false},
    {"faults_threads", fault, PAGES, 1, THREAD, SPREAD, false},
    {"pipe_round_trip", ping, 25, 1, PROCESS, SPREAD, false},
    {"futex_hand_over", hand_over, 30, 2, THREAD, SPREAD, false},
    {"switch_yield", yield, 50, 2, PROCESS, TOGETHER, false},
    {"switch_pipe", ping, 25, 2, PROCESS, TOGETHER, false},
    {"switch_futex", hand_over, 25, 2, THREAD, TOGETHER, false},
    {"faults_alone", fault, PAGES, 1, PROCESS, SPREAD, true},
    {"faults_alone_free", fault, PAGES, 1, PROCESS, FREE, true},
    {"faults_processes_free", fault, PAGES, 1, PROCESS, FREE, false},
    {"copies_alone", copy, PAGES, 1, PROCESS, SPREAD, true},
    {"copies_processes", copy, PAGES, 1, PROCESS, SPREAD, false},
    {"copies_alone_free", copy, PAGES, 1, PROCESS, FREE, true},
    {"copies_processes_free", copy, PAGES, 1, PROCESS, FREE, false},
    {"compute_alone", compute, 200, 1, PROCESS, SPREAD, true},
    {"compute_processes", compute, 200, 1, PROCESS, SPREAD, false},
};

#define NR_TESTS (sizeof(tests) / sizeof(*tests))

/* ---- workers ---- */

static void settle(const struct worker *w, enum place place)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	if (place == FREE || place == TOGETHER || w->index == 0)
		CPU_SET(0, &cpus);
	if (place == FREE || (place == SPREAD && w->index == 1))
		CPU_SET(1, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("sched_setaffinity");
}

static void run_timed(const struct worker *w, const struct test *t)
{
	if (!t->alone)
		meet(t->place);
	shared->start[w->index] = now();
	shared->did[w->index] = t->run(w, t->count);
	shared->end[w->index] = now();
}

/* In a child, to which every page of the memory is new to write. */
static void run_forked(const struct worker *w, const struct test *t)
{
	pid_t pid = fork();

	if (!pid) {
		run_timed(w, t);
		_exit(0);
	}
	wait_for(pid);
}

static void work_once(const struct worker *w, const struct test *t)
{
	settle(w, t->place);
	if (t->run == fault && madvise((void *)w->memory, TABLE, MADV_DONTNEED))
		die("madvise");
	if (t->run == copy)
		run_forked(w, t);
	else
		run_timed(w, t);
	if (add(&shared->left, -1) == 0)
		give(&shared->done);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uintptr_t p = (uintptr_t)map(3 * TABLE);

	w->memory = (char *)((p + TABLE - 1) & -TABLE);
	/* One fault a page on either; of copies Calf resolves several of a streak at once. */
	madvise((void *)w->memory, TABLE, MADV_RANDOM);
	touch(w->memory + TABLE, PAGES);
	for (;;) {
		take(&shared->go[w->kind][w->index]);
		if (!shared->test)
			return NULL;
		work_once(w, shared->test);
	}
}

static void start_processes(pid_t *pids)
{
	static struct worker w[2] = {{0, PROCESS, NULL}, {1, PROCESS, NULL}};

	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			work(&w[i]);
			_exit(0);
		}
	}
}

static void start_threads(pid_t *pid)
{
	static struct worker w[2] = {{0, THREAD, NULL}, {1, THREAD, NULL}};
	pthread_t other;

	*pid = fork();
	if (*pid)
		return;
	if (pthread_create(&other, NULL, work, &w[1]))
		die("pthread_create");
	work(&w[0]);
	pthread_join(other, NULL);
	_exit(0);
}

static void end_all(const pid_t *pids)
{
	shared->test = NULL;
	for (int i = 0; i < 4; i++)
		give(&shared->go[i / 2][i % 2]);
	for (int i = 0; i < 3; i++)
		wait_for(pids[i]);
}

/* ---- rounds ---- */

/* Nanoseconds that an operation took. */
static uint64_t run_round(const struct test *t)
{
	int workers = t->alone ? 1 : 2;
	uint64_t start, end;

	shared->test = t;
	shared->arrived.v = 0;
	shared->left.v = workers;
	for (int i = 0; i < workers; i++)
		give(&shared->go[t->kind][i]);
	take(&shared->done);
	start = shared->start[0];
	end = shared->end[0];
	if (workers == 2 && shared->start[1] < start)
		start = shared->start[1];
	if (workers == 2 && shared->end[1] > end)
		end = shared->end[1];
	return (end - start - clock_cost) / (shared->did[0] * t->operations + !shared->did[0]);
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report_rounds(const char *name, uint64_t *took, size_t rounds)
{
	char median[48];

	qsort(took, rounds, sizeof(*took), ascending);
	snprintf(median, sizeof(median), "%s_median", name);
	report_plain(name, (long)took[0]);
	report_plain(median, (long)took[rounds / 2]);
}

static void run_rounds(size_t rounds, const char *only)
{
	static uint64_t took[NR_TESTS][MAX_ROUNDS];

	for (size_t i = 0; i <= rounds; i++) /* the first warms up */
		for (size_t t = 0; t < NR_TESTS; t++)
			if (!only || !strcmp(only, tests[t].name))
				took[t][i ? i - 1 : 0] = run_round(&tests[t]);
	for (size_t t = 0; t < NR_TESTS; t++)
		if (!only || !strcmp(only, tests[t].name))
			report_rounds(tests[t].name, took[t], rounds);
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	size_t rounds = 100;
	pid_t pids[3];

	if (argc > 1 && !strcmp(argv[1], "--nothing"))
		_exit(0);
	for (int i = 1; i + 1 < argc; i++) {
		if (!strcmp(argv[i], "--rounds"))
			rounds = strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--only"))
			only = argv[++i];
	}
	if (rounds < 1 || rounds > MAX_ROUNDS)
		rounds = MAX_ROUNDS;
	begin();
	shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || pipe(pipes[0]) || pipe(pipes[1]))
		die("set-up");
	start_processes(pids);
	start_threads(&pids[2]);
	run_rounds(rounds, only);
	end_all(pids);
	return finish();
}
