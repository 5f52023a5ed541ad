/*
 * Is every flush needed, and would the model notice if it were not there? Each place in mm/ that calls
 * mmu_flush_range() or mmu_flush_all(), and each that calls a function which does, is left out in turn: the
 * same random sequences that passed with it must fail without it.
 *
 * A walk that owns several tables one below the other flushes for each, and the compiler may give each level
 * its own place. Where all are left by one walk, the last flush hides that the first was left out, since it
 * drops the upper structures too; what the first is for is that the other trees may change the
 * upper table as soon as its count says so, and no other tree runs here in the middle of a walk. So it
 * is enough there that one of the places from which a function flushes is caught, and the others are said.
 *
 * Places are printed as addr2line -e takes them.
 */
#include "mm/mman.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/model/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS	  1000
#define SEEDS	  40
#define MAX_SITES 64

static u32 choose(void *arg, u32 n)
{
	(void)arg;
	return (u32)rand_below(n);
}

static void run(void *arg)
{
	static struct model m;

	rand_state = *(u64 *)arg * 0x9e3779b97f4a7c15ull + 1;
	model_init(&m, choose, NULL);
	m.check_every = 5;
	vm_fork_share_level = (int)(*(u64 *)arg % (FORK_SHARE_AUTO + 2));
	m.mixed = vm_fork_share_level > FORK_SHARE_AUTO;
	while (m.step < STEPS)
		model_step(&m);
	model_end(&m);
}

/* One call on a page that is not there yet, in a table that is still shared. */
static void change_page(struct mm *mm, vaddr_t va, unsigned how)
{
	u64 v = 5;

	switch (how) {
	case 0:
		CHECK(mm_access(mm, va, &v, sizeof(v), true) == sizeof(v));
		break;
	case 1:
		CHECK(mm_munmap(mm, va, PAGE_SIZE) == 0);
		break;
	case 2:
		CHECK(mm_mprotect(mm, va, PAGE_SIZE, PROT_READ) == 0);
		break;
	case 3:
		CHECK(mm_madvise(mm, va, PAGE_SIZE, MADV_DONTNEED) == 0);
		break;
	default:
		CHECK(mm_mremap(mm, va, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
				va + 9 * PAGE_SIZE) == (long)(va + 9 * PAGE_SIZE));
	}
}

/*
 * A table of each level is left while another CPU of the same process walks it for other pages. The call changes
 * no entry that was there, so no flush but that of the table itself can tell the CPU: random sequences seldom
 * come to this.
 */
static void targeted(void *arg)
{
	const vaddr_t base = 0x8000000000ull, near[] = {0, level_size(2), level_size(3)};
	u64 len = level_size(3) + level_size(2);

	(void)arg;
	for (unsigned n = 0; n < 3 * 5 * 2; n++) {
		struct mm *parent = mm_create(), *child;
		u64 v = 1;

		sim_run(0, parent);
		CHECK(mm_mmap(parent, base, len, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0) == (long)base);
		for (unsigned i = 0; i < ARRAY_SIZE(near); i++)
			CHECK(sim_write(base + near[i], &v, sizeof(v)) == FAULT_OK);
		vm_fork_share_level = 2 + (int)n % 3;
		child = mm_fork(parent, 0);
		CHECK(child);
		sim_run(1, child);
		for (unsigned i = 0; i < ARRAY_SIZE(near); i++)
			CHECK(sim_read(base + near[i], &v, sizeof(v)) == FAULT_OK);
		if (n % 2) /* else the CPU that calls is the one that is to be told */
			sim_run(2, child);
		change_page(child, base + 5 * PAGE_SIZE, n / 6);
		sim_check_caches();
		CHECK(sim_read(base, &v, sizeof(v)) == FAULT_OK);
		change_page(child, base, 0); /* a copy, by the kernel */
		sim_check_caches();
		for (unsigned cpu = 0; cpu < SIM_CPUS; cpu++)
			sim_run(cpu, NULL);
		mm_put_user(child);
		mm_put_user(parent);
	}
}

/* A streak of writes gives pages ahead of it other frames, which this CPU, and another, read before. */
static void streak(bool other)
{
	const vaddr_t base = 0x8000000000ull;
	struct mm *parent = mm_create(), *child;
	u64 v = 1;

	sim_run(0, parent);
	CHECK(mm_mmap(parent, base, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0) == (long)base);
	CHECK(mm_madvise(parent, base, 16 * PAGE_SIZE, MADV_SEQUENTIAL) == 0);
	for (unsigned i = 0; i < 16; i++)
		CHECK(sim_write(base + i * PAGE_SIZE, &v, sizeof(v)) == FAULT_OK);
	vm_fork_share_level = 1;
	child = mm_fork(parent, 0);
	CHECK(child);
	for (unsigned cpu = 1; cpu < (other ? 3 : 2); cpu++) {
		sim_run(cpu, child);
		for (unsigned i = 0; i < 16; i++)
			CHECK(sim_read(base + i * PAGE_SIZE, &v, sizeof(v)) == FAULT_OK);
	}
	v = 2;
	for (unsigned i = 0; i < 16; i++) {
		CHECK(sim_write(base + i * PAGE_SIZE, &v, sizeof(v)) == FAULT_OK);
		sim_check_caches();
	}
	for (unsigned cpu = 0; cpu < SIM_CPUS; cpu++)
		sim_run(cpu, NULL);
	mm_put_user(child);
	mm_put_user(parent);
}

static void all_targeted(void *arg)
{
	targeted(arg);
	streak(false);
	streak(true);
}

/* Runs the sequence (0: the targeted one) in a process of its own, since a missed flush leaves nothing sound behind. */
static bool caught(int skip, u64 seed)
{
	const char *message;
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		sim_flush_skip = skip;
		message = seed ? panic_of(run, &seed) : panic_of(all_targeted, NULL);
		if (message)
			tap_note("flush %d left out: %s", skip, message);
		fflush(stdout);
		_exit(message ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

extern const char __executable_start[];

static u64 offset_of(const void *code)
{
	return (u64)((const char *)code - __executable_start);
}

/* The sequence that fails without this flush; SEEDS + 1: none. */
static u64 find_seed(int n)
{
	u64 seed = 0;

	while (seed <= SEEDS && !caught(n, seed))
		seed++;
	return seed;
}

static u64 caught_with[MAX_SITES];

static void report(int n, int sites)
{
	struct sim_flush_site s = sim_flush_site(n);
	bool ok = false;

	for (int i = 0; i < sites; i++)
		ok |= sim_flush_site(i).from == s.from && caught_with[i] <= SEEDS;
	tap_ok(ok, "flush: without number %d (%#lx by %#lx) %s %lu", n, offset_of(s.from),
	       offset_of(s.by),
	       caught_with[n] <= SEEDS ? "fails sequence" : "another of that place shows; none of",
	       caught_with[n]);
}

int main(void)
{
	int sites;

	model_boot(4096);
	for (u64 seed = 1; seed <= 12; seed++) {
		const char *message = panic_of(run, &seed);

		if (message)
			tap_fail("flush: nothing left out, seed %lu: %s", seed, message);
	}
	CHECK(!panic_of(all_targeted, NULL));
	sites = sim_flush_sites();
	tap_ok(sites > 0, "flush: %d places flush", sites);
	CHECK(sites <= MAX_SITES);
	for (int n = 0; n < sites; n++)
		caught_with[n] = find_seed(n);
	for (int n = 0; n < sites; n++)
		report(n, sites);
	return tap_done();
}
