/* What signals do on the way back to user mode: handlers, stops, ends, and calls that start again.
 */
#include "kernel/process.h"

#include "kernel/log.h"

#define NR_restart_syscall 219
#define SYSCALL_INSN_SIZE  2

/* What a parent does about its children. */
static struct sigaction parent_action(struct process *parent)
{
	struct sigaction act;

	spin_lock(&parent->sighand_lock);
	act = sighand_action(parent, SIGCHLD);
	spin_unlock(&parent->sighand_lock);
	return act;
}

void signal_tell_parent(struct process *p, int code, int status)
{
	struct siginfo info = {.signo = SIGCHLD, .code = code};
	struct process *parent;
	struct sigaction act;

	spin_lock(&tasks_lock);
	parent = p->parent;
	act = parent_action(parent);
	info.child.pid = p->pid;
	info.child.uid = p->leader->cred.uid;
	info.child.status = status;
	if (act.handler != SIG_IGN && !(act.flags & SA_NOCLDSTOP))
		(void)signal_process(parent, SIGCHLD, &info);
	waitq_wake_all(&parent->child_wait);
	spin_unlock(&tasks_lock);
}

bool signal_parent_of_death(struct process *p)
{
	struct process *parent = p->parent;
	struct sigaction act = parent_action(parent);
	int sig = p->leader->exit_signal;
	struct siginfo info = {.signo = sig};
	bool ignored = act.handler == SIG_IGN;
	bool reap = sig == SIGCHLD && (ignored || (act.flags & SA_NOCLDWAIT));

	info.child.pid = p->pid;
	info.child.uid = p->leader->cred.uid;
	info.child.utime = (s64)(p->usage.utime_ns / NSEC_PER_TICK);
	info.child.stime = (s64)(p->usage.stime_ns / NSEC_PER_TICK);
	info.code = p->exit_code & 0x7f ? CLD_KILLED : CLD_EXITED;
	info.child.status = p->exit_code & 0x7f ? p->exit_code & 0x7f : p->exit_code >> 8 & 0xff;
	/* clone(2) takes any byte for one; what is no signal is not sent. */
	if (sig > 0 && sig <= NSIG && !(sig == SIGCHLD && ignored))
		(void)signal_process(parent, sig, &info);
	waitq_wake_all(&parent->child_wait);
	return reap;
}

/*
 * The current task, t of p, takes part in the stop of the process: sleeps until SIGCONT or SIGKILL.
 * Enters with sighand_lock held and leaves without it.
 */
static void join_stop(struct process *p, struct task *t) __releases(&p->sighand_lock)
{
	int sig = p->stop_sig;
	bool tell = false;

	/* A task that was woken for nothing has been counted already. */
	if (!t->stopped) {
		t->stopped = true;
		tell = signal_count_stop(p);
	}
	/* Under the lock: a SIGCONT from now on finds the task stopped and wakes it. */
	atomic_store(&t->state, TASK_STOPPED);
	spin_unlock(&p->sighand_lock);
	if (tell)
		signal_tell_parent(p, CLD_STOPPED, sig);
	schedule();
}

/* Stops the process, the current task first. The lock as in join_stop(). */
static void stop(struct process *p, int sig) __releases(&p->sighand_lock)
{
	struct task *t;

	/* Two tasks may have taken a stop signal each. */
	if (!p->stop_sig) {
		p->stop_sig = sig;
		p->stop_left = p->nr_live;
		p->continue_unseen = false;
		list_for_each (t, &p->threads, thread_link)
			if (t != current && !t->exiting)
				signal_alert(t);
	}
	join_stop(p, current);
}

/*
 * A stop signal other than SIGSTOP does nothing to a group that nobody could continue. Drops the
 * process's sighand_lock for the look; SIGCONT or SIGKILL may come meanwhile, and each outdates the
 * stop.
 */
static bool stop_is_void(struct process *p, struct task *t) __must_hold(&p->sighand_lock)
{
	bool is_void;

	t->stop_taken = true;
	spin_unlock(&p->sighand_lock);
	spin_lock(&tasks_lock);
	is_void = group_is_orphaned(p->pgid, NULL);
	spin_unlock(&tasks_lock);
	spin_lock(&p->sighand_lock);
	if (!t->stop_taken)
		is_void = true;
	t->stop_taken = false;
	return is_void;
}

enum outcome { NOTHING_LEFT, CALL_HANDLER, LOOK_AGAIN };

