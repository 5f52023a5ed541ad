/*
 * What is told of areas to others: who watches a mapping hears of each area of each address space,
 * though forks share their areas; and locked areas, their limit, and what a child has of them. At each
 * share level.
 */
#include "kernel/errno.h"
#include "mm/area.h"
#include "mm/mman.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/file.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"

#define BASE  0x40000000ull
#define PAGES 16
#define PROCS 6

struct counter {
	struct mapping_watch watch;
	long areas;
};

static void count(struct mapping_watch *w, bool more)
{
	struct counter *c = container_of(w, struct counter, watch);

	c->areas += more ? 1 : -1;
	CHECK(c->areas >= 0);
}

static long counted(struct mm *mm, const struct mapping *map)
{
	long n = 0;

	for (struct area *a = area_first(mm); a; a = area_next(a))
		n += a->map == map;
	return n;
}

/* Random maps, cuts, moves, forks and exits of up to PROCS processes: the count is what a walk of all says. */
static void test_watch(int level)
{
	struct file *f = sim_file(PAGES * PAGE_SIZE, true, true);
	struct counter c = {.watch = {count}};
	struct mm *mm[PROCS] = {mm_create()};
	unsigned forks = 0;

	CHECK(mm[0]);
	f->map.watch = &c.watch;
	vm_fork_share_level = level;
	for (unsigned step = 0; step < 4000; step++) {
		unsigned who = (unsigned)rand_below(PROCS), other = (unsigned)rand_below(PROCS);
		vaddr_t at = BASE + rand_below(PAGES * 2) * PAGE_SIZE;
		u64 len = (1 + rand_below(6)) * PAGE_SIZE;
		long sum = 0;

		if (!mm[who])
			continue;
		switch (rand_below(8)) {
		case 0:
			(void)mm_mmap(mm[who], at, len, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_FIXED, f, 0);
			break;
		case 1:
			(void)mm_munmap(mm[who], at, len);
			break;
		case 2:
			(void)mm_mprotect(mm[who], at, PAGE_SIZE, PROT_READ);
			break;
		case 3:
			(void)mm_madvise(mm[who], at, len, MADV_DONTFORK);
			break;
		case 4:
			(void)mm_mremap(mm[who], at, PAGE_SIZE, len, MREMAP_MAYMOVE, 0);
			break;
		case 5:
			(void)mm_detach(mm[who], at);
			break;
		case 6:
			if (mm[other])
				break;
			mm[other] = mm_fork(mm[who], BASE);
			CHECK(mm[other]);
			forks++;
			break;
		default:
			if (!who)
				break;
			mm_put_user(mm[who]);
			mm[who] = NULL;
		}
		for (unsigned i = 0; i < PROCS; i++)
			sum += mm[i] ? counted(mm[i], &f->map) : 0;
		CHECK(sum == c.areas);
	}
	for (unsigned i = 0; i < PROCS; i++)
		if (mm[i])
			mm_put_user(mm[i]);
	tap_ok(c.areas == 0, "watch: level %d: %u forks, every area was told of once", level,
	       forks);
	f->map.watch = NULL;
	file_put(f);
}

static void test_detach(void)
{
	struct file *f = sim_file(8 * PAGE_SIZE, true, true);
	struct counter c = {.watch = {count}};
	struct mm *mm = mm_create();

	CHECK(mm);
	f->map.watch = &c.watch;
	CHECK(mm_mmap(mm, BASE, 8 * PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, f, 0) == BASE);
	CHECK(mm_detach(mm, BASE + PAGE_SIZE) == -EINVAL);
	CHECK(mm_munmap(mm, BASE + 3 * PAGE_SIZE, PAGE_SIZE) == 0 && c.areas == 2);
	CHECK(mm_mmap(mm, BASE + 3 * PAGE_SIZE, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, f,
		      0) > 0);
	CHECK(mm_detach(mm, BASE) == 0 && c.areas == 1);
	CHECK(mm_detach(mm, BASE) == -EINVAL);
	CHECK(mm_detach(mm, BASE + 3 * PAGE_SIZE) == 0);
	tap_ok(c.areas == 0, "detach: what is left of it goes, and nothing else");
	mm_put_user(mm);
	f->map.watch = NULL;
	file_put(f);
}

