/*
 * Who maps this? Asked by truncation, which is rare, so that mapping a page costs nothing here:
 * each mm is asked for areas of the file. Truncating a file that no area maps asks nobody.
 */
#include "mm/rmap.h"
#include "kernel/errno.h"
#include "mm/area.h"
#include "mm/tree.h"

static spinlock_t all_lock = SPINLOCK_INIT(LOCK_FAMILY); /* guards all_mms */
static struct list_head all_mms = LIST_INIT(all_mms);

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

struct mm *rmap_first_mm(void)
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

/* Does it to what each area of m in this mm maps from page `first` on. */
static int for_areas(struct mm *mm, struct mapping *m, u64 first,
		     int (*fn)(struct mm *, vaddr_t, vaddr_t, struct gather *))
{
	struct gather g;
	int err = 0;

	gather_init(&g, mm);
	rwsem_write_lock(&mm->lock);
	for (struct area *a = area_first(mm); a && !err; a = area_next(a)) {
		u64 skip;

		if (a->map != m || a->pgoff + area_pages(a) <= first)
			continue;
		skip = first > a->pgoff ? first - a->pgoff : 0;
		err = fn(mm, a->start + (skip << PAGE_SHIFT), a->end, &g);
	}
	gather_flush(&g);
	rwsem_write_unlock(&mm->lock);
	return err;
}

static int for_mms(struct mapping *m, u64 first,
		   int (*fn)(struct mm *, vaddr_t, vaddr_t, struct gather *))
{
	struct mm *mm = next_mm(NULL), *next;
	int err = 0;

	for (; mm; mm = next) {
		if (!err)
			err = for_areas(mm, m, first, fn);
		next = next_mm(mm);
		mm_put_user(mm);
	}
	return err;
}

static int own_edges(struct mm *mm, vaddr_t start, vaddr_t end, struct gather *g)
    __must_hold(&mm->lock)
{
	(void)g;
	return tree_own_edges(mm, start, end);
}

/* All that takes memory comes first: then emptying fails only where a fork came between the two. */
int rmap_unmap_file(struct mapping *m, u64 first)
{
	int err = for_mms(m, first, own_edges);

	return err ? err : for_mms(m, first, tree_zap);
}
