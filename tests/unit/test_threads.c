/*
 * Threads that stand for CPUs, all in one address space; built with ThreadSanitizer too. A frame
 * that a CPU still reaches through a stale translation, when it is freed or shared, is a data race
 * that it sees even where no word comes out wrong.
 *
 *	common		Pages in which each thread has one word, so that two fault on one page, and
 *			one copies what another writes. Between forks each thread finds its own words.
 *	own		A range for each thread alone, which it maps, protects, empties and unmaps.
 *	children	What a child sees must stay as it was at the fork, while the parent writes on.
 */
#include "mm/mman.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/mmu.h"
#include "tests/unit/sim/file.h"
#include "tests/unit/sim/memory.h"
#include <pthread.h>
#include <sched.h>

#define THREADS	 3 /* CPU 3 is where children run */
#define PAGES	 24
#define COMMON	 0x40200000ull
#define FILES_AT 0x40280000ull
#define OWN(t)	 (0x40300000ull + (t)*0x100000ull)

static struct mm *mm;
static u64 steps;

static vaddr_t word_at(vaddr_t base, unsigned page, unsigned word)
{
	return base + page * PAGE_SIZE + word * 64;
}

static void put(vaddr_t va, u64 v)
{
	CHECK(sim_write(va, &v, sizeof(v)) == FAULT_OK);
}

static u64 get(vaddr_t va)
{
	u64 v = 0;

	CHECK(sim_read(va, &v, sizeof(v)) == FAULT_OK);
	return v;
}

static void common_step(unsigned cpu, vaddr_t base, u64 *mine)
{
	unsigned page = (unsigned)rand_below(PAGES);
	vaddr_t va = word_at(base, page, cpu);
	u64 v = 0;

	CHECK(get(va) == mine[page]);
	if (rand_below(2))
		put(va, ++mine[page]);
	if (rand_below(16) == 0) {
		CHECK(mm_access(mm, va, &v, sizeof(v), false) == sizeof(v) && v == mine[page]);
		v = ++mine[page];
		CHECK(mm_access(mm, va, &v, sizeof(v), true) == sizeof(v));
	}
}

static void own_step(unsigned cpu, u64 *mine)
{
	vaddr_t base = OWN(cpu), va;
	unsigned page = (unsigned)rand_below(PAGES), n = 1 + (unsigned)rand_below(PAGES - page), i;

	va = base + page * PAGE_SIZE;
	switch (rand_below(5)) {
	case 0:
		CHECK(mm_munmap(mm, va, n * PAGE_SIZE) == 0);
		CHECK(sim_write(va, &va, 1) == FAULT_MAPERR);
		CHECK(mm_mmap(mm, va, n * PAGE_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0) == (long)va);
		for (i = page; i < page + n; i++)
			mine[i] = 0;
		break;
	case 1:
		CHECK(mm_madvise(mm, va, n * PAGE_SIZE, MADV_DONTNEED) == 0);
		for (i = page; i < page + n; i++)
			mine[i] = 0;
		break;
	case 2:
		CHECK(mm_mprotect(mm, va, n * PAGE_SIZE, PROT_READ) == 0);
		CHECK(sim_write(va, &va, 1) == FAULT_ACCERR);
		CHECK(mm_mprotect(mm, va, n * PAGE_SIZE, PROT_READ | PROT_WRITE) == 0);
		break;
	default:
		CHECK(get(word_at(base, page, cpu)) == mine[page]);
		put(word_at(base, page, cpu), ++mine[page]);
		break;
	}
}

/* Forks, and looks from the child twice at what the other threads go on writing. */
static void fork_step(const u64 *mine)
{
	struct mm *child = mm_fork(mm, COMMON);
	u64 seen[THREADS];
	unsigned page = (unsigned)rand_below(PAGES), i;

	CHECK(child);
	sim_run(3, child);
	for (i = 0; i < THREADS; i++)
		seen[i] = get(word_at(COMMON, page, i));
	CHECK(seen[0] == mine[page]);
	put(word_at(COMMON, page, 0), ~0ull);
	for (i = 0; i < 20; i++)
		CHECK(get(word_at(COMMON, (unsigned)rand_below(PAGES), 0)) != ~0ull - 1);
	for (i = 1; i < THREADS; i++)
		CHECK(get(word_at(COMMON, page, i)) == seen[i]);
	sim_run(3, NULL);
	mm_put_user(child);
	host_cpu = 0;
}

static void *thread(void *arg)
{
	unsigned cpu = (unsigned)(u64)arg;
	u64 common[PAGES] = {0}, file[PAGES] = {0}, own[PAGES] = {0};

	rand_state = 77 + cpu * 1000 + (u64)vm_fork_share_level;
	sim_run(cpu, mm);
	CHECK(mm_mmap(mm, OWN(cpu), PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0) == (long)OWN(cpu));
	for (u64 i = 0; i < steps; i++) {
		common_step(cpu, COMMON, common);
		common_step(cpu, FILES_AT, file);
		own_step(cpu, own);
		if (!cpu && i % 8 == 0)
			fork_step(common);
	}
	/*
	 * Whoever is alone need stop nobody, and yet copies what the others wrote before they left: twice, the second
	 * time without a fault, which would take locks.
	 */
	put(word_at(OWN(cpu), 0, cpu), 1);
	put(word_at(OWN(cpu), 0, cpu), 2);
	if (!cpu) {
		while (atomic_load(&mm->users) > 1)
			sched_yield();
		fork_step(common);
	}
	sim_run(cpu, NULL);
	mm_put_user(mm);
	return NULL;
}

static void run_level(int level)
{
	struct file *f = sim_file(PAGES * PAGE_SIZE, true, true);
	pthread_t threads[THREADS];
	unsigned prot = PROT_READ | PROT_WRITE;
	u64 before;

	alloc_trim();
	before = frames_free();
	vm_fork_share_level = level;
	mm = mm_create();
	CHECK(mm);
	CHECK(mm_mmap(mm, COMMON, PAGES * PAGE_SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		      NULL, 0) == (long)COMMON);
	CHECK(mm_mmap(mm, FILES_AT, PAGES * PAGE_SIZE, prot, MAP_SHARED | MAP_FIXED, f, 0) ==
	      (long)FILES_AT);
	for (u64 i = 1; i < THREADS; i++)
		mm_get_user(mm);
	for (u64 i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, thread, (void *)i));
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	host_cpu = 0;
	file_put(f);
	alloc_trim();
	tap_ok(frames_free() == before, "threads: level %d, %lu steps each, no frame lost", level,
	       steps);
}

int main(void)
{
	u64 levels = env_number("LEVELS", FORK_SHARE_AUTO + 1), n = env_number("STEPS", 3000);

	sim_memory_init(1, 8192);
	frames_init_zero();
	mm_init();
	/* Who has just left shows in short runs. */
	for (int i = 0; i < 8; i++) {
		steps = 5;
		run_level(0);
	}
	for (u64 level = 0; level < levels; level++) {
		/* A flush left out before the eager copy shows only where a write falls into the copy. */
		steps = level ? n : 3 * n;
		run_level((int)level);
	}
	return tap_done();
}
