/* From the CPU's exceptions to signals, and what happens on the way back to user mode. */
#include "kernel/process.h"

#include "kernel/log.h"

#define RFLAGS_IF BIT(9)

/* What an exception means to the program that made it (Intel SDM volume 3, chapter 6). */
static const struct {
	u8 sig;
	u8 code;      /* SI_KERNEL where 0 */
	bool at_insn; /* si_addr is the instruction's address; else 0 */
} trap_signals[32] = {
    [0] = {SIGFPE, FPE_INTDIV, true}, [1] = {SIGTRAP, TRAP_TRACE, true},
    [3] = {SIGTRAP, 0, false},	      [4] = {SIGSEGV, 0, false},
    [5] = {SIGSEGV, 0, false},	      [6] = {SIGILL, ILL_ILLOPN, true},
    [7] = {SIGSEGV, 0, false},	      [9] = {SIGFPE, 0, false},
    [10] = {SIGSEGV, 0, false},	      [11] = {SIGBUS, 0, false},
    [12] = {SIGBUS, 0, false},	      [13] = {SIGSEGV, 0, false},
    [16] = {SIGFPE, 0, true},	      [17] = {SIGBUS, BUS_ADRALN, false},
    [19] = {SIGFPE, 0, true},	      [21] = {SIGSEGV, 0, false},
};

static void note_fault(unsigned vector, u64 error, u64 addr)
{
	struct task *t = current;

	t->trap_nr = vector;
	t->trap_error = error;
	t->trap_addr = addr;
}

static void tell_log(const struct regs *regs, const char *what, u64 addr)
{
	struct task *t = current;
	struct sigaction act;

	spin_lock(&t->proc->sighand_lock);
	act = sighand_action(t->proc, SIGSEGV);
	spin_unlock(&t->proc->sighand_lock);
	if (act.handler > SIG_IGN)
		return;
	log_debug("%s[%d]: %s at %llx, ip %llx, sp %llx", t->comm, t->tid, what,
		  (unsigned long long)addr, (unsigned long long)regs->rip,
		  (unsigned long long)regs->rsp);
}

void trap_exception(struct regs *regs, unsigned vector, u64 error)
{
	int sig = SIGSEGV, code = SI_KERNEL, fpu_code = 0;
	u64 addr = 0;

	if (vector == 16 || vector == 19)
		fpu_code = arch_fpu_error(vector);
	irq_enable();
	if (vector < ARRAY_SIZE(trap_signals) && trap_signals[vector].sig) {
		sig = trap_signals[vector].sig;
		if (trap_signals[vector].code)
			code = trap_signals[vector].code;
		if (trap_signals[vector].at_insn)
			addr = regs->rip;
	}
	if (vector == 16 || vector == 19)
		code = fpu_code;
	note_fault(vector, error, current->trap_addr);
	tell_log(regs, "exception", vector);
	signal_fault(sig, code, addr);
}

static void fault_signal(struct regs *regs, vaddr_t va, enum fault_result r)
{
	tell_log(regs, "bad access", va);
	switch (r) {
	case FAULT_BUS:
		signal_fault(SIGBUS, BUS_ADRERR, va);
		break;
	case FAULT_ACCERR:
		signal_fault(SIGSEGV, SEGV_ACCERR, va);
		break;
	default:
		signal_fault(SIGSEGV, SEGV_MAPERR, va);
	}
}

static unsigned error_code(unsigned access, bool user)
{
	return (access == PROT_WRITE ? 2u : 0) | (user ? 4u : 0) | (access == PROT_EXEC ? 16u : 0);
}

bool trap_page_fault(struct regs *regs, vaddr_t va, unsigned access, bool user)
{
	struct task *t = current;
	enum fault_result r = FAULT_MAPERR;

	if (regs->rflags & RFLAGS_IF)
		irq_enable();
	if (t->fault_mm && va < USER_END) {
		r = mm_fault(t->fault_mm, va, access);
		while (r == FAULT_OOM && oom_make_room())
			r = mm_fault(t->fault_mm, va, access);
	}
	if (r == FAULT_OK) {
		t->usage.min_flt++;
		return true;
	}
	if (!user)
		return false;
	/* Dying for memory: SIGKILL is on its way. */
	if (r == FAULT_OOM)
		return true;
	note_fault(14, error_code(access, user), va);
	fault_signal(regs, va, r);
	return true;
}

void return_to_user(struct regs *regs)
{
	struct task *t = current;
	u32 work = atomic_load(&t->work);

	if (work & WORK_REGS)
		atomic_and(&t->work, ~WORK_REGS); /* who comes by here loads them all */
	if (work & WORK_START)
		task_first_step(t);
	if (work & WORK_RESCHED)
		schedule();
	if (work & WORK_TIMER)
		itimer_expire();
	if (atomic_load(&t->work) & WORK_SIGNAL)
		signal_deliver(regs);
}
