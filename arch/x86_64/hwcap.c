/* What a program's auxiliary vector says of the CPU. */
#include "arch/context.h"

#define CR4_FSGSBASE	BIT(16)
#define HWCAP2_FSGSBASE BIT(1)
#define CPUID_XSAVE	BIT(27) /* leaf 1, ecx: XSAVE is in use */
#define FXSAVE_SIZE	512
#define FRAME_BUT_FPU	(8 + 304 + 128 + 64) /* return address, ucontext, siginfo, alignment */

static void cpuid(u32 leaf, u32 regs[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3])
			 : "a"(leaf), "c"(0));
}

u64 arch_hwcap(void)
{
	u32 regs[4];

	cpuid(1, regs);
	return regs[3];
}

u64 arch_hwcap2(void)
{
	u64 cr4;

	__asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
	return cr4 & CR4_FSGSBASE ? HWCAP2_FSGSBASE : 0;
}

u64 arch_signal_frame_size(void)
{
	u32 regs[4];

	cpuid(1, regs);
	if (!(regs[2] & CPUID_XSAVE))
		return FRAME_BUT_FPU + FXSAVE_SIZE;
	cpuid(0xd, regs);
	return FRAME_BUT_FPU + regs[1];
}
