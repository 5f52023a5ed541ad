/*
 * A family: the address spaces that descend by fork from one exec. An anonymous frame names its
 * family and its linear index, so "who maps this frame" is asked of the family's members.
 */
#pragma once

#include "mm/mm.h"

struct family {
	spinlock_t lock; /* LOCK_FAMILY: members */
	struct list_head members __guarded_by(&lock);
	u32 refs; /* member mms, and frames that outlive the mm which named them. Atomic. */
	u64 auxv[MM_AUXV_WORDS]; /* written by exec, before there is a second member */
};

struct family *family_create(void);
void family_join(struct family *f, struct mm *mm);
void family_leave(struct mm *mm);

/* Creation and teardown by halves, for fork. An mm with a root and nothing else; NULL: no memory.
 */
struct mm *mm_alloc(void) __must_check;
/* Drops areas, tree and family of an mm that has them. */
void mm_drop_contents(struct mm *mm);
