/* Processes among themselves: what fork, exit, wait and signals share and nobody else needs. */
#pragma once

#include "kernel/panic.h"
#include "kernel/sched.h"

/* ---- task.c: structs, pids, the table ---- */

/* The parent of init and of kernel threads: process 0, in no table. */
extern struct process idle_process;

/* A task with its fields zero, its lists empty, state running. NULL: no memory. */
struct task *task_alloc(void) __must_check;
void task_free(struct task *t);
/* A process with its leader task, sighand still NULL, one reference. NULL: no memory. */
struct process *process_alloc(void) __must_check;
void process_get(struct process *p);

/* All under tasks_lock. A number stays taken while it names a process, a group or a session. */
s32 pid_alloc(void); /* held once, or -EAGAIN */
void pid_hold(s32 pid);
void pid_drop(s32 pid);
/* Puts p, with its pid, group and session set and held, into the table and under its parent. */
void process_publish(struct process *p, struct process *parent);
/* Takes a dead process out of the table; its parent forgets it. The table's reference is the
 * caller's now. */
void process_unpublish(struct process *p);
/* The process of this pid, or NULL: no reference, good while tasks_lock is held. */
struct process *process_lookup(s32 pid);
/* In order of pid: NULL at the end. Under tasks_lock. */
struct process *process_first(void);
struct process *process_after(struct process *p);
/* Processes whose real uid this is, and how many there may be on this machine. */
u32 process_count_of(u32 uid);
u32 process_limit(void);

/* ---- signal*.c ---- */

struct sighand *sighand_alloc(void) __must_check;
void sighand_put(struct sighand *h);
void sigpending_init(struct sigpending *s);
void sigpending_flush(struct process *p, struct sigpending *s);
/* Marks the tasks of a dying process, SIGKILL for each but the current one. Under p->sighand_lock.
 */
void signal_end_group(struct process *p, int code);
/* The current task's blocked set becomes `mask`, SIGKILL and SIGSTOP excepted. */
void signal_set_blocked(u64 mask);
/* exec: handlers back to SIG_DFL, in a table of the process's own. -ENOMEM changes nothing. */
int signal_exec_prepare(struct sighand **fresh);
void signal_exec(struct sighand *fresh);
/* Under tasks_lock: SIGCHLD (or p's exit signal) with siginfo to the parent. True: nobody will wait
 * for p. */
bool signal_parent_of_death(struct process *p);
void signal_parent_of_stop(struct process *p, int code, int status);
/* Checks the right to signal p as kill(2) does: 0 or -EPERM. Under tasks_lock. */
int signal_permitted(struct process *p, int sig);
/* As signal_group(), under tasks_lock. */
int signal_group_locked(s32 pgid, int sig, const struct siginfo *info, bool check);

/* ---- itimer.c ---- */
void itimer_init(struct process *p);
void itimer_stop(struct process *p);
/* WORK_TIMER is set: turns what has run out into signals. */
void itimer_expire(void);

/* ---- exit.c, fork.c, exec.c ---- */

/* Under tasks_lock: true where no member of the group has a parent in another group of its session.
 */
bool group_is_orphaned(s32 pgid, struct process *ignored);
/* Under tasks_lock: p left its parent or is about to: SIGHUP and SIGCONT to a stopped group that
 * this orphans. */
void group_check_orphaned(struct process *p, struct process *parent);
/* Lets the parent of a vfork child go on. */
void vfork_release(struct task *t);
/* What the current task's mm must do before the task leaves it: clear_child_tid, vfork, robust
 * futexes. */
void task_leave_mm(struct task *t);
/* WORK_START: what a new task does before it first sees user mode. */
void task_first_step(struct task *t);

/* ---- futex.c ---- */
int futex_wake_addr(u32 __user *addr, u32 count);
void futex_exit_robust(struct task *t);

/* ---- oom.c ---- */

/*
 * Memory ran out for the current task: ends the process whose death helps most and gives it time to
 * die. False where the current task is the one that dies, and should not try again.
 */
bool oom_make_room(void);

/* ---- cred.c ---- */
static inline bool task_is_root(const struct task *t)
{
	return t->cred.euid == 0;
}
