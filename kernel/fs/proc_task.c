/* Looking at a process for /proc: whether it is still there, who may look, and a copy of what is
 * shown. */
#include "kernel/fs/proc.h"

#include "kernel/dev/tty.h"
#include "kernel/errno.h"
#include "kernel/lib/string.h"

struct task *proc_task(const struct proc_node *n)
{
	struct task *t;

	if (READ_ONCE(n->proc->reaped))
		return NULL;
	if (!n->tid || n->tid == n->proc->leader->tid)
		return n->proc->leader;
	list_for_each (t, &n->proc->threads, thread_link)
		if (t->tid == n->tid)
			return t;
	return NULL;
}

bool proc_gone(const struct proc_node *n)
{
	bool gone;

	/* Read without a lock: it only ever becomes true. */
	if (!n->proc || READ_ONCE(n->proc->reaped))
		return n->proc;
	if (!n->tid)
		return false;
	spin_lock(&n->proc->sighand_lock);
	gone = !proc_task(n);
	spin_unlock(&n->proc->sighand_lock);
	return gone;
}

void proc_owner(const struct proc_node *n, u32 *uid, u32 *gid)
{
	const struct process *p = n->proc;

	/* What a program that must not be looked into owns, it owns as root. Directories stay the
	 * user's. */
	if (p->kthread || (!p->dumpable && n->entry->mode != (S_IFDIR | 0555))) {
		*uid = *gid = 0;
	} else {
		*uid = atomic_load(&p->euid);
		*gid = atomic_load(&p->egid);
	}
}

static int may_look_locked(const struct proc_node *n) __must_hold(&tasks_lock)
{
	const struct task *t = proc_task(n);

	if (!t)
		return -ESRCH;
	return task_may_look(t) ? 0 : -EACCES;
}

int proc_may_look(const struct proc_node *n)
{
	int err;

	spin_lock(&tasks_lock);
	err = may_look_locked(n);
	spin_unlock(&tasks_lock);
	return err;
}

struct mm *proc_mm(const struct proc_node *n)
{
	struct mm *mm = NULL;
	struct task *t;

	spin_lock(&n->proc->sighand_lock);
	t = proc_task(n);
	if (t && t->mm) {
		mm = t->mm;
		mm_get(mm);
	}
	spin_unlock(&n->proc->sighand_lock);
	return mm;
}

int proc_mm_to_look(const struct proc_node *n, struct mm **mm)
{
	int err;

	/* Over both: an exec in between might raise the rights that the memory takes. */
	spin_lock(&tasks_lock);
	err = may_look_locked(n);
	*mm = err ? NULL : proc_mm(n);
	spin_unlock(&tasks_lock);
	return err;
}

struct fd_table *proc_files(const struct proc_node *n)
{
	struct fd_table *files = NULL;
	struct task *t;

	spin_lock(&n->proc->sighand_lock);
	t = proc_task(n);
	if (t && t->files)
		files = fd_table_hold(t->files);
	spin_unlock(&n->proc->sighand_lock);
	return files;
}

struct fs_context *proc_fs_context(const struct proc_node *n)
{
	struct fs_context *fs = NULL;
	struct task *t;

	spin_lock(&n->proc->sighand_lock);
	t = proc_task(n);
	if (t && t->fs)
		fs = fs_context_get(t->fs);
	spin_unlock(&n->proc->sighand_lock);
	return fs;
}

/* A leader that has ended counts until its process is waited for. */
static u32 count_threads(const struct process *p)
{
	return p->nr_threads + list_empty(&p->leader->thread_link);
}

static void view_task(struct proc_view *v, const struct task *t)
{
	v->tid = t->tid;
	memcpy(v->comm, t->comm, sizeof(v->comm));
	v->comm[TASK_COMM_LEN - 1] = '\0';
	v->cred = t->cred;
	v->nice = t->nice;
	v->sched_policy = READ_ONCE(t->sched_policy);
	v->rt_priority = READ_ONCE(t->rt_priority);
	v->cpu = t->cpu;
	v->start_ns = t->start_ns;
	v->cpu_mask = t->cpu_mask;
	v->personality = t->personality;
	v->exit_signal = t->exit_signal;
}

static void view_process(struct proc_view *v, struct process *p) __must_hold(&tasks_lock)
{
	v->pid = p->pid;
	v->pgid = p->pgid;
	v->sid = p->sid;
	v->did_exec = p->did_exec;
	v->kernel_thread = p->kthread;
	v->exit_code = p->exit_code;
	v->nr_threads = count_threads(p);
	v->tpgid = -1;
	if (p->tty) {
		v->tty_nr = (u32)p->tty->dev;
		v->tpgid = p->tty->pgrp;
	}
	spin_lock(&p->sighand_lock);
	memcpy(v->rlimits, p->rlimits, sizeof(v->rlimits));
	spin_unlock(&p->sighand_lock);
}

int proc_view(const struct proc_node *n, struct proc_view *v)
{
	struct process *p = n->proc;
	struct task *t;

	memset(v, 0, sizeof(*v));
	spin_lock(&tasks_lock);
	t = proc_task(n);
	if (t) {
		view_task(v, t);
		view_process(v, p);
		v->ppid = p->parent ? p->parent->pid : 0;
		v->state = task_state(t);
		if (proc_is_task(n))
			task_usage(t, &v->usage);
		else
			process_usage(p, &v->usage);
		process_child_usage(p, &v->child_usage);
		task_signals(t, &v->signals);
	}
	spin_unlock(&tasks_lock);
	return t ? 0 : -ESRCH;
}
