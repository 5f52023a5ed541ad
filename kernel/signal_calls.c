/* System calls about a task's own signals: actions, masks, waiting, the alternate stack. */
#include "kernel/process.h"

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/syscalls.h"

#define SIGSET_SIZE 8
#define UNBLOCKABLE (SIGMASK(SIGKILL) | SIGMASK(SIGSTOP))

enum { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };

#define SS_ONSTACK    1u
#define SS_DISABLE    2u
#define SS_AUTODISARM (1u << 31)
#define MINSIGSTKSZ   2048

struct stack {
	u64 sp;
	u32 flags;
	u32 pad;
	u64 size;
};

void signal_set_blocked(u64 mask)
{
	struct task *t = current;

	u64 added;

	spin_lock(&t->proc->sighand_lock);
	mask &= ~UNBLOCKABLE;
	added = mask & ~t->blocked;
	t->blocked = mask;
	if (unlikely(t->proc->shared.set & added))
		signal_pass_on(t, added);
	signal_recalc(t);
	spin_unlock(&t->proc->sighand_lock);
}

bool signal_is_ignored(int sig)
{
	struct process *p = current->proc;
	struct sigaction act;

	spin_lock(&p->sighand_lock);
	act = sighand_action(p, sig);
	spin_unlock(&p->sighand_lock);
	return act.handler == SIG_IGN;
}

bool signal_is_blocked(int sig)
{
	return current->blocked & SIGMASK(sig);
}

int signal_mask_begin(const u64 __user *mask, size_t size)
{
	struct task *t = current;
	u64 set;

	t->saved_blocked = t->blocked;
	if (!mask)
		return 0;
	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (get_user(set, mask))
		return -EFAULT;
	signal_set_blocked(set);
	return 0;
}

void signal_mask_end(bool interrupted)
{
	struct task *t = current;

	if (!interrupted) {
		signal_set_blocked(t->saved_blocked);
		return;
	}
	t->restore_blocked = true;
	atomic_or(&t->work, WORK_SIGNAL);
}

void signal_exec(struct sighand *fresh)
{
	struct task *t = current;
	struct process *p = t->proc;
	struct sighand *old;

	spin_lock(&p->sighand_lock);
	old = p->sighand;
	p->sighand = fresh;
	t->altstack_sp = t->altstack_size = t->altstack_flags = 0;
	spin_unlock(&p->sighand_lock);
	sighand_put(old);
}

/* Sets and gets an action; either may be NULL. 0 or -ENOMEM. */
static int change_action(int sig, struct sigaction *new, struct sigaction *old)
{
	struct process *p = current->proc;
	int err = 0;

	spin_lock(&p->sighand_lock);
	*old = sighand_action(p, sig);
	if (new)
		err = sighand_own(p);
	if (new && !err) {
		new->mask &= ~UNBLOCKABLE;
		sighand_set_action(p, sig, new);
		signal_forget_ignored(p, sig);
	}
	spin_unlock(&p->sighand_lock);
	return err;
}

