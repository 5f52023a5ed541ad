/* The vDSO, linked by itself, as bytes of the kernel's. */
	.section .rodata, "a"
	.globl arch_vdso_start, arch_vdso_end
	.balign 4096
arch_vdso_start:
	.incbin VDSO_SO
	.balign 4096
arch_vdso_end:

	.section .note.GNU-stack, "", @progbits
