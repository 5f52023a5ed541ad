/*
 * Areas: an ordered set of address ranges with, at each node, the largest hole of its subtree, so
 * that a place for a new mapping is found in one descent.
 *
 * Invariants:
 *	order	areas do not overlap, are page aligned and not empty
 *	holes	a->hole is the distance to the area before; max_hole the maximum over the subtree
 *	totals	mm->total_pages and its kin, and the set's fork_special, are the sums over the areas
 */
#include "mm/area.h"
#include "kernel/errno.h"
#include "kernel/panic.h"
#include "mm/pagecache.h"

int vm_max_map_count = 65530;

static struct slab_cache *area_cache, *area_set_cache;

static struct area *from_node(const struct rb_node *n)
{
	return n ? container_of(n, struct area, node) : NULL;
}

static void update_max_hole(struct rb_node *n)
{
	struct area *a = from_node(n);
	struct area *l = from_node(n->left), *r = from_node(n->right);
	u64 m = a->hole;

	if (l && l->max_hole > m)
		m = l->max_hole;
	if (r && r->max_hole > m)
		m = r->max_hole;
	a->max_hole = m;
}

void area_init(void)
{
	area_cache = slab_create("area", sizeof(struct area), 8);
	area_set_cache = slab_create("area_set", sizeof(struct area_set), 8);
	ASSERT(area_cache && area_set_cache);
}

struct area_set *area_set_create(void)
{
	struct area_set *s = slab_zalloc(area_set_cache);

	if (!s)
		return NULL;
	s->refs = 1;
	s->tree.update = update_max_hole;
	return s;
}

struct area_set *area_set_share(struct area_set *s)
{
	atomic_inc(&s->refs);
	return s;
}

/* Gives an area flags, and entries the bits that follow from them. */
static void set_flags(struct area *a, u32 flags)
{
	u64 bits = PTE_USER | PTE_ACCESSED;

	bits |= flags & (VM_READ | VM_WRITE | VM_EXEC) ? PTE_PRESENT : PTE_NOACCESS;
	if (!(flags & VM_EXEC))
		bits |= PTE_NX;
	if (flags & VM_SHARED)
		bits |= PTE_SHARED;
	a->flags = flags;
	a->pte_bits = bits;
}

static bool shared_writable(const struct area *a)
{
	return (a->flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE);
}

static void attach_file(struct area *a, struct file *f)
{
	a->file = f;
	a->map = f ? file_mapping(f) : NULL;
	if (!f)
		return;
	file_get(f);
	atomic_inc(&a->map->areas);
	if (shared_writable(a))
		atomic_inc(&a->map->shared_writable);
}

static void area_free(struct area *a)
{
	if (a->map) {
		if (shared_writable(a))
			atomic_dec(&a->map->shared_writable);
		atomic_dec(&a->map->areas);
		file_put(a->file);
	}
	slab_free(area_cache, a);
}

void area_set_put(struct area_set *s)
{
	if (atomic_dec(&s->refs))
		return;
	for (struct rb_node *n = rb_first(&s->tree); n;) {
		struct area *a = from_node(n);

		rb_erase(&s->tree, n);
		area_free(a);
		n = rb_first(&s->tree);
	}
	slab_free(area_set_cache, s);
}

/* Links `a`, whose hole is set, behind the rightmost node that starts below it. */
static void link_area(struct area_set *s, struct area *a)
{
	struct rb_node **link = &s->tree.root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = a->start < from_node(parent)->start ? &parent->left : &parent->right;
	}
	rb_insert_at(&s->tree, &a->node, parent, link);
	s->count++;
}

int area_own(struct mm *mm)
{
	struct area_set *old = mm->areas, *new;

	if (atomic_load_acquire(&old->refs) == 1)
		return 0;
	new = area_set_create();
	if (!new)
		return -ENOMEM;
	for (struct rb_node *n = rb_first(&old->tree); n; n = rb_next(n)) {
		struct area *from = from_node(n), *a = slab_alloc(area_cache);

		if (!a) {
			area_set_put(new);
			return -ENOMEM;
		}
		a->start = from->start;
		a->end = from->end;
		a->hole = from->hole;
		a->pgoff = from->pgoff;
		set_flags(a, from->flags);
		a->has_anon = atomic_load(&from->has_anon);
		a->policy = from->policy;
		attach_file(a, from->file);
		link_area(new, a);
	}
	new->fork_special = old->fork_special;
	new->watched = old->watched;
	mm->areas = new;
	area_set_put(old);
	return 0;
}

