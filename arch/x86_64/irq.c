/*
 * Interrupts of devices, through the I/O APIC, or where there is none through the two 8259
 * controllers that every PC has or plays (Intel 8259A data sheet); with a local APIC in between, its
 * LINT0 pin passes theirs on unchanged.
 */
#include "arch/x86_64/irq.h"

#include "arch/cpu.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/io.h"
#include "arch/x86_64/smp.h"
#include "kernel/log.h"
#include "kernel/sched.h"
#include "kernel/timer.h"

#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA    0xa1

#define ICW1_INIT 0x11 /* edge triggered, cascaded, ICW4 follows */
#define ICW4_8086 0x01
#define OCW2_EOI  0x20
#define OCW3_ISR  0x0b /* the next read gives the in-service register */
#define CASCADE	  2

static struct {
	irq_fn fn;
	void *arg;
	u64 count;
} handlers[NR_IRQS];
static u64 timer_counts[MAX_CPUS]; /* each written by its CPU */
static bool use_ioapic;
static u16 masked = 0xffff & ~(1u << CASCADE);

static void set_masks(void)
{
	outb(PIC1_DATA, (u8)masked);
	outb(PIC2_DATA, (u8)(masked >> 8));
}

void irq_init(void)
{
	outb(PIC1_COMMAND, ICW1_INIT);
	outb(PIC2_COMMAND, ICW1_INIT);
	outb(PIC1_DATA, VEC_IRQ0);
	outb(PIC2_DATA, VEC_IRQ0 + 8);
	outb(PIC1_DATA, 1u << CASCADE);
	outb(PIC2_DATA, CASCADE);
	outb(PIC1_DATA, ICW4_8086);
	outb(PIC2_DATA, ICW4_8086);
	set_masks();
}

void irq_use_ioapic(void)
{
	if (!ioapic_init(this_cpu()->apic_id))
		return;
	use_ioapic = true;
	masked = 0xffff;
	set_masks();
	apic_without_8259();
}

void irq_register(unsigned irq, irq_fn fn, void *arg)
{
	u64 flags = irq_save();

	handlers[irq].fn = fn;
	handlers[irq].arg = arg;
	if (use_ioapic) {
		ioapic_unmask(irq, VEC_IRQ0 + irq);
	} else {
		masked &= (u16)~BIT(irq);
		set_masks();
	}
	irq_restore(flags);
}

u64 irq_count(unsigned irq)
{
	return READ_ONCE(handlers[irq].count);
}

u64 irq_count_timer(u32 cpu)
{
	return READ_ONCE(timer_counts[cpu]);
}

const char *irq_controller(void)
{
	return use_ioapic ? "IO-APIC" : "XT-PIC";
}

/* A line that dropped before it was answered shows as 7 or 15, and is not in service. */
static bool spurious(unsigned irq)
{
	u16 port = irq == 15 ? PIC2_COMMAND : PIC1_COMMAND;

	if (irq != 7 && irq != 15)
		return false;
	outb(port, OCW3_ISR);
	if (inb(port) & 0x80)
		return false;
	if (irq == 15)
		outb(PIC1_COMMAND, OCW2_EOI); /* the first controller saw a true cascade */
	return true;
}

static void legacy(unsigned irq)
{
	if (!use_ioapic && spurious(irq))
		return;
	handlers[irq].count++;
	if (handlers[irq].fn)
		handlers[irq].fn(handlers[irq].arg);
	if (use_ioapic) {
		apic_eoi();
		return;
	}
	if (irq >= 8)
		outb(PIC2_COMMAND, OCW2_EOI);
	outb(PIC1_COMMAND, OCW2_EOI);
}

static void dispatch(struct regs *regs, unsigned vector)
{
	if (vector == VEC_TIMER) {
		apic_eoi();
		timer_counts[cpu_id()]++;
		timer_interrupt(regs_user(regs));
	} else if (vector == VEC_FLUSH) {
		apic_eoi();
		shootdown_serve();
	} else if (vector == VEC_KICK) {
		apic_eoi();
		sched_kicked();
	} else if (vector == VEC_IRQ0 && timer_is_pit()) {
		outb(PIC1_COMMAND, OCW2_EOI);
		handlers[0].count++;
		timer_interrupt(regs_user(regs));
	} else if (vector < VEC_IRQ0 + NR_IRQS) {
		legacy(vector - VEC_IRQ0);
	} else if (vector != VEC_SPURIOUS) {
		log_warn("interrupt: vector %u, which nobody expects", vector);
		apic_eoi();
	}
}

void irq_dispatch(struct regs *regs, unsigned vector)
{
#ifdef CONFIG_DEBUG
	this_cpu()->in_irq = true;
	dispatch(regs, vector);
	this_cpu()->in_irq = false;
#else
	dispatch(regs, vector);
#endif
}
