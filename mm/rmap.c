/*
 * Who maps this? Asked by truncation, which is rare, so that mapping a page costs nothing here:
 * each mm is asked for areas of the file. Truncating a file that no area maps asks nobody.
 */
#include "mm/rmap.h"
#include "kernel/errno.h"
#include "mm/area.h"
#include "mm/tree.h"

static spinlock_t all_lock = SPINLOCK_INIT(LOCK_FAMILY);
static struct list_head all_mms __guarded_by_global(&all_lock) = LIST_INIT(all_mms);

void rmap_add_mm(struct mm *mm)
{
	spin_lock(&all_lock);
	list_add_tail(&all_mms, &mm->all_link);
	spin_unlock(&all_lock);
}

void rmap_remove_mm(struct mm *mm)
{
	spin_lock(&all_lock);
	list_del(&mm->all_link);
	spin_unlock(&all_lock);
}

struct mm *rmap_first_mm(void) __no_lock_analysis /* nothing comes or goes meanwhile */
{
	return list_empty(&all_mms) ? NULL : list_first(&all_mms, struct mm, all_link);
}

struct mm *rmap_next_mm(struct mm *mm)
{
	return mm->all_link.next == &all_mms ? NULL
					     : list_first(&mm->all_link, struct mm, all_link);
}

/* The next mm on the list that still has areas, with a user reference; NULL: no more. */
static struct mm *next_mm(struct mm *after)
{
	struct mm *found = NULL;
	struct list_head *l;

	spin_lock(&all_lock);
	for (l = after ? after->all_link.next : all_mms.next; l != &all_mms; l = l->next) {
		struct mm *mm = list_entry(l, struct mm, all_link);

		if (mm_get_live(mm)) {
			found = mm;
			break;
		}
	}
	spin_unlock(&all_lock);
	return found;
}

/* What is done to each area of a file, as far as it maps the pages [first, last). */
struct unmap {
	struct mapping *map;
	u64 first, last;
	int (*fn)(struct mm *, const struct area *, vaddr_t, vaddr_t, struct gather *);
};

static int for_areas(struct mm *mm, const struct unmap *u)
{
	struct gather g;
	int err = 0;

	gather_init(&g, mm);
	rwsem_write_lock(&mm->lock);
	for (struct area *a = area_first(mm); a && !err; a = area_next(a)) {
		u64 first, last;

		if (a->map != u->map)
			continue;
		first = max(u->first, a->pgoff);
		last = min(u->last, a->pgoff + area_pages(a));
		if (first < last)
			err = u->fn(mm, a, a->start + ((first - a->pgoff) << PAGE_SHIFT),
				    a->start + ((last - a->pgoff) << PAGE_SHIFT), &g);
	}
	gather_flush(&g);
	rwsem_write_unlock(&mm->lock);
	return err;
}

static int for_mms(const struct unmap *u)
{
	struct mm *mm = next_mm(NULL), *next;
	int err = 0;

	for (; mm; mm = next) {
		if (!err)
			err = for_areas(mm, u);
		next = next_mm(mm);
		mm_put_user(mm);
	}
	return err;
}

static int own_edges(struct mm *mm, const struct area *a, vaddr_t start, vaddr_t end,
		     struct gather *g) __must_hold(&mm->lock)
{
	(void)a;
	(void)g;
	return tree_own_edges(mm, start, end);
}

static int zap(struct mm *mm, const struct area *a, vaddr_t start, vaddr_t end, struct gather *g)
    __must_hold(&mm->lock)
{
	(void)a;
	return tree_zap(mm, start, end, g);
}

/* All that takes memory comes first: then emptying fails only where a fork came between the two. */
int rmap_unmap_file(struct mapping *m, u64 first)
{
	struct unmap u = {m, first, ~0ull, own_edges};
	int err = for_mms(&u);

	u.fn = zap;
	return err ? err : for_mms(&u);
}

static void zap_cached(struct mm *mm, vaddr_t va, struct slot *s, void *arg)
    __must_hold(&s->table->lock)
{
	const struct page *p = pte_page(pte_load(s->pte));

	if (p && p->kind == PAGE_FILE)
		gather_add(arg, va, PAGE_SIZE, pte_page(slot_take(mm, s)));
}

/* Pieces that a gather has room for, since it cannot be flushed with a table locked. */
static int zap_hole(struct mm *mm, const struct area *a, vaddr_t start, vaddr_t end,
		    struct gather *g) __must_hold(&mm->lock)
{
	vaddr_t next;

	if (!area_is_private(a))
		return tree_zap(mm, start, end, g);
	for (vaddr_t va = start; va < end; va = next) {
		next = min(va + GATHER_BATCH * PAGE_SIZE, end);
		gather_flush(g);
		if (tree_for_each(mm, va, next, zap_cached, g))
			return -ENOMEM;
	}
	return 0;
}

int rmap_unmap_hole(struct mapping *m, u64 first, u64 last)
{
	return for_mms(&(struct unmap){m, first, last, zap_hole});
}
