/* Overcommit: see mm/commit.h. */
#include "mm/commit.h"
#include "kernel/errno.h"

int vm_overcommit_memory;
int vm_overcommit_ratio = 50;

static u64 committed; /* pages promised. Atomic. */

u64 commit_limit(void)
{
	return frames_total() * (u64)vm_overcommit_ratio / 100;
}

u64 committed_as(void)
{
	return atomic_load(&committed);
}

int commit_reserve(u64 n, bool single)
{
	u64 now = atomic_add(&committed, n);

	if ((vm_overcommit_memory == 0 && single && n > frames_total()) ||
	    (vm_overcommit_memory == 2 && now > commit_limit())) {
		atomic_sub(&committed, n);
		return -ENOMEM;
	}
	return 0;
}

void commit_release(u64 n)
{
	atomic_sub(&committed, n);
}
