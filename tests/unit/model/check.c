/*
 * The checks of the reference model: none changes what it looks at.
 *
 *	contents	what each entry maps holds the model's words, and lets through no right that
 *			the area does not have
 *	rss		by kind, from the model where it knows, else from the entries
 *	counts		mapcount and refcount of every frame, from a walk of all trees
 *	pss		its sum over all processes is the memory mapped
 *	exclusive	said of a page just where one process reaches it, in one place
 */
#include "kernel/panic.h"
#include "mm/area.h"
#include "mm/audit.h"
#include "mm/tree.h"
#include "tests/unit/model/model.h"
#include <stdlib.h>
#include <string.h>

#define DIFFER(fmt, ...)                                                                      \
	panic("model: step %lu (%s): process %u, slot %u (%#lx): " fmt, m->step, model_doing, \
	      proc_number(m, p), s, slot_va(s), ##__VA_ARGS__)

static unsigned proc_number(const struct model *m, const struct mproc *p)
{
	return (unsigned)(p - m->proc);
}

static void check_content(const struct model *m, const struct mproc *p, unsigned s, pte_t e,
			  const struct content *want)
{
	const char *frame = pfn_to_virt(pte_pfn(e));

	for (unsigned i = 0; i < PAGE_WORDS; i++) {
		u64 is = *(const u64 *)(frame + word_offset(i));
		u64 should = want ? want->word[i] : 0;

		if (is != should)
			DIFFER("word %u is %#lx, should be %#lx", i, is, should);
	}
}

static void check_rights(const struct model *m, const struct mproc *p, unsigned s, pte_t e)
{
	const struct slot_state *st = &p->slot[s];

	if (pte_present(e) && !st->prot)
		DIFFER("present, and the area forbids all");
	if (pte_writable(e) && !(st->prot & PROT_WRITE))
		DIFFER("writable, and the area is not");
	if (pte_present(e) && !(e.v & PTE_NX) && !(st->prot & PROT_EXEC))
		DIFFER("executable, and the area is not");
	if (pte_shared(e) != st->shared)
		DIFFER("the entry says shared %d, the area %d", pte_shared(e), st->shared);
}

/* The entry of a mapped slot; counts it by kind. */
static void check_entry(const struct model *m, const struct mproc *p, unsigned s, pte_t e, s64 *rss)
{
	const struct slot_state *st = &p->slot[s];
	const struct page *page;

	if (pte_none(e)) {
		if (st->own)
			DIFFER("a page of its own is gone");
		return;
	}
	check_rights(m, p, s, e);
	page = pfn_to_page(pte_pfn(e));
	if (page->kind != PAGE_RESERVED)
		rss[page_rss_kind(page)]++;
	if (st->own) {
		if (page->kind != PAGE_ANON)
			DIFFER("frame %lu of kind %u, should be anonymous", pte_pfn(e), page->kind);
		check_content(m, p, s, e, st->own);
	} else if (st->file) {
		if (st->file_page >= FILE_PAGES)
			DIFFER("mapped, and lies past the end of the file");
		if (page->kind != PAGE_FILE || page->file.index != st->file_page)
			DIFFER("frame %lu of kind %u, index %lu, should be page %lu of a file",
			       pte_pfn(e), page->kind, page->file.index, st->file_page);
		if (st->file->file && page->file.mapping != file_mapping(st->file->file))
			DIFFER("a page of another file");
		check_content(m, p, s, e, &st->file->page[st->file_page]);
	} else if (pte_pfn(e) != zero_pfn) {
		DIFFER("frame %lu, should be the zero page", pte_pfn(e));
	}
}

static void check_area(const struct model *m, const struct mproc *p, unsigned s)
{
	const struct slot_state *st = &p->slot[s];
	const struct area *a = area_at(p->mm, slot_va(s));
	u32 want = st->prot | (st->shared ? VM_SHARED : 0) | (st->dontfork ? VM_DONTCOPY : 0) |
		   (st->wipe ? VM_WIPEONFORK : 0);

	if (!a != !st->mapped)
		DIFFER("mapped is %d, should be %d", a != NULL, st->mapped);
	if (!a)
		return;
	if ((a->flags & (VM_READ | VM_WRITE | VM_EXEC | VM_SHARED | VM_DONTCOPY | VM_WIPEONFORK)) !=
	    want)
		DIFFER("area flags are %#x, should be %#x", a->flags, want);
	if (a->end < slot_va(s) + (slot_pages(s) << PAGE_SHIFT))
		DIFFER("the area ends within the slot");
	if (!a->map != !st->file || (a->map && area_index(a, slot_va(s)) != st->file_page))
		DIFFER("the area maps page %lu, should be %lu", area_index(a, slot_va(s)),
		       st->file_page);
}

static void check_proc(const struct model *m, const struct mproc *p)
{
	s64 rss[RSS_KINDS + 1] = {0};
	u64 pages = 0, own = 0;
	unsigned s;

	for (s = 0; s < SLOTS; s++) {
		check_area(m, p, s);
		if (p->slot[s].mapped) {
			pages += slot_pages(s);
			own += p->slot[s].own != NULL;
			check_entry(m, p, s, tree_lookup(p->mm, slot_va(s)), rss);
		} else if (!pte_none(tree_lookup(p->mm, slot_va(s)))) {
			DIFFER("unmapped, and has an entry");
		}
	}
	s = 0;
	if (p->mm->total_pages != pages)
		DIFFER("%lu pages of areas, should be %lu", p->mm->total_pages, pages);
	if (rss[RSS_ANON] != (s64)own)
		DIFFER("%ld anonymous pages are mapped, should be %lu", rss[RSS_ANON], own);
	for (unsigned k = 0; k < RSS_KINDS; k++)
		if (p->mm->rss[k] != rss[k])
			DIFFER("rss of kind %u is %ld, should be %ld", k, p->mm->rss[k], rss[k]);
}

/* ---- all frames, by a walk of all trees ---- */

static u32 *entries_to; /* by pfn: entries that reference the frame */

static void count_table(const struct page *table)
{
	const pte_t *e = pfn_to_virt(page_to_pfn(table));
	unsigned live = 0;

	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		struct page *below;

		if (pte_none(e[i]))
			continue;
		live++;
		below = pfn_to_page(pte_pfn(e[i]));
		if (below->kind == PAGE_FREE || below->kind == PAGE_KERNEL ||
		    below->kind == PAGE_SLAB || (below->kind == PAGE_TABLE) != (table->level > 1))
			panic("model: (%s): a level-%u entry references frame %lu of kind %u",
			      model_doing, table->level, pte_pfn(e[i]), below->kind);
		if (entries_to[pte_pfn(e[i])]++ == 0 && table->level > 1)
			count_table(below);
	}
	if (live != table->table.live)
		panic("model: (%s): table says %u live entries, has %u", model_doing,
		      table->table.live, live);
}

