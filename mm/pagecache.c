/* The page cache: frames of a file by index. See mm/pagecache.h. */
#include "mm/pagecache.h"
#include "kernel/errno.h"
#include "kernel/lib/string.h"
#include "mm/commit.h"
#include "mm/rmap.h"
#include "mm/tree.h"

static u64 total_pages, total_shmem; /* atomic */

u64 mapping_total_pages(void)
{
	return atomic_load(&total_pages);
}

u64 mapping_total_shmem(void)
{
	return atomic_load(&total_shmem);
}

void mapping_init(struct mapping *m, bool shmem)
{
	memset(m, 0, sizeof(*m));
	spin_init(&m->lock, LOCK_MAPPING);
	spin_assume_held(&m->lock);
	radix_init(&m->pages);
	m->shmem = shmem;
}

static void count_pages(struct mapping *m, s64 n) __must_hold(&m->lock)
{
	m->nr_pages += (u64)n;
	atomic_add(&total_pages, (u64)n);
	if (m->shmem)
		atomic_add(&total_shmem, (u64)n);
}

/* Takes room for one page more; faults fill holes of several files side by side. False: there is none. */
static bool charge(struct mapping *m)
{
	struct mapping_store *s = m->store;

	if (!s)
		return true;
	if ((atomic_add(&s->used_pages, 1) > s->max_pages && s->max_pages) ||
	    (s->promised && !m->committed && commit_reserve(NULL, 1, false))) {
		atomic_dec(&s->used_pages);
		return false;
	}
	return true;
}

static void uncharge(struct mapping *m)
{
	struct mapping_store *s = m->store;

	if (!s)
		return;
	atomic_dec(&s->used_pages);
	if (s->promised && !m->committed)
		commit_release(1);
}

static void remove_page(struct mapping *m, u64 index) __must_hold(&m->lock)
{
	radix_remove(&m->pages, index);
	count_pages(m, -1);
	uncharge(m);
}

/* Takes the first page at or after *index out of the cache, with the cache's reference; NULL: no
 * more. */
static struct page *take_from(struct mapping *m, u64 *index)
{
	struct page *p;

	spin_lock(&m->lock);
	p = radix_next(&m->pages, index);
	if (p)
		remove_page(m, *index);
	spin_unlock(&m->lock);
	return p;
}

void mapping_destroy(struct mapping *m)
{
	u64 index = 0;
	struct page *p;

	while ((p = take_from(m, &index)))
		page_put(p);
	if (m->watch)
		m->watch->gone(m->watch);
}

struct page *mapping_find(struct mapping *m, u64 index)
{
	struct page *p;

	spin_lock(&m->lock);
	p = radix_get(&m->pages, index);
	if (p)
		page_get(p);
	spin_unlock(&m->lock);
	return p;
}

/*
 * Puts p where there is a hole. p, ERR_PTR(-ENOSPC), or NULL: no memory. The room for it is taken only now: who
 * takes it before would have it from those that fill other holes, though it may find this one filled.
 */
static struct page *fill_hole(struct mapping *m, u64 index, struct page *p) __must_hold(&m->lock)
{
	if (!charge(m))
		return ERR_PTR(-ENOSPC);
	if (radix_set(&m->pages, index, p)) {
		uncharge(m);
		return NULL;
	}
	count_pages(m, 1);
	return p;
}

struct page *mapping_get(struct mapping *m, u64 index)
{
	struct page *p = mapping_find(m, index), *new;

	if (p)
		return p;
	new = page_alloc(PAGE_FILE, 0, ALLOC_ZERO);
	if (!new)
		return NULL;
	new->file.mapping = m;
	new->file.index = index;
	spin_lock(&m->lock);
	p = radix_get(&m->pages, index); /* somebody may have filled the hole meanwhile */
	if (!p)
		p = fill_hole(m, index, new);
	if (p && !IS_ERR(p))
		page_get(p);
	spin_unlock(&m->lock);
	if (p != new)
		page_put(new);
	return p;
}

/* Clears [start, end), which lies within one page, where that page is there. */
static void clear_part(struct mapping *m, u64 start, u64 end)
{
	struct page *p = start < end ? mapping_find(m, start >> PAGE_SHIFT) : NULL;

	if (!p)
		return;
	memset((u8 *)page_to_virt(p) + (start & ~PAGE_MASK), 0, end - start);
	page_put(p);
}

int mapping_truncate(struct mapping *m, u64 size)
{
	u64 first = DIV_ROUND_UP(size, PAGE_SIZE), index = first, old = atomic_load(&m->size);
	struct page *p;

	/*
	 * New faults past the end are refused from here on, so what is unmapped below stays so. An exchange,
	 * not a store, which the load below might overtake: then an area that comes now might be missed,
	 * and its faults still see the old size.
	 */
	(void)atomic_xchg(&m->size, size);
	if (atomic_load(&m->areas) && size < old && rmap_unmap_file(m, first)) {
		atomic_store(&m->size, old);
		return -ENOMEM;
	}
	while ((p = take_from(m, &index)))
		page_put(p);
	clear_part(m, size, ALIGN_UP(size, PAGE_SIZE));
	return 0;
}

void mapping_drop_tail(struct mapping *m, u64 first)
{
	u64 index = max(first, DIV_ROUND_UP(atomic_load(&m->size), PAGE_SIZE));
	struct page *p;

	while ((p = take_from(m, &index)))
		page_put(p);
}

/*
 * Takes the page at or after *index out of the cache, where nobody else holds it. What somebody reads
 * at this moment, or has mapped again since it was unmapped, stays and is filled with zeros: all who
 * see it go on seeing one page. False: there is no more below `end`.
 */
static bool punch_one(struct mapping *m, u64 *index, u64 end)
{
	struct page *p;
	bool sole;

	spin_lock(&m->lock);
	p = radix_next(&m->pages, index);
	if (!p || *index >= end) {
		spin_unlock(&m->lock);
		return false;
	}
	sole = page_refcount(p) == 1; /* the cache's own: another comes only under the lock */
	if (sole)
		remove_page(m, *index);
	else
		page_get(p);
	spin_unlock(&m->lock);
	if (!sole)
		memset(page_to_virt(p), 0, PAGE_SIZE);
	page_put(p);
	++*index;
	return true;
}

int mapping_punch(struct mapping *m, u64 start, u64 end)
{
	u64 first = DIV_ROUND_UP(start, PAGE_SIZE), last = end >> PAGE_SHIFT, index = first;

	if (first > last) { /* within one page */
		clear_part(m, start, end);
		return 0;
	}
	if (atomic_load(&m->areas) && first < last && rmap_unmap_hole(m, first, last))
		return -ENOMEM;
	while (punch_one(m, &index, last))
		;
	clear_part(m, start, first << PAGE_SHIFT);
	clear_part(m, last << PAGE_SHIFT, end);
	return 0;
}
