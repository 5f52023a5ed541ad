/* Processes among themselves: what fork, exit, wait and signals share and nobody else needs. */
#pragma once

#include "kernel/panic.h"
#include "kernel/sched.h"

/* ---- task.c: structs, pids, the table ---- */

/* The parent of init and of kernel threads: process 0, in no table. */
extern struct process idle_process;

/* A task with its fields zero, its lists empty, state running, one reference. NULL: no memory. */
struct task *task_alloc(void) __must_check;
void task_get(struct task *t);
/* A process with its leader task, sighand still NULL, one reference. NULL: no memory. */
struct process *process_alloc(void) __must_check;
void process_get(struct process *p);
/* Drops a process whose leader never ran, and that one. */
void process_discard(struct process *p);
/* An address space that one of p's tasks is in, or NULL. Under p->sighand_lock. */
struct mm *process_mm_locked(struct process *p) __must_hold(&p->sighand_lock);

/* All under tasks_lock. A number stays taken while it names a task, a group or a session. */
s32 pid_alloc(void) __must_hold(&tasks_lock);	 /* a task's: held once, or -EAGAIN */
void pid_take(s32 pid) __must_hold(&tasks_lock); /* this one */
void pid_free(s32 pid) __must_hold(&tasks_lock);
void pid_hold(s32 pid) __must_hold(&tasks_lock);
void pid_drop(s32 pid) __must_hold(&tasks_lock);
/* Puts p, with its pid, group and session set and held, into the table and under its parent, and
 * its leader into its list of tasks. */
void process_publish(struct process *p, struct process *parent) __must_hold(&tasks_lock);
/* Takes a dead process out of the table; its parent forgets it. The table's reference is the
 * caller's now. */
void process_unpublish(struct process *p) __must_hold(&tasks_lock);
/* The process of this pid, or NULL: no reference, good while tasks_lock is held. */
struct process *process_lookup(s32 pid) __must_hold(&tasks_lock);
/* In order of pid: NULL at the end. Under tasks_lock. */
struct process *process_first(void) __must_hold(&tasks_lock);
struct process *process_after(struct process *p) __must_hold(&tasks_lock);
/* Tasks of processes whose leader's real uid this is. */
u32 task_count_of(u32 uid) __must_hold(&tasks_lock);
void process_count_fork(void) __must_hold(&tasks_lock);
/* How many tasks there may be on this machine. */
u32 task_limit(void);

/* ---- thread.c ---- */

/* The task of this tid, or NULL: no reference, good while tasks_lock is held. */
struct task *task_lookup(s32 tid) __must_hold(&tasks_lock);
/*
 * t, with its tid set, becomes a thread of the current process. Fails with -ERESTARTNOINTR where a
 * signal is there to attend to: who ends or stops the process has not counted t.
 */
int __must_check thread_publish(struct task *t);
/* t is no more in its process's list, nor, where it is no leader, in the table. True: it was the
 * last one. Under tasks_lock. */
bool thread_leave(struct task *t) __must_hold(&tasks_lock);
/*
 * For exec: ends all other tasks of the process, waits till they have gone, and makes the current
 * one the leader. Fails with -EAGAIN, before anything was done, where another task is at it, and
 * where the process is killed.
 */
int __must_check threads_end_others(void);
/* True where the current task is the only one of its process, and its leader. */
bool thread_is_alone(void);

/* ---- sighand.c ---- */

void sighand_init(void);
/* All actions are the default. NULL: no memory, here and below. */
struct sighand *sighand_create(void) __must_check;
void sighand_put(struct sighand *h);
/* For a child of p, the current process: the same table until one side changes an action. */
struct sighand *sighand_fork(struct process *p) __must_check;
/* For a child of p: the same table for good. */
struct sighand *sighand_share(struct process *p) __must_check;
/* For p, the current process, after exec: ignored signals stay ignored, others get the default. */
struct sighand *sighand_without_handlers(struct process *p) __must_check;

/* These under p->sighand_lock. */
struct sigaction sighand_action(struct process *p, int sig) __must_hold(&p->sighand_lock);
/* Makes p's table one that may be changed, as sighand_set_action() does. 0 or -ENOMEM. */
int __must_check sighand_own(struct process *p) __must_hold(&p->sighand_lock);
void sighand_set_action(struct process *p, int sig, const struct sigaction *act)
    __must_hold(&p->sighand_lock);

/* ---- signal*.c ---- */

enum default_action { DEFAULT_END, DEFAULT_CORE, DEFAULT_STOP, DEFAULT_IGNORE };
enum default_action signal_default(int sig);
void signal_init(void);
void sigpending_init(struct sigpending *s);

/* These under p->sighand_lock (of t->proc). */
void sigpending_flush(struct process *p, struct sigpending *s) __must_hold(&p->sighand_lock);
/* A timer's signal to t, or where that is NULL to p, queued whatever is pending already. False: it is
 * ignored, or there is no memory. */
bool signal_from_timer(struct process *p, struct task *t, const struct siginfo *info)
    __must_hold(&p->sighand_lock);
/* That signal, which is queued, was of timer `id`, which has nothing to say any more. */
void signal_forget_timer(struct process *p, struct task *t, int sig, s32 id)
    __must_hold(&p->sighand_lock);
/* Marks a process as dying with this code, and wakes its tasks to die. */
void signal_end_group(struct process *p, int code) __must_hold(&p->sighand_lock);
/* Has t look at its signals soon. */
void signal_alert(struct task *t);
/* Wakes all tasks of t's process but t to die. */
void signal_end_others(struct task *t);
/* t, whose mask has grown or which exits, is no longer there for pending signals of the process:
 * others are. */
