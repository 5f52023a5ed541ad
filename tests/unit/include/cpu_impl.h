/* The host's share of arch/cpu.h: a thread stands for a CPU, and interrupts do not exist. */
#pragma once

#include "kernel/lib/compiler.h"

extern _Thread_local unsigned host_cpu; /* the CPU that this thread plays */

static inline unsigned cpu_id(void)
{
	return host_cpu;
}

static inline void cpu_relax(void)
{
	__builtin_ia32_pause();
}

static inline u64 irq_save(void)
{
	return 0;
}

static inline void irq_restore(u64 flags)
{
	(void)flags;
}

static inline void irq_enable(void)
{
}

static inline void irq_disable(void)
{
}

static inline bool irqs_enabled(void)
{
	return true;
}

static inline u64 cpu_rdtsc(void)
{
	return __builtin_ia32_rdtsc();
}