static void test_lock(int level)
{
	struct mm *mm = mm_create(), *child;
	u64 value = 7;

	CHECK(mm);
	vm_fork_share_level = level;
	sim_lock_limit = 6;
	CHECK(mm_mmap(mm, BASE, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0) == BASE);
	CHECK(mm_mlock(mm, BASE + PAGE_SIZE + 9, 2 * PAGE_SIZE, false) == 0);
	CHECK(mm->locked_pages == 3);
	CHECK(mm_mlock(mm, BASE, 6 * PAGE_SIZE, false) == 0 && mm->locked_pages == 6);
	CHECK(mm_mlock(mm, BASE, 7 * PAGE_SIZE, false) == -ENOMEM && mm->locked_pages == 6);
	CHECK(mm_populate_locked(mm, BASE, PAGES * PAGE_SIZE) == 6 && mm->rss[RSS_ANON] == 6);
	CHECK(mm_madvise(mm, BASE, PAGE_SIZE, MADV_DONTNEED) == -EINVAL);
	CHECK(mm_mmap(mm, 0, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, NULL,
		      0) == -EAGAIN);
	sim_run(0, mm);
	CHECK(sim_write(BASE, &value, sizeof(value)) == FAULT_OK);
	child = mm_fork(mm, BASE);
	CHECK(child && child->locked_pages == 0 && mm->locked_pages == 6);
	for (struct area *a = area_first(child); a; a = area_next(a))
		CHECK(!(a->flags & VM_LOCKED_BITS));
	CHECK(mm_madvise(child, BASE, PAGE_SIZE, MADV_DONTNEED) == 0);
	sim_run(0, child);
	CHECK(sim_read(BASE, &value, sizeof(value)) == FAULT_OK && value == 0);
	mm_put_user(child);
	sim_run(0, mm);
	CHECK(sim_read(BASE, &value, sizeof(value)) == FAULT_OK && value == 7);
	CHECK(mm_mlockall(mm, MCL_CURRENT) == -ENOMEM);
	CHECK(mm_mlockall(mm, MCL_FUTURE | MCL_ONFAULT) == 0);
	CHECK(mm_munlock(mm, BASE, 6 * PAGE_SIZE) == 0 && mm->locked_pages == 0);
	CHECK(area_first(mm) && !area_next(area_first(mm))); /* joined again */
	CHECK(mm_mmap(mm, 0, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0) > 0);
	CHECK(mm->locked_pages == 1 && mm_populate_locked(mm, 0, USER_END) == 0);
	CHECK(mm_munlockall(mm) == 0 && mm->locked_pages == 0);
	sim_lock_limit = 0;
	CHECK(mm_mlock(mm, BASE, PAGE_SIZE, false) == -EPERM);
	sim_lock_limit = ~0ull;
	CHECK(mm_mlockall(mm, MCL_CURRENT) == 0 && mm->locked_pages == mm->total_pages);
	tap_ok(true, "lock: level %d: limits, and a child without locks", level);
	mm_put_user(mm);
	sim_run(0, NULL);
}

int main(void)
{
	u64 before;

	rand_state = rand_seed(1);
	sim_memory_init(1, 8192);
	frames_init_zero();
	mm_init();
	alloc_trim();
	before = frames_free();
	for (int level = 0; level <= FORK_SHARE_AUTO; level++) {
		test_watch(level);
		test_lock(level);
	}
	test_detach();
	alloc_trim();
	tap_ok(frames_free() == before && !sim_files, "areas: nothing is lost");
	return tap_done();
}
