/*
 * Exceptions and interrupts, once entry.S has laid down the registers (SDM volume 3, chapter 6).
 *
 *	from user mode		page faults and all other exceptions are kernel/trap.c's
 *	from the kernel		a page fault at an instruction of arch/uaccess.h is a program's
 *				memory that must be faulted in, or else the access fails; anything
 *				else is a broken kernel: panic
 *	NMI			another CPU's (see smp.c); else ignored: nothing here asks for one
 *	#MC			panic
 *	#DF			panic, and the place to see that a stack ran into its guard
 */
#include "arch/traps.h"

#include "arch/kstack.h"
#include "arch/x86_64/control.h"
#include "arch/x86_64/extable.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "kernel/panic.h"
#include "kernel/task.h"

enum {
	VEC_DB = 1,
	VEC_NMI = 2,
	VEC_DF = 8,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_MC = 18,
	VEC_EXCEPTIONS = 32,
};

/* Bits of a page fault's error code (SDM volume 3, section 4.7). */
#define PF_PRESENT  BIT(0)
#define PF_WRITE    BIT(1)
#define PF_USER	    BIT(2)
#define PF_RESERVED BIT(3)
#define PF_FETCH    BIT(4)

#define RFLAGS_TF BIT(8)
#define DR6_CLEAR 0xffff0ff0ull

static const char *const names[VEC_EXCEPTIONS] = {
    "divide error",
    "debug exception",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection fault",
    "page fault",
    "exception 15",
    "x87 floating-point error",
    "alignment check",
    "machine check",
    "SIMD floating-point error",
    "virtualization exception",
    "control protection exception",
    "exception 22",
    "exception 23",
    "exception 24",
    "exception 25",
    "exception 26",
    "exception 27",
    "hypervisor injection exception",
    "VMM communication exception",
    "security exception",
    "exception 31",
};

void trap_entry(struct regs *regs, unsigned vector, u64 error);

static void __noreturn broken(struct regs *regs, unsigned vector, u64 error)
{
	u64 cr2 = read_cr2();

	if ((vector == VEC_DF || vector == VEC_PF) && kstack_is_guard(cr2))
		panic_regs(regs, "kernel stack overflow at %016llx", (unsigned long long)cr2);
	if (vector == VEC_PF)
		panic_regs(regs, "page fault in the kernel: %s of %016llx (error %llx)",
			   error & PF_FETCH   ? "execution"
			   : error & PF_WRITE ? "write"
					      : "read",
			   (unsigned long long)cr2, (unsigned long long)error);
	panic_regs(regs, "%s in the kernel (error %llx)", names[vector], (unsigned long long)error);
}

static void exception(struct regs *regs, unsigned vector, u64 error)
{
	vaddr_t fixup;

	switch (vector) {
	case VEC_NMI:
		(void)smp_nmi(regs);
		return; /* nobody's: the log's lock may be held just now, so not a word */
	case VEC_MC:
		panic_regs(regs, "machine check");
	case VEC_DF:
		broken(regs, vector, error);
	default:
		break;
	}
	if (vector == VEC_DB) {
		__asm__ volatile("movq %0, %%db6" ::"r"(DR6_CLEAR));
		if (!regs_user(regs)) { /* a trap that a program armed and that came a step late */
			regs->rflags &= ~RFLAGS_TF;
			return;
		}
	}
	if (!regs_user(regs)) {
		fixup = extable_find(regs->rip);
		if (!fixup)
			broken(regs, vector, error);
		regs->rip = fixup;
		return;
	}
	irq_enable();
	trap_exception(regs, vector, error);
	irq_disable();
}

static unsigned fault_access(struct regs *regs, u64 error)
{
	if (unlikely(error & (PF_FETCH | PF_RESERVED))) {
		if (error & PF_RESERVED)
			panic_regs(regs, "a page table entry for %016llx has reserved bits set",
				   read_cr2());
		return PROT_EXEC;
	}
	return error & PF_WRITE ? PROT_WRITE : PROT_READ;
}

/* Turns interrupts on; the way back to user mode turns them off. */
static void page_fault_user(struct regs *regs, u64 error)
{
	trap_page_fault(regs, read_cr2(), fault_access(regs, error), true);
}

static void __noinline page_fault_kernel(struct regs *regs, u64 error)
{
	vaddr_t va = read_cr2(), fixup;

	if (regs_user(regs)) {
		/*
		 * An access of the CPU's own on behalf of a program. QEMU takes a far return's
		 * reads of the user's stack for such, and then SMAP forbids them: no fault that
		 * could be resolved, so it is the program's error.
		 */
		exception(regs, VEC_GP, 0);
		return;
	}
	fixup = va < USER_END ? extable_find(regs->rip) : 0;
	if (!fixup)
		broken(regs, VEC_PF, error);
	if (!trap_page_fault(regs, va, fault_access(regs, error), false))
		regs->rip = fixup;
	irq_disable();
}

/* Interrupts are off here, and on return to the kernel. */
void trap_entry(struct regs *regs, unsigned vector, u64 error)
{
	if (likely(vector == VEC_PF)) {
		if (likely(error & PF_USER))
			page_fault_user(regs, error);
		else
			page_fault_kernel(regs, error);
	} else if (vector >= VEC_EXCEPTIONS) {
		irq_dispatch(regs, vector);
	} else {
		exception(regs, vector, error);
	}
}