static void check_writable(const struct page *table)
{
	const pte_t *e = pfn_to_virt(page_to_pfn(table));

	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		pfn_t pfn = pte_pfn(e[i]);

		if (pte_none(e[i]))
			continue;
		if (pte_writable(e[i]) && !pte_shared(e[i]) && entries_to[pfn] != 1)
			panic("model: (%s): frame %lu is writable by one of %u entries",
			      model_doing, pfn, entries_to[pfn]);
		if (table->level > 1)
			check_writable(pfn_to_page(pfn));
	}
}

static bool is_root(const struct model *m, const struct page *page)
{
	for (unsigned i = 0; i < PROCS; i++)
		if (m->proc[i].mm && m->proc[i].mm->root == page)
			return true;
	return false;
}

static void check_frames(const struct model *m)
{
	u64 free = 0;

	entries_to = calloc(page_array_len, sizeof(*entries_to));
	for (unsigned i = 0; i < PROCS; i++)
		if (m->proc[i].mm)
			count_table(m->proc[i].mm->root);
	for (unsigned i = 0; i < PROCS; i++)
		if (m->proc[i].mm)
			check_writable(m->proc[i].mm->root);
	for (pfn_t pfn = 0; pfn < page_array_len; pfn++) {
		const struct page *p = pfn_to_page(pfn);
		u32 holders = entries_to[pfn];

		free += p->kind == PAGE_FREE;
		if (p->kind != PAGE_TABLE && p->kind != PAGE_ANON && p->kind != PAGE_FILE)
			continue;
		holders += p->kind == PAGE_FILE || is_root(m, p);
		if (p->mapcount != entries_to[pfn] || p->refcount != holders || !holders)
			panic(
			    "model: step %lu (%s): frame %lu of kind %u: mapcount %u, refcount %u; "
			    "should be %u, %u",
			    m->step, model_doing, pfn, p->kind, p->mapcount, p->refcount,
			    entries_to[pfn], holders);
	}
	if (free != frames_free())
		panic("model: (%s): %lu frames are free, frames_free() says %lu", model_doing, free,
		      frames_free());
}

/* ---- PSS ---- */

struct pss {
	u64 sum, views;
	u32 *ways; /* by pfn: views of the frame, in all processes */
};

static int add_pss(const struct page_view *v, void *arg)
{
	struct pss *pss = arg;

	if (v->page) {
		pss->sum += v->pss;
		pss->views++;
		pss->ways[page_to_pfn(v->page)]++;
	}
	return 0;
}

static int check_exclusive(const struct page_view *v, void *arg)
{
	const struct pss *pss = arg;

	if (v->page && v->exclusive != (pss->ways[page_to_pfn(v->page)] == 1))
		panic("model: (%s): the page at %#lx is said to be %s, and is mapped %u times",
		      model_doing, v->va, v->exclusive ? "exclusive" : "not exclusive",
		      pss->ways[page_to_pfn(v->page)]);
	return 0;
}

static void walk_all(const struct model *m, int (*fn)(const struct page_view *, void *), void *arg)
{
	for (unsigned i = 0; i < PROCS; i++)
		if (m->proc[i].mm)
			mm_walk(m->proc[i].mm, 0, USER_END, fn, arg);
}

/* check_frames() has left entries_to. Each view may lose less than one unit by rounding. */
static void check_pss(const struct model *m)
{
	struct pss pss = {.ways = calloc(page_array_len, sizeof(*pss.ways))};
	u64 mapped = 0;

	walk_all(m, add_pss, &pss);
	walk_all(m, check_exclusive, &pss);
	free(pss.ways);
	for (pfn_t pfn = 0; pfn < page_array_len; pfn++) {
		unsigned kind = pfn_to_page(pfn)->kind;

		mapped += entries_to[pfn] && (kind == PAGE_ANON || kind == PAGE_FILE);
	}
	mapped <<= PAGE_SHIFT + PSS_SHIFT;
	if (pss.sum > mapped || pss.sum + pss.views < mapped)
		panic("model: step %lu (%s): PSS sums to %lu, of %lu mapped", m->step, model_doing,
		      pss.sum, mapped);
}

void model_check(struct model *m)
{
	for (unsigned i = 0; i < PROCS; i++)
		if (m->proc[i].mm)
			check_proc(m, &m->proc[i]);
	check_frames(m);
	check_pss(m);
	free(entries_to);
	entries_to = NULL;
	if (!mm_audit())
		panic("model: step %lu (%s): mm_audit() fails", m->step, model_doing);
}
