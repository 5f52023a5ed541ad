/*
 * The tree of frames: page tables whose inner nodes may be shared between address spaces just as
 * the data below them is. See mm/tree.c for the rules.
 */
#pragma once

#include "mm/gather.h"
#include "mm/mm.h"

/* An entry that may be changed: its path is owned, its table locked. */
struct slot {
	pte_t *pte;
	struct page *table;
};

static inline pte_t *table_entries(const struct page *table)
{
	return page_to_virt(table);
}

/*
 * The first entry at or above `i` that is not none; there is one. A small process has a few entries
 * in each of its tables, so empty ones are passed over eight at a time.
 */
static inline unsigned table_next(const pte_t *e, unsigned i)
{
	for (;; i++) {
		if (!pte_none(pte_load(&e[i])))
			return i;
		if (i % 8 == 7)
			break;
	}
	i++;
	while (!(e[i].v | e[i + 1].v | e[i + 2].v | e[i + 3].v | e[i + 4].v | e[i + 5].v |
		 e[i + 6].v | e[i + 7].v))
		i += 8;
	while (pte_none(pte_load(&e[i])))
		i++;
	return i;
}

/*
 * A table is looked through by groups of eight entries (a cache line), since most tables of a small
 * process have few: for each group that may hold one, `i` is the index of its first entry. Another
 * tree that shares the table may find groups empty at the same time.
 */
#define TABLE_GROUP 8
#define table_for_each_group(i, t)                                                      \
	for (u64 groups_ = atomic_load(&(t)->table.groups);                             \
	     groups_ && ((i) = (unsigned)__builtin_ctzll(groups_) * TABLE_GROUP, true); \
	     groups_ &= groups_ - 1)

/* This entry of the table is about to be filled. The table is locked. */
static inline void table_note(struct page *table, const pte_t *e)
{
	table->table.groups |= BIT(((u64)e & ~PAGE_MASK) / (TABLE_GROUP * sizeof(pte_t)));
}

/* The frame that an entry references where it is counted; NULL for the zero page and other reserved
 * ones. */
static inline struct page *pte_page(pte_t e)
{
	struct page *p = pfn_to_page(pte_pfn(e));

	return p->kind == PAGE_RESERVED ? NULL : p;
}

/* How RSS counts the frame of a leaf entry. */
enum rss_kind page_rss_kind(const struct page *page);

/* The same of the entry itself. */
static inline enum rss_kind pte_rss_kind(pte_t e)
{
	const struct page *p = pte_page(e);

	return p ? page_rss_kind(p) : RSS_NONE;
}

/* The slow half of tree_own_child(): the entry is none, or lacks W. */
pte_t *tree_own_child_slow(struct mm *mm, pte_t *slot, vaddr_t va) __must_hold_shared(&mm->lock);

/*
 * The entries of the table below entry `slot` of an owned table, made, armed or copied so that it
 * is owned too. NULL: no memory.
 */
static inline pte_t *tree_own_child(struct mm *mm, pte_t *slot, vaddr_t va)
    __must_hold_shared(&mm->lock)
{
	pte_t e = pte_load(slot);

	if (likely(pte_writable(e)))
		return pfn_to_virt(pte_pfn(e)); /* by "protect": its mapcount is 1 */
	return tree_own_child_slow(mm, slot, va);
}

/*
 * Owns the path to va down to its leaf table, making tables where there are none, and returns the
 * leaf entry, not busy, with its table locked; slot_put() ends that. The caller holds mm->lock. 0 or -ENOMEM:
 * what was owned on the way stays owned, which nobody can tell.
 */
int __must_check tree_own(struct mm *mm, vaddr_t va, struct slot *s) __must_hold_shared(&mm->lock)
    __try_acquires(0, &s->table->lock);

static inline void slot_put(struct slot *s) __releases(&s->table->lock)
{
	spin_unlock(&s->table->lock);
}

/*
 * Fills an owned, locked leaf entry that is none with a frame that RSS counts as `kind`; empties one that is
 * not, and returns what it was. Live counts and RSS follow; mapcounts and flushing are the caller's.
 */
void slot_fill(struct mm *mm, struct slot *s, pte_t new, enum rss_kind kind)
    __must_hold(&s->table->lock);
pte_t slot_take(struct mm *mm, struct slot *s) __must_hold(&s->table->lock);

/* Replaces an owned, locked leaf entry by that of a private frame, RSS following. */
void slot_replace(struct mm *mm, struct slot *s, pte_t new) __must_hold(&s->table->lock);

/* Its place in the table. */
static inline unsigned slot_index(const struct slot *s)
{
	return ((u64)s->pte & ~PAGE_MASK) / sizeof(pte_t);
}

