/*
 * Slab caches: objects of one size, cut out of blocks of frames.
 *
 *	slab		One block of 2^order frames of kind PAGE_SLAB. Each of its struct pages names
 *			the cache (page->level), so kfree() needs nothing but the address.
 *	free object	Lies in its slab's own list (page->slab.free) or in one CPU's list of the
 *			cache. page->slab.used counts those in use and those in a CPU's list.
 *	listed		A slab with 0 < used < all is in cache->partial, one with used = 0 in
 *			cache->empty, a full one in neither.
 *
 * An allocation pops this CPU's list. Only where that is empty, or too long, do objects move
 * between it and the slabs, in batches, and the two locks are never held at once. One empty slab
 * a cache is kept, against a block that comes and goes with every object.
 *
 * In the debug build an object carries more: a red zone on either side that also says whether it
 * is in use, and poison inside while it is free. The link of a free object then lies behind it,
 * so that no byte of it goes unwatched.
 *
 *	release		| link or object |
 *	debug		| red zone | poison or object | red zone | link |
 */
#include "kernel/lib/radix.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "mm/alloc.h"

#define MAX_CACHES     64
#define MAX_SLAB_ORDER 3
#define MIN_OBJECTS    3      /* a slab with fewer is made larger */
#define SLAB_END       0xffff /* page->slab.free: the list is empty */
#define KMALLOC_ALIGN  16
/*
 * Who asks for a trim holds objects meanwhile (the file that it writes to). They keep their slabs,
 * and would come back from the CPU's list at the next trim, and keep them again; so the frees that
 * follow a trim bypass the list.
 */
#define TRIM_EAGER 32

#define KMALLOC_SLABS 2048 /* larger ones are whole frames */
#define EMPTY_KEPT    1

struct slab_cache {
	const char *name;
	u32 size, align; /* as asked for */
	spinlock_t lock; /* LOCK_SLAB: and each slab's page->slab */

	/* Set by cache_layout() before the first slab; constant afterwards. */
	u32 stride; /* from one object's slot to the next */
	u32 head;   /* from the slot to the object */
	u32 link;   /* from the object to its link, while it is free */
	u32 objects, order;
	u32 cpu_max; /* a CPU's list that grows longer gives half of it back */

	struct list_head partial __guarded_by(&lock), empty __guarded_by(&lock);
	u32 nr_empty __guarded_by(&lock);
};

/* One CPU's free objects of one cache. */
struct slab_cpu {
	spinlock_t lock; /* unranked, since nothing is taken while it is held */
	u32 count __guarded_by(&lock);
	void *first __guarded_by(&lock);
	u32 eager __guarded_by(&lock); /* so many frees to come go straight to their slabs */
};

#define CACHE(n, s, a)                                                             \
	{                                                                          \
		.name = n, .size = s, .align = a, .lock = SPINLOCK_INIT(LOCK_SLAB) \
	}
enum { CACHE_RADIX_NODE = 14, CACHES_BUILT_IN };

/* The classes of kmalloc(), smallest first, then what mm needs before it can ask for a cache. */
static struct slab_cache caches[MAX_CACHES] = {
    CACHE("kmalloc-16", 16, KMALLOC_ALIGN),
    CACHE("kmalloc-32", 32, KMALLOC_ALIGN),
    CACHE("kmalloc-48", 48, KMALLOC_ALIGN),
    CACHE("kmalloc-64", 64, KMALLOC_ALIGN),
    CACHE("kmalloc-96", 96, KMALLOC_ALIGN),
    CACHE("kmalloc-128", 128, KMALLOC_ALIGN),
    CACHE("kmalloc-192", 192, KMALLOC_ALIGN),
    CACHE("kmalloc-256", 256, KMALLOC_ALIGN),
    CACHE("kmalloc-384", 384, KMALLOC_ALIGN),
    CACHE("kmalloc-512", 512, KMALLOC_ALIGN),
    CACHE("kmalloc-768", 768, KMALLOC_ALIGN),
    CACHE("kmalloc-1024", 1024, KMALLOC_ALIGN),
    CACHE("kmalloc-1344", 1344, KMALLOC_ALIGN),
    CACHE("kmalloc-2048", KMALLOC_SLABS, KMALLOC_ALIGN),
    [CACHE_RADIX_NODE] = CACHE("radix_node", RADIX_NODE_SIZE, 8),
};
static unsigned nr_caches = CACHES_BUILT_IN;

