/* What the tests share that change the share level as they go; on Linux the levels are all one. */
#pragma once

#include "tap.h"

enum { LEVELS = LEVEL_AUTO + 1 };

static void audit(void)
{
	if (on_calf())
		spit("/proc/sys/vm/audit", "1\n");
}

static void set_level(int level)
{
	char text[8];

	if (!on_calf())
		return;
	sprintf(text, level == LEVEL_AUTO ? "auto\n" : "%d\n", level);
	spit("/proc/sys/vm/fork_share_level", text);
	EQ(share_level(), level);
}
