/*
 * The walk over tables that /proc/<pid>/pagetables makes: each table once, those above first, from
 * any place on; and what it says of tables that a fork shares.
 */
#include "kernel/panic.h"
#include "mm/mman.h"
#include "mm/tree.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"

#define BASE   0x7f0000000000ull
#define LEAF   (512 * PAGE_SIZE) /* what a table of level 1 maps */
#define LEAVES 600		 /* below two tables of level 2 */
#define MOST   1000

struct seen {
	u64 place[MOST];
	struct table_view view[MOST];
	unsigned n, most;
};

static struct seen all, some;

static int note(const struct table_view *v, void *arg)
{
	struct seen *s = arg;

	s->view[s->n] = *v;
	s->place[s->n++] = table_place(v->start, v->table->level);
	return s->n == s->most;
}

static unsigned walk(struct mm *mm, u64 from, unsigned most, struct seen *s)
{
	s->n = 0;
	s->most = most;
	rwsem_read_lock(&mm->lock);
	mm_walk_tables(mm, from, note, s);
	rwsem_read_unlock(&mm->lock);
	return s->n;
}

static void write_page(struct mm *mm, vaddr_t va)
{
	u64 v = 1;

	sim_run(0, mm);
	CHECK(sim_write(va, &v, sizeof(v)) == FAULT_OK);
}

static const struct table_view *table_at(struct mm *mm, vaddr_t va, unsigned level)
{
	walk(mm, 0, MOST, &all);
	for (unsigned i = 0; i < all.n; i++)
		if (all.view[i].table->level == level && all.view[i].start == va)
			return &all.view[i];
	panic("no table of level %u at %lx", level, va);
}

static void test_order(struct mm *mm)
{
	bool rising = true;

	walk(mm, 0, MOST, &all);
	tap_ok(all.n == mm->table_frames && all.n == 1 + 1 + 2 + LEAVES,
	       "walk: each of the %lu tables once", (u64)mm->table_frames);
	for (unsigned i = 1; i < all.n; i++)
		rising &= all.place[i] > all.place[i - 1];
	tap_ok(rising && all.view[0].table == mm->root, "walk: in order, the root first");
}

/* In steps of every length, the walk comes by the same tables. */
static void test_steps(struct mm *mm)
{
	bool same = true;

	walk(mm, 0, MOST, &all);
	for (unsigned step = 1; step < 40; step += 3) {
		unsigned done = 0;
		u64 from = 0;

		while (walk(mm, from, step, &some)) {
			for (unsigned i = 0; i < some.n; i++, done++)
				same &= some.place[i] == all.place[done];
			from = some.place[some.n - 1] + 1;
		}
		same &= done == all.n;
	}
	tap_ok(same, "walk: the same in steps");
}

static void test_shared(struct mm *mm)
{
	const struct page *shared;
	struct mm *child;

	vm_fork_share_level = 2;
	child = mm_fork(mm, BASE);
	CHECK(child);
	shared = table_at(mm, BASE, 1)->table;
	tap_ok(page_mapcount(shared) == 2 && table_at(child, BASE, 1)->table == shared &&
		   !table_at(mm, BASE, 1)->writable && !table_at(child, BASE, 1)->writable,
	       "walk: a shared table is the same in both trees, under a read-only entry");
	write_page(mm, BASE);
	tap_ok(table_at(mm, BASE, 1)->table != shared && table_at(mm, BASE, 1)->writable &&
		   table_at(child, BASE, 1)->table == shared,
	       "walk: after a write each has its own");
	mm_put_user(child);
	sim_run(0, mm);
	tap_ok(page_mapcount(table_at(mm, BASE + LEAF, 1)->table) == 1 &&
		   !table_at(mm, BASE + LEAF, 1)->writable,
	       "walk: after the child's exit one has it again, not armed yet");
	write_page(mm, BASE + LEAF);
	tap_ok(table_at(mm, BASE + LEAF, 1)->writable, "walk: and armed after a write");
}

int main(void)
{
	struct mm *mm;

	sim_memory_init(1, 8192);
	frames_init_zero();
	mm_init();
	mm = mm_create();
	CHECK(mm && mm_mmap(mm, BASE, LEAVES * LEAF, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, NULL,
			    0) == (long)BASE);
	for (u64 i = 0; i < LEAVES; i++)
		write_page(mm, BASE + i * LEAF);
	test_order(mm);
	test_steps(mm);
	test_shared(mm);
	mm_put_user(mm);
	sim_run(0, NULL);
	return tap_done();
}
