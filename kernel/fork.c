/*
 * fork(2), vfork(2), clone(2), clone3(2): a new process as a copy of the current one, or another
 * task of it (CLONE_THREAD).
 *
 * All that can fail comes before the new task is published; what failed half way is undone by
 * dropping what the half-made task holds. Publishing fails where the process has been killed
 * meanwhile; after it nothing fails.
 */
#include "kernel/process.h"

#include "arch/uaccess.h"
#include "kernel/clone.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/pidfd.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"

/* What is understood; the rest (namespaces, cgroups) is not there. */
#define CLONE_KNOWN                                                                       \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PIDFD | CLONE_PTRACE | \
	 CLONE_VFORK | CLONE_PARENT | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |       \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED | CLONE_UNTRACED |   \
	 CLONE_CHILD_SETTID | CLONE_IO | CLONE_CLEAR_SIGHAND)

struct fork_request {
	u64 flags;
	int exit_signal;
	vaddr_t stack; /* 0: the parent's own */
	vaddr_t tls;
	s32 __user *parent_tid;
	u32 __user *child_tid;
	s32 __user *pidfd_to;
	struct file *pidfd; /* made by the request, referenced; NULL: none */
	s32 pidfd_nr;
};

static int check_flags(const struct fork_request *r)
{
	u64 flags = r->flags;

	if (flags & ~CLONE_KNOWN)
		return -EINVAL;
	if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND))
		return -EINVAL;
	if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM))
		return -EINVAL;
	if ((flags & CLONE_SIGHAND) && (flags & CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if ((flags & CLONE_PIDFD) && (flags & (CLONE_DETACHED | CLONE_THREAD)))
		return -EINVAL;
	if ((flags & CLONE_SETTLS) && r->tls >= USER_END)
		return -EPERM;
	/* A sibling of process 1 would have a parent that never waits. */
	if ((flags & CLONE_PARENT) && current->proc == init_process)
		return -EINVAL;
	return 0;
}

static bool over_process_limit(void)
{
	const struct cred *c = &current->cred;
	u64 limit = current->proc->rlimits[RLIMIT_NPROC].cur;
	bool over;

	if (task_is_root(current) || limit == RLIM_INFINITY)
		return false;
	spin_lock(&tasks_lock);
	over = task_count_of(c->uid) >= limit;
	spin_unlock(&tasks_lock);
	return over;
}

static int copy_sighand(struct process *p, u64 flags)
{
	struct process *me = current->proc;

	spin_assume_held(&p->sighand_lock);
	if (flags & CLONE_SIGHAND)
		p->sighand = sighand_share(me);
	else if (flags & CLONE_CLEAR_SIGHAND)
		p->sighand = sighand_without_handlers(me);
	else
		p->sighand = sighand_fork(me);
	return p->sighand ? 0 : -ENOMEM;
}

/* Fields that a task has from the one that makes it and that cost nothing. */
static void copy_task(struct task *t, const struct fork_request *r)
{
	struct task *from = current;

	t->cred = from->cred;
	memcpy(t->comm, from->comm, TASK_COMM_LEN);
	sched_inherit(t, from);
	t->blocked = from->blocked;
	t->personality = from->personality;
	t->policy = from->policy;
	t->exit_signal = r->exit_signal;
	if (r->flags & CLONE_CHILD_SETTID) {
		t->set_child_tid = r->child_tid;
		t->work = WORK_START;
	}
	if (r->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = r->child_tid;
	/* A child in the same memory, side by side with its parent, must not use the same stack. */
	if ((r->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM) {
		t->altstack_sp = from->altstack_sp;
		t->altstack_size = from->altstack_size;
		t->altstack_flags = from->altstack_flags;
	}
}

static void copy_process(struct process *p)
{
	struct process *me = current->proc;

	/* Others may be at it with prlimit(2). */
	spin_lock(&me->sighand_lock);
	memcpy(p->rlimits, me->rlimits, sizeof(p->rlimits));
	spin_unlock(&me->sighand_lock);
	p->euid = current->cred.euid;
	p->egid = current->cred.egid;
	p->membarrier_private = me->membarrier_private;
	p->dumpable = me->dumpable;
	p->no_new_privs = me->no_new_privs;
	p->oom_score_adj = me->oom_score_adj;
}

static int copy_files(struct task *t, u64 flags)
{
	struct task *from = current;

	t->files = flags & CLONE_FILES ? fd_table_get(from->files) : fd_table_fork(from->files);
	if (!t->files)
		return -ENOMEM;
	t->fs = flags & CLONE_FS ? fs_context_get(from->fs) : fs_context_fork(from->fs);
	return t->fs ? 0 : -ENOMEM;
}

static int copy_mm(struct task *t, const struct fork_request *r)
{
	struct mm *mm = current->mm;

	if (r->flags & CLONE_VM) {
		mm_get_user(mm);
		t->mm = t->fault_mm = mm;
		return 0;
	}
	t->mm = t->fault_mm = mm_fork(mm, r->stack ? r->stack : task_regs(current)->rsp);
	return t->mm ? 0 : -ENOMEM;
}

/* Drops all that a task holds that never ran, and with its leader the process. */
static void discard(struct task *t)
{
	struct process *p = t->proc;

	arch_task_free(t);
	if (t->mm)
		mm_put_user(t->mm);
	if (t->fs)
		fs_context_put(t->fs);
	if (t->files)
		fd_table_put(t->files);
	if (t->tid) {
		spin_lock(&tasks_lock);
		pid_free(t->tid);
		spin_unlock(&tasks_lock);
	}
	if (p == current->proc) {
		task_put(t);
	} else {
		p->pid = 0;
		process_discard(p);
	}
}

static int take_tid(struct task *t)
{
	s32 tid;

	spin_lock(&tasks_lock);
	tid = pid_alloc();
	spin_unlock(&tasks_lock);
	if (tid < 0)
		return tid;
	t->tid = tid;
	return 0;
}

/* A task of the current process or the leader of another, with nothing in it; NULL: no memory. */
static struct task *alloc(const struct fork_request *r)
{
	struct process *p;
	struct task *t;

	if (!(r->flags & CLONE_THREAD)) {
		p = process_alloc();
		return p ? p->leader : NULL;
	}
	t = task_alloc();
	if (t)
		t->proc = current->proc;
	return t;
}

/* The descriptor of a process that nobody knows yet. The child has its own table, without it. */
static int give_pidfd(struct process *p, struct fork_request *r)
{
	struct file *f = pidfd_file(p, 0);

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	r->pidfd_nr = fd_install(file_get(f), 0, true);
	if (r->pidfd_nr < 0) {
		file_put(f);
		return r->pidfd_nr;
	}
	r->pidfd = f;
	return put_user(r->pidfd_nr, r->pidfd_to);
}

/* All that can fail but publishing. */
static int build(struct task *t, struct fork_request *r)
{
	int err;

	copy_task(t, r);
	err = take_tid(t);
	if (!err && !(r->flags & CLONE_THREAD)) {
		t->proc->pid = t->tid;
		copy_process(t->proc);
		err = copy_sighand(t->proc, r->flags);
	}
	if (!err)
		err = copy_files(t, r->flags);
	if (!err)
		err = copy_mm(t, r);
	if (!err)
		err = arch_task_fork(t, current, r->stack, r->tls, r->flags & CLONE_SETTLS);
	if (!err && (r->flags & CLONE_PIDFD))
		err = give_pidfd(t->proc, r);
	return err;
}

static int publish(struct process *p, u64 flags)
{
	struct process *me = current->proc;
	struct process *parent = me;

	spin_lock(&tasks_lock);
	/* Copying may have slept, and SIGKILL to the group come in between. */
	if (fatal_signal_pending()) {
		spin_unlock(&tasks_lock);
		return -EINTR;
	}
	if (flags & CLONE_PARENT) {
		parent = me->parent;
		p->leader->exit_signal = me->leader->exit_signal;
	}
	p->pgid = me->pgid;
	p->sid = me->sid;
	p->tty = me->tty;
	pid_hold(p->pgid);
	pid_hold(p->sid);
	process_publish(p, parent);
	spin_unlock(&tasks_lock);
	return 0;
}

static void wait_for_vfork(struct task *t)
{
	/* Where the parent is killed meanwhile, the child goes on in memory that it then owns
	 * alone. */
	(void)wait_event_killable(&t->proc->child_wait, !atomic_load(&t->vfork_pending));
	process_put(t->proc);
	task_put(t);
}

static long do_fork(struct fork_request *r)
{
	long err = check_flags(r);
	struct task *t;
	s32 tid;

	if (err)
		return err;
	/* A signal to the whole group must not miss the child that is being made. */
	if (signal_pending())
		return -ERESTARTNOINTR;
	if (over_process_limit())
		return -EAGAIN;
	t = alloc(r);
	if (!t)
		return -ENOMEM;
	tid = 0;
	err = build(t, r);
	if (!err) {
		tid = t->tid;
		err = r->flags & CLONE_THREAD ? thread_publish(t) : publish(t->proc, r->flags);
	}
	if (err) {
		if (r->pidfd)
			fd_uninstall(r->pidfd_nr, r->pidfd);
		discard(t);
	}
	if (r->pidfd)
		file_put(r->pidfd);
	if (err)
		return err;
	/* From here on others may reap it, as soon as it runs. */
	if (r->flags & CLONE_VFORK) {
		t->vfork_pending = true;
		process_get(t->proc);
		task_get(t);
	}
	if (r->flags & CLONE_PARENT_SETTID)
		(void)put_user(tid, r->parent_tid);
	sched_start(t);
	if (r->flags & CLONE_VFORK)
		wait_for_vfork(t);
	return tid;
}

void task_first_step(struct task *t)
{
	atomic_and(&t->work, ~WORK_START);
	if (t->set_child_tid)
		(void)put_user((u32)t->tid, t->set_child_tid);
}

SYSCALL0(fork)
{
	return do_fork(&(struct fork_request){.exit_signal = SIGCHLD});
}

SYSCALL0(vfork)
{
	return do_fork(&(struct fork_request){
	    .flags = CLONE_VM | CLONE_VFORK,
	    .exit_signal = SIGCHLD,
	});
}

SYSCALL5(clone, u64, flags, vaddr_t, stack, s32 __user *, parent_tid, u32 __user *, child_tid, u64,
	 tls)
{
	/* Both would be told at one place. */
	if ((flags & CLONE_PIDFD) && (flags & CLONE_PARENT_SETTID))
		return -EINVAL;
	/* Bits beyond 32 are clone3's. */
	return do_fork(&(struct fork_request){
	    .flags = (u32)flags & ~CSIGNAL,
	    .exit_signal = flags & CSIGNAL,
	    .stack = stack,
	    .tls = tls,
	    .parent_tid = parent_tid,
	    .child_tid = child_tid,
	    .pidfd_to = parent_tid,
	});
}

struct clone_args {
	u64 flags;
	u64 pidfd, child_tid, parent_tid;
	u64 exit_signal;
	u64 stack, stack_size;
	u64 tls;
	u64 set_tid, set_tid_size;
	u64 cgroup;
};

#define CLONE_ARGS_SIZE_VER0 64

/* A struct that may be shorter or longer than ours; what we do not know must be zero. */
static int get_clone_args(struct clone_args *a, const void __user *uargs, size_t size)
{
	u8 rest[64];

	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	*a = (struct clone_args){0};
	if (copy_from_user(a, uargs, min(size, sizeof(*a))))
		return -EFAULT;
	for (size_t at = sizeof(*a); at < size; at += sizeof(rest)) {
		size_t n = min(size - at, sizeof(rest));

		if (copy_from_user(rest, (const u8 __user *)uargs + at, n))
			return -EFAULT;
		if (memchr_inv(rest, 0, n))
			return -E2BIG;
	}
	return 0;
}

SYSCALL2(clone3, const void __user *, uargs, size_t, size)
{
	struct clone_args a;
	int err = get_clone_args(&a, uargs, size);

	if (err)
		return err;
	if (a.flags & (CSIGNAL | CLONE_DETACHED))
		return -EINVAL;
	if (a.exit_signal > NSIG || a.set_tid || a.set_tid_size || a.cgroup)
		return -EINVAL;
	if (!a.stack != !a.stack_size)
		return -EINVAL;
	if ((a.flags & (CLONE_PARENT | CLONE_THREAD)) && a.exit_signal)
		return -EINVAL;
	return do_fork(&(struct fork_request){
	    .flags = a.flags,
	    .exit_signal = (int)a.exit_signal,
	    .stack = a.stack + a.stack_size,
	    .tls = a.tls,
	    .parent_tid = (s32 __user *)a.parent_tid,
	    .child_tid = (u32 __user *)a.child_tid,
	    .pidfd_to = (s32 __user *)a.pidfd,
	});
}
