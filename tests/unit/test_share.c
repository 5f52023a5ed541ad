/*
 * Operations on a process whose tables another one shares, each with its k-th allocation failing, for
 * every k, at each share level: what is done by the windows of the reference model is not done again here,
 * only what it lacks: a stack that grows, an end of the heap that moves, ranges that cover whole tables, and
 * accesses by the kernel across pages.
 *
 * An operation that finds no memory has changed nothing that anybody can see; it succeeds when tried
 * again; the parent sees none of it; and no frame is missing afterwards.
 */
#include "mm/audit.h"
#include "mm/commit.h"
#include "mm/mman.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/file.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"
#include <string.h>

#define PAGES	   1100 /* two whole tables, and a part on each side */
#define BASE	   (0x40200000ull - 40 * PAGE_SIZE)
#define STACK_TOP  0x7ff000000000ull
#define STACK	   4 /* pages of it that are there */
#define HEAP	   0x10000000ull
#define FILE_AT	   0x8000000000ull /* MAP_SHARED: in a directory of its own */
#define FILE_PAGES 20
#define PROT_RW	   (PROT_READ | PROT_WRITE)

static struct mm *parent, *child;
static u32 want[PAGES]; /* what the child's pages say; GONE: not mapped */
#define GONE (~0u)
static u32 file_word;
static bool armed, fired; /* an allocation is to fail; it did */

static void start_failing(u64 k)
{
	fired = false;
	armed = true;
	alloc_fail_nth = k;
}

static void stop_failing(void)
{
	fired |= armed && !alloc_fail_nth;
	armed = false;
	alloc_fail_nth = 0;
}

static enum fault_result put(vaddr_t va, u32 v)
{
	return sim_write(va, &v, sizeof(v));
}

static u32 get(vaddr_t va)
{
	u32 v = 0;

	CHECK(sim_read(va, &v, sizeof(v)) == FAULT_OK);
	return v;
}

static void begin(void)
{
	struct file *f = sim_file(FILE_PAGES * PAGE_SIZE, true, true);

	parent = mm_create();
	CHECK(parent);
	sim_run(0, parent);
	CHECK(mm_mmap(parent, BASE, PAGES * PAGE_SIZE, PROT_RW,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0) == (long)BASE);
	CHECK(mm_mmap(parent, STACK_TOP - STACK * PAGE_SIZE, STACK * PAGE_SIZE, PROT_RW,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, NULL, 0) > 0);
	CHECK(mm_mmap(parent, FILE_AT, FILE_PAGES * PAGE_SIZE, PROT_RW, MAP_SHARED | MAP_FIXED, f,
		      0) == (long)FILE_AT);
	file_put(f);
	parent->brk_start = parent->brk = HEAP;
	for (u32 i = 0; i < PAGES; i++)
		CHECK(put(BASE + i * PAGE_SIZE, i + 1) == FAULT_OK);
	for (u32 i = 1; i <= STACK; i++)
		CHECK(put(STACK_TOP - i * PAGE_SIZE, i) == FAULT_OK);
	CHECK(put(FILE_AT, file_word = 7) == FAULT_OK);
}

static void born(void)
{
	child = mm_fork(parent, BASE);
	CHECK(child);
	sim_run(1, child);
	for (u32 i = 0; i < PAGES; i++)
		want[i] = i + 1;
}

static void expect_child(void)
{
	u32 v;

	sim_run(1, child);
	for (u32 i = 0; i < PAGES; i++) {
		if (want[i] == GONE)
			CHECK(sim_read(BASE + i * PAGE_SIZE, &v, sizeof(v)) == FAULT_MAPERR);
		else
			CHECK(get(BASE + i * PAGE_SIZE) == want[i]);
	}
	for (u32 i = 1; i <= STACK; i++)
		CHECK(get(STACK_TOP - i * PAGE_SIZE) == i);
	CHECK(get(FILE_AT) == file_word);
	CHECK(mm_audit());
}

static void expect_parent(void)
{
	sim_run(0, parent);
	CHECK(parent->rss[RSS_ANON] == PAGES + STACK);
	for (u32 i = 0; i < PAGES; i++)
		CHECK(get(BASE + i * PAGE_SIZE) == i + 1);
	for (u32 i = 1; i <= STACK; i++)
		CHECK(get(STACK_TOP - i * PAGE_SIZE) == i);
	CHECK(get(FILE_AT) == file_word);
}

/* ---- the operations: 0, or -ENOMEM ---- */

static void now(u32 first, u32 n, u32 value)
{
	for (u32 i = first; i < first + n; i++)
		want[i] = value;
}

static long of_fault(enum fault_result r)
{
	CHECK(r == FAULT_OK || r == FAULT_OOM);
	return r == FAULT_OK ? 0 : -ENOMEM;
}

static long op_stack(void)
{
	return of_fault(put(STACK_TOP - 90 * PAGE_SIZE, 5));
}

static long op_heap(void)
{
	vaddr_t end = HEAP + 700 * PAGE_SIZE;

	if (mm_brk(child, end) != (long)end)
		return -ENOMEM;
	return of_fault(put(end - PAGE_SIZE, 3));
}

