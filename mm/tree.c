/*
 * Own, copy, drop: the three things done to a tree of frames.
 *
 * Words
 *	tree	what hangs from one mm's root. Trees may have subtrees in common.
 *	own	a path is owned where every table on it has mapcount 1, so that only this tree
 *		reaches it; it is armed where W is set in every upper entry of it.
 *
 * Invariants
 *	count	page->mapcount is the number of entries, in all tables, that reference the frame
 *	protect	an upper entry has W only where the table below it has mapcount 1. A leaf entry has
 *		W only where its frame has mapcount 1 and refcount 1, or where it is PTE_SHARED.
 *	busy	an entry about to reference something else is PTE_BUSY while CPUs let go of what it
 *		referenced: only its table's lock, which is given up meanwhile, keeps others out of
 *		the rest of the table. Holders of mm->lock exclusive find none.
 *	own	an entry changes only while its path is owned (clearing W is free: on a shared path
 *		it has no effect, since the CPU takes the AND of all the W on its way)
 *	live	table.live is the number of entries that are not none; table.rss splits those of
 *		a leaf table by kind, the zero page left out; table.groups has a bit for each
 *		eight entries of which one is, or was, not none
 *
 * Who may do what
 *	faults		hold mm->lock shared. Threads race for one table under its lock; an owned table
 *			stays owned until the lock is held exclusive, so walking down needs no lock.
 *	fork, unmap...	hold mm->lock exclusive.
 *	readers		hold mm->lock shared and own nothing: another thread of theirs may replace a
 *			shared table, and the last tree that has the old one free it. They take each
 *			table's lock before they let go of the one above.
 *	other trees	may copy a table that they share with us at any time. They read it, clear W and
 *			add to the mapcounts below, under its lock.
 *
 * Rejected: a count of processes per page (sharing a table would have to touch each page below
 * it, which is what sharing is to avoid); a lock of the whole subtree (a fault takes one table
 * lock).
 */
#include "mm/tree.h"
#include "kernel/errno.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "mm/pagecache.h"
#include "mm/stat.h"

#define TABLE_BITS (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED)

enum rss_kind page_rss_kind(const struct page *page)
{
	switch (page->kind) {
	case PAGE_ANON:
		return RSS_ANON;
	case PAGE_FILE:
		return page->file.mapping && page->file.mapping->shmem ? RSS_SHMEM : RSS_FILE;
	default:
		return RSS_NONE;
	}
}

struct page *table_alloc(unsigned level)
{
	struct page *t = page_alloc(PAGE_TABLE, 0, ALLOC_ZERO);

	if (!t)
		return NULL;
	spin_init(&t->lock, LOCK_TABLE);
	t->level = (u8)level;
	t->flags = 0;
	t->private[0] = t->private[1] = 0;
	return t;
}

void table_free(struct page *table)
{
	page_put(table);
}

/*
 * Drops what a table nobody references any more references in turn. It is left full of zeros. Who
 * came to it by an entry that is gone now may still read it, under its lock, and is waited for.
 */
static void drop_table(struct page *table)
{
	pte_t *e = table_entries(table);
	unsigned first;

	spin_lock(&table->lock);
	spin_unlock(&table->lock);
	table_for_each_group (first, table) {
		for (unsigned i = first; i < first + TABLE_GROUP; i++) {
			struct page *p;

			if (pte_none(e[i]))
				continue;
			p = pte_page(e[i]);
			e[i] = (pte_t){0};
			if (p)
				tree_drop(p);
		}
	}
	table->flags |= PAGE_ZEROED;
	page_free(table);
}

void tree_drop(struct page *page)
{
	if (!page_unmap(page))
		return;
	if (page->kind == PAGE_TABLE)
		drop_table(page);
	else
		page_free(page);
}

