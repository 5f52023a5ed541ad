/* Waiting for children: wait4(2), waitid(2). */
#include "kernel/process.h"

#include "arch/uaccess.h"
#include "kernel/fs/abi.h"
#include "kernel/fs/pidfd.h"
#include "kernel/rusage.h"
#include "kernel/syscalls.h"

#define WNOHANG	   0x00000001u
#define WUNTRACED  0x00000002u
#define WSTOPPED   WUNTRACED
#define WEXITED	   0x00000004u
#define WCONTINUED 0x00000008u
#define WNOWAIT	   0x01000000u
#define WNOTHREAD  0x20000000u
#define WALL	   0x40000000u
#define WCLONE	   0x80000000u

enum { P_ALL, P_PID, P_PGID, P_PIDFD };

struct wait_request {
	int which; /* P_ALL... */
	s32 id;
	u32 options;
	const struct process *proc; /* P_PIDFD: referenced */

	/* of the child found */
	s32 pid;
	u32 uid;
	int status; /* wait4's */
	int code;   /* CLD_ */
	struct rusage_counts usage;
};

static bool wanted(const struct wait_request *w, const struct process *p)
{
	bool clone_child = p->leader->exit_signal != SIGCHLD;

	if (w->which == P_PID && p->pid != w->id)
		return false;
	if (w->which == P_PGID && p->pgid != w->id)
		return false;
	if (w->which == P_PIDFD && p != w->proc)
		return false;
	return (w->options & WALL) || clone_child == !!(w->options & WCLONE);
}

static void describe(struct wait_request *w, struct process *p, int code, int status)
{
	w->pid = p->pid;
	w->uid = p->leader->cred.uid;
	w->code = code;
	w->status = status;
	process_usage(p, &w->usage);
	rusage_add(&w->usage, &p->child_usage);
}

static void reap(struct process *parent, struct process *p) __must_hold(&tasks_lock)
{
	spin_lock(&parent->sighand_lock);
	rusage_add(&parent->child_usage, &p->usage);
	rusage_add(&parent->child_usage, &p->child_usage);
	spin_unlock(&parent->sighand_lock);
	process_unpublish(p);
	process_put(p);
}

/* True where p has something that the request asks for. */
static bool look_at(struct wait_request *w, struct process *parent, struct process *p)
    __must_hold(&tasks_lock)
{
	bool keep = w->options & WNOWAIT;
	int sig;

	if (p->zombie) {
		if (!(w->options & WEXITED))
			return false;
		describe(w, p, p->exit_code & 0x7f ? CLD_KILLED : CLD_EXITED, p->exit_code);
		if (!keep)
			reap(parent, p);
		return true;
	}
	spin_lock(&p->sighand_lock);
	sig = p->stop_sig;
	if ((w->options & WSTOPPED) && sig && p->stop_unseen) {
		p->stop_unseen = keep;
	} else if ((w->options & WCONTINUED) && p->continue_unseen) {
		p->continue_unseen = keep;
		sig = SIGCONT;
	} else {
		sig = 0;
	}
	spin_unlock(&p->sighand_lock);
	if (sig == SIGCONT)
		describe(w, p, CLD_CONTINUED, 0xffff);
	else if (sig)
		describe(w, p, CLD_STOPPED, sig << 8 | 0x7f);
	return sig;
}

/* 1: a child is found; 0: none yet; -ECHILD: there never will be. */
static int look(struct wait_request *w)
{
	struct process *me = current->proc, *p;
	int result = -ECHILD;

	spin_lock(&tasks_lock);
	list_for_each (p, &me->children, sibling) {
		if (!wanted(w, p))
			continue;
		result = 0;
		if (look_at(w, me, p)) {
			result = 1;
			break;
		}
	}
	spin_unlock(&tasks_lock);
	return result;
}

