/*
 * Fork: a child that shares its parent's memory until one of them writes.
 *
 * What the child shares is decided table by table (mm/tree.c does the copying):
 *
 *	level 0 to 4	data and tables below this level are shared, what lies above is copied
 *	auto		tables with many entries are shared, at the highest level where they are met;
 *			those with few are copied, since the first write below would copy them anyhow.
 *			At most AUTO_TABLES are copied, so that fork costs the same however much memory
 *			there is.
 *
 * With auto, the page of the stack is copied for the child at once: both sides write it before they
 * do anything else, and so neither faults on it.
 *
 * Rejected: handing over the page of thread-local data as well. Measured with tests/bench/micro.c, a
 * small fork then returned after 7,725 instructions rather than 6,815 (level 1: 6,935), and fork, exit
 * and wait together took 13,554 rather than 13,678.
 *
 * Order: the parent's entries lose W while it may still run on other CPUs with the old rights in
 * their TLBs; one flush of all of them ends that, before mm->lock is released and before the child
 * runs.
 */
#include "kernel/errno.h"
#include "mm/area.h"
#include "mm/commit.h"
#include "mm/family.h"
#include "mm/pagecache.h"
#include "mm/rmap.h"
#include "mm/stat.h"
#include "mm/tree.h"

/*
 * A leaf table with at most AUTO_SPARSE entries is copied. Measured by tests/bench/sparse.c, in
 * instructions a table for fork, exit and wait, with what the writes of one page below it cost:
 *
 *	entries					1	8	32	64	512
 *	nobody writes below it	copied		2,411	2,768	4,427	6,639	37,607
 *				shared		1,960	1,960	1,960	1,960	1,960
 *	the parent, afterwards	copied		2,822	3,190	4,838	7,060	38,018
 *				shared		2,364	2,364	2,364	2,364	2,364
 *	the child, too		copied		4,069	4,426	6,085	8,307	39,265
 *				shared		4,291	4,648	6,307	8,519	39,487
 *
 * So a table that the child is sure to write below is better copied, by 222, and any other shared.
 * The few small tables of a small process (its program's data, its stack, its C library's) are of the
 * first kind; with more than 32 entries sharing pays where but one child in ten leaves it alone.
 *
 * An upper table with at most AUTO_UPPER entries is copied: each dense table below it is then one
 * fault for the parent after the child has gone. 1 GiB in a row lies below two tables of level 2, so
 * it comes back with AUTO_UPPER + 1 faults.
 *
 * AUTO_TABLES bounds what a fork costs however many tables are sparse.
 */
#define AUTO_SPARSE 32
#define AUTO_UPPER  4
#define AUTO_TABLES 16

int vm_fork_share_level = FORK_SHARE_AUTO;

/* What a child takes over as it is. The pointers and counts that need care are set by the caller.
 */
static void copy_fields(struct mm *to, const struct mm *from) __must_hold(&to->lock)
    __must_hold(&from->lock)
{
	to->mmap_base = from->mmap_base;
	to->brk_start = from->brk_start;
	to->brk = from->brk;
	to->code_start = from->code_start;
	to->code_end = from->code_end;
	to->data_start = from->data_start;
	to->data_end = from->data_end;
	to->stack_start = from->stack_start;
	to->arg_start = from->arg_start;
	to->arg_end = from->arg_end;
	to->env_start = from->env_start;
	to->env_end = from->env_end;
	to->vdso = from->vdso;
	to->total_pages = to->peak_total = from->total_pages;
	to->data_pages = from->data_pages;
	to->stack_pages = from->stack_pages;
	to->exec_pages = from->exec_pages;
	to->no_aslr = from->no_aslr;
	to->oom_score_adj = from->oom_score_adj;
	to->commit_pages = from->commit_pages;
}

/*
 * Shares or copies the parent's tree, and leaves the parent's CPUs no writable translation of what
 * is shared now. On failure the child holds what was copied so far.
 */
static int fork_tree(struct mm *child, struct mm *parent, int level) __must_hold(&parent->lock)
{
	struct tree_copy how = {.share_level = (unsigned)level};
	/* No thread may write a frame while it is copied: who tries to waits for mm->lock. Acquire:
	 * what those who left have written is written. */
	bool stop = level == 0 && atomic_load_acquire(&parent->users) > 1;
	int err;

	if (level == FORK_SHARE_AUTO)
		how = (struct tree_copy){1, AUTO_SPARSE, AUTO_UPPER, AUTO_TABLES};
	if (stop) {
		tree_arm_root(parent, false);
		mmu_flush_all(&parent->mmu);
	}
	err = tree_copy_table(child->root, parent->root, &how);
	if (stop)
		tree_arm_root(parent, true);
	mmu_flush_all(&parent->mmu);
	if (err)
		return err;
	for (unsigned k = 0; k < RSS_KINDS; k++)
		child->rss[k] = atomic_load(&parent->rss[k]);
	child->table_frames = atomic_load(&parent->table_frames);
	child->peak_rss = mm_rss(child);
	vm_count(VM_fork);
	return 0;
}

