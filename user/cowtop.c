/*
 * Processes by the memory that they hold, alone or with others, as a table that lives. All figures
 * are /proc's; a process that ends while it is looked at is left out.
 */
#include "user/lib/io.h"
#include "user/lib/options.h"
#include "user/lib/procfs.h"
#include "user/lib/term.h"
#include "user/lib/units.h"

#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEAD_ROWS 6

struct row {
	pid_t pid;
	char state;
	char name[20];
	struct memory_use use;
	uint64_t new_faults; /* since the frame before */
};

struct rows {
	struct row *row;
	size_t count, room;
};

static uint64_t interval_ms = 2000, frames;
static bool once, batch, no_color;
static const char *sort_name = "rss";

static const struct option_spec options[] = {
    {"sort", 's', OPTION_WORD, &sort_name, "KEY", "rss pss shared private faults copied pid", 0, 0},
    {"interval", 'i', OPTION_COUNT, &interval_ms, "MS", "milliseconds between frames", 100,
     3600000},
    {"once", '1', OPTION_FLAG, &once, NULL, "one frame, as text", 0, 0},
    {"batch", 'b', OPTION_FLAG, &batch, NULL, "frames one below the other, as text", 0, 0},
    {"frames", 'n', OPTION_COUNT, &frames, "N", "end after so many; 0: never", 0, 0},
    {"no-color", 0, OPTION_FLAG, &no_color, NULL, "plain text", 0, 0},
    {0},
};

static const struct program_spec program = {
    .name = "cowtop",
    .summary = "Processes by resident (RSS), proportional (PSS), shared and private memory,\n"
	       "and by page faults; pages copied and reused on write where the kernel tells.\n",
    .options = options,
    .notes = "keys: r p s v f c i sort by RSS, PSS, shared, private, faults, copied, pid;\n"
	     "      + - faster, slower; space now; q ends\n",
};

/* What a key sorts by: larger first, but pids. */
struct sort_key {
	char letter;
	const char *name;
	size_t field; /* offset in struct memory_use; NO_FIELD: pid */
};

#define NO_FIELD      SIZE_MAX
#define FIELD(member) offsetof(struct memory_use, member)

static const struct sort_key sort_keys[] = {
    {'r', "rss", FIELD(rss)},	    {'p', "pss", FIELD(pss)},
    {'s', "shared", FIELD(shared)}, {'v', "private", FIELD(private)},
    {'f', "faults", FIELD(faults)}, {'c', "copied", FIELD(copied)},
    {'i', "pid", NO_FIELD},
};

#define SORT_KEYS (sizeof(sort_keys) / sizeof(*sort_keys))

static const struct sort_key *sort_by;

static uint64_t field_of(const struct memory_use *use)
{
	uint64_t value;

	memcpy(&value, (const char *)use + sort_by->field, sizeof(value));
	return value == UNKNOWN ? 0 : value;
}

static int compare(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;

	if (sort_by->field != NO_FIELD) {
		uint64_t va = field_of(&a->use), vb = field_of(&b->use);

		if (va != vb)
			return va < vb ? 1 : -1;
	}
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* The name and what follows it in /proc/pid/stat. */
static bool read_stat(struct row *row)
{
	char path[48], text[512], *name, *end;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)row->pid);
	if (read_file(path, text, sizeof(text)) <= 0)
		return false;
	name = strchr(text, '(');
	end = strrchr(text, ')');
	if (!name || !end || sscanf(end + 1, " %c", &row->state) != 1)
		return false;
	len = (size_t)(end - name - 1);
	if (len >= sizeof(row->name))
		len = sizeof(row->name) - 1;
	memcpy(row->name, name + 1, len);
	row->name[len] = '\0';
	return true;
}

static struct row *add_row(struct rows *rows)
{
	if (rows->count == rows->room) {
		size_t room = rows->room ? 2 * rows->room : 64;
		struct row *row = realloc(rows->row, room * sizeof(*row));

		if (!row)
			err(STATUS_TROUBLE, "no memory for %zu processes", room);
		rows->row = row;
		rows->room = room;
	}
	memset(&rows->row[rows->count], 0, sizeof(*rows->row));
	return &rows->row[rows->count];
}

static uint64_t faults_before(const struct rows *old, pid_t pid)
{
	for (size_t i = 0; i < old->count; i++)
		if (old->row[i].pid == pid)
			return old->row[i].use.faults;
	return UNKNOWN;
}

/* Looks at all processes that have memory: kernel threads and zombies have none. */
static void read_rows(struct rows *rows, const struct rows *old)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;

	if (!dir)
		err(STATUS_TROUBLE, "cannot read /proc");
	rows->count = 0;
	while ((d = readdir(dir)) != NULL) {
		struct row *row;
		uint64_t before;

		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		row = add_row(rows);
		row->pid = atoi(d->d_name);
		if (!read_stat(row) || !memory_use_read(row->pid, &row->use))
			continue;
		before = faults_before(old, row->pid);
		row->new_faults = before == UNKNOWN ? 0 : row->use.faults - before;
		rows->count++;
	}
	closedir(dir);
	qsort(rows->row, rows->count, sizeof(*rows->row), compare);
}

static struct text rate(uint64_t before, uint64_t now, uint64_t ns)
{
	uint64_t n = counter_since(before, now);

	if (n == UNKNOWN)
		return text_count(UNKNOWN);
	return text_count(ns ? n * 1000000000ull / ns : 0);
}

