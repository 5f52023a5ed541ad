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
