/* System calls that send signals. */
#include "kernel/process.h"

#include "arch/uaccess.h"
#include "kernel/fs/pidfd.h"
#include "kernel/syscalls.h"

static bool signal_valid(int sig)
{
	return sig >= 0 && sig <= NSIG;
}

static struct siginfo own_info(int sig, int code)
{
	struct siginfo info = {.signo = sig, .code = code};

	info.kill.pid = current->proc->pid;
	info.kill.uid = current->cred.uid;
	return info;
}

/* Only to oneself may one pretend to be the kernel or kill(2). */
static bool from_kernel(const struct siginfo *info)
{
	return info->code >= 0 || info->code == SI_TKILL;
}

/* Signals p (sig 0: only asks whether it may). Under tasks_lock. */
static int send_checked(struct process *p, int sig, const struct siginfo *info)
{
	int err = signal_permitted(p, sig);

	return err || !sig ? err : signal_process(p, sig, info);
}

/* As on Linux, being refused by all is no failure, and the kernel's own threads count as somebody. */
static int kill_all(int sig, const struct siginfo *info) __must_hold(&tasks_lock)
{
	int result = 0;
	bool any = false;

	for (struct process *p = process_first(); p; p = process_after(p)) {
		int err;

		if (p->pid <= 1 || p == current->proc)
			continue;
		any = true;
		err = p->kthread ? -EPERM : send_checked(p, sig, info);
		if (err != -EPERM)
			result = err;
	}
	return any ? result : -ESRCH;
}

static int kill_locked(s32 pid, int sig, const struct siginfo *info) __must_hold(&tasks_lock)
{
	struct task *t;

	if (pid == 0)
		return signal_group_locked(current->proc->pgid, sig, info, true);
	if (pid == -1)
		return kill_all(sig, info);
	if (pid < 0)
		return pid == INT32_MIN ? -ESRCH : signal_group_locked(-pid, sig, info, true);
	/* The number of any of its tasks stands for the process. */
	t = task_lookup(pid);
	return t ? send_checked(t->proc, sig, info) : -ESRCH;
}

SYSCALL2(kill, s32, pid, int, sig)
{
	struct siginfo info = own_info(sig, SI_USER);
	int err;

	if (!signal_valid(sig))
		return -EINVAL;
	spin_lock(&tasks_lock);
	err = kill_locked(pid, sig, &info);
	spin_unlock(&tasks_lock);
	return err;
}

/* To the task tid, of the process tgid where that is not 0. */
static int kill_task(s32 tgid, s32 tid, int sig, const struct siginfo *info)
{
	struct task *t;
	int err = -ESRCH;

	spin_lock(&tasks_lock);
	t = task_lookup(tid);
	if (t && (!tgid || t->proc->pid == tgid)) {
		err = signal_permitted(t->proc, sig);
		if (!err && sig)
			err = signal_task(t, sig, info);
	}
	spin_unlock(&tasks_lock);
	return err;
}

SYSCALL2(tkill, s32, tid, int, sig)
{
	struct siginfo info = own_info(sig, SI_TKILL);

	if (tid <= 0 || !signal_valid(sig))
		return -EINVAL;
	return kill_task(0, tid, sig, &info);
}

SYSCALL3(tgkill, s32, tgid, s32, tid, int, sig)
{
	struct siginfo info = own_info(sig, SI_TKILL);

	if (tgid <= 0 || tid <= 0 || !signal_valid(sig))
		return -EINVAL;
	return kill_task(tgid, tid, sig, &info);
}

SYSCALL4(pidfd_send_signal, s32, fd, int, sig, const struct siginfo __user *, uinfo, u32, flags)
{
	struct siginfo info = own_info(sig, SI_USER);
	struct process *p;
	int err = 0;

	if (flags)
		return -EINVAL;
	p = pidfd_or_folder_get(fd);
	if (IS_ERR(p))
		return PTR_ERR(p);
	if (uinfo && copy_from_user(&info, uinfo, sizeof(info)))
		err = -EFAULT;
	else if (!signal_valid(sig) || info.signo != sig)
		err = -EINVAL;
	else if (p != current->proc && uinfo && from_kernel(&info))
		err = -EPERM;
	if (!err) {
		spin_lock(&tasks_lock);
		err = p->reaped ? -ESRCH : send_checked(p, sig, &info);
		spin_unlock(&tasks_lock);
	}
	process_put(p);
	return err;
}

static int get_info(struct siginfo *info, const struct siginfo __user *uinfo, int sig, s32 pid)
{
	if (copy_from_user(info, uinfo, sizeof(*info)))
		return -EFAULT;
	info->signo = sig;
	if (from_kernel(info) && pid != current->proc->pid)
		return -EPERM;
	return 0;
}

SYSCALL3(rt_sigqueueinfo, s32, pid, int, sig, const struct siginfo __user *, uinfo)
{
	struct siginfo info;
	int err = get_info(&info, uinfo, sig, pid);

	if (err)
		return err;
	if (!signal_valid(sig))
		return -EINVAL;
	spin_lock(&tasks_lock);
	err = pid > 0 ? kill_locked(pid, sig, &info) : -ESRCH;
	spin_unlock(&tasks_lock);
	return err;
}

SYSCALL4(rt_tgsigqueueinfo, s32, tgid, s32, tid, int, sig, const struct siginfo __user *, uinfo)
{
	struct siginfo info;
	int err;

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	err = get_info(&info, uinfo, sig, current->tid == tid ? current->proc->pid : 0);
	if (err)
		return err;
	if (!signal_valid(sig))
		return -EINVAL;
	return kill_task(tgid, tid, sig, &info);
}
