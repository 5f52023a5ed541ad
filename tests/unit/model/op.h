/* What the operations of the model have in common: what one is made of, and how it chooses. */
#pragma once

#include "kernel/panic.h"
#include "tests/unit/model/ops.h"
#include <stdio.h>

/* One operation: the process it is of, and the slots that it is about, which it chooses itself. */
struct op {
	struct model *m;
	struct mproc *p;
	unsigned first, end; /* slots */
};

#define DOING(...)	snprintf(model_doing, sizeof(model_doing), __VA_ARGS__)
#define WRONG(fmt, ...) panic("model: step %lu (%s): " fmt, o->m->step, model_doing, ##__VA_ARGS__)

static inline u32 choose(struct op *o, u32 n)
{
	return o->m->choose(o->m->arg, n);
}

static inline bool chance(struct op *o, u32 percent)
{
	return choose(o, 100) < percent;
}

static inline vaddr_t start_of(const struct op *o)
{
	return slot_va(o->first);
}

static inline u64 length_of(const struct op *o)
{
	unsigned last = o->end - 1;

	return slot_va(last) + (slot_pages(last) << PAGE_SHIFT) - start_of(o);
}

/* True where this call may have found no memory. */
bool memory_was_short(void);
/* A range within one window. */
void choose_window_range(struct op *o);

/* ops_map.c */
void op_mmap(struct op *o);
void op_munmap(struct op *o);
void op_mprotect(struct op *o);
void op_madvise(struct op *o);
void op_mremap(struct op *o);
/* ops_touch.c */
void op_write(struct op *o);
void op_read(struct op *o);
void op_exec_access(struct op *o);
void op_kernel_access(struct op *o);
void op_populate(struct op *o);
void op_file_write(struct op *o);
void op_truncate(struct op *o);
void op_punch(struct op *o);
/* ops_proc.c */
void op_exit(struct op *o);
void op_fork(struct op *o);
void op_exec(struct op *o);
