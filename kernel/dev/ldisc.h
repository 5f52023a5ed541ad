/*
 * The line discipline: what a terminal makes of the bytes that come in and go out. Pure: output and
 * signals leave by the callbacks, the caller locks.
 *
 *	tail <= canon_head <= head
 *
 * are positions in the ring, counted without end. [tail, canon_head) can be read in canonical mode;
 * what lies beyond is the line that is still being edited. A byte whose bit is set in `ends` ends a
 * line; with its bit in `eofs` too it is an end of file, which readers see as the end of the data
 * and not as a byte.
 */
#pragma once

#include "kernel/dev/termios.h"
#include "kernel/lib/compiler.h"

#define LDISC_SIZE 4096

struct ldisc;

struct ldisc_ops {
	void (*output)(struct ldisc *l, const char *s, size_t n); /* as it goes to the screen */
	void (*signal)(struct ldisc *l, int sig);		  /* to the foreground group */
};

struct ldisc {
	const struct ldisc_ops *ops;
	struct termios t;
	u32 tail, canon_head, head;
	u32 column;	 /* of the cursor */
	u32 line_column; /* where the line being edited began */
	bool literal;	 /* VLNEXT came: the next byte stands for itself */
	bool stopped;	 /* VSTOP came: output waits for VSTART */
	u8 buf[LDISC_SIZE];
	u64 ends[LDISC_SIZE / 64], eofs[LDISC_SIZE / 64];
};

void ldisc_init(struct ldisc *l, const struct ldisc_ops *ops);
/* False where input had better wait until somebody reads: there is a full ring to be read. */
bool ldisc_has_room(const struct ldisc *l);
/* A byte has come in. */
void ldisc_input(struct ldisc *l, u8 c);
/* Sends a program's output through the output settings. All of it: the caller waits out `stopped`
 * before. */
void ldisc_output(struct ldisc *l, const char *s, size_t n);
/* Whether a read would find something; in canonical mode, a line. */
bool ldisc_readable(const struct ldisc *l, u32 at_least);
/* Moves up to n bytes to buf: of one line in canonical mode. *line_done: its end was reached. */
size_t ldisc_read(struct ldisc *l, u8 *buf, size_t n, bool *line_done);
/* Bytes that FIONREAD tells. */
u32 ldisc_available(const struct ldisc *l);
void ldisc_flush_input(struct ldisc *l);
/* New settings: what is in the ring is read by the new rules. */
void ldisc_set_termios(struct ldisc *l, const struct termios *t);
