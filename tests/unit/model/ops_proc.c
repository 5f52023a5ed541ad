/* The model's operations on processes. */
#include "tests/unit/model/op.h"
#include <stdlib.h>

static unsigned count_procs(const struct model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PROCS; i++)
		n += m->proc[i].mm != NULL;
	return n;
}

void op_exit(struct op *o)
{
	if (count_procs(o->m) == 1)
		return;
	DOING("process %u exits", (unsigned)(o->p - o->m->proc));
	mm_put_user(o->p->mm);
	proc_clear(o->p);
}

void op_fork(struct op *o)
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

void op_exec(struct op *o)
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
