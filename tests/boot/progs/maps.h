/* Looking at /proc/self/maps and smaps. */
#pragma once

#include "tap.h"

struct region {
	unsigned long start, end, offset, inode;
	char perms[5];
	char name[64];
};

static char maps_text[262144];

/* The next line of the text at *at, or false. */
static inline bool next_region(char **at, struct region *r)
{
	int used = 0;

	if (!**at)
		return false;
	r->name[0] = 0;
	if (sscanf(*at, "%lx-%lx %4s %lx %*x:%*x %lu%n", &r->start, &r->end, r->perms, &r->offset,
		   &r->inode, &used) < 5)
		return false;
	sscanf(*at + used, " %63[^\n]", r->name);
	*at = strchr(*at, '\n');
	*at = *at ? *at + 1 : "";
	return true;
}

/* The area that holds `addr`; false where there is none. */
static inline bool region_at(const void *addr, struct region *r)
{
	char *at = maps_text;

	REQUIRE(slurp("/proc/self/maps", maps_text, sizeof(maps_text)) > 0);
	while (next_region(&at, r))
		if (r->start <= (unsigned long)addr && (unsigned long)addr < r->end)
			return true;
	return false;
}

static inline bool region_named(const char *name, struct region *r)
{
	char *at = maps_text;

	REQUIRE(slurp("/proc/self/maps", maps_text, sizeof(maps_text)) > 0);
	while (next_region(&at, r))
		if (!strcmp(r->name, name))
			return true;
	return false;
}

/* How many areas lie in [p, p + len), and whether they cover it without a hole. */
static inline int regions_in(const void *p, size_t len, bool *covered)
{
	unsigned long want = (unsigned long)p, end = want + len;
	struct region r;
	char *at = maps_text;
	int n = 0;

	REQUIRE(slurp("/proc/self/maps", maps_text, sizeof(maps_text)) > 0);
	while (next_region(&at, &r)) {
		if (r.end <= (unsigned long)p || r.start >= end)
			continue;
		n++;
		if (r.start <= want && r.end > want)
			want = r.end;
	}
	if (covered)
		*covered = want >= end;
	return n;
}

/* The value in KiB of `field` of the smaps entry that holds `addr`; -1 where there is none. */
static inline long smaps_kb(const void *addr, const char *field)
{
	unsigned long start, end;
	bool inside = false;
	size_t n = strlen(field);

	REQUIRE(slurp("/proc/self/smaps", maps_text, sizeof(maps_text)) > 0);
	for (char *line = maps_text; line && *line;
	     line = strchr(line, '\n'), line += line != NULL) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (unsigned long)addr && (unsigned long)addr < end;
		else if (inside && !strncmp(line, field, n) && line[n] == ':')
			return strtol(line + n + 1, NULL, 10);
	}
	return -1;
}
