/* ACPI's tables of locality: SRAT (ACPI 6.4, section 5.2.16) and SLIT (5.2.17). */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "arch/x86_64/acpi.h"

enum { SRAT_LAPIC = 0, SRAT_MEMORY = 1, SRAT_X2APIC = 2 };

#define SRAT_ENABLED BIT(0)
#define SRAT_AT	     48 /* where the entries begin */
#define SLIT_AT	     44

struct srat_lapic {
	u8 type, length;
	u8 domain_low, id;
	u32 flags;
	u8 eid, domain_high[3];
	u32 clock;
} __packed;

struct srat_memory {
	u8 type, length;
	u32 domain;
	u16 reserved;
	u64 base, size;
	u32 reserved2, flags;
	u64 reserved3;
} __packed;

struct srat_x2apic {
	u8 type, length;
	u16 reserved;
	u32 domain, id, flags, clock, reserved2;
} __packed;

struct acpi_numa acpi_numa;

/* Nodes are numbered in the order in which their domains are met; ACPI_NODES: there is no room. */
static u32 node_of(u32 domain)
{
	struct acpi_numa *n = &acpi_numa;

	for (u32 i = 0; i < n->nr_nodes; i++)
		if (n->domains[i] == domain)
			return i;
	if (n->nr_nodes == ACPI_NODES)
		return ACPI_NODES;
	n->domains[n->nr_nodes] = domain;
	return n->nr_nodes++;
}

static void add_cpu(u32 id, u32 domain)
{
	struct acpi_numa *n = &acpi_numa;
	u32 node = node_of(domain);

	if (node == ACPI_NODES || n->nr_cpus == MAX_CPUS)
		return;
	n->cpus[n->nr_cpus].apic_id = id;
	n->cpus[n->nr_cpus++].node = node;
}

static void add_memory(u64 base, u64 size, u32 domain)
{
	struct acpi_numa *n = &acpi_numa;
	u32 node = node_of(domain);

	if (node == ACPI_NODES || n->nr_ranges == ACPI_RANGES || !size || base + size < base)
		return;
	n->ranges[n->nr_ranges].start = base;
	n->ranges[n->nr_ranges].end = base + size;
	n->ranges[n->nr_ranges++].node = node;
}

static void take_entry(const u8 *p)
{
	const struct srat_lapic *lapic = (const void *)p;
	const struct srat_memory *memory = (const void *)p;
	const struct srat_x2apic *x2 = (const void *)p;
	u8 length = p[1];

	if (p[0] == SRAT_LAPIC && length >= sizeof(*lapic) && lapic->flags & SRAT_ENABLED)
		add_cpu(lapic->id, lapic->domain_low | (u32)lapic->domain_high[0] << 8 |
				       (u32)lapic->domain_high[1] << 16 |
				       (u32)lapic->domain_high[2] << 24);
	else if (p[0] == SRAT_MEMORY && length >= sizeof(*memory) && memory->flags & SRAT_ENABLED)
		add_memory(memory->base, memory->size, memory->domain);
	else if (p[0] == SRAT_X2APIC && length >= sizeof(*x2) && x2->flags & SRAT_ENABLED)
		add_cpu(x2->id, x2->domain);
}

/* The matrix is indexed by domain; domains that no node has are passed over. */
static void take_slit(const struct acpi_header *h)
{
	struct acpi_numa *n = &acpi_numa;
	const u8 *matrix = (const u8 *)h + SLIT_AT;
	u64 size;

	if (h->length < SLIT_AT)
		return;
	memcpy(&size, (const u8 *)h + SLIT_AT - 8, sizeof(size));
	if (size > 0xffff || SLIT_AT + size * size > h->length)
		return;
	for (u32 i = 0; i < n->nr_nodes; i++)
		for (u32 j = 0; j < n->nr_nodes; j++)
			if (n->domains[i] < size && n->domains[j] < size)
				n->distance[i][j] = matrix[n->domains[i] * size + n->domains[j]];
}

void acpi_read_numa(const struct boot_info *info)
{
	const struct acpi_header *srat = acpi_find(info, "SRAT"), *slit = acpi_find(info, "SLIT");
	const u8 *p, *end;

	if (!srat || srat->length < SRAT_AT)
		return;
	p = (const u8 *)srat + SRAT_AT;
	end = (const u8 *)srat + srat->length;
	while (end - p >= 2 && p[1] >= 2 && p[1] <= end - p) {
		take_entry(p);
		p += p[1];
	}
	if (slit)
		take_slit(slit);
	log_info("acpi: %u nodes, of %u CPUs and %u ranges of memory; distances are %s",
		 acpi_numa.nr_nodes, acpi_numa.nr_cpus, acpi_numa.nr_ranges,
		 slit ? "told" : "not told");
}
