/*
 * Two CPUs that fault side by side, each in an address space of its own: what they share (the
 * allocator, counters, a lock, a cache line) shows as time. The measure is two that share nothing
 * at all: one of the host's CPUs may be slower than the other, and both are so at times.
 *
 * Three workers: A and B are CPUs of one machine, C is the only one of another, in a process of its
 * own. B and C run where A does not. A round is A with B (shared) or A with C (apart), and lasts
 * until both are done. Some of one kind and then of the other make a pair, of which the best of
 * each are compared; the middle of all pairs counts.
 *
 * Says how often the faults of two get done, sharing nothing being 2, and asserts that it is $LEAST
 * hundredths; not by default, since threads that sanitizers watch share more. `make bench-smp` does,
 * of a build without sanitizers.
 */
#include "mm/fault.h"
#include "mm/mman.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AT 0x40200000ull
#define PAGES \
	128 /* not more than a CPU's own frames: others come through the node, which is shared */
#define TURNS	  4  /* often enough that the start counts for little */
#define IN_A_ROW  20 /* rounds of a kind: the first finds cold caches, and a CPU that slept */
#define MAX_PAIRS 1000

enum worker { A, B, C, WORKERS };
enum kind { SHARED, APART, KINDS };

static u64 pairs;

/* What all three see, C as well. */
static struct {
	pthread_barrier_t barrier; /* all three, before a round and after it */
	u64 arrived __aligned(64); /* atomic: how often somebody came to meet() */
	struct {
		u64 began, ended;
	} __aligned(64) times[WORKERS];
} * common;

/* A's: the shortest round of each kind in this pair, in nanoseconds, and their ratio in each. */
static u64 best[KINDS], ratios[MAX_PAIRS];

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}

/* Waits for the other one, awake, so that both begin at once. */
static void meet(void)
{
	u64 met = (atomic_fetch_add(&common->arrived, 1) + 2) / 2 * 2, tries = 0;

	while (atomic_load_acquire(&common->arrived) < met)
		if (++tries % 100000 == 0)
			sched_yield();
}

static struct mm *begin(unsigned cpu)
{
	struct mm *mm;

	sim_run(cpu, NULL);
	mm = mm_create();
	CHECK(mm);
	sim_run(cpu, mm);
	CHECK(mm_mmap(mm, AT, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0) == (long)AT);
	return mm;
}

static void faults(struct mm *mm)
{
	for (u64 turn = 0; turn < TURNS; turn++) {
		for (u64 i = 0; i < PAGES; i++)
			CHECK(mm_fault(mm, AT + i * PAGE_SIZE, PROT_WRITE) == FAULT_OK);
		CHECK(mm_madvise(mm, AT, PAGES * PAGE_SIZE, MADV_DONTNEED) == 0);
	}
}

static void run_round(struct mm *mm, enum worker w, enum kind kind)
{
	pthread_barrier_wait(&common->barrier);
	if (w == A || w == (kind == SHARED ? B : C)) {
		meet();
		common->times[w].began = now();
		faults(mm);
		common->times[w].ended = now();
	}
	pthread_barrier_wait(&common->barrier);
}

static void note_round(enum kind kind)
{
	enum worker other = kind == SHARED ? B : C;
	u64 first = min(common->times[A].began, common->times[other].began);
	u64 last = max(common->times[A].ended, common->times[other].ended);

	best[kind] = min(best[kind], last - first);
}

static void run_pair(struct mm *mm, enum worker w)
{
	for (u64 i = 0; i < KINDS * IN_A_ROW; i++) {
		enum kind kind = i < IN_A_ROW ? SHARED : APART;

		run_round(mm, w, kind);
		if (w == A)
			note_round(kind);
	}
}

/* On a CPU of the host's of its own, where it may choose: two on one would take turns. */
static void settle(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static void *run(void *arg)
{
	enum worker w = (enum worker)(u64)arg;
	struct mm *mm;

	settle(w != A);
	mm = begin(w == B);
	for (u64 i = 0; i < pairs; i++) {
		if (w == A)
			best[SHARED] = best[APART] = ~0ull;
		run_pair(mm, w);
		if (w == A)
			ratios[i] = 200 * best[APART] / best[SHARED];
	}
	sim_run(w == B, NULL);
	mm_put_user(mm);
	return NULL;
}

static void machine_init(void)
{
	sim_memory_init(1, 32768); /* enough for whole batches */
	frames_init_zero();
	mm_init();
}

static void common_init(void)
{
	pthread_barrierattr_t attr;

	common =
	    mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(common != MAP_FAILED);
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	CHECK(!pthread_barrier_init(&common->barrier, &attr, WORKERS));
}

static int ascending(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void report(void)
{
	u64 times;

	qsort(ratios, pairs, sizeof(*ratios), ascending);
	times = ratios[pairs / 2];
	tap_ok(times >= env_number("LEAST", 0),
	       "scale: faults of two CPUs get done %lu.%02lu times as often as those of one, if "
	       "sharing nothing is 2 (%lu ns a fault)",
	       times / 100, times % 100, best[SHARED] / PAGES / TURNS);
}

int main(void)
{
	pthread_t threads[2];
	pid_t other;
	int status;

	pairs = min(env_number("PAIRS", 10), (u64)MAX_PAIRS);
	CHECK(pairs);
	(void)alarm(300);
	common_init();
	other = fork();
	CHECK(other >= 0);
	machine_init();
	if (!other) {
		/* Where the others fail, nobody comes to the barrier any more. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		run((void *)C);
		_exit(0);
	}
	for (u64 i = A; i <= B; i++)
		CHECK(!pthread_create(&threads[i], NULL, run, (void *)i));
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	CHECK(waitpid(other, &status, 0) == other && !status);
	report();
	return tap_done();
}
