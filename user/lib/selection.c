/* Choices of pages that repeat. */
#include "user/lib/selection.h"

#include "user/lib/options.h"
#include "user/lib/pattern.h"
#include "user/lib/units.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

struct selection selection_parse(const char *text)
{
	struct selection s = {.kind = SELECT_NONE};
	char number[16];
	size_t len = strlen(text);

	if (strcmp(text, "none") == 0)
		return s;
	if (strcmp(text, "all") == 0)
		return (struct selection){.kind = SELECT_ALL};
	if (strcmp(text, "some") == 0)
		return (struct selection){.kind = SELECT_PART, .n = 25};
	if (strncmp(text, "1/", 2) == 0 && parse_count(text + 2, &s.n) && s.n > 0)
		return (struct selection){.kind = SELECT_STRIDE, .n = s.n};
	if (len > 1 && len < sizeof(number) && text[len - 1] == '%') {
		snprintf(number, sizeof(number), "%.*s", (int)len - 1, text);
		if (parse_count(number, &s.n) && s.n <= 100)
			return (struct selection){.kind = SELECT_PART, .n = s.n};
	}
	errx(STATUS_TROUBLE, "'%s' is none of: %s", text, SELECTION_HELP);
}

bool selection_has(struct selection s, uint64_t seed, uint64_t writer, uint64_t page)
{
	switch (s.kind) {
	case SELECT_NONE:
		return false;
	case SELECT_ALL:
		return true;
	case SELECT_PART:
		return pattern_key(seed, page, writer + 1) % 100 < s.n;
	case SELECT_STRIDE:
		return page % s.n == writer % s.n;
	}
	return false;
}

uint64_t selection_count(struct selection s, uint64_t seed, uint64_t writer, uint64_t pages)
{
	uint64_t n = 0;

	for (uint64_t page = 0; page < pages; page++)
		n += selection_has(s, seed, writer, page);
	return n;
}
