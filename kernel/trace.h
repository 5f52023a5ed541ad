/* Where a CPU is: the addresses of its call chain. */
#pragma once

#include "kernel/lib/types.h"

#define TRACE_MAX 24

struct trace {
	u32 cpu, n;
	s32 tid;
	char comm[16];
	bool user; /* it is in user mode, at addrs[0] */
	u64 addrs[TRACE_MAX];
};

/* The calls that lead to the frame rbp, after `rip` where that is not 0. Safe in an NMI. */
void trace_collect(struct trace *t, u64 rip, u64 rbp);
void trace_log(const struct trace *t);
