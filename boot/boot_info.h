/* What the boot loader said, checked and in one place; addresses are physical. */
#pragma once

#include "kernel/lib/types.h"

#define BOOT_MAX_RANGES	 256
#define BOOT_MAX_MODULES 8
#define BOOT_CMDLINE_MAX 2048

/* Types of memory, as multiboot2 numbers them (section 3.6.8). */
#define BOOT_RAM	  1
#define BOOT_ACPI_RECLAIM 3
#define BOOT_ACPI_NVS	  4
#define BOOT_BAD	  5

struct boot_range {
	paddr_t start, end;
	u32 type;
};

struct boot_module {
	paddr_t start, end;
	char name[64]; /* its words in grub.cfg, cut */
};

struct boot_framebuffer {
	paddr_t addr; /* 0: none */
	u32 pitch, width, height;
	u8 bpp;
	bool text; /* EGA text: width and height in characters */
	u8 red_shift, green_shift, blue_shift;
};

struct boot_info {
	paddr_t start, end; /* where the loader's own structure lies */
	char cmdline[BOOT_CMDLINE_MAX];
	bool cmdline_cut; /* it was longer */
	char loader[64];
	unsigned nr_ranges, nr_modules;
	struct boot_range ranges[BOOT_MAX_RANGES];
	struct boot_module modules[BOOT_MAX_MODULES];
	paddr_t symtab, strtab; /* ELF symbols of the kernel; 0: the loader passed none */
	u32 symtab_size, strtab_size;
	u8 rsdp[36]; /* a copy of the ACPI root pointer; rsdp_len 0: none, 20: version 1 */
	u32 rsdp_len;
	struct boot_framebuffer fb;
};
