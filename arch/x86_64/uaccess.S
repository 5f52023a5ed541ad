/*
 * Moving bytes between the kernel and a program. A fault that the page-fault handler cannot
 * repair goes on at the fixup that .extable names; what was not moved is then known to the byte.
 *
 * `rep movsq` costs an emulated CPU one step an element, as a pair of moves would cost two; real
 * CPUs move whole cache lines.
 */
#include "arch/x86_64/smap.h"

	.macro EXTABLE from, to
	.pushsection .extable, "a"
	.quad \from, \to
	.popsection
	.endm

	.text

	/* size_t uaccess_copy(void *to, const void *from, size_t n): bytes not copied. */
	.globl uaccess_copy
	.type uaccess_copy, @function
uaccess_copy:
	STAC
	cmpq $8, %rdx
	je 4f
	movq %rdx, %rcx
	shrq $3, %rcx
	andl $7, %edx
1:	rep movsq
	movl %edx, %ecx
2:	rep movsb
	movl %ecx, %eax
	CLAC
	ret
3:	leaq (%rdx,%rcx,8), %rcx	/* the rest byte by byte, up to the one that faults */
	jmp 2b
4:	movq (%rsi), %rcx
5:	movq %rcx, (%rdi)
	xorl %eax, %eax
	CLAC
	ret
6:	movl $8, %ecx			/* part of the word may yet be there */
	jmp 2b
7:	movq %rcx, %rax
	CLAC
	ret
	EXTABLE 1b, 3b
	EXTABLE 2b, 7b
	EXTABLE 4b, 6b
	EXTABLE 5b, 6b

	/* size_t uaccess_clear(void *to, size_t n): bytes not cleared. */
	.globl uaccess_clear
	.type uaccess_clear, @function
uaccess_clear:
	STAC
	movq %rsi, %rcx
	movl %esi, %edx
	shrq $3, %rcx
	andl $7, %edx
	xorl %eax, %eax
1:	rep stosq
	movl %edx, %ecx
2:	rep stosb
4:	movq %rcx, %rax
	CLAC
	ret
3:	leaq (%rdx,%rcx,8), %rcx
	jmp 2b
	EXTABLE 1b, 3b
	EXTABLE 2b, 4b

	/* int uaccess_load8(u64 *to, const void *from): 0, or 1 after a fault. */
	.globl uaccess_load8
	.type uaccess_load8, @function
uaccess_load8:
	xorl %eax, %eax
	STAC
1:	movq (%rsi), %rdx
	CLAC
	movq %rdx, (%rdi)
	ret
	EXTABLE 1b, uaccess_fault

	/* int uaccess_load4(u32 *to, const void *from) */
	.globl uaccess_load4
	.type uaccess_load4, @function
uaccess_load4:
	xorl %eax, %eax
	STAC
1:	movl (%rsi), %edx
	CLAC
	movl %edx, (%rdi)
	ret
	EXTABLE 1b, uaccess_fault

	/* int uaccess_load1(u8 *to, const void *from) */
	.globl uaccess_load1
	.type uaccess_load1, @function
uaccess_load1:
	xorl %eax, %eax
	STAC
1:	movb (%rsi), %dl
	CLAC
	movb %dl, (%rdi)
	ret
	EXTABLE 1b, uaccess_fault

	/* int uaccess_cmpxchg4(u32 *p, u32 expected, u32 new, u32 *old) */
	.globl uaccess_cmpxchg4
	.type uaccess_cmpxchg4, @function
uaccess_cmpxchg4:
	movl %esi, %eax
	STAC
1:	lock cmpxchgl %edx, (%rdi)
	CLAC
	movl %eax, (%rcx)
	xorl %eax, %eax
	ret
	EXTABLE 1b, uaccess_fault

uaccess_fault:
	CLAC
	movl $1, %eax
	ret

	.section .note.GNU-stack, "", @progbits
