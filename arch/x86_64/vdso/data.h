/*
 * The page of data below the vDSO, which the kernel writes and user mode reads.
 *
 * The first two words stand before there is a program. The last is set alone, by one store, so that
 * no reader can see half of a change: there is no lock.
 */
#pragma once

#include "kernel/lib/types.h"

struct vdso_data {
	u64 tsc_base, tsc_mult; /* nanoseconds since boot = (TSC - base) * mult >> 32 */
	s64 wall_offset_ns;	/* since 1970, less those since boot */
};
