/*
 * Signal frames, as Linux lays them on the stack of an x86-64 program (struct rt_sigframe, with
 * struct ucontext and struct sigcontext in it; see sigreturn(2) and sigaltstack(2)):
 *
 *	higher		what the program had, and 128 bytes below it that its leaf functions use
 *			FPU state, aligned to 64, and FPU_MAGIC2
 *			siginfo
 *			ucontext: alternate stack, registers, mask
 *	lower		address of the restorer, where RSP points as after a call
 */
#include "arch/context.h"

#include "arch/uaccess.h"
#include "arch/x86_64/control.h"
#include "arch/x86_64/fpu.h"
#include "arch/x86_64/segments.h"
#include "kernel/lib/string.h"
#include "kernel/task.h"

struct sigcontext {
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	u16 cs, gs, fs, ss;
	u64 error, trap, oldmask, cr2;
	u64 fpstate;
	u64 reserved[8];
};

struct user_stack {
	u64 sp;
	s32 flags;
	u32 pad;
	u64 size;
};

struct ucontext {
	u64 flags, link;
	struct user_stack stack;
	struct sigcontext mcontext;
	u64 sigmask;
};

struct rt_sigframe {
	u64 restorer;
	struct ucontext uc;
	struct siginfo info;
};
_Static_assert(sizeof(struct sigcontext) == 256, "struct sigcontext is 256 bytes");
_Static_assert(sizeof(struct ucontext) == 304, "struct ucontext is 304 bytes with an 8-byte mask");

#define UC_FP_XSTATE	     1
#define UC_SIGCONTEXT_SS     2
#define UC_STRICT_RESTORE_SS 4

#define SS_ONSTACK    1
#define SS_DISABLE    2
#define SS_AUTODISARM 0x80000000u

#define RED_ZONE 128

#define RFLAGS_TF BIT(8)
#define RFLAGS_DF BIT(10)
#define RFLAGS_RF BIT(16)
#define RFLAGS_IF BIT(9)
/* What a program may set for itself: arithmetic flags, TF, DF, OF, RF, AC, ID. */
#define RFLAGS_USER  0x250dd5ull
#define RFLAGS_FIXED 0x2ull

static bool on_altstack(const struct task *t, u64 sp)
{
	return t->altstack_size && sp > t->altstack_sp && sp - t->altstack_sp <= t->altstack_size;
}

/* Bytes that the FPU state takes in a frame. */
static size_t frame_fpu_size(void)
{
	return fpu_size() + (fpu_has_xsave() ? FPU_MAGIC2_SIZE : 0);
}

static void fill_sigcontext(struct sigcontext *c, const struct regs *r, const struct task *t,
			    u64 blocked)
{
	*c = (struct sigcontext){
	    .r8 = r->r8,
	    .r9 = r->r9,
	    .r10 = r->r10,
	    .r11 = r->r11,
	    .r12 = r->r12,
	    .r13 = r->r13,
	    .r14 = r->r14,
	    .r15 = r->r15,
	    .rdi = r->rdi,
	    .rsi = r->rsi,
	    .rbp = r->rbp,
	    .rbx = r->rbx,
	    .rdx = r->rdx,
	    .rax = r->rax,
	    .rcx = r->rcx,
	    .rsp = r->rsp,
	    .rip = r->rip,
	    .rflags = r->rflags,
	    .cs = (u16)r->cs,
	    .ss = (u16)r->ss,
	    .error = t->trap_error,
	    .trap = t->trap_nr,
	    .cr2 = t->trap_addr,
	    .oldmask = blocked,
	};
}

static int put_fpu(u64 at)
{
	struct fpu_state *s = current->arch.fpu;
	u32 magic2 = FPU_MAGIC2;

	/* The registers are current's own; a switch meanwhile saves the same into s once more. */
	fpu_save(s);
	if (copy_to_user((void __user *)at, s, fpu_size()))
		return -EFAULT;
	if (!fpu_has_xsave())
		return 0;
	return copy_to_user((void __user *)(at + fpu_size()), &magic2, sizeof(magic2)) ? -EFAULT
										       : 0;
}

int arch_signal_deliver(struct regs *regs, int sig, const struct siginfo *info,
			const struct sigaction *act, u64 blocked)
{
	struct task *t = current;
	struct rt_sigframe frame;
	bool onstack = on_altstack(t, regs->rsp), enter = false;
	u64 sp = regs->rsp - RED_ZONE, fpu, at;

	if (!(act->flags & SA_RESTORER))
		return -EFAULT;
	if ((act->flags & SA_ONSTACK) && t->altstack_size && !onstack) {
		sp = t->altstack_sp + t->altstack_size;
		enter = true;
	}
	fpu = ALIGN_DOWN(sp - frame_fpu_size(), 64);
	at = ALIGN_DOWN(fpu - sizeof(frame), 16) - 8;
	/* A handler that has filled its own alternate stack must not write below it. */
	if ((enter || onstack) && !on_altstack(t, at))
		return -EFAULT;

	memset(&frame, 0, sizeof(frame));
	frame.restorer = act->restorer;
	frame.uc.flags =
	    UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (fpu_has_xsave() ? UC_FP_XSTATE : 0);
	frame.uc.stack =
	    (struct user_stack){t->altstack_sp, (s32)t->altstack_flags, 0, t->altstack_size};
	if (!t->altstack_size)
		frame.uc.stack.flags = SS_DISABLE;
	fill_sigcontext(&frame.uc.mcontext, regs, t, blocked);
	frame.uc.mcontext.fpstate = fpu;
	frame.uc.sigmask = blocked;
	frame.info = *info;
	if (put_fpu(fpu) || copy_to_user((void __user *)at, &frame, sizeof(frame)))
		return -EFAULT;

	if (t->altstack_flags & SS_AUTODISARM) {
		t->altstack_sp = t->altstack_size = 0;
		t->altstack_flags = 0;
	}
	regs->rdi = (u64)sig;
	regs->rsi = at + offsetof(struct rt_sigframe, info);
	regs->rdx = at + offsetof(struct rt_sigframe, uc);
	regs->rax = 0;
	regs->rip = regs_rip(act->handler);
	regs->rsp = at;
	regs->cs = USER_CS;
	regs->ss = USER_DS;
	regs->rflags &= ~(RFLAGS_DF | RFLAGS_RF | RFLAGS_TF);
	return 0;
}

