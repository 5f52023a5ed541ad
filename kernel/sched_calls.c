/*
 * System calls about scheduling: nice values, policies (sched(7)), CPUs. SCHED_BATCH and SCHED_IDLE are
 * remembered, and otherwise taken as SCHED_OTHER; SCHED_DEADLINE is refused with EPERM, as to one who may
 * not use it. What SCHED_FIFO and SCHED_RR do is in realtime.c.
 */
#include "kernel/process.h"

#include "arch/cpuinfo.h"
#include "arch/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"

enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };

#define SCHED_RESET_ON_FORK 0x40000000
#define RT_PRIORITY_MAX	    99

SYSCALL0(sched_yield)
{
	sched_give_up();
	return 0;
}

static int set_nice(struct task *t, s32 nice)
{
	const struct cred *me = &current->cred, *it = &t->cred;
	u64 limit = t->proc->rlimits[RLIMIT_NICE].cur;

	if (me->euid && me->euid != it->uid && me->euid != it->euid)
		return -EPERM;
	if (nice < t->nice && me->euid && (u64)(20 - nice) > limit)
		return -EACCES;
	WRITE_ONCE(t->nice, nice);
	return 0;
}

/* The task of a tid, or the current one for 0. Under tasks_lock. */
static struct task *of_tid(s32 tid) __must_hold(&tasks_lock)
{
	return tid ? task_lookup(tid) : current;
}

static bool prio_matches(const struct task *t, int which, s32 who)
{
	if (which == PRIO_PGRP)
		return t->proc->pgid == (who ? who : current->proc->pgid);
	return t->cred.uid == (who ? (u32)who : current->cred.uid);
}

/* The next task that `which` and `who` mean, after t, which is NULL at first. Under tasks_lock. */
static struct task *prio_next(struct task *t, int which, s32 who) __must_hold(&tasks_lock)
{
	struct process *p = t ? t->proc : process_first();
	struct list_head *at = t ? t->thread_link.next : p->threads.next;

	if (which == PRIO_PROCESS) {
		t = t ? NULL : of_tid(who);
		return t && !t->proc->zombie ? t : NULL;
	}
	for (;;) {
		for (; at != &p->threads; at = at->next) {
			t = list_entry(at, struct task, thread_link);
			if (prio_matches(t, which, who))
				return t;
		}
		p = process_after(p);
		if (!p)
			return NULL;
		at = p->threads.next;
	}
}

SYSCALL3(setpriority, int, which, s32, who, s32, nice)
{
	int result = -ESRCH;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	nice = max(min(nice, NICE_MAX), NICE_MIN);
	spin_lock(&tasks_lock);
	for (struct task *t = NULL; (t = prio_next(t, which, who));) {
		int err = set_nice(t, nice);

		if (err || result == -ESRCH)
			result = err;
	}
	spin_unlock(&tasks_lock);
	return result;
}

/* 20 - nice, so that no value looks like an error; the highest of those that match. */
SYSCALL2(getpriority, int, which, s32, who)
{
	int result = -ESRCH;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	spin_lock(&tasks_lock);
	for (struct task *t = NULL; (t = prio_next(t, which, who));)
		result = max(result, 20 - t->nice);
	spin_unlock(&tasks_lock);
	return result;
}

/* The task of this number, the current one for 0, referenced; or an errno. */
static struct task *task_of(s32 tid)
{
	struct task *t = current;

	if (tid < 0)
		return ERR_PTR(-EINVAL);
	if (!tid)
		task_get(t);
	else
		t = task_find(tid);
	return t ? t : ERR_PTR(-ESRCH);
}

/* ---- policies ---- */

/* What is asked for, or is so. */
struct policy {
	int policy; /* -1: as it is */
	bool reset_on_fork;
	s32 priority;
	s32 nice; /* NICE_MAX + 1: as it is */
};

