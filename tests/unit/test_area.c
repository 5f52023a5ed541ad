/* What mmap and its kin promise of areas: places, merging, the stack, the heap, limits, errors. */
#include "mm/area.h"
#include "mm/commit.h"
#include "mm/map.h"
#include "mm/mman.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/file.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"
#include <string.h>

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static struct mm *mm;

static void begin(void)
{
	mm = mm_create();
	CHECK(mm);
	sim_run(0, mm);
}

static void end(void)
{
	mm_put_user(mm);
	sim_run(0, NULL);
}

static long map(vaddr_t addr, u64 pages, unsigned prot, unsigned flags)
{
	return mm_mmap(mm, addr, pages * PAGE_SIZE, prot, ANON | flags, NULL, 0);
}

static unsigned areas(void)
{
	unsigned n = 0;

	for (struct area *a = area_first(mm); a; a = area_next(a))
		n++;
	CHECK(n == mm->areas->count);
	return n;
}

/* ---- where a mapping goes ---- */

/* The highest place below `high` (or the lowest from `low`) that a scan of all areas finds. */
static vaddr_t place_by_scan(u64 len, vaddr_t low, vaddr_t high, bool up)
{
	vaddr_t best = 0, from = 0;

	for (struct area *a = area_first(mm);; a = area_next(a)) {
		vaddr_t lo = max(from, low), hi = high;

		if (a)
			hi = min(high, a->start - (a->flags & VM_GROWSDOWN ? STACK_GUARD_GAP : 0));
		if (hi > lo && hi - lo >= len && !(up && best))
			best = up ? lo : hi - len;
		if (!a)
			return best;
		from = a->end;
	}
}

static void check_holes(void)
{
	vaddr_t from = 0;

	for (struct area *a = area_first(mm); a; a = area_next(a)) {
		CHECK(a->start >= from && a->start < a->end && a->hole == a->start - from);
		from = a->end;
	}
}

static void test_places(void)
{
	begin();
	mm->mmap_base = 0x10000 + 3000 * PAGE_SIZE;
	CHECK(!mm_map_stack(mm, mm->mmap_base - 5 * PAGE_SIZE, 2 * PAGE_SIZE));
	for (unsigned step = 0; step < 8000; step++) {
		u64 pages = 1 + rand_below(rand_below(4) ? 12 : 300);
		vaddr_t want =
		    place_by_scan(pages * PAGE_SIZE, MMAP_MIN_ADDR, mm->mmap_base, false);
		struct area *a = area_first(mm);
		long at;

		if (rand_below(5) < 2) {
			for (u64 n = rand_below(mm->areas->count); n; n--)
				a = area_next(a);
			if (a->flags & VM_GROWSDOWN)
				continue;
			want = a->start + rand_below(area_pages(a)) * PAGE_SIZE;
			CHECK(!mm_munmap(mm, want, pages * PAGE_SIZE) ||
			      !area_find(mm, mm->mmap_base));
		} else {
			if (!want)
				want =
				    place_by_scan(pages * PAGE_SIZE, mm->mmap_base, USER_END, true);
			/* Rights that differ keep the areas apart. */
			at = map(0, pages, (unsigned)rand_below(8), 0);
			CHECK(at == (long)want);
		}
		check_holes();
		if (!area_first(mm))
			map(0, 1, RW, 0);
	}
	tap_ok(true, "area: the highest hole is found, as by a scan");
	end();
}

static void test_hints(void)
{
	begin();
	CHECK(map(0x500000, 4, RW, 0) == 0x500000);
	tap_ok(map(0x500123, 1, RW, 0) != 0x500000, "area: a hint that is taken is not followed");
	tap_ok(map(0x500000, 1, RW, MAP_FIXED_NOREPLACE) == -EEXIST,
	       "area: FIXED_NOREPLACE refuses");
	tap_ok(map(0x600000, 1, RW, MAP_32BIT) == 0x600000 &&
		   (u64)map(0, 1, RW, MAP_32BIT) >> 31 == 0,
	       "area: MAP_32BIT");
	end();
}

