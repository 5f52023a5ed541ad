/*
 * Two CPUs that fault side by side, each in an address space of its own, against one alone: what they
 * share (the allocator, counters, a lock) shows as time. Rounds are short, and the best of many counts,
 * since the host has other things to do: threads meet before a round, and it lasts until both are done.
 *
 * Says how many times the faults of one two get done, and asserts that it is $LEAST hundredths; not by
 * default, since it is less on a busy host. `make bench-smp` does, of a build without sanitizers.
 */
#include "mm/fault.h"
#include "mm/mman.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"
#include <pthread.h>
#include <sched.h>
#include <time.h>

#define AT    0x40200000ull
#define PAGES 128

static u64 rounds, arrived; /* atomic: how often somebody came to meet() */
static u64 began[2], ended[2];
static u64 alone = ~0ull, both = ~0ull; /* the best rounds, in nanoseconds */

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}

/* Waits for the other CPU. */
static void meet(u64 *met)
{
	u64 tries = 0;

	*met += 2;
	atomic_inc(&arrived);
	while (atomic_load_acquire(&arrived) < *met)
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

static void faults(struct mm *mm, unsigned cpu)
{
	began[cpu] = now();
	for (u64 i = 0; i < PAGES; i++)
		CHECK(mm_fault(mm, AT + i * PAGE_SIZE, PROT_WRITE) == FAULT_OK);
	ended[cpu] = now();
	CHECK(mm_madvise(mm, AT, PAGES * PAGE_SIZE, MADV_DONTNEED) == 0);
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
	unsigned cpu = (unsigned)(u64)arg;
	struct mm *mm;
	u64 met = 0;

	settle(cpu);
	mm = begin(cpu);
	for (u64 i = 0; i < rounds; i++) {
		if (cpu == 0) {
			faults(mm, cpu);
			alone = min(alone, ended[0] - began[0]);
		}
		meet(&met);
		faults(mm, cpu);
		meet(&met);
		if (cpu == 0) {
			u64 first = min(began[0], began[1]), last = max(ended[0], ended[1]);

			both = min(both, last - first);
		}
	}
	sim_run(cpu, NULL);
	mm_put_user(mm);
	return NULL;
}

int main(void)
{
	pthread_t threads[2];
	u64 times;

	rounds = env_number("ROUNDS", 300);
	sim_memory_init(1, 8192);
	frames_init_zero();
	mm_init();
	for (u64 i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[i], NULL, run, (void *)i));
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	times = 200 * alone / both;
	tap_ok(times >= env_number("LEAST", 0),
	       "scale: faults of two CPUs are %lu.%02lu times those of one (%lu ns alone, %lu)",
	       times / 100, times % 100, alone / PAGES, both / PAGES);
	return tap_done();
}
