/* madvise, msync, mincore, and faulting ranges in. */
#include "arch/uaccess.h"
#include "kernel/errno.h"
#include "mm/map.h"
#include "mm/mman.h"
#include "mm/pagecache.h"

/* Whether a page is there already, so that populating it takes no fault. */
static bool populated(struct mm *mm, vaddr_t va, unsigned access) __must_hold_shared(&mm->lock)
{
	pte_t e = tree_lookup(mm, va);

	return pte_present(e) && (access != PROT_WRITE || pte_writable(e));
}

/* One page. Positive: it took a fault. -ENOMEM: a hole, or no memory; -EFAULT: beyond the file;
 * -EINVAL: no right. */
static long populate_page(struct mm *mm, vaddr_t va, unsigned access)
{
	bool there;

	rwsem_read_lock(&mm->lock);
	there = populated(mm, va, access);
	rwsem_read_unlock(&mm->lock);
	if (there)
		return 0;
	switch (mm_fault(mm, va, access)) {
	case FAULT_OK:
		return 1;
	case FAULT_MAPERR:
	case FAULT_OOM:
		return -ENOMEM;
	case FAULT_ACCERR:
		return -EINVAL;
	default:
		return -EFAULT;
	}
}

static long populate_range(struct mm *mm, vaddr_t start, vaddr_t end, unsigned access)
{
	long faults = 0;

	for (vaddr_t va = start; va < end; va += PAGE_SIZE) {
		long n = populate_page(mm, va, access);

		if (n < 0)
			return n;
		faults += n;
	}
	return faults;
}

/* What of [va, end) lies in the next area that has the flags `wanted`: [*from, *to). False: no more. */
static bool next_piece(struct mm *mm, vaddr_t va, vaddr_t end, u32 wanted, vaddr_t *from,
		       vaddr_t *to, unsigned *access)
{
	const struct area *a;

	rwsem_read_lock(&mm->lock);
	a = area_find(mm, va);
	while (a && (a->flags & VM_LOCKONFAULT || (a->flags & wanted) != wanted))
		a = area_next(a);
	if (a) {
		*from = max(a->start, va);
		*to = min(a->end, end);
		*access = (a->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE ? PROT_WRITE : PROT_READ;
	}
	rwsem_read_unlock(&mm->lock);
	return a && *from < end;
}

long mm_populate(struct mm *mm, vaddr_t addr, u64 len)
{
	vaddr_t end = addr + ALIGN_UP(len, PAGE_SIZE), from, to;
	long faults = 0, n;
	unsigned access;

	for (vaddr_t va = addr; va < end && next_piece(mm, va, end, 0, &from, &to, &access);
	     va = to) {
		n = populate_range(mm, from, to, access);
		faults += n > 0 ? n : 0; /* as mmap does: what cannot be had now faults later */
	}
	return faults;
}

long mm_populate_locked(struct mm *mm, vaddr_t addr, u64 len)
{
	vaddr_t end = addr + ALIGN_UP(len, PAGE_SIZE), from, to;
	long faults = 0, n;
	unsigned access;

	for (vaddr_t va = addr; va < end && next_piece(mm, va, end, VM_LOCKED, &from, &to, &access);
	     va = to) {
		n = populate_range(mm, from, to, access);
		if (n < 0)
			return n == -ENOMEM ? -EAGAIN : -ENOMEM;
		faults += n;
	}
	return faults;
}

/* The flags an area has after this advice; the same ones where the advice changes nothing. */
static long advised_flags(const struct area *a, int advice)
{
	switch (advice) {
	case MADV_NORMAL:
		return a->flags & ~(VM_RAND_READ | VM_SEQ_READ);
	case MADV_SEQUENTIAL:
		return (a->flags & ~VM_RAND_READ) | VM_SEQ_READ;
	case MADV_RANDOM:
		return (a->flags & ~VM_SEQ_READ) | VM_RAND_READ;
	case MADV_DONTFORK:
		return a->flags | VM_DONTCOPY;
	case MADV_DOFORK:
		return a->flags & ~VM_DONTCOPY;
	case MADV_WIPEONFORK:
		if (a->map || a->flags & VM_SHARED)
			return -EINVAL;
		return a->flags | VM_WIPEONFORK;
	case MADV_KEEPONFORK:
		return a->flags & ~VM_WIPEONFORK;
	case MADV_DONTDUMP:
		return a->flags | VM_DONTDUMP;
	case MADV_DODUMP:
		return a->flags & ~VM_DONTDUMP;
	case MADV_HUGEPAGE:
		return (a->flags & ~VM_NOHUGEPAGE) | VM_HUGEPAGE;
	case MADV_NOHUGEPAGE:
		return (a->flags & ~VM_HUGEPAGE) | VM_NOHUGEPAGE;
	default:
		return a->flags;
	}
}

static int advise_flags(struct mm *mm, struct area *a, vaddr_t start, vaddr_t end, int advice)
    __must_hold(&mm->lock)
{
	long flags = advised_flags(a, advice);
	int err;

	if (flags < 0)
		return (int)flags;
	if ((u32)flags == a->flags)
		return 0;
	err = area_split(mm, start);
	if (!err)
		err = area_split(mm, end);
	if (!err)
		area_set_flags(mm, area_at(mm, start), (u32)flags);
	return err;
}

/* One area's part of an madvise. */
static int advise_piece(struct mm *mm, struct area *a, vaddr_t start, vaddr_t end, int advice,
			struct gather *g) __must_hold(&mm->lock)
{
	switch (advice) {
	case MADV_DONTNEED:
		if (a->flags & VM_LOCKED)
			return -EINVAL;
		return tree_zap(mm, start, end, g);
	case MADV_DONTNEED_LOCKED:
		return tree_zap(mm, start, end, g);
	case MADV_FREE:
		/* Whether and when the pages go is the kernel's choice, and nothing reclaims them.
		 */
		return a->map || a->flags & VM_SHARED ? -EINVAL : 0;
	case MADV_COLD:
	case MADV_PAGEOUT:
		return a->flags & VM_LOCKED ? -EINVAL : 0;
	case MADV_WILLNEED:
		return 0;
	default:
		return advise_flags(mm, a, start, end, advice);
	}
}

static bool known_advice(int advice)
{
	switch (advice) {
	case MADV_NORMAL ... MADV_DONTNEED:
	case MADV_FREE:
	case MADV_DONTFORK ... MADV_DOFORK:
	case MADV_HUGEPAGE ... MADV_PAGEOUT:
	case MADV_POPULATE_READ ... MADV_DONTNEED_LOCKED:
		return true;
	default:
		return false;
	}
}

/* Does [start, end); holes are passed over, and reported at the end. */
static int advise_range(struct mm *mm, vaddr_t start, vaddr_t end, int advice)
    __must_hold(&mm->lock)
{
	bool hole = false;
	struct gather g;
	int err = area_own(mm);

	gather_init(&g, mm);
	for (vaddr_t va = start; va < end && !err;) {
		struct area *a = area_find(mm, va);
		vaddr_t next;

		if (!a || a->start >= end) {
			hole = true;
			break;
		}
		hole |= a->start > va;
		va = max(va, a->start);
		next = min(a->end, end);
		err = advise_piece(mm, a, va, next, advice, &g);
		va = next;
	}
	gather_flush(&g);
	area_merge_range(mm, start, end);
	if (err)
		return err;
	return hole ? -ENOMEM : 0;
}

long mm_madvise(struct mm *mm, vaddr_t addr, u64 len, int advice)
{
	vaddr_t end;
	long n;

	if (!known_advice(advice) || addr & ~PAGE_MASK)
		return -EINVAL;
	end = addr + ALIGN_UP(len, PAGE_SIZE);
	if (end < addr || (len && end == addr))
		return -EINVAL;
	if (end == addr)
		return 0;
	if (end > USER_END)
		return -ENOMEM;
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE)
		return populate_range(mm, addr, end,
				      advice == MADV_POPULATE_WRITE ? PROT_WRITE : PROT_READ);
	rwsem_write_lock(&mm->lock);
	n = advise_range(mm, addr, end, advice);
	rwsem_write_unlock(&mm->lock);
	return n;
}

