/* Settings of /proc/sys that belong to no room's own header. */
#pragma once

/* 0: addresses are the same at every exec; 1: stack, mappings and PIE are random; 2: the heap too.
 */
extern int randomize_va_space;

/* How long an idle CPU looks out for a task before it halts, in nanoseconds: see kernel/idle.c. */
extern int sched_idle_poll_ns;
