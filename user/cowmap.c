/*
 * Draws a process's memory, a cell a page: what was never touched, what it shares, what is its own.
 * From /proc/pid/maps (the areas), pagemap (which page is there, and in which frame) and kpagecount
 * (how many entries map that frame).
 *
 * With --tables: its tree of page tables, from pagetables (see user/lib/pagetables.c).
 *
 * Where an area has more pages than cells, a cell stands for several, and shows the kind that most
 * of those present are.
 */
#include "user/lib/io.h"
#include "user/lib/options.h"
#include "user/lib/pagetables.h"
#include "user/lib/procfs.h"
#include "user/lib/term.h"
#include "user/lib/units.h"

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* An entry of pagemap. */
#define PM_PRESENT   (1ull << 63)
#define PM_SWAPPED   (1ull << 62)
#define PM_FILE	     (1ull << 61) /* of a file, or of shared memory */
#define PM_EXCLUSIVE (1ull << 56) /* nobody else maps it */
#define PM_FRAME     ((1ull << 55) - 1)

#define BATCH 1024 /* entries read at once */

enum kind { UNTOUCHED, ZERO, SHARED, PRIVATE, FILE_SHARED, FILE_OWN, SWAPPED, KINDS };

static const struct {
	char cell;
	enum colour colour;
	const char *what;
} kinds[KINDS] = {
    [UNTOUCHED] = {'.', DIM, "untouched: no page is there yet"},
    [ZERO] = {'0', CYAN, "zero page: read, never written; takes no memory"},
    [SHARED] = {'=', GREEN, "shared: copy-on-write, with relatives by fork"},
    [PRIVATE] = {'#', RED, "private: written, this process's alone"},
    [FILE_SHARED] = {'F', BLUE, "file or shared memory, others map it, too"},
    [FILE_OWN] = {'f', YELLOW, "file or shared memory, nobody else maps it"},
    [SWAPPED] = {'s', MAGENTA, "swapped out"},
};

struct area {
	uint64_t start, end;
	char access[8], name[64];
};

static uint64_t columns = 64, rows = 6;
static bool no_color, all_areas, tables;

static int pagemap_fd, count_fd;
static uint64_t zero_frame; /* 0: not known */

static const struct option_spec options[] = {
    {"rows", 'r', OPTION_COUNT, &rows, "N", "of an area, at most", 1, 10000},
    {"columns", 'c', OPTION_COUNT, &columns, "N", "cells in a row", 8, 4096},
    {"all", 'a', OPTION_FLAG, &all_areas, NULL, "also areas without a page", 0, 0},
    {"tables", 't', OPTION_FLAG, &tables, NULL, "its page tables instead, and who shares them", 0,
     0},
    {"no-color", 0, OPTION_FLAG, &no_color, NULL, "plain text", 0, 0},
    {0},
};

static const struct program_spec program = {
    .name = "cowmap",
    .operand = "PID",
    .summary = "Draws the memory of a process, a cell a page, and sums up what is shared.\n",
    .options = options,
    .notes = "  cowmap $$            the shell's own\n"
	     "  cowmap --tables $$   its page tables (Calf only)\n",
};

/* The frame that reads of untouched memory see: found by doing it. */
static uint64_t find_zero_frame(void)
{
	volatile const char *p =
	    mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (p != MAP_FAILED && fd >= 0) {
		(void)p[0];
		if (pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)p / PAGE_BYTES * 8)) != 8)
			entry = 0;
	}
	if (fd >= 0)
		close(fd);
	if (p != MAP_FAILED)
		munmap((void *)(uintptr_t)p, PAGE_BYTES);
	return entry & PM_PRESENT ? entry & PM_FRAME : 0;
}

/* Entries that map the frame, or 0 where the kernel does not tell. Frames come in runs. */
static uint64_t map_count(uint64_t frame)
{
	static uint64_t counts[BATCH], first = UNKNOWN;
	static ssize_t got;

	if (count_fd < 0 || frame == 0)
		return 0;
	if (frame / BATCH != first) {
		first = frame / BATCH;
		got = pread(count_fd, counts, sizeof(counts), (off_t)(first * sizeof(counts)));
	}
	if (got < 0 || frame % BATCH >= (uint64_t)got / 8)
		return 0;
	return counts[frame % BATCH];
}

static enum kind kind_of(uint64_t entry)
{
	uint64_t frame = entry & PM_FRAME;
	bool shared;

	if (!(entry & PM_PRESENT))
		return entry & PM_SWAPPED ? SWAPPED : UNTOUCHED;
	if (zero_frame && frame == zero_frame)
		return ZERO;
	shared = !(entry & PM_EXCLUSIVE) || map_count(frame) > 1;
	if (entry & PM_FILE)
		return shared ? FILE_SHARED : FILE_OWN;
	return shared ? SHARED : PRIVATE;
}

/* One line of maps: false where it is none, or an area outside of user space. */
static bool parse_area(const char *line, struct area *area)
{
	int name_at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %n", &area->start, &area->end,
		   area->access, &name_at) < 3)
		return false;
	snprintf(area->name, sizeof(area->name), "%s", name_at ? line + name_at : "");
	area->name[strcspn(area->name, "\n")] = '\0';
	return area->start < 1ull << 63;
}

