/* What the files about mmap and its kin share: room, limits, promises, and emptying a range. */
#pragma once

#include "mm/area.h"
#include "mm/tree.h"

#define MMAP_MIN_ADDR 0x10000ull /* Linux's vm.mmap_min_addr */

/* True where [addr, addr + len) is whole pages below USER_END; len may be 0. */
static inline bool range_ok(vaddr_t addr, u64 len)
{
	return !((addr | len) & ~PAGE_MASK) && len <= USER_END && addr <= USER_END - len;
}

/* Room for `pages` more of these flags: RLIMIT_AS, RLIMIT_DATA. */
bool map_within_limits(const struct mm *mm, u32 flags, u64 pages) __must_hold_shared(&mm->lock);
/* Promises memory to an area of these flags and charges the mm with it. 0 or -ENOMEM. */
int __must_check map_commit(struct mm *mm, u32 flags, u64 pages) __must_hold(&mm->lock);
void map_uncommit(struct mm *mm, u32 flags, u64 pages) __must_hold(&mm->lock);
/* A place for len bytes that mmap may choose, or -ENOMEM. */
long map_find_place(struct mm *mm, u64 len, unsigned flags) __must_hold(&mm->lock);
/* Whether an area of these VM_ flags is accounted for: private and writable. */
static inline bool map_accountable(u32 flags)
{
	return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) == VM_WRITE;
}
/* Room for `pages` more that are locked: RLIMIT_MEMLOCK. */
bool mlock_within_limit(const struct mm *mm, u64 pages) __must_hold_shared(&mm->lock);
static inline u32 prot_to_flags(unsigned prot)
{
	return prot & (PROT_READ | PROT_WRITE |
		       PROT_EXEC); /* VM_READ, VM_WRITE, VM_EXEC are the same bits */
}

/*
 * munmap with mm->lock held exclusive and area_own() done. -ENOMEM (too many areas, or no table
 * at the edge of a shared one) changes nothing that a program could see.
 */
int __must_check unmap_range(struct mm *mm, vaddr_t start, vaddr_t end) __must_hold(&mm->lock);