static long op_kernel_write(void)
{
	static u8 buf[6 * PAGE_SIZE];
	vaddr_t va = BASE + 37 * PAGE_SIZE;
	ssize_t r;

	memset(buf, 0, sizeof(buf));
	r = mm_access(child, va, buf, sizeof(buf), true);
	CHECK(r == -EFAULT || (r > 0 && r % PAGE_SIZE == 0));
	now(37, r > 0 ? (u32)(r / (ssize_t)PAGE_SIZE) : 0, 0);
	return r == sizeof(buf) ? 0 : -ENOMEM;
}

static long op_munmap_whole_tables(void)
{
	long r = mm_munmap(child, BASE, PAGES * PAGE_SIZE);

	if (!r)
		now(0, PAGES, GONE);
	return r;
}

static long op_munmap_edges(void)
{
	long r = mm_munmap(child, BASE + 10 * PAGE_SIZE, 1080 * PAGE_SIZE);

	if (!r)
		now(10, 1080, GONE);
	return r;
}

static long op_dontneed_tables(void)
{
	long r = mm_madvise(child, BASE + 10 * PAGE_SIZE, 1080 * PAGE_SIZE, MADV_DONTNEED);

	if (!r)
		now(10, 1080, 0);
	return r;
}

static long op_protect(void)
{
	long r = mm_mprotect(child, BASE + 10 * PAGE_SIZE, 1080 * PAGE_SIZE, PROT_READ);

	if (!r) {
		CHECK(put(BASE + 500 * PAGE_SIZE, 1) == FAULT_ACCERR);
		r = mm_mprotect(child, BASE + 10 * PAGE_SIZE, 1080 * PAGE_SIZE, PROT_RW);
	}
	return r;
}

static long op_move(void)
{
	vaddr_t to = 0x180000000ull - 300 * PAGE_SIZE;
	long r = mm_mremap(child, BASE + 10 * PAGE_SIZE, 1080 * PAGE_SIZE, 1080 * PAGE_SIZE,
			   MREMAP_MAYMOVE | MREMAP_FIXED, to);

	if (r == -ENOMEM)
		return r;
	CHECK(r == (long)to);
	for (u32 i = 0; i < 1080; i++)
		CHECK(get(to + i * PAGE_SIZE) == want[10 + i]);
	now(10, 1080, GONE);
	return 0;
}

static long op_shared_file(void)
{
	long r = of_fault(put(FILE_AT, file_word + 1));

	file_word += !r;
	return r;
}

/* The grandchild comes from a process that still shares everything. */
static long op_fork(void)
{
	struct mm *mm = mm_fork(child, BASE);

	if (!mm)
		return -ENOMEM;
	stop_failing();
	sim_run(2, mm);
	for (u32 i = 0; i < PAGES; i += 3) {
		CHECK(get(BASE + i * PAGE_SIZE) == want[i]);
		CHECK(put(BASE + i * PAGE_SIZE, 0) == FAULT_OK);
	}
	sim_run(2, NULL);
	mm_put_user(mm);
	return 0;
}

static long op_exit(void)
{
	return 0;
}

static const struct {
	const char *name;
	long (*run)(void);
} ops[] = {
    {"stack growth", op_stack},
    {"heap", op_heap},
    {"kernel write", op_kernel_write},
    {"munmap of whole tables", op_munmap_whole_tables},
    {"munmap of tables and edges", op_munmap_edges},
    {"madvise", op_dontneed_tables},
    {"mprotect there and back", op_protect},
    {"mremap", op_move},
    {"write to a shared file", op_shared_file},
    {"fork from a child that shares", op_fork},
    {"exit", op_exit},
};

/* True where the k-th allocation was one of the operation's. */
static bool fail_once(unsigned op, u64 k)
{
	long r;

	born();
	start_failing(k);
	r = ops[op].run();
	stop_failing();
	CHECK(r == 0 || (r == -ENOMEM && fired));
	expect_child();
	if (r) {
		CHECK(ops[op].run() == 0);
		expect_child();
	}
	sim_run(1, NULL);
	mm_put_user(child);
	return fired;
}

static void test_op(unsigned op)
{
	static const int levels[] = {0, 1, 2, 3, 4, FORK_SHARE_AUTO};
	u64 failures = 0, before, k;

	for (unsigned l = 0; l < ARRAY_SIZE(levels); l++) {
		vm_fork_share_level = levels[l];
		sim_run(0, NULL);
		alloc_trim();
		before = frames_free();
		begin();
		for (k = 1; fail_once(op, k); k += k < 64 ? 1 : k / 8)
			failures++;
		expect_parent();
		sim_run(0, NULL);
		mm_put_user(parent);
		alloc_trim();
		CHECK(frames_free() == before && !sim_files && !committed_as());
	}
	tap_ok(ops[op].run == op_exit ? !failures : failures > 0, "share: %s, %lu allocations fail",
	       ops[op].name, failures);
}

int main(void)
{
	sim_memory_init(1, 8192);
	frames_init_zero();
	mm_init();
	vm_overcommit_memory = 1;
	for (unsigned op = 0; op < ARRAY_SIZE(ops); op++)
		test_op(op);
	return tap_done();
}
