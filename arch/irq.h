/* Interrupts of devices. */
#pragma once

#include "kernel/lib/types.h"

typedef void (*irq_fn)(void *arg);

/* Calls fn(arg), interrupts off, whenever the legacy line `irq` (0-15) is raised; unmasks it. */
void irq_register(unsigned irq, irq_fn fn, void *arg);