static bool is_realtime(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static void get_policy(const struct task *t, struct policy *p)
{
	p->policy = READ_ONCE(t->sched_policy);
	p->reset_on_fork = READ_ONCE(t->reset_on_fork);
	p->priority = READ_ONCE(t->rt_priority);
	p->nice = t->nice;
}

static int policy_of(s32 tid, struct policy *p)
{
	struct task *t = task_of(tid);

	if (IS_ERR(t))
		return (int)PTR_ERR(t);
	get_policy(t, p);
	task_put(t);
	return 0;
}

static int check_policy(int policy, s32 priority)
{
	if (policy < SCHED_OTHER || policy > SCHED_DEADLINE || policy == SCHED_IDLE - 1)
		return -EINVAL;
	if (priority < 0 || priority > RT_PRIORITY_MAX || is_realtime(policy) != (priority != 0))
		return -EINVAL;
	return policy == SCHED_DEADLINE ? -EPERM : 0;
}

/* What one who is not root may change, as Linux's user_check_sched_setscheduler() decides. */
static int policy_permitted(const struct task *t, const struct policy *is, const struct policy *to)
{
	u64 most = t->proc->rlimits[RLIMIT_RTPRIO].cur;

	if (!current->cred.euid)
		return 0;
	if (is_realtime(to->policy) && ((to->policy != is->policy && !most) ||
					(to->priority > is->priority && (u64)to->priority > most)))
		return -EPERM;
	if (is->policy == SCHED_IDLE && to->policy != SCHED_IDLE &&
	    (u64)(20 - t->nice) > t->proc->rlimits[RLIMIT_NICE].cur)
		return -EPERM;
	if (current->cred.euid != t->cred.uid && current->cred.euid != t->cred.euid)
		return -EPERM;
	return is->reset_on_fork && !to->reset_on_fork ? -EPERM : 0;
}

/* Under tasks_lock, which orders those who change it at once. */
static int change_policy(struct task *t, struct policy to)
{
	struct policy is;
	int err;

	get_policy(t, &is);
	if (to.policy < 0) {
		to.policy = is.policy;
		to.reset_on_fork = is.reset_on_fork;
	}
	err = check_policy(to.policy, to.priority);
	if (!err)
		err = policy_permitted(t, &is, &to);
	if (!err && to.nice <= NICE_MAX)
		err = set_nice(t, to.nice) ? -EPERM : 0;
	if (!err)
		sched_set_policy(t, (u8)to.policy, to.reset_on_fork, (u8)to.priority);
	return err;
}

static int set_policy(s32 tid, struct policy to)
{
	struct task *t = task_of(tid);
	int err;

	if (IS_ERR(t))
		return (int)PTR_ERR(t);
	spin_lock(&tasks_lock);
	err = change_policy(t, to);
	spin_unlock(&tasks_lock);
	task_put(t);
	cond_resched();
	return err;
}

SYSCALL1(sched_getscheduler, s32, pid)
{
	struct policy p = {0};
	int err = policy_of(pid, &p);

	return err ? err : p.policy | (p.reset_on_fork ? SCHED_RESET_ON_FORK : 0);
}

SYSCALL3(sched_setscheduler, s32, pid, int, policy, const s32 __user *, param)
{
	struct policy p = {policy & ~SCHED_RESET_ON_FORK, policy & SCHED_RESET_ON_FORK, 0,
			   NICE_MAX + 1};

	if (!param || policy < 0 || pid < 0)
		return -EINVAL;
	if (get_user(p.priority, param))
		return -EFAULT;
	/* It has no deadline to give. */
	return p.policy == SCHED_DEADLINE ? -EINVAL : set_policy(pid, p);
}

SYSCALL2(sched_setparam, s32, pid, const s32 __user *, param)
{
	struct policy p = {.policy = -1, .nice = NICE_MAX + 1};

	if (!param || pid < 0)
		return -EINVAL;
	if (get_user(p.priority, param))
		return -EFAULT;
	return set_policy(pid, p);
}

SYSCALL2(sched_getparam, s32, pid, s32 __user *, param)
{
	struct policy p;
	int err = param ? policy_of(pid, &p) : -EINVAL;

	return err ? err : put_user(p.priority, param);
}

SYSCALL1(sched_get_priority_max, int, policy)
{
	if (is_realtime(policy))
		return RT_PRIORITY_MAX;
	return check_policy(policy, 0) == -EINVAL ? -EINVAL : 0;
}

SYSCALL1(sched_get_priority_min, int, policy)
{
	if (is_realtime(policy))
		return 1;
	return check_policy(policy, 0) == -EINVAL ? -EINVAL : 0;
}

SYSCALL2(sched_rr_get_interval, s32, pid, struct timespec __user *, to)
{
	struct policy p = {0};
	int err = policy_of(pid, &p);

	if (err)
		return err;
	return timespec_put(to, p.policy == SCHED_FIFO ? 0 : sched_slice_ns((u8)p.policy, p.nice));
}

#define SCHED_FLAG_RESET_ON_FORK 1u

struct sched_attr {
	u32 size, policy;
	u64 flags;
	s32 nice;
	u32 priority;
	u64 runtime, deadline, period;
};

SYSCALL4(sched_getattr, s32, pid, struct sched_attr __user *, to, u32, size, u32, flags)
{
	struct sched_attr a = {.size = sizeof(a)};
	struct policy p = {0};
	int err;

	if (!to || pid < 0 || size < sizeof(a) || size > PAGE_SIZE || flags)
		return -EINVAL;
	err = policy_of(pid, &p);
	if (err)
		return err;
	a.policy = (u32)p.policy;
	a.flags = p.reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
	a.nice = is_realtime(p.policy) ? 0 : p.nice;
	a.priority = (u32)p.priority;
	return copy_to_user(to, &a, sizeof(a)) ? -EFAULT : 0;
}

SYSCALL3(sched_setattr, s32, pid, const struct sched_attr __user *, from, u32, flags)
{
	struct sched_attr a;
	struct policy p;

	if (!from || pid < 0 || flags)
		return -EINVAL;
	if (copy_from_user(&a, from, sizeof(a)))
		return -EFAULT;
	if (a.size < sizeof(a))
		return a.size ? -E2BIG : -EINVAL;
	if (a.flags & ~(u64)SCHED_FLAG_RESET_ON_FORK || a.policy > SCHED_DEADLINE ||
	    a.priority > RT_PRIORITY_MAX)
		return -EINVAL;
	p = (struct policy){(int)a.policy, a.flags & SCHED_FLAG_RESET_ON_FORK, (s32)a.priority,
			    NICE_MAX + 1};
	if (!is_realtime(p.policy))
		p.nice = max(min(a.nice, NICE_MAX), NICE_MIN);
	return set_policy(pid, p);
}

/* ---- CPUs ---- */

/* CPUs that there are, as a mask. */
static u64 possible_cpus(void)
{
	return ~0ull >> (64 - cpu_count());
}

/* As set_nice() asks for the right to change another's task. */
static int affinity_permitted(const struct task *t)
{
	const struct cred *me = &current->cred, *it = &t->cred;

	return me->euid && me->euid != it->uid && me->euid != it->euid ? -EPERM : 0;
}

SYSCALL3(sched_getaffinity, s32, tid, u32, size, u64 __user *, to)
{
	struct task *t;
	u64 mask;

	/* In bits, as Linux counts: a mask that has no room for the last CPU is refused. */
	if (size * 8 < cpu_count() || size % sizeof(mask))
		return -EINVAL;
	t = tid < 0 ? ERR_PTR(-ESRCH) : task_of(tid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	mask = atomic_load(&t->cpu_mask) & possible_cpus();
	task_put(t);
	return copy_to_user(to, &mask, sizeof(mask)) ? -EFAULT : (long)sizeof(mask);
}

SYSCALL3(sched_setaffinity, s32, tid, u32, size, const u64 __user *, from)
{
	struct task *t;
	u64 mask = 0;
	int err;

	if (copy_from_user(&mask, from, min(size, (u32)sizeof(mask))))
		return -EFAULT;
	t = tid < 0 ? ERR_PTR(-ESRCH) : task_of(tid);
	if (IS_ERR(t))
		return (int)PTR_ERR(t);
	err = affinity_permitted(t);
	if (!err)
		err = sched_set_affinity(t, mask);
	task_put(t);
	return err;
}

SYSCALL3(getcpu, u32 __user *, cpu, u32 __user *, node, void __user *, unused)
{
	(void)unused;
	if (cpu && put_user(cpu_id(), cpu))
		return -EFAULT;
	return node && put_user(0, node) ? -EFAULT : 0;
}

/* ---- priorities of input and output: remembered, and no more: nothing queues for a disk ---- */

enum { IOPRIO_NONE, IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE };

#define IOPRIO_CLASS_SHIFT 13
#define IOPRIO_LEVEL_MASK  7 /* the bits between are hints, and kept */
#define IOPRIO_WHO	   1 /* IOPRIO_WHO_PROCESS and its kin are PRIO_PROCESS and its kin, and one more */

static int check_ioprio(int prio)
{
	switch (prio >> IOPRIO_CLASS_SHIFT) {
	case IOPRIO_RT:
		return current->cred.euid ? -EPERM : 0;
	case IOPRIO_BE:
	case IOPRIO_IDLE:
		return 0;
	case IOPRIO_NONE:
		return prio & IOPRIO_LEVEL_MASK ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

static int set_ioprio(struct task *t, int prio)
{
	const struct cred *me = &current->cred;

	if (me->euid && t->cred.uid != me->euid && t->cred.uid != me->uid)
		return -EPERM;
	WRITE_ONCE(t->ioprio, (u16)prio);
	return 0;
}

SYSCALL3(ioprio_set, int, which, s32, who, int, prio)
{
	int result = check_ioprio(prio);

	if (result)
		return result;
	if (which < IOPRIO_WHO + PRIO_PROCESS || which > IOPRIO_WHO + PRIO_USER)
		return -EINVAL;
	which -= IOPRIO_WHO;
	result = -ESRCH;
	spin_lock(&tasks_lock);
	for (struct task *t = NULL; (t = prio_next(t, which, who));) {
		result = set_ioprio(t, prio);
		if (result)
			break;
	}
	spin_unlock(&tasks_lock);
	return result;
}

/* What counts for one that has none: as its policy and its nice value say. */
static int effective_ioprio(const struct task *t)
{
	int class = IOPRIO_BE, policy = READ_ONCE(t->sched_policy);

	if (t->ioprio >> IOPRIO_CLASS_SHIFT != IOPRIO_NONE)
		return t->ioprio;
	if (policy == SCHED_IDLE)
		class = IOPRIO_IDLE;
	else if (is_realtime(policy))
		class = IOPRIO_RT;
	return class << IOPRIO_CLASS_SHIFT | (t->nice + 20) / 5;
}

/* The best of those that match; of one alone, what was set. */
SYSCALL2(ioprio_get, int, which, s32, who)
{
	int result = -ESRCH;

	if (which < IOPRIO_WHO + PRIO_PROCESS || which > IOPRIO_WHO + PRIO_USER)
		return -EINVAL;
	which -= IOPRIO_WHO;
	spin_lock(&tasks_lock);
	for (struct task *t = NULL; (t = prio_next(t, which, who));) {
		int prio = which == PRIO_PROCESS ? t->ioprio : effective_ioprio(t);

		result = result < 0 ? prio : min(result, prio);
	}
	spin_unlock(&tasks_lock);
	return result;
}
