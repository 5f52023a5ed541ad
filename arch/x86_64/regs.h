/* User registers as trap and syscall entry leave them on the kernel stack; the order is entry.S's.
 */
#pragma once

#include "kernel/lib/types.h"

struct regs {
	u64 r15, r14, r13, r12, rbp, rbx;
	u64 r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 orig_rax; /* the call's number; -1 where the entry was no system call */
	u64 rip, cs, rflags, rsp, ss;
};

static inline bool regs_user(const struct regs *r)
{
	return r->cs & 3;
}

/*
 * Where a program may be sent to: IRET to an address that is not canonical would fault in the
 * kernel. Such a one becomes an address that faults in the program.
 */
static inline u64 regs_rip(u64 rip)
{
	return rip < 1ull << 47 ? rip : ~0ull;
}
