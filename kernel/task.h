/*
 * Tasks and processes. A task is what the scheduler runs (a thread); a process is a thread group:
 * what has a pid, children, and a way to end. Its first task, or the one that has executed a
 * program since, is its leader: their numbers are the same.
 */
#pragma once

#include "arch/context.h"
#include "kernel/lib/list.h"
#include "kernel/lib/rbtree.h"
#include "kernel/rlimit.h"
#include "kernel/signal.h"
#include "kernel/timer.h"
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

extern spinlock_t tasks_lock; /* LOCK_TASKS */

#define TASK_COMM_LEN 16
#define PID_MAX	      32768 /* pids are below it, as Linux's default has it */

struct cred {
	u32 uid, gid, euid, egid, suid, sgid, fsuid, fsgid;
	u32 ngroups;
	u32 groups[32];
	bool keep_caps;					   /* PR_SET_KEEPCAPS */
	u64 cap_permitted, cap_effective, cap_inheritable; /* bits by CAP_; kernel/capability.c */
};

enum {
	CAP_SETGID = 6,
	CAP_SETUID = 7,
	CAP_SETPCAP = 8,
	CAP_SYS_ADMIN = 21,
	CAP_SYS_RESOURCE = 24,
	CAP_LAST = 40,
};
#define CAPS_ALL ((1ull << (CAP_LAST + 1)) - 1)

#define NGROUPS_MAX 32

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
	s32 tid;  /* changes where it becomes the leader: under tasks_lock and sighand_lock */
	u32 work; /* WORK_ bits that the way back to user mode looks at. Atomic. */
	u32 refs; /* atomic: one till it runs no more, one while it leads its process, others' */
	struct process *proc;
	struct list_head thread_link; /* in proc->threads: see there */
	/* by tid, where it is no leader */
	struct rb_node tid_node __guarded_by_global(&tasks_lock);
	struct mm *mm; /* NULL: a kernel thread. Written under sighand_lock */
	/* Where its faults are resolved: mm, or NULL while it reaches for user memory under a
	 * spinlock, where what is not there is an error. Its own. */
	struct mm *fault_mm;
	struct fd_table *files;
	struct fs_context *fs;
	struct cred cred;
	char comm[TASK_COMM_LEN]; /* under tasks_lock */

	/* scheduler's; what is guarded, by the lock of runq[cpu]; see kernel/sched.c */
	struct list_head run_link;
	u32 cpu;    /* atomic */
	s32 nice;   /* written under tasks_lock, read at will */
	u16 ioprio; /* ioprio_set(2)'s; the same */
	bool on_cpu __guarded, on_queue __guarded;
	u8 sched_policy __guarded;    /* SCHED_ */
	u8 rt_priority __guarded;     /* 1 to 99: SCHED_FIFO and SCHED_RR, see realtime.c; else 0 */
	bool reset_on_fork __guarded; /* its children get neither that nor a better nice value */
	s64 slice_left_ns __guarded;  /* below 0: it has had more than its due */
	u64 run_start_ns __guarded;   /* accounted for up to here */
	u64 switched_ns __guarded;    /* got the CPU at this time */
	u64 ticked_ns __guarded; /* was found running by the timer at this time, or got the CPU */
	u64 cpu_mask;		 /* atomic */
	/* timer ticks that found it in user mode, in the kernel */
	u64 tick_user __guarded, tick_system __guarded;
	u64 utime_shown __guarded; /* neither time may go backwards for who asks twice */
	u64 stime_shown __guarded;

	/* signals: under proc->sighand_lock */
	u64 blocked, saved_blocked; /* saved_blocked: to restore after sigsuspend, ppoll... */
	bool restore_blocked;
	u64 awaited; /* rt_sigtimedwait(2) sleeps for these: they wake it, blocked or not */
	struct sigpending pending; /* for this task alone */
	bool killed;		   /* it must die. Written under the lock, read without */
	bool exiting;		   /* takes no more signals. Written under the lock, read without */
	bool stopped;		   /* takes part in the stop of its process */
	bool stop_taken;	   /* about to stop the process; SIGCONT and SIGKILL undo that */
	u64 altstack_sp, altstack_size;
	u32 altstack_flags;

	/* how an interrupted call that counts time goes on: see restart_syscall(2) */
	long (*restart)(struct task *t);
	u64 restart_arg[4];

	struct rusage_counts
	    usage; /* times: the CPU time till run_start_ns, all in stime_ns; see task_usage() */
	u64 start_ns;

	u32 __user *clear_child_tid; /* CLONE_CHILD_CLEARTID, set_tid_address(2) */
	u32 __user *set_child_tid;   /* CLONE_CHILD_SETTID: written by the child's first step */
	void __user *robust_list;
	u32 pi_waiters;	    /* how many wait for PI futexes of this task. Atomic */
	bool vfork_pending; /* a vfork child: its parent sleeps on this process's child_wait */
	int exit_signal;
	u32 personality;
	u16 policy;			    /* set_mempolicy(2)'s; 0: the default */
	u64 trap_nr, trap_error, trap_addr; /* the last fault in user mode, for the signal frame */
