/* The model's operations on areas: mmap, munmap, mprotect, madvise and mremap. */
#include "mm/area.h"
#include "mm/mman.h"
#include "mm/tree.h"
#include "tests/unit/model/op.h"
#include <stdlib.h>

/* A range of any slots; one in six spans windows and the gaps between them. */
static void choose_range(struct op *o)
{
	unsigned a, b;

	if (!chance(o, 16)) {
		choose_window_range(o);
		return;
	}
	a = choose(o, SLOTS);
	b = choose(o, SLOTS);
	o->first = min(a, b);
	o->end = max(a, b) + 1;
}

static unsigned choose_prot(struct op *o)
{
	u32 n = choose(o, 100);

	if (n < 62)
		return PROT_READ | PROT_WRITE;
	if (n < 76)
		return PROT_READ;
	if (n < 84)
		return PROT_READ | PROT_EXEC;
	if (n < 92)
		return 0;
	return n < 96 ? PROT_READ | PROT_WRITE | PROT_EXEC : PROT_WRITE;
}

void op_mmap(struct op *o)
{
	struct slot_state want = {.mapped = true, .may_write = true};
	u32 kind = choose(o, 100);
	unsigned flags = MAP_FIXED;
	struct mfile *file = NULL;
	u64 offset = 0;
	bool occupied = false;
	long r;

	if (kind < 60)
		choose_range(o);
	else
		choose_window_range(o);
	want.prot = (u8)choose_prot(o);
	if (kind >= 75) {
		file = o->m->file[choose(o, FILES)];
		file->refs++;
		want.file_page = choose(o, FILE_PAGES);
		want.shared = kind >= 88;
		offset = want.file_page << PAGE_SHIFT;
	} else if (kind >= 60) {
		want.shared = true;
		file = mfile_new(NULL, length_of(o), true);
	}
	if (want.shared && !file->can_write) {
		want.shared = want.may_write = false;
		flags |= MAP_SHARED;
	} else {
		flags |= want.shared ? MAP_SHARED : MAP_PRIVATE;
	}
	if (kind < 75)
		flags |= MAP_ANONYMOUS;
	if (chance(o, 10)) {
		flags |= MAP_FIXED_NOREPLACE;
		flags &= ~MAP_FIXED;
	}
	for (unsigned s = o->first; s < o->end; s++)
		occupied |= o->p->slot[s].mapped;
	DOING("mmap slots %u-%u prot %u flags %#x file page %lu", o->first, o->end, want.prot,
	      flags, want.file_page);

	r = mm_mmap(o->p->mm, start_of(o), length_of(o), want.prot, flags, file ? file->file : NULL,
		    offset);
	if (!want.may_write && want.prot & PROT_WRITE) {
		if (r != -EACCES)
			WRONG("returned %ld, should be -EACCES", r);
	} else if (flags & MAP_FIXED_NOREPLACE && occupied) {
		if (r != -EEXIST && !(r == -ENOMEM && memory_was_short()))
			WRONG("returned %ld, should be -EEXIST", r);
	} else if (r == (long)start_of(o)) {
		for (unsigned s = o->first; s < o->end; s++) {
			want.file = file;
			slot_set_state(&o->p->slot[s], &want);
			want.file_page += file != NULL;
		}
	} else if (r != -ENOMEM || !memory_was_short()) {
		WRONG("returned %ld", r);
	}
	mfile_put(file);
}

void op_munmap(struct op *o)
{
	long r;

	choose_range(o);
	DOING("munmap slots %u-%u", o->first, o->end);
	r = mm_munmap(o->p->mm, start_of(o), length_of(o));
	if (r == -ENOMEM && memory_was_short())
		return;
	if (r)
		WRONG("returned %ld", r);
	for (unsigned s = o->first; s < o->end; s++)
		slot_clear(&o->p->slot[s]);
}

