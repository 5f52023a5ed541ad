/*
 * The I/O APIC, which takes the place of the 8259s where there is one (Intel 82093AA data sheet): a
 * pin a line, each with an entry that says which vector goes to which CPU. All go to CPU 0.
 */
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/paging.h"
#include "kernel/lock.h"
#include "kernel/log.h"

enum { IOREGSEL = 0x00, IOWIN = 0x10 };
enum { REG_VERSION = 1, REG_ENTRIES = 0x10 };

#define ENTRY_LOW    BIT(13) /* active low */
#define ENTRY_LEVEL  BIT(15)
#define ENTRY_MASKED BIT(16)

static struct {
	volatile u32 *regs;
	u32 first, pins;
} ioapics[ACPI_IOAPICS];
static u32 nr_ioapics;
static u32 cpu0_apic_id;

static u32 ioapic_read(u32 n, u32 reg)
{
	ioapics[n].regs[IOREGSEL / 4] = reg;
	return ioapics[n].regs[IOWIN / 4];
}

static void ioapic_write(u32 n, u32 reg, u32 v)
{
	ioapics[n].regs[IOREGSEL / 4] = reg;
	ioapics[n].regs[IOWIN / 4] = v;
}

bool ioapic_init(u32 apic_id)
{
	const struct acpi_machine *m = &acpi_machine;

	/* An entry has 8 bits for the CPU. */
	if (apic_id > 0xfe)
		return false;
	cpu0_apic_id = apic_id;
	for (u32 i = 0; i < m->nr_ioapics; i++) {
		u32 n = nr_ioapics++;

		ioapics[n].regs = device_map(m->ioapics[i].address, PAGE_SIZE);
		ioapics[n].first = m->ioapics[i].first;
		ioapics[n].pins = (ioapic_read(n, REG_VERSION) >> 16 & 0xff) + 1;
		for (u32 pin = 0; pin < ioapics[n].pins; pin++)
			ioapic_write(n, REG_ENTRIES + 2 * pin, ENTRY_MASKED);
		log_info("interrupts: I/O APIC with %u lines", ioapics[n].pins);
	}
	return nr_ioapics;
}

void ioapic_unmask(unsigned irq, unsigned vector)
{
	u32 global = acpi_machine.irqs[irq].global;
	u32 low = vector;

	if (acpi_machine.irqs[irq].low)
		low |= ENTRY_LOW;
	if (acpi_machine.irqs[irq].level)
		low |= ENTRY_LEVEL;
	for (u32 n = 0; n < nr_ioapics; n++) {
		u32 reg;

		if (global < ioapics[n].first || global - ioapics[n].first >= ioapics[n].pins)
			continue;
		reg = REG_ENTRIES + 2 * (global - ioapics[n].first);
		ioapic_write(n, reg, ENTRY_MASKED);
		ioapic_write(n, reg + 1, cpu0_apic_id << 24);
		ioapic_write(n, reg, low);
		return;
	}
	log_warn("interrupts: no I/O APIC has line %u", irq);
}
