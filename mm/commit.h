/*
 * Overcommit: how much memory may be promised. As Linux's vm.overcommit_memory: 0 refuses only what
 * can never be had, 1 refuses nothing, 2 keeps promises within CommitLimit.
 */
#pragma once

#include "mm/area.h"

extern int vm_overcommit_memory;
extern int vm_overcommit_ratio;	 /* per cent of memory, for mode 2... */
extern u64 vm_overcommit_kbytes; /* ...or, where it is not 0, so much */
extern int vm_user_reserve_kbytes;

/*
 * Promises n pages to mm (NULL: to nobody's). -ENOMEM where the mode forbids; `single`: they are one request,
 * which mode 0 weighs. In mode 2 a process leaves a 32nd of its own size, and at most
 * vm_user_reserve_kbytes, for others.
 */
int __must_check commit_reserve(const struct mm *mm, u64 n, bool single);
void commit_release(u64 n);
u64 commit_limit(void); /* pages */
u64 committed_as(void); /* pages */

/* Pages that an area of these flags is accounted for. */
static inline u64 commit_pages_of(u32 flags, u64 pages)
{
	return flags & VM_ACCOUNT ? pages : 0;
}

/* Releases what such an area had promised, and returns it. */
static inline u64 commit_give_back(u32 flags, u64 pages)
{
	u64 n = commit_pages_of(flags, pages);

	commit_release(n);
	return n;
}
