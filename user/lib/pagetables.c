/*
 * The tree of page tables of one process, and who else hangs on it: the same table is known in
 * several processes by its id.
 *
 * A shared table is drawn once, with what hangs below it as a number, since all of that is shared
 * with it. Tables in a row that look alike are drawn as one line.
 */
#include "user/lib/pagetables.h"

#include "user/lib/term.h"
#include "user/lib/units.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT_LEVEL 4
#define NAMED	   6 /* sharers that are named; of more there is the number */

struct table {
	unsigned level;
	char rights;
	uint64_t start, end, id, mapcount, live;
	pid_t who[NAMED];
	unsigned sharers;
	bool below; /* a table above is shared, and this one with it */
};

struct tables {
	struct table *table;
	size_t n, room;
};

static bool add_line(struct tables *t, const char *line)
{
	struct table new = {0};

	if (sscanf(line, "%u %" SCNx64 "-%" SCNx64 " %c %" SCNx64 " %" SCNu64 " %" SCNu64,
		   &new.level, &new.start, &new.end, &new.rights, &new.id, &new.mapcount,
		   &new.live) != 7 ||
	    new.level < 1 || new.level > ROOT_LEVEL)
		return true;
	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct table *more = realloc(t->table, room * sizeof(*more));

		if (!more)
			return false;
		t->table = more;
		t->room = room;
	}
	t->table[t->n++] = new;
	return true;
}

/* False with errno; what was read until then is kept. */
static bool read_tables(pid_t pid, struct tables *t)
{
	char path[48], line[128];
	bool good = true;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/pagetables", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (good && fgets(line, sizeof(line), f))
		good = add_line(t, line);
	fclose(f);
	return good;
}

static int by_id(const void *a, const void *b)
{
	const struct table *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* Notes in each table of the index that the process `pid` has, too, that it does. */
static void note_sharer(struct table **index, size_t n, pid_t pid)
{
	struct tables other = {0};

	read_tables(pid, &other); /* it may be gone, or not ours to look into */
	for (size_t i = 0; i < other.n; i++) {
		const struct table *key = &other.table[i];
		struct table **found =
		    key->id ? bsearch(&key, index, n, sizeof(*index), by_id) : NULL;

		if (!found)
			continue;
		if ((*found)->sharers < NAMED)
			(*found)->who[(*found)->sharers] = pid;
		(*found)->sharers++;
	}
	free(other.table);
}

static bool note_sharers(struct tables *t, pid_t self)
{
	struct table **index = malloc((t->n + 1) * sizeof(*index));
	DIR *proc = index ? opendir("/proc") : NULL;

	if (!proc) {
		free(index);
		return false;
	}
	for (size_t i = 0; i < t->n; i++)
		index[i] = &t->table[i];
	qsort(index, t->n, sizeof(*index), by_id);
	for (struct dirent *d; (d = readdir(proc));)
		if (isdigit((unsigned char)d->d_name[0]) && atoi(d->d_name) != self)
			note_sharer(index, t->n, atoi(d->d_name));
	closedir(proc);
	free(index);
	return true;
}

static bool is_shared(const struct table *t)
{
	return t->mapcount > 1 || t->sharers;
}

/* What hangs below a shared table is shared; a table comes after those above it. */
static void note_below(struct tables *t)
{
	bool shared[ROOT_LEVEL + 2] = {false};

	for (size_t i = 0; i < t->n; i++) {
		struct table *x = &t->table[i];

		x->below = shared[x->level + 1];
		shared[x->level] = x->below || is_shared(x);
	}
}

static void draw_whose(const struct table *t)
{
	if (!is_shared(t)) {
		printf("%sown%s%s", colour(RED), colour(PLAIN),
		       t->rights == 'w' ? "" : ", write-protected: the first write arms it");
		return;
	}
	printf("%sshared%s", colour(GREEN), colour(PLAIN));
	if (!t->sharers) {
		printf(", mapcount %" PRIu64, t->mapcount);
		return;
	}
	printf(" with");
	for (unsigned i = 0; i < t->sharers && i < NAMED; i++)
		printf("%s %d", i ? "," : "", (int)t->who[i]);
	if (t->sharers > NAMED)
		printf(" and %u more", t->sharers - NAMED);
}

/* What so many tables of a level map; the root, its user half. */
static struct text text_span(const struct table *t, size_t alike)
{
	if (t->level == ROOT_LEVEL)
		return (struct text){"128 TiB"};
	return text_size((PAGE_BYTES << 9 * t->level) * alike);
}

/* `alike` tables from t on, with `below` tables that hang below them and are not drawn. */
static void draw_line(const struct table *t, size_t alike, size_t below, uint64_t live)
{
	printf("  %u  %*s%012" PRIx64 "%*s %9s %10s  ", t->level, (int)(ROOT_LEVEL - t->level), "",
	       t->start, (int)t->level - 1, "", text_span(t, alike).s, text_count(live).s);
	draw_whose(t);
	if (alike > 1)
		printf(" (%zu tables)", alike);
	if (below)
		printf(" (and %zu below)", below);
	putchar('\n');
}

/* Whether the two may stand in one line. */
static bool look_alike(const struct table *a, const struct table *b)
{
	return a->level == b->level && a->end == b->start && a->rights == b->rights &&
	       is_shared(a) == is_shared(b) && a->mapcount == b->mapcount &&
	       a->sharers == b->sharers && !memcmp(a->who, b->who, sizeof(a->who));
}

static void draw_tree(const struct tables *t)
{
	printf("\n  %-5s%-15s %9s %10s  %s\n", "", "from", "maps", "entries", "whose");
	for (size_t i = 0; i < t->n;) {
		const struct table *first = &t->table[i], *last = first;
		uint64_t live = first->live;
		size_t alike = 1, below = 0;

		for (i++; i < t->n; i++) {
			const struct table *x = &t->table[i];

			if (x->below) {
				below++;
				continue;
			}
			if (!look_alike(last, x) || (x->level > 1 && !is_shared(x)))
				break;
			alike++;
			live += x->live;
			last = x;
		}
		draw_line(first, alike, below, live);
	}
}

bool pagetables_draw(pid_t pid)
{
	struct tables t = {0};
	size_t shared = 0;

	if (!read_tables(pid, &t) || !note_sharers(&t, pid)) {
		free(t.table);
		return false;
	}
	note_below(&t);
	for (size_t i = 0; i < t.n; i++)
		shared += t.table[i].below || is_shared(&t.table[i]);
	printf("%sprocess %d%s: %zu page table%s, %s; own %zu, shared %zu\n", colour(BOLD),
	       (int)pid, colour(PLAIN), t.n, plural(t.n), text_size(t.n * PAGE_BYTES).s,
	       t.n - shared, shared);
	draw_tree(&t);
	free(t.table);
	return true;
}
