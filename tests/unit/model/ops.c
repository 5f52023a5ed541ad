/*
 * The operations of the reference model. Each performs one call on mm/ and the same on the model,
 * and holds the results against each other.
 *
 * Where memory runs out a call must have changed nothing. Two may stop half way, as Linux's do:
 * mprotect and madvise over several areas; then each page must be as before or as asked for.
 */
#include "tests/unit/model/ops.h"
#include "kernel/panic.h"
#include "mm/area.h"
#include "mm/mman.h"
#include "mm/tree.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct op {
	struct model *m;
	struct mproc *p;
	unsigned first, end; /* slots */
};

#define DOING(...)	snprintf(model_doing, sizeof(model_doing), __VA_ARGS__)
#define WRONG(fmt, ...) panic("model: step %lu (%s): " fmt, o->m->step, model_doing, ##__VA_ARGS__)

static u32 choose(struct op *o, u32 n)
{
	return o->m->choose(o->m->arg, n);
}

static bool chance(struct op *o, u32 percent)
{
	return choose(o, 100) < percent;
}

static u64 armed;  /* what alloc_fail_nth was set to for this operation */
static bool tight; /* the model's */

/* True where this call may have found no memory. */
static bool memory_was_short(void)
{
	return tight || (armed && !alloc_fail_nth) || frames_free() <= frames_total() / 128 + 40;
}

static vaddr_t start_of(const struct op *o)
{
	return slot_va(o->first);
}

static u64 length_of(const struct op *o)
{
	unsigned last = o->end - 1;

	return slot_va(last) + (slot_pages(last) << PAGE_SHIFT) - start_of(o);
}

static void choose_window_range(struct op *o)
{
	unsigned base = choose(o, WINDOWS) * (WINDOW_PAGES + 1);
	unsigned first = choose(o, WINDOW_PAGES);
	unsigned max = WINDOW_PAGES - first;

	o->first = base + first;
	o->end = o->first + 1 + (chance(o, 50) ? choose(o, max) : choose(o, max < 4 ? max : 4));
}

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

/* A slot to touch: most often a mapped one. */
static unsigned choose_page(struct op *o)
{
	unsigned s;

	for (unsigned tries = 0;; tries++) {
		s = choose(o, SLOTS);
		if (!slot_is_gap(s) && (o->p->slot[s].mapped || tries > 6))
			return s;
	}
}

/* ---- mapping ---- */

static void op_mmap(struct op *o)
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

static void op_munmap(struct op *o)
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

static void op_mprotect(struct op *o)
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

static void op_madvise(struct op *o)
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

static void op_mremap(struct op *o)
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

/* ---- touching ---- */

static void check_result(struct op *o, enum fault_result r, enum fault_result want)
{
	if (r != want && !(r == FAULT_OOM && memory_was_short()))
		WRONG("ended with %d, should be %d", r, want);
}

static void store(struct slot_state *st, unsigned word, u64 value)
{
	if (!st->shared)
		slot_make_own(st);
	slot_content(st)->word[word] = value;
}

static void op_write(struct op *o)
{
	unsigned s = choose_page(o), word = choose(o, PAGE_WORDS);
	struct slot_state *st = &o->p->slot[s];
	enum fault_result want = slot_predict(st, PROT_WRITE), r;
	u64 value = o->m->step << 8 | 0x5a;

	DOING("CPU %u writes slot %u word %u", host_cpu, s, word);
	r = sim_write(slot_va(s) + word_offset(word), &value, sizeof(value));
	check_result(o, r, want);
	if (r == FAULT_OK)
		store(st, word, value);
}

static void op_read(struct op *o)
{
	unsigned s = choose_page(o), word = choose(o, PAGE_WORDS);
	struct slot_state *st = &o->p->slot[s];
	enum fault_result want = slot_predict(st, PROT_READ), r;
	u64 value = 0, should;

	DOING("CPU %u reads slot %u word %u", host_cpu, s, word);
	r = sim_read(slot_va(s) + word_offset(word), &value, sizeof(value));
	check_result(o, r, want);
	if (r != FAULT_OK)
		return;
	should = slot_content(st) ? slot_content(st)->word[word] : 0;
	if (value != should)
		WRONG("read %#lx, should be %#lx", value, should);
}

static void op_exec_access(struct op *o)
{
	unsigned s = choose_page(o);

	DOING("CPU %u fetches from slot %u", host_cpu, s);
	check_result(o, sim_exec(slot_va(s)), slot_predict(&o->p->slot[s], PROT_EXEC));
}