void tree_count(const struct page *table, struct tree_count *c)
{
	const pte_t *e = table_entries(table);
	unsigned first;

	c->tables++;
	if (table->level == 1) {
		for (unsigned k = 0; k < RSS_KINDS; k++)
			c->rss[k] += table->table.rss[k];
		return;
	}
	table_for_each_group (first, table)
		for (unsigned i = first; i < first + TABLE_GROUP; i++)
			if (!pte_none(pte_load(&e[i])))
				tree_count(pfn_to_page(pte_pfn(pte_load(&e[i]))), c);
}

/*
 * The entry of the copy, where the frame below is shared from now on; protects the original too.
 * `pages` is page_array: read anew after each atomic operation, it would be a tenth of the loop.
 */
static inline pte_t share_entry(pte_t *from, pte_t e, struct page *pages)
{
	struct page *p = &pages[pte_pfn(e)];

	if (p->kind != PAGE_RESERVED)
		page_map(p);
	if ((e.v & (PTE_SHARED | PTE_WRITE)) != PTE_WRITE)
		return e;
	pte_clear_bits(from,
		       PTE_WRITE); /* a D that the CPU sets just now is a hint less in the copy */
	return pte_without(e, PTE_WRITE);
}

/*
 * Shares all that src references with dst, which is new and empty. src is locked. Allocates
 * nothing, so it cannot fail.
 */
static void share_table(struct page *dst, struct page *src)
{
	pte_t *from = table_entries(src), *to = table_entries(dst);
	struct page *pages = page_array;
	u64 groups = 0;
	unsigned first;

	table_for_each_group (first, src) {
		u64 seen = 0;

		for (unsigned i = first; i < first + TABLE_GROUP; i++) {
			pte_t e = pte_load(&from[i]);

			if (pte_none(e))
				continue;
			seen = e.v;
			to[i] = share_entry(&from[i], e, pages);
		}
		if (seen)
			groups |= BIT(first / TABLE_GROUP);
	}
	atomic_store(&src->table.groups, groups); /* what was emptied since is known now */
	dst->table = src->table;
}

/* An eager copy of a leaf: frames that are private to the tree, and they alone, are duplicated. */
static int copy_frame_entry(pte_t *from, pte_t *to)
{
	pte_t e = pte_load(from);
	struct page *p = pte_page(e), *copy;

	if (!p || pte_shared(e) || p->kind != PAGE_ANON) {
		*to = share_entry(from, e, page_array);
		return 0;
	}
	copy = page_alloc(PAGE_ANON, 0, 0);
	if (!copy)
		return -ENOMEM;
	mmu_copy_frame(page_to_pfn(copy), page_to_pfn(p));
	copy->anon.family = p->anon.family;
	copy->anon.index = p->anon.index;
	atomic_store(&copy->mapcount, 1);
	*to = pte_make(page_to_pfn(copy), e.v & ~PTE_PFN_MASK);
	vm_count(VM_fork_copied_pages);
	return 0;
}

/* Copies the table below *from, and what hangs below it as far as `how` says. */
static int copy_table_entry(pte_t *from, pte_t *to, unsigned level, struct tree_copy *how)
{
	struct page *copy = table_alloc(level);

	if (!copy)
		return -ENOMEM;
	atomic_store(&copy->mapcount, 1);
	*to = pte_make(page_to_pfn(copy), TABLE_BITS);
	vm_count(VM_fork_copied_tables);
	return tree_copy_table(copy, pfn_to_page(pte_pfn(pte_load(from))), how);
}

/* Whether a table is shared rather than copied. */
static bool shares(const struct page *table, struct tree_copy *how)
{
	if (table->level < how->share_level)
		return true;
	if (!how->sparse)
		return false;
	if (!how->budget ||
	    table->table.live > (table->level == 1 ? how->sparse : how->sparse_upper))
		return true;
	how->budget--;
	return false;
}

/* One entry of a table of this level. On failure *to references what was copied, or nothing. */
static int copy_entry(pte_t *from, pte_t *to, unsigned level, struct tree_copy *how)
{
	pte_t e = pte_load(from);

	if (level == 1)
		return copy_frame_entry(from, to);
	if (!shares(pfn_to_page(pte_pfn(e)), how))
		return copy_table_entry(from, to, level - 1, how);
	*to = share_entry(from, e, page_array);
	vm_count(VM_fork_shared_tables);
	return 0;
}

