/* Reading a tree page by page, or table by table, without changing it: /proc's view. */
#include "mm/tree.h"

struct walk {
	int (*fn)(const struct page_view *, void *);
	void *arg;
};

#define ONE_PAGE (PAGE_SIZE << PSS_SHIFT)

static int visit(const struct walk *w, vaddr_t va, pte_t e, u64 trees)
{
	struct page_view v = {.va = va, .pte = e, .page = pte_page(e)};

	if (v.page) {
		u64 maps = page_mapcount(v.page) * trees;

		v.pss = ONE_PAGE / (maps ? maps : 1);
		v.exclusive = maps == 1;
	}
	return w->fn(&v, w->arg);
}

/*
 * `trees`: how many roots reach this table, where each table above is shared as a whole. The tables
 * above stay locked, so that this one, and what it says, stay as they are.
 */
static int walk_table(const struct walk *w, struct page *table, vaddr_t start, vaddr_t end,
		      u64 trees)
{
	u64 size = level_size(table->level);
	vaddr_t next;
	int r = 0;

	spin_lock(&table->lock);
	for (vaddr_t va = start; va < end && !r; va = next) {
		pte_t e = pte_load(&table_entries(table)[level_index(va, table->level)]);
		struct page *child;

		next = min(ALIGN_DOWN(va, size) + size, end);
		if (pte_none(e))
			continue;
		if (table->level == 1) {
			r = visit(w, va, e, trees);
			continue;
		}
		child = pfn_to_page(pte_pfn(e));
		r = walk_table(w, child, va, next, trees * page_mapcount(child));
	}
	spin_unlock(&table->lock);
	return r;
}

int mm_walk(struct mm *mm, vaddr_t start, vaddr_t end, int (*fn)(const struct page_view *, void *),
	    void *arg)
{
	struct walk w = {fn, arg};

	return walk_table(&w, mm->root, start, end, 1);
}

struct table_walk {
	int (*fn)(const struct table_view *, void *);
	void *arg;
	u64 from;
};

u64 table_place(vaddr_t start, unsigned level)
{
	return start | (TABLE_LEVELS - level); /* start is a page's: its low bits are 0 */
}

/* The table that maps from `start` on, and what hangs below it. The tables above are locked. */
static int walk_tables(const struct table_walk *w, struct page *table, vaddr_t start, bool writable)
{
	struct table_view v = {.start = start, .table = table, .writable = writable};
	vaddr_t from = w->from & PAGE_MASK, size = level_size(table->level), va = start;
	int r = 0;

	spin_lock(&table->lock);
	if (table_place(start, table->level) >= w->from)
		r = w->fn(&v, w->arg);
	if (from > start)
		va = ALIGN_DOWN(from, size);
	for (; table->level > 1 && va < min(start + size * TABLE_ENTRIES, USER_END) && !r;
	     va += size) {
		pte_t e = pte_load(&table_entries(table)[level_index(va, table->level)]);

		if (!pte_none(e))
			r = walk_tables(w, pfn_to_page(pte_pfn(e)), va, pte_writable(e));
	}
	spin_unlock(&table->lock);
	return r;
}

int mm_walk_tables(struct mm *mm, u64 from, int (*fn)(const struct table_view *, void *), void *arg)
{
	struct table_walk w = {fn, arg, from};

	return walk_tables(&w, mm->root, 0, true);
}
