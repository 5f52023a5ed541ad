/* What an unmasked floating-point exception was (Intel SDM volume 1, sections 8.5 and 11.5). */
#include "arch/context.h"

/* si_code of SIGFPE, siginfo(2) */
#define FPE_FLTDIV 3
#define FPE_FLTOVF 4
#define FPE_FLTUND 5
#define FPE_FLTRES 6
#define FPE_FLTINV 7

/* Exception flags, in the order of their bits in the x87 status word and in MXCSR. */
#define FLAG_INVALID	BIT(0)
#define FLAG_DENORMAL	BIT(1)
#define FLAG_ZERODIVIDE BIT(2)
#define FLAG_OVERFLOW	BIT(3)
#define FLAG_UNDERFLOW	BIT(4)
#define FLAG_PRECISION	BIT(5)

#define MXCSR_MASK_SHIFT 7

static u32 unmasked_flags(unsigned vector)
{
	u16 control, status;
	u32 mxcsr;

	if (vector == 16) {
		__asm__ volatile("fnstcw %0" : "=m"(control));
		__asm__ volatile("fnstsw %0" : "=m"(status));
		return status & ~control;
	}
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	return mxcsr & ~(mxcsr >> MXCSR_MASK_SHIFT);
}

int arch_fpu_error(unsigned vector)
{
	u32 flags = unmasked_flags(vector);

	if (flags & FLAG_INVALID)
		return FPE_FLTINV;
	if (flags & FLAG_ZERODIVIDE)
		return FPE_FLTDIV;
	if (flags & FLAG_OVERFLOW)
		return FPE_FLTOVF;
	if (flags & (FLAG_DENORMAL | FLAG_UNDERFLOW))
		return FPE_FLTUND;
	return FPE_FLTRES;
}