void signal_pass_on(struct task *t, u64 mask);
/* One task fewer has yet to stop. True: it was the last, and the parent must be told. */
bool signal_count_stop(struct process *p) __must_hold(&p->sighand_lock);
/* Sets or clears t's WORK_SIGNAL after a change of its mask or of what is pending. */
void signal_recalc(struct task *t);
/* Takes one pending signal of `wanted`: its number, or 0. */
int signal_take(struct task *t, u64 wanted, struct siginfo *info);
/* After sig's action has become "ignore": what is pending of it goes. */
void signal_forget_ignored(struct process *p, int sig) __must_hold(&p->sighand_lock);
/* Process 1 and kernel threads: signals that would take the default action do nothing. */
bool signal_unkillable(const struct process *p);

/* A signal frame could not be written or read: SIGSEGV, which kills where it was the signal itself.
 */
void signal_force_segv(int while_delivering);
/* The current task's blocked set becomes `mask`, SIGKILL and SIGSTOP excepted. */
void signal_set_blocked(u64 mask);
/* exec: `fresh` is the table from now on, which this takes over; no alternate stack. */
void signal_exec(struct sighand *fresh);
/*
 * Under tasks_lock: p's exit signal with siginfo to its parent, which wait4 is woken for. True:
 * nobody will wait for p, reap it.
 */
bool signal_parent_of_death(struct process *p) __must_hold(&tasks_lock);
/* SIGCHLD for a child that stopped (CLD_STOPPED) or goes on (CLD_CONTINUED). Holds no lock. */
void signal_tell_parent(struct process *p, int code, int status);
/* The right to signal p as kill(2) checks it: 0 or -EPERM. Under tasks_lock. */
int signal_permitted(struct process *p, int sig);
/* As signal_group(), under tasks_lock; `check`: only those that the current task may signal. sig 0:
 * only checks. */
int signal_group_locked(s32 pgid, int sig, const struct siginfo *info, bool check)
    __must_hold(&tasks_lock);

/* ---- fs/signalfd.c ---- */
void signalfd_init(void);
/* p->reads_signals: a signal has become pending. Under p->sighand_lock, or any other. */
void signalfd_wake(struct process *p);

/* ---- itimer.c ---- */
void itimer_init(struct process *p);
void itimer_stop(struct process *p);
/* WORK_TIMER is set: turns what has run out into signals. */
void itimer_expire(void);
/* A timer of p has run out: a task of p calls itimer_expire() soon. For interrupt handlers. */
void itimer_alert(struct process *p);
/* A timer tick found t running for `ran` since the last one. Interrupts are off. */
void itimer_tick(struct task *t, bool user, u64 ran);

/* ---- posix_timer.c ---- */
/* Sends the signals of p's timers that have run out. */
void posix_timers_expire(struct process *p);
/* Under p->sighand_lock: a timer's signal was taken. Its overrun is filled in, and the timer goes on. */
void posix_timer_taken(struct process *p, struct siginfo *info) __must_hold(&p->sighand_lock);
/* p ends, or executes another program. */
void posix_timers_end(struct process *p);

/* ---- exit.c, fork.c, exec.c ---- */

/* Under tasks_lock: true where no member of the group has a parent in another group of its session.
 */
bool group_is_orphaned(s32 pgid, struct process *ignored) __must_hold(&tasks_lock);
/* Under tasks_lock: p left its parent or is about to: SIGHUP and SIGCONT to a stopped group that
 * this orphans. */
void group_check_orphaned(struct process *p, struct process *parent) __must_hold(&tasks_lock);
/* Lets the parent of a vfork child go on. */
void vfork_release(struct task *t);
/* What the current task's mm must do before the task leaves it: clear_child_tid, vfork, robust
 * futexes. */
void task_leave_mm(struct task *t);
/* Before t leaves mm: how large it was counts as t's. */
void task_note_rss(struct task *t, const struct mm *mm);
/* WORK_START: what a new task does before it first sees user mode. */
void task_first_step(struct task *t);

/* ---- futex.c, futex_pi.c, robust.c ---- */
void futex_init(void);
int futex_wake_addr(u32 __user *addr, u32 count);
void futex_exit_robust(struct task *t);
/* Hands the PI futexes of t, which ends or executes another program, to those that wait for them. */
void futex_exit_pi(struct task *t);

/* ---- oom.c ---- */

/*
 * Memory ran out for the current task: ends the process whose death helps most and gives it time to
 * die. False where the current task is the one that dies, and should not try again.
 */
bool oom_make_room(void);

/* ---- cred.c ---- */

/* t's effective ids have changed: where it is the leader, /proc shows its process as theirs. */
static inline void cred_changed(struct task *t)
{
	struct process *p = t->proc;

	if (t != p->leader)
		return;
	atomic_store(&p->euid, t->cred.euid);
	atomic_store(&p->egid, t->cred.egid);
}

static inline bool task_is_root(const struct task *t)
{
	return t->cred.euid == 0;
}

/* ---- capability.c ---- */

static inline bool cred_capable(const struct cred *c, unsigned cap)
{
	return c->cap_effective >> cap & 1;
}

/* Has c, whose user ids have just changed from old's, lose or gain the capabilities that go with that. */
void cred_fix_caps(struct cred *c, const struct cred *old);

/* Gives c what its ids have when they execute a program. */
void cred_exec_caps(struct cred *c);
