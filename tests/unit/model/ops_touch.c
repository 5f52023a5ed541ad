/* The model's operations on contents: what the CPU and the kernel read and write, and what files do. */
#include "mm/mman.h"
#include "mm/tree.h"
#include "tests/unit/model/op.h"
#include <stdlib.h>

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

void op_write(struct op *o)
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

void op_read(struct op *o)
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

void op_exec_access(struct op *o)
{
	unsigned s = choose_page(o);

	DOING("CPU %u fetches from slot %u", host_cpu, s);
	check_result(o, sim_exec(slot_va(s)), slot_predict(&o->p->slot[s], PROT_EXEC));
}

/* The kernel's own access to a process's memory. */
void op_kernel_access(struct op *o)
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

void op_populate(struct op *o)
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

void op_file_write(struct op *o)
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

void op_truncate(struct op *o)
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

void op_punch(struct op *o)
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
