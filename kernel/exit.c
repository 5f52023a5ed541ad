/*
 * The end of a task, and with the last one that of the process: what it holds goes at once, memory
 * first, so that a process killed for memory gives it back even where it must then wait for a lock.
 * What is left of the process is a zombie: its pid, status and counts, until the parent asks for
 * them. Of other tasks than the leader nothing is left.
 *
 *	begin_exit	takes no more signals; the last to come here ends what is the process's
 *	give_up_*	memory, files
 *	leave		off the lists; the last to come here makes the process a zombie
 */
#include "kernel/process.h"

#include "arch/power.h"
#include "arch/uaccess.h"
#include "kernel/fs/vfs.h"
#include "kernel/ipc/ipc.h"
#include "kernel/log.h"
#include "kernel/rusage.h"
#include "kernel/syscalls.h"

void vfork_release(struct task *t)
{
	if (!t->vfork_pending)
		return;
	atomic_store(&t->vfork_pending, false);
	waitq_wake_all(&t->proc->child_wait);
}

void task_leave_mm(struct task *t)
{
	u32 __user *tid = t->clear_child_tid;

	t->clear_child_tid = NULL;
	if (t->mm && t->robust_list)
		futex_exit_robust(t);
	if (unlikely(atomic_load(&t->pi_waiters)))
		futex_exit_pi(t);
	/* Where nobody shares the memory there is nobody to see the write. */
	if (t->mm && tid && atomic_load(&t->mm->users) > 1 && put_user(0, tid) == 0)
		(void)futex_wake_addr(tid, 1);
	vfork_release(t);
}

void task_note_rss(struct task *t, const struct mm *mm)
{
	t->usage.max_rss = max(t->usage.max_rss, mm->peak_rss);
	t->usage.max_rss = max(t->usage.max_rss, mm_rss(mm));
}

static void give_up_memory(struct task *t)
{
	struct mm *mm = t->mm;

	task_leave_mm(t);
	if (!mm)
		return;
	task_note_rss(t, mm);
	spin_lock(&t->proc->sighand_lock);
	t->mm = t->fault_mm = NULL;
	spin_unlock(&t->proc->sighand_lock);
	mmu_activate(NULL);
	mm_put_user(mm);
}

static void give_up_files(struct task *t)
{
	struct fd_table *files = t->files;
	struct fs_context *fs = t->fs;

	/* Under the lock: /proc looks through another task's tables with it held. */
	spin_lock(&t->proc->sighand_lock);
	t->files = NULL;
	t->fs = NULL;
	spin_unlock(&t->proc->sighand_lock);
	if (files)
		fd_table_put(files);
	if (fs)
		fs_context_put(fs);
}

bool group_is_orphaned(s32 pgid, struct process *ignored)
{
	for (struct process *p = process_first(); p; p = process_after(p)) {
		struct process *parent = p->parent;

		if (p->pgid != pgid || p == ignored || p->zombie || parent == init_process)
			continue;
		if (parent->pgid != pgid && parent->sid == p->sid)
			return false;
	}
	return true;
}

static bool group_has_stopped(s32 pgid) __must_hold(&tasks_lock)
{
	for (struct process *p = process_first(); p; p = process_after(p))
		if (p->pgid == pgid && READ_ONCE(p->stop_sig))
			return true;
	return false;
}

void group_check_orphaned(struct process *p, struct process *parent)
{
	struct process *ignored = p;

	/* p's own death leaves the group; a parent's death leaves p in it. */
	if (!p->zombie)
		ignored = NULL;
	if (parent->pgid == p->pgid || parent->sid != p->sid)
		return;
	/* The cheap question first: it is seldom true. */
	if (!group_has_stopped(p->pgid) || !group_is_orphaned(p->pgid, ignored))
		return;
	(void)signal_group_locked(p->pgid, SIGHUP, NULL, false);
	(void)signal_group_locked(p->pgid, SIGCONT, NULL, false);
}

static struct process *find_reaper(struct process *p) __must_hold(&tasks_lock)
{
	for (struct process *a = p->parent; a && a != &idle_process; a = a->parent)
		if (a->child_subreaper && !a->group_exit)
			return a;
	return init_process;
}

