/* The frame allocator: exact counts, alignment, no frame handed out twice, merging, the reserve. */
#include "mm/stat.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/memory.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FIRST  7
#define FRAMES 4099 /* neither end is aligned */

struct held {
	struct page *page;
	unsigned order;
	u8 stamp;
};

static struct held held[FRAMES];
static unsigned nr_held;
static u64 frames_held;
static u8 owner[FRAMES]; /* 1: handed out */

static void take(enum page_kind kind, unsigned order, unsigned flags)
{
	struct page *p = page_alloc(kind, order, flags);
	pfn_t pfn;
	char *v;

	if (!p)
		return;
	pfn = page_to_pfn(p);
	CHECK(pfn >= FIRST && pfn + (1u << order) <= FRAMES);
	CHECK(!(pfn & ((1u << order) - 1)));
	CHECK(page_refcount(p) == 1 && page_mapcount(p) == 0 && p->kind == kind && !p->flags);
	v = page_to_virt(p);
	for (u64 i = 0; i < 1u << order; i++) {
		CHECK(!owner[pfn + i]);
		owner[pfn + i] = 1;
	}
	if (flags & ALLOC_ZERO)
		for (u64 i = 0; i < PAGE_SIZE << order; i++)
			CHECK(!v[i]);
	held[nr_held] = (struct held){p, order, (u8)rand64()};
	memset(v, held[nr_held++].stamp, PAGE_SIZE << order);
	frames_held += 1u << order;
}

static void give(unsigned i)
{
	struct held h = held[i];
	u8 *v = page_to_virt(h.page);

	for (u64 k = 0; k < PAGE_SIZE << h.order; k += 97)
		CHECK(v[k] == h.stamp);
	for (u64 k = 0; k < 1u << h.order; k++)
		owner[page_to_pfn(h.page) + k] = 0;
	if (rand_below(4) == 0) {
		memset(v, 0, PAGE_SIZE);
		h.page->flags |= PAGE_ZEROED;
	}
	page_put(h.page);
	held[i] = held[--nr_held];
	frames_held -= 1u << h.order;
}

static u64 counted_by_order(void)
{
	u64 counts[MAX_ORDER + 1], sum = 0;

	frames_free_by_order(counts);
	for (unsigned o = 0; o <= MAX_ORDER; o++)
		sum += counts[o] << o;
	return sum;
}

static void test_random(void)
{
	u64 full = frames_free();

	for (unsigned step = 0; step < 60000; step++) {
		host_cpu = (unsigned)rand_below(3);
		/* The share of releases swings, so that memory runs full and empty. */
		if (nr_held && rand_below(100) < (step / 4000 % 2 ? 60u : 42u))
			give((unsigned)rand_below(nr_held));
		else
			take(PAGE_KERNEL, rand_below(8) ? 0 : (unsigned)rand_below(6),
			     rand_below(3) ? 0 : ALLOC_ZERO);
		CHECK(frames_free() == full - frames_held);
		if (step % 64 == 0)
			CHECK(counted_by_order() == frames_free());
	}
	while (nr_held)
		give(0);
	tap_ok(frames_free() == full, "random: every frame is free again");
}

static void test_merge(void)
{
	u64 counts[MAX_ORDER + 1];

	frames_trim();
	frames_free_by_order(counts);
	/* [8, 4099) in largest blocks but for the zero page, which took one frame of them. */
	tap_ok(counts[MAX_ORDER] == 3, "merge: all blocks of 4 MiB came together again");
	for (unsigned o = 0; o < MAX_ORDER; o++)
		CHECK(counts[o] <= 3);
}

static void test_exhaust(void)
{
	u64 full = frames_free(), reserve;

	for (unsigned flags = 0; flags <= ALLOC_RESERVE; flags += ALLOC_RESERVE) {
		unsigned before;

		do {
			before = nr_held;
			take(PAGE_ANON, 0, flags);
		} while (nr_held > before);
		reserve = frames_free();
		if (flags)
			tap_ok(reserve == 0, "exhaust: ALLOC_RESERVE takes the last frame");
		else
			tap_ok(reserve > 0 && reserve == frames_total() / 128,
			       "exhaust: %lu frames are kept", reserve);
	}
	while (nr_held)
		give(nr_held - 1);
	tap_ok(frames_free() == full, "exhaust: all came back");
}

/* Frames on another CPU's list must be found by whoever has none. */
static void test_steal(void)
{
	u64 full = frames_free();
	unsigned before;

	host_cpu = 1;
	do {
		before = nr_held;
		take(PAGE_ANON, 0, ALLOC_RESERVE);
	} while (nr_held > before);
	for (unsigned i = 0; i < 20; i++)
		give(0);
	host_cpu = 2;
	for (unsigned i = 0; i < 20; i++)
		take(PAGE_ANON, 0, ALLOC_RESERVE);
	tap_ok(frames_free() == 0, "steal: another CPU's free frames are found");
	host_cpu = 0;
	while (nr_held)
		give(nr_held - 1);
	CHECK(frames_free() == full);
}