static void test_merging(void)
{
	long at;

	begin();
	at = map(0, 10, RW, 0);
	map((vaddr_t)at + 10 * PAGE_SIZE, 10, RW, MAP_FIXED);
	tap_ok(areas() == 1, "merge: neighbours of one kind are one area");
	CHECK(!mm_mprotect(mm, (vaddr_t)at + 4 * PAGE_SIZE, PAGE_SIZE, PROT_READ));
	tap_ok(areas() == 3, "merge: mprotect of the middle makes three");
	CHECK(!mm_mprotect(mm, (vaddr_t)at + 4 * PAGE_SIZE, PAGE_SIZE, RW));
	tap_ok(areas() == 1, "merge: and back makes one");
	CHECK(!mm_madvise(mm, (vaddr_t)at, 2 * PAGE_SIZE, MADV_DONTFORK));
	CHECK(areas() == 2);
	CHECK(!mm_madvise(mm, (vaddr_t)at, 2 * PAGE_SIZE, MADV_DOFORK));
	CHECK(areas() == 1);
	CHECK(!mm_munmap(mm, (vaddr_t)at + PAGE_SIZE, PAGE_SIZE));
	tap_ok(areas() == 2 && mm->total_pages == 19, "merge: munmap of the middle splits");
	end();
}

/* ---- the stack and the heap ---- */

static enum fault_result poke(vaddr_t va)
{
	u64 v = va;

	return sim_write(va, &v, sizeof(v));
}

static void test_stack(void)
{
	vaddr_t top = 0x7fff00000000, low;

	begin();
	sim_limit[MM_LIMIT_STACK] = 64 * PAGE_SIZE;
	CHECK(!mm_map_stack(mm, top, 4 * PAGE_SIZE));
	CHECK(poke(top - 8) == FAULT_OK);
	tap_ok(poke(top - 40 * PAGE_SIZE) == FAULT_OK && areas() == 1 &&
		   area_first(mm)->start == top - 40 * PAGE_SIZE && mm->stack_pages == 40,
	       "stack: grows to where it is touched");
	tap_ok(poke(top - 65 * PAGE_SIZE) == FAULT_MAPERR && poke(top - 64 * PAGE_SIZE) == FAULT_OK,
	       "stack: not past its limit");
	sim_limit[MM_LIMIT_STACK] = ~0ull;
	low = top - 64 * PAGE_SIZE - STACK_GUARD_GAP - 10 * PAGE_SIZE;
	CHECK(map(low, 1, RW, MAP_FIXED) == (long)low);
	tap_ok(poke(low + PAGE_SIZE + STACK_GUARD_GAP - 8) == FAULT_MAPERR &&
		   poke(low + PAGE_SIZE + STACK_GUARD_GAP) == FAULT_OK,
	       "stack: keeps its distance from the mapping below");
	sim_limit[MM_LIMIT_STACK] = 8ull << 20;
	end();
}

static void test_heap(void)
{
	u64 v = 1;

	begin();
	mm->brk = mm->brk_start = 0x600800;
	tap_ok(mm_brk(mm, 0) == 0x600800, "heap: brk(0) tells");
	tap_ok(mm_brk(mm, 0x608123) == 0x608123 && areas() == 1 && mm->total_pages == 8,
	       "heap: grows");
	CHECK(poke(0x607000) == FAULT_OK);
	tap_ok(mm_brk(mm, 0x602000) == 0x602000 && poke(0x607000) == FAULT_MAPERR, "heap: shrinks");
	CHECK(mm_brk(mm, 0x608000) == 0x608000 && sim_read(0x607000, &v, 8) == FAULT_OK);
	tap_ok(v == 0, "heap: what comes back is zero");
	CHECK(map(0x60c000, 1, RW, MAP_FIXED) == 0x60c000);
	tap_ok(mm_brk(mm, 0x60d000) == 0x608000, "heap: stops before a mapping");
	tap_ok(mm_brk(mm, 0x600000) == 0x608000, "heap: not below its start");
	end();
}