/* True where the frame holds a whole XSAVE state rather than FXSAVE's 512 bytes. */
static bool has_extended(const struct fpu_state *s, u64 at)
{
	u32 magic2;

	if (!fpu_has_xsave() || s->software.magic != FPU_MAGIC1 || s->software.size != fpu_size() ||
	    s->software.whole_size != frame_fpu_size())
		return false;
	return !copy_from_user(&magic2, (const void __user *)(at + fpu_size()), sizeof(magic2)) &&
	       magic2 == FPU_MAGIC2;
}

#define LEGACY_SIZE	512
#define LEGACY_FEATURES 3

static int read_fpu(struct fpu_state *s, u64 at)
{
	if (copy_from_user(s, (const void __user *)at, LEGACY_SIZE))
		return -EFAULT;
	if (has_extended(s, at)) {
		if (copy_from_user((u8 *)s + LEGACY_SIZE, (const void __user *)(at + LEGACY_SIZE),
				   fpu_size() - LEGACY_SIZE))
			return -EFAULT;
	} else if (fpu_has_xsave()) {
		s->features = LEGACY_FEATURES;
	}
	fpu_sanitize(s);
	return 0;
}

/* Into an area of its own: while the frame is read, a switch may save the registers. */
static int take_fpu(u64 at)
{
	struct arch_task *a = &current->arch;
	struct fpu_state *s, *old;
	u64 flags;

	if (!at) {
		flags = irq_save();
		fpu_reset();
		irq_restore(flags);
		return 0;
	}
	s = fpu_alloc();
	if (!s || at % 64 || read_fpu(s, at)) {
		fpu_free(s);
		return -EFAULT;
	}
	flags = irq_save();
	old = a->fpu;
	a->fpu = s;
	fpu_load(s);
	irq_restore(flags);
	fpu_free(old);
	return 0;
}

/* As sigaltstack(2) would; what it would refuse is left out, as Linux does here. */
static void take_altstack(const struct user_stack *s, u64 sp)
{
	struct task *t = current;
	u32 flags = (u32)s->flags;

	if (on_altstack(t, sp))
		return;
	if ((flags & ~SS_AUTODISARM & ~(u32)SS_ONSTACK) == SS_DISABLE) {
		t->altstack_sp = t->altstack_size = 0;
		t->altstack_flags = 0;
	} else if (!(flags & ~SS_AUTODISARM & ~(u32)SS_ONSTACK) && s->size >= 2048) {
		t->altstack_sp = s->sp;
		t->altstack_size = s->size;
		t->altstack_flags = flags & SS_AUTODISARM;
	}
}

int arch_signal_return(struct regs *r, u64 *blocked)
{
	struct ucontext uc;
	const struct sigcontext *c = &uc.mcontext;
	u64 at = r->rsp - sizeof(u64); /* the handler's return took the restorer off */

	if (copy_from_user(&uc, (const void __user *)(at + offsetof(struct rt_sigframe, uc)),
			   sizeof(uc)))
		return -EFAULT;
	if (take_fpu(c->fpstate))
		return -EFAULT;
	take_altstack(&uc.stack, r->rsp);
	atomic_or(&current->work, WORK_REGS);
	*r = (struct regs){
	    .r8 = c->r8,
	    .r9 = c->r9,
	    .r10 = c->r10,
	    .r11 = c->r11,
	    .r12 = c->r12,
	    .r13 = c->r13,
	    .r14 = c->r14,
	    .r15 = c->r15,
	    .rdi = c->rdi,
	    .rsi = c->rsi,
	    .rbp = c->rbp,
	    .rbx = c->rbx,
	    .rdx = c->rdx,
	    .rax = c->rax,
	    .rcx = c->rcx,
	    .rsp = c->rsp,
	    .rip = regs_rip(c->rip),
	    .rflags =
		(r->rflags & ~RFLAGS_USER) | (c->rflags & RFLAGS_USER) | RFLAGS_FIXED | RFLAGS_IF,
	    .cs = USER_CS,
	    .ss = USER_DS,
	    .orig_rax = ~0ull,
	};
	*blocked = uc.sigmask;
	return 0;
}
