/*
 * The ways into the kernel and out of it, and from one task to another.
 *
 *	syscall_entry	SYSCALL: RIP in RCX, RFLAGS in R11, nothing on any stack
 *	trap_common	exceptions and interrupts, whose stubs push the rest of struct regs
 *	paranoid_*	exceptions that may come anywhere, even before SWAPGS: stacks of their own
 *	call_done	the way back from a call that left nothing to do: what C clobbers, and SYSRET
 *	user_return	the way back: work first, then SYSRET where it can say it all, else IRET
 *
 * In user mode GS_BASE is the user's and KERNEL_GS_BASE the kernel's; SWAPGS at each crossing
 * keeps it so. Interrupts stay off between the last look at task->work and the way out, so that
 * no work is left behind. struct regs lies at the very top of the task's kernel stack.
 *
 * SDM volume 3, sections 5.8.8 (SYSCALL), 6.12 (stack of an interrupt), 6.14 (64-bit mode).
 */
#include "arch/x86_64/segments.h"
#include "arch/x86_64/smap.h"
#include "kernel/errno.h"
#include <offsets.h>

#define MSR_GS_BASE 0xc0000101

	.section .entry.text, "ax"

	/* From rdi on downwards; the stub or syscall_entry has pushed what is above. */
	.macro PUSH_REST rax
	pushq %rsi
	pushq %rdx
	pushq %rcx
	pushq \rax
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	.endm

	/* All but rdi, which lies at (%rsp) afterwards. */
	.macro POP_REST
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rax
	popq %rcx
	popq %rdx
	popq %rsi
	.endm

	.globl syscall_entry
	.type syscall_entry, @function
syscall_entry:
	swapgs
	movq %rsp, %gs:PERCPU_USER_RSP
	movq %gs:PERCPU_KSTACK_TOP, %rsp
	pushq $USER_DS
	pushq %gs:PERCPU_USER_RSP
	pushq %r11
	pushq $USER_CS
	pushq %rcx
	pushq %rax
	pushq %rdi
	PUSH_REST $-ENOSYS
	movq %r10, %rcx			/* C wants the fourth argument here */
	xorl %ebp, %ebp			/* backtraces end here */
	sti
	cmpq $SYSCALLS, %rax
	jae unknown_call
	movq syscall_table(,%rax,8), %r10
	testq %r10, %r10
	jz unknown_call
	call *%r10
call_done:
	movq %rax, REGS_RAX(%rsp)
	/*
	 * Without work the registers in memory are those that the program came with, and RBX and
	 * R12 to R15, which C keeps, are still in the CPU.
	 */
	cli
	movq %gs:PERCPU_CURRENT, %rcx
	cmpl $0, TASK_WORK(%rcx)
	jne user_work
	movq REGS_RIP(%rsp), %rcx
	movq REGS_RFLAGS(%rsp), %r11
	movq REGS_RDI(%rsp), %rdi
	movq REGS_RSI(%rsp), %rsi
	movq REGS_RDX(%rsp), %rdx
	movq REGS_R10(%rsp), %r10
	movq REGS_R9(%rsp), %r9
	movq REGS_R8(%rsp), %r8
	movq REGS_RBP(%rsp), %rbp
	movq REGS_RSP(%rsp), %rsp
	swapgs
	sysretq

	.globl user_return
user_return:
	cli
	movq %gs:PERCPU_CURRENT, %rax
	cmpl $0, TASK_WORK(%rax)
	jne user_work
	/*
	 * SYSRET takes RIP from RCX and RFLAGS from R11; a RIP that is no user address would make
	 * it fault in the kernel, on the user's stack (SDM volume 2, SYSRET).
	 */
	movq REGS_RIP(%rsp), %rcx
	cmpq REGS_RCX(%rsp), %rcx
	jne iret_to_user
	movq REGS_RFLAGS(%rsp), %rax
	cmpq REGS_R11(%rsp), %rax
	jne iret_to_user
	shrq $46, %rcx
	cmpq $1, %rcx
	ja iret_to_user
	POP_REST
	popq %rdi
	movq 32(%rsp), %rsp
	swapgs
	sysretq

user_work:
	sti
	movq %rsp, %rdi
	call return_to_user
	jmp user_return

