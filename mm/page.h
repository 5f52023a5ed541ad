/*
 * struct page: what the kernel knows of a frame of 4 KiB.
 *
 *	count		mapcount = page-table entries, in all trees, that reference the frame,
 *			whether it holds data or a table. refcount = every holder: those entries, the
 *			page cache, a pin of the kernel. The frame is free when refcount is 0.
 *	wrap		Each reference costs eight bytes of memory at least, and both counts stick at
 *			COUNT_MAX: a frame that got there is never freed rather than freed too early.
 *	zero page	Reserved frames (PAGE_RESERVED) are not counted.
 */
#pragma once

#include "arch/mmu.h"
#include "kernel/lib/list.h"
#include "kernel/lock.h"

struct family;
struct mapping;

enum page_kind {
	PAGE_FREE,     /* in the allocator */
	PAGE_RESERVED, /* firmware, kernel image, struct pages, the zero page: never counted or
			  freed */
	PAGE_KERNEL,   /* allocated, no more said of it: stacks, buffers */
	PAGE_SLAB,
	PAGE_TABLE, /* a page table of a user tree */
	PAGE_ANON,  /* anonymous data, private to a family */
	PAGE_FILE,  /* in a mapping's page cache */
};

/* Bits of page->flags. */
#define PAGE_PINNED   BIT(0) /* on a table: a frame below it may be pinned; fork copies it */
#define PAGE_ZEROED   BIT(1) /* on a free frame, or one about to be freed: holds zeros already */
#define PAGE_SEEN     BIT(2) /* on a table, during an audit */
#define PAGE_POISONED BIT(2) /* on a free frame: holds the debug build's poison */

#define PAGE_NO_HEAD 0xff /* page->order of a frame that heads no block of the buddy lists */

#define COUNT_MAX 0x80000000u

struct page {
	union {
		struct {
			u32 refcount;
			u32 mapcount;
		};
		u64 counts; /* both, so that mapping adds to both in one step */
	};
	union {
		spinlock_t lock; /* a table's entries */
		struct { /* PAGE_SLAB, the first frame of a slab; guarded by its cache's lock */
			u16 free; /* the first free object: its distance from the slab's start / 8
				   */
			u16 used; /* objects that are not in the slab's own list */
		} slab;
	};
	union {
		struct {
			u8 kind;  /* enum page_kind */
			u8 order; /* of the block that this frame heads; else PAGE_NO_HEAD */
		};
		u16 kind_order; /* both, for the allocator to look at a frame that is not its own */
	};
	u8 level; /* a table's: 1 to TABLE_LEVELS; a slab's: the number of its cache */
	u8 flags;
	union {
		struct list_head link; /* free, or kept by its owner; a slab with free objects */
		struct {	       /* PAGE_ANON */
			struct family *family;
			u64 index; /* linear page index within the family's areas */
		} anon;
		struct { /* PAGE_FILE */
			struct mapping *mapping;
			u64 index; /* offset in the file, in pages */
		} file;
		struct table_counts { /* PAGE_TABLE, guarded by lock */
			u16 live;     /* entries that are not none */
			u16 rss[3];   /* of a level-1 table, by enum rss_kind */
			u64 groups;   /* bit n is 0: entries 8n to 8n+7 are none, and always were */
		} table;
		u64 private[2];
	};
};
_Static_assert(sizeof(struct page) == 32, "struct page is sized for two to a cache line");

extern struct page *page_array; /* indexed by pfn, [0, page_array_len) */
extern pfn_t page_array_len;

static inline struct page *pfn_to_page(pfn_t pfn)
{
	return &page_array[pfn];
}

static inline pfn_t page_to_pfn(const struct page *p)
{
	return (pfn_t)(p - page_array);
}

static inline void *page_to_virt(const struct page *p)
{
	return pfn_to_virt(page_to_pfn(p));
}

static inline struct page *virt_to_page(const void *v)
{
	return pfn_to_page(virt_to_pfn(v));
}

/*
 * Acquire: who finds itself the last may write what the others have read before they let go. It reads
 * both counts, as page_unmap() writes both, since half of an atomic object pairs with nothing.
 */
static inline u32 page_mapcount(const struct page *p)
{
	return (u32)(atomic_load_acquire(&p->counts) >> 32);
}

static inline u32 page_refcount(const struct page *p)
{
	return atomic_load(&p->refcount);
}

/* True where one entry references the frame and nobody else holds it. Stable for that entry's
 * owner. */
static inline bool page_sole_owner(const struct page *p)
{
	return atomic_load_acquire(&p->counts) == (1ull << 32 | 1);
}

/* One more entry references the frame. */
static inline void page_map(struct page *p)
{
	u64 before = atomic_fetch_add(&p->counts, 1ull << 32 | 1);

	if (unlikely(before & ((u64)COUNT_MAX << 32 | COUNT_MAX)))
		atomic_or(&p->counts, (u64)COUNT_MAX << 32 | COUNT_MAX);
}

/* One more holder that is not an entry. */
static inline void page_get(struct page *p)
{
	if (unlikely(atomic_inc(&p->refcount) & COUNT_MAX))
		atomic_or(&p->refcount, COUNT_MAX);
}

/* Frees the frame (of order page->order) whose refcount has reached 0. */
void page_free(struct page *p);

/* One holder fewer; the last one frees the frame. */
static inline void page_put(struct page *p)
{
	if (unlikely(atomic_load(&p->refcount) & COUNT_MAX))
		return;
	if (atomic_dec(&p->refcount) == 0)
		page_free(p);
}

/*
 * One entry fewer. Returns true where nobody holds the frame any more: the caller then frees it,
 * a table after it has dropped what the table references.
 */
static inline bool __must_check page_unmap(struct page *p)
{
	if (unlikely(atomic_load(&p->counts) & ((u64)COUNT_MAX << 32 | COUNT_MAX)))
		return false;
	return atomic_sub(&p->counts, 1ull << 32 | 1) == 0;
}