#ifdef CONFIG_DEBUG
	u8 held_ranks[8]; /* sleeping locks, for the check of their order */
	u32 nr_held;
#endif
};

/* task->work: what the way back to user mode has to do. */
#define WORK_RESCHED (1u << 0)
#define WORK_SIGNAL  (1u << 1) /* a signal may be pending */
#define WORK_TIMER   (1u << 2) /* an interval timer of the process has run out */
#define WORK_START   (1u << 3) /* a new task's first step */
#define WORK_REGS    (1u << 4) /* a call put others in the place of the program's registers */

/* An interval timer that counts CPU time by the ticks of its process's tasks. All atomic. */
struct cpu_itimer {
	u64 left_ns, interval_ns;
	bool fired; /* its signal is owed */
};

/* What signals do to a process; see kernel/sighand.c. */
struct sighand {
	u32 refs;	   /* atomic */
	bool clone_shared; /* by CLONE_SIGHAND. Under sighand_lock of a process that has it */
	spinlock_t lock;   /* LOCK_SIGACTION: actions */
	struct sigaction actions[NSIG];
};

struct process {
	s32 pid, pgid, sid;
	u32 refs;						  /* atomic */
	struct rb_node pid_node __guarded_by_global(&tasks_lock); /* by pid */
	/* The tree; tasks_lock guards groups and sessions, too. */
	struct process *parent __guarded_by_global(&tasks_lock);
	struct list_head children __guarded_by_global(&tasks_lock);
	struct list_head sibling __guarded_by_global(&tasks_lock);
	struct list_head sem_undos; /* what its semaphores get at its end; kernel/ipc/sem.c */
	/* Tasks that have not ended, and how many. Changed under tasks_lock, sighand_lock and
	 * threads_lock; read under any of them. */
	struct list_head threads;
	u32 nr_threads;
	spinlock_t threads_lock; /* LOCK_THREADS, for the timer interrupt: with interrupts off */
	struct task *leader;	 /* changed by exec, under tasks_lock and sighand_lock */
	struct waitq child_wait; /* wait4 sleeps here; woken when a child changes */
	struct tty *tty __guarded_by_global(&tasks_lock); /* controlling terminal */
	/* a leader's: held, the foreground group of its terminal that has hung up, or 0 */
	s32 old_pgrp __guarded_by_global(&tasks_lock);

	spinlock_t sighand_lock; /* sighand, shared, the pending sets of all tasks, and down to
				    nr_queued */
	struct sighand *sighand __guarded_by(&sighand_lock);
	struct sigpending shared __guarded_by(&sighand_lock); /* for any task of the process */
	bool group_exit; /* dying: each task ends, and exit_code stands */
	int exit_code;	 /* as wait4 shows it; set before group_exit, or by the last task */
	u32 nr_live __guarded_by(&sighand_lock); /* tasks that are not exiting */
	/* executes a program as soon as all others have ended */
	struct task *exec_task __guarded_by(&sighand_lock);
	int stop_sig __guarded_by(&sighand_lock);  /* stopped by this, or about to be; 0: running */
	u32 stop_left __guarded_by(&sighand_lock); /* tasks that have yet to stop */
	bool stop_unseen __guarded_by(&sighand_lock); /* stopped, and wait4 has yet to see it */
	/* continued, and wait4 has yet to see it */
	bool continue_unseen __guarded_by(&sighand_lock);
	/* CLD_: continued, and the parent has yet to be told this */
	int continue_notify __guarded_by(&sighand_lock);
	struct list_head timers __guarded_by(&sighand_lock); /* struct posix_timer */
	u32 nr_timers __guarded_by(&sighand_lock);
	bool cpu_timers; /* some may be armed that go by CPU time. Atomic, set under sighand_lock */
	s32 next_timer __guarded_by(&sighand_lock); /* its number */
	/* signals queued with their siginfo: RLIMIT_SIGPENDING */
	u32 nr_queued __guarded_by(&sighand_lock);

	bool zombie __guarded_by_global(&tasks_lock);
	bool reaped __guarded_by_global(&tasks_lock); /* no longer in the table */
	/* setpgid by the parent fails from then on */
	bool did_exec __guarded_by_global(&tasks_lock);
	bool dumpable, child_subreaper, no_new_privs; /* by tasks_lock, too */
	bool kthread;
	bool reads_signals;	 /* has waited for signals by a signalfd. Atomic */
	bool membarrier_private; /* MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED was called. Atomic */
	u32 euid, egid;		 /* the leader's, for /proc, which may take no lock. Atomic */
	int pdeath_signal;	 /* PR_SET_PDEATHSIG */
	s16 oom_score_adj;

