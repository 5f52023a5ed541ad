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
#define VM_ACCOUNT     0x00100000u
#define VM_NORESERVE   0x00200000u
#define VM_WIPEONFORK  0x02000000u
#define VM_DONTDUMP    0x04000000u
#define VM_HUGEPAGE    0x20000000u
#define VM_NOHUGEPAGE  0x40000000u
#define VM_MERGEABLE   0x80000000u

struct area {
	struct rb_node node;
	vaddr_t start, end;  /* page aligned, start < end */
	u64 gap;	     /* largest hole before any area of this subtree */
	u64 pgoff;	     /* of start: in the file, or the linear index of anonymous memory */
	struct mapping *map; /* page cache behind it; NULL: anonymous */
	struct file *file;   /* referenced; NULL where map is */
	u32 flags;
	bool has_anon; /* a private page of its own may lie in it */
};

struct area_set {
	u32 refs;	  /* mms that share the set; changed only while 1 */
	u32 count;
	struct rb_tree tree;
};

/* The area that holds va, or the first one above it; NULL: none. Caller holds mm->lock. */
struct area *area_find(struct mm *mm, vaddr_t va);
/* The first area, and the one after `a`, in address order; NULL at the end. */
struct area *area_first(struct mm *mm);
struct area *area_next(struct area *a);
struct area *area_prev(struct area *a);
