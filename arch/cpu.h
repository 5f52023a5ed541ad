/*
 * What the kernel asks of a CPU. arch/x86_64/ implements it; tests/unit/sim/ does for the host.
 * <cpu_impl.h> gives the inline part: cpu_id(), cpu_relax(), irq_save(), irq_restore(),
 * irq_enable(), irq_disable(), irqs_enabled(), cpu_rdtsc().
 */
#pragma once

#include "kernel/lib/compiler.h"

#define MAX_CPUS 64

#include <cpu_impl.h>

/* CPUs that run tasks, numbered from 0. Grows while the machine boots, and then stays. */
extern u32 nr_cpus;
static inline u32 cpu_count(void)
{
	return __atomic_load_n(&nr_cpus, __ATOMIC_RELAXED);
}
/* Starts the CPUs that the machine has beside the one that booted it; each becomes idle. */
void cpu_start_others(void);
/* Interrupts a CPU that may have something new to look at: its run queue, its task's work. */
void cpu_kick(u32 cpu);
/* On return each CPU has passed a full barrier. Interrupts are on, and no spinlock is held. */
void cpu_sync_all(void);
/* Each other CPU tells the log where it is, one after the other; who does not answer is named. */
void cpu_backtrace_others(void);

/* Waits for an interrupt. Called with interrupts off; they are on while it waits and after it. */
void cpu_idle(void);

/* 64 bits of the CPU's random number generator. False: it has none, or none to give now. */
bool cpu_random(u64 *v);
