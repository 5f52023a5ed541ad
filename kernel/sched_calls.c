/*
 * System calls about scheduling: nice values, and the policies of which there is one, SCHED_OTHER.
 * SCHED_BATCH and SCHED_IDLE are taken as it; real-time policies are refused with EPERM, as to one
 * who may not use them.
 */
#include "kernel/process.h"

#include "arch/cpuinfo.h"
#include "arch/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"

enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };

enum {
	SCHED_OTHER = 0,
	SCHED_FIFO = 1,
	SCHED_RR = 2,
	SCHED_BATCH = 3,
	SCHED_IDLE = 5,
	SCHED_DEADLINE = 6
};

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

/* The nice value of this task, or -ESRCH where there is none. */
static int check_pid(s32 pid, s32 *nice)
{
	struct task *t;

	if (pid < 0)
		return -EINVAL;
	spin_lock(&tasks_lock);
	t = of_tid(pid);
	if (t)
		*nice = t->nice;
	spin_unlock(&tasks_lock);
	return t ? 0 : -ESRCH;
}

SYSCALL1(sched_getscheduler, s32, pid)
{
	s32 nice;

	return check_pid(pid, &nice);
}

static int check_policy(int policy, s32 priority)
{
	switch (policy & ~SCHED_RESET_ON_FORK) {
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
		return priority ? -EINVAL : 0;
	case SCHED_FIFO:
	case SCHED_RR:
		return priority < 1 || priority > RT_PRIORITY_MAX ? -EINVAL : -EPERM;
	case SCHED_DEADLINE:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

SYSCALL3(sched_setscheduler, s32, pid, int, policy, const s32 __user *, param)
{
	s32 priority, nice;
	int err;

	if (!param || policy < 0 || pid < 0)
		return -EINVAL;
	if (get_user(priority, param))
		return -EFAULT;
	err = check_pid(pid, &nice);
	return err ? err : check_policy(policy, priority);
}

SYSCALL2(sched_setparam, s32, pid, const s32 __user *, param)
{
	s32 priority, nice;
	int err;

	if (!param || pid < 0)
		return -EINVAL;
	if (get_user(priority, param))
		return -EFAULT;
	err = check_pid(pid, &nice);
	return err ? err : check_policy(SCHED_OTHER, priority);
}

SYSCALL2(sched_getparam, s32, pid, s32 __user *, param)
{
	s32 nice;
	int err = param ? check_pid(pid, &nice) : -EINVAL;

	return err ? err : put_user(0, param);
}

SYSCALL1(sched_get_priority_max, int, policy)
{
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return RT_PRIORITY_MAX;
	return check_policy(policy, 0) == -EINVAL ? -EINVAL : 0;
}

SYSCALL1(sched_get_priority_min, int, policy)
{
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return 1;
	return check_policy(policy, 0) == -EINVAL ? -EINVAL : 0;
}

SYSCALL2(sched_rr_get_interval, s32, pid, struct timespec __user *, to)
{
	s32 nice;
	int err = check_pid(pid, &nice);

	return err ? err : timespec_put(to, sched_slice_ns(nice));
}

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
	int err;

	if (!to || pid < 0 || size < sizeof(a) || size > PAGE_SIZE || flags)
		return -EINVAL;
	err = check_pid(pid, &a.nice);
	if (err)
		return err;
	return copy_to_user(to, &a, sizeof(a)) ? -EFAULT : 0;
}

SYSCALL3(sched_setattr, s32, pid, const struct sched_attr __user *, from, u32, flags)
{
	struct sched_attr a;
	struct task *t;
	s32 nice;
	int err;

	if (!from || pid < 0 || flags)
		return -EINVAL;
	if (copy_from_user(&a, from, sizeof(a)))
		return -EFAULT;
	if (a.size < sizeof(a))
		return a.size ? -E2BIG : -EINVAL;
	err = check_pid(pid, &nice);
	if (!err)
		err = check_policy((int)a.policy, (s32)a.priority);
	if (err)
		return err;
	spin_lock(&tasks_lock);
	t = of_tid(pid);
	err = t ? set_nice(t, max(min(a.nice, NICE_MAX), NICE_MIN)) : -ESRCH;
	spin_unlock(&tasks_lock);
	return err;
}

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

/* The task of this number, the current one for 0, referenced; or NULL. */
static struct task *task_of(s32 tid)
{
	if (tid)
		return task_find(tid);
	task_get(current);
	return current;
}

SYSCALL3(sched_getaffinity, s32, tid, u32, size, u64 __user *, to)
{
	struct task *t;
	u64 mask;

	/* In bits, as Linux counts: a mask that has no room for the last CPU is refused. */
	if (size * 8 < cpu_count() || size % sizeof(mask) || tid < 0)
		return -EINVAL;
	t = task_of(tid);
	if (!t)
		return -ESRCH;
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
	if (tid < 0)
		return -ESRCH;
	t = task_of(tid);
	if (!t)
		return -ESRCH;
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

enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_WHO_USER = 3 };

/* There is no queue of disk requests for a priority to act on: the default class is all there is.
 */
SYSCALL2(ioprio_get, int, which, s32, who)
{
	s32 nice;

	if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER)
		return -EINVAL;
	return which == IOPRIO_WHO_PROCESS ? check_pid(who, &nice) : 0;
}