SYSCALL4(rt_sigaction, int, sig, const struct sigaction __user *, act, struct sigaction __user *,
	 oldact, size_t, size)
{
	struct sigaction fresh, old;
	int err;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (act && copy_from_user(&fresh, act, sizeof(fresh)))
		return -EFAULT;
	if (sig < 1 || sig > NSIG || (act && (sig == SIGKILL || sig == SIGSTOP)))
		return -EINVAL;
	err = change_action(sig, act ? &fresh : NULL, &old);
	if (err)
		return err;
	if (oldact && copy_to_user(oldact, &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

SYSCALL4(rt_sigprocmask, int, how, const u64 __user *, set, u64 __user *, oldset, size_t, size)
{
	u64 old = current->blocked, mask;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (set) {
		if (get_user(mask, set))
			return -EFAULT;
		switch (how) {
		case SIG_BLOCK:
			mask |= old;
			break;
		case SIG_UNBLOCK:
			mask = old & ~mask;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_blocked(mask);
	}
	if (oldset && put_user(old, oldset))
		return -EFAULT;
	return 0;
}

SYSCALL2(rt_sigpending, u8 __user *, set, size_t, size)
{
	struct task *t = current;
	u64 pending;

	if (size > SIGSET_SIZE)
		return -EINVAL;
	(void)signal_pending(); /* a timer that ran out counts */
	pending = (t->pending.set | READ_ONCE(t->proc->shared.set)) & t->blocked;
	return copy_to_user(set, &pending, size) ? -EFAULT : 0;
}

static void sleep_until_signal(void)
{
	struct waitq q = WAITQ_INIT(q);

	(void)wait_event(&q, false);
}

SYSCALL0(pause)
{
	sleep_until_signal();
	return -ERESTARTNOHAND;
}

SYSCALL2(rt_sigsuspend, const u64 __user *, mask, size_t, size)
{
	int err;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (!mask)
		return -EFAULT;
	err = signal_mask_begin(mask, size);
	if (err)
		return err;
	sleep_until_signal();
	signal_mask_end(true);
	return -ERESTARTNOHAND;
}

static int take_locked(u64 wanted, struct siginfo *info)
{
	struct task *t = current;
	int sig;

	spin_lock(&t->proc->sighand_lock);
	t->awaited = 0;
	sig = signal_take(t, wanted, info);
	/* What came for this task, and it did not take, it may be the only one to have been told of.
	 */
	signal_pass_on(t, wanted & t->blocked);
	signal_recalc(t);
	spin_unlock(&t->proc->sighand_lock);
	return sig;
}

/* Sleeps until one of `wanted` is pending, another signal wants attention, or the time is over. */
static int await(u64 wanted, u64 deadline, struct siginfo *info)
{
	struct task *t = current;
	struct waitq q = WAITQ_INIT(q);
	long err;
	int sig;

	sig = take_locked(wanted, info);
	if (sig)
		return sig;
	spin_lock(&t->proc->sighand_lock);
	t->awaited = wanted;
	/* One that came in between nobody is told of any more. */
	if ((t->pending.set | t->proc->shared.set) & wanted)
		atomic_or(&t->work, WORK_SIGNAL);
	spin_unlock(&t->proc->sighand_lock);
	err = wait_event_until(&q, WAIT_INTERRUPTIBLE, deadline, false);
	sig = take_locked(wanted, info);
	if (sig)
		return sig;
	return err == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

SYSCALL4(rt_sigtimedwait, const u64 __user *, set, struct siginfo __user *, uinfo,
	 const struct timespec __user *, timeout, size_t, size)
{
	u64 wanted, ns = 0, deadline = WAIT_FOREVER;
	struct siginfo info;
	int sig;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (get_user(wanted, set))
		return -EFAULT;
	if (timeout) {
		int err = timespec_get(&ns, timeout);

		if (err)
			return err;
		deadline = clock_deadline(ns);
	}
	wanted &= ~UNBLOCKABLE;
	(void)signal_pending();
	if (timeout && !ns) {
		sig = take_locked(wanted, &info);
		if (!sig)
			sig = -EAGAIN;
	} else {
		sig = await(wanted, deadline, &info);
	}
	if (sig > 0 && uinfo && copy_to_user(uinfo, &info, sizeof(info)))
		return -EFAULT;
	return sig;
}

SYSCALL2(sigaltstack, const struct stack __user *, stack, struct stack __user *, oldstack)
{
	struct task *t = current;
	u64 rsp = task_regs(t)->rsp;
	bool on_it = t->altstack_size && !(t->altstack_flags & SS_AUTODISARM) &&
		     rsp - t->altstack_sp - 1 < t->altstack_size;
	struct stack fresh, old = {
				.sp = t->altstack_sp,
				.flags = t->altstack_flags & SS_AUTODISARM,
				.size = t->altstack_size,
			    };

	old.flags |= !t->altstack_size ? SS_DISABLE : on_it ? SS_ONSTACK : 0;
	if (stack) {
		u32 mode;

		if (copy_from_user(&fresh, stack, sizeof(fresh)))
			return -EFAULT;
		if (on_it)
			return -EPERM;
		mode = fresh.flags & ~SS_AUTODISARM;
		if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
			return -EINVAL;
		if (mode == SS_DISABLE)
			fresh.sp = fresh.size = 0;
		else if (fresh.size < MINSIGSTKSZ)
			return -ENOMEM;
		t->altstack_sp = fresh.sp;
		t->altstack_size = fresh.size;
		t->altstack_flags = fresh.flags & SS_AUTODISARM;
	}
	if (oldstack && copy_to_user(oldstack, &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

SYSCALL0(rt_sigreturn)
{
	struct regs *regs = task_regs(current);
	u64 blocked;

	if (arch_signal_return(regs, &blocked)) {
		signal_force_segv(0);
		return 0;
	}
	/* What the frame says is no result of a call, and must not be taken for one to restart. */
	regs->orig_rax = ~0ull;
	signal_set_blocked(blocked);
	return (long)regs->rax;
}

SYSCALL0(restart_syscall)
{
	struct task *t = current;

	return t->restart ? t->restart(t) : -EINTR;
}