long mm_msync(struct mm *mm, vaddr_t addr, u64 len, unsigned flags)
{
	vaddr_t end = addr + ALIGN_UP(len, PAGE_SIZE), va = addr;
	long err = 0;

	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || addr & ~PAGE_MASK ||
	    (flags & MS_ASYNC && flags & MS_SYNC))
		return -EINVAL;
	if (end < addr)
		return -ENOMEM;
	/* The page cache is where files live: there is nowhere to write pages to. */
	rwsem_read_lock(&mm->lock);
	while (va < end && !err) {
		struct area *a = area_at(mm, va);

		if (!a)
			err = -ENOMEM;
		else if (flags & MS_INVALIDATE && a->flags & VM_LOCKED)
			err = -EBUSY;
		else
			va = a->end;
	}
	rwsem_read_unlock(&mm->lock);
	return err;
}

static bool resident(struct mm *mm, const struct area *a, vaddr_t va) __must_hold_shared(&mm->lock)
{
	struct page *p;

	if (!pte_none(tree_lookup(mm, va)))
		return true;
	p = a->map ? mapping_find(a->map, area_index(a, va)) : NULL;
	if (p)
		page_put(p);
	return p;
}

/* Looks at up to n pages from va; how many lie in areas. */
static u64 mincore_chunk(struct mm *mm, vaddr_t va, u64 n, u8 *out)
{
	u64 done;

	rwsem_read_lock(&mm->lock);
	for (done = 0; done < n; done++) {
		struct area *a = area_at(mm, va + (done << PAGE_SHIFT));

		if (!a)
			break;
		out[done] = resident(mm, a, va + (done << PAGE_SHIFT));
	}
	rwsem_read_unlock(&mm->lock);
	return done;
}

long mm_mincore(struct mm *mm, vaddr_t addr, u64 len, u8 __user *vec)
{
	u64 pages = DIV_ROUND_UP(len, PAGE_SIZE);
	u8 out[256];

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (len > USER_END || addr > USER_END - len)
		return -ENOMEM;
	for (u64 done = 0; done < pages;) {
		u64 n = min(pages - done, (u64)sizeof(out));
		u64 got = mincore_chunk(mm, addr + (done << PAGE_SHIFT), n, out);

		if (copy_to_user(vec + done, out, got))
			return -EFAULT;
		if (got < n)
			return -ENOMEM;
		done += got;
	}
	return 0;
}
