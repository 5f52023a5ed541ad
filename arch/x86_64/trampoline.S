/*
 * Where a CPU begins that another has started (SDM volume 3, section 9.4): in real mode, at the
 * start of a page below 1 MiB to which smp.c has copied this. It goes by protected mode to long mode
 * on the page tables of boot/entry.S, and then to ap_start at its own address.
 *
 * EBX is the page's address. smp.c adds it to the three words named trampoline_fix_*.
 */
#include "arch/x86_64/layout.h"

#define PHYS(symbol) ((symbol) - KERNEL_BASE)
#define OFFSET(symbol) ((symbol) - trampoline_start)

#define CR0_PE	 (1 << 0)
#define CR0_PG	 (1 << 31)
#define CR4_PAE	 (1 << 5)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)
#define EFER_NXE (1 << 11)

	.section .rodata, "a"
	.balign 16
	.globl trampoline_start, trampoline_end
	.globl trampoline_fix_gdt, trampoline_fix_32, trampoline_fix_64
	.code16
trampoline_start:
	cli
	cld
	xorl %ebx, %ebx
	movw %cs, %bx
	movw %bx, %ds
	shll $4, %ebx
	lgdtl OFFSET(gdt_pointer)
	movl %cr0, %eax
	orl $CR0_PE, %eax
	movl %eax, %cr0
	ljmpl *OFFSET(jump_32)

	.code32
start_32:
	movw $0x18, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl %cr4, %eax
	orl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $PHYS(boot_pml4), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $(EFER_LME | EFER_NXE), %eax
	wrmsr
	movl %cr0, %eax
	orl $(CR0_PG | CR0_PE), %eax
	movl %eax, %cr0
	ljmp *OFFSET(jump_64)(%ebx)

	.code64
start_64:
	movabsq $ap_start, %rax
	jmp *%rax

	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 0x08: 32-bit code */
	.quad 0x00af9b000000ffff	/* 0x10: 64-bit code */
	.quad 0x00cf93000000ffff	/* 0x18: data */
gdt_pointer:
	.word . - gdt - 1
trampoline_fix_gdt:
	.long OFFSET(gdt)
jump_32:
trampoline_fix_32:
	.long OFFSET(start_32)
	.word 0x08
jump_64:
trampoline_fix_64:
	.long OFFSET(start_64)
	.word 0x10
trampoline_end:

	/*
	 * The kernel's own tables, then the stack that smp.c has laid ready: whoever finds none has
	 * been given up by the CPU that started it.
	 */
	.text
ap_start:
	movl $0x18, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movq kernel_root(%rip), %rax
	shlq $12, %rax
	movq %rax, %cr3
	xorl %eax, %eax
	xchgq %rax, ap_stack(%rip)
	testq %rax, %rax
	jz 1f
	movq %rax, %rsp
	movq ap_percpu(%rip), %rdi
	xorl %ebp, %ebp			/* the backtrace ends here */
	pushq $0
	pushq $0
	call ap_main
1:	cli
	hlt
	jmp 1b

	.section .note.GNU-stack, "", @progbits
