/*
 * What is done to a range of a tree: emptying it, visiting its leaves, finding the next one.
 *
 * Each is a recursion over a table, with [start, end) inside what the table maps. Those that change entries go
 * down through tree_own_child(), so that the table they are in is owned; a subtree that the
 * range covers whole is unlinked from above, shared or not.
 */
#include "kernel/errno.h"
#include "mm/tree.h"

/* Unlinks the subtree below `slot`, of which the range covers all, shared or not. */
static void zap_subtree(struct mm *mm, struct page *table, pte_t *slot, vaddr_t va,
			struct gather *g)
{
	struct page *child = pfn_to_page(pte_pfn(pte_load(slot)));
	struct tree_count c = {0};

	tree_count(child, &c);
	for (unsigned k = 0; k < RSS_KINDS; k++)
		atomic_sub(&mm->rss[k], c.rss[k]);
	atomic_sub(&mm->table_frames, c.tables);
	spin_lock(&table->lock);
	pte_take(slot);
	table->table.live--;
	spin_unlock(&table->lock);
	if (gather_full(g))
		gather_flush(g);
	gather_add(g, va, level_size(table->level), child);
}

static void zap_leaves(struct mm *mm, struct page *table, vaddr_t start, vaddr_t end,
		       struct gather *g)
{
	struct slot s = {&table_entries(table)[level_index(start, 1)], table};

	spin_lock(&table->lock);
	spin_assert_held(&s.table->lock);
	for (vaddr_t va = start; va < end && table->table.live; va += PAGE_SIZE, s.pte++) {
		if (pte_none(pte_load(s.pte)))
			continue;
		if (gather_full(g)) { /* flushing is not for who holds a spinlock */
			spin_unlock(&table->lock);
			gather_flush(g);
			spin_lock(&table->lock);
		}
		gather_add(g, va, PAGE_SIZE, pte_page(slot_take(mm, &s)));
	}
	spin_unlock(&table->lock);
}

static int zap_range(struct mm *mm, struct page *table, vaddr_t start, vaddr_t end,
		     struct gather *g) __must_hold_shared(&mm->lock)
{
	u64 size = level_size(table->level);
	vaddr_t next;

	if (table->level == 1) {
		zap_leaves(mm, table, start, end, g);
		return 0;
	}
	for (vaddr_t va = start; va < end; va = next) {
		pte_t *slot = &table_entries(table)[level_index(va, table->level)], *below;
		struct page *child;
		int err;

		next = min(ALIGN_DOWN(va, size) + size, end);
		if (pte_none(pte_load(slot)))
			continue;
		if (next - va == size) {
			zap_subtree(mm, table, slot, va, g);
			continue;
		}
		below = tree_own_child(mm, slot, va);
		if (!below)
			return -ENOMEM;
		child = virt_to_page(below);
		err = zap_range(mm, child, va, next, g);
		if (err)
			return err;
		if (!child->table.live)
			zap_subtree(mm, table, slot, ALIGN_DOWN(va, size), g);
	}
	return 0;
}

/* Owns the tables that a range with an edge at va covers only in part. */
static int own_edge(struct mm *mm, vaddr_t va) __must_hold_shared(&mm->lock)
{
	pte_t *table = table_entries(mm->root);

	for (unsigned l = TABLE_LEVELS; l > 1 && va & (level_size(l) - 1); l--) {
		pte_t *slot = &table[level_index(va, l)];

		if (pte_none(pte_load(slot)))
			break;
		table = tree_own_child(mm, slot, va);
		if (!table)
			return -ENOMEM;
	}
	return 0;
}

int tree_own_edges(struct mm *mm, vaddr_t start, vaddr_t end)
{
	return own_edge(mm, start) ?: own_edge(mm, end);
}

int tree_zap(struct mm *mm, vaddr_t start, vaddr_t end, struct gather *g)
{
	u64 rss = mm_rss(mm);

	if (rss > mm->peak_rss)
		mm->peak_rss = rss;
	if (tree_own_edges(mm, start, end))
		return -ENOMEM;
	return zap_range(mm, mm->root, start, end, g);
}

static int for_each_range(struct mm *mm, struct page *table, vaddr_t start, vaddr_t end,
			  tree_leaf_fn fn, void *arg) __must_hold_shared(&mm->lock)
{
	u64 size = level_size(table->level);
	vaddr_t next;

	for (vaddr_t va = start; va < end; va = next) {
		pte_t *slot = &table_entries(table)[level_index(va, table->level)];

		next = min(ALIGN_DOWN(va, size) + size, end);
		if (pte_none(pte_load(slot)))
			continue;
		if (table->level == 1) {
			struct slot s = {slot, table};

			if (!fn)
				return 0;
			spin_lock(&table->lock);
			fn(mm, va, &s, arg);
			spin_unlock(&table->lock);
		} else {
			pte_t *below = tree_own_child(mm, slot, va);
			int err = -ENOMEM;

			if (below)
				err = for_each_range(mm, virt_to_page(below), va, next, fn, arg);

			if (err)
				return err;
		}
	}
	return 0;
}

int tree_own_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
	return for_each_range(mm, mm->root, start, end, NULL, NULL);
}

int tree_for_each(struct mm *mm, vaddr_t start, vaddr_t end, tree_leaf_fn fn, void *arg)
{
	return for_each_range(mm, mm->root, start, end, fn, arg);
}

static vaddr_t next_in(const struct page *table, vaddr_t start, vaddr_t end)
{
	u64 size = level_size(table->level);
	vaddr_t next;

	for (vaddr_t va = start; va < end; va = next) {
		pte_t e = pte_load(&table_entries(table)[level_index(va, table->level)]);
		vaddr_t found;

		next = min(ALIGN_DOWN(va, size) + size, end);
		if (pte_none(e))
			continue;
		if (table->level == 1)
			return va;
		found = next_in(pfn_to_page(pte_pfn(e)), va, next);
		if (found < next)
			return found;
	}
	return end;
}

vaddr_t tree_next(const struct mm *mm, vaddr_t va, vaddr_t end)
{
	return va < end ? next_in(mm->root, va, end) : end;
}