/* Which class holds a size, by its count of 16 bytes. */
static const u8 class_of[KMALLOC_SLABS / 16 + 1] = {
    [0 ... 1] = 0,    [2] = 1,		[3] = 2,	  [4] = 3,	     [5 ... 6] = 4,
    [7 ... 8] = 5,    [9 ... 12] = 6,	[13 ... 16] = 7,  [17 ... 24] = 8,   [25 ... 32] = 9,
    [33 ... 48] = 10, [49 ... 64] = 11, [65 ... 84] = 12, [85 ... 128] = 13,
};

/* A row a CPU, so that no line is shared between CPUs. */
static struct slab_cpu cpu_lists[MAX_CPUS][MAX_CACHES] __aligned(64);
static u64 nr_slab_frames; /* atomic */

static unsigned cache_number(const struct slab_cache *c)
{
	return (unsigned)(c - caches);
}

static void **link_of(const struct slab_cache *c, void *obj)
{
	return (void **)((char *)obj + c->link);
}

/* ---- the debug build's guards around an object ---- */

#ifdef CONFIG_DEBUG
#define RED_ZONE    sizeof(u64)
#define RED_USED    0xbb00bb00bb00bb00ull
#define RED_FREE    0xdd11dd11dd11dd11ull
#define POISON_FREE 0x6b
#define POISON_NEW  0x5a

static void guard_set(const struct slab_cache *c, void *obj, u64 zone)
{
	memcpy((char *)obj - RED_ZONE, &zone, RED_ZONE);
	memcpy((char *)obj + c->size, &zone, RED_ZONE);
}

static void guard_check(const struct slab_cache *c, void *obj, u64 zone)
{
	u64 before, after;

	memcpy(&before, (char *)obj - RED_ZONE, RED_ZONE);
	memcpy(&after, (char *)obj + c->size, RED_ZONE);
	if (before == zone && after == zone)
		return;
	if (zone == RED_USED && before == RED_FREE && after == RED_FREE)
		panic("slab %s: %p freed twice", c->name, obj);
	panic("slab %s: red zone of %p overwritten: %#lx, %#lx", c->name, obj, before, after);
}

static void guard_new(const struct slab_cache *c, void *obj)
{
	guard_set(c, obj, RED_FREE);
	memset(obj, POISON_FREE, c->size);
}

static void guard_alloc(const struct slab_cache *c, void *obj)
{
	u8 *bad = memchr_inv(obj, POISON_FREE, c->size);

	guard_check(c, obj, RED_FREE);
	if (bad)
		panic("slab %s: %p written while free, at offset %ld: %#x", c->name, obj,
		      (long)(bad - (u8 *)obj), *bad);
	guard_set(c, obj, RED_USED);
	memset(obj, POISON_NEW, c->size);
}

static void guard_free(const struct slab_cache *c, void *obj)
{
	guard_check(c, obj, RED_USED);
	guard_new(c, obj);
}

static void cache_place(struct slab_cache *c)
{
	c->head = ALIGN_UP((u32)RED_ZONE, c->align);
	c->link = ALIGN_UP(c->size + (u32)RED_ZONE, 8u);
	c->stride = ALIGN_UP(c->head + c->link + 8, c->align);
}
#else
static void guard_new(const struct slab_cache *c, void *obj)
{
	(void)c;
	(void)obj;
}

static void guard_alloc(const struct slab_cache *c, void *obj)
{
	(void)c;
	(void)obj;
}

static void guard_free(const struct slab_cache *c, void *obj)
{
	(void)c;
	(void)obj;
}

static void cache_place(struct slab_cache *c)
{
	c->head = 0;
	c->link = 0;
	c->stride = ALIGN_UP(c->size, c->align);
}
#endif

/* ---- slabs; all under the cache's lock ---- */

static void cache_layout(struct slab_cache *c) __must_hold(&c->lock)
{
	u32 block, waste;

	c->align = max(c->align, 8u);
	c->size = max(c->size, 8u);
	cache_place(c);
	for (c->order = 0;; c->order++) {
		block = (u32)PAGE_SIZE << c->order;
		c->objects = block / c->stride;
		waste = block % c->stride;
		if (c->objects >= MIN_OBJECTS && waste <= block / 8)
			break;
		if (c->objects && c->order == MAX_SLAB_ORDER)
			break;
	}
	c->cpu_max = c->stride <= 256 ? 64 : c->stride <= 1024 ? 16 : 8;
	list_init(&c->partial);
	list_init(&c->empty);
}

static struct page *slab_of(const struct slab_cache *c, const void *obj)
{
	return pfn_to_page(virt_to_pfn(obj) & ~((1ull << c->order) - 1));
}

static void slab_push(const struct slab_cache *c, struct page *slab, void *obj)
{
	char *base = page_to_virt(slab);

	*link_of(c, obj) = slab->slab.free == SLAB_END ? NULL : base + slab->slab.free * 8u;
	slab->slab.free = (u16)(((char *)obj - base) / 8);
}

