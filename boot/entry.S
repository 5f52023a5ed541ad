/*
 * From GRUB to long mode. GRUB enters boot_start in 32-bit protected mode without paging, with
 * the magic number in EAX and the address of its tags in EBX (Multiboot2 specification 2.0,
 * sections 3.1 and 3.2). The page tables built here last until arch/x86_64/paging.c has better
 * ones: the first 4 GiB at 0, at DIRECT_BASE and, the first of them, at KERNEL_BASE.
 */
#include "arch/x86_64/layout.h"

#define MB2_MAGIC	 0xe85250d6
#define MB2_LOADER_MAGIC 0x36d76289

#define TAG_END		 0
#define TAG_MODULE_ALIGN 6

	.section .multiboot, "a"
	.balign 8
header:
	.long MB2_MAGIC
	.long 0				/* i386 protected mode */
	.long header_end - header
	.long -(MB2_MAGIC + (header_end - header))

	.word TAG_MODULE_ALIGN, 0	/* modules start on a page of their own */
	.long 8

	.word TAG_END, 0
	.long 8
header_end:

#define PHYS(symbol) ((symbol) - KERNEL_BASE)

#define PTE_P	0x1
#define PTE_W	0x2
#define PTE_PS	0x80

#define CR0_PE	 (1 << 0)
#define CR0_PG	 (1 << 31)
#define CR4_PAE	 (1 << 5)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)

	.code32
	.section .boot.text, "ax"
	.globl boot_start
boot_start:
	cli
	cld
	movl $boot_stack_end, %esp
	movl %eax, %ebp			/* EBP, ESI: magic and tags, for kernel_main */
	movl %ebx, %esi

	/* Long mode: CPUID 0x80000001, EDX bit 29 (SDM volume 2, CPUID). */
	movl $0x80000000, %eax
	cpuid
	cmpl $0x80000001, %eax
	jb no_long_mode
	movl $0x80000001, %eax
	cpuid
	testl $(1 << 29), %edx
	jz no_long_mode
	jmp build_tables

no_long_mode:
	movl $no_long_mode_text, %esi
	/* COM1 as the firmware or GRUB left it: wait for room, send, and halt for good. */
1:	movw $0x3fd, %dx
2:	inb %dx, %al
	testb $0x20, %al
	jz 2b
	lodsb
	testb %al, %al
	jz 3f
	movw $0x3f8, %dx
	outb %al, %dx
	jmp 1b
3:	movl $1, %eax
	movw $0xf4, %dx			/* QEMU's isa-debug-exit, where present */
	outl %eax, %dx
4:	cli
	hlt
	jmp 4b

build_tables:
	/* Four directories of 2 MiB pages map the first 4 GiB. */
	movl $PHYS(boot_pd), %edi
	movl $(PTE_P | PTE_W | PTE_PS), %eax
	movl $2048, %ecx
1:	movl %eax, (%edi)
	movl $0, 4(%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 1b

	movl $PHYS(boot_pdpt), %edi
	movl $(PHYS(boot_pd) + PTE_P + PTE_W), %eax
	movl %eax, (%edi)
	addl $0x1000, %eax
	movl %eax, 8(%edi)
	addl $0x1000, %eax
	movl %eax, 16(%edi)
	addl $0x1000, %eax
	movl %eax, 24(%edi)

	movl $PHYS(boot_pdpt_high), %edi
	movl $(PHYS(boot_pd) + PTE_P + PTE_W), %eax
	movl %eax, 510*8(%edi)

	movl $PHYS(boot_pml4), %edi
	movl $(PHYS(boot_pdpt) + PTE_P + PTE_W), %eax
	movl %eax, (%edi)
	movl %eax, 256*8(%edi)
	movl $(PHYS(boot_pdpt_high) + PTE_P + PTE_W), %eax
	movl %eax, 511*8(%edi)

	/* Into long mode: SDM volume 3, section 9.8.5. */
	movl %cr4, %eax
	orl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $PHYS(boot_pml4), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	wrmsr
	movl %cr0, %eax
	orl $(CR0_PG | CR0_PE), %eax
	movl %eax, %cr0
	lgdt boot_gdt_pointer
	ljmp $0x10, $boot_long

	.code64
boot_long:
	movabsq $boot_high, %rax
	jmp *%rax

	.section .boot.data, "aw"
	.balign 16
boot_gdt:
	.quad 0
	.quad 0
	.quad 0x00af9b000000ffff	/* 0x10: 64-bit code; data segments are not looked at */
	.quad 0x00cf93000000ffff	/* 0x18 */
boot_gdt_pointer:
	.word . - boot_gdt - 1
	.long boot_gdt
	.balign 16
	.skip 64
boot_stack_end:
no_long_mode_text:
	.asciz "Calf needs a 64-bit CPU\r\n"

	.text
boot_high:
	movl $0x18, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movq $boot_stack_top, %rsp
	movl %ebp, %edi
	movl %esi, %esi			/* clears the upper half */
	xorl %ebp, %ebp			/* the backtrace ends here */
	pushq $0
	pushq $0
	call kernel_main
1:	cli
	hlt
	jmp 1b

	.bss
	.balign 4096
	.globl boot_pml4		/* further CPUs start on it */
boot_pml4:
	.skip 4096
boot_pdpt:
	.skip 4096
boot_pdpt_high:
	.skip 4096
boot_pd:
	.skip 4096 * 4
	.globl boot_guard, boot_stack
boot_guard:			/* unmapped by arch/x86_64/paging.c */
	.skip 4096
boot_stack:
	.skip KSTACK_SIZE
boot_stack_top:
	.section .note.GNU-stack, "", @progbits