static u64 single_frames(void)
{
	u64 counts[MAX_ORDER + 1];

	frames_free_by_order(counts);
	return counts[0];
}

/* Where little is free, one CPU that wants a frame does not get all the rest on its stack. */
static void test_scarce(void)
{
	u64 full = frames_free(), before;

	while (frames_free() > 300)
		take(PAGE_ANON, 0, 0);
	frames_trim();
	before = single_frames();
	host_cpu = 3;
	take(PAGE_ANON, 0, 0);
	tap_ok(single_frames() <= before + 300 / 32,
	       "scarce: a batch is a small part of what is free");
	host_cpu = 0;
	while (nr_held)
		give(nr_held - 1);
	CHECK(frames_free() == full);
}

static u32 counting;

/* An idle CPU that fills frames with zeros; what it filled is used up, and its stacks given back, time and again. */
static void *idle_cpu(void *arg)
{
	(void)arg;
	host_cpu = 2;
	while (atomic_load(&counting)) {
		while (frames_zero_one())
			;
		for (int i = 0; i < 32; i++)
			page_put(page_alloc(PAGE_ANON, 0, ALLOC_ZERO));
		frames_trim();
	}
	return NULL;
}

/* What moves from one stack to another, or between a stack and the node, is neither missed nor counted twice. */
static void test_count_meanwhile(void)
{
	u64 full = frames_free(), least = full, most = full;
	pthread_t idle;

	atomic_store(&counting, 1);
	CHECK(!pthread_create(&idle, NULL, idle_cpu, NULL));
	for (int i = 0; i < 300000; i++) {
		u64 n = frames_free();

		least = min(least, n);
		most = max(most, n);
	}
	atomic_store(&counting, 0);
	pthread_join(idle, NULL);
	tap_ok(most == full && full - least <= 1,
	       "count: beside a CPU that has one frame in its hands: %+ld to %+ld",
	       (long)(least - full), (long)(most - full));
	frames_trim();
}

static void test_fail_nth(void)
{
	u64 full = frames_free();

	alloc_fail_nth = 3;
	take(PAGE_ANON, 0, 0);
	take(PAGE_ANON, 3, 0);
	CHECK(nr_held == 2 && alloc_fail_nth == 1);
	take(PAGE_ANON, 0, 0);
	CHECK(nr_held == 2 && alloc_fail_nth == 0);
	take(PAGE_ANON, 0, 0);
	tap_ok(nr_held == 3, "fail_nth: the third allocation fails, and no other");
	while (nr_held)
		give(0);
	CHECK(frames_free() == full);
}

static void free_twice(void *arg)
{
	page_free(arg);
	page_free(arg);
}

static void free_mapped(void *arg)
{
	struct page *p = arg;

	page_map(p);
	page_free(p);
}

static void free_tail(void *arg)
{
	page_free((struct page *)arg + 1);
}

#ifdef CONFIG_DEBUG
static void write_after_free(void *arg)
{
	struct page *p = arg;
	char *v = page_to_virt(p);

	page_put(p);
	v[100] = 1;
	take(PAGE_ANON, 0, 0);
}

static void lie_about_zeros(void *arg)
{
	struct page *p = arg;

	memset(page_to_virt(p), 1, PAGE_SIZE);
	p->flags |= PAGE_ZEROED;
	page_put(p);
}
#endif

static void expect_panic(const char *what, void (*fn)(void *), struct page *p, u32 refcount)
{
	const char *m;

	p->refcount = refcount;
	m = panic_of(fn, p);
	tap_ok(m, "panic: %s: %s", what, m ? m : "went unseen");
}

/* Last: each leaves the allocator in a state that is wrong. */
static void test_panics(void)
{
	expect_panic("a tail frame", free_tail, page_alloc(PAGE_ANON, 2, 0), 0);
	expect_panic("freed while mapped", free_mapped, page_alloc(PAGE_ANON, 0, 0), 1);
	expect_panic("freed twice", free_twice, page_alloc(PAGE_ANON, 0, 0), 0);
#ifdef CONFIG_DEBUG
	expect_panic("zeroed, and is not", lie_about_zeros, page_alloc(PAGE_ANON, 0, 0), 1);
	expect_panic("written while free", write_after_free, page_alloc(PAGE_ANON, 0, 0), 1);
#endif
}

int main(void)
{
	rand_seed(1);
	sim_memory_init(FIRST, FRAMES);
	tap_ok(frames_free() == FRAMES - FIRST && frames_total() == FRAMES - FIRST,
	       "count: all that was added is free");
	frames_init_zero();
	tap_ok(frames_free() == FRAMES - FIRST - 1, "count: the zero page is not");
	test_fail_nth();
	test_random();
	test_merge();
	test_exhaust();
	test_steal();
	test_scarce();
	test_count_meanwhile();
	tap_ok(vm_sum(VM_pgalloc) - vm_sum(VM_pgfree) == 1, "count: pgalloc and pgfree agree");
	test_panics();
	return tap_done();
}