static void *slab_pop(const struct slab_cache *c, struct page *slab)
{
	char *base = page_to_virt(slab);
	void *obj = base + slab->slab.free * 8u;
	char *next = *link_of(c, obj);

	slab->slab.free = next ? (u16)((next - base) / 8) : SLAB_END;
	return obj;
}

/* A new slab, in c->empty; NULL: no memory. */
static struct page *slab_make(struct slab_cache *c) __must_hold(&c->lock)
{
	struct page *slab = page_alloc(PAGE_SLAB, c->order, 0);
	char *obj;

	if (!slab)
		return NULL;
	for (u32 i = 0; i < 1u << c->order; i++)
		slab[i].level = (u8)cache_number(c);
	slab->slab.free = SLAB_END;
	slab->slab.used = 0;
	obj = (char *)page_to_virt(slab) + c->head + (u64)c->objects * c->stride;
	for (u32 i = 0; i < c->objects; i++) {
		obj -= c->stride;
		guard_new(c, obj);
		slab_push(c, slab, obj);
	}
	list_add(&c->empty, &slab->link);
	c->nr_empty++;
	atomic_add(&nr_slab_frames, 1u << c->order);
	return slab;
}

static void slab_release(struct slab_cache *c, struct page *slab) __must_hold(&c->lock)
{
	list_del(&slab->link);
	c->nr_empty--;
	atomic_sub(&nr_slab_frames, 1u << c->order);
	page_put(slab);
}

/* One object out of the fullest kind of slab there is; NULL: no memory. */
static void *cache_take(struct slab_cache *c) __must_hold(&c->lock)
{
	struct page *slab;
	void *obj;

	if (!list_empty(&c->partial))
		slab = list_first(&c->partial, struct page, link);
	else if (!list_empty(&c->empty))
		slab = list_first(&c->empty, struct page, link);
	else
		slab = slab_make(c);
	if (!slab)
		return NULL;
	obj = slab_pop(c, slab);
	if (slab->slab.used++ == 0) {
		c->nr_empty--;
		list_del(&slab->link);
		list_add(&c->partial, &slab->link);
	}
	if (slab->slab.used == c->objects)
		list_del(&slab->link);
	return obj;
}

static void cache_give(struct slab_cache *c, void *obj) __must_hold(&c->lock)
{
	struct page *slab = slab_of(c, obj);

	if (slab->slab.used == c->objects)
		list_add(&c->partial, &slab->link);
	slab_push(c, slab, obj);
	if (--slab->slab.used)
		return;
	list_del(&slab->link);
	list_add(&c->empty, &slab->link);
	if (++c->nr_empty > EMPTY_KEPT)
		slab_release(c, slab);
}

/* ---- between a CPU's list and the slabs ---- */

/* One object for the caller, and a batch for the CPU. */
static void *alloc_slow(struct slab_cache *c, struct slab_cpu *cpu)
{
	void *first = NULL, *obj, *mine;
	u32 n = 0;

	spin_lock(&c->lock);
	if (!c->stride)
		cache_layout(c);
	mine = cache_take(c);
	/* The batch is what slabs have free already: no block is taken for it. */
	while (mine && n < c->cpu_max / 2 && !list_empty(&c->partial)) {
		obj = cache_take(c);
		*link_of(c, obj) = first;
		first = obj;
		n++;
	}
	spin_unlock(&c->lock);
	if (!n)
		return mine;

	spin_lock(&cpu->lock);
	for (obj = first; *link_of(c, obj);)
		obj = *link_of(c, obj);
	*link_of(c, obj) = cpu->first;
	cpu->first = first;
	cpu->count += n;
	spin_unlock(&cpu->lock);
	return mine;
}

/* Gives n objects of the CPU's list back to their slabs. */
static void cpu_drain(struct slab_cache *c, struct slab_cpu *cpu, u32 n)
{
	void *first, *obj;

	spin_lock(&cpu->lock);
	n = min(n, cpu->count);
	first = obj = cpu->first;
	for (u32 i = 0; i < n; i++)
		obj = *link_of(c, obj);
	cpu->first = obj;
	cpu->count -= n;
	spin_unlock(&cpu->lock);

	spin_lock(&c->lock);
	while (n--) {
		obj = first;
		first = *link_of(c, obj);
		cache_give(c, obj);
	}
	spin_unlock(&c->lock);
}

/* ---- the public face ---- */

struct slab_cache *slab_create(const char *name, size_t size, size_t align)
{
	struct slab_cache *c = &caches[nr_caches];

	ASSERT(nr_caches < MAX_CACHES && size <= PAGE_SIZE << MAX_SLAB_ORDER >> 1);
	nr_caches++;
	*c = (struct slab_cache)CACHE(name, (u32)size, (u32)align);
	return c;
}

