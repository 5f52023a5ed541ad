/* prctl(2), personality(2), arch_prctl(2), resource limits: what a process sets about itself. */
#include "kernel/process.h"

#include "arch/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"

enum {
	PR_SET_PDEATHSIG = 1,
	PR_GET_PDEATHSIG = 2,
	PR_GET_DUMPABLE = 3,
	PR_SET_DUMPABLE = 4,
	PR_GET_KEEPCAPS = 7,
	PR_SET_KEEPCAPS = 8,
	PR_GET_TIMING = 13,
	PR_SET_TIMING = 14,
	PR_SET_NAME = 15,
	PR_GET_NAME = 16,
	PR_GET_SECCOMP = 21,
	PR_CAPBSET_READ = 23,
	PR_GET_TSC = 25,
	PR_SET_TSC = 26,
	PR_GET_SECUREBITS = 27,
	PR_SET_TIMERSLACK = 29,
	PR_GET_TIMERSLACK = 30,
	PR_SET_CHILD_SUBREAPER = 36,
	PR_GET_CHILD_SUBREAPER = 37,
	PR_SET_NO_NEW_PRIVS = 38,
	PR_GET_NO_NEW_PRIVS = 39,
	PR_GET_TID_ADDRESS = 40,
	PR_SET_THP_DISABLE = 41,
	PR_GET_THP_DISABLE = 42,
};

#define TIMER_SLACK_NS 50000
#define PR_TSC_ENABLE  1

static long set_name(const char __user *from)
{
	char name[TASK_COMM_LEN] = {0};

	if (strncpy_from_user(name, from, TASK_COMM_LEN - 1) < 0)
		return -EFAULT;
	spin_lock(&tasks_lock);
	memcpy(current->comm, name, TASK_COMM_LEN);
	spin_unlock(&tasks_lock);
	return 0;
}

static long set_dumpable(u64 value)
{
	if (value > 1)
		return -EINVAL;
	current->proc->dumpable = value;
	return 0;
}

static long set_flag(bool *flag, u64 value, bool one_way)
{
	if (one_way && value != 1)
		return -EINVAL;
	*flag = value;
	return 0;
}

static long get_settings(int option, u64 arg)
{
	struct process *p = current->proc;

	switch (option) {
	case PR_GET_PDEATHSIG:
		return put_user(p->pdeath_signal, (int __user *)arg);
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_GET_CHILD_SUBREAPER:
		return put_user(p->child_subreaper ? 1 : 0, (int __user *)arg);
	case PR_GET_NO_NEW_PRIVS:
		return p->no_new_privs;
	case PR_GET_TID_ADDRESS:
		return put_user((u64)current->clear_child_tid, (u64 __user *)arg);
	case PR_GET_TIMERSLACK:
		return TIMER_SLACK_NS;
	case PR_GET_TSC:
		return put_user(PR_TSC_ENABLE, (int __user *)arg);
	case PR_CAPBSET_READ:
		return arg > CAP_LAST ? -EINVAL : 1;
	case PR_GET_KEEPCAPS:
		return current->cred.keep_caps;
	case PR_GET_TIMING:
	case PR_GET_SECCOMP:
	case PR_GET_SECUREBITS:
	case PR_GET_THP_DISABLE:
		return 0;
	default:
		return -EINVAL;
	}
}

