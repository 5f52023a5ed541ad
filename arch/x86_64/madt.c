/* ACPI's Multiple APIC Description Table: CPUs and interrupt controllers (ACPI 6.4, 5.2.12). */
#include "arch/x86_64/acpi.h"

#include "kernel/lib/string.h"
#include "kernel/log.h"

struct madt {
	struct acpi_header header;
	u32 lapic, flags;
} __packed;

enum {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_ADDRESS = 5,
	MADT_X2APIC = 9,
};

struct entry {
	u8 type, length;
	union {
		struct {
			u8 uid, id;
			u32 flags;
		} __packed lapic;
		struct {
			u8 id, reserved;
			u32 address, first;
		} __packed ioapic;
		struct {
			u8 bus, irq;
			u32 global;
			u16 flags;
		} __packed override;
		struct {
			u16 reserved;
			u64 address;
		} __packed lapic_address;
		struct {
			u16 reserved;
			u32 id, flags, uid;
		} __packed x2apic;
	};
} __packed;

#define CPU_ENABLED BIT(0)
#define NO_APIC	    ~0u

/* MPS INTI flags (table 5.50): 3 where the line differs from what its bus has. */
#define POLARITY_LOW  3
#define TRIGGER_LEVEL 3

struct acpi_machine acpi_machine;

static void add_cpu(u32 id, u32 flags)
{
	struct acpi_machine *m = &acpi_machine;

	if (!(flags & CPU_ENABLED) || id == NO_APIC)
		return;
	/* A firmware may list a CPU in both ways. */
	for (u32 i = 0; i < m->nr_cpus; i++)
		if (m->cpus[i] == id)
			return;
	if (m->nr_cpus < MAX_CPUS)
		m->cpus[m->nr_cpus++] = id;
	else
		m->cpus_left_out++;
}

static void add_ioapic(u32 address, u32 first)
{
	struct acpi_machine *m = &acpi_machine;

	if (m->nr_ioapics == ACPI_IOAPICS)
		return;
	m->ioapics[m->nr_ioapics].address = address;
	m->ioapics[m->nr_ioapics++].first = first;
}

static void override(u8 irq, u32 global, u16 flags)
{
	struct acpi_machine *m = &acpi_machine;

	if (irq >= ACPI_IRQS)
		return;
	m->irqs[irq].global = global;
	m->irqs[irq].low = (flags & 3) == POLARITY_LOW;
	m->irqs[irq].level = (flags >> 2 & 3) == TRIGGER_LEVEL;
}

static void take_entry(const struct entry *e)
{
	/* What a shorter entry lacks reads as the table's next bytes: take none of it. */
	static const u8 sizes[] = {
	    [MADT_LAPIC] = 8,	       [MADT_IOAPIC] = 12, [MADT_OVERRIDE] = 10,
	    [MADT_LAPIC_ADDRESS] = 12, [MADT_X2APIC] = 16,
	};

	if (e->type >= ARRAY_SIZE(sizes) || !sizes[e->type] || e->length < sizes[e->type])
		return;
	switch (e->type) {
	case MADT_LAPIC:
		if (e->lapic.id != 0xff)
			add_cpu(e->lapic.id, e->lapic.flags);
		break;
	case MADT_IOAPIC:
		add_ioapic(e->ioapic.address, e->ioapic.first);
		break;
	case MADT_OVERRIDE:
		override(e->override.irq, e->override.global, e->override.flags);
		break;
	case MADT_LAPIC_ADDRESS:
		acpi_machine.lapic = e->lapic_address.address;
		break;
	case MADT_X2APIC:
		add_cpu(e->x2apic.id, e->x2apic.flags);
		break;
	default:
		break;
	}
}

void acpi_read_madt(const struct boot_info *info)
{
	const struct acpi_header *h = acpi_find(info, "APIC");
	const u8 *p, *end;

	for (u32 irq = 0; irq < ACPI_IRQS; irq++)
		acpi_machine.irqs[irq].global = irq;
	if (!h || h->length < sizeof(struct madt))
		return;
	acpi_machine.lapic = ((const struct madt *)h)->lapic;
	p = (const u8 *)h + sizeof(struct madt);
	end = (const u8 *)h + h->length;
	while (end - p >= 2 && p[1] >= 2 && p[1] <= end - p) {
		take_entry((const struct entry *)p);
		p += p[1];
	}
	if (acpi_machine.cpus_left_out)
		log_warn("acpi: %u CPUs beyond %u are left out", acpi_machine.cpus_left_out,
			 MAX_CPUS);
}
