/*
 * Segment selectors, as Linux numbers them: user mode sees 0x33 and 0x2b. SYSRET wants the user's
 * data segment and code segment to follow each other in this order (SDM volume 2, SYSRET).
 */
#pragma once

#define KERNEL_CS 0x10
#define KERNEL_DS 0x18
#define USER_CS32 0x23 /* what STAR names; SYSRET adds 8 and 16 */
#define USER_DS	  0x2b
#define USER_CS	  0x33
#define TSS_SEL	  0x40 /* two entries */
#define CPU_SEL	  0x53 /* its limit is the CPU's number: user mode asks by LSL */
#define GDT_SIZE  11

/* Stacks of the interrupt stack table (SDM volume 3, section 6.14.5). */
#define IST_NMI 1
#define IST_DF	2
#define IST_MC	3
#define IST_DB	4
