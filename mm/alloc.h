/*
 * Frames, objects and large kernel buffers. Nothing here sleeps; what fails returns NULL and
 * changes nothing. Safe in any context but an interrupt handler.
 */
#pragma once

#include "mm/page.h"

#define MAX_ORDER 10 /* the largest block: 4 MiB */

#define ALLOC_ZERO    BIT(0) /* filled with zeros */
#define ALLOC_RESERVE BIT(1) /* may use the reserve: for a task that is dying, or to end one */

/* A block of 2^order frames, refcount 1, mapcount 0, of this kind; NULL where memory ran out. */
struct page *page_alloc(enum page_kind kind, unsigned order, unsigned flags) __must_check;

/*
 * For a CPU with nothing to do: fills one free frame with zeros, for who wants one. False: there
 * are enough.
 */
bool frames_zero_one(void);

/*
 * Frames that page_alloc could still hand out, per-CPU lists and the reserve included: exact but for what other
 * CPUs take or free meanwhile, and the one frame that an idle CPU just moves between its stacks.
 */
u64 frames_free(void);
/* Frames the allocator was given at boot and by frames_add(): the other side of the ledger. */
u64 frames_total(void);

/* Hands [start, end) to the allocator. Boot, and for memory that boot no longer needs. */
void frames_add(pfn_t start, pfn_t end);

/* Sets page_array up at `array` for `len` frames, all PAGE_RESERVED, before the first frames_add().
 */
void frames_init(struct page *array, pfn_t len);

/* The frame of zeros that untouched memory reads as. Allocated by frames_init_zero(). */
extern pfn_t zero_pfn;
void frames_init_zero(void);

/* kmalloc: up to KMALLOC_MAX bytes, aligned to 16; beyond a page, whole frames. */
#define KMALLOC_MAX (PAGE_SIZE << MAX_ORDER)
void *kmalloc(size_t size) __must_check;
void *kzalloc(size_t size) __must_check;
void kfree(void *p); /* NULL is fine */

/* A cache of objects of one size. The debug build poisons free objects and checks red zones. */
struct slab_cache *slab_create(const char *name, size_t size, size_t align); /* boot; never NULL */
void *slab_alloc(struct slab_cache *c) __must_check;
void *slab_zalloc(struct slab_cache *c) __must_check;
void slab_free(struct slab_cache *c, void *obj);
/* Gives back every frame that slabs hold empty, and all CPUs' lists to the buddy: for the ledger.
 */
void alloc_trim(void);

/* Frames that slabs hold, for /proc/meminfo. */
u64 slab_frames(void);

/* One cache, for /proc/slabinfo. */
struct slab_info {
	const char *name;
	u32 size;	    /* bytes from one object to the next */
	u32 objects, order; /* of one slab: objects in it, its frames */
	u64 slabs, used;    /* slabs there are; objects in use */
};
/* Fills at most max entries and returns how many caches there are. Looks at every struct page. */
unsigned slab_caches(struct slab_info *out, unsigned max);
/* What is free by block size, for /proc/buddyinfo: counts[order]. */
void frames_free_by_order(u64 counts[MAX_ORDER + 1]);

/*
 * Test hook of the host build and of /proc/sys/vm/fail_nth: the n-th allocation from now (1 is the
 * next) fails, once. 0 turns it off. Reading back tells how many are left.
 */
extern u64 alloc_fail_nth;
/* True where this allocation is the one to fail. Asked once by each public function above. */
bool alloc_should_fail(void);
/* Every CPU's single frames go back to the buddy lists. For alloc_trim(). */
void frames_trim(void);