unknown_call:
	movq %rax, %rdi
	call sys_unknown
	jmp call_done

iret_to_user:
	POP_REST
	popq %rdi
	addq $8, %rsp			/* orig_rax */
	swapgs
	.globl iret_user
iret_user:
	iretq

	/* Stack: rdi, error or -1, then what the CPU pushed. EDI: the vector. */
trap_common:
	PUSH_REST %rax
	cld
	CLAC
	movl %edi, %esi
	movq REGS_ORIG_RAX(%rsp), %rdx
	movq $-1, REGS_ORIG_RAX(%rsp)
	movq %rsp, %rdi
	testb $3, REGS_CS(%rsp)
	jz trap_from_kernel
	swapgs
	xorl %ebp, %ebp
	call trap_entry
	/* As user_return, but always by IRET: RCX and R11 are the program's own. */
trap_return_user:
	cli
	movq %gs:PERCPU_CURRENT, %rax
	cmpl $0, TASK_WORK(%rax)
	je iret_to_user
	sti
	movq %rsp, %rdi
	call return_to_user
	jmp trap_return_user

trap_from_kernel:
	call trap_entry
	POP_REST
	popq %rdi
	addq $8, %rsp
	iretq

	/*
	 * On a stack of the IST, where CS does not tell whether SWAPGS was done: a kernel GS_BASE
	 * is negative. Calls trap_entry and returns to where it came from, work or not.
	 */
paranoid_common:
	PUSH_REST %rax
	cld
	CLAC
	movl %edi, %r12d
	movl $MSR_GS_BASE, %ecx
	rdmsr
	xorl %ebx, %ebx
	testl %edx, %edx
	js 1f
	swapgs
	movl $1, %ebx			/* the way out swaps back */
1:	movl %r12d, %esi
	movq REGS_ORIG_RAX(%rsp), %rdx
	movq $-1, REGS_ORIG_RAX(%rsp)
	movq %rsp, %rdi
	call trap_entry
	testl %ebx, %ebx
	jz 2f
	swapgs
2:	POP_REST
	popq %rdi
	addq $8, %rsp
	iretq

	/*
	 * #DB from user mode becomes a signal, which may sleep: moved to the task's own stack. From
	 * kernel mode it stays on the IST stack.
	 */
debug_common:
	testb $3, 24(%rsp)		/* CS */
	jz paranoid_common
	swapgs
	movq %rsp, %rdi
	movq %gs:PERCPU_KSTACK_TOP, %rsp
	.irp offset, 48, 40, 32, 24, 16, 8, 0
	pushq \offset(%rdi)
	.endr
	movl $1, %edi
	swapgs
	jmp trap_common

	/*
	 * One stub a vector, 16 bytes each. Exceptions 8, 10-14, 17, 21, 29 and 30 push an error
	 * code of their own (SDM volume 3, table 6-1; AMD volume 2 for 29 and 30).
	 */
	.balign 16
	.globl trap_stubs
trap_stubs:
	vector = 0
	.rept 256
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
	pushq $-1
	.endif
	pushq %rdi
	movl $vector, %edi
	.if vector == 1
	jmp debug_common
	.elseif vector == 2 || vector == 8 || vector == 18
	jmp paranoid_common
	.else
	jmp trap_common
	.endif
	vector = vector + 1
	.endr

	/*
	 * struct task *switch_stacks(struct task *prev, struct task *next): what C expects to be
	 * kept goes on prev's stack; returns on next's, with prev.
	 */
	.globl switch_stacks
switch_stacks:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, TASK_RSP(%rdi)
	movq TASK_RSP(%rsi), %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	movq %rdi, %rax
	ret

	/* Where a new task comes out of switch_stacks; struct regs lies above. */
	.globl task_start_user, task_start_kernel
task_start_user:
	movq %rax, %rdi
	call sched_switched
	sti
	jmp user_return

	/* RBX: the function, R12: its argument. It returns where it has become a program. */
task_start_kernel:
	movq %rax, %rdi
	call sched_switched
	sti
	movq %r12, %rdi
	call *%rbx
	jmp user_return

	.section .note.GNU-stack, "", @progbits
