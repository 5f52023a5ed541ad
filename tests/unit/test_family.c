/*
 * Large families, at each share level and with a level of its own for each fork: chains of a hundred
 * generations, a thousand siblings, exits in every order. Each process has pages that it wrote itself and
 * pages that it has from its ancestors; each sees what it should, frames and counts are right while
 * all live and after each exit, and at the end nothing is missing.
 *
 *	order		who goes first
 *	forward		the oldest
 *	backward	the youngest
 *	random		anybody
 *
 *	SEED=n		the first seed; a failure names the level and the order
 */
#include "mm/audit.h"
#include "mm/commit.h"
#include "mm/mman.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/file.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"
#include <string.h>

#define MIXED	    (FORK_SHARE_AUTO + 1) /* after the share levels: another at each fork */
#define GENERATIONS 100
#define SIBLINGS    1000
#define FRAMES	    24576
#define PAGES	    160 /* more than the entries that `auto` copies a table for */
#define BASE	    (0x40200000ull - PAGES / 2 * PAGE_SIZE) /* half in one table, half in the next */
#define SHARED_AT   0x80000000ull			    /* MAP_SHARED, in another directory */
#define SHARED	    8

enum order { FORWARD, BACKWARD, RANDOM, ORDERS };
static const char *const order_names[] = {"forward", "backward", "random"};

/* One of the family: its memory, and what each of its private pages should say. */
struct member {
	struct mm *mm;
	u32 page[PAGES];
};

static struct member family[SIBLINGS + 1];
static u32 shared_page[SHARED];
static unsigned members;
static int level;
static u32 last_value;

static void put(vaddr_t va, u32 v)
{
	CHECK(sim_write(va, &v, sizeof(v)) == FAULT_OK);
}

static u32 get(vaddr_t va)
{
	u32 v = 0;

	CHECK(sim_read(va, &v, sizeof(v)) == FAULT_OK);
	return v;
}

static void write_page(struct member *m, unsigned page)
{
	m->page[page] = ++last_value;
	put(BASE + page * PAGE_SIZE, last_value);
}

static void look_at(struct member *m, unsigned step)
{
	sim_run(0, m->mm);
	for (unsigned i = 0; i < PAGES; i += step)
		CHECK(get(BASE + i * PAGE_SIZE) == m->page[i]);
	for (unsigned i = 0; i < SHARED; i++)
		CHECK(get(SHARED_AT + i * PAGE_SIZE) == shared_page[i]);
	CHECK(m->mm->rss[RSS_ANON] == PAGES);
}

/* The first of a family: all of its pages written. */
static void begin(void)
{
	struct member *m = family;
	unsigned prot = PROT_READ | PROT_WRITE;
	struct file *f = sim_file(SHARED * PAGE_SIZE, true, true);

	members = 1;
	memset(shared_page, 0, sizeof(shared_page));
	m->mm = mm_create();
	CHECK(m->mm);
	CHECK(mm_mmap(m->mm, BASE, PAGES * PAGE_SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		      NULL, 0) == (long)BASE);
	CHECK(mm_mmap(m->mm, SHARED_AT, SHARED * PAGE_SIZE, prot, MAP_SHARED | MAP_FIXED, f, 0) ==
	      (long)SHARED_AT);
	file_put(f);
	sim_run(0, m->mm);
	for (unsigned i = 0; i < PAGES; i++)
		write_page(m, i);
	for (unsigned i = 0; i < SHARED; i++)
		put(SHARED_AT + i * PAGE_SIZE, shared_page[i] = ++last_value);
}

/* A child of `parent` that writes `pages` of its pages, and one that all share. */
static void add_child(struct member *parent, unsigned pages)
{
	struct member *m = &family[members++];
	unsigned shared = (unsigned)rand_below(SHARED);

	if (level == MIXED)
		vm_fork_share_level = (int)rand_below(FORK_SHARE_AUTO + 1);
	*m = *parent;
	m->mm = mm_fork(parent->mm, BASE);
	CHECK(m->mm);
	sim_run(0, m->mm);
	for (unsigned i = 0; i < pages; i++)
		write_page(m, (unsigned)rand_below(PAGES));
	put(SHARED_AT + shared * PAGE_SIZE, shared_page[shared] = ++last_value);
}

