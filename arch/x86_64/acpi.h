/* What the kernel takes from ACPI's tables. */
#pragma once

#include "boot/boot_info.h"

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

/* Reads the tables while boot/entry.S's map of the first 4 GiB stands. */
void acpi_init(const struct boot_info *info);
