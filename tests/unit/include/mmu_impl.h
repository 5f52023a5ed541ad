/* The host's share of arch/mmu.h: physical memory is one arena, frame 0 at its start. */
#pragma once

extern char *sim_arena;

static inline void *pfn_to_virt(pfn_t pfn)
{
	return sim_arena + (pfn << PAGE_SHIFT);
}

static inline pfn_t virt_to_pfn(const void *v)
{
	return (pfn_t)((const char *)v - sim_arena) >> PAGE_SHIFT;
}
