/* Overcommit: see mm/commit.h. */
#include "mm/commit.h"
#include "kernel/errno.h"

int vm_overcommit_memory;
int vm_overcommit_ratio = 50;
u64 vm_overcommit_kbytes;
int vm_user_reserve_kbytes = 128 << 10;

static u64 committed; /* pages promised. Atomic. */

u64 commit_limit(void)
{
	if (vm_overcommit_kbytes)
		return vm_overcommit_kbytes >> (PAGE_SHIFT - 10);
	return frames_total() * (u64)vm_overcommit_ratio / 100;
}

u64 committed_as(void)
{
	return atomic_load(&committed);
}

/* What mode 2 lets mm have in all. */
static u64 limit_for(const struct mm *mm)
{
	u64 limit = commit_limit(), spare = 0;

	if (mm)
		spare = min(READ_ONCE(mm->total_pages) / 32,
			    (u64)vm_user_reserve_kbytes >> (PAGE_SHIFT - 10));
	return limit > spare ? limit - spare : 0;
}

int commit_reserve(const struct mm *mm, u64 n, bool single)
{
	u64 now = atomic_add(&committed, n);

	if ((vm_overcommit_memory == 0 && single && n > frames_total()) ||
	    (vm_overcommit_memory == 2 && now > limit_for(mm))) {
		atomic_sub(&committed, n);
		return -ENOMEM;
	}
	return 0;
}

void commit_release(u64 n)
{
	atomic_sub(&committed, n);
}
