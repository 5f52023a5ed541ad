/*
 * The page fault.
 *
 *	1 check		find the area, grow a stack, refuse what the area forbids
 *	2 own		own the path down to the leaf; the entry is now ours to change, its table locked
 *	3 resolve	by what the entry holds and what is wanted:
 *
 *	entry		read, fetch		write
 *	allows it	done: another thread was first, or only a table above was shared
 *	none, anonymous	zero page		new frame of zeros
 *	none, private	page of the file, RO	copy of the page of the file
 *	none, shared	page of the file, W where the area has it
 *	one owner	-			W: reuse in place (this and what follows: mm/cow.c)
 *	several owners	-			copy
 *	zero page	-			new frame of zeros
 *	shared, RO	-			W
 *
 * Frames are taken from the allocator, filled, and pages of files looked up, with the table locked:
 * neither sleeps, and so the entry that was looked at is the one that is replaced.
 *
 * Lock order: mm->lock shared, then the table, then the page cache or the allocator.
 */
#include "kernel/errno.h"
#include "mm/fault.h"
#include "mm/pagecache.h"

#define FAULT_AROUND \
	16 /* pages of a file mapped by one read fault, aligned, where they are cached */

static bool allowed(const struct area *a, unsigned access)
{
	switch (access) {
	case PROT_WRITE:
		return a->flags & VM_WRITE;
	case PROT_EXEC:
		return a->flags & VM_EXEC;
	default:
		return a->flags & (VM_READ | VM_WRITE | VM_EXEC);
	}
}

/* True where the entry already lets the CPU do what it wanted. */
static bool satisfied(pte_t e, unsigned access)
{
	if (!pte_present(e))
		return false;
	if (access == PROT_WRITE)
		return pte_writable(e);
	return access != PROT_EXEC || !(e.v & PTE_NX);
}

static enum fault_result map_zeros(struct fault *f, struct slot *s) __must_hold(&s->table->lock)
{
	struct page *p;

	if (f->access != PROT_WRITE) {
		slot_fill(f->mm, s, pte_make(zero_pfn, f->area->pte_bits), RSS_NONE);
		vm_count(VM_zero_map);
		return FAULT_OK;
	}
	p = page_alloc(PAGE_ANON, 0, ALLOC_ZERO);
	if (!p)
		return FAULT_OOM;
	slot_fill(f->mm, s, private_entry(f, p, f->va), RSS_ANON);
	count_zero_fill(f);
	return FAULT_OK;
}

/* Makes an entry reference a page of the file. */
static void map_cache(struct fault *f, struct slot *s, struct page *cache)
    __must_hold(&s->table->lock)
{
	u64 bits = f->area->pte_bits;

	if ((f->area->flags & (VM_SHARED | VM_WRITE)) == (VM_SHARED | VM_WRITE))
		bits |= PTE_WRITE;
	page_map(cache);
	slot_fill(f->mm, s, pte_make(page_to_pfn(cache), bits), page_rss_kind(cache));
	vm_count(VM_file_map);
}

/* The first write to a page of a private file mapping: the copy is made at once. */
static enum fault_result copy_cache(struct fault *f, struct slot *s, struct page *cache)
    __must_hold(&s->table->lock)
{
	struct page *p = page_alloc(PAGE_ANON, 0, 0);

	if (!p)
		return FAULT_OOM;
	mmu_copy_frame(page_to_pfn(p), page_to_pfn(cache));
	slot_fill(f->mm, s, private_entry(f, p, f->va), RSS_ANON);
	count_copy(f);
	return FAULT_OK;
}

static void fault_around(struct fault *f, struct slot *s, u64 file_pages)
    __must_hold(&s->table->lock);

static enum fault_result map_file(struct fault *f, struct slot *s) __must_hold(&s->table->lock)
{
	u64 index = area_index(f->area, f->va);
	u64 file_pages = DIV_ROUND_UP(atomic_load(&f->area->map->size), PAGE_SIZE);
	enum fault_result r = FAULT_OK;
	struct page *cache;

	if (index >= file_pages)
		return FAULT_BUS;
	cache = mapping_get(f->area->map, index);
	if (unlikely(!cache || IS_ERR(cache)))
		return cache ? FAULT_BUS : FAULT_OOM;
	if (f->access == PROT_WRITE && area_is_private(f->area))
		r = copy_cache(f, s, cache);
	else
		map_cache(f, s, cache);
	page_put(cache);
	if (f->access != PROT_WRITE)
		fault_around(f, s, file_pages);
	return r;
}

/* A write to a present entry without W. */
static enum fault_result resolve_write(struct fault *f, struct slot *s, pte_t e)
    __must_hold_shared(&f->mm->lock) __must_hold(&s->table->lock)
{
	if (area_is_private(f->area))
		return cow_write(f, s);
	pte_store(s->pte, pte_with(e, PTE_WRITE | PTE_DIRTY));
	return FAULT_OK;
}

/*
 * The entry's frame is there but hidden or fetched from: its bits follow the area again. It gets more
 * rights than it had, so a CPU that has the old ones cached faults, and that drops them.
 */
