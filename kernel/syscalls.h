/*
 * Defining system calls. SYSCALL2(kill, s32, pid, s32, sig) { ... } defines the function that the
 * table in kernel/syscall_table.c lists under Linux's number. Arguments arrive in the low bits
 * of registers and are cut to their type; the result is a value or a negative errno.
 */
#pragma once

#include "kernel/errno.h"
#include "kernel/lib/compiler.h"

typedef long (*syscall_fn)(u64, u64, u64, u64, u64, u64);

#define NR_SYSCALLS 451

/* By number; NULL where there is no such call: entry code answers those by sys_unknown(). */
extern const syscall_fn syscall_table[NR_SYSCALLS];
/* -ENOSYS; names the call in the log the first time. */
long sys_unknown(u64 nr);

#define SYSCALL_PARAMS_ u64 a0_, u64 a1_, u64 a2_, u64 a3_, u64 a4_, u64 a5_
#define SYSCALL_UNUSED_ (void)a0_, (void)a1_, (void)a2_, (void)a3_, (void)a4_, (void)a5_

#define SYSCALL_DEFINE_(name, params, args)      \
	static inline long do_sys_##name params; \
	long sys_##name(SYSCALL_PARAMS_);        \
	long sys_##name(SYSCALL_PARAMS_)         \
	{                                        \
		SYSCALL_UNUSED_;                 \
		return do_sys_##name args;       \
	}                                        \
	static inline long do_sys_##name params

#define SYSCALL0(name)	       SYSCALL_DEFINE_(name, (void), ())
#define SYSCALL1(name, t0, n0) SYSCALL_DEFINE_(name, (t0 n0), ((__force t0)a0_))
#define SYSCALL2(name, t0, n0, t1, n1) \
	SYSCALL_DEFINE_(name, (t0 n0, t1 n1), ((__force t0)a0_, (__force t1)a1_))
#define SYSCALL3(name, t0, n0, t1, n1, t2, n2)       \
	SYSCALL_DEFINE_(name, (t0 n0, t1 n1, t2 n2), \
			((__force t0)a0_, (__force t1)a1_, (__force t2)a2_))
#define SYSCALL4(name, t0, n0, t1, n1, t2, n2, t3, n3)      \
	SYSCALL_DEFINE_(name, (t0 n0, t1 n1, t2 n2, t3 n3), \
			((__force t0)a0_, (__force t1)a1_, (__force t2)a2_, (__force t3)a3_))
#define SYSCALL5(name, t0, n0, t1, n1, t2, n2, t3, n3, t4, n4) \
	SYSCALL_DEFINE_(                                       \
	    name, (t0 n0, t1 n1, t2 n2, t3 n3, t4 n4),         \
	    ((__force t0)a0_, (__force t1)a1_, (__force t2)a2_, (__force t3)a3_, (__force t4)a4_))
#define SYSCALL6(name, t0, n0, t1, n1, t2, n2, t3, n3, t4, n4, t5, n5)                       \
	SYSCALL_DEFINE_(name, (t0 n0, t1 n1, t2 n2, t3 n3, t4 n4, t5 n5),                    \
			((__force t0)a0_, (__force t1)a1_, (__force t2)a2_, (__force t3)a3_, \
			 (__force t4)a4_, (__force t5)a5_))
