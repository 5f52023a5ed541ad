/*
 * Dropping frames in bulk, in the one order that is safe: entries are emptied first, then every CPU
 * forgets what it cached of them, then the frames lose their references.
 */
#pragma once

#include "mm/mm.h"

#define GATHER_BATCH 100

struct gather {
	struct mm *mm;
	vaddr_t start, end; /* what the next flush covers; start > end: nothing */
	u32 count;
	struct page *pages[GATHER_BATCH]; /* each lost one entry, and waits for the flush */
};

void gather_init(struct gather *g, struct mm *mm);
/* Flushes and drops what is gathered. Called with no table locked; the gather may go on being used. */
void gather_flush(struct gather *g);

static inline bool gather_full(const struct gather *g)
{
	return g->count == GATHER_BATCH;
}

/* Only the rights of [va, va + size) changed. */
static inline void gather_range(struct gather *g, vaddr_t va, u64 size)
{
	g->start = min(g->start, va);
	g->end = max(g->end, va + size);
}

/*
 * The entry that mapped [va, va + size) is changed, and referenced `page` (NULL: no counted frame). The
 * gather is not full.
 */
static inline void gather_add(struct gather *g, vaddr_t va, u64 size, struct page *page)
{
	gather_range(g, va, size);
	if (page)
		g->pages[g->count++] = page;
}
