/* The simulated machine's physical memory. */
#pragma once

#include "mm/alloc.h"

/* Gives the allocator [first, frames) of an arena of `frames` frames; those below `first` stay
 * reserved. */
void sim_memory_init(pfn_t first, pfn_t frames);
