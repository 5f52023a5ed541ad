/* Instructions that may fault, each with the place to go on where the fault cannot be repaired. */
#pragma once

#include "kernel/lib/types.h"

/* Where to go on after a fault at rip; 0: that instruction must not fault. */
vaddr_t extable_find(vaddr_t rip);