/* Copies src entry by entry into dst, which is new and empty; src is locked. As tree_copy_table(). */
static int copy_entries(struct page *dst, struct page *src, struct tree_copy *how)
{
	pte_t *from = table_entries(src), *to = table_entries(dst);
	unsigned first;
	int err = 0;

	table_for_each_group (first, src) {
		for (unsigned i = first; i < first + TABLE_GROUP && !err; i++) {
			if (pte_none(pte_load(&from[i])))
				continue;
			err = copy_entry(&from[i], &to[i], src->level, how);
			if (pte_none(to[i]))
				continue;
			dst->table.live++;
			table_note(dst, &to[i]);
		}
		if (err)
			return err;
	}
	atomic_store(&src->table.groups,
		     dst->table.groups); /* what was emptied since is known now */
	dst->table = src->table;
	return 0;
}

int tree_copy_table(struct page *dst, struct page *src, struct tree_copy *how)
{
	int err = 0;

	spin_lock(&src->lock);
	if (src->level <= how->share_level) {
		share_table(dst, src);
		if (src->level == 1)
			vm_count_n(VM_fork_shared_pages, dst->table.live);
		else
			vm_count_n(VM_fork_shared_tables, dst->table.live);
	} else {
		err = copy_entries(dst, src, how);
	}
	spin_unlock(&src->lock);
	return err;
}

void tree_arm_root(struct mm *mm, bool armed)
{
	pte_t *e = table_entries(mm->root);
	unsigned first;

	spin_lock(&mm->root->lock);
	table_for_each_group (first, mm->root) {
		for (unsigned i = first; i < first + TABLE_GROUP; i++) {
			pte_t old = pte_load(&e[i]);

			if (pte_none(old))
				continue;
			if (!armed)
				pte_clear_bits(&e[i], PTE_WRITE);
			else if (page_mapcount(pfn_to_page(pte_pfn(old))) == 1)
				pte_store(&e[i], pte_with(old, PTE_WRITE));
		}
	}
	spin_unlock(&mm->root->lock);
}

/* Puts a table where there was none. The parent is locked. */
static void link_table(struct mm *mm, struct page *parent, pte_t *slot, struct page *table)
    __must_hold(&parent->lock)
{
	atomic_store(&table->mapcount, 1);
	table_note(parent, slot);
	pte_store(slot, pte_make(page_to_pfn(table), TABLE_BITS));
	parent->table.live++;
	atomic_inc(&mm->table_frames);
}

/* Waits until nobody is about to replace an entry of a locked table. */
static inline void wait_while_busy(struct page *table, const pte_t *pte) __must_hold(&table->lock)
{
	while (unlikely(pte_busy(pte_load(pte)))) {
		spin_unlock(&table->lock);
		cpu_relax();
		spin_lock(&table->lock);
	}
}

/*
 * Replaces a shared table by the copy `new`, and returns the old one for the caller to drop. The
 * parent is locked and owned. The other trees may change the old table as soon as its mapcount says
 * that they own it, so this tree's CPUs let go of it first.
 */
static struct page *unshare_table(struct mm *mm, pte_t *slot, struct page *new, vaddr_t base)
{
	struct page *old = pfn_to_page(pte_pfn(pte_load(slot)));

	spin_assert_held(&virt_to_page(slot)->lock);
	spin_lock(&old->lock);
	share_table(new, old);
	spin_unlock(&old->lock);
	atomic_store(&new->mapcount, 1);
	pte_make_busy(slot);
	tree_flush_busy(mm, virt_to_page(slot), base, base + level_size(old->level + 1u));
	pte_store(slot, pte_make(page_to_pfn(new), TABLE_BITS));
	vm_count(VM_cow_table_copy);
	return old;
}

