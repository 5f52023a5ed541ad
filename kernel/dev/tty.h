/* A terminal: a line discipline between a serial line and programs, and the session it controls. */
#pragma once

#include "kernel/dev/ldisc.h"
#include "kernel/fs/vfs.h"

#define TTY_INPUT_SIZE 16384 /* bytes that may wait for the line discipline */

struct tty {
	spinlock_t lock; /* LOCK_TTY: ldisc, size, signals */
	struct ldisc ldisc;
	struct winsize size;
	u32 signals;		 /* bit n: signal n is to be sent to the foreground group */
	struct waitq read_wait;	 /* input can be read */
	struct waitq write_wait; /* output goes on after VSTOP */
	struct rwsem read_lock;	 /* LOCK_TTY_READ: one reader at a time */

	s32 session; /* that it controls, 0: none. Under tasks_lock. */
	s32 pgrp;    /* the session's foreground group, 0: none. Under tasks_lock. */
	u64 dev;     /* device number, for /proc */

	/* From the interrupt handler, which alone moves in_head, to the input task, which alone
	 * moves in_tail. */
	u32 in_head, in_tail;
	u8 in[TTY_INPUT_SIZE];
	struct waitq in_wait;
};

/* The one terminal: the serial port, with the screen beside it. */
extern struct tty console_tty;

/* ---- jobs.c: all under no lock ---- */

/* 0 where the current process may read (SIGTTIN) or change (SIGTTOU) tty; else -ERESTARTSYS, the
 * signal sent, or -EIO. */
int tty_check_foreground(struct tty *tty, int sig);
/* Sends the signals that the line discipline asked for. */
void tty_send_signals(struct tty *tty);
/* A session leader without a terminal opens one that has no session: it becomes its own. */
void tty_open_controlling(struct tty *tty);
/* The ioctls of job control; -ENOTTY where cmd is none of them. */
long tty_job_ioctl(struct tty *tty, u32 cmd, u64 arg);