static void resolve_bits(struct fault *f, struct slot *s, pte_t e) __must_hold(&s->table->lock)
{
	u64 keep = e.v & (PTE_PFN_MASK | PTE_DIRTY | PTE_WRITE);

	pte_store(s->pte, (pte_t){keep | f->area->pte_bits});
}

/* Step 3. */
static enum fault_result resolve(struct fault *f, struct slot *s) __must_hold_shared(&f->mm->lock)
    __must_hold(&s->table->lock)
{
	pte_t e = pte_load(s->pte);

	if (pte_none(e))
		return f->area->map ? map_file(f, s) : map_zeros(f, s);
	if (satisfied(e, f->access)) {
		vm_count(VM_fault_spurious);
		return FAULT_OK;
	}
	if (!pte_present(e) || f->access == PROT_EXEC) {
		resolve_bits(f, s, e);
		return FAULT_OK;
	}
	return resolve_write(f, s, e);
}

/* Maps the cached neighbours of a page of a file that was read, so that they need no fault. */
static void fault_around(struct fault *f, struct slot *s, u64 file_pages)
{
	u64 window = FAULT_AROUND * PAGE_SIZE;
	vaddr_t base = ALIGN_DOWN(f->va, window);
	vaddr_t start = max(base, f->area->start), end = min(base + window, f->area->end);
	struct slot n = {.table = s->table};

	for (vaddr_t va = start; va < end && area_index(f->area, va) < file_pages;
	     va += PAGE_SIZE) {
		struct page *cache;

		n.pte = &table_entries(n.table)[level_index(va, 1)];
		if (!pte_none(pte_load(n.pte)))
			continue;
		cache = mapping_find(f->area->map, area_index(f->area, va));
		if (!cache)
			continue;
		spin_assert_held(&n.table->lock);
		map_cache(f, &n, cache);
		page_put(cache);
	}
}

/* Steps 2 and 3, with the area known to allow the access. */
static enum fault_result fault_in(struct fault *f) __must_hold_shared(&f->mm->lock)
{
	enum fault_result r;
	struct slot s;

	if (tree_own(f->mm, f->va, &s))
		return FAULT_OOM;
	r = resolve(f, &s);
	slot_put(&s);
	return r;
}

/*
 * Grows the stack area above va down to it. Called with mm->lock exclusive. FAULT_OOM where the areas
 * could not be made this mm's own; FAULT_MAPERR where the stack may not grow so far.
 */
static enum fault_result grow_stack(struct mm *mm, vaddr_t va) __must_hold(&mm->lock)
{
	struct area *a, *prev;
	u64 pages;

	if (area_own(mm))
		return FAULT_OOM;
	a = area_find(mm, va);
	if (!a)
		return FAULT_MAPERR;
	if (a->start <= va)
		return FAULT_OK;
	if (!(a->flags & VM_GROWSDOWN) || a->end - va > mm_limit(MM_LIMIT_STACK))
		return FAULT_MAPERR;
	prev = area_prev(a);
	if (prev && prev->flags & (VM_READ | VM_WRITE | VM_EXEC) && !(prev->flags & VM_GROWSDOWN) &&
	    va < prev->end + STACK_GUARD_GAP)
		return FAULT_MAPERR;
	pages = (a->start - va) >> PAGE_SHIFT;
	if (a->flags & VM_LOCKED && !mlock_within_limit(mm, pages))
		return FAULT_MAPERR;
	if (va < MMAP_MIN_ADDR || a->pgoff < pages || !map_within_limits(mm, a->flags, pages) ||
	    map_commit(mm, a->flags, pages))
		return FAULT_MAPERR;
	area_resize(mm, a, va, a->end);
	return FAULT_OK;
}

/* Step 1: sets f->area. FAULT_OK: mm->lock is held shared. */
static enum fault_result check(struct fault *f) __no_lock_analysis /* returns it held, or not */
{
	struct mm *mm = f->mm;
	enum fault_result r = FAULT_OK;

	rwsem_read_lock(&mm->lock);
	f->area = area_find(mm, f->va);
	if (unlikely(f->area && f->area->start > f->va && f->area->flags & VM_GROWSDOWN)) {
		rwsem_read_unlock(&mm->lock);
		rwsem_write_lock(&mm->lock);
		r = grow_stack(mm, f->va);
		rwsem_downgrade(&mm->lock);
		f->area = area_find(mm, f->va); /* the areas may have changed meanwhile */
	}
	if (r == FAULT_OK)
		r = !f->area || f->area->start > f->va ? FAULT_MAPERR
		    : allowed(f->area, f->access)      ? FAULT_OK
						       : FAULT_ACCERR;
	if (r != FAULT_OK)
		rwsem_read_unlock(&mm->lock);
	return r;
}

enum fault_result mm_fault(struct mm *mm, vaddr_t va, unsigned access)
    __no_lock_analysis /* check() says by what it returns whether it holds mm->lock */
{
	struct fault f = {.mm = mm, .va = va & PAGE_MASK, .access = access};
	enum fault_result r;

	vm_count(VM_pgfault);
	if (va >= USER_END)
		return FAULT_MAPERR;
	r = check(&f);
	if (r != FAULT_OK)
		return r;
	r = fault_in(&f);
	rwsem_read_unlock(&mm->lock);
	return r;
}