/* Takes a dead process out of the table and drops the table's reference. */
static void reap_silently(struct process *p) __must_hold(&tasks_lock)
{
	process_unpublish(p);
	process_put(p);
}

/* The children of p get another parent. Under tasks_lock. */
static void reparent_children(struct process *p) __must_hold(&tasks_lock)
{
	struct process *reaper, *c, *tmp;

	if (list_empty(&p->children))
		return;
	reaper = find_reaper(p);
	list_for_each_safe (c, tmp, &p->children, sibling) {
		c->parent = reaper;
		list_del(&c->sibling);
		list_add_tail(&reaper->children, &c->sibling);
		if (c->pdeath_signal)
			(void)signal_process(c, c->pdeath_signal, NULL);
		c->leader->exit_signal = SIGCHLD;
		if (c->zombie) {
			if (signal_parent_of_death(c))
				reap_silently(c);
		} else {
			group_check_orphaned(c, p);
		}
	}
}

/* Under tasks_lock. True: nobody waits for it, and it is out of the table. */
static bool become_zombie(struct process *p) __must_hold(&tasks_lock)
{
	bool reap;

	reparent_children(p);
	p->zombie = true;
	waitq_wake_all(&p->child_wait); /* its pidfds are polled there */
	group_check_orphaned(p, p->parent);
	reap = signal_parent_of_death(p);
	if (reap)
		process_unpublish(p);
	return reap;
}

static void leave(struct task *t)
{
	struct process *p = t->proc;
	bool last, reap = false;

	spin_lock(&tasks_lock);
	last = thread_leave(t);
	if (last)
		reap = become_zombie(p);
	spin_unlock(&tasks_lock);
	/* Nobody gives it work any more; a timer that it was to tell of is the process's all the same. */
	if (!last && atomic_load(&t->work) & WORK_TIMER)
		itimer_expire();
	if (reap)
		process_put(p);
}

static void __noreturn end_machine(int code)
{
	if (code == 0) {
		log_info("process 1 has ended: powering off");
		power_off();
	}
	if (code & 0x7f)
		log_err("process 1 was killed by signal %d", code & 0x7f);
	else
		log_err("process 1 ended with status %d", code >> 8);
	power_fail();
}

/* True where all tasks of the process are exiting now. `all`: they are to. */
static bool begin_exit(struct task *t, int code, bool all)
{
	struct process *p = t->proc;
	bool last, stopped = false;
	int sig;

	spin_lock(&p->sighand_lock);
	if (all)
		signal_end_group(p, code); /* keeps the code of whoever was first */
	atomic_store(&t->exiting, true);
	/* Nothing that it may yet wait for is worth waiting for. */
	atomic_store(&t->killed, true);
	atomic_or(&t->work, WORK_SIGNAL);
	last = --p->nr_live == 0;
	sig = p->stop_sig;
	if (last && !p->group_exit) {
		p->group_exit = true;
		p->exit_code = code;
	} else if (!last) {
		signal_pass_on(t, ~t->blocked);
		stopped = !t->stopped && signal_count_stop(p);
	}
	spin_unlock(&p->sighand_lock);
	if (stopped)
		signal_tell_parent(p, CLD_STOPPED, sig);
	return last;
}

static void __noreturn end(int code, bool all)
{
	struct task *t = current;
	struct process *p = t->proc;
	bool last = begin_exit(t, code, all);

	if (last && p == init_process)
		end_machine(p->exit_code);
	if (last) {
		itimer_stop(p);
		posix_timers_end(p);
	}
	give_up_memory(t);
	if (last && unlikely(!list_empty(&p->sem_undos)))
		sem_exit(p);
	give_up_files(t);
	if (last && p->pid == p->sid)
		tty_session_end(p);
	leave(t);

	atomic_store(&t->state, TASK_DEAD);
	schedule();
	panic("a dead task runs");
}

void task_exit(int code)
{
	end(code, false);
}

void process_exit(int code)
{
	end(code, true);
}

SYSCALL1(exit, int, code)
{
	task_exit((code & 0xff) << 8);
}

SYSCALL1(exit_group, int, code)
{
	process_exit((code & 0xff) << 8);
}
