/*
 * Forks, many of them, with work in each. Four storms:
 *
 *   flat    one parent, many short-lived children; between two forks the parent writes a page, and
 *           each child must see its parent as it was at its own birth
 *   chain   each process forks the next and waits for it: a page shared by ever more generations
 *   tree    each process forks several, down to a depth
 *   alive   many at once, standing still to be measured
 *
 * The work: a process checks pages that its ancestors wrote, writes pages of its own, and checks
 * them again before it ends. Nobody may see what is not an ancestor's.
 */
#include "user/lib/crew.h"
#include "user/lib/ledger.h"
#include "user/lib/options.h"
#include "user/lib/pattern.h"
#include "user/lib/table.h"
#include "user/lib/units.h"

#include <err.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAULT_SLACK \
	32 /* faults of a process's life outside the heap: stack, libc, program text \
	    */

/* Shared by all processes of the storm. */
struct tally {
	atomic_ullong ran;	   /* processes that did their work */
	atomic_ullong wrong;	   /* pages that did not hold what they must */
	atomic_ullong fork_failed; /* forks refused */
	atomic_int fork_errno;	   /* why, the last time */
};

/* The cost of a storm: differences between two of these. */
struct meter {
	uint64_t ns, faults;
	struct machine machine;
};

static uint64_t count = 1000, at_once = 8, chain_length = 100, depth = 4, width = 4, alive = 100;
static uint64_t touch = 16, heap_size, seed = 1;
static bool all_rows;

static uint64_t heap_pages;
static uint8_t *heap;
static struct tally *tally;

static const struct option_spec options[] = {
    {"count", 'n', OPTION_COUNT, &count, "N", "flat: children, one after the other", 0, 100000000},
    {"at-once", 'p', OPTION_COUNT, &at_once, "N", "flat: so many of them at a time", 1, 1000},
    {"chain", 'l', OPTION_COUNT, &chain_length, "N", "chain: generations", 0, 10000},
    {"depth", 'd', OPTION_COUNT, &depth, "N", "tree: generations", 0, 20},
    {"width", 'w', OPTION_COUNT, &width, "N", "tree: children of each", 1, 1000},
    {"alive", 'c', OPTION_COUNT, &alive, "N", "alive: processes at once", 0, 30000},
    {"heap", 's', OPTION_BYTES, &heap_size, "SIZE", "memory of the first parent", 64 * KIB,
     64 * GIB},
    {"touch", 't', OPTION_COUNT, &touch, "N", "pages that each process writes", 0, 1000000},
    {"seed", 'r', OPTION_COUNT, &seed, "N", "for contents and choices", 0, 0},
    {"all", 'a', OPTION_FLAG, &all_rows, NULL, "show all processes", 0, 0},
    {0},
};

static const struct program_spec program = {
    .name = "forkstorm",
    .summary = "Many forks with work in each: one after the other, as a chain, as a tree, and\n"
	       "all alive at once. Checks that each process sees its ancestors' writes only.\n",
    .options = options,
    .notes = "A count of 0 leaves that storm out.\n\n"
	     "  forkstorm --count 10000                           ten thousand\n"
	     "  forkstorm -n 0 -l 0 -d 0 --alive 1000             a thousand at once\n"
	     "  forkstorm --heap 256M --touch 4                   a large parent\n\n"
	     "exit status: 0 all checks hold, 1 one failed, 2 trouble\n",
};

static uint8_t *page_at(uint64_t page)
{
	return heap + page * PAGE_BYTES;
}

static void write_page(uint64_t page, uint64_t writer)
{
	pattern_fill(page_at(page), pattern_key(seed, page, writer));
}

static void check_page(uint64_t page, uint64_t writer)
{
	if (pattern_check(page_at(page), pattern_key(seed, page, writer)) >= 0)
		atomic_fetch_add(&tally->wrong, 1);
}

static void fork_refused(void)
{
	atomic_store(&tally->fork_errno, errno);
	atomic_fetch_add(&tally->fork_failed, 1);
}

/* Waits for one child; its work speaks through the tally, a violent end through this. */
static void wait_for_one(void)
{
	int status = 0;

	while (wait(&status) < 0)
		if (errno != EINTR)
			return;
	if (WIFSIGNALED(status))
		report_check(false, "process", "a child was killed: %s",
			     strsignal(WTERMSIG(status)));
}

/* flat: the parent has written page j % heap_pages before it forked child j, for all j <= i. */
static uint64_t last_writer(uint64_t page, uint64_t i)
{
	if (i < page)
		return 0;
	return 1 + i - (i - page) % heap_pages;
}

static void flat_child(uint64_t i)
{
	uint64_t writer = (1ull << 40) + i;

	check_page(i % heap_pages, last_writer(i % heap_pages, i));
	for (uint64_t k = 0; k < touch; k++) {
		uint64_t page = (mix(seed + i) + k) % heap_pages;

		check_page(page, last_writer(page, i));
		write_page(page, writer);
	}
	for (uint64_t k = 0; k < touch; k++)
		check_page((mix(seed + i) + k) % heap_pages, writer);
	atomic_fetch_add(&tally->ran, 1);
}

