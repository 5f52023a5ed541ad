/*
 * The text of a synthetic file: a growing buffer, and a reader that serves it at any offset.
 *
 * A generator writes a file's text in one or several steps. Each step appends whole records; where
 * there is more to come it sets `more` and leaves in `next` what it needs to go on. So a file may
 * be as long as it likes and still costs the memory of one step.
 */
#pragma once

#include "kernel/fs/iter.h"
#include "kernel/rwsem.h"

struct seq {
	char *buf;
	size_t len, cap;
	bool failed; /* memory ran out: what was appended since is lost */
	u64 next;    /* 0 in the first step; the generator's own afterwards */
	bool more;   /* set by the generator: call again. Cleared before each step. */
};

/* Appends; where memory runs out, `failed` is set and the rest is dropped. */
void seq_printf(struct seq *s, const char *fmt, ...) __printf(2, 3);
void seq_write(struct seq *s, const void *data, size_t n);
void seq_puts(struct seq *s, const char *text);
void seq_putc(struct seq *s, char c);
/* Appends text with each byte of `special` (and each backslash, if listed) as \ooo. */
void seq_escape(struct seq *s, const char *text, const char *special);
/* Appends spaces until `len` is at least `column` bytes past `start`. */
void seq_pad(struct seq *s, size_t start, size_t column);
void seq_free(struct seq *s);

/* Writes one step's text of what `arg` stands for. 0, or a negative errno that the reader gets. */
typedef int (*seq_show_fn)(struct seq *s, void *arg);

/* One open synthetic file. */
struct seq_reader {
	struct rwsem lock; /* everything below: one read() at a time */
	struct seq seq;	   /* the text of [base, base + seq.len) */
	loff_t base;
	bool started, ended;
	seq_show_fn show;
	void *arg;
};

void seq_reader_init(struct seq_reader *r, seq_show_fn show, void *arg);
void seq_reader_free(struct seq_reader *r);
/*
 * As read(2) at *pos, which moves on. Reading at 0, or before what is buffered, makes the text
 * anew. Bytes read (0: the end), -EFAULT, -ENOMEM, or what the generator failed with.
 */
ssize_t seq_read(struct seq_reader *r, struct io_iter *it, loff_t *pos);
