/*
 * Signals: numbers, structures as the Linux ABI lays them out (signal(7), sigaction(2)), and who
 * sends them.
 */
#pragma once

#include "kernel/lib/compiler.h"
#include "kernel/lib/list.h"

struct process;
struct regs;
struct task;

#define NSIG	  64
#define SIGHUP	  1
#define SIGINT	  2
#define SIGQUIT	  3
#define SIGILL	  4
#define SIGTRAP	  5
#define SIGABRT	  6
#define SIGBUS	  7
#define SIGFPE	  8
#define SIGKILL	  9
#define SIGUSR1	  10
#define SIGSEGV	  11
#define SIGUSR2	  12
#define SIGPIPE	  13
#define SIGALRM	  14
#define SIGTERM	  15
#define SIGSTKFLT 16
#define SIGCHLD	  17
#define SIGCONT	  18
#define SIGSTOP	  19
#define SIGTSTP	  20
#define SIGTTIN	  21
#define SIGTTOU	  22
#define SIGURG	  23
#define SIGXCPU	  24
#define SIGXFSZ	  25
#define SIGVTALRM 26
#define SIGPROF	  27
#define SIGWINCH  28
#define SIGIO	  29
#define SIGPWR	  30
#define SIGSYS	  31
#define SIGRTMIN  32

#define SA_NOCLDSTOP 0x00000001u
#define SA_NOCLDWAIT 0x00000002u
#define SA_SIGINFO   0x00000004u
#define SA_RESTORER  0x04000000u
#define SA_ONSTACK   0x08000000u
#define SA_RESTART   0x10000000u
#define SA_NODEFER   0x40000000u
#define SA_RESETHAND 0x80000000u

#define SIG_DFL 0ull
#define SIG_IGN 1ull

/* struct kernel_sigaction of the x86-64 ABI. */
struct sigaction {
	u64 handler;
	u64 flags;
	u64 restorer;
	u64 mask; /* bit n-1 is signal n, in every mask here */
};

struct siginfo {
	s32 signo, error, code;
	s32 pad0;
	union {
		struct {
			s32 pid;
			u32 uid;
			u64 value;
		} kill; /* also queued ones */
		struct {
			s32 pid;
			u32 uid;
			s32 status;
			s32 pad;
			s64 utime, stime;
		} child;
		struct {
			u64 addr;
			u16 addr_lsb;
		} fault;
		struct {
			s32 tid, overrun;
			u64 value;
		} timer;
		struct {
			s64 band;
			s32 fd;
		} poll;
		struct {
			u64 call_addr;
			s32 syscall;
			u32 arch;
		} sys;
		u8 pad[112];
	};
};
_Static_assert(sizeof(struct siginfo) == 128, "siginfo_t is 128 bytes");

#define SI_USER	      0
#define SI_KERNEL     0x80
#define SI_QUEUE      (-1)
#define SI_TIMER      (-2)
#define SI_TKILL      (-6)
#define SEGV_MAPERR   1
#define SEGV_ACCERR   2
#define BUS_ADRALN    1
#define BUS_ADRERR    2
#define FPE_INTDIV    1
#define ILL_ILLOPN    2
#define TRAP_BRKPT    1
#define TRAP_TRACE    2
#define CLD_EXITED    1
#define CLD_KILLED    2
#define CLD_DUMPED    3
#define CLD_TRAPPED   4
#define CLD_STOPPED   5
#define CLD_CONTINUED 6

#define SIGMASK(sig) (1ull << ((sig)-1))

struct sigpending {
	u64 set;
	struct list_head queue; /* struct sigqueue, oldest first; a plain signal is there once */
};

/*
 * Sends to a process or to one of its tasks; info NULL: from the kernel. 0, or -EAGAIN where a
 * real-time signal finds the queue full. Not for interrupt handlers. The caller keeps the target
 * alive.
 */
int signal_process(struct process *p, int sig, const struct siginfo *info);
int signal_task(struct task *t, int sig, const struct siginfo *info);
/* To each process of a group; 0 where one got it, -ESRCH where there is none. */
int signal_group(s32 pgid, int sig, const struct siginfo *info);
/* A fault of the current task's own making: cannot be blocked or ignored. */
void signal_fault(int sig, int code, vaddr_t addr);
/* On the way back to user mode: stops, dies, or calls a handler. */
void signal_deliver(struct regs *regs);

/* True where the current process ignores, or blocks, sig: for SIGTTIN and SIGTTOU of a terminal. */
bool signal_is_ignored(int sig);
bool signal_is_blocked(int sig);

/*
 * For calls that wait under another signal mask (ppoll, pselect6, epoll_pwait): reads the mask
 * (NULL: none given) and blocks by it. -EFAULT or -EINVAL changes nothing. After the wait,
 * signal_mask_end() gives the old mask back; where the wait was `interrupted` by a signal, only
 * once that signal's handler has been called.
 */
int signal_mask_begin(const u64 __user *mask, size_t size);
void signal_mask_end(bool interrupted);
