/*
 * The audit: walks the trees of all mms and holds what it finds against what the counts say.
 *
 *	mapcount	is the number of entries that reference the frame
 *	refcount	is at least that
 *	live, rss	of each table are what its entries say
 *	mm->rss		is the sum over the leaf tables that its root reaches
 *	W		stands in an upper entry, or in one of private memory, only over a frame with
 *			one owner
 *
 * It needs no memory: the first pass takes 1 off the mapcount of the frame below each entry it
 * meets, so that a right count ends at 0; the second pass puts them back. A table shared by several
 * trees is walked once: PAGE_SEEN marks it between the passes.
 */
#include "mm/audit.h"
#include "kernel/log.h"
#include "mm/rmap.h"
#include "mm/tree.h"

struct audit {
	unsigned errors;
};

#define MAX_REPORTS 10

#define report(a, ...)                                  \
	do {                                            \
		if ((a)->errors++ < MAX_REPORTS)        \
			log_err("audit: " __VA_ARGS__); \
	} while (0)

static void check_rights(struct audit *a, const struct page *table, pte_t e)
{
	const struct page *p = pte_page(e);

	if (!pte_writable(e) || pte_shared(e))
		return;
	if (!p || page_mapcount(p) != 1 || page_refcount(p) != 1 ||
	    (table->level == 1 && p->kind != PAGE_ANON))
		report(a, "level-%u entry %llx is writable, with %u entries and %u holders",
		       table->level, (unsigned long long)e.v, p ? page_mapcount(p) : 0,
		       p ? page_refcount(p) : 0);
}

static void check_table(struct audit *a, const struct page *table, bool is_root)
{
	const pte_t *e = table_entries(table);
	unsigned live = 0, rss[RSS_KINDS + 1] = {0};

	for (unsigned i = 0; i < (is_root ? TABLE_ENTRIES / 2 : TABLE_ENTRIES); i++) {
		const struct page *p;

		if (pte_none(e[i]))
			continue;
		live++;
		if (!(table->table.groups & BIT(i / TABLE_GROUP)))
			report(a, "table has entry %u, in a group said to be empty", i);
		check_rights(a, table, e[i]);
		p = pte_page(e[i]);
		if (table->level == 1 && p)
			rss[page_rss_kind(p)]++;
		if (table->level > 1 &&
		    (!p || p->kind != PAGE_TABLE || p->level != table->level - 1))
			report(a, "a level-%u entry references no table below it", table->level);
	}
	if (live != table->table.live)
		report(a, "table says %u live entries, has %u", table->table.live, live);
	for (unsigned k = 0; k < RSS_KINDS && table->level == 1; k++)
		if (rss[k] != table->table.rss[k])
			report(a, "table says %u pages of kind %u, has %u", table->table.rss[k], k,
			       rss[k]);
}

/* Looks at each table once, in a state in which all counts are whole. */
static void check_below(struct audit *a, struct page *table, bool is_root)
{
	const pte_t *e = table_entries(table);
	u32 left = table->table.live;

	if (table->flags & PAGE_SEEN)
		return;
	table->flags |= PAGE_SEEN;
	check_table(a, table, is_root);
	for (unsigned i = 0; table->level > 1 && left && i < TABLE_ENTRIES; i++) {
		if (pte_none(e[i]))
			continue;
		left--;
		check_below(a, pfn_to_page(pte_pfn(e[i])), false);
	}
}

/* Adds `by` to the mapcount below each entry; `seen` is the mark that a table not yet done bears.
 */
static void add_below(struct page *table, u32 by, bool seen)
{
	const pte_t *e = table_entries(table);
	u32 left = table->table.live;

	if (!!(table->flags & PAGE_SEEN) != seen)
		return;
	table->flags ^= PAGE_SEEN;
	for (unsigned i = 0; left && i < TABLE_ENTRIES; i++) {
		struct page *p;

		if (pte_none(e[i]))
			continue;
		left--;
		p = pte_page(e[i]);
		if (!p)
			continue;
		p->mapcount += by;
		if (table->level > 1)
			add_below(p, by, seen);
	}
}

static void check_mm(struct audit *a, struct mm *mm)
{
	struct tree_count c = {0};

	tree_count(mm->root, &c);
	for (unsigned k = 0; k < RSS_KINDS; k++)
		if (c.rss[k] != mm->rss[k])
			report(a, "an mm says %lld pages of kind %u, its tables hold %lld",
			       (long long)mm->rss[k], k, (long long)c.rss[k]);
	if (c.tables != mm->table_frames)
		report(a, "an mm says %llu tables, has %llu", (unsigned long long)mm->table_frames,
		       (unsigned long long)c.tables);
	check_below(a, mm->root, true);
}

static void check_mapcounts(struct audit *a)
{
	for (pfn_t pfn = 0; pfn < page_array_len; pfn++) {
		const struct page *p = pfn_to_page(pfn);

		if (p->kind != PAGE_RESERVED && p->kind != PAGE_FREE && p->mapcount != 0)
			report(a, "frame %llx of kind %u: mapcount is off by %d",
			       (unsigned long long)pfn, p->kind, (int)p->mapcount);
	}
}

bool mm_audit(void)
{
	struct audit a = {0};
	struct mm *mm;

	for (mm = rmap_first_mm(); mm; mm = rmap_next_mm(mm))
		check_mm(&a, mm);
	/* PAGE_SEEN is set on all tables now: taken off by the first pass, put back by the second.
	 */
	for (mm = rmap_first_mm(); mm; mm = rmap_next_mm(mm))
		add_below(mm->root, -1u, true);
	check_mapcounts(&a);
	for (mm = rmap_first_mm(); mm; mm = rmap_next_mm(mm))
		add_below(mm->root, 1, false);
	for (mm = rmap_first_mm(); mm; mm = rmap_next_mm(mm))
		add_below(mm->root, 0, true);
	if (a.errors)
		log_err("audit: %u disagreements", a.errors);
	return !a.errors;
}
