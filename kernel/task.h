/*
 * Tasks and processes. A task is what the scheduler runs (a thread); a process is a thread group:
 * what has a pid, children, and a way to end. Today each process has one task; nothing here
 * assumes so.
 */
#pragma once

#include "arch/context.h"
#include "kernel/lib/list.h"
#include "kernel/lib/rbtree.h"
#include "kernel/signal.h"
#include "kernel/wait.h"
#include "mm/mm.h"

struct fd_table;
struct fs_context;
struct tty;

enum task_state {
	TASK_RUNNING,	      /* on a run queue, or on a CPU: R */
	TASK_INTERRUPTIBLE,   /* S; woken by signals */
	TASK_KILLABLE,	      /* D; woken by a fatal signal */
	TASK_UNINTERRUPTIBLE, /* D */
	TASK_STOPPED,	      /* T */
	TASK_ZOMBIE,	      /* Z: exited, waited for by nobody yet */
	TASK_DEAD,
};

#define TASK_COMM_LEN 16
#define NR_RLIMITS    16

struct rlimit {
	u64 cur, max;
};

struct cred {
	u32 uid, gid, euid, egid, suid, sgid, fsuid, fsgid;
	u32 ngroups;
	u32 groups[32];
};

struct rusage_counts {
	u64 utime_ns, stime_ns;
	u64 min_flt, maj_flt;
	u64 nvcsw, nivcsw;
	u64 max_rss; /* pages */
};

struct task {
	struct arch_task arch; /* first: entry.S knows its offset */
	void *kstack;	       /* lowest address of the kernel stack; a guard page lies below */
	enum task_state state;
	s32 tid;
	u32 work; /* WORK_ bits that the way back to user mode looks at. Atomic. */
	struct process *proc;
	struct list_head thread_link; /* in proc->threads, under tasks_lock */
	struct mm *mm;		      /* NULL: a kernel thread */
	struct fd_table *files;
	struct fs_context *fs;
	struct cred cred;
	char comm[TASK_COMM_LEN];

	/* scheduler's; see kernel/sched.c */
	struct list_head run_link;
	u32 cpu;
	s32 nice;
	bool on_cpu, on_queue;
	u64 slice_left_ns, run_start_ns;
	u64 cpu_mask;

	/* signals: under proc->sighand_lock */
	u64 blocked, saved_blocked; /* saved_blocked: to restore after sigsuspend, ppoll... */
	bool restore_blocked;
	struct sigpending pending; /* for this task alone */
	u64 altstack_sp, altstack_size;
	u32 altstack_flags;

	/* how an interrupted call that counts time goes on: see restart_syscall(2) */
	long (*restart)(struct task *t);
	u64 restart_arg[4];

	struct rusage_counts usage;
	u64 start_ns;

	u32 __user *clear_child_tid; /* CLONE_CHILD_CLEARTID, set_tid_address(2) */
	void __user *robust_list;
	struct waitq *vfork_done; /* set in a vfork child: its parent sleeps here until exec or exit */
	int exit_signal;
	u64 personality;
	const char *syscall_unknown;
};

/* task->work */
#define WORK_RESCHED BIT(0)
#define WORK_SIGNAL  BIT(1) /* a signal may be pending */

struct process {
	s32 pid, pgid, sid;
	u32 refs; /* atomic */
	struct rb_node pid_node; /* by pid, under tasks_lock */
	struct process *parent;	 /* tasks_lock guards the tree: parent, children, groups, sessions */
	struct list_head children, sibling, threads;
	struct task *leader;
	struct waitq child_wait; /* wait4 sleeps here; woken when a child changes */
	struct tty *tty;	 /* controlling terminal, under tasks_lock */

	spinlock_t sighand_lock; /* actions, shared, and the pending sets of all tasks */
	struct sigaction actions[NSIG];
	struct sigpending shared; /* for any task of the process */
	bool group_exit;
	int exit_code; /* as wait4 shows it */
	int stop_sig;  /* stopped by this; 0: running */
	bool stop_reported, continued; /* what waitpid with WUNTRACED/WCONTINUED has yet to see */
	bool zombie;
	bool did_exec; /* setpgid by the parent fails from then on */
	bool dumpable, child_subreaper;

	struct rlimit rlimits[NR_RLIMITS];
	struct rusage_counts usage, child_usage; /* of ended threads; of waited-for children */
	u64 itimer_real_ns, itimer_interval_ns;	 /* deadline and period of ITIMER_REAL */
	void *itimer;				 /* struct ktimer, kernel/time's */
	u64 start_ns;
};

extern spinlock_t tasks_lock; /* LOCK_TASKS */
extern struct process *init_process;

/* The task that runs on this CPU; never NULL after boot. */
#define current current_task()

/* References a process by pid: NULL where there is none. process_put() when done. */
struct process *process_find(s32 pid);
void process_put(struct process *p);
/* The process with the smallest pid >= `pid`, referenced: how /proc lists them. */
struct process *process_next(s32 pid);
/* The mm of a process, referenced (mm_put), or NULL for a zombie or kernel thread. */
struct mm *process_mm(struct process *p);

/* Ends the current process as exit_group(2) or a fatal signal does; `code` as wait4 shows it. */
void __noreturn process_exit(int code);

/* Makes a sleeping task runnable. Safe in interrupt handlers. */
void task_wake(struct task *t);
/* Gives up the CPU if somebody else should have it: a safe point in long loops. Holds no spinlock. */
void cond_resched(void);
void schedule(void);

/* True where a signal is there that the current task must attend to (or, fatal: that ends it). */
bool signal_pending(void);
bool fatal_signal_pending(void);