static void draw_head(const struct rows *rows, const struct machine *m, const struct machine *old,
		      uint64_t ns)
{
	struct memory_use sum = {0};
	struct timespec up;
	char level[24] = "Linux";

	for (size_t i = 0; i < rows->count; i++)
		memory_use_add(&sum, &rows->row[i].use);
	clock_gettime(CLOCK_BOOTTIME, &up);
	if (share_level_known())
		snprintf(level, sizeof(level), "%s", share_level_name());
	frame_line("%scowtop%s  %s, up %lld:%02lld:%02lld, %zu processes, sorted by %s",
		   colour(BOLD), colour(PLAIN), level, (long long)up.tv_sec / 3600,
		   (long long)up.tv_sec / 60 % 60, (long long)up.tv_sec % 60, rows->count,
		   sort_by->name);
	frame_line(
	    "memory  %s, %s available    RSS %s, PSS %s: %s%s saved by sharing%s",
	    text_size(m->total).s, text_size(m->available).s, text_bytes(sum.rss).s,
	    text_bytes(sum.pss).s, colour(GREEN),
	    text_share(sum.rss > sum.pss ? (double)(sum.rss - sum.pss) : 0, (double)sum.rss).s,
	    colour(PLAIN));
	frame_line("a second: %s faults, %s copied, %s reused, %s zero-filled",
		   rate(old->faults, m->faults, ns).s, rate(old->cow_copy, m->cow_copy, ns).s,
		   rate(old->cow_reuse, m->cow_reuse, ns).s,
		   rate(old->zero_fill, m->zero_fill, ns).s);
	frame_line("%s", "");
	frame_line("%s%6s S%9s%9s%9s%9s%9s%7s%9s %-9s%s", colour(INVERSE), "PID", "RSS", "PSS",
		   "SHARED", "PRIVATE", "FAULTS", "+", "COPIED", "NAME", colour(PLAIN));
}

static void draw_row(const struct row *r)
{
	bool busy = r->new_faults > 0;

	frame_line("%s%6d %c%9s%9s%9s%9s%9s%7s%9s %-9.9s%s", busy ? colour(BOLD) : "", (int)r->pid,
		   r->state, text_bytes(r->use.rss).s, text_bytes(r->use.pss).s,
		   text_bytes(r->use.shared).s, text_bytes(r->use.private).s,
		   text_count(r->use.faults).s, busy ? text_count(r->new_faults).s : "",
		   text_count(r->use.copied).s, r->name, busy ? colour(PLAIN) : "");
}

static void draw(const struct rows *rows, bool screen, const struct machine *now,
		 const struct machine *old, uint64_t ns)
{
	size_t shown = rows->count;
	int room = term_size().rows - HEAD_ROWS;

	frame_begin();
	draw_head(rows, now, old, ns);
	if (screen && shown > (size_t)(room > 1 ? room : 1))
		shown = (size_t)(room > 1 ? room : 1);
	for (size_t i = 0; i < shown; i++)
		draw_row(&rows->row[i]);
	if (shown < rows->count)
		frame_line("%s... %zu more ...%s", colour(DIM), rows->count - shown, colour(PLAIN));
	if (batch)
		frame_line("%s", "");
	frame_end();
}

/* Does what a key says. False: the end. */
static bool obey(int key)
{
	if (key == 'q' || key < 0)
		return false;
	if (key == '+' && interval_ms > 200)
		interval_ms /= 2;
	if (key == '-' && interval_ms < 60000)
		interval_ms *= 2;
	for (size_t i = 0; i < SORT_KEYS; i++)
		if (sort_keys[i].letter == key)
			sort_by = &sort_keys[i];
	return true;
}

/* Waits for the next frame. False: the end. */
static bool wait_for_next(bool screen)
{
	if (screen)
		return obey(term_key((int)interval_ms));
	nanosleep(&(struct timespec){.tv_sec = (time_t)(interval_ms / 1000),
				     .tv_nsec = (long)(interval_ms % 1000) * 1000000},
		  NULL);
	return true;
}

static void choose_sort(void)
{
	for (size_t i = 0; i < SORT_KEYS; i++)
		if (strcmp(sort_keys[i].name, sort_name) == 0)
			sort_by = &sort_keys[i];
	if (!sort_by)
		errx(STATUS_TROUBLE, "--sort: no key '%s' (see cowtop --help)", sort_name);
}

int main(int argc, char **argv)
{
	struct rows rows = {0}, old = {0}, swap;
	struct machine machine, old_machine;
	uint64_t then = 0;
	bool screen;

	options_parse(&program, argc, argv);
	choose_sort();
	batch = batch || (!once && !isatty(STDOUT_FILENO));
	if (once)
		frames = 1;
	if (no_color || once || batch)
		term_no_color();
	screen = !once && !batch && term_take();
	if (!once && !batch && !screen)
		errx(STATUS_TROUBLE, "standard input is no terminal: use --batch or --once");
	machine_read(&old_machine);
	for (uint64_t done = 1;; done++) {
		uint64_t now = now_ns();

		read_rows(&rows, &old);
		machine_read(&machine);
		draw(&rows, screen, &machine, &old_machine, then ? now - then : 0);
		if (done == frames || !wait_for_next(screen))
			break;
		swap = old;
		old = rows;
		rows = swap;
		old_machine = machine;
		then = now;
	}
	return STATUS_OK;
}
