/*
 * /proc/<pid>/pagetables: the page tables of an address space, one line each, a table before what
 * hangs below it:
 *
 *	level start-end rights id mapcount live
 *
 *	level	4 for the root to 1
 *	rights	w where the entry that leads to the table has W, - where the first write below copies
 *		the table, or makes the entry writable again
 *	id	the table's frame, so that the same table is known in two processes; 0 for all but root
 *	mapcount	entries that reference the table: above 1 it is shared, and with it all below
 *	live	entries of it that are in use
 *
 * Each step looks at as many tables as fit in a page, with mm->lock shared, and writes their lines
 * after the locks are dropped. So each line was true, all of them together need not have been.
 */
#include "kernel/errno.h"
#include "kernel/fs/proc.h"
#include "mm/mm.h"

struct table_line {
	vaddr_t start;
	pfn_t pfn;
	u32 mapcount;
	u16 live;
	u8 level;
	bool writable;
};

#define PER_STEP (PAGE_SIZE / sizeof(struct table_line))

struct table_lines {
	struct table_line *line;
	size_t n;
};

/* Stops where the lines are full. */
static int keep_table(const struct table_view *v, void *arg)
{
	struct table_lines *t = arg;

	t->line[t->n++] = (struct table_line){
	    .start = v->start,
	    .pfn = page_to_pfn(v->table),
	    .mapcount = page_mapcount(v->table),
	    .live = v->table->table.live,
	    .level = v->table->level,
	    .writable = v->writable,
	};
	return t->n == PER_STEP;
}

static void show_table(struct seq *s, const struct table_line *l)
{
	vaddr_t end = min(l->start + level_size(l->level) * TABLE_ENTRIES, USER_END);
	pfn_t id = current->cred.euid == 0 ? l->pfn : 0; /* frame numbers are for root alone */

	/* No entry leads to a root, so that its mapcount says nothing: it has one owner. */
	seq_printf(s, "%u %012lx-%012lx %c %lx %u %u\n", l->level, l->start, end,
		   l->writable ? 'w' : '-', id, l->level == TABLE_LEVELS ? 1 : l->mapcount,
		   l->live);
}

int proc_show_pagetables(struct seq *s, void *arg)
{
	struct proc_open *o = arg;
	struct table_lines t = {0};

	if (proc_gone(o->node))
		return -ESRCH;
	if (!o->mm || !mm_get_live(o->mm))
		return 0;
	t.line = kmalloc(PAGE_SIZE);
	if (t.line) {
		rwsem_read_lock(&o->mm->lock);
		s->more = mm_walk_tables(o->mm, s->next, keep_table, &t) != 0;
		rwsem_read_unlock(&o->mm->lock);
	}
	mm_put_user(o->mm);
	if (!t.line)
		return -ENOMEM;
	for (size_t i = 0; i < t.n; i++)
		show_table(s, &t.line[i]);
	if (t.n)
		s->next = table_place(t.line[t.n - 1].start, t.line[t.n - 1].level) + 1;
	kfree(t.line);
	return 0;
}
