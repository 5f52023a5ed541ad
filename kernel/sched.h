/* The scheduler, as the rest of kernel/ and /proc see it; kernel/task.h has what everybody calls.
 */
#pragma once

#include "kernel/task.h"

enum { SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE = 5, SCHED_DEADLINE };

#define NICE_MIN (-20)
#define NICE_MAX 19

/* Puts a new task on this CPU's run queue for the first time. */
void sched_start(struct task *t);
/* Wakes t where its state is one of `states` (bits of 1 << enum task_state). */
bool sched_wake(struct task *t, u32 states);
/* Interrupts t's user mode so that it sees new work bits soon, if it runs on a CPU. */
void sched_kick(struct task *t);
/* That interrupt, on the CPU that is meant. Interrupts are off. */
void sched_kicked(void);
/* The CPUs that t may run on: -EINVAL where the machine has none of them. */
int sched_set_affinity(struct task *t, u64 mask);
/* stop.c: holds every other CPU at a safe point, till resumed. The caller holds no lock, and neither
 * sleeps nor calls cond_resched() meanwhile. */
void sched_stop_others(void);
void sched_resume_others(void);
/* Has each CPU tell the log where it is. */
void watchdog_show_all(void);
/*
 * Its policy, SCHED_RESET_ON_FORK, and real-time priority, 0 for all but SCHED_FIFO and SCHED_RR. Where t is
 * the current task it may have to give way: cond_resched() is the caller's.
 */
void sched_set_policy(struct task *t, u8 policy, bool reset_on_fork, u8 priority);
/* A new task's, of the one that makes it. */
void sched_inherit(struct task *t, struct task *from);
/* sched_yield(2). */
void sched_give_up(void);
/* The timer interrupt's part: samples, and ends the time slice. Interrupts are off. */
void sched_tick(bool user, u64 now);
/* What one slice lasts of a task with this policy and nice value; very long: till it gives up. */
u64 sched_slice_ns(u8 policy, s32 nice);

struct cpu_times {
	u64 user_ns, nice_ns, system_ns, idle_ns;
};
void sched_cpu_times(u32 cpu, struct cpu_times *t);
/* Tasks that run or could, and switches since boot, over all CPUs. */
u32 sched_nr_running(void);
u64 sched_nr_switches(void);
/* Load averages over 1, 5 and 15 minutes, in 1/65536. */
void sched_load(u64 load[3]);

/* timer.c: an interrupt on this CPU at `deadline` at the latest. Interrupts are off. */
void timer_need(u64 deadline);
/* Boot: t, which runs this code, is this CPU's idle task. */
void sched_adopt_idle(struct task *t);
/* The idle task of a further CPU, with a stack; NULL: no memory. And back, where it never ran. */
struct task *sched_create_idle(u32 cpu) __must_check;
void sched_discard_idle(struct task *t);
/* Frees what a dead task needed to run, once another task runs on its CPU. Interrupts are off. */
void task_reclaim(struct task *t);
