/*
 * The case in which copy-on-write does not pay: after each fork, everybody writes everything. All
 * pages are copied in the end, one fault at a time, and nothing stays shared. The same work is done
 * in three ways and timed:
 *
 *   no fork      the parent writes alone, as often as all of them together: what the work itself
 * costs on write     fork shares, writes copy at fork      fork copies: share level 0 where the
 * kernel has it; elsewhere the children imitate it, and have all their pages copied in one call
 * before anybody writes
 */
#include "user/lib/crew.h"
#include "user/lib/ledger.h"
#include "user/lib/options.h"
#include "user/lib/pattern.h"
#include "user/lib/table.h"
#include "user/lib/units.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define FAULT_SLACK 32 /* faults of a process and round outside the memory in question */

/* What a way of doing it cost, over all rounds. */
struct cost {
	uint64_t fork_ns, write_ns;
	uint64_t faults; /* in writes: of parent and children */
	uint64_t copied, reused;
	uint64_t held; /* bytes, at the end of the last round, by all together */
};

static uint64_t size, children = 3, rounds = 3, seed = 1;
static bool all_rows;

static uint64_t pages;
static uint8_t *memory;
static bool imitate_eager;

static const struct option_spec options[] = {
    {"size", 's', OPTION_BYTES, &size, "SIZE", "memory that is forked", MIB, 64 * GIB},
    {"children", 'c', OPTION_COUNT, &children, "N", "in each round", 1, 1000},
    {"rounds", 'r', OPTION_COUNT, &rounds, "N", "of fork, write all, exit", 1, 100000},
    {"seed", 0, OPTION_COUNT, &seed, "N", "for contents", 0, 0},
    {"all", 'a', OPTION_FLAG, &all_rows, NULL, "show all processes", 0, 0},
    {0},
};

static const struct program_spec program = {
    .name = "thrash",
    .summary = "The case in which copy-on-write does not pay: after each fork parent and\n"
	       "children write all they have. Compares it with copying at fork, and no fork.\n",
    .options = options,
    .notes = "exit status: 0 all checks hold, 1 one failed, 2 trouble\n",
};

static void write_all(uint64_t writer)
{
	for (uint64_t page = 0; page < pages; page++)
		pattern_fill(memory + page * PAGE_BYTES, pattern_key(seed, page, writer));
}

static bool check_all(uint64_t writer)
{
	for (uint64_t page = 0; page < pages; page++)
		if (pattern_check(memory + page * PAGE_BYTES, pattern_key(seed, page, writer)) >= 0)
			return false;
	return true;
}

/* The writer's key in a round: nobody has written the same before. Writer 0 is the parent. */
static uint64_t writer_in(uint64_t round, uint64_t who)
{
	return 1 + round * (children + 1) + who;
}

static int child(struct crew *crew, unsigned index, void *arg)
{
	uint64_t writer = writer_in(*(uint64_t *)arg, index + 1);
	struct crew_slot *slot = &crew->slot[index];
	uint64_t before;

	slot->figure[0] = 0;
	if (imitate_eager && madvise(memory, size, MADV_POPULATE_WRITE) != 0)
		return STATUS_TROUBLE;
	crew_meet(crew);
	before = own_faults();
	write_all(writer);
	slot->figure[0] = own_faults() - before;
	crew_meet(crew);
	if (check_all(writer))
		return STATUS_OK;
	snprintf(slot->complaint, sizeof(slot->complaint), "not what it wrote");
	return STATUS_CHECK_FAILED;
}

static void add_counters(struct cost *cost, const struct machine *before)
{
	struct machine now;

	machine_read(&now);
	cost->copied += counter_since(before->cow_copy, now.cow_copy);
	cost->reused += counter_since(before->cow_reuse, now.cow_reuse);
	if (now.cow_copy == UNKNOWN)
		cost->copied = cost->reused = UNKNOWN;
}

static void measure(struct crew *crew, struct cost *cost, bool show)
{
	crew_measure(crew);
	cost->held = 0;
	for (unsigned i = 0; i <= crew->started; i++)
		cost->held += crew->rows[i].use.pss;
	if (show)
		report_usage(crew->rows, crew->started + 1, all_rows);
}

static bool do_round(uint64_t round, struct cost *cost, bool show)
{
	struct machine before;
	struct crew crew;
	uint64_t start, faults;

	crew_prepare(&crew, (unsigned)children);
	start = now_ns();
	if (!crew_start(&crew, child, &round))
		err(STATUS_TROUBLE, "cannot fork %s", text_size(size).s);
	if (!crew_gather(&crew))
		return false;
	cost->fork_ns += now_ns() - start;

	machine_read(&before);
	start = now_ns();
	crew_release(&crew);
	faults = own_faults();
	write_all(writer_in(round, 0));
	cost->faults += own_faults() - faults;
	if (!crew_gather(&crew))
		return false;
	cost->write_ns += now_ns() - start;
	add_counters(cost, &before);

	for (uint64_t i = 0; i < children; i++)
		cost->faults += crew.slot[i].figure[0];
	measure(&crew, cost, show && round == rounds - 1);
	crew_release(&crew);
	if (!crew_join(&crew))
		return false;
	crew_free(&crew);
	return check_all(writer_in(round, 0)) ||
	       report_check(false, "contents", "the parent's are not what it wrote");
}

