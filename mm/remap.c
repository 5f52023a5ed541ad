/*
 * mremap: shrink, grow in place, or move.
 *
 * A move first makes all it may need (areas cut at the edges, paths owned on both sides, the
 * promise of memory, the new area), then moves entry by entry, which cannot fail.
 */
#include "kernel/errno.h"
#include "kernel/panic.h"
#include "mm/map.h"
#include "mm/mman.h"

struct move {
	vaddr_t old, new;
	u64 old_len, new_len;
	unsigned flags;
};

/* Owns, at the destination, each leaf table that an entry will move to. */
static int own_destination(struct mm *mm, const struct move *m) __must_hold_shared(&mm->lock)
{
	u64 len = min(m->old_len, m->new_len);

	for (vaddr_t va = tree_next(mm, m->old, m->old + len); va < m->old + len;
	     va = tree_next(mm, va + PAGE_SIZE, m->old + len)) {
		struct slot s;

		if (tree_own(mm, m->new + (va - m->old), &s))
			return -ENOMEM;
		slot_put(&s);
	}
	return 0;
}

static void move_entries(struct mm *mm, const struct move *m) __must_hold_shared(&mm->lock)
{
	u64 len = min(m->old_len, m->new_len);
	struct slot s;

	for (vaddr_t va = tree_next(mm, m->old, m->old + len); va < m->old + len;
	     va = tree_next(mm, va + PAGE_SIZE, m->old + len)) {
		pte_t e;

		/* Neither can fail: own_range() and own_destination() went before. */
		if (tree_own(mm, va, &s))
			continue;
		e = slot_take(mm, &s);
		slot_put(&s);
		if (tree_own(mm, m->new + (va - m->old), &s))
			continue;
		slot_fill(mm, &s, e, pte_rss_kind(e));
		slot_put(&s);
	}
	mmu_flush_range(&mm->mmu, m->old, m->old + len);
}

/* Empty tables behind what moved away go, too, and its area. */
static void leave(struct mm *mm, struct area *a) __must_hold(&mm->lock)
{
	struct gather g;
	int err;

	gather_init(&g, mm);
	err = tree_zap(mm, a->start, a->end, &g);
	DEBUG_ASSERT(!err); /* its paths are owned: nothing is copied */
	gather_flush(&g);
	map_uncommit(mm, a->flags, area_pages(a));
	area_remove(mm, a);
}

/* Moves to m->new, which is free. The area at m->old covers the old range. */
static long move_to(struct mm *mm, const struct move *m) __must_hold(&mm->lock)
{
	u64 peak = mm->peak_total;
	struct area *a, *new;
	struct area_kind kind;
	int err = area_split(mm, m->old);

	if (!err)
		err = area_split(mm, m->old + m->old_len);
	if (!err)
		err = tree_own_range(mm, m->old, m->old + m->old_len);
	if (!err)
		err = own_destination(mm, m);
	if (err)
		return err;
	a = area_at(mm, m->old);
	kind = (struct area_kind){a->pgoff, a->flags, a->file};
	if (!a->map && !atomic_load(&a->has_anon))
		kind.pgoff = m->new >> PAGE_SHIFT;
	new = area_new(&kind);
	err = new ? map_commit(mm, kind.flags, m->new_len >> PAGE_SHIFT) : -ENOMEM;
	if (err) {
		area_discard(new);
		return err;
	}
	new->policy = a->policy;
	area_insert(mm, new, m->new, m->new + m->new_len);
	atomic_store(&new->has_anon, atomic_load(&a->has_anon));
	move_entries(mm, m);
	if (!(m->flags & MREMAP_DONTUNMAP)) {
		leave(mm, a);
		mm->peak_total = max(peak, mm->total_pages); /* it never had both places */
	} else if (a->flags & VM_LOCKED) {
		area_set_flags(mm, a, a->flags & ~VM_LOCKED_BITS);
	}
	area_merge_range(mm, m->old, m->old + m->old_len);
	area_merge_range(mm, m->new, m->new + m->new_len);
	return (long)m->new;
}

static bool can_grow_in_place(const struct area *a, const struct move *m)
{
	struct area *next = area_next(a);
	u64 more = m->new_len - m->old_len;
	u64 gap = next && next->flags & VM_GROWSDOWN ? min(STACK_GUARD_GAP, next->start) : 0;

	if (m->old + m->old_len != a->end || !range_ok(a->end, more))
		return false;
	if (a->pgoff + area_pages(a) + (more >> PAGE_SHIFT) < a->pgoff)
		return false;
	return !next || a->end + more <= next->start - gap;
}

