/*
 * Areas (Linux's VMAs): what a range of addresses is. A set of them is ordered by address, knows
 * its gaps, and is counted, so that fork can share it until one side changes it.
 */
#pragma once

#include "kernel/lib/rbtree.h"
#include "mm/mm.h"

/* area->flags: Linux's VM_ values, as /proc/pid/smaps names them. */
#define VM_READ	       0x00000001u
#define VM_WRITE       0x00000002u
#define VM_EXEC	       0x00000004u
#define VM_SHARED      0x00000008u
#define VM_MAYREAD     0x00000010u
#define VM_MAYWRITE    0x00000020u
#define VM_MAYEXEC     0x00000040u
#define VM_MAYSHARE    0x00000080u
#define VM_GROWSDOWN   0x00000100u
#define VM_LOCKED      0x00002000u
#define VM_SEQ_READ    0x00008000u
#define VM_RAND_READ   0x00010000u
#define VM_DONTCOPY    0x00020000u
#define VM_DONTEXPAND  0x00040000u
#define VM_LOCKONFAULT 0x00080000u
#define VM_ACCOUNT     0x00100000u
#define VM_NORESERVE   0x00200000u
#define VM_WIPEONFORK  0x02000000u
#define VM_DONTDUMP    0x04000000u
#define VM_HUGEPAGE    0x20000000u
#define VM_NOHUGEPAGE  0x40000000u
#define VM_MERGEABLE   0x80000000u

#define VM_LOCKED_BITS (VM_LOCKED | VM_LOCKONFAULT)

/* What the child does not have as its parent does. */
#define VM_FORK_SPECIAL (VM_DONTCOPY | VM_WIPEONFORK | VM_LOCKED)

struct area {
	struct rb_node node;
	vaddr_t start, end;  /* page aligned, start < end */
	u64 hole;	     /* unmapped bytes between the area before (or address 0) and start */
	u64 max_hole;	     /* largest hole in this node's subtree */
	u64 pgoff;	     /* of start: in the file, or the linear index of anonymous memory */
	struct mapping *map; /* page cache behind it; NULL: anonymous */
	struct file *file;   /* referenced; NULL where map is */
	u64 pte_bits; /* of an entry of this area, W apart: that one is for the fault to decide */
	u32 flags;
	bool has_anon; /* a private page of its own may lie in it. Atomic: faults set it. */
	u16 policy;    /* mbind(2)'s: the nodes are all one, so it is kept for who asks. 0: none */
};

/*
 * Sets are shared by the mms of a family until one of them changes its own: area_own() makes the
 * set of an mm its alone. A shared set is read-only, but for has_anon.
 */
struct area_set {
	u32 refs; /* mms. Atomic. */
	u32 count;
	u64 fork_special; /* pages of areas that fork does not hand on as they are: VM_FORK_SPECIAL */
	u32 watched;	  /* areas whose mapping has a watch */
	struct rb_tree tree;
};

/* Looking up: the caller holds mm->lock. NULL: there is none. */
struct area *area_find(struct mm *mm, vaddr_t va)
    __must_hold_shared(&mm->lock); /* holds va, or the first one above it */
struct area *area_at(struct mm *mm, vaddr_t va) __must_hold_shared(&mm->lock); /* holds va */
struct area *area_first(struct mm *mm) __must_hold_shared(&mm->lock);
struct area *area_next(const struct area *a);
struct area *area_prev(const struct area *a);

/* Changing: the caller holds mm->lock exclusive, and has called area_own() before it looked
 * anything up. */

/* Makes the set this mm's alone; every area pointer got before is stale. 0 or -ENOMEM. */
int __must_check area_own(struct mm *mm) __must_hold(&mm->lock);
/* What an area is, apart from where: the arguments of area_new(). */
struct area_kind {
	u64 pgoff;
	u32 flags;
	struct file *file; /* area_new() takes a reference of its own */
};
/* An area that lies nowhere yet: made before the first thing is changed. NULL: no memory. */
struct area *area_new(const struct area_kind *kind);
/* Puts it at [start, end), which is empty. */
void area_insert(struct mm *mm, struct area *a, vaddr_t start, vaddr_t end) __must_hold(&mm->lock);
/* Gives back an area that was not inserted. NULL is fine. */
void area_discard(struct area *a);
/* Cuts areas so that none crosses `at`. 0 or -ENOMEM. */
int __must_check area_split(struct mm *mm, vaddr_t at) __must_hold(&mm->lock);
/* Removes an area whose entries are gone already. */
void area_remove(struct mm *mm, struct area *a) __must_hold(&mm->lock);
/* Moves an area's bounds; the new range holds no other area. pgoff follows start. */
void area_resize(struct mm *mm, struct area *a, vaddr_t start, vaddr_t end) __must_hold(&mm->lock);
/* Changes an area's flags, keeping the mm's page totals right. */
void area_set_flags(struct mm *mm, struct area *a, u32 flags) __must_hold(&mm->lock);
/* Joins areas within [start, end] and at its edges that continue each other. */
void area_merge_range(struct mm *mm, vaddr_t start, vaddr_t end) __must_hold(&mm->lock);

/* A hole of len bytes within [low, high), the highest there is (or the lowest, where `up`); 0:
 * none. */
vaddr_t area_find_hole(struct mm *mm, u64 len, vaddr_t low, vaddr_t high, bool up)
    __must_hold_shared(&mm->lock);

/* What stays unmapped below an area that grows down. */
#define STACK_GUARD_GAP (256 * PAGE_SIZE)

/* Tells who watches mappings that the mm has all areas of its set from now on, or has them no more. */
void area_tell_all(struct mm *mm, bool more) __must_hold_shared(&mm->lock);

struct area_set *area_set_create(void);
struct area_set *area_set_share(struct area_set *s); /* one reference more */
void area_set_put(struct area_set *s);

static inline u64 area_pages(const struct area *a)
{
	return (a->end - a->start) >> PAGE_SHIFT;
}

/* The page offset of va in its file, or its linear index. */
static inline u64 area_index(const struct area *a, vaddr_t va)
{
	return a->pgoff + ((va - a->start) >> PAGE_SHIFT);
}

static inline bool area_is_private(const struct area *a)
{
	return !(a->flags & VM_SHARED);
}

void area_init(void);

/* Areas of one address space: vm.max_map_count. */
extern int vm_max_map_count;
