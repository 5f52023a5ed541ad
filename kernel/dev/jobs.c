/*
 * Terminals and job control: controlling terminals, foreground groups, and who may read.
 *
 * The number of a foreground group is held, so that no new group gets a signal that is not for it. It
 * is signalled when the session's leader ends. Where the terminal has gone by then, the leader has
 * the number in old_pgrp: hanging up is commonly what it ends of.
 */
#include "arch/uaccess.h"
#include "kernel/dev/tty.h"
#include "kernel/process.h"
#include "kernel/task.h"

int tty_check_foreground(struct tty *tty, int sig)
{
	struct process *p = current->proc;
	bool foreground, orphaned;

	spin_lock(&tasks_lock);
	foreground = p->tty != tty || !tty->pgrp || tty->pgrp == p->pgid;
	orphaned = !foreground && group_is_orphaned(p->pgid, NULL);
	spin_unlock(&tasks_lock);
	if (foreground)
		return 0;
	if (signal_is_ignored(sig) || signal_is_blocked(sig))
		return sig == SIGTTIN ? -EIO : 0;
	if (orphaned)
		return -EIO;
	signal_group(p->pgid, sig, NULL);
	return -ERESTARTSYS;
}

void tty_send_signals(struct tty *tty)
{
	u32 signals;
	s32 pgrp;

	spin_lock(&tty->lock);
	signals = tty->signals;
	tty->signals = 0;
	spin_unlock(&tty->lock);
	if (!signals)
		return;
	spin_lock(&tasks_lock);
	pgrp = tty->pgrp;
	spin_unlock(&tasks_lock);
	for (; pgrp && signals; signals &= signals - 1)
		signal_group(pgrp, __builtin_ctz(signals), NULL);
}

/* Puts another group's number, or none, in a place that holds one. Under tasks_lock. */
static void change_pgrp(s32 *place, s32 pgrp) __must_hold(&tasks_lock)
{
	if (pgrp)
		pid_hold(pgrp);
	if (*place)
		pid_drop(*place);
	*place = pgrp;
}

/* Under tasks_lock. */
static void take_terminal(struct tty *tty) __must_hold(&tasks_lock)
{
	struct process *p = current->proc;

	tty->session = p->sid;
	change_pgrp(&tty->pgrp, p->pgid);
	p->tty = tty;
	change_pgrp(&p->old_pgrp, 0);
}

/* Under tasks_lock: no process of the session has the terminal any more. */
static void leave_session(struct tty *tty) __must_hold(&tasks_lock)
{
	for (struct process *p = process_first(); p; p = process_after(p))
		if (p->tty == tty)
			p->tty = NULL;
	tty->session = 0;
	change_pgrp(&tty->pgrp, 0);
}

void tty_open_controlling(struct tty *tty)
{
	struct process *p = current->proc;

	spin_lock(&tasks_lock);
	if (p->pid == p->sid && !p->tty && !tty->session && !READ_ONCE(tty->hung_up))
		take_terminal(tty);
	spin_unlock(&tasks_lock);
}

/* TIOCSCTTY: `steal` takes it from another session, by root alone. */
static long set_controlling(struct tty *tty, bool steal)
{
	struct process *p = current->proc;
	long err = 0;

	spin_lock(&tasks_lock);
	if (p->pid == p->sid && p->tty == tty && tty->session == p->sid) {
		spin_unlock(&tasks_lock);
		return 0;
	}
	if (READ_ONCE(tty->hung_up))
		err = -EIO; /* it was set before tty_hang_up() */
	else if (p->pid != p->sid || p->tty)
		err = -EPERM;
	else if (tty->session && !(steal && current->cred.euid == 0))
		err = -EPERM;
	if (!err) {
		if (tty->session)
			leave_session(tty);
		take_terminal(tty);
	}
	spin_unlock(&tasks_lock);
	return err;
}

void tty_hang_up(struct tty *tty)
{
	struct process *leader;

	spin_lock(&tasks_lock);
	leader = tty->session ? process_lookup(tty->session) : NULL;
	if (leader)
		change_pgrp(&leader->old_pgrp, tty->pgrp);
	leave_session(tty);
	if (leader) {
		signal_process(leader, SIGHUP, NULL);
		signal_process(leader, SIGCONT, NULL);
	}
	spin_unlock(&tasks_lock);
}

void tty_session_end(struct process *leader)
{
	struct tty *tty;

	spin_lock(&tasks_lock);
	tty = leader->tty;
	if (tty && tty->session == leader->sid) {
		change_pgrp(&leader->old_pgrp, tty->pgrp);
		leave_session(tty);
	}
	if (leader->old_pgrp) {
		signal_group_locked(leader->old_pgrp, SIGHUP, NULL, false);
		signal_group_locked(leader->old_pgrp, SIGCONT, NULL, false);
		change_pgrp(&leader->old_pgrp, 0);
	}
	spin_unlock(&tasks_lock);
}

/* TIOCNOTTY: the process gives its terminal up; a leader, for its whole session. */
static long give_up_controlling(struct tty *tty)
{
	struct process *p = current->proc;
	bool leader;

	spin_lock(&tasks_lock);
	if (p->tty != tty) {
		spin_unlock(&tasks_lock);
		return -ENOTTY;
	}
	leader = p->pid == p->sid;
	if (!leader)
		p->tty = NULL;
	spin_unlock(&tasks_lock);
	if (leader)
		tty_session_end(p);
	return 0;
}

static bool group_in_session(s32 pgrp, s32 sid, bool *exists) __must_hold(&tasks_lock)
{
	*exists = false;
	for (struct process *p = process_first(); p; p = process_after(p)) {
		if (p->pgid != pgrp)
			continue;
		*exists = true;
		if (p->sid == sid)
			return true;
	}
	return false;
}

static long set_foreground(struct tty *tty, const s32 __user *arg)
{
	struct process *p = current->proc;
	bool exists;
	s32 pgrp;
	long err = tty_check_foreground(tty, SIGTTOU);

	if (err)
		return err;
	if (get_user(pgrp, arg))
		return -EFAULT;
	spin_lock(&tasks_lock);
	if (p->tty != tty || tty->session != p->sid)
		err = -ENOTTY;
	else if (pgrp < 0)
		err = -EINVAL;
	else if (!group_in_session(pgrp, p->sid, &exists))
		err = exists ? -EPERM : -ESRCH;
	else
		change_pgrp(&tty->pgrp, pgrp);
	spin_unlock(&tasks_lock);
	return err;
}

long tty_job_ioctl(struct tty *tty, u32 cmd, u64 arg)
{
	s32 __user *out = (s32 __user *)arg;
	struct process *p = current->proc;
	bool own;
	s32 pgrp, session;

	switch (cmd) {
	case TIOCSCTTY:
		return set_controlling(tty, arg == 1);
	case TIOCNOTTY:
		return give_up_controlling(tty);
	case TIOCSPGRP:
		return set_foreground(tty, out);
	case TIOCGPGRP:
	case TIOCGSID:
		spin_lock(&tasks_lock);
		own = p->tty == tty;
		pgrp = tty->pgrp;
		session = tty->session;
		spin_unlock(&tasks_lock);
		if (!own || (cmd == TIOCGSID && !session))
			return -ENOTTY;
		return put_user(cmd == TIOCGPGRP ? pgrp : session, out);
	default:
		return -ENOTTY;
	}
}
