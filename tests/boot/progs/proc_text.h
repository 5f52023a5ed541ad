/* What the tests of /proc's texts share: the text in hand. */
#pragma once

#include "tap.h"

static char text[262144];

static void load(const char *path)
{
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
}
