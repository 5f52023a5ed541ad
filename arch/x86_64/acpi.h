/* What the kernel takes from ACPI's tables. */
#pragma once

#include "arch/cpu.h"
#include "boot/boot_info.h"

/* What every table begins with (ACPI 6.4, section 5.2.6). */
struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem[26];
} __packed;

/* The first table of this name, whole and sound, while boot/entry.S's map stands; or NULL. */
const struct acpi_header *acpi_find(const struct boot_info *info, const char *signature);

struct acpi_power {
	u16 pm1a, pm1b; /* control registers, I/O ports; 0: none */
	u8 s5_a, s5_b;	/* SLP_TYP of soft-off for each */
	bool can_off;
	u32 smi_port; /* 0: the hardware is in ACPI mode for good */
	u8 smi_enable;
	u16 reset_port; /* 0: none */
	u8 reset_value;
	u8 century; /* the clock's register of the century; 0: none */
};
extern struct acpi_power acpi_power;

#define ACPI_IOAPICS 8
#define ACPI_IRQS    16 /* legacy lines */

/* CPUs and interrupt controllers, as the MADT lists them. */
struct acpi_machine {
	u64 lapic; /* physical address of every CPU's local APIC; 0: there is no MADT */
	u32 nr_cpus, cpus_left_out;
	u32 cpus[MAX_CPUS]; /* APIC ids of CPUs that can be started */
	u32 nr_ioapics;
	struct {
		u32 address, first; /* the global interrupt of its pin 0 */
	} ioapics[ACPI_IOAPICS];
	struct {
		u32 global;
		bool low, level; /* active low, level-triggered */
	} irqs[ACPI_IRQS];
};
extern struct acpi_machine acpi_machine;
void acpi_read_madt(const struct boot_info *info);

#define ACPI_NODES  16
#define ACPI_RANGES 64

/* Which CPU and which memory lie near each other: SRAT and SLIT. Nobody asks yet. */
struct acpi_numa {
	u32 nr_nodes; /* 0: the machine tells nothing */
	u32 domains[ACPI_NODES];
	u32 nr_cpus;
	struct {
		u32 apic_id, node;
	} cpus[MAX_CPUS];
	u32 nr_ranges;
	struct {
		paddr_t start, end;
		u32 node;
	} ranges[ACPI_RANGES];
	u8 distance[ACPI_NODES][ACPI_NODES]; /* 10: the node itself; 0: not told */
};
extern struct acpi_numa acpi_numa;
void acpi_read_numa(const struct boot_info *info);

/* Reads the tables while boot/entry.S's map of the first 4 GiB stands. */
void acpi_init(const struct boot_info *info);
