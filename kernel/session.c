/* Process ids, groups and sessions. */
#include "kernel/process.h"

#include "kernel/syscalls.h"

SYSCALL0(getpid)
{
	return current->proc->pid;
}

SYSCALL0(gettid)
{
	return current->tid;
}

SYSCALL0(getppid)
{
	return process_ppid(current->proc);
}

/* The process of a task's number, or the current one for 0. Under tasks_lock. */
static struct process *of_pid(s32 pid) __must_hold(&tasks_lock)
{
	struct task *t = pid ? task_lookup(pid) : current;

	return t ? t->proc : NULL;
}

SYSCALL1(getpgid, s32, pid)
{
	struct process *p;
	s32 pgid;

	spin_lock(&tasks_lock);
	p = of_pid(pid);
	pgid = p ? p->pgid : -ESRCH;
	spin_unlock(&tasks_lock);
	return pgid;
}

SYSCALL0(getpgrp)
{
	return current->proc->pgid;
}

SYSCALL1(getsid, s32, pid)
{
	struct process *p;
	s32 sid;

	spin_lock(&tasks_lock);
	p = of_pid(pid);
	sid = p ? p->sid : -ESRCH;
	spin_unlock(&tasks_lock);
	return sid;
}

/* True where the group has a member in this session. Under tasks_lock. */
static bool group_in_session(s32 pgid, s32 sid) __must_hold(&tasks_lock)
{
	for (struct process *p = process_first(); p; p = process_after(p))
		if (p->pgid == pgid && p->sid == sid)
			return true;
	return false;
}

static int set_group(s32 pid, s32 pgid) __must_hold(&tasks_lock)
{
	struct process *me = current->proc, *p = of_pid(pid);

	if (!p)
		return -ESRCH;
	if (p->pid != pid)
		return -EINVAL;
	if (p != me) {
		if (p->parent != me)
			return -ESRCH;
		if (p->sid != me->sid)
			return -EPERM;
		if (p->did_exec)
			return -EACCES;
	}
	if (p->sid == p->pid)
		return -EPERM;
	if (pgid != p->pid && !group_in_session(pgid, me->sid))
		return -EPERM;
	if (p->pgid != pgid) {
		pid_drop(p->pgid);
		p->pgid = pgid;
		pid_hold(pgid);
	}
	return 0;
}

SYSCALL2(setpgid, s32, pid, s32, pgid)
{
	int err;

	if (!pid)
		pid = current->proc->pid;
	if (!pgid)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	spin_lock(&tasks_lock);
	err = set_group(pid, pgid);
	spin_unlock(&tasks_lock);
	return err;
}

static bool group_exists(s32 pgid) __must_hold(&tasks_lock)
{
	for (struct process *p = process_first(); p; p = process_after(p))
		if (p->pgid == pgid)
			return true;
	return false;
}

SYSCALL0(setsid)
{
	struct process *p = current->proc;
	long err = p->pid;

	spin_lock(&tasks_lock);
	if (p->sid == p->pid || group_exists(p->pid)) {
		err = -EPERM;
	} else {
		pid_drop(p->pgid);
		pid_drop(p->sid);
		p->pgid = p->sid = p->pid;
		pid_hold(p->pid);
		pid_hold(p->pid);
		p->tty = NULL;
	}
	spin_unlock(&tasks_lock);
	return err;
}

SYSCALL1(set_tid_address, u32 __user *, tid)
{
	current->clear_child_tid = tid;
	return current->tid;
}
