/*
 * A parent fills memory and forks; then parent and children write into it at the same time, each
 * its own choice of pages. Every byte is checked on every side, and every fault is foretold:
 *
 *   who writes                     faults            each of them
 *   one side, page shared by n     1                 copies, while another still maps the page
 *   the last of n who writes it    1                 reuses: nobody else maps it any more
 *   the parent, children gone      1 if not written  reuses
 *   anyone at share level 0        0                 fork has copied all beforehand
 */
#include "user/lib/crew.h"
#include "user/lib/ledger.h"
#include "user/lib/options.h"
#include "user/lib/pattern.h"
#include "user/lib/selection.h"
#include "user/lib/units.h"

#include <err.h>
#include <stdio.h>
#include <sys/mman.h>

#define FAULT_SLACK 16 /* faults of a phase outside the memory in question: stack, libc's data */
#define AGAIN	    (1ull << 14) /* the parent's second time as a writer */

enum { FAULTS, CHECKED }; /* figures of a worker */

static uint64_t size, children = 4, seed = 1;
static const char *write_text = "all", *parent_text;
static bool all_rows;
static struct selection child_writes, parent_writes;

static uint64_t pages;
static uint8_t *memory;

static const struct option_spec options[] = {
    {"size", 's', OPTION_BYTES, &size, "SIZE", "memory that is forked", MIB, 64 * GIB},
    {"children", 'c', OPTION_COUNT, &children, "N", "how many", 1, 1000},
    {"write", 'w', OPTION_WORD, &write_text, "WHICH", "what each child writes", 0, 0},
    {"parent", 'p', OPTION_WORD, &parent_text, "WHICH", "what the parent writes; as children", 0,
     0},
    {"seed", 'r', OPTION_COUNT, &seed, "N", "for random choices and contents", 0, 0},
    {"all", 'a', OPTION_FLAG, &all_rows, NULL, "show all processes", 0, 0},
    {0},
};

static const struct program_spec program = {
    .name = "cowstorm",
    .summary = "Fills memory, forks, and lets parent and children write it at the same time.\n"
	       "Checks all contents byte by byte on every side, and the number of faults.\n",
    .options = options,
    .notes = "WHICH pages: " SELECTION_HELP " (1/8: one page in 8).\n\n"
	     "  cowstorm --size 512M --children 2     much memory, all of it written\n"
	     "  cowstorm --write 1/16 --parent none   children write little\n\n"
	     "exit status: 0 all checks hold, 1 one failed, 2 trouble\n",
};

static uint8_t *page_at(uint64_t page)
{
	return memory + page * PAGE_BYTES;
}

/* Writer 0 is the parent, i + 1 the child i. */
static struct selection writes_of(uint64_t writer)
{
	return writer ? child_writes : parent_writes;
}

static void write_pages(uint64_t writer)
{
	for (uint64_t page = 0; page < pages; page++)
		if (selection_has(writes_of(writer), seed, writer, page))
			pattern_fill(page_at(page), pattern_key(seed, page, writer + 1));
}

/* Each page holds what this side wrote, or else what the parent filled in before the fork (0). */
static bool check_pages(uint64_t writer, char *complaint, size_t len)
{
	for (uint64_t page = 0; page < pages; page++) {
		bool own = selection_has(writes_of(writer), seed, writer, page);
		long at =
		    pattern_check(page_at(page), pattern_key(seed, page, own ? writer + 1 : 0));

		if (at < 0)
			continue;
		snprintf(complaint, len, "page %llu, which it %s, is wrong at byte %ld",
			 (unsigned long long)page, own ? "wrote" : "did not write", at);
		return false;
	}
	return true;
}

static int child(struct crew *crew, unsigned index, void *arg)
{
	struct crew_slot *slot = &crew->slot[index];
	uint64_t before;

	(void)arg;
	slot->figure[FAULTS] = 0;
	crew_meet(crew);
	before = own_faults();
	write_pages(index + 1);
	slot->figure[FAULTS] = own_faults() - before;
	crew_meet(crew);
	if (!check_pages(index + 1, slot->complaint, sizeof(slot->complaint)))
		return STATUS_CHECK_FAILED;
	slot->figure[CHECKED] = pages;
	crew_meet(crew);
	return STATUS_OK;
}

/* What copy-on-write must come to, if nobody exits meanwhile. */
static void foretell(uint64_t *copied, uint64_t *reused)
{
	*copied = *reused = 0;
	for (uint64_t page = 0; page < pages; page++) {
		uint64_t writers = 0;

		for (uint64_t w = 0; w <= children; w++)
			writers += selection_has(writes_of(w), seed, w, page);
		*copied += writers > children ? children : writers;
		*reused += writers > children;
	}
}

static void check_counters(const struct machine *before, const struct machine *after)
{
	uint64_t copied, reused, slack = FAULT_SLACK * (children + 1);

	foretell(&copied, &reused);
	if (share_level() == 0)
		copied = reused = 0;
	report_copies(counter_since(before->cow_copy, after->cow_copy),
		      counter_since(before->cow_reuse, after->cow_reuse), copied, reused, slack,
		      "pages");
}

