/*
 * The order in which locks are taken, outermost first. A lock may be taken only while every lock
 * held has a lower rank, or the same one where the list says "nests". The debug build checks
 * each acquisition against this list. The sleeping locks stand first: no spinlock may be held
 * while one of them is taken.
 */
#pragma once

enum lock_rank {
	LOCK_NONE = 0, /* not ranked, not checked */

	/* sleeping */
	LOCK_FILE_POS,	 /* an open file's position */
	LOCK_SEQ,	 /* one reader of an open synthetic file at a time */
	LOCK_EPOLL_NEST, /* which epoll sets watch which, and the end of watched files */
	LOCK_EPOLL,	 /* an epoll set's items; nests: from a set to those that it watches */
	LOCK_INODE,	 /* a regular file's contents and size */
	LOCK_PIPE,	 /* a pipe's ring */
	LOCK_TTY_READ,	 /* one reader of a terminal at a time */
	LOCK_SOCK_READ,	 /* one reader of a socket at a time */
	LOCK_MM,	 /* mm->lock: areas; faults share it */
	LOCK_SLEEP_LAST, /* no lock: those above sleep, those below spin */

	/* spinning */
	LOCK_TASKS,	/* the tree of processes: parent, children, groups, sessions */
	LOCK_SIGHAND,	/* a process's signal handlers and pending signals */
	LOCK_SIGACTION, /* what signals do, shared between processes by CLONE_SIGHAND */
	LOCK_FUTEX,	/* a chain of futex waiters; nests: by address */
	LOCK_FILES,	/* a table of open descriptors */
	LOCK_FS,	/* a process's root, working directory, umask */
	LOCK_DENTRY,	/* the trees of names and of mounts */
	LOCK_FSNOTIFY,	/* who watches which files */
	LOCK_INOTIFY,	/* a queue of events about files */
	LOCK_ADVISORY,	/* the advisory locks of all files */
	LOCK_PTYS,	/* the table of pseudo-terminals */
	LOCK_TTY,	/* a terminal's line discipline and buffers */
	LOCK_IPC,	/* a kind of System V IPC: its objects, by id */
	LOCK_TIMERFD,	/* the timers that are files */
	LOCK_RIGHTS,	/* files in flight between sockets */
	LOCK_USERS,	/* users that have something that is counted by user */
	LOCK_PORTS,	/* names that sockets are bound to */
	LOCK_SOCK,	/* a socket; nests: one that waits to be accepted, within its listener */
	LOCK_OWNER,	/* who gets the signals of open files */
	LOCK_SOCKS,	/* the list of all sockets */
	LOCK_TIMER,	/* the queue of timers */
	LOCK_TABLE,	/* a page table, in its struct page; nests: from the root downwards */
	LOCK_FAMILY,	/* the processes that descend by fork from one exec */
	LOCK_MAPPING,	/* an inode's page cache */
	LOCK_SLAB,	/* a slab cache's lists */
	LOCK_KSTACKS,	/* a CPU's free kernel stacks */
	LOCK_KVM,	/* the kernel's own mapped ranges (stacks, large buffers) */
	LOCK_PCP,	/* a CPU's list of free frames */
	LOCK_NODE,	/* a node's buddy lists */
	LOCK_RANDOM,	/* the random number generator's key */
	LOCK_WATCH,	/* the lists of epoll items that watch a file */
	LOCK_WAIT,	/* a wait queue; nests: from what is watched to the epoll set that does */
	LOCK_READY,	/* an epoll set's list of items that may be ready */
	LOCK_THREADS,	/* a process's tasks, for the timer interrupt */
	LOCK_RUNQ,	/* a run queue; two are never held at once */
	LOCK_LOAD,	/* the load averages */
	LOCK_LOG,	/* the log's ring */
	LOCK_SERIAL,	/* a serial port's transmitter */
};