/* The kernel's own access to a process's memory. */
static void op_kernel_access(struct op *o)
{
	unsigned s = choose_page(o), word = choose(o, PAGE_WORDS);
	struct slot_state *st = &o->p->slot[s];
	bool write = chance(o, 60);
	enum fault_result want = slot_predict(st, write ? PROT_WRITE : PROT_READ);
	u64 value = o->m->step << 8 | 0xa5, buf = value;
	ssize_t r;

	DOING("the kernel %s slot %u word %u", write ? "writes" : "reads", s, word);
	r = mm_access(o->p->mm, slot_va(s) + word_offset(word), &buf, sizeof(buf), write);
	if (r < 0 && memory_was_short())
		return;
	if ((r == sizeof(buf)) != (want == FAULT_OK) || (r < 0 && r != -EFAULT))
		WRONG("returned %ld; a user's access would end with %d", r, want);
	if (r < 0)
		return;
	if (write)
		store(st, word, value);
	else if (buf != (slot_content(st) ? slot_content(st)->word[word] : 0))
		WRONG("read %#lx", buf);
}

static void op_populate(struct op *o)
{
	unsigned access = chance(o, 70) ? PROT_WRITE : PROT_READ;
	long want = 0, r;

	choose_window_range(o);
	DOING("populate slots %u-%u access %u", o->first, o->end, access);
	r = mm_madvise(o->p->mm, start_of(o), length_of(o),
		       access == PROT_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
	for (unsigned s = o->first; s < o->end && !want; s++) {
		struct slot_state *st = &o->p->slot[s];
		enum fault_result f = slot_predict(st, access);

		if (f != FAULT_OK)
			want = f == FAULT_MAPERR ? -ENOMEM : f == FAULT_ACCERR ? -EINVAL : -EFAULT;
		else if (r == -ENOMEM && memory_was_short() &&
			 !(tree_lookup(o->p->mm, slot_va(s)).v & PTE_WRITE))
			want = -ENOMEM;
		else if (access == PROT_WRITE && !st->shared)
			slot_make_own(st);
	}
	if ((r < 0 ? r : 0) != want && !(r == -ENOMEM && memory_was_short()))
		WRONG("returned %ld, should be %ld", r, want);
}

/* ---- files ---- */

static void op_file_write(struct op *o)
{
	struct mfile *f = o->m->file[choose(o, FILES)];
	u64 pages = f->bytes >> PAGE_SHIFT, value = o->m->step << 8 | 0xff;
	unsigned page, word = choose(o, PAGE_WORDS);

	if (!pages)
		return;
	page = choose(o, (u32)pages);
	DOING("write(2) to page %u word %u of a file", page, word);
	if (sim_file_write(f->file, page * PAGE_SIZE + word_offset(word), &value, sizeof(value)))
		f->page[page].word[word] = value;
	else if (!memory_was_short())
		WRONG("no memory");
}

static void truncate_slots(struct op *o, const struct mfile *f, u64 first)
{
	for (unsigned i = 0; i < PROCS; i++)
		for (unsigned s = 0; s < SLOTS; s++) {
			struct slot_state *st = &o->m->proc[i].slot[s];

			if (st->file != f || st->file_page < first)
				continue;
			free(st->own);
			st->own = NULL;
		}
}

static void op_truncate(struct op *o)
{
	struct mfile *f = o->m->file[choose(o, FILES)];
	u64 bytes = choose(o, FILE_PAGES * PAGE_SIZE / 8) * 8;
	int r;

	DOING("truncate a file from %lu to %lu bytes", f->bytes, bytes);
	r = mapping_truncate(file_mapping(f->file), bytes);
	if (r == -ENOMEM && memory_was_short())
		return;
	if (r)
		WRONG("returned %d", r);
	for (u64 page = bytes >> PAGE_SHIFT; page < FILE_PAGES; page++)
		for (unsigned w = 0; w < PAGE_WORDS; w++)
			if ((page << PAGE_SHIFT) + word_offset(w) >= bytes)
				f->page[page].word[w] = 0;
	if (bytes < f->bytes)
		truncate_slots(o, f, DIV_ROUND_UP(bytes, PAGE_SIZE));
	f->bytes = bytes;
}

static void op_punch(struct op *o)
{
	struct mfile *f = o->m->file[choose(o, FILES)];
	u64 start = choose(o, FILE_PAGES * PAGE_SIZE / 8) * 8;
	u64 end = start + choose(o, FILE_PAGES * PAGE_SIZE / 16) * 8 + 8;
	int r;

	DOING("punch a hole into a file from %lu to %lu", start, end);
	r = mapping_punch(file_mapping(f->file), start, end);
	if (r == -ENOMEM && memory_was_short())
		return;
	if (r)
		WRONG("returned %d", r);
	for (u64 page = 0; page < FILE_PAGES; page++)
		for (unsigned w = 0; w < PAGE_WORDS; w++) {
			u64 at = (page << PAGE_SHIFT) + word_offset(w);

			if (at >= start && at < end)
				f->page[page].word[w] = 0;
		}
}

/* ---- processes ---- */

static unsigned count_procs(const struct model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PROCS; i++)
		n += m->proc[i].mm != NULL;
	return n;
}

