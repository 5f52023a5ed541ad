/* Failing allocations on purpose: /proc/sys/vm/fail_nth, which Linux has not. */
#pragma once

#include "tap.h"

static int knob = -1; /* open on it; -1: not asked for */

/* The n-th allocation from now fails; 0: none. */
static inline void arm(int n)
{
	char text[16];

	EQ(pwrite(knob, text, sprintf(text, "%d", n), 0), (long)strlen(text));
}

static inline bool fired(void)
{
	char text[16] = "";

	REQUIRE(pread(knob, text, sizeof(text), 0) > 0);
	return atoi(text) == 0;
}