static uint64_t storm_flat(void)
{
	uint64_t running = 0;

	for (uint64_t i = 0; i < count; i++) {
		pid_t pid;

		if (running == at_once) {
			wait_for_one();
			running--;
		}
		write_page(i % heap_pages, 1 + i);
		pid = fork();
		if (pid == 0) {
			flat_child(i);
			_exit(0);
		}
		if (pid < 0)
			fork_refused();
		else
			running++;
	}
	while (running--)
		wait_for_one();
	for (uint64_t page = 0; count && page < heap_pages; page++)
		check_page(page, last_writer(page, count - 1));
	return count;
}

/* Tree and chain: a process of generation g owns `touch` pages from g * touch on, round and round.
 */
static uint64_t tree_page(uint64_t generation, uint64_t k)
{
	return (generation * touch + k) % heap_pages;
}

static void tree_check(uint64_t generation, uint64_t id)
{
	for (uint64_t k = 0; k < touch; k++)
		check_page(tree_page(generation, k), (2ull << 40) + id);
}

/* Has `breadth` children, each of which does the same one generation further down, to `last`. */
static void tree_node(uint64_t generation, uint64_t last, uint64_t breadth, uint64_t id,
		      uint64_t parent_id)
{
	uint64_t running = 0;

	if (generation > 0)
		tree_check(generation - 1, parent_id);
	for (uint64_t k = 0; k < touch; k++)
		write_page(tree_page(generation, k), (2ull << 40) + id);
	for (uint64_t i = 0; generation < last && i < breadth; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			tree_node(generation + 1, last, breadth, id * breadth + i + 1, id);
			atomic_fetch_add(&tally->ran, 1);
			_exit(0);
		}
		if (pid < 0)
			fork_refused();
		else
			running++;
	}
	while (running--)
		wait_for_one();
	tree_check(generation, id);
}

static uint64_t storm_chain(void)
{
	tree_node(0, chain_length, 1, 0, 0);
	return chain_length;
}

static uint64_t tree_size(void)
{
	uint64_t nodes = 0, level = 1;

	for (uint64_t i = 0; i < depth; i++) {
		level *= width;
		nodes += level;
	}
	return nodes;
}

static uint64_t storm_tree(void)
{
	tree_node(0, depth, width, 0, 0);
	return tree_size();
}

static int standing_child(struct crew *crew, unsigned index, void *arg)
{
	(void)arg;
	for (uint64_t k = 0; k < touch; k++)
		write_page(k % heap_pages, (3ull << 40) + index);
	crew_meet(crew);
	for (uint64_t k = 0; k < touch; k++)
		check_page(k % heap_pages, (3ull << 40) + index);
	atomic_fetch_add(&tally->ran, 1);
	return STATUS_OK;
}

static uint64_t storm_alive(void)
{
	struct crew crew;

	crew_prepare(&crew, (unsigned)alive);
	if (!crew_start(&crew, standing_child, NULL)) {
		fork_refused();
		return alive;
	}
	if (!crew_gather(&crew))
		return alive;
	crew_measure(&crew);
	report_note("%s alive at once:", text_count(alive).s);
	report_usage(crew.rows, crew.started + 1, all_rows);
	report_saving(crew.rows, crew.started + 1);
	crew_release(&crew);
	crew_join(&crew);
	crew_free(&crew);
	return alive;
}

static void read_meter(struct meter *m)
{
	struct rusage children;

	getrusage(RUSAGE_CHILDREN, &children);
	m->ns = now_ns();
	m->faults = own_faults() + (uint64_t)children.ru_minflt;
	machine_read(&m->machine);
}

static const struct column storm_columns[] = {
    {"storm", -8},  {"forks", 9},  {"time", 10},    {"a fork", 10}, {"faults", 10},
    {"copied", 10}, {"reused", 9}, {"level 0", 11}, {NULL, 0},
};

struct result {
	const char *name;
	uint64_t forks, ns, faults, copied, reused;
	uint64_t eager;	      /* pages that share level 0 copies: foretold */
	uint64_t fork_copied; /* and those that fork did copy */
};

/* Runs one storm and fills in what it cost. */
static void run_storm(struct result *r, uint64_t (*storm)(void))
{
	struct meter before, after;
	struct memory_use use;
	uint64_t ran = atomic_load(&tally->ran);

	memory_use_read(getpid(), &use);
	read_meter(&before);
	r->forks = storm();
	read_meter(&after);
	r->ns = after.ns - before.ns;
	r->faults = after.faults - before.faults;
	r->copied = counter_since(before.machine.cow_copy, after.machine.cow_copy);
	r->reused = counter_since(before.machine.cow_reuse, after.machine.cow_reuse);
	r->fork_copied = counter_since(before.machine.fork_copied, after.machine.fork_copied);
	r->eager = r->forks * (use.anon / PAGE_BYTES);
	ran = atomic_load(&tally->ran) - ran;
	report_check(ran == r->forks, r->name, "%s of %s processes ran to their end",
		     text_count(ran).s, text_count(r->forks).s);
}

