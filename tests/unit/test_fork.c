/*
 * What a fork costs and what it saves, counted: faults, copies, flushes and frames, at each share
 * level, for a process that has touched PAGES pages.
 *
 *	level		faults of the child's writes	of the parent's, the child gone
 *	0		0				0
 *	1		a copy each			a reuse each
 *	2 and up	a copy each			one for each table that is its own again
 */
#include "mm/mman.h"
#include "mm/stat.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"

#define PAGES 1500 /* three page tables and a bit */
#define BASE  0x7f0000000000ull

static struct mm *parent, *child;
static u64 mark[VM_EVENT_COUNT], flushes, frames;

static void start_counting(void)
{
	for (unsigned e = 0; e < VM_EVENT_COUNT; e++)
		mark[e] = vm_sum((enum vm_event)e);
	flushes = sim_flushes();
	alloc_trim();
	frames = frames_free();
}

static u64 since(enum vm_event e)
{
	return vm_sum(e) - mark[e];
}

static u64 frames_taken(void)
{
	alloc_trim();
	return frames - frames_free();
}

static void write_all(struct mm *mm, u64 value)
{
	sim_run(0, mm);
	for (u64 i = 0; i < PAGES; i++) {
		u64 v = value + i;

		CHECK(sim_write(BASE + i * PAGE_SIZE, &v, sizeof(v)) == FAULT_OK);
	}
}

/* Each page holds value + its number, or 0 where value is. */
static void expect_all(struct mm *mm, u64 value)
{
	sim_run(0, mm);
	for (u64 i = 0; i < PAGES; i++) {
		u64 v = 0;

		CHECK(sim_read(BASE + i * PAGE_SIZE, &v, sizeof(v)) == FAULT_OK);
		CHECK(v == (value ? value + i : 0));
	}
}

static void test_touch(void)
{
	parent = mm_create();
	CHECK(parent && mm_mmap(parent, BASE, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0) == (long)BASE);
	start_counting();
	expect_all(parent, 0);
}

static void fork_at(int level)
{
	vm_fork_share_level = level;
	start_counting();
	child = mm_fork(parent, BASE);
	CHECK(child);
	tap_ok(sim_flushes() - flushes == 1, "fork: level %d flushes once, not once a page", level);
	CHECK(child->rss[RSS_ANON] == PAGES && parent->rss[RSS_ANON] == PAGES);
}

static void exit_child(void)
{
	mm_put_user(child);
	sim_run(0, parent);
}

static void test_level(int level)
{
	u64 faults, taken;

	write_all(parent, 1000);
	fork_at(level);
	taken = frames_taken();
	tap_ok(level == 0   ? taken >= PAGES
	       : level == 1 ? taken <= 12
			    : taken <= 8,
	       "fork: level %d takes %lu frames", level, taken);

	start_counting();
	write_all(child, 5000);
	tap_ok(since(VM_cow_copy) == (level ? PAGES : 0) &&
		   since(VM_pgfault) == (level ? PAGES : 0),
	       "fork: level %d: the child's writes fault %lu times", level, since(VM_pgfault));
	expect_all(parent, 1000);
	expect_all(child, 5000);
	start_counting();
	write_all(parent, 1000);
	tap_ok(since(VM_cow_copy) == 0 && since(VM_cow_reuse) <= (level ? PAGES : 0),
	       "fork: level %d: then the parent's copy nothing", level);
	exit_child();

	fork_at(level);
	exit_child();
	start_counting();
	write_all(parent, 2000);
	faults = since(VM_pgfault);
	tap_ok(level == 0   ? faults == 0
	       : level == 1 ? faults == PAGES && since(VM_cow_reuse) == PAGES
			    : faults <= 8,
	       "fork: level %d: the child gone, the parent's writes fault %lu times", level,
	       faults);
	tap_ok(frames_taken() == 0, "fork: level %d: and take no frame", level);
}

/* Writes page after page, up to `n` of them. */
static void write_some(u64 n, u64 value)
{
	for (u64 i = 0; i < n; i++) {
		u64 v = value + i;

		CHECK(sim_write(BASE + i * PAGE_SIZE, &v, sizeof(v)) == FAULT_OK);
	}
}

static void test_streak(int level)
{
	u64 faults, copies;

	write_all(parent, 1000);
	fork_at(level);
	sim_run(0, parent);
	start_counting();
	write_some(4, 2000);
	tap_ok(since(VM_cow_copy) == 4 && since(VM_pgfault) == 4,
	       "streak: level %d: four in a row are none yet", level);
	start_counting();
	write_some(7, 2000);
	copies = since(VM_cow_copy);
	tap_ok(copies >= 3 && copies <= 3 + 4, "streak: level %d: then %lu pages are copied for 3",
	       level, copies);
	start_counting();
	write_all(parent, 2000);
	faults = since(VM_pgfault);
	copies += since(VM_cow_copy);
	tap_ok(copies == PAGES - 4 && faults <= PAGES / 16 + 8,
	       "streak: level %d: %lu faults for the rest", level, faults);
	expect_all(child, 1000);
	expect_all(parent, 2000);
	exit_child();
	fork_at(level);
	exit_child();
	start_counting();
	write_all(parent, 3000);
	tap_ok(since(VM_cow_copy) == 0 && frames_taken() == 0,
	       "streak: level %d: the last owner keeps its frames, with %lu faults", level,
	       since(VM_pgfault));
}

int main(void)
{
	u64 before;

	sim_memory_init(1, 8192);
	frames_init_zero();
	mm_init();
	sim_forget_one_in = 0;
	vm_cow_streak = 1; /* one fault a page */
	alloc_trim();
	before = frames_free();
	test_touch();
	tap_ok(since(VM_zero_map) == PAGES && parent->rss[RSS_ANON] == 0,
	       "touch: reads map the zero page, and count nothing");
	start_counting();
	write_all(parent, 1000);
	tap_ok(since(VM_zero_fill) == PAGES && since(VM_pgfault) == PAGES &&
		   parent->rss[RSS_ANON] == PAGES,
	       "touch: a fault and a frame for each page written");
	start_counting();
	write_all(parent, 1000);
	tap_ok(since(VM_pgfault) == 0, "touch: and no fault the second time");
	for (int level = 0; level < 5; level++)
		test_level(level);
	vm_cow_streak = 16;
	for (int level = 1; level < 5; level++)
		test_streak(level);
	mm_put_user(parent);
	sim_run(0, NULL);
	alloc_trim();
	tap_ok(frames_free() == before, "fork: no frame is lost");
	return tap_done();
}
