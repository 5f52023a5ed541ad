/* Several CPUs: what arch/x86_64/ shares within itself about them. */
#pragma once

#include "arch/cpu.h"

extern struct percpu percpus[MAX_CPUS];

/* cpu.c: the struct percpu and the stacks of a CPU that is about to be started. False: no memory. */
bool cpu_prepare(u32 cpu, u32 apic_id, struct task *idle) __must_check;
/* What cpu_init() does, for the further CPU that calls it. */
void cpu_init_secondary(struct percpu *p);

/* memory.c: a frame below 1 MiB that nobody else uses, for CPUs to start in; 0: there is none. */
paddr_t memory_trampoline(void);

/* smp.c: a panic's. The other CPUs halt for good; waits a moment until they have. */
void smp_stop_others(void);
/* An NMI: true where it was one of ours. */
struct regs;
bool smp_nmi(const struct regs *regs);

/* shootdown.c: answers what other CPUs ask of this one. Safe wherever interrupts are off. */
void shootdown_serve(void);
/* Every CPU drops every translation of the kernel's half. May not be called with interrupts off or
 * a spinlock held that is taken with interrupts off. */
void shootdown_kernel(void);
/* Other CPUs' part of a flush, with its number (0: no tags): `targets` has a bit for each, and not this one's. */
struct mmu;
void shootdown_range(struct mmu *m, u64 flush, u64 targets, vaddr_t start, vaddr_t end);
void shootdown_all(struct mmu *m, u64 flush, u64 targets);
/* They stop walking the tree. */
void shootdown_forget(struct mmu *m, u64 targets);

/* mmu.c: what the CPU's features allow, before any tree is walked: tags, and INVPCID. */
void mmu_use_tags(bool can_invpcid);
/* Other CPUs may run from now on. */
void mmu_expect_others(void);
/* This CPU, which walks the tree, drops [start, end) or all of it: the flush of this number, or 0. */
void mmu_flush_here(u64 flush, vaddr_t start, vaddr_t end);
void mmu_flush_all_here(u64 flush);
/* Every translation that this CPU has, global ones included. Interrupts are off. */
void mmu_flush_kernel_here(void);