/* ---- limits and errors ---- */

static void test_limits(void)
{
	begin();
	sim_limit[MM_LIMIT_AS] = 100 * PAGE_SIZE;
	CHECK(map(0, 90, RW, 0) > 0);
	tap_ok(map(0, 11, RW, 0) == -ENOMEM && map(0, 10, RW, 0) > 0, "limits: RLIMIT_AS");
	sim_limit[MM_LIMIT_AS] = ~0ull;
	sim_limit[MM_LIMIT_DATA] = 110 * PAGE_SIZE;
	tap_ok(map(0, 11, RW, 0) == -ENOMEM && map(0, 500, PROT_READ, 0) > 0,
	       "limits: RLIMIT_DATA");
	sim_limit[MM_LIMIT_DATA] = ~0ull;
	end();
	begin();
	vm_overcommit_memory = 2;
	CHECK(map(0, commit_limit() - 5, RW, 0) > 0);
	tap_ok(map(0, 5, RW, 0) == -ENOMEM, "limits: a large process leaves some for others");
	vm_user_reserve_kbytes = 0;
	tap_ok(map(0, 6, RW, 0) == -ENOMEM && map(0, 5, RW, 0) > 0, "limits: CommitLimit");
	vm_user_reserve_kbytes = 128 << 10;
	tap_ok(!mm_fork(mm, 0), "limits: a fork would promise it twice");
	vm_overcommit_memory = 0;
	tap_ok(map(0, frames_total() + 1, RW, 0) == -ENOMEM &&
		   map(0, frames_total() + 1, RW, MAP_NORESERVE) > 0,
	       "limits: more than there is takes MAP_NORESERVE");
	end();
	tap_ok(committed_as() == 0, "limits: all promises end with their mm");
}

static void test_errors(void)
{
	struct file *ro = sim_file(PAGE_SIZE, true, false), *wo = sim_file(PAGE_SIZE, false, true);
	long at;

	begin();
	at = map(0, 4, RW, 0);
	tap_ok(mm_mmap(mm, 0, 0, RW, ANON, NULL, 0) == -EINVAL &&
		   mm_mmap(mm, 0, 4096, RW, MAP_ANONYMOUS, NULL, 0) == -EINVAL &&
		   mm_mmap(mm, 0, 4096, RW, MAP_PRIVATE, ro, 123) == -EINVAL &&
		   map(0x500001, 1, RW, MAP_FIXED) == -EINVAL &&
		   map(USER_END, 1, RW, MAP_FIXED) == -ENOMEM &&
		   map(0, USER_END / PAGE_SIZE + 1, RW, 0) == -ENOMEM &&
		   mm_mmap(mm, 0, ~0ull, RW, ANON, NULL, 0) == -ENOMEM,
	       "errors: mmap");
	tap_ok(mm_mmap(mm, 0, 4096, RW, MAP_SHARED, ro, 0) == -EACCES &&
		   mm_mmap(mm, 0, 4096, PROT_READ, MAP_PRIVATE, wo, 0) == -EACCES &&
		   mm_mmap(mm, 0, 4096, RW, MAP_PRIVATE, ro, 0) > 0,
	       "errors: mmap of files");
	tap_ok(mm_munmap(mm, 0x1001, 4096) == -EINVAL && mm_munmap(mm, 0x1000, 0) == -EINVAL &&
		   mm_munmap(mm, USER_END, 4096) == -EINVAL && !mm_munmap(mm, 0x1000, 4096),
	       "errors: munmap");
	tap_ok(mm_mprotect(mm, (vaddr_t)at + 1, 4096, RW) == -EINVAL &&
		   mm_mprotect(mm, 0x20000, 4096, RW) == -ENOMEM &&
		   mm_mprotect(mm, (vaddr_t)at, 4096, 0x100) == -EINVAL &&
		   !mm_mprotect(mm, 0x20000, 0, RW),
	       "errors: mprotect");
	tap_ok(mm_mremap(mm, (vaddr_t)at, 4096, 0, 0, 0) == -EINVAL &&
		   mm_mremap(mm, (vaddr_t)at + 1, 4096, 4096, 0, 0) == -EINVAL &&
		   mm_mremap(mm, 0x20000, 4096, 8192, MREMAP_MAYMOVE, 0) == -EFAULT &&
		   mm_mremap(mm, (vaddr_t)at, 4096, 4096, MREMAP_FIXED, 0) == -EINVAL,
	       "errors: mremap");
	tap_ok(mm_madvise(mm, (vaddr_t)at, 4096, 77) == -EINVAL &&
		   mm_madvise(mm, 0x20000, 4096, MADV_DONTNEED) == -ENOMEM &&
		   mm_msync(mm, 0x20000, 4096, MS_SYNC) == -ENOMEM &&
		   mm_msync(mm, (vaddr_t)at, 4096, MS_SYNC | MS_ASYNC) == -EINVAL &&
		   !mm_msync(mm, (vaddr_t)at, 4 * 4096, MS_SYNC),
	       "errors: madvise, msync");
	end();
	file_put(ro);
	file_put(wo);
}

