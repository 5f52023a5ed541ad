/* The CPU's random number generator (Intel SDM volume 2, RDRAND). */
#include "arch/cpu.h"

#define CPUID_1_ECX_RDRAND BIT(30)

bool cpu_random(u64 *v)
{
	u32 a = 1, b, c = 0, d;
	bool ok;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (!(c & CPUID_1_ECX_RDRAND))
		return false;
	/* It may be drained for a moment, never for long. */
	for (unsigned tries = 0; tries < 10; tries++) {
		__asm__ volatile("rdrand %0" : "=r"(*v), "=@ccc"(ok));
		if (ok)
			return true;
	}
	return false;
}
