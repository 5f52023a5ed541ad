/*
 * Polling: how a task sleeps on many files at once.
 *
 * A file's poll operation calls poll_wait() for each queue that is woken when its answer may
 * change, then returns what is ready now. It does not sleep.
 */
#pragma once

#include "kernel/fs/abi.h"
#include "kernel/wait.h"

#define POLL_INLINE 16

struct file;
struct poll_block;

/* One queue waited on. The file that has it is held, so that no close takes the queue away. */
struct poll_entry {
	struct waiter waiter;
	struct file *file;
};

struct poll_table {
	bool registering;  /* the first pass: later ones only ask */
	bool failed;	   /* memory ran out while registering */
	struct file *file; /* that is being asked */
	u32 used;
	struct poll_entry entries[POLL_INLINE];
	struct poll_block *blocks; /* more entries */
};

/* Also woken by q from now on. pt NULL: the caller only asks. */
void poll_wait(struct waitq *q, struct poll_table *pt);

/* What f is ready for, now. */
u32 file_poll(struct file *f, struct poll_table *pt);

void poll_begin(struct poll_table *pt);
/* Leaves every queue. */
void poll_end(struct poll_table *pt);
