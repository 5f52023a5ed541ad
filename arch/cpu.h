/*
 * What the kernel asks of a CPU. arch/x86_64/ implements it; tests/unit/sim/ does for the host.
 * <cpu_impl.h> gives the inline part: cpu_id(), cpu_relax(), irq_save(), irq_restore(),
 * irq_enable(), irq_disable(), irqs_enabled(), cpu_rdtsc().
 */
#pragma once

#include "kernel/lib/compiler.h"

#define MAX_CPUS 64

#include <cpu_impl.h>

/* Waits for an interrupt. Called with interrupts off; they are on while it waits and after it. */
void cpu_idle(void);

/* 64 bits of the CPU's random number generator. False: it has none, or none to give now. */
bool cpu_random(u64 *v);
