/* Interrupts of devices. */
#pragma once

#include "kernel/lib/types.h"

typedef void (*irq_fn)(void *arg);

/* Calls fn(arg), interrupts off, whenever the legacy line `irq` (0-15) is raised; unmasks it. */
void irq_register(unsigned irq, irq_fn fn, void *arg);

#define NR_IRQS 16
/* How often a legacy line was raised since boot, and a CPU's own timer. */
u64 irq_count(unsigned irq);
u64 irq_count_timer(u32 cpu);
/* What answers the legacy lines, as /proc/interrupts names it. */
const char *irq_controller(void);