/*
 * After entries of a locked table, which map [start, end), were made busy: no CPU has anything of
 * them cached on return. The lock is given up meanwhile where other CPUs must be reached; nobody
 * changes a busy entry.
 */
static inline void tree_flush_busy(struct mm *mm, struct page *table, vaddr_t start, vaddr_t end)
    __must_hold(&table->lock) __no_lock_analysis /* gives it up in some cases only */
{
	bool far = mmu_elsewhere(&mm->mmu);

	if (unlikely(far))
		spin_unlock(&table->lock);
	mmu_flush_range(&mm->mmu, start, end);
	if (unlikely(far))
		spin_lock(&table->lock);
}

/* Drops one entry's reference to a frame; a table nobody references any more drops its entries in
 * turn. */
void tree_drop(struct page *page);

/* What hangs below a table: leaf entries by kind, and tables, the given one included. */
struct tree_count {
	s64 rss[RSS_KINDS];
	u64 tables;
};
void tree_count(const struct page *table, struct tree_count *c);

/*
 * Owns the tables that [start, end) covers only in part: until the next fork, emptying it cannot fail.
 * Caller holds mm->lock exclusive. 0 or -ENOMEM.
 */
int __must_check tree_own_edges(struct mm *mm, vaddr_t start, vaddr_t end) __must_hold(&mm->lock);

/*
 * Empties [start, end): whole subtrees by dropping their reference, the tables at the edges after
 * owning their path. Caller holds mm->lock exclusive and flushes g. 0, or -ENOMEM with nothing
 * changed: only where an edge lies in a shared table.
 */
int __must_check tree_zap(struct mm *mm, vaddr_t start, vaddr_t end, struct gather *g)
    __must_hold(&mm->lock);

/* Owns each path of [start, end) that has a leaf table. Caller holds mm->lock exclusive. 0 or
 * -ENOMEM. */
int __must_check tree_own_range(struct mm *mm, vaddr_t start, vaddr_t end) __must_hold(&mm->lock);

/*
 * Owns each path of [start, end) that has a leaf table, and calls fn with each non-empty leaf
 * entry, its table locked. fn may use slot_take(). Caller holds mm->lock exclusive. -ENOMEM: some
 * were not visited; cannot be after tree_own_range().
 */
typedef void (*tree_leaf_fn)(struct mm *mm, vaddr_t va, struct slot *s, void *arg);
int __must_check tree_for_each(struct mm *mm, vaddr_t start, vaddr_t end, tree_leaf_fn fn,
			       void *arg) __must_hold(&mm->lock);

/* The first address in [va, end), a page's, whose leaf entry is not none; `end` where there is
 * none. */
vaddr_t tree_next(const struct mm *mm, vaddr_t va, vaddr_t end);

/*
 * The leaf entry as the CPU would see it, W being 0 where any entry above has it 0; none where
 * there is none. Nothing is owned, but the table where the search ended is locked, so that the
 * entry and its frame stay; slot_put() ends that. Caller holds mm->lock.
 */
pte_t tree_find(struct mm *mm, vaddr_t va, struct slot *s) __must_hold_shared(&mm->lock)
    __acquires(&s->table->lock);
/* The same, with the lock gone: what it says of the frame may be over. */
pte_t tree_lookup(struct mm *mm, vaddr_t va) __must_hold_shared(&mm->lock);

/* A new table of this level, empty, with no reference but the caller's. NULL: no memory. */
struct page *table_alloc(unsigned level) __must_check;
/* Gives back a table that no entry references. */
void table_free(struct page *table);

/* How far a copy of a tree goes down, and from where on it shares. */
struct tree_copy {
	unsigned share_level; /* what lies below this level is shared */
	unsigned sparse;      /* not 0: leaf tables with more entries than this are shared too... */
	unsigned sparse_upper; /* ...and upper ones with more than this... */
	unsigned budget;       /* ...and all of them, once this many have been copied */
};

/*
 * Copies a table into dst, which is new and empty. Of frames and tables that are shared, W is
 * cleared in both entries of each private one and the mapcount grows; the others are copied in
 * turn. Uses up how->budget. -ENOMEM: dst is partly filled, and the caller drops it; in src some W
 * may have been cleared.
 */
int __must_check tree_copy_table(struct page *dst, struct page *src, struct tree_copy *how);

/*
 * Takes W from all entries of the root, or gives it back where the table below is this tree's own. Without it,
 * and once its CPUs are flushed, nobody writes in the whole tree: faults wait for mm->lock, which the
 * caller holds exclusive.
 */
void tree_arm_root(struct mm *mm, bool armed) __must_hold(&mm->lock);
