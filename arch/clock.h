/* Time: what the clock says, and an interrupt at a chosen moment. */
#pragma once

#include "kernel/lib/types.h"

/* Nanoseconds since boot; never goes back. */
u64 clock_ns(void);
/* Nanoseconds since 1970: by the battery-backed clock as read at boot, until it is set. */
u64 clock_wall_ns(void);
/* Moves the wall clock, as clock_settime(2) does: clock_wall_ns() is `ns` from now on. */
void clock_set_wall_ns(u64 ns);

/*
 * One timer interrupt on this CPU when clock_ns() has reached deadline_ns, or at once where it
 * has passed. A second call replaces the first.
 */
void timer_arm(u64 deadline_ns);
