/*
 * The narrow header between mm/ and the machine: entries, translations, frames.
 *
 * Entry encodings are x86-64's (Intel SDM volume 3, section 4.5) and are shared by both
 * implementations; <mmu_impl.h> (arch/x86_64/, tests/unit/sim/) gives the direct map.
 *
 * An entry is loaded and stored whole, by the functions below and no others. The CPU sets A and
 * D in entries it walks, at any time, where the path is writable (D) or present (A).
 */
#pragma once

#include "arch/cpu.h"
#include "arch/x86_64/pte.h"
#include "kernel/lib/atomic.h"

#define PAGE_SHIFT    12
#define PAGE_SIZE     (1ull << PAGE_SHIFT)
#define PAGE_MASK     (~(PAGE_SIZE - 1))
#define TABLE_SHIFT   9
#define TABLE_ENTRIES (1u << TABLE_SHIFT)
#define TABLE_LEVELS  4 /* the root's level; a level-1 table holds leaves of 4 KiB */

#define USER_END (BIT(47) - PAGE_SIZE) /* as Linux's TASK_SIZE_MAX with 4 levels */

#include <mmu_impl.h> /* void *pfn_to_virt(pfn_t); pfn_t virt_to_pfn(const void *); */

/* Bytes that one entry of a table of this level maps. */
static inline u64 level_size(unsigned level)
{
	return PAGE_SIZE << (TABLE_SHIFT * (level - 1));
}

static inline unsigned level_index(vaddr_t va, unsigned level)
{
	return (va >> (PAGE_SHIFT + TABLE_SHIFT * (level - 1))) & (TABLE_ENTRIES - 1);
}

/* What an mm gives the machine: its root and who may hold translations of it. */
struct mmu {
	pfn_t root;
	u64 cpus; /* bit n: CPU n walks this tree, and may cache translations of it. Atomic. */
	u64 id; /* where translations carry tags, like the next: no other tree's, ever; 0: not yet given */
	u64 flushes; /* that it has had. Atomic, both. */
};

/*
 * True where another CPU walks the tree. One that starts to walk it later sees what was changed by a full
 * barrier before this was asked, once that is flushed.
 */
static inline bool mmu_elsewhere(const struct mmu *m)
{
	return atomic_load(&m->cpus) & ~BIT(cpu_id());
}

/* Fills the kernel's share of a new root (zeroed by the caller). */
void mmu_init_root(pte_t *root);
/* Takes it out again, so that a root with no user entries left is full of zeros. */
void mmu_clear_root(pte_t *root);
/* Makes m the tree that this CPU walks; NULL: the kernel's alone. */
void mmu_activate(struct mmu *m);
/*
 * Before the tree is taken apart, for good: no CPU walks it afterwards, nor uses what it may have cached of
 * it under a tag.
 */
void mmu_forget(struct mmu *m);

/*
 * Drops what any CPU may have cached of [start, end): translations and paging structures both.
 * On return no CPU uses them any more. Never called with a spinlock held that an interrupt
 * handler takes.
 */
void mmu_flush_range(struct mmu *m, vaddr_t start, vaddr_t end);
void mmu_flush_all(struct mmu *m);

/* Flushes since boot, of all CPUs together: as /proc/vmstat counts them. */
struct mmu_flushes {
	u64 remote, received, local_all, local_one;
};
void mmu_flushes(struct mmu_flushes *sum);

void mmu_zero_frame(pfn_t pfn);
void mmu_copy_frame(pfn_t to, pfn_t from);
