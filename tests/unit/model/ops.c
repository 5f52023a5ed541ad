/*
 * The operations of the reference model, as a list, and how one is chosen and done. Each performs one
 * call on mm/ and the same on the model, and holds the results against each other.
 *
 * Where memory runs out a call must have changed nothing. Two may stop half way, as Linux's do:
 * mprotect and madvise over several areas; then each page must be as before or as asked for.
 */
#include "tests/unit/model/op.h"

static u64 armed;  /* what alloc_fail_nth was set to for this operation */
static bool tight; /* the model's */

bool memory_was_short(void)
{
	return tight || (armed && !alloc_fail_nth) || frames_free() <= frames_total() / 128 + 40;
}

void choose_window_range(struct op *o)
{
	unsigned base = choose(o, WINDOWS) * (WINDOW_PAGES + 1);
	unsigned first = choose(o, WINDOW_PAGES);
	unsigned max = WINDOW_PAGES - first;

	o->first = base + first;
	o->end = o->first + 1 + (chance(o, 50) ? choose(o, max) : choose(o, max < 4 ? max : 4));
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
