/*
 * Registers of user programs and of tasks: what exec, fork, signals and the scheduler ask of the
 * CPU. arch/x86_64/ implements it.
 */
#pragma once

#include "arch/cpu.h"
#include "arch/x86_64/regs.h" /* struct regs: user registers at the top of the kernel stack */

struct siginfo;
struct sigaction;
struct task;
struct fpu_state;

/* What switching needs of a task; embedded in struct task. */
struct arch_task {
	u64 rsp;	       /* kernel stack pointer while not running */
	u64 fsbase, gsbase;    /* user's */
	struct fpu_state *fpu; /* XSAVE area, aligned to 64; NULL: the idle task's */
	u32 fpu_cpu;	       /* whose registers hold it too, as long as that CPU agrees */
};

/*
 * Called with interrupts off, after the scheduler has made next's tree active (mmu_activate).
 * Returns in `prev`'s context when it runs again, with what ran before it. A new task does not
 * return from here: its first code calls sched_switched(prev), turns interrupts on, and then goes
 * to user mode (by return_to_user() while it has work) or calls its function.
 */
struct task *arch_switch(struct task *prev, struct task *next);

/* Makes the boot code's context that of `t`, this CPU's idle task: current from now on. CPU 0's gets
 * the stack that it booted on; another's has one already. */
void arch_task_adopt(struct task *t);

/* The user registers of a task, saved at the top of its kernel stack. */
struct regs *task_regs(struct task *t);

/*
 * Prepares a new task that starts in user mode as a copy of `parent` right now: same registers,
 * rax = 0, FPU state copied; `stack` and `tls` replace rsp and the FS base where nonzero.
 * -ENOMEM undoes all.
 */
int arch_task_fork(struct task *t, struct task *parent, vaddr_t stack, vaddr_t tls, bool set_tls);
/* Prepares a new task that runs fn(arg) in the kernel; fn must not return unless it has exec'd. */
int arch_task_kernel(struct task *t, void (*fn)(void *), void *arg);
void arch_task_free(struct task *t);

/* FS and GS base of the current task: arch_prctl(2). -EPERM where no user address. */
int arch_set_fsbase(u64 base);
int arch_set_gsbase(u64 base);
u64 arch_fsbase(struct task *t);
u64 arch_gsbase(struct task *t);

/* Fresh registers and FPU state for a program that starts at entry, for the current task. */
void arch_exec(struct regs *regs, vaddr_t entry, vaddr_t stack);

/*
 * Lays a signal frame on the user stack (Linux's rt_sigframe, with XSAVE state) and points regs at
 * the handler. `blocked` is the mask to restore. 0, or -EFAULT with regs untouched.
 */
int arch_signal_deliver(struct regs *regs, int sig, const struct siginfo *info,
			const struct sigaction *act, u64 blocked);
/* rt_sigreturn(2): registers from the frame; *blocked is the mask saved in it. 0 or -EFAULT. */
int arch_signal_return(struct regs *regs, u64 *blocked);

/* Why exception 16 (x87) or 19 (SSE) came, as si_code of SIGFPE says it. Before interrupts are on
 * again. */
int arch_fpu_error(unsigned vector);
/* Auxiliary vector: AT_HWCAP, AT_HWCAP2, and the room that a signal frame takes at most. */
u64 arch_hwcap(void);
u64 arch_hwcap2(void);
u64 arch_signal_frame_size(void);
