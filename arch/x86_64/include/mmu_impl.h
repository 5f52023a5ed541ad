/* The direct map: every frame of RAM at a fixed offset. */
#pragma once

#include "arch/x86_64/layout.h"
#include "kernel/lib/types.h"

static inline void *phys_to_virt(paddr_t pa)
{
	return (void *)(pa + DIRECT_BASE);
}

/* Of an address in the direct map; the kernel image has kernel_to_phys(). */
static inline paddr_t virt_to_phys(const void *v)
{
	return (u64)v - DIRECT_BASE;
}

static inline void *pfn_to_virt(pfn_t pfn)
{
	return phys_to_virt(pfn << 12);
}

static inline pfn_t virt_to_pfn(const void *v)
{
	return virt_to_phys(v) >> 12;
}