static void op_exit(struct op *o)
{
	if (count_procs(o->m) == 1)
		return;
	DOING("process %u exits", (unsigned)(o->p - o->m->proc));
	mm_put_user(o->p->mm);
	proc_clear(o->p);
}

static void op_fork(struct op *o)
{
	struct mproc *child = o->m->proc;

	while (child < o->m->proc + PROCS && child->mm)
		child++;
	if (child == o->m->proc + PROCS) {
		op_exit(o);
		return;
	}
	if (o->m->mixed)
		vm_fork_share_level = (int)choose(o, FORK_SHARE_AUTO + 1);
	DOING("process %u forks %u at level %d", (unsigned)(o->p - o->m->proc),
	      (unsigned)(child - o->m->proc), vm_fork_share_level);
	child->mm = mm_fork(o->p->mm, slot_va(choose(o, SLOTS)));
	if (!child->mm) {
		if (!memory_was_short())
			WRONG("no memory");
		return;
	}
	for (unsigned s = 0; s < SLOTS; s++) {
		struct slot_state st = o->p->slot[s];

		if (!st.mapped || st.dontfork)
			continue;
		if (st.own && !st.wipe) {
			st.own = malloc(sizeof(*st.own));
			*st.own = *o->p->slot[s].own;
		} else {
			st.own = NULL;
		}
		slot_set_state(&child->slot[s], &st);
	}
}

static void op_exec(struct op *o)
{
	struct mm *new;

	DOING("process %u executes", (unsigned)(o->p - o->m->proc));
	new = mm_create();
	if (!new) {
		if (!memory_was_short())
			WRONG("no memory");
		return;
	}
	mm_put_user(o->p->mm);
	proc_clear(o->p);
	o->p->mm = new;
}

static const struct {
	void (*fn)(struct op *o);
	unsigned weight;
	const char *name;
} ops[] = {
    {op_write, 40, "write"},	  {op_read, 20, "read"},
    {op_exec_access, 3, "fetch"}, {op_kernel_access, 8, "kernel access"},
    {op_mmap, 14, "mmap"},	  {op_munmap, 5, "munmap"},
    {op_mprotect, 7, "mprotect"}, {op_madvise, 7, "madvise"},
    {op_mremap, 6, "mremap"},	  {op_populate, 4, "populate"},
    {op_fork, 9, "fork"},	  {op_exit, 5, "exit"},
    {op_exec, 1, "exec"},	  {op_file_write, 4, "file write"},
    {op_truncate, 2, "truncate"}, {op_punch, 2, "punch"},
};

const char *model_op_name(unsigned op)
{
	return op < ARRAY_SIZE(ops) ? ops[op].name : NULL;
}

bool model_do(struct model *m, unsigned op, u64 fail_nth)
{
	struct op o = {.m = m};
	unsigned p;
	bool fired;

	m->step++;
	/* The first that exists from a random one on: a fuzzer's input may choose 0 for ever. */
	for (p = m->choose(m->arg, PROCS); !m->proc[p].mm; p = (p + 1) % PROCS)
		;
	o.p = &m->proc[p];
	sim_run(m->choose(m->arg, SIM_CPUS), o.p->mm);
	armed = alloc_fail_nth = fail_nth;
	tight = m->tight;
	ops[op].fn(&o);
	fired = fail_nth && !alloc_fail_nth;
	alloc_fail_nth = 0;
	sim_check_caches();
	if (m->step % m->check_every == 0)
		model_check(m);
	return fired;
}

void model_step(struct model *m)
{
	unsigned total = 0, n, i;
	u64 fail = 0;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		total += ops[i].weight;
	n = m->choose(m->arg, total);
	for (i = 0; n >= ops[i].weight; i++)
		n -= ops[i].weight;
	if (m->fail_allocations && m->choose(m->arg, 4) == 0)
		fail = 1 + m->choose(m->arg, 12);
	model_do(m, i, fail);
}