/* ---- what all of them together should hold ---- */

static u64 pss_sum;

static int add_pss(const struct page_view *v, void *arg)
{
	(void)arg;
	if (v->page)
		pss_sum += v->pss;
	return 0;
}

/* Different values lie in different frames, equal ones in one, but where fork copied it at once. */
static void check_sums(void)
{
	u64 views = (u64)members * (PAGES + SHARED), frames = SHARED;
	static u8 seen[1u << 20];

	memset(seen, 0, sizeof(seen));
	pss_sum = 0;
	for (unsigned i = 0; i < members; i++) {
		mm_walk(family[i].mm, 0, USER_END, add_pss, NULL);
		for (unsigned p = 0; p < PAGES; p++) {
			u32 v = family[i].page[p];

			CHECK(v < sizeof(seen));
			frames += !seen[v];
			seen[v] = 1;
		}
	}
	CHECK(mm_audit());
	if (level == 0)
		frames = (u64)members * PAGES + SHARED;
	frames <<= PAGE_SHIFT + PSS_SHIFT;
	CHECK(pss_sum + views >= frames); /* each view is rounded down */
	if (level < FORK_SHARE_AUTO)
		CHECK(pss_sum <= frames);
}

static void exit_one(enum order order)
{
	unsigned who = order == FORWARD	   ? 0
		       : order == BACKWARD ? members - 1
					   : (unsigned)rand_below(members);

	sim_run(0, NULL);
	mm_put_user(family[who].mm);
	members--;
	memmove(&family[who], &family[who + 1], (members - who) * sizeof(family[0]));
	if (!members)
		return;
	who = (unsigned)rand_below(members);
	look_at(&family[who], 7);
	write_page(&family[who], (unsigned)rand_below(PAGES));
}

static void all_exit(enum order order)
{
	unsigned looks = members / 10;

	while (members) {
		exit_one(order);
		if (members && members % looks == 0) {
			check_sums();
			look_at(&family[0], 1);
			look_at(&family[members - 1], 1);
		}
	}
}

/* Each generation writes a few pages, so that no two have all tables in common. */
static void chain(enum order order)
{
	begin();
	while (members < GENERATIONS)
		add_child(&family[members - 1], members % 3);
	for (unsigned i = 0; i < members; i++)
		look_at(&family[i], 1);
	check_sums();
	all_exit(order);
}

/*
 * Children of one; every tenth is forked from a sibling that still shares all. Where forks copy all,
 * there are fewer.
 */
static void siblings(enum order order)
{
	unsigned most = level == 0 || level == MIXED ? SIBLINGS / 10 : SIBLINGS;

	begin();
	while (members <= most) {
		add_child(&family[members % 10 ? 0 : members - 1], members % 5 == 0);
		if (members % 50 == 0)
			write_page(&family[members - 1], 0);
	}
	for (unsigned i = 0; i < members; i += 9)
		look_at(&family[i], 3);
	check_sums();
	all_exit(order);
}

static void run_family(const char *name, void (*grow)(enum order), enum order order)
{
	u64 before;

	sim_run(0, NULL);
	alloc_trim();
	before = frames_free();
	last_value = 0;
	vm_fork_share_level = level == MIXED ? 1 : level;
	grow(order);
	sim_run(0, NULL);
	alloc_trim();
	tap_ok(frames_free() == before && !sim_files, "family: %s, level %d, exits %s", name, level,
	       order_names[order]);
}

int main(void)
{
	rand_state = env_number("SEED", 1) * 0x9e3779b97f4a7c15ull + 1;
	sim_memory_init(1, FRAMES);
	frames_init_zero();
	mm_init();
	vm_overcommit_memory = 1;
	for (level = 0; level <= MIXED; level++)
		for (enum order order = 0; order < ORDERS; order++) {
			run_family("chain", chain, order);
			run_family("siblings", siblings, order);
		}
	return tap_done();
}