void op_mprotect(struct op *o)
{
	unsigned prot = choose_prot(o), s;
	long want = 0, r;

	choose_range(o);
	DOING("mprotect slots %u-%u prot %u", o->first, o->end, prot);
	r = mm_mprotect(o->p->mm, start_of(o), length_of(o), prot);
	for (s = o->first; s < o->end; s++) {
		struct slot_state *st = &o->p->slot[s];
		const struct area *a = area_at(o->p->mm, slot_va(s));

		if (!st->mapped)
			want = -ENOMEM;
		else if (prot & PROT_WRITE && !st->may_write)
			want = -EACCES;
		if (want)
			break;
		if (r == -ENOMEM && memory_was_short() && a && (a->flags & 7) == st->prot)
			continue;
		st->prot = (u8)prot;
	}
	if (r != want && !(r == -ENOMEM && memory_was_short()))
		WRONG("returned %ld, should be %ld", r, want);
}

static bool is_dropped(const struct op *o, unsigned s)
{
	return pte_none(tree_lookup(o->p->mm, slot_va(s)));
}

void op_madvise(struct op *o)
{
	static const int advices[] = {MADV_DONTNEED, MADV_DONTNEED,   MADV_DONTNEED,  MADV_DONTFORK,
				      MADV_DOFORK,   MADV_WIPEONFORK, MADV_KEEPONFORK};
	int advice = advices[choose(o, ARRAY_SIZE(advices))];
	bool hole = false, partial;
	long want = 0, r;

	choose_range(o);
	DOING("madvise slots %u-%u advice %d", o->first, o->end, advice);
	r = mm_madvise(o->p->mm, start_of(o), length_of(o), advice);
	partial = r == -ENOMEM && memory_was_short();
	for (unsigned s = o->first; s < o->end && !want; s++) {
		struct slot_state *st = &o->p->slot[s];
		const struct area *a = area_at(o->p->mm, slot_va(s));

		hole |= !st->mapped;
		if (!st->mapped)
			continue;
		if (advice == MADV_WIPEONFORK && (st->file || st->shared)) {
			want = -EINVAL;
		} else if (advice == MADV_DONTNEED) {
			if (partial && st->own && !is_dropped(o, s))
				continue;
			free(st->own);
			st->own = NULL;
		} else if (advice == MADV_DONTFORK || advice == MADV_DOFORK) {
			if (!partial || (a && !(a->flags & VM_DONTCOPY) != !st->dontfork))
				st->dontfork = advice == MADV_DONTFORK;
		} else if (!partial || (a && !(a->flags & VM_WIPEONFORK) != !st->wipe)) {
			st->wipe = advice == MADV_WIPEONFORK;
		}
	}
	if (!want && hole)
		want = -ENOMEM;
	if (r != want && !partial)
		WRONG("returned %ld, should be %ld", r, want);
}

/* ---- mremap ---- */

/* Whether one area of the kernel covers the slots; the model does not predict how areas merge. */
static bool in_one_area(const struct op *o)
{
	const struct area *a = area_at(o->p->mm, start_of(o));

	return a && a->end >= start_of(o) + length_of(o);
}

/* The slot after `last` in the same area, as growing makes it. */
static struct slot_state next_of(const struct slot_state *last)
{
	struct slot_state st = *last;

	st.own = NULL;
	st.file_page += st.file != NULL;
	return st;
}

static void op_mremap_shrink(struct op *o)
{
	unsigned keep;
	long r;

	keep = 1 + choose(o, o->end - o->first);
	DOING("mremap slots %u-%u to %u pages", o->first, o->end, keep);
	r = mm_mremap(o->p->mm, start_of(o), length_of(o), (u64)keep << PAGE_SHIFT, 0, 0);
	if (r == -ENOMEM && memory_was_short())
		return;
	if (!o->p->slot[o->first].mapped) {
		if (r != -EFAULT)
			WRONG("returned %ld, should be -EFAULT", r);
		return;
	}
	if (r != (long)start_of(o))
		WRONG("returned %ld", r);
	for (unsigned s = o->first + keep; s < o->end; s++)
		slot_clear(&o->p->slot[s]);
}