static bool do_rounds(struct cost *cost, bool show)
{
	memset(cost, 0, sizeof(*cost));
	for (uint64_t round = 0; round < rounds; round++)
		if (!do_round(round, cost, show))
			return false;
	return true;
}

static void do_alone(struct cost *cost)
{
	uint64_t start = now_ns(), faults = own_faults();
	struct memory_use use;

	memset(cost, 0, sizeof(*cost));
	for (uint64_t i = 0; i < rounds * (children + 1); i++)
		write_all(i);
	cost->write_ns = now_ns() - start;
	cost->faults = own_faults() - faults;
	cost->held = memory_use_read(getpid(), &use) ? use.pss : UNKNOWN;
}

static void show_cost(const char *way, const struct cost *cost)
{
	static const struct column columns[] = {
	    {"way", -11},  {"fork", 9},	  {"writing", 9}, {"both", 9}, {"faults", 10},
	    {"copied", 9}, {"reused", 9}, {"held", 9},	  {NULL, 0},
	};

	if (!cost) {
		table_head(columns);
		return;
	}
	table_row(columns, way, text_time(cost->fork_ns).s, text_time(cost->write_ns).s,
		  text_time(cost->fork_ns + cost->write_ns).s, text_count(cost->faults).s,
		  text_count(cost->copied).s, text_count(cost->reused).s, text_bytes(cost->held).s);
}

/* Each page of each round: all sharers fault, all but the last copy. */
static void check_cost(const struct cost *cost)
{
	uint64_t slack = FAULT_SLACK * rounds * (children + 1);

	report_predicted("faults", cost->faults, rounds * pages * (children + 1), slack,
			 "on write");
	report_copies(cost->copied, cost->reused, rounds * pages * children, rounds * pages, slack,
		      "on write");
}

static void give_verdict(const struct cost *on_write, const struct cost *at_fork)
{
	double ratio = (double)(on_write->fork_ns + on_write->write_ns) /
		       (double)(at_fork->fork_ns + at_fork->write_ns);

	report_verdict("%s held on write, %s at fork: nothing is saved",
		       text_size(on_write->held).s, text_size(at_fork->held).s);
	report_verdict("copying on write took %.2f times as long as copying at fork", ratio);
}

static bool use_level(unsigned level)
{
	if (!share_level_known() || share_level_set(level))
		return true;
	return report_check(false, "level", "cannot set share level %u: %s", level,
			    strerror(errno));
}

static int experiment(void)
{
	struct cost alone, on_write, at_fork;
	unsigned level = share_level();

	memory = map_memory(size, false, "the parent");
	write_all(0);
	do_alone(&alone);
	if (!use_level(level ? level : 1) || !do_rounds(&on_write, true))
		return report_status();
	imitate_eager = !share_level_known();
	if (!use_level(0) || !do_rounds(&at_fork, false))
		return report_status();
	share_level_restore();

	report_note("all %u rounds, in three ways%s:", (unsigned)rounds,
		    imitate_eager ? " (copying at fork is imitated)" : "");
	show_cost(NULL, NULL);
	show_cost("no fork", &alone);
	show_cost("on write", &on_write);
	show_cost("at fork", &at_fork);
	check_cost(&on_write);
	report_check(at_fork.faults <= FAULT_SLACK * rounds * (children + 1) || imitate_eager,
		     "faults", "%s where fork copies", text_count(at_fork.faults).s);
	report_check(true, "contents", "%s pages, byte by byte",
		     text_count(2 * rounds * (children + 1) * pages).s);
	give_verdict(&on_write, &at_fork);
	return report_status();
}

/* Without --size: up to 32 MiB, as long as all copies fit. */
static void choose_size(void)
{
	if (!size)
		size = memory_choose(32 * MIB, MIB, children + 1);
	size &= ~(PAGE_BYTES - 1);
	memory_require(size * (children + 1));
	pages = size / PAGE_BYTES;
}

int main(int argc, char **argv)
{
	options_parse(&program, argc, argv);
	choose_size();
	report_title(program.name, "%u round%s, %u child%s of %s write all", (unsigned)rounds,
		     plural(rounds), (unsigned)children, children == 1 ? "" : "ren",
		     text_size(size).s);
	share_level_remember();
	return ledger_run(experiment);
}
