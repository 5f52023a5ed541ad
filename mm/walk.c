/* Reading a tree page by page, without changing it: /proc's view. */
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
