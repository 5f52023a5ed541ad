/* What the compiler calls for __builtin_popcountll() where the CPU may lack the instruction. */
#include "kernel/lib/types.h"

#ifndef CALF_HOST
int __popcountdi2(s64 v);

int __popcountdi2(s64 v)
{
	u64 x = (u64)v;

	x -= x >> 1 & 0x5555555555555555ull;
	x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (int)(x * 0x0101010101010101ull >> 56);
}
#endif
