/* Slab caches and kmalloc against a reference: contents, alignment, no leak, every failure. */
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/memory.h"
#include <string.h>

#define FRAMES 2048
#define SLOTS  3000

struct held {
	u8 *p;
	size_t size;
	u8 stamp;
	struct slab_cache *cache; /* NULL: kmalloc */
};

static struct held held[SLOTS];
static struct slab_cache *cache[4];
static const struct {
	const char *name;
	size_t size, align;
} kinds[4] = {{"tiny", 1, 0}, {"odd", 100, 4}, {"aligned", 200, 64}, {"large", 5000, 16}};

static size_t random_size(void)
{
	switch (rand_below(6)) {
	case 0:
		return rand_below(PAGE_SIZE * 5) + 1;
	case 1:
		return rand_below(3000) + 1;
	default:
		return rand_below(300);
	}
}

static void take(struct held *h)
{
	bool zero = rand_below(2);
	unsigned kind = (unsigned)rand_below(8);
	size_t align = 16;

	if (kind < 4) {
		h->cache = cache[kind];
		h->size = kinds[kind].size;
		align = kinds[kind].align ? kinds[kind].align : 1;
		h->p = zero ? slab_zalloc(h->cache) : slab_alloc(h->cache);
	} else {
		h->cache = NULL;
		h->size = random_size();
		h->p = zero ? kzalloc(h->size) : kmalloc(h->size);
	}
	if (!h->p)
		return;
	CHECK(!((u64)h->p & (align - 1)));
	for (size_t i = 0; zero && i < h->size; i++)
		CHECK(!h->p[i]);
	h->stamp = (u8)rand64();
	memset(h->p, h->stamp, h->size);
}

static void give(struct held *h)
{
	for (size_t i = 0; i < h->size; i++)
		CHECK(h->p[i] == h->stamp);
	if (h->cache)
		slab_free(h->cache, h->p);
	else
		kfree(h->p);
	h->p = NULL;
}

static void test_random(u64 full)
{
	for (unsigned step = 0; step < 300000; step++) {
		struct held *h = &held[rand_below(SLOTS)];

		host_cpu = (unsigned)rand_below(3);
		if (h->p)
			give(h);
		else if (rand_below(100) < (step / 20000 % 2 ? 25u : 90u))
			take(h);
		if (step % 50000 == 49999)
			alloc_trim();
	}
	CHECK(slab_frames() > 0);
	for (unsigned i = 0; i < SLOTS; i++)
		if (held[i].p)
			give(&held[i]);
	alloc_trim();
	tap_ok(frames_free() == full, "random: every frame is free again after alloc_trim()");
	tap_ok(slab_frames() == 0, "random: no slab is left");
}

static void test_exhaust(u64 full)
{
	unsigned n = 0;
	void *first = NULL, **p;

	while ((p = kmalloc(512))) {
		*p = first;
		first = p;
		n++;
	}
	tap_ok(n > FRAMES * 5, "exhaust: kmalloc(512) fails after %u", n);
	while (first) {
		p = first;
		first = *p;
		kfree(p);
	}
	alloc_trim();
	tap_ok(frames_free() == full, "exhaust: all came back");
}

/* A fixed row of allocations, the k-th of which fails: NULL from that one, and no leak. */
static void test_every_k(u64 full)
{
	u64 k;
	bool more = true;

	for (k = 1; more; k++) {
		void *p[200];

		alloc_fail_nth = k;
		for (unsigned i = 0; i < 200; i++)
			p[i] = kmalloc(i * 37);
		more = alloc_fail_nth == 0;
		alloc_fail_nth = 0;
		for (unsigned i = 0; i < 200; i++)
			kfree(p[i]);
		alloc_trim();
		CHECK(frames_free() == full);
	}
	tap_ok(k > 200, "fail: each of %lu allocations, with no frame lost", k - 2);
}

static void test_limits(void)
{
	void *p = kmalloc(KMALLOC_MAX);

	tap_ok(p, "limits: KMALLOC_MAX is there");
	kfree(p);
	tap_ok(!kmalloc(KMALLOC_MAX + 1) && !kmalloc(~0ul), "limits: more is not");
	p = kmalloc(0);
	tap_ok(p, "limits: kmalloc(0) is an object");
	kfree(p);
	kfree(NULL);
}

static void free_twice(void *p)
{
	kfree(p);
	kfree(p);
}

#ifdef CONFIG_DEBUG
static void overrun(void *p)
{
	((u8 *)p)[100] = 1;
	slab_free(cache[1], p);
}

static void underrun(void *p)
{
	((u8 *)p)[-1] = 1;
	slab_free(cache[1], p);
}

static void use_after_free(void *p)
{
	slab_free(cache[1], p);
	((u8 *)p)[50] = 1;
	for (unsigned i = 0; p && i < 1000; i++) /* sooner or later it is handed out again */
		p = slab_alloc(cache[1]);
}
#endif

static void wrong_cache(void *p)
{
	slab_free(cache[2], p);
}

static void expect_panic(const char *what, void (*fn)(void *), void *p)
{
	const char *m = panic_of(fn, p);

	tap_ok(m, "panic: %s: %s", what, m ? m : "went unseen");
}

static void test_panics(void)
{
	/* Past the frees after a trim, which go to their slabs: the next one comes back at once. */
	for (int i = 0; i < 64; i++)
		slab_free(cache[1], slab_alloc(cache[1]));
	expect_panic("wrong cache", wrong_cache, slab_alloc(cache[1]));
#ifdef CONFIG_DEBUG
	expect_panic("freed twice", free_twice, kmalloc(40));
	expect_panic("overrun", overrun, slab_alloc(cache[1]));
	expect_panic("underrun", underrun, slab_alloc(cache[1]));
	expect_panic("use after free", use_after_free, slab_alloc(cache[1]));
#endif
	expect_panic("large, freed twice", free_twice, kmalloc(PAGE_SIZE * 2));
}

int main(void)
{
	u64 full;

	rand_seed(1);
	sim_memory_init(1, FRAMES);
	full = frames_free();
	for (unsigned i = 0; i < 4; i++)
		cache[i] = slab_create(kinds[i].name, kinds[i].size, kinds[i].align);
	test_limits();
	alloc_trim();
	test_random(full);
	test_exhaust(full);
	test_every_k(full);
	test_panics();
	return tap_done();
}
