/*
 * The inline part of arch/cpu.h: this CPU's data through %gs, interrupts, small instructions.
 *
 * While the kernel runs, GS_BASE points at this CPU's struct percpu; SWAPGS at each way in and
 * out exchanges it for the user's (Intel SDM volume 2, SWAPGS).
 */
#pragma once

#include "kernel/lib/types.h"

struct mmu;
struct task;

/* Offsets are entry.S's, see arch/x86_64/asm/offsets.c. Written by this CPU alone, once it runs. */
struct percpu {
	struct percpu *self;
	struct task *task;
	u64 kstack_top; /* where system calls of the current task find their stack */
	u64 user_rsp;	/* scratch of system call entry */
	u32 cpu;	/* this CPU's number */
	u32 apic_id;
	struct mmu *mmu;     /* the tree that CR3 walks; NULL: the kernel's alone */
	struct task *fpu_of; /* whose FPU state the registers hold; NULL: nobody's */
	void *tss;
	/* TLB flushes: by INVLPG and by CR3 here, sent to other CPUs, served for them */
	u64 flush_one, flush_all, flush_sent, flush_served;
	u64 first_tsc; /* its time-stamp counter as it began */
	bool online;   /* it has come as far as the idle loop. Atomic. */
	bool stopped;  /* a panic has halted it. Atomic. */
	bool in_irq;   /* it answers an interrupt: for the debug build's check of locks */
} __aligned(64);

#ifndef __CHECKER__
static inline u32 cpu_id(void)
{
	u32 id;

	__asm__ volatile("movl %%gs:%c1, %0" : "=r"(id) : "i"(offsetof(struct percpu, cpu)));
	return id;
}

/* Not volatile: a task sees itself in it, however often it was switched away from. */
static inline struct task *current_task(void)
{
	struct task *t;

	__asm__("movq %%gs:%c1, %0" : "=r"(t) : "i"(offsetof(struct percpu, task)));
	return t;
}

static inline struct percpu *this_cpu(void)
{
	struct percpu *p;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(p));
	return p;
}
#else
u32 cpu_id(void);
struct task *current_task(void);
struct percpu *this_cpu(void);
#endif

static inline bool cpu_in_irq(void)
{
	return this_cpu()->in_irq;
}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static inline u64 cpu_rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

static inline void irq_enable(void)
{
	__asm__ volatile("sti" ::: "memory");
}

static inline void irq_disable(void)
{
	__asm__ volatile("cli" ::: "memory");
}

static inline u64 cpu_flags(void)
{
	u64 flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags)::"memory");
	return flags;
}

static inline bool irqs_enabled(void)
{
	return cpu_flags() & (1u << 9);
}

/* Interrupts off; returns what irq_restore() wants. */
static inline u64 irq_save(void)
{
	u64 flags = cpu_flags();

	irq_disable();
	return flags;
}

static inline void irq_restore(u64 flags)
{
	if (flags & (1u << 9))
		irq_enable();
}