static long grow(struct mm *mm, struct area *a, struct move *m) __must_hold(&mm->lock)
{
	u64 more = (m->new_len - m->old_len) >> PAGE_SHIFT;
	long at;

	if (can_grow_in_place(a, m)) {
		int err = map_commit(mm, a->flags, more);

		if (err)
			return err;
		area_resize(mm, a, a->start, a->end + (more << PAGE_SHIFT));
		area_merge_range(mm, a->start, a->end);
		return (long)m->old;
	}
	if (!(m->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	at = map_find_place(mm, m->new_len, 0);
	if (at < 0)
		return at;
	m->new = (vaddr_t)at;
	return move_to(mm, m);
}

/* MREMAP_FIXED: whatever was at the new place goes. */
static long move_fixed(struct mm *mm, struct move *m) __must_hold(&mm->lock)
{
	int err = unmap_range(mm, m->new, m->new + m->new_len);

	if (!err && m->old_len > m->new_len) {
		err = unmap_range(mm, m->old + m->new_len, m->old + m->old_len);
		m->old_len = m->new_len;
	}
	return err ? err : move_to(mm, m);
}

/* What Linux checks of the area before it moves or grows it. */
static int check_area(const struct area *a, const struct move *m)
{
	if (!a || m->old_len > a->end - m->old)
		return -EFAULT;
	if (!m->old_len && !(a->flags & (VM_SHARED | VM_MAYSHARE)))
		return -EINVAL;
	if (m->flags & MREMAP_DONTUNMAP && a->flags & VM_DONTEXPAND)
		return -EINVAL;
	if (m->new_len > m->old_len && a->flags & VM_DONTEXPAND)
		return -EFAULT;
	return 0;
}

/* old_len 0: a second mapping of the same shared memory. */
static long duplicate(struct mm *mm, struct area *a, struct move *m) __must_hold(&mm->lock)
{
	struct area_kind kind = {area_index(a, m->old), a->flags, a->file};
	struct area *new = area_new(&kind);
	long at;

	if (!new)
		return -ENOMEM;
	if (m->flags & MREMAP_FIXED)
		at = unmap_range(mm, m->new, m->new + m->new_len) ?: (long)m->new;
	else
		at = map_find_place(mm, m->new_len, 0);
	if (at > 0 && !area_at(mm, m->old))
		at = -EFAULT; /* the destination held the source, and is empty now: as on Linux */
	if (at < 0) {
		area_discard(new);
		return at;
	}
	area_insert(mm, new, (vaddr_t)at, (vaddr_t)at + m->new_len);
	area_merge_range(mm, (vaddr_t)at, (vaddr_t)at + m->new_len);
	return at;
}

/* The pages that the address space has more of afterwards. */
static u64 pages_more(const struct move *m)
{
	if (m->flags & MREMAP_DONTUNMAP)
		return m->new_len >> PAGE_SHIFT;
	return m->new_len > m->old_len ? (m->new_len - m->old_len) >> PAGE_SHIFT : 0;
}

static long remap_locked(struct mm *mm, struct move *m) __must_hold(&mm->lock)
{
	struct area *a;
	int err = area_own(mm);

	if (err)
		return err;
	a = area_at(mm, m->old);
	if (m->new_len <= m->old_len && !(m->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))) {
		if (!a)
			return -EFAULT;
		err = unmap_range(mm, m->old + m->new_len, m->old + m->old_len);
		return err ? err : (long)m->old;
	}
	err = check_area(a, m);
	if (err)
		return err;
	if (mm->areas->count + 4 > (u32)vm_max_map_count)
		return -ENOMEM;
	if (m->flags & MREMAP_FIXED &&
	    (!range_ok(m->new, m->new_len) || m->new < MMAP_MIN_ADDR ||
	     (m->new < m->old + m->old_len && m->old < m->new + m->new_len)))
		return -EINVAL;
	if (!map_within_limits(mm, a->flags, pages_more(m)))
		return -ENOMEM;
	if (a->flags & VM_LOCKED && m->new_len > m->old_len &&
	    !mlock_within_limit(mm, pages_more(m)))
		return -EAGAIN;
	if (!m->old_len)
		return m->flags & MREMAP_MAYMOVE ? duplicate(mm, a, m) : -ENOMEM;
	if (m->flags & MREMAP_FIXED)
		return move_fixed(mm, m);
	if (m->flags & MREMAP_DONTUNMAP) {
		long at = map_find_place(mm, m->new_len, 0);

		if (at < 0)
			return at;
		m->new = (vaddr_t)at;
		return move_to(mm, m);
	}
	return grow(mm, a, m);
}

long mm_mremap(struct mm *mm, vaddr_t old, u64 old_len, u64 new_len, unsigned flags, vaddr_t new)
{
	struct move m = {old, new, ALIGN_UP(old_len, PAGE_SIZE), ALIGN_UP(new_len, PAGE_SIZE),
			 flags};
	long at;

	if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) || old & ~PAGE_MASK ||
	    (flags & MREMAP_FIXED && !(flags & MREMAP_MAYMOVE)) ||
	    (flags & MREMAP_DONTUNMAP && (!(flags & MREMAP_MAYMOVE) || m.old_len != m.new_len)) ||
	    !m.new_len)
		return -EINVAL;
	if (!range_ok(old, m.old_len))
		return -EFAULT; /* nothing is mapped there */
	if (m.new_len > USER_END)
		return flags & MREMAP_FIXED ? -EINVAL : -ENOMEM;
	rwsem_write_lock(&mm->lock);
	at = remap_locked(mm, &m);
	rwsem_write_unlock(&mm->lock);
	return at;
}
