/* Interrupts within arch/x86_64/: vectors, and who answers them. */
#pragma once

#include "arch/irq.h"
#include "arch/x86_64/regs.h"

#define VEC_IRQ0     0x20 /* sixteen legacy lines from here */
#define VEC_TIMER    0x30 /* the local APIC's timer */
#define VEC_KICK     0xf0 /* from another CPU: there is something to run */
#define VEC_FLUSH    0xf1 /* from another CPU: see shootdown.c */
#define VEC_SPURIOUS 0xff

void irq_init(void);
/* From now on the I/O APIC has the legacy lines, where there is one. */
void irq_use_ioapic(void);
/* Answers an interrupt; interrupts are off. */
void irq_dispatch(struct regs *regs, unsigned vector);

/* The local APIC, where the CPU has one (see apic.c). CPU 0's first. */
bool apic_init(void);
void apic_init_secondary(void);
/* CPU 0 no longer listens to the 8259s. */
void apic_without_8259(void);
bool apic_is_x2(void);
void apic_eoi(void);
/* One interrupt at VEC_TIMER in `ns` from now; 0: none. */
void apic_timer(u64 ns);

/* What apic_command() sends; a vector alone is an interrupt (SDM volume 3, section 10.6.1). */
#define APIC_NMI   0x00400u
#define APIC_INIT  0x04500u /* asserted */
#define APIC_START 0x04600u /* with the number of a page below 1 MiB */
void apic_command(u32 apic_id, u32 command);

/* See ioapic.c. False: there is none that could be used. All lines are masked. */
bool ioapic_init(u32 apic_id);
void ioapic_unmask(unsigned irq, unsigned vector);