static int wait_for_child(struct wait_request *w)
{
	int result = look(w);
	long err;

	if (result || (w->options & WNOHANG))
		return result;
	err = wait_event(&current->proc->child_wait, (result = look(w)) != 0);
	return err ? (int)err : result;
}

static int put_usage(struct rusage __user *to, const struct rusage_counts *usage)
{
	struct rusage r;

	if (!to)
		return 0;
	rusage_fill(&r, usage);
	return copy_to_user(to, &r, sizeof(r)) ? -EFAULT : 0;
}

SYSCALL4(wait4, s32, pid, int __user *, status, u32, options, struct rusage __user *, rusage)
{
	struct wait_request w = {.options = options | WEXITED};
	int found;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid == -1) {
		w.which = P_ALL;
	} else if (pid > 0) {
		w.which = P_PID;
		w.id = pid;
	} else {
		w.which = P_PGID;
		w.id = pid ? -pid : current->proc->pgid;
	}
	found = wait_for_child(&w);
	if (found <= 0)
		return found;
	if (status && put_user(w.status, status))
		return -EFAULT;
	return put_usage(rusage, &w.usage) ? -EFAULT : w.pid;
}

static int user_status(const struct wait_request *w)
{
	switch (w->code) {
	case CLD_EXITED:
	case CLD_STOPPED:
		return w->status >> 8 & 0xff;
	case CLD_CONTINUED:
		return SIGCONT;
	default:
		return w->status & 0x7f;
	}
}

static int check_id(struct wait_request *w)
{
	switch (w->which) {
	case P_ALL:
		return 0;
	case P_PID:
		return w->id <= 0 ? -EINVAL : 0;
	case P_PGID:
		if (w->id < 0)
			return -EINVAL;
		if (!w->id)
			w->id = current->proc->pgid;
		return 0;
	default:
		return -EINVAL;
	}
}

/* As wait_for_child() for the process of a descriptor; one that does not block gives -EAGAIN. */
static int wait_for_pidfd(struct wait_request *w)
{
	u32 flags, options = w->options;
	struct process *p;
	int found;

	if (w->id < 0)
		return -EINVAL;
	p = pidfd_get(w->id, &flags);
	if (IS_ERR(p))
		return (int)PTR_ERR(p);
	w->proc = p;
	if (flags & O_NONBLOCK)
		w->options |= WNOHANG;
	found = wait_for_child(w);
	process_put(p);
	return !found && w->options != options ? -EAGAIN : found;
}

/* What waitid(2) finds, or an errno. *info gets what there is to say. */
static int wait_id(struct wait_request *w, struct siginfo *info, struct rusage __user *rusage)
{
	u32 events = WEXITED | WSTOPPED | WCONTINUED;
	int found;

	if ((w->options & ~(WNOHANG | WNOWAIT | WNOTHREAD | WCLONE | WALL | events)) ||
	    !(w->options & events))
		return -EINVAL;
	found = w->which == P_PIDFD ? 0 : check_id(w);
	if (!found)
		found = w->which == P_PIDFD ? wait_for_pidfd(w) : wait_for_child(w);
	if (found <= 0)
		return found;
	if (put_usage(rusage, &w->usage))
		return -EFAULT;
	info->signo = SIGCHLD;
	info->code = w->code;
	info->child.pid = w->pid;
	info->child.uid = w->uid;
	info->child.status = user_status(w);
	return 0;
}

SYSCALL5(waitid, int, which, s32, id, struct siginfo __user *, infop, u32, options,
	 struct rusage __user *, rusage)
{
	struct wait_request w = {.which = which, .id = id, .options = options};
	struct siginfo info = {0};
	int err = wait_id(&w, &info, rusage);

	/* Up to the status, as Linux does: what follows in the caller's siginfo_t stays. A call
	 * that fails writes it, too. */
	if (infop && copy_to_user(infop, &info, offsetof(struct siginfo, child.pad)))
		return -EFAULT;
	return err;
}