struct area *area_find(struct mm *mm, vaddr_t va)
{
	struct rb_node *n = mm->areas->tree.root;
	struct area *best = NULL;

	while (n) {
		struct area *a = from_node(n);

		if (va < a->end) {
			best = a;
			if (va >= a->start)
				break;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct area *area_at(struct mm *mm, vaddr_t va)
{
	struct area *a = area_find(mm, va);

	return a && a->start <= va ? a : NULL;
}

struct area *area_first(struct mm *mm)
{
	return from_node(rb_first(&mm->areas->tree));
}

struct area *area_next(const struct area *a)
{
	return from_node(rb_next(&a->node));
}

struct area *area_prev(const struct area *a)
{
	return from_node(rb_prev(&a->node));
}

/* Sets the hole before `a`, given the area before it, and the maxima above. */
static void fix_hole(struct area_set *s, struct area *a)
{
	struct area *prev = area_prev(a);

	a->hole = a->start - (prev ? prev->end : 0);
	rb_update(&s->tree, &a->node);
}

/* Adds `sign` times the pages of a range with these flags to the mm's totals. */
static void account(struct mm *mm, const struct area *a, u64 pages, int sign) __must_hold(&mm->lock)
{
	u64 n = sign < 0 ? -pages : pages;

	mm->total_pages += n;
	if (mm->total_pages > mm->peak_total)
		mm->peak_total = mm->total_pages;
	if (a->flags & VM_FORK_SPECIAL)
		mm->areas->fork_special += n;
	if (a->flags & VM_LOCKED)
		mm->locked_pages += n;
	if (a->flags & VM_GROWSDOWN)
		mm->stack_pages += n;
	else if ((a->flags & (VM_EXEC | VM_WRITE)) == VM_EXEC)
		mm->exec_pages += n;
	else if ((a->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
		mm->data_pages += n;
}

static struct mapping_watch *watch_of(const struct area *a)
{
	return a->map ? a->map->watch : NULL;
}

/* The mm has this area from now on, or has it no more. */
static void tell(struct mm *mm, const struct area *a, bool more) __must_hold_shared(&mm->lock)
{
	struct mapping_watch *w = watch_of(a);

	if (likely(!w))
		return;
	mm->areas->watched += more ? 1 : -1u;
	w->areas(w, more);
}

void area_tell_all(struct mm *mm, bool more)
{
	if (likely(!mm->areas->watched))
		return;
	for (struct area *a = area_first(mm); a; a = area_next(a))
		if (watch_of(a))
			watch_of(a)->areas(watch_of(a), more);
}

/* True where `b`, which starts where `a` ends, goes on as `a` does. Areas that somebody counts are not
 * joined: shmctl(2) tells how many there are, and on Linux those once cut stay so. */
static bool continues(const struct area *a, const struct area *b)
{
	return a->end == b->start && a->flags == b->flags && a->file == b->file &&
	       a->policy == b->policy && a->pgoff + area_pages(a) == b->pgoff && !watch_of(a);
}

/* Joins b, which continues a, to a. */
static void absorb(struct mm *mm, struct area *a, struct area *b) __must_hold(&mm->lock)
{
	vaddr_t end = b->end;

	if (atomic_load(&b->has_anon))
		atomic_store(&a->has_anon, true);
	area_remove(mm, b);
	area_resize(mm, a, a->start, end);
}

struct area *area_new(const struct area_kind *kind)
{
	struct area *a = slab_zalloc(area_cache);

	if (!a)
		return NULL;
	a->pgoff = kind->pgoff;
	set_flags(a, kind->flags);
	attach_file(a, kind->file);
	return a;
}

void area_discard(struct area *a)
{
	if (a)
		area_free(a);
}

void area_insert(struct mm *mm, struct area *a, vaddr_t start, vaddr_t end)
{
	struct area *next;

	a->start = start;
	a->end = end;
	link_area(mm->areas, a);
	fix_hole(mm->areas, a);
	account(mm, a, area_pages(a), 1);
	next = area_next(a);
	if (next) {
		DEBUG_ASSERT(end <= next->start);
		fix_hole(mm->areas, next);
	}
	tell(mm, a, true);
}

void area_remove(struct mm *mm, struct area *a)
{
	struct area *next = area_next(a);

	account(mm, a, area_pages(a), -1);
	rb_erase(&mm->areas->tree, &a->node);
	mm->areas->count--;
	if (next)
		fix_hole(mm->areas, next);
	tell(mm, a, false);
	area_free(a);
}

void area_resize(struct mm *mm, struct area *a, vaddr_t start, vaddr_t end)
{
	struct area *next = area_next(a);

	account(mm, a, area_pages(a), -1);
	a->pgoff += (s64)(start - a->start) >> PAGE_SHIFT;
	a->start = start;
	a->end = end;
	account(mm, a, area_pages(a), 1);
	fix_hole(mm->areas, a);
	if (next) {
		DEBUG_ASSERT(end <= next->start);
		fix_hole(mm->areas, next);
	}
}

void area_set_flags(struct mm *mm, struct area *a, u32 flags)
{
	account(mm, a, area_pages(a), -1);
	set_flags(a, flags);
	account(mm, a, area_pages(a), 1);
}

int area_split(struct mm *mm, vaddr_t at)
{
	struct area *a = area_at(mm, at), *b;
	vaddr_t end;

	if (!a || a->start == at)
		return 0;
	if (mm->areas->count >= (u32)vm_max_map_count)
		return -ENOMEM;
	b = slab_zalloc(area_cache);
	if (!b)
		return -ENOMEM;
	end = a->end;
	b->start = at;
	b->end = end;
	b->pgoff = area_index(a, at);
	set_flags(b, a->flags);
	b->has_anon = atomic_load(&a->has_anon);
	b->policy = a->policy;
	attach_file(b, a->file);
	area_resize(mm, a, a->start, at);
	link_area(mm->areas, b);
	account(mm, b, area_pages(b), 1);
	fix_hole(mm->areas, b);
	if (area_next(b))
		fix_hole(mm->areas, area_next(b));
	tell(mm, b, true);
	return 0;
}

void area_merge_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
	struct area *a = area_find(mm, start ? start - 1 : 0);

	while (a && a->start <= end) {
		struct area *next = area_next(a);

		if (next && continues(a, next))
			absorb(mm, a, next);
		else
			a = next;
	}
}

/* What of the hole before `a` (or, NULL, above all areas) a mapping may use: [*lo, *hi). */
static bool usable(const struct area *a, vaddr_t hole_lo, vaddr_t hole_hi, u64 len, vaddr_t low,
		   vaddr_t high, vaddr_t *lo, vaddr_t *hi)
{
	if (a && a->flags & VM_GROWSDOWN)
		hole_hi = hole_hi > STACK_GUARD_GAP ? hole_hi - STACK_GUARD_GAP : 0;
	*lo = max(hole_lo, low);
	*hi = min(hole_hi, high);
	return *hi > *lo && *hi - *lo >= len;
}

/* The highest hole under n that serves, or 0. Subtrees without a hole of len bytes are passed over.
 */
static vaddr_t hole_down(struct rb_node *n, u64 len, vaddr_t low, vaddr_t high)
{
	struct area *a = from_node(n);
	vaddr_t lo, hi, found;

	if (!a || a->max_hole < len)
		return 0;
	if (a->end < high) {
		found = hole_down(n->right, len, low, high);
		if (found)
			return found;
	}
	if (a->start <= low)
		return 0;
	if (a->hole >= len && usable(a, a->start - a->hole, a->start, len, low, high, &lo, &hi))
		return hi - len;
	return hole_down(n->left, len, low, high);
}

/* The lowest hole under n that serves, or 0. */
static vaddr_t hole_up(struct rb_node *n, u64 len, vaddr_t low, vaddr_t high)
{
	struct area *a = from_node(n);
	vaddr_t lo, hi, found;

	if (!a || a->max_hole < len)
		return 0;
	if (a->start > low) {
		found = hole_up(n->left, len, low, high);
		if (found)
			return found;
		if (a->hole >= len &&
		    usable(a, a->start - a->hole, a->start, len, low, high, &lo, &hi))
			return lo;
	}
	return a->end < high ? hole_up(n->right, len, low, high) : 0;
}

vaddr_t area_find_hole(struct mm *mm, u64 len, vaddr_t low, vaddr_t high, bool up)
{
	struct rb_node *root = mm->areas->tree.root;
	struct area *last = from_node(rb_last(&mm->areas->tree));
	vaddr_t lo, hi, found;
	bool top = usable(NULL, last ? last->end : 0, high, len, low, high, &lo, &hi);

	if (top && !up)
		return hi - len;
	found = up ? hole_up(root, len, low, high) : hole_down(root, len, low, high);
	if (!found && top)
		return lo;
	return found;
}
