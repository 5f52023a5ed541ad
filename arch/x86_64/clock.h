/* The clock's own business within arch/x86_64/. */
#pragma once

#include "arch/clock.h"

/* Counts from here; log lines before clock_init() show 0. */
void clock_init_early(void);
/* Measures the TSC. Takes some 25 ms. */
void clock_init(void);
/* Reads the battery-backed clock. */
void wall_clock_init(void);
u64 clock_tsc_hz(void);
/* The interrupt timer: the local APIC's, or the PIT. */
void timer_init(void);
bool timer_is_pit(void);
