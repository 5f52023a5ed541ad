/* The reference model: its state, and what a page access should do to it. */
#include "tests/unit/model/model.h"
#include "kernel/panic.h"
#include "mm/area.h"
#include "mm/commit.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/model/ops.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char model_doing[160];
static u64 frames_at_boot;

/* Where the windows begin: half below, half above a boundary of the level in the comment. */
#define HALF (WINDOW_PAGES / 2 * PAGE_SIZE)
static const vaddr_t window_start[WINDOWS] = {
    0x40200000 - HALF,	  /* 1: 2 MiB */
    0x40600000 - HALF,	  /* the same page directory, two tables on */
    0x80000000 - HALF,	  /* 2: 1 GiB */
    0x8000000000 - HALF,  /* 3: 512 GiB */
    0x18000123000 - HALF, /* inside a table, another entry of the root */
};

bool slot_is_gap(unsigned slot)
{
	return slot % (WINDOW_PAGES + 1) == WINDOW_PAGES;
}

vaddr_t slot_va(unsigned slot)
{
	return window_start[slot / (WINDOW_PAGES + 1)] + slot % (WINDOW_PAGES + 1) * PAGE_SIZE;
}

u64 slot_pages(unsigned slot)
{
	return slot_is_gap(slot) ? (slot_va(slot + 1) - slot_va(slot)) >> PAGE_SHIFT : 1;
}

void mfile_put(struct mfile *f)
{
	if (!f || --f->refs)
		return;
	if (f->file)
		file_put(f->file);
	free(f);
}

struct mfile *mfile_new(struct file *file, u64 bytes, bool can_write)
{
	struct mfile *f = calloc(1, sizeof(*f));

	f->refs = 1;
	f->file = file;
	f->bytes = bytes;
	f->can_write = can_write;
	return f;
}

void slot_set_state(struct slot_state *s, const struct slot_state *to)
{
	struct slot_state old = *s;

	*s = *to;
	if (s->file)
		s->file->refs++;
	free(old.own);
	mfile_put(old.file);
}

void slot_clear(struct slot_state *s)
{
	slot_set_state(s, &(struct slot_state){0});
}

void slot_make_own(struct slot_state *s)
{
	if (s->own)
		return;
	s->own = calloc(1, sizeof(*s->own));
	if (s->file)
		*s->own = s->file->page[s->file_page];
}

struct content *slot_content(struct slot_state *s)
{
	return s->own ? s->own : s->file ? &s->file->page[s->file_page] : NULL;
}

enum fault_result slot_predict(const struct slot_state *s, unsigned access)
{
	if (!s->mapped)
		return FAULT_MAPERR;
	if (access == PROT_READ ? !s->prot : !(s->prot & access))
		return FAULT_ACCERR;
	if (!s->own && s->file && s->file_page >= DIV_ROUND_UP(s->file->bytes, PAGE_SIZE))
		return FAULT_BUS;
	return FAULT_OK;
}

void proc_clear(struct mproc *p)
{
	for (unsigned s = 0; s < SLOTS; s++)
		slot_clear(&p->slot[s]);
	p->mm = NULL;
}

void model_boot(pfn_t frames)
{
	sim_memory_init(1, frames);
	frames_init_zero();
	mm_init();
	vm_overcommit_memory = 1;
	alloc_trim();
	frames_at_boot = frames_free();
}

void model_squeeze(u64 leave)
{
	static struct list_head taken = LIST_INIT(taken);
	struct page *p;

	while (!list_empty(&taken)) {
		p = list_first(&taken, struct page, link);
		list_del(&p->link);
		page_put(p);
		frames_at_boot++;
	}
	while (frames_free() > leave && (p = page_alloc(PAGE_KERNEL, 0, 0))) {
		list_add(&taken, &p->link);
		frames_at_boot--;
	}
}

void model_init(struct model *m, u32 (*choose)(void *arg, u32 n), void *arg)
{
	memset(m, 0, sizeof(*m));
	m->choose = choose;
	m->arg = arg;
	m->check_every = 1;
	for (unsigned i = 0; i < FILES; i++) {
		u64 bytes = (i + 1) * FILE_PAGES / FILES * PAGE_SIZE - i * 1000 * 8 % PAGE_SIZE;

		m->file[i] = mfile_new(sim_file(bytes, true, i != 1), bytes, i != 1);
	}
	m->proc[0].mm = mm_create();
	ASSERT(m->proc[0].mm);
}

void model_end(struct model *m)
{
	snprintf(model_doing, sizeof(model_doing), "end");
	alloc_fail_nth = 0;
	for (unsigned i = 0; i < PROCS; i++) {
		if (!m->proc[i].mm)
			continue;
		mm_put_user(m->proc[i].mm);
		proc_clear(&m->proc[i]);
	}
	for (unsigned i = 0; i < FILES; i++)
		mfile_put(m->file[i]);
	for (unsigned cpu = 0; cpu < SIM_CPUS; cpu++)
		sim_run(cpu, NULL);
	host_cpu = 0;
	alloc_trim();
	if (frames_free() != frames_at_boot || sim_files)
		panic("model: at the end %ld frames are lost, %u files are open",
		      (long)(frames_at_boot - frames_free()), sim_files);
	if (committed_as())
		panic("model: at the end %lu pages are promised", committed_as());
}
