/* A terminal: a line discipline between a serial line, or a pseudo-terminal's master, and programs; and
 * the session it controls. */
#pragma once

#include "kernel/dev/ldisc.h"
#include "kernel/fs/vfs.h"

struct pty;

struct tty {
	spinlock_t lock; /* LOCK_TTY: ldisc, size, signals, hung_up */
	struct pty *pty; /* whose slave it is; NULL: the serial line */
	bool hung_up;	 /* its master has gone, and so it reads as ended and takes nothing */
	struct ldisc ldisc;
	struct winsize size;
	u32 signals;		 /* bit n: signal n is to be sent to the foreground group */
	struct waitq read_wait;	 /* input can be read */
	struct waitq write_wait; /* output goes on: after VSTOP, or since the master has read */
	struct waitq in_wait;	 /* input goes on, since a reader has made room */
	struct rwsem read_lock;	 /* LOCK_TTY_READ: one reader at a time */

	s32 session; /* that it controls, 0: none. Under tasks_lock. */
	s32 pgrp;    /* the session's foreground group, held; 0: none. Under tasks_lock. */
	u64 dev;     /* device number, for /proc */
};

/* The serial port, with the screen beside it. */
extern struct tty console_tty;

/* ---- tty.c: what the terminals have in common ---- */

void tty_setup(struct tty *tty, const struct ldisc_ops *ops, u64 dev);
/* For the callback of that name: the signal is sent by tty_send_signals(). */
void tty_note_signal(struct ldisc *l, int sig);
/* After input: sends signals, wakes readers. Under no lock. */
void tty_input_done(struct tty *tty);
/* The operations of whatever has the terminal's own side open; f->private is the tty. */
extern const struct file_ops tty_slave_ops;

/* ---- tty_ioctl.c ---- */

/* An ioctl from either side: of the terminal itself, or of a master. */
long tty_ioctl_on(struct tty *tty, u32 cmd, u64 arg);

/* ---- pty.c ---- */

/* Registers the devices and the file system devpts. */
void pty_init(void);
/* One file more, or less, has the slave's side open. */
void pty_slave_get(struct pty *p);
void pty_slave_put(struct pty *p);
/* How many bytes of output the master has room for, in their longest form. Under tty->lock. */
size_t pty_room(const struct pty *p);

/* ---- jobs.c: all under no lock ---- */

/* 0 where the current process may read (SIGTTIN) or change (SIGTTOU) tty; else -ERESTARTSYS, the
 * signal sent, or -EIO. */
int tty_check_foreground(struct tty *tty, int sig);
/* Sends the signals that the line discipline asked for. */
void tty_send_signals(struct tty *tty);
/* A session leader without a terminal opens one that has no session: it becomes its own. */
void tty_open_controlling(struct tty *tty);
/* The master has gone: the session loses its terminal, and its leader gets SIGHUP. What was its
 * foreground group gets it when the leader ends. */
void tty_hang_up(struct tty *tty);
/* The ioctls of job control; -ENOTTY where cmd is none of them. */
long tty_job_ioctl(struct tty *tty, u32 cmd, u64 arg);
