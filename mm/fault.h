/* What the parts of the page fault share: mm/fault.c finds what is wanted, mm/cow.c copies on write. */
#pragma once

#include "mm/map.h"
#include "mm/stat.h"

struct fault {
	struct mm *mm;
	struct area *area;
	vaddr_t va; /* of the page */
	unsigned access;
};

/* The entry for a new private frame at va, in f->area: named after it, mapped once, writable where
 * the area is. */
static inline pte_t private_entry(struct fault *f, struct page *p, vaddr_t va)
{
	const u64 write = f->area->flags & VM_WRITE ? PTE_WRITE | PTE_DIRTY : 0;

	p->anon.family = f->mm->family;
	p->anon.index = area_index(f->area, va);
	atomic_store(&p->mapcount, 1);
	if (unlikely(!atomic_load(&f->area->has_anon))) /* others on that line fault, too */
		atomic_store(&f->area->has_anon, true);
	return pte_make(page_to_pfn(p), f->area->pte_bits | write);
}

static inline void count_zero_fill(struct fault *f)
{
	vm_count(VM_zero_fill);
	atomic_inc(&f->mm->stat.zero_fill);
}

static inline void count_copy(struct fault *f)
{
	vm_count(VM_cow_copy);
	atomic_inc(&f->mm->stat.cow_copy);
}

/*
 * A write to the private page at f->va, whose entry `s` is present and lacks W. Where the write goes
 * on a sequential streak, the pages behind it are resolved as well. FAULT_OK or FAULT_OOM.
 */
enum fault_result cow_write(struct fault *f, struct slot *s) __must_hold(&s->table->lock)
    __must_hold_shared(&f->mm->lock);