/* Reads the kinds of `n` pages from `page` on; what cannot be read counts as untouched. */
static void read_kinds(uint64_t page, uint64_t n, uint8_t *out)
{
	uint64_t entries[BATCH];

	while (n > 0) {
		uint64_t want = n < BATCH ? n : BATCH;
		ssize_t got = pread(pagemap_fd, entries, want * 8, (off_t)(page * 8));
		uint64_t have = got > 0 ? (uint64_t)got / 8 : 0;

		for (uint64_t i = 0; i < want; i++)
			out[i] = i < have ? (uint8_t)kind_of(entries[i]) : UNTOUCHED;
		page += want;
		out += want;
		n -= want;
	}
}

/* The kind that a cell of several pages shows: the most frequent of those that are there. */
static enum kind kind_of_cell(const uint8_t *page_kinds, uint64_t n)
{
	uint64_t count[KINDS] = {0};
	enum kind most = UNTOUCHED;

	for (uint64_t i = 0; i < n; i++)
		count[page_kinds[i]]++;
	for (int k = UNTOUCHED + 1; k < KINDS; k++)
		if (count[k] && (most == UNTOUCHED || count[k] >= count[most]))
			most = (enum kind)k;
	return most;
}

static void draw_cells(uint64_t start, const uint8_t *page_kinds, uint64_t pages, uint64_t scale)
{
	for (uint64_t at = 0; at < pages;) {
		enum kind last = KINDS;

		printf("  %12" PRIx64 " ", start + at * PAGE_BYTES);
		for (uint64_t c = 0; c < columns && at < pages; c++, at += scale) {
			uint64_t n = pages - at < scale ? pages - at : scale;
			enum kind k = kind_of_cell(page_kinds + at, n);

			if (k != last)
				printf("%s%s", colour(PLAIN), colour(kinds[k].colour));
			last = k;
			putchar(kinds[k].cell);
		}
		printf("%s\n", colour(PLAIN));
	}
}

static void draw_area(const struct area *area, uint64_t *sum)
{
	uint64_t pages = (area->end - area->start) / PAGE_BYTES, scale = 1, here = 0;
	uint8_t *page_kinds = malloc(pages);

	if (!page_kinds) {
		printf("%s %s: no memory to draw it\n", area->name,
		       text_size(pages * PAGE_BYTES).s);
		return;
	}
	read_kinds(area->start / PAGE_BYTES, pages, page_kinds);
	for (uint64_t i = 0; i < pages; i++) {
		sum[page_kinds[i]]++;
		here += page_kinds[i] != UNTOUCHED;
	}
	while (pages > scale * columns * rows)
		scale *= 2;
	if (here || all_areas) {
		printf("%s%s%s %s, %s of it there", colour(BOLD), area->access, colour(PLAIN),
		       text_size(pages * PAGE_BYTES).s, text_size(here * PAGE_BYTES).s);
		if (scale > 1)
			printf(", %s a cell", text_size(scale * PAGE_BYTES).s);
		printf("  %s\n", area->name);
		draw_cells(area->start, page_kinds, pages, scale);
	}
	free(page_kinds);
}

static void draw_legend(const uint64_t *sum)
{
	uint64_t there = 0;

	for (int k = UNTOUCHED + 1; k < KINDS; k++)
		there += k == ZERO || k == SWAPPED ? 0 : sum[k];
	putchar('\n');
	for (int k = 0; k < KINDS; k++) {
		if (k == SWAPPED && sum[k] == 0)
			continue;
		printf("  %s%c%s  %-50s %9s %12s\n", colour(kinds[k].colour), kinds[k].cell,
		       colour(PLAIN), kinds[k].what, text_count(sum[k]).s,
		       text_size(sum[k] * PAGE_BYTES).s);
	}
	printf("  RSS %s: %s of it shared\n", text_size(there * PAGE_BYTES).s,
	       text_share((double)(sum[SHARED] + sum[FILE_SHARED]), (double)there).s);
}

static int open_of(pid_t pid, const char *name)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static pid_t parse_pid(const char *text)
{
	uint64_t n;

	if (!text)
		errx(STATUS_TROUBLE, "whose memory? (see cowmap --help)");
	if (strcmp(text, "self") == 0)
		return getpid();
	if (!parse_count(text, &n) || n == 0 || n > INT32_MAX)
		errx(STATUS_TROUBLE, "'%s' is no process number", text);
	return (pid_t)n;
}

int main(int argc, char **argv)
{
	pid_t pid = parse_pid(options_parse(&program, argc, argv));
	uint64_t sum[KINDS] = {0};
	struct area area;
	char line[512];
	FILE *maps;
	int fd;

	if (no_color || !isatty(STDOUT_FILENO))
		term_no_color();
	if (tables) {
		if (!pagetables_draw(pid))
			err(STATUS_TROUBLE, "the page tables of process %d", (int)pid);
		return STATUS_OK;
	}
	fd = open_of(pid, "maps");
	maps = fd < 0 ? NULL : fdopen(fd, "r");
	if (!maps)
		err(STATUS_TROUBLE, "process %d", (int)pid);
	pagemap_fd = open_of(pid, "pagemap");
	if (pagemap_fd < 0)
		err(STATUS_TROUBLE, "the pages of process %d", (int)pid);
	count_fd = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC);
	zero_frame = find_zero_frame();
	while (fgets(line, sizeof(line), maps))
		if (parse_area(line, &area))
			draw_area(&area, sum);
	draw_legend(sum);
	return STATUS_OK;
}
