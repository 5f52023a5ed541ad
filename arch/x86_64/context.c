/* What the CPU keeps of a task: stacks, segment bases, FPU state; and how a task begins. */
#include "arch/context.h"

#include "arch/kstack.h"
#include "arch/mmu.h"
#include "arch/x86_64/control.h"
#include "arch/x86_64/fpu.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/segments.h"
#include "kernel/lib/string.h"
#include "kernel/task.h"

#define RFLAGS_FIXED 0x2ull
#define RFLAGS_IF    0x200ull

/* Pushed by switch_stacks (entry.S), lowest address first. */
struct switch_frame {
	u64 r15, r14, r13, r12, rbp, rbx, rip;
};

struct task *switch_stacks(struct task *prev, struct task *next);
extern char task_start_user[], task_start_kernel[];

static u64 stack_top(struct task *t)
{
	return (u64)t->kstack + KSTACK_SIZE;
}

struct regs *task_regs(struct task *t)
{
	return (struct regs *)stack_top(t) - 1;
}

static void switch_user_state(struct percpu *p, struct task *prev, struct task *next)
{
	/* The registers stay prev's until another program's state replaces them. */
	if (prev->mm && prev->arch.fpu && p->fpu_of == prev)
		fpu_save(prev->arch.fpu);
	if (!next->mm || !next->arch.fpu)
		return;
	if (p->fpu_of != next || next->arch.fpu_cpu != p->cpu) {
		fpu_load(next->arch.fpu);
		p->fpu_of = next;
		next->arch.fpu_cpu = p->cpu;
	}
	/* Always: a program that loads a selector changes the base without the kernel's knowing. */
	wrmsr(MSR_FS_BASE, next->arch.fsbase);
	wrmsr(MSR_KERNEL_GS_BASE, next->arch.gsbase);
}

struct task *arch_switch(struct task *prev, struct task *next)
{
	struct percpu *p = this_cpu();

	switch_user_state(p, prev, next);
	p->task = next;
	cpu_set_kernel_stack(stack_top(next));
	return switch_stacks(prev, next);
}

void arch_task_adopt(struct task *t)
{
	struct percpu *p = this_cpu();

	if (!p->cpu)
		t->kstack = boot_stack;
	p->task = t;
	cpu_set_kernel_stack(stack_top(t));
}

/* A stack, an FPU state, and what switch_stacks finds when it comes to t for the first time. */
static int new_task(struct task *t, void *start, u64 rbx, u64 r12)
{
	struct switch_frame *f;

	t->kstack = kstack_alloc();
	if (!t->kstack)
		return -ENOMEM;
	t->arch.fpu = fpu_alloc();
	if (!t->arch.fpu) {
		kstack_free(t->kstack);
		t->kstack = NULL;
		return -ENOMEM;
	}
	t->arch.fpu_cpu = ~0u;
	f = (struct switch_frame *)task_regs(t) - 1;
	memset(f, 0, sizeof(*f));
	f->rbx = rbx;
	f->r12 = r12;
	f->rip = (u64)start;
	t->arch.rsp = (u64)f;
	return 0;
}

int arch_task_fork(struct task *t, struct task *parent, vaddr_t stack, vaddr_t tls, bool set_tls)
{
	struct regs *regs;

	if (new_task(t, task_start_user, 0, 0))
		return -ENOMEM;
	regs = task_regs(t);
	*regs = *task_regs(parent);
	regs->rax = 0;
	if (stack)
		regs->rsp = stack;
	t->arch.fsbase = set_tls ? tls : parent->arch.fsbase;
	t->arch.gsbase = parent->arch.gsbase;
	/* The parent is running: its state is in the registers. */
	fpu_save(t->arch.fpu);
	return 0;
}

int arch_task_kernel(struct task *t, void (*fn)(void *), void *arg)
{
	if (new_task(t, task_start_kernel, (u64)fn, (u64)arg))
		return -ENOMEM;
	memset(task_regs(t), 0, sizeof(struct regs));
	fpu_set_start(t->arch.fpu);
	t->arch.fsbase = t->arch.gsbase = 0;
	return 0;
}

void arch_task_free(struct task *t)
{
	struct percpu *p = this_cpu();

	if (p->fpu_of == t)
		p->fpu_of = NULL;
	fpu_free(t->arch.fpu);
	t->arch.fpu = NULL;
	kstack_free(t->kstack);
	t->kstack = NULL;
}

int arch_set_fsbase(u64 base)
{
	if (base >= USER_END)
		return -EPERM;
	current->arch.fsbase = base;
	wrmsr(MSR_FS_BASE, base);
	return 0;
}

int arch_set_gsbase(u64 base)
{
	if (base >= USER_END)
		return -EPERM;
	current->arch.gsbase = base;
	wrmsr(MSR_KERNEL_GS_BASE, base);
	return 0;
}

u64 arch_fsbase(struct task *t)
{
	return t->arch.fsbase;
}

u64 arch_gsbase(struct task *t)
{
	return t->arch.gsbase;
}

void arch_exec(struct regs *regs, vaddr_t entry, vaddr_t stack)
{
	struct task *t = current;
	struct percpu *p = this_cpu();
	u64 flags;

	atomic_or(&t->work, WORK_REGS);
	memset(regs, 0, sizeof(*regs));
	regs->orig_rax = ~0ull;
	regs->rip = regs_rip(entry);
	regs->rsp = stack;
	regs->cs = USER_CS;
	regs->ss = USER_DS;
	regs->rflags = RFLAGS_FIXED | RFLAGS_IF;
	arch_set_fsbase(0);
	arch_set_gsbase(0);
	__asm__ volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs" ::"r"(0));
	flags = irq_save();
	fpu_reset();
	p->fpu_of = t;
	t->arch.fpu_cpu = p->cpu;
	irq_restore(flags);
	wrmsr(MSR_FS_BASE, 0);
}
