/* The kernel's own page tables. */
#pragma once

#include "arch/mmu.h"

#define KPTE_DATA   (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | PTE_NX)
#define KPTE_RODATA (PTE_PRESENT | PTE_ACCESSED | PTE_GLOBAL | PTE_NX)
#define KPTE_TEXT   (PTE_PRESENT | PTE_ACCESSED | PTE_GLOBAL)
#define KPTE_DEVICE (KPTE_DATA | PTE_PCD | PTE_PWT)
#define KPTE_TABLE  (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED)

extern pfn_t kernel_root; /* the level-4 table that no program's tree needs to be there for */

/* Frames for tables and for page_array, before there is an allocator: zeroed, mapped, for good. */
void *early_alloc(size_t size, size_t align);

/* Builds the final tables and walks them. Afterwards nothing lies at low addresses. */
struct boot_info;
void paging_init(const struct boot_info *info);
/* Uncached, for good. */
void *device_map(paddr_t pa, size_t size);
/* The kernel's table of level 2 (entries of 2 MiB) for the GiB at STACKS_BASE. */
pte_t *paging_stacks_table(void);
/* True where the kernel can read the byte at va. */
bool kernel_mapped(vaddr_t va);