pte_t *tree_own_child_slow(struct mm *mm, pte_t *slot, vaddr_t va)
{
	struct page *parent = virt_to_page(slot), *spare = NULL, *old = NULL, *child;
	unsigned level = parent->level;
	pte_t e = pte_load(slot);

	if (pte_none(e) || page_mapcount(pfn_to_page(pte_pfn(e))) != 1) {
		spare = table_alloc(level - 1);
		if (!spare)
			return NULL;
	}
	spin_lock(&parent->lock);
	wait_while_busy(parent, slot);
	e = pte_load(slot); /* another thread may have been here while the lock was not held */
	if (pte_none(e)) {
		ASSERT(spare); /* it was none before: only an exclusive holder removes tables */
		link_table(mm, parent, slot, spare);
		spare = NULL;
	} else if (!pte_writable(e)) {
		child = pfn_to_page(pte_pfn(e));
		if (page_mapcount(child) == 1) {
			pte_store(slot, pte_with(e, PTE_WRITE));
			vm_count(VM_cow_rearm);
		} else {
			ASSERT(spare); /* mapcount 1 is stable while mm->lock is held */
			old = unshare_table(mm, slot, spare, ALIGN_DOWN(va, level_size(level)));
			spare = NULL;
		}
	}
	e = pte_load(slot);
	spin_unlock(&parent->lock);
	if (old)
		tree_drop(old);
	if (spare) {
		spare->flags |= PAGE_ZEROED;
		table_free(spare);
	}
	return pfn_to_virt(pte_pfn(e));
}

int tree_own(struct mm *mm, vaddr_t va, struct slot *s) __no_lock_analysis /* locks at the end */
{
	pte_t *table = pfn_to_virt(mm->mmu.root);

#pragma GCC unroll 4
	for (unsigned l = TABLE_LEVELS; l > 1; l--) {
		table = tree_own_child(mm, &table[level_index(va, l)], va);
		if (unlikely(!table))
			return -ENOMEM;
	}
	s->table = virt_to_page(table);
	s->pte = &table[level_index(va, 1)];
	spin_lock(&s->table->lock);
	wait_while_busy(s->table, s->pte);
	return 0;
}

static inline void count_leaf(struct mm *mm, struct page *table, enum rss_kind kind, int sign)
{
	if (kind == RSS_NONE)
		return;
	table->table.rss[kind] = (u16)(table->table.rss[kind] + sign);
	atomic_add(&mm->rss[kind], sign);
}

void slot_fill(struct mm *mm, struct slot *s, pte_t new, enum rss_kind kind)
{
	count_leaf(mm, s->table, kind, 1);
	s->table->table.live++;
	table_note(s->table, s->pte);
	pte_store(s->pte, new);
}

pte_t slot_take(struct mm *mm, struct slot *s)
{
	pte_t old = pte_take(s->pte);

	count_leaf(mm, s->table, pte_rss_kind(old), -1);
	s->table->table.live--;
	return old;
}

void slot_replace(struct mm *mm, struct slot *s, pte_t new)
{
	enum rss_kind was = pte_rss_kind(pte_load(s->pte));

	if (was != RSS_ANON) {
		count_leaf(mm, s->table, was, -1);
		count_leaf(mm, s->table, RSS_ANON, 1);
	}
	pte_store(s->pte, new);
}

pte_t tree_find(struct mm *mm, vaddr_t va, struct slot *s) __no_lock_analysis /* hand over hand */
{
	struct page *table = mm->root, *child;
	u64 write = PTE_WRITE;
	pte_t e;

	spin_lock(&table->lock);
	for (unsigned l = TABLE_LEVELS;; l--) {
		s->table = table;
		s->pte = &table_entries(table)[level_index(va, l)];
		e = pte_load(s->pte);
		write &= e.v;
		if (pte_none(e) || l == 1)
			return (pte_t){(e.v & ~PTE_WRITE) | write};
		child = pfn_to_page(pte_pfn(e));
		spin_lock(&child->lock); /* before the parent's goes: the child cannot either */
		spin_unlock(&table->lock);
		table = child;
	}
}

pte_t tree_lookup(struct mm *mm, vaddr_t va)
{
	struct slot s;
	pte_t e = tree_find(mm, va, &s);

	slot_put(&s);
	return e;
}
