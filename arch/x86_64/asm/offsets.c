/*
 * Offsets that assembly needs, read off the C structures: the build compiles this file to
 * assembly and turns each "-> NAME value" into a #define.
 */
#include "kernel/syscalls.h"
#include "kernel/task.h"

#define OFFSET(name, type, member) \
	__asm__ volatile("-> " #name " %c0" ::"i"(offsetof(type, member)))
#define VALUE(name, value) __asm__ volatile("-> " #name " %c0" ::"i"(value))

void offsets(void);

void offsets(void)
{
	OFFSET(PERCPU_CURRENT, struct percpu, task);
	OFFSET(PERCPU_KSTACK_TOP, struct percpu, kstack_top);
	OFFSET(PERCPU_USER_RSP, struct percpu, user_rsp);
	OFFSET(TASK_RSP, struct task, arch.rsp);
	OFFSET(TASK_WORK, struct task, work);
	OFFSET(REGS_RBP, struct regs, rbp);
	OFFSET(REGS_R11, struct regs, r11);
	OFFSET(REGS_R10, struct regs, r10);
	OFFSET(REGS_R9, struct regs, r9);
	OFFSET(REGS_R8, struct regs, r8);
	OFFSET(REGS_RAX, struct regs, rax);
	OFFSET(REGS_RCX, struct regs, rcx);
	OFFSET(REGS_RDX, struct regs, rdx);
	OFFSET(REGS_RSI, struct regs, rsi);
	OFFSET(REGS_RDI, struct regs, rdi);
	OFFSET(REGS_ORIG_RAX, struct regs, orig_rax);
	OFFSET(REGS_RIP, struct regs, rip);
	OFFSET(REGS_CS, struct regs, cs);
	OFFSET(REGS_RFLAGS, struct regs, rflags);
	OFFSET(REGS_RSP, struct regs, rsp);
	VALUE(REGS_SIZE, sizeof(struct regs));
	VALUE(SYSCALLS, NR_SYSCALLS);
}
