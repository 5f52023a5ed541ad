/*
 * Where things lie in the kernel's half of the address space. Included by C, assembly and the
 * linker script, so nothing but numbers.
 *
 *	ffff8000_00000000	direct map: all RAM, physical address 0 upwards
 *	ffffc900_00000000	mapped on demand: kernel stacks with their guard pages
 *	ffffca00_00000000	device memory, uncached
 *	ffffffff_80000000	the kernel image, physical address 0 upwards (the code model wants
 *				the top 2 GiB)
 */
#pragma once

#define DIRECT_BASE 0xffff800000000000
#define STACKS_BASE 0xffffc90000000000
#define DEVICE_BASE 0xffffca0000000000
#define KERNEL_BASE 0xffffffff80000000

/* GRUB puts the image here: above the first MiB and below what OVMF keeps for itself at 8 MiB. */
#define KERNEL_PHYS 0x200000

#define KSTACK_SIZE   0x4000
#define KSTACK_STRIDE 0x8000 /* the lower half of each slot stays unmapped */