static void check_faults(struct crew *crew, uint64_t parent_faults)
{
	bool eager = share_level() == 0;
	uint64_t wrong = 0, sum = 0, foretold = 0;

	for (uint64_t i = 0; i < children; i++) {
		uint64_t n = eager ? 0 : selection_count(child_writes, seed, i + 1, pages);
		uint64_t got = crew->slot[i].figure[FAULTS];

		wrong += got < n || got > n + FAULT_SLACK;
		sum += got;
		foretold += n;
	}
	report_check(wrong == 0, "faults", "children: %s, predicted %s; %s within %u each",
		     text_count(sum).s, text_count(foretold).s, wrong ? "not all are" : "all are",
		     FAULT_SLACK);
	report_predicted("faults", parent_faults,
			 eager ? 0 : selection_count(parent_writes, seed, 0, pages), FAULT_SLACK,
			 "in the parent");
}

static void fill(void)
{
	uint64_t faults = own_faults(), start = now_ns();

	for (uint64_t page = 0; page < pages; page++)
		pattern_fill(page_at(page), pattern_key(seed, page, 0));
	start = now_ns() - start;
	faults = own_faults() - faults;
	report_note("the parent fills %s: %s, %s a page", text_size(size).s, text_time(start).s,
		    text_time(start / pages).s);
	report_predicted("faults", faults, pages, FAULT_SLACK, "of first touch");
}

/* Children and parent write between two gatherings. Returns the parent's faults. */
static uint64_t write_together(struct crew *crew, bool *alive)
{
	uint64_t faults, start = now_ns();

	crew_release(crew);
	faults = own_faults();
	write_pages(0);
	faults = own_faults() - faults;
	*alive = crew_gather(crew);
	if (*alive)
		report_note("all have written: %s", text_time(now_ns() - start).s);
	return faults;
}

/* The children are gone: each page is the parent's alone again. */
static void write_alone(void)
{
	uint64_t faults, rest = pages - selection_count(parent_writes, seed, 0, pages);
	uint64_t wrong = 0;

	faults = own_faults();
	for (uint64_t page = 0; page < pages; page++)
		pattern_fill(page_at(page), pattern_key(seed, page, AGAIN));
	faults = own_faults() - faults;
	for (uint64_t page = 0; page < pages; page++)
		wrong += pattern_check(page_at(page), pattern_key(seed, page, AGAIN)) >= 0;
	if (share_level() == 1)
		report_predicted("faults", faults, rest, FAULT_SLACK,
				 "as the parent writes all, alone");
	else /* one fault may re-arm many pages, and after an eager copy there is none */
		report_check(faults <= rest + FAULT_SLACK, "faults",
			     "%s as the parent writes all, alone; at most %s", text_count(faults).s,
			     text_count(rest).s);
	report_check(wrong == 0, "contents", "parent alone: %s pages, %s wrong",
		     text_count(pages).s, text_count(wrong).s);
}

static void check_contents(struct crew *crew)
{
	char complaint[96];
	uint64_t checked = 0;

	for (uint64_t i = 0; i < children; i++)
		checked += crew->slot[i].figure[CHECKED];
	if (!check_pages(0, complaint, sizeof(complaint)))
		report_check(false, "contents", "parent: %s", complaint);
	else
		checked += pages;
	report_check(checked == pages * (children + 1), "contents",
		     "%llu processes, %s pages, byte by byte", (unsigned long long)children + 1,
		     text_count(checked).s);
}

static int experiment(void)
{
	struct machine first, before, after, last;
	uint64_t parent_faults, saved_first, saved_last;
	struct crew crew;
	bool alive;

	memory = map_memory(size, false, "the parent");
	fill();
	crew_prepare(&crew, (unsigned)children);
	machine_read(&first);
	if (!crew_start(&crew, child, NULL))
		err(STATUS_TROUBLE, "cannot fork %s", text_size(size).s);
	if (!crew_gather(&crew))
		return report_status();
	report_note("%s fork%s: %s each", text_count(children).s, plural(children),
		    text_time(crew.fork_ns / children).s);
	crew_measure(&crew);
	report_note("after fork:");
	report_usage(crew.rows, crew.started + 1, all_rows);
	saved_first = report_saving(crew.rows, crew.started + 1);

	machine_read(&before);
	parent_faults = write_together(&crew, &alive);
	if (!alive)
		return report_status();
	machine_read(&after);
	crew_measure(&crew);
	report_usage(crew.rows, crew.started + 1, all_rows);
	saved_last = report_saving(crew.rows, crew.started + 1);

	check_faults(&crew, parent_faults);
	check_counters(&before, &after);
	crew_release(&crew);
	if (!crew_gather(&crew))
		return report_status();
	check_contents(&crew);
	crew_release(&crew);
	if (crew_join(&crew))
		write_alone();
	machine_read(&last);
	report_tables(&first, &last);
	report_verdict("sharing saved %s after fork, and %s once all had written",
		       text_size(saved_first).s, text_size(saved_last).s);
	crew_free(&crew);
	return report_status();
}

/* Without --size: up to 64 MiB, as long as all may write all of it. */
static void choose_size(void)
{
	if (!size)
		size = memory_choose(64 * MIB, MIB, children + 1);
	size &= ~(PAGE_BYTES - 1);
	memory_require(size * (children + 1));
	pages = size / PAGE_BYTES;
}

int main(int argc, char **argv)
{
	options_parse(&program, argc, argv);
	child_writes = selection_parse(write_text);
	parent_writes = parent_text ? selection_parse(parent_text) : child_writes;
	choose_size();
	report_title(program.name, "%llu child%s of %s, each writes %s",
		     (unsigned long long)children, children == 1 ? "" : "ren", text_size(size).s,
		     write_text);
	return ledger_run(experiment);
}
