/* What starts once, in the order of kernel/main.c, and what arch/x86_64/ shares within itself. */
#pragma once

#include "boot/boot_info.h"
#include "kernel/lib/compiler.h"

extern struct boot_info boot_info;

/* Fills boot_info from the loader's tags at this physical address. */
void boot_init(u32 magic, u32 tags);

void serial_init(void);
/* From now on neither takes a lock, nor waits for ever. */
void serial_panic(void);
void screen_panic(void);

/* The final page tables, page_array, and every free frame to the allocator. */
void memory_init(const struct boot_info *info);
/* This CPU's struct percpu, before anything asks who it is. */
void cpu_init_early(void);
/* GDT, IDT, TSS, control registers, system call entry. */
void cpu_init(void);
/* Where this CPU's next entry from user mode finds its stack. */
void cpu_set_kernel_stack(u64 top);
/* Puts the log on the screen that the boot loader left, if any. */
void screen_init(const struct boot_framebuffer *fb);
/* The i-th page of the image that guards a stack; 0 after the last one. */
vaddr_t cpu_stack_guard(unsigned i);
/* Measures how frames are best copied and zeroed on this machine. */
void mmu_choose_routines(void);

/* Linker's: kernel/log.c's and the mapper's view of the image. */
extern char kernel_text_start[], kernel_text_end[], kernel_rodata_end[], kernel_end[];
extern char boot_guard[];
extern char boot_stack[]; /* the boot CPU's first stack, then its idle task's */
