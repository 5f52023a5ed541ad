/* The interrupt at a chosen moment: the local APIC's timer, or the PIT's channel 0. */
#include "arch/clock.h"

#include "arch/cpu.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/io.h"
#include "arch/x86_64/irq.h"
#include "kernel/lib/compiler.h"
#include "kernel/log.h"

#define PIT_HZ	      1193182ull
#define PIT_CHANNEL0  0x40
#define PIT_COMMAND   0x43
#define PIT_CH0_MODE0 0x30 /* channel 0, low byte then high byte, interrupt on terminal count */
#define NSEC	      1000000000ull

static bool use_pit;

static void pit_nothing(void *arg)
{
	(void)arg;
}

void timer_init(void)
{
	use_pit = !apic_init();
	if (use_pit)
		irq_register(0, pit_nothing, NULL); /* irq_dispatch() answers it */
	else
		irq_use_ioapic();
	log_info("timer: %s", use_pit ? "PIT" : apic_is_x2() ? "local APIC (x2)" : "local APIC");
}

bool timer_is_pit(void)
{
	return use_pit;
}

static void pit_timer(u64 ns)
{
	u64 ticks = min(ns, NSEC) * PIT_HZ / NSEC;

	ticks = min(max(ticks, (u64)1), (u64)0xffff);
	outb(PIT_COMMAND, PIT_CH0_MODE0);
	outb(PIT_CHANNEL0, (u8)ticks);
	outb(PIT_CHANNEL0, (u8)(ticks >> 8));
}

void timer_arm(u64 deadline_ns)
{
	u64 flags = irq_save();
	u64 now = clock_ns();
	u64 ns = deadline_ns > now ? deadline_ns - now : 1;

	if (use_pit)
		pit_timer(ns);
	else
		apic_timer(ns);
	irq_restore(flags);
}