static void print_result(const struct result *r)
{
	table_row(storm_columns, r->name, text_count(r->forks).s, text_time(r->ns).s,
		  text_time(r->ns / r->forks).s, text_count(r->faults).s, text_count(r->copied).s,
		  text_count(r->reused).s, text_count(r->eager).s);
}

/* What the writes to the heap take by themselves, and little more for the processes themselves. */
static void check_at_least(const char *what, uint64_t measured, uint64_t least, uint64_t slack)
{
	if (measured == UNKNOWN)
		report_skip(what, "not counted by this kernel");
	else
		report_check(measured >= least && measured - least <= slack, what,
			     "%s pages; writes to the heap alone take %s", text_count(measured).s,
			     text_count(least).s);
}

static void check_sum(const struct result *sum)
{
	bool eager = share_level() == 0;
	uint64_t foretold = eager ? 0 : sum->forks * touch;
	uint64_t slack = (sum->forks + 4) * FAULT_SLACK;

	if (heap_pages <= touch) /* writers meet on the same pages: nothing simple to foretell */
		return;
	check_at_least("faults", sum->faults, foretold, slack + (sum->forks + 4) * touch);
	check_at_least("copied", sum->copied, foretold, slack);
	if (eager)
		report_predicted("at fork", sum->fork_copied, sum->eager, slack, "pages copied");
	if (!eager && sum->copied != UNKNOWN)
		report_verdict("%s forks copied %s pages; share level 0 copies %s",
			       text_count(sum->forks).s, text_count(sum->copied).s,
			       text_count(sum->eager).s);
	else
		report_verdict("%s forks took %s page faults; share level 0 copies %s pages",
			       text_count(sum->forks).s, text_count(sum->faults).s,
			       text_count(sum->eager).s);
}

static void add_result(struct result *sum, const struct result *r)
{
	sum->forks += r->forks;
	sum->ns += r->ns;
	sum->faults += r->faults;
	sum->copied = r->copied == UNKNOWN ? UNKNOWN : sum->copied + r->copied;
	sum->reused = r->reused == UNKNOWN ? UNKNOWN : sum->reused + r->reused;
	sum->eager += r->eager;
	sum->fork_copied = r->fork_copied == UNKNOWN ? UNKNOWN : sum->fork_copied + r->fork_copied;
}

static void fill_heap(void)
{
	heap = map_memory(heap_size, false, "the parent");
	tally = map_memory(sizeof(*tally), true, "the tally");
	memset(tally, 0, sizeof(*tally));
	for (uint64_t page = 0; page < heap_pages; page++)
		write_page(page, 0);
}

static int experiment(void)
{
	const struct {
		const char *name;
		uint64_t wanted;
		uint64_t (*storm)(void);
	} storms[] = {{"flat", count, storm_flat},
		      {"chain", chain_length, storm_chain},
		      {"tree", depth, storm_tree},
		      {"alive", alive, storm_alive}};
	struct result results[4], sum = {.name = "all"};
	unsigned n = 0;

	fill_heap();
	for (unsigned i = 0; i < 4; i++) {
		if (!storms[i].wanted)
			continue;
		results[n].name = storms[i].name;
		run_storm(&results[n], storms[i].storm);
		add_result(&sum, &results[n++]);
	}
	if (!n)
		errx(STATUS_TROUBLE, "all storms are left out");
	table_head(storm_columns);
	for (unsigned i = 0; i < n; i++)
		print_result(&results[i]);
	table_rule(storm_columns);
	print_result(&sum);
	if (atomic_load(&tally->fork_failed))
		report_check(false, "fork", "refused %s times: %s",
			     text_count(atomic_load(&tally->fork_failed)).s,
			     strerror(atomic_load(&tally->fork_errno)));
	report_check(atomic_load(&tally->wrong) == 0, "contents", "%s pages wrong",
		     text_count(atomic_load(&tally->wrong)).s);
	check_sum(&sum);
	return report_status();
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Without --heap: 4 MiB, and less at share level 0 where so many copies of it would not fit: all
 * processes of the largest storm may be alive together.
 */
static void choose_size(void)
{
	uint64_t most = larger(larger(alive, at_once), larger(chain_length, tree_size()));

	if (!heap_size)
		heap_size = memory_choose(4 * MIB, 128 * KIB, share_level() ? 1 : most + 1);
	heap_pages = heap_size / PAGE_BYTES;
}

int main(int argc, char **argv)
{
	options_parse(&program, argc, argv);
	choose_size();
	report_title(program.name, "a parent of %s, %s pages written by each",
		     text_size(heap_size).s, text_count(touch).s);
	return ledger_run(experiment);
}