/*
 * Gives the child its own copy of a private page of the parent's that both will write at once, and
 * the parent its right to write back. What cannot be done here is left to the faults.
 */
static void hand_over(struct mm *child, struct mm *parent, vaddr_t va)
    __must_hold_shared(&parent->lock) __must_hold_shared(&child->lock)
{
	const struct area *a = va < USER_END ? area_at(child, va) : NULL;
	struct page *old, *copy;
	struct slot s;
	pte_t e;

	if (!a || (a->flags & (VM_WRITE | VM_SHARED | VM_DONTCOPY | VM_WIPEONFORK)) != VM_WRITE)
		return;
	if (tree_own(child, va, &s))
		return;
	e = pte_load(s.pte);
	old = pte_none(e) ? NULL : pte_page(e);
	copy = old && old->kind == PAGE_ANON ? page_alloc(PAGE_ANON, 0, 0) : NULL;
	if (!copy) {
		slot_put(&s);
		return;
	}
	mmu_copy_frame(page_to_pfn(copy), page_to_pfn(old));
	copy->anon.family = old->anon.family;
	copy->anon.index = old->anon.index;
	atomic_store(&copy->mapcount, 1);
	pte_store(s.pte,
		  pte_make(page_to_pfn(copy), (e.v & ~PTE_PFN_MASK) | PTE_WRITE | PTE_DIRTY));
	slot_put(&s);
	tree_drop(old); /* the child never ran: no CPU has the old entry cached */
	if (tree_own(parent, va, &s))
		return;
	if (page_sole_owner(old))
		pte_store(s.pte, pte_with(pte_load(s.pte), PTE_WRITE | PTE_DIRTY));
	slot_put(&s);
}

/* Takes from the child what its areas say that fork leaves out. */
static int fork_exceptions(struct mm *child) __must_hold(&child->lock)
{
	struct gather g;
	struct area *a, *next;
	int err = 0;

	if (!child->areas->fork_special)
		return 0;
	if (area_own(child))
		return -ENOMEM;
	gather_init(&g, child);
	for (a = area_first(child); a && !err; a = next) {
		next = area_next(a);
		if (a->flags & VM_LOCKED)
			area_set_flags(child, a, a->flags & ~VM_LOCKED_BITS);
		if (!(a->flags & (VM_DONTCOPY | VM_WIPEONFORK)))
			continue;
		err = tree_zap(child, a->start, a->end, &g);
		gather_flush(&g);
		if (!err && a->flags & VM_DONTCOPY) {
			child->commit_pages -= commit_give_back(a->flags, area_pages(a));
			area_remove(child, a);
		}
	}
	return err;
}

static void rearm_leaf(struct mm *mm, vaddr_t va, struct slot *s, void *arg)
{
	pte_t e = pte_load(s->pte);
	const struct page *p = pte_page(e);

	(void)mm;
	(void)va;
	(void)arg;
	if (p && p->kind == PAGE_ANON && page_sole_owner(p))
		pte_store(s->pte, pte_with(e, PTE_WRITE | PTE_DIRTY));
}

/*
 * Gives the parent the right to write back where the child has no part: what fork leaves out is to
 * cost the parent no fault. What cannot be done here is left to the faults.
 */
static void rearm_exceptions(struct mm *parent) __must_hold(&parent->lock)
{
	if (!parent->areas->fork_special)
		return;
	for (struct area *a = area_first(parent); a; a = area_next(a))
		if (a->flags & (VM_DONTCOPY | VM_WIPEONFORK) && a->flags & VM_WRITE &&
		    area_is_private(a) && tree_for_each(parent, a->start, a->end, rearm_leaf, NULL))
			break;
}

static int fork_locked(struct mm *child, struct mm *parent, int level) __must_hold(&parent->lock)
    __must_hold(&child->lock)
{
	int err = commit_reserve(parent, parent->commit_pages, false);

	if (err)
		return err;
	copy_fields(child, parent);
	child->areas = area_set_share(parent->areas);
	area_tell_all(child, true);
	child->exe = parent->exe ? file_get(parent->exe) : NULL;
	family_join(parent->family, child);
	child->locked_pages = parent->locked_pages;
	err = fork_tree(child, parent, level);
	if (!err)
		err = fork_exceptions(child);
	if (!err)
		rearm_exceptions(parent);
	return err;
}

struct mm *mm_fork(struct mm *parent, vaddr_t stack)
{
	struct mm *child = mm_alloc();
	int level = vm_fork_share_level;
	int err;

	if (!child)
		return NULL;
	rwsem_assume_held(&child->lock); /* nobody knows the child yet */
	rwsem_write_lock(&parent->lock);
	err = fork_locked(child, parent, level);
	if (!err && level == FORK_SHARE_AUTO)
		hand_over(child, parent, stack & PAGE_MASK);
	/*
	 * Truncation may enter the child from here on, and no sooner: its lock is not held. It asks
	 * the parent first, and waits for its lock, so that it does not miss the child.
	 */
	if (!err)
		rmap_add_mm(child);
	rwsem_write_unlock(&parent->lock);
	if (!err)
		return child;
	if (child->areas)
		mm_drop_contents(child);
	mm_put(child);
	return NULL;
}