void *slab_alloc(struct slab_cache *c)
{
	struct slab_cpu *cpu = &cpu_lists[cpu_id()][cache_number(c)];
	void *obj;

	if (unlikely(alloc_should_fail()))
		return NULL;
	spin_lock(&cpu->lock);
	obj = cpu->first;
	if (likely(obj)) {
		cpu->first = *link_of(c, obj);
		cpu->count--;
		spin_unlock(&cpu->lock);
	} else {
		spin_unlock(&cpu->lock);
		obj = alloc_slow(c, cpu);
		if (!obj)
			return NULL;
	}
	guard_alloc(c, obj);
	return obj;
}

void *slab_zalloc(struct slab_cache *c)
{
	void *obj = slab_alloc(c);

	return obj ? memset(obj, 0, c->size) : NULL;
}

void slab_free(struct slab_cache *c, void *obj)
{
	struct slab_cpu *cpu = &cpu_lists[cpu_id()][cache_number(c)];
	struct page *p = virt_to_page(obj);
	bool full;
	u32 eager;

	if (unlikely(p->kind != PAGE_SLAB || p->level != cache_number(c)))
		panic("slab %s: %p is none of its objects (kind %u)", c->name, obj, p->kind);
	guard_free(c, obj);
	spin_lock(&cpu->lock);
	*link_of(c, obj) = cpu->first;
	cpu->first = obj;
	full = ++cpu->count > c->cpu_max;
	eager = cpu->eager;
	if (unlikely(eager))
		cpu->eager--;
	spin_unlock(&cpu->lock);
	if (unlikely(full || eager))
		cpu_drain(c, cpu, eager ? ~0u : c->cpu_max / 2);
}

void *kmalloc(size_t size)
{
	unsigned order = 0;
	struct page *p;

	if (likely(size <= KMALLOC_SLABS))
		return slab_alloc(&caches[class_of[(size + 15) / 16]]);
	while (order <= MAX_ORDER && PAGE_SIZE << order < size)
		order++;
	if (order > MAX_ORDER)
		return NULL;
	p = page_alloc(PAGE_KERNEL, order, 0);
	return p ? page_to_virt(p) : NULL;
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	return p ? memset(p, 0, size) : NULL;
}

void kfree(void *p)
{
	struct page *page;

	if (!p)
		return;
	page = virt_to_page(p);
	if (likely(page->kind == PAGE_SLAB)) {
		slab_free(&caches[page->level], p);
		return;
	}
	if (page->kind != PAGE_KERNEL || page_refcount(page) != 1 || (u64)p & (PAGE_SIZE - 1))
		panic("kfree: %p was not handed out (kind %u)", p, page->kind);
	page_put(page);
}

static void cpu_trim(struct slab_cache *c, struct slab_cpu *cpu)
{
	if (READ_ONCE(cpu->count))
		cpu_drain(c, cpu, ~0u);
	spin_lock(&cpu->lock);
	cpu->eager = TRIM_EAGER;
	spin_unlock(&cpu->lock);
}

void alloc_trim(void)
{
	for (unsigned i = 0; i < nr_caches; i++) {
		struct slab_cache *c = &caches[i];

		for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
			cpu_trim(c, &cpu_lists[cpu][i]);
		spin_lock(&c->lock);
		while (c->nr_empty)
			slab_release(c, list_first(&c->empty, struct page, link));
		spin_unlock(&c->lock);
	}
	frames_trim();
}

u64 slab_frames(void)
{
	return atomic_load(&nr_slab_frames);
}

unsigned slab_caches(struct slab_info *out, unsigned max)
{
	unsigned n = min(max, nr_caches);

	for (unsigned i = 0; i < n; i++)
		out[i] = (struct slab_info){.name = caches[i].name,
					    .size = caches[i].stride,
					    .objects = caches[i].objects,
					    .order = caches[i].order};
	for (pfn_t pfn = 0; pfn < page_array_len; pfn++) {
		const struct page *p = pfn_to_page(pfn);

		if (p->kind != PAGE_SLAB || p->level >= n ||
		    pfn & ((1ull << caches[p->level].order) - 1))
			continue;
		out[p->level].slabs++;
		out[p->level].used += p->slab.used;
	}
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
		for (unsigned i = 0; i < n; i++)
			out[i].used -= atomic_load(&cpu_lists[cpu][i].count);
	return nr_caches;
}

void *radix_node_alloc(void)
{
	return slab_zalloc(&caches[CACHE_RADIX_NODE]);
}

void radix_node_free(void *node)
{
	slab_free(&caches[CACHE_RADIX_NODE], node);
}
