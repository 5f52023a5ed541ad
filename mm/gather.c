/* Flush first, then drop: see mm/gather.h. */
#include "mm/gather.h"
#include "mm/tree.h"

void gather_init(struct gather *g, struct mm *mm)
{
	g->mm = mm;
	g->start = ~0ull;
	g->end = 0;
	g->count = 0;
}

void gather_range(struct gather *g, vaddr_t va, u64 size)
{
	g->start = min(g->start, va);
	g->end = max(g->end, va + size);
}

void gather_add(struct gather *g, vaddr_t va, u64 size, struct page *page)
{
	gather_range(g, va, size);
	if (!page)
		return;
	g->pages[g->count++] = page;
	if (g->count == GATHER_BATCH)
		gather_flush(g);
}

void gather_flush(struct gather *g)
{
	if (g->start < g->end)
		mmu_flush_range(&g->mm->mmu, g->start, g->end);
	for (u32 i = 0; i < g->count; i++)
		tree_drop(g->pages[i]);
	g->start = ~0ull;
	g->end = 0;
	g->count = 0;
}
