/* Which pages of a region somebody writes: all, none, a random part, or one in N. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum selection_kind { SELECT_NONE, SELECT_ALL, SELECT_PART, SELECT_STRIDE };

struct selection {
	enum selection_kind kind;
	uint64_t n; /* percent of a part; N of one in N */
};

#define SELECTION_HELP "all, none, some, 1/N or P%"

/* "all", "none", "some" (a quarter, at random), "1/8", "10%". Exits with a message on others. */
struct selection selection_parse(const char *text);

/* Does `writer` write `page`? The same answer whoever asks, and another for another seed. */
bool selection_has(struct selection s, uint64_t seed, uint64_t writer, uint64_t page);

/* How many of `pages` it has. */
uint64_t selection_count(struct selection s, uint64_t seed, uint64_t writer, uint64_t pages);
