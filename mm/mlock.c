/*
 * Locked memory: mlock and its kin. Nothing here is ever taken out of memory, so a lock is a promise that is kept
 * anyhow; what it adds is that the pages are there at once, that MADV_DONTNEED spares them, and that a
 * limit holds. A child has none of its parent's locks (mm/fork.c).
 */
#include "kernel/errno.h"
#include "mm/map.h"
#include "mm/mman.h"

bool mlock_within_limit(const struct mm *mm, u64 pages)
{
	return mm->locked_pages + pages <= mm_lock_limit();
}

/* Pages of [start, end) that are locked already. */
static u64 locked_in(struct mm *mm, vaddr_t start, vaddr_t end) __must_hold(&mm->lock)
{
	u64 pages = 0;

	for (struct area *a = area_find(mm, start); a && a->start < end; a = area_next(a))
		if (a->flags & VM_LOCKED)
			pages += (min(a->end, end) - max(a->start, start)) >> PAGE_SHIFT;
	return pages;
}

/* `locked`: the VM_LOCKED_BITS that [start, end), within one area, gets instead of those it has. */
static int lock_piece(struct mm *mm, struct area *a, vaddr_t start, vaddr_t end, u32 locked)
    __must_hold(&mm->lock)
{
	u32 flags = (a->flags & ~VM_LOCKED_BITS) | locked;
	int err;

	if (flags == a->flags)
		return 0;
	err = area_split(mm, start);
	if (!err)
		err = area_split(mm, end);
	if (!err)
		area_set_flags(mm, area_at(mm, start), flags);
	return err;
}

/* A hole ends it, with what lies before it done. */
static int lock_range(struct mm *mm, vaddr_t start, vaddr_t end, u32 locked) __must_hold(&mm->lock)
{
	vaddr_t next;
	int err = 0;

	for (vaddr_t va = start; va < end && !err; va = next) {
		struct area *a = area_at(mm, va);

		next = a ? min(a->end, end) : end;
		err = a ? lock_piece(mm, a, va, next, locked) : -ENOMEM;
	}
	area_merge_range(mm, start, end);
	return err;
}

static int lock_call(struct mm *mm, vaddr_t addr, u64 len, u32 locked)
{
	vaddr_t start = addr & PAGE_MASK,
		end = start + ALIGN_UP(len + (addr & ~PAGE_MASK), PAGE_SIZE);
	int err;

	rwsem_write_lock(&mm->lock);
	err = area_own(mm);
	if (!err && locked && end >= start &&
	    !mlock_within_limit(mm, ((end - start) >> PAGE_SHIFT) - locked_in(mm, start, end)))
		err = -ENOMEM;
	if (!err && end < start)
		err = -EINVAL;
	if (!err)
		err = lock_range(mm, start, end, locked);
	rwsem_write_unlock(&mm->lock);
	return err;
}

long mm_mlock(struct mm *mm, vaddr_t addr, u64 len, bool on_fault)
{
	if (!mm_lock_limit())
		return -EPERM;
	return lock_call(mm, addr, len, VM_LOCKED | (on_fault ? VM_LOCKONFAULT : 0));
}

long mm_munlock(struct mm *mm, vaddr_t addr, u64 len)
{
	return lock_call(mm, addr, len, 0);
}

/* Areas that cannot be cut stay as they are: there are none, since each is done whole. */
static void lock_all(struct mm *mm, u32 locked) __must_hold(&mm->lock)
{
	for (struct area *a = area_first(mm); a; a = area_next(a))
		area_set_flags(mm, a, (a->flags & ~VM_LOCKED_BITS) | locked);
	area_merge_range(mm, 0, USER_END);
}

static int lock_all_call(struct mm *mm, unsigned flags) __must_hold(&mm->lock)
{
	u32 locked = VM_LOCKED | (flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0);
	int err = area_own(mm);

	if (err)
		return err;
	if (flags & MCL_CURRENT && mm->total_pages > mm_lock_limit())
		return -ENOMEM;
	mm->def_flags &= ~VM_LOCKED_BITS;
	if (flags & MCL_FUTURE)
		mm->def_flags |= locked;
	if (flags & MCL_CURRENT || !flags)
		lock_all(mm, flags ? locked : 0);
	return 0;
}

long mm_mlockall(struct mm *mm, unsigned flags)
{
	int err;

	if (!flags || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags == MCL_ONFAULT)
		return -EINVAL;
	if (!mm_lock_limit())
		return -EPERM;
	rwsem_write_lock(&mm->lock);
	err = lock_all_call(mm, flags);
	rwsem_write_unlock(&mm->lock);
	return err;
}

long mm_munlockall(struct mm *mm)
{
	int err;

	rwsem_write_lock(&mm->lock);
	err = lock_all_call(mm, 0);
	rwsem_write_unlock(&mm->lock);
	return err;
}