static void test_mincore(void)
{
	u8 vec[4] = {9, 9, 9, 9};
	long at;

	begin();
	at = map(0, 3, RW, 0);
	CHECK(poke((vaddr_t)at + PAGE_SIZE) == FAULT_OK);
	tap_ok(!mm_mincore(mm, (vaddr_t)at, 3 * PAGE_SIZE, vec) && !vec[0] && vec[1] == 1 &&
		   !vec[2] && vec[3] == 9,
	       "mincore: what is resident");
	tap_ok(mm_mincore(mm, (vaddr_t)at, 4 * PAGE_SIZE, vec) == -ENOMEM ||
		   area_at(mm, (vaddr_t)at + 3 * PAGE_SIZE),
	       "mincore: a hole is an error");
	end();
}

/* mremap where mm chooses the place: contents move, and the old range is gone. */
static void test_moving(void)
{
	long at, to;
	u64 v = 0;

	begin();
	at = map(0, 3, RW, 0);
	CHECK(map((vaddr_t)at + 3 * PAGE_SIZE, 1, PROT_READ, 0) > 0);
	for (vaddr_t va = (vaddr_t)at; va < (vaddr_t)at + 3 * PAGE_SIZE; va += PAGE_SIZE)
		CHECK(poke(va) == FAULT_OK);
	to = mm_mremap(mm, (vaddr_t)at, 3 * PAGE_SIZE, 700 * PAGE_SIZE, MREMAP_MAYMOVE, 0);
	tap_ok(to > 0 && to != at, "mremap: grows to another place");
	CHECK(sim_read((vaddr_t)to + 2 * PAGE_SIZE, &v, 8) == FAULT_OK);
	tap_ok(v == (u64)at + 2 * PAGE_SIZE && poke((vaddr_t)at) == FAULT_MAPERR &&
		   mm->rss[RSS_ANON] == 3,
	       "mremap: with what was in it");
	at = mm_mremap(mm, (vaddr_t)to, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	CHECK(at > 0 && sim_read((vaddr_t)to, &v, 8) == FAULT_OK);
	tap_ok(v == 0 && mm->rss[RSS_ANON] == 3, "mremap: DONTUNMAP leaves zeros behind");
	end();
}

int main(void)
{
	u64 before;

	rand_seed(1);
	sim_memory_init(1, 4096);
	frames_init_zero();
	mm_init();
	alloc_trim();
	before = frames_free();
	test_places();
	test_hints();
	test_merging();
	test_stack();
	test_heap();
	test_limits();
	test_errors();
	test_mincore();
	test_moving();
	alloc_trim();
	tap_ok(frames_free() == before, "area: no frame is lost");
	return tap_done();
}
