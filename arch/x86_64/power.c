/* Ending the machine: ACPI's soft-off and reset, QEMU's debug exit. */
#include "arch/power.h"

#include "arch/clock.h"
#include "arch/cpu.h"
#include "arch/serial.h"
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/io.h"
#include "kernel/log.h"

#define DEBUG_EXIT 0xf4 /* QEMU's isa-debug-exit: status 2n+1 */

/* PM1 control (ACPI 6.4, section 4.8.3.2). */
#define PM1_SCI_EN  0x0001u
#define PM1_SLP_TYP 10
#define PM1_SLP_EN  0x2000u

#define KBD_COMMAND   0x64
#define KBD_PULSE     0xfe /* of the reset line */
#define RESET_CONTROL 0xcf9
#define RESET_FULL    0x06

static void __noreturn halt(void)
{
	for (;;) {
		irq_disable();
		__asm__ volatile("hlt");
	}
}

/* What was asked of the machine takes effect a little after the CPU has gone on. */
static void wait_a_second(void)
{
	u64 end = clock_ns() + 1000000000ull;

	while (clock_ns() < end)
		cpu_relax();
}

static void enable_acpi(void)
{
	const struct acpi_power *a = &acpi_power;

	if (!a->smi_port || !a->smi_enable || (inw(a->pm1a) & PM1_SCI_EN))
		return;
	outb((u16)a->smi_port, a->smi_enable);
	for (int i = 0; i < 1000000 && !(inw(a->pm1a) & PM1_SCI_EN); i++)
		cpu_relax();
}

void power_off(void)
{
	const struct acpi_power *a = &acpi_power;

	irq_disable();
	serial_drain();
	if (a->can_off) {
		enable_acpi();
		outw(a->pm1a, (u16)(a->s5_a << PM1_SLP_TYP | PM1_SLP_EN));
		if (a->pm1b)
			outw(a->pm1b, (u16)(a->s5_b << PM1_SLP_TYP | PM1_SLP_EN));
	}
	wait_a_second();
	log_info("power: the machine cannot switch itself off: halted");
	halt();
}

void power_reset(void)
{
	const struct acpi_power *a = &acpi_power;

	irq_disable();
	serial_drain();
	if (a->reset_port)
		outb(a->reset_port, a->reset_value);
	outb(RESET_CONTROL, RESET_FULL);
	outb(KBD_COMMAND, KBD_PULSE);
	wait_a_second();
	log_info("power: the machine cannot reset itself: halted");
	halt();
}

void power_fail(void)
{
	serial_drain();
	outl(DEBUG_EXIT, 1);
	halt();
}
