/*
 * Polling: how a task sleeps on many files at once.
 *
 * A file's poll operation calls poll_wait() for each queue that is woken when its answer may
 * change, then returns what is ready now. It does not sleep. A queue that it names lasts as long as
 * the file does, to the end of its release operation, or for ever.
 */
#pragma once

#include "kernel/fs/abi.h"
#include "kernel/timer.h"
#include "kernel/wait.h"

struct file;

struct poll_table {
	bool registering;  /* the first pass: later ones only ask */
	bool failed;	   /* memory ran out while registering */
	struct file *file; /* that is being asked */
	/* What it is to be on q: a task that sleeps (poll.c), or an epoll set's hook. False: no memory. */
	bool (*enter)(struct poll_table *pt, struct waitq *q);
};

#define POLL_LOOK_ONCE \
	0 /* as a deadline: no sleep, so that a pending signal does not matter, either */

/* The deadline of a call that waits for at most so long. */
static inline u64 poll_deadline(u64 ns)
{
	return ns ? clock_deadline(ns) : POLL_LOOK_ONCE;
}

/* Also woken by q from now on. pt NULL: the caller only asks. */
void poll_wait(struct waitq *q, struct poll_table *pt);

/* What f is ready for, now. */
u32 file_poll(struct file *f, struct poll_table *pt);