	struct rlimit rlimits[NR_RLIMITS];
	struct rusage_counts usage, child_usage; /* of ended threads; of waited-for children */
	struct ktimer itimer;			 /* ITIMER_REAL */
	u64 itimer_interval_ns __guarded_by(&sighand_lock); /* its period; 0: once */
	struct cpu_itimer itimer_virtual, itimer_prof;
	bool cpu_limit_passed; /* RLIMIT_CPU; a tick has seen it. Atomic. */
	u64 xcpu_second;       /* of CPU time: SIGXCPU was sent for it */
	u64 start_ns;
};

extern struct process *init_process;

/* The task that runs on this CPU; never NULL after boot. */
#define current current_task()

/* References a process by pid, or by the number of any of its tasks: NULL where there is none.
 * process_put() when done. */
struct process *process_find(s32 pid);
struct process *process_of_task(s32 tid);
void process_put(struct process *p);
/* The process with the smallest pid >= `pid`, referenced: how /proc lists them. */
struct process *process_next(s32 pid);
/* The mm of a process, referenced (mm_put), or NULL for a zombie or kernel thread. */
struct mm *process_mm(struct process *p);
/* References the task of this tid: NULL where there is none, a zombie's leader where it is that.
 * task_put() when done. */
struct task *task_find(s32 tid);
void task_put(struct task *t);
/* The process's own use of the machine, by all its tasks so far; and with it that of reaped
 * children. */
void process_usage(struct process *p, struct rusage_counts *own);
void process_usage_locked(struct process *p, struct rusage_counts *own)
    __must_hold(&p->sighand_lock);
/* One task's use so far. Under tasks_lock, where it is not the current one. */
void task_usage(struct task *t, struct rusage_counts *u);
/* True where the current task may look into t (ptrace(2)'s rule). Under tasks_lock. */
bool task_may_look(const struct task *t);
void process_child_usage(struct process *p, struct rusage_counts *children);
/* The parent's pid as getppid(2) shows it; 0 for init and kernel threads. */
s32 process_ppid(struct process *p);
/* R, S, D, T, Z: what /proc/pid/stat says. */
char task_state(struct task *t) __must_hold(&tasks_lock);
/* For SigPnd, ShdPnd, SigBlk, SigIgn, SigCgt and SigQ of /proc/pid/status. */
struct signal_view {
	u64 pending, shared_pending, blocked, ignored, caught;
	u32 queued;
};
void task_signals(struct task *t, struct signal_view *v);
/* How many processes (zombies included) and tasks there are, and the newest pid. */
u32 process_count(void);
u32 task_count(void);
/* Tasks that sleep and that no signal wakes. */
u32 task_count_blocked(void);
s32 process_last_pid(void);
/* Processes made since boot. */
u64 process_forks(void);

/* A kernel thread: a process of its own, without an mm, that runs fn(arg) for ever. ERR_PTR on
 * failure. */
struct task *kthread_create(const char *name, void (*fn)(void *), void *arg);
/* Starts process 1: fn(arg) in the kernel, which ends in kernel_exec(). Panics where it cannot. */
void init_start(void (*fn)(void *), void *arg);
/* CPU time of one task till now; user and system time as the timer's samples divide it. */
void task_times(struct task *t, u64 *utime_ns, u64 *stime_ns);
/* Boot: makes the boot code the idle task of this CPU. Before anything that sleeps. */
void task_init(void);
/* The boot code becomes the idle loop. */
void __noreturn sched_idle(void);

/*
 * kernel/dev's: the leader of a session is gone, and with it the session's hold on its terminal
 * (SIGHUP and SIGCONT to the foreground group). Holds no lock.
 */
void tty_session_end(struct process *leader);

/* execve(2) from the kernel with kernel strings, for process 1. 0: the program runs once this task
 * returns to user mode. */
int kernel_exec(const char *path, const char *const *argv, const char *const *envp);

/* Ends the current process as exit_group(2) or a fatal signal does; `code` as wait4 shows it. */
void __noreturn process_exit(int code);
/* Ends the current task. `code` is the process's where it is the last and nothing has ended the
 * process as a whole. */
void __noreturn task_exit(int code);

/* Called by arch in each new task, before anything else and with interrupts off: `prev` is what ran
 * before it. */
void sched_switched(struct task *prev);
/* On the way to user mode, with interrupts on, while task->work is not 0: arch's entry code calls
 * it again until it is. */
void return_to_user(struct regs *regs);
/* A user-mode exception other than #PF: becomes a signal. */
void trap_exception(struct regs *regs, unsigned vector, u64 error);
/*
 * A page fault at va. True: handled, or a signal is on its way. False: an access of the kernel's
 * own that cannot be satisfied. `access` is one PROT_ bit. May sleep: interrupts are on where they
 * were on in regs.
 */
bool trap_page_fault(struct regs *regs, vaddr_t va, unsigned access, bool user);

/* Makes a sleeping task runnable; false where it was not asleep. Safe in interrupt handlers. */
bool task_wake(struct task *t);
/* Gives up the CPU if somebody else should have it: a safe point in long loops. Holds no spinlock.
 */
void cond_resched(void);
void schedule(void);

/* True where a signal is there that the current task must attend to (or, fatal: that ends it). */
bool signal_pending(void);
bool fatal_signal_pending(void);