/* Does the default action of sig. Enters with sighand_lock held and leaves without it. */
static void default_action(struct process *p, int sig) __releases(&p->sighand_lock)
{
	switch (signal_default(sig)) {
	case DEFAULT_IGNORE:
		break;
	case DEFAULT_STOP:
		if (signal_unkillable(p) || (sig != SIGSTOP && stop_is_void(p, current)))
			break;
		stop(p, sig);
		return;
	default:
		if (!signal_unkillable(p))
			signal_end_group(p, sig);
	}
	spin_unlock(&p->sighand_lock);
}

/* SA_RESETHAND. Without memory for a table of its own the process cannot go on as it asked. */
static void reset_action(struct process *p, int sig, struct sigaction act)
    __must_hold(&p->sighand_lock)
{
	act.handler = SIG_DFL;
	if (sighand_own(p))
		signal_end_group(p, SIGKILL);
	else
		sighand_set_action(p, sig, &act);
}

/* One step of attending to signals. */
static enum outcome next_signal(struct task *t, struct siginfo *info, struct sigaction *act)
{
	struct process *p = t->proc;
	int sig;

	spin_lock(&p->sighand_lock);
	if (t->killed) {
		spin_unlock(&p->sighand_lock);
		task_exit(0);
	}
	if (p->continue_notify) {
		int code = p->continue_notify;

		p->continue_notify = 0;
		spin_unlock(&p->sighand_lock);
		signal_tell_parent(p, code, SIGCONT);
		return LOOK_AGAIN;
	}
	if (p->stop_sig) {
		join_stop(p, t);
		return LOOK_AGAIN;
	}
	sig = signal_take(t, ~t->blocked, info);
	signal_recalc(t);
	if (!sig) {
		spin_unlock(&p->sighand_lock);
		return NOTHING_LEFT;
	}
	*act = sighand_action(p, sig);
	if (act->handler > SIG_IGN && (act->flags & SA_RESETHAND))
		reset_action(p, sig, *act);
	if (act->handler == SIG_DFL) {
		default_action(p, sig);
		return LOOK_AGAIN;
	}
	spin_unlock(&p->sighand_lock);
	return act->handler == SIG_IGN ? LOOK_AGAIN : CALL_HANDLER;
}

/* How a call that a signal interrupted ends; act NULL: no handler will run. */
static void settle_call(struct regs *regs, const struct sigaction *act)
{
	bool again;

	if ((s64)regs->orig_rax < 0)
		return;
	switch (-(s64)regs->rax) {
	case ERESTARTNOINTR:
		again = true;
		break;
	case ERESTARTSYS:
		again = !act || (act->flags & SA_RESTART);
		break;
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		again = !act;
		break;
	default:
		return;
	}
	if (!again) {
		regs->rax = (u64)-EINTR;
	} else {
		bool by_block = -(s64)regs->rax == ERESTART_RESTARTBLOCK;

		regs->rax = by_block ? NR_restart_syscall : regs->orig_rax;
		regs->rip -= SYSCALL_INSN_SIZE;
	}
	/* Settled: a second signal must not do it once more. */
	regs->orig_rax = ~0ull;
}

static void call_handler(struct regs *regs, struct siginfo *info, const struct sigaction *act)
{
	struct task *t = current;
	int sig = info->signo;
	u64 old = t->restore_blocked ? t->saved_blocked : t->blocked;
	u64 mask = t->blocked | act->mask;

	settle_call(regs, act);
	if (arch_signal_deliver(regs, sig, info, act, old)) {
		log_debug("%s[%d]: no room for a signal frame at %llx", t->comm, t->tid,
			  (unsigned long long)regs->rsp);
		signal_force_segv(sig);
		return;
	}
	t->restore_blocked = false;
	if (!(act->flags & SA_NODEFER))
		mask |= SIGMASK(sig);
	signal_set_blocked(mask);
}

void signal_deliver(struct regs *regs)
{
	struct task *t = current;
	struct siginfo info;
	struct sigaction act;
	enum outcome what;

	do
		what = next_signal(t, &info, &act);
	while (what == LOOK_AGAIN);
	if (what == CALL_HANDLER) {
		call_handler(regs, &info, &act);
		return;
	}
	settle_call(regs, NULL);
	if (t->restore_blocked) {
		t->restore_blocked = false;
		signal_set_blocked(t->saved_blocked);
	}
}