static void op_mremap_grow(struct op *o)
{
	unsigned room = WINDOW_PAGES - o->end % (WINDOW_PAGES + 1), more, s;
	bool free = true, whole;
	const struct area *a;
	long r, want;

	if (o->end % (WINDOW_PAGES + 1) == 0 || !room)
		return;
	more = 1 + choose(o, room);
	for (s = o->end; s < o->end + more; s++)
		free &= !o->p->slot[s].mapped;
	a = area_at(o->p->mm, start_of(o));
	whole = a && a->end == start_of(o) + length_of(o);
	want = !in_one_area(o) ? -EFAULT : whole && free ? (long)start_of(o) : -ENOMEM;
	DOING("mremap slots %u-%u grow by %u", o->first, o->end, more);
	r = mm_mremap(o->p->mm, start_of(o), length_of(o), length_of(o) + ((u64)more << PAGE_SHIFT),
		      0, 0);
	if (r == -ENOMEM && memory_was_short())
		return;
	if (r != want)
		WRONG("returned %ld, should be %ld", r, want);
	for (s = o->end; r > 0 && s < o->end + more; s++) {
		struct slot_state st = next_of(&o->p->slot[s - 1]);

		slot_set_state(&o->p->slot[s], &st);
	}
}

/* The model's half of a move of n slots to `to`, where there will be m. */
static void move_slots(struct op *o, unsigned to, unsigned n, unsigned m, bool keep_old)
{
	struct slot_state moved[WINDOW_PAGES];
	unsigned i;

	for (i = 0; i < n; i++) {
		struct slot_state *old = &o->p->slot[o->first + i];
		struct slot_state rest = *old;

		moved[i] = *old;
		*old = (struct slot_state){0};
		if (keep_old && i < m) {
			rest.own = NULL;
			slot_set_state(old, &rest);
		}
	}
	for (i = 0; i < m; i++) {
		struct slot_state st = i < n ? moved[i] : next_of(&o->p->slot[to + i - 1]);

		slot_set_state(&o->p->slot[to + i], &st);
	}
	for (i = 0; i < n; i++) {
		mfile_put(moved[i].file);
		if (i >= m)
			free(moved[i].own);
	}
}

/* As Linux, a move that fails may already have unmapped its destination, and what it cuts off. */
static void forget_unmapped(struct op *o, unsigned first, unsigned end)
{
	for (unsigned s = first; s < end; s++)
		if (!area_at(o->p->mm, slot_va(s)))
			slot_clear(&o->p->slot[s]);
}

static void op_mremap_move(struct op *o)
{
	unsigned n = o->end - o->first, to, m = 1 + choose(o, WINDOW_PAGES), flags;
	unsigned base = choose(o, WINDOWS) * (WINDOW_PAGES + 1);
	bool keep = chance(o, 20), overlap;
	long r, want;

	if (keep || chance(o, 50))
		m = n;
	to = base + choose(o, WINDOW_PAGES - m + 1);
	overlap = to < o->end && o->first < to + m;
	flags = MREMAP_MAYMOVE | MREMAP_FIXED | (keep ? MREMAP_DONTUNMAP : 0);
	want = !in_one_area(o) ? -EFAULT : overlap ? -EINVAL : (long)slot_va(to);
	DOING("mremap slots %u-%u to %u-%u%s", o->first, o->end, to, to + m,
	      keep ? " DONTUNMAP" : "");
	r = mm_mremap(o->p->mm, start_of(o), length_of(o), (u64)m << PAGE_SHIFT, flags,
		      slot_va(to));
	if (r == -ENOMEM && memory_was_short()) {
		forget_unmapped(o, to, to + m);
		if (m < n)
			forget_unmapped(o, o->first + m, o->end);
		return;
	}
	if (r != want)
		WRONG("returned %ld, should be %ld", r, want);
	if (r > 0)
		move_slots(o, to, n, m, keep);
}

void op_mremap(struct op *o)
{
	choose_window_range(o);
	switch (choose(o, 4)) {
	case 0:
		op_mremap_shrink(o);
		break;
	case 1:
		op_mremap_grow(o);
		break;
	default:
		op_mremap_move(o);
		break;
	}
}