SYSCALL5(prctl, int, option, u64, arg2, u64, arg3, u64, arg4, u64, arg5)
{
	struct process *p = current->proc;

	switch (option) {
	case PR_SET_NAME:
		return set_name((const char __user *)arg2);
	case PR_GET_NAME:
		return copy_to_user((char __user *)arg2, current->comm, TASK_COMM_LEN) ? -EFAULT
										       : 0;
	case PR_SET_PDEATHSIG:
		if (arg2 > NSIG)
			return -EINVAL;
		p->pdeath_signal = (int)arg2;
		return 0;
	case PR_SET_DUMPABLE:
		return set_dumpable(arg2);
	case PR_SET_CHILD_SUBREAPER:
		return set_flag(&p->child_subreaper, arg2, false);
	case PR_SET_NO_NEW_PRIVS:
		if (arg3 || arg4 || arg5)
			return -EINVAL;
		return set_flag(&p->no_new_privs, arg2, true);
	case PR_SET_KEEPCAPS:
		if (arg2 > 1)
			return -EINVAL;
		return set_flag(&current->cred.keep_caps, arg2, false);
	case PR_SET_TIMING:
		return arg2 ? -EINVAL : 0;
	case PR_SET_TIMERSLACK:
		return 0;
	case PR_SET_TSC:
		return arg2 == PR_TSC_ENABLE ? 0 : -EINVAL;
	default:
		return get_settings(option, arg2);
	}
}

#define PERSONALITY_QUERY 0xffffffffu

SYSCALL1(personality, u32, value)
{
	u32 old = current->personality;

	if (value != PERSONALITY_QUERY)
		current->personality = value;
	return old;
}

enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS };

SYSCALL2(arch_prctl, int, code, u64, addr)
{
	switch (code) {
	case ARCH_SET_GS:
		return arch_set_gsbase(addr);
	case ARCH_SET_FS:
		return arch_set_fsbase(addr);
	case ARCH_GET_FS:
		return put_user(arch_fsbase(current), (u64 __user *)addr);
	case ARCH_GET_GS:
		return put_user(arch_gsbase(current), (u64 __user *)addr);
	default:
		return -EINVAL;
	}
}

/* ---- limits ---- */

static int check_limit(unsigned which, const struct rlimit *new, const struct rlimit *old)
{
	if (new->cur > new->max)
		return -EINVAL;
	if (new->max > old->max && !task_is_root(current))
		return -EPERM;
	if (which == RLIMIT_NOFILE && new->max > NR_OPEN_MAX)
		return -EPERM;
	return 0;
}

static int set_limit(struct process *p, unsigned which, const struct rlimit *new,
		     struct rlimit *old)
{
	int err = 0;

	spin_lock(&p->sighand_lock);
	*old = p->rlimits[which];
	if (new)
		err = check_limit(which, new, old);
	if (new && !err)
		p->rlimits[which] = *new;
	spin_unlock(&p->sighand_lock);
	return err;
}

static int may_limit(const struct task *t)
{
	const struct cred *me = &current->cred, *it = &t->cred;

	if (t->proc == current->proc || me->euid == 0)
		return 0;
	return me->uid == it->uid && me->uid == it->euid && me->uid == it->suid ? 0 : -EPERM;
}

static long limit_call(s32 pid, unsigned which, const struct rlimit __user *unew,
		       struct rlimit __user *uold)
{
	struct rlimit new, old;
	struct process *p;
	struct task *t;
	int err = -ESRCH;

	if (which >= NR_RLIMITS)
		return -EINVAL;
	if (unew && copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	spin_lock(&tasks_lock);
	t = pid ? task_lookup(pid) : current;
	if (t) {
		p = t->proc;
		process_get(p);
		err = may_limit(t);
	}
	spin_unlock(&tasks_lock);
	if (!t)
		return err;
	if (!err)
		err = set_limit(p, which, unew ? &new : NULL, &old);
	process_put(p);
	if (!err && uold && copy_to_user(uold, &old, sizeof(old)))
		return -EFAULT;
	return err;
}

SYSCALL4(prlimit64, s32, pid, u32, which, const struct rlimit __user *, new, struct rlimit __user *,
	 old)
{
	return limit_call(pid, which, new, old);
}

SYSCALL2(getrlimit, u32, which, struct rlimit __user *, old)
{
	long err = limit_call(0, which, NULL, old);

	return !err && !old ? -EFAULT : err;
}

SYSCALL2(setrlimit, u32, which, const struct rlimit __user *, new)
{
	return new ? limit_call(0, which, new, NULL) : -EFAULT;
}
