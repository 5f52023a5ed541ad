/*
 * The reference model: each process is a plain array of pages, each page its words; fork copies
 * the array. The model performs every operation on mm/ and on itself, and says where they differ.
 *
 * The addresses in use are a few windows of single pages, laid across the boundaries of tables of
 * every level, and the gaps between them. A gap is mapped and unmapped as a whole and never
 * touched, so that operations on whole subtrees happen without gigabytes of model.
 */
#pragma once

#include "tests/unit/sim/file.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"

#define WINDOWS	     5
#define WINDOW_PAGES 24
#define SLOTS	     (WINDOWS * WINDOW_PAGES + WINDOWS - 1) /* pages, and the gaps between windows */
#define PROCS	     8
#define FILES	     4
#define FILE_PAGES   WINDOW_PAGES
#define PAGE_WORDS   16 /* words of a page that the model keeps: spread over all of it */

struct content {
	u64 word[PAGE_WORDS];
};

/* A file, or the memory behind a shared anonymous mapping. */
struct mfile {
	u32 refs;	   /* slots of all processes, and the model's own */
	struct file *file; /* NULL: shared anonymous */
	u64 bytes;
	bool can_write;
	struct content page[FILE_PAGES];
};

/* What a page (or a gap) of a process is. */
struct slot_state {
	bool mapped, shared, may_write, dontfork, wipe;
	u8 prot;
	struct mfile *file; /* NULL: private anonymous */
	u64 file_page;
	struct content *own; /* private contents; NULL: zeros, or the file's */
};

struct mproc {
	struct mm *mm; /* NULL: this process does not exist */
	struct slot_state slot[SLOTS];
};

struct model {
	struct mproc proc[PROCS];
	struct mfile *file[FILES];
	u64 step;
	bool fail_allocations; /* some operations run with one allocation that fails */
	bool tight;	       /* there is so little memory that any operation may find none */
	bool mixed;	       /* each fork chooses its share level */
	unsigned check_every;  /* steps between checks of everything */
	/* Where decisions come from: a number below n. */
	u32 (*choose)(void *arg, u32 n);
	void *arg;
};

/* What the operation was, for messages. */
extern char model_doing[160];

vaddr_t slot_va(unsigned slot);
/* Pages of the slot: 1, but for gaps. */
u64 slot_pages(unsigned slot);
bool slot_is_gap(unsigned slot);
static inline unsigned word_offset(unsigned i)
{
	return i * (PAGE_SIZE / PAGE_WORDS) + i * 8 % (PAGE_SIZE / PAGE_WORDS);
}

/* One machine a program: memory, allocator, mm. */
void model_boot(pfn_t frames);
void model_init(struct model *m, u32 (*choose)(void *arg, u32 n), void *arg);
/* One operation, chosen at random. */
void model_step(struct model *m);
/* The operations by number; NULL: no more. */
const char *model_op_name(unsigned op);
/* One operation of this number; its fail_nth-th allocation fails (0: none). True: it got that far.
 */
bool model_do(struct model *m, unsigned op, u64 fail_nth);
/* Takes memory away until so many frames are left; ~0: gives it all back. Between models. */
void model_squeeze(u64 leave);
/* Ends every process and file; fails where frames are missing afterwards. */
void model_end(struct model *m);

/* Everything of everybody, against the model and against a walk of all tables. Panics where they
 * differ. */
void model_check(struct model *m);
