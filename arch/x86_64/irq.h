/* Interrupts within arch/x86_64/: vectors, and who answers them. */
#pragma once

#include "arch/irq.h"
#include "arch/x86_64/regs.h"

#define VEC_IRQ0     0x20 /* sixteen legacy lines from here */
#define VEC_TIMER    0x30 /* the local APIC's timer */
#define VEC_SPURIOUS 0xff

void irq_init(void);
/* Answers an interrupt; interrupts are off. */
void irq_dispatch(struct regs *regs, unsigned vector);

/* The local APIC, where the CPU has one (see apic.c). */
bool apic_init(void);
void apic_eoi(void);
/* One interrupt at VEC_TIMER in `ns` from now; 0: none. */
void apic_timer(u64 ns);
