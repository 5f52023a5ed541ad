/* The reverse map: from the frames of a file to the address spaces that may map them. */
#pragma once

#include "mm/pagecache.h"

/*
 * Empties every entry, in any address space, for pages of m from index `first` on; private copies
 * go too, as Linux does. Takes each mm's lock exclusive. 0, or -ENOMEM (the edge of a shared table
 * could not be copied) with nothing emptied; but where a process forks meanwhile and memory ends just
 * then, some address spaces map some of the pages no more.
 */
int __must_check rmap_unmap_file(struct mapping *m, u64 first);

/*
 * Empties every entry for pages [first, last) of m, in any address space, but for private copies, which
 * stay. Takes each mm's lock exclusive. 0, or -ENOMEM with some entries emptied: what they mapped is
 * found in the page cache again.
 */
int __must_check rmap_unmap_hole(struct mapping *m, u64 first, u64 last);

/* Every mm that has areas is known here, from its creation until its last user leaves. */
void rmap_add_mm(struct mm *mm);
void rmap_remove_mm(struct mm *mm);

/* All of them, for the audit: the caller sees to it that none comes or goes. */
struct mm *rmap_first_mm(void);
struct mm *rmap_next_mm(struct mm *mm);
