/* The text of synthetic files; see seq.h. */
#include "kernel/fs/seq.h"

#include <stdarg.h>

#include "kernel/errno.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define SEQ_FIRST 1024 /* bytes of a new buffer */

/* Makes room for n bytes more and a NUL. */
static bool seq_room(struct seq *s, size_t n)
{
	size_t cap = s->cap ? s->cap : SEQ_FIRST;
	char *buf;

	if (s->failed)
		return false;
	if (s->cap - s->len > n)
		return true;
	while (cap - s->len <= n)
		cap *= 2;
	buf = cap <= KMALLOC_MAX ? kmalloc(cap) : NULL;
	if (!buf) {
		s->failed = true;
		return false;
	}
	if (s->len)
		memcpy(buf, s->buf, s->len);
	kfree(s->buf);
	s->buf = buf;
	s->cap = cap;
	return true;
}

void seq_printf(struct seq *s, const char *fmt, ...)
{
	va_list args;
	int n;

	for (int attempt = 0; attempt < 2; attempt++) {
		size_t room = s->cap - s->len;

		va_start(args, fmt);
		n = vsnprintf(s->buf ? s->buf + s->len : NULL, room, fmt, args);
		va_end(args);
		if (n >= 0 && (size_t)n < room) {
			s->len += (size_t)n;
			return;
		}
		if (n < 0 || !seq_room(s, (size_t)n))
			return;
	}
}

void seq_write(struct seq *s, const void *data, size_t n)
{
	if (!seq_room(s, n))
		return;
	memcpy(s->buf + s->len, data, n);
	s->len += n;
}

void seq_puts(struct seq *s, const char *text)
{
	seq_write(s, text, strlen(text));
}

void seq_putc(struct seq *s, char c)
{
	seq_write(s, &c, 1);
}

void seq_escape(struct seq *s, const char *text, const char *special)
{
	for (; *text; text++) {
		if (strchr(special, *text))
			seq_printf(s, "\\%03o", (unsigned char)*text);
		else
			seq_putc(s, *text);
	}
}

void seq_pad(struct seq *s, size_t start, size_t column)
{
	while (!s->failed && s->len - start < column)
		seq_putc(s, ' ');
}

void seq_free(struct seq *s)
{
	kfree(s->buf);
	*s = (struct seq){0};
}

void seq_reader_init(struct seq_reader *r, seq_show_fn show, void *arg)
{
	memset(r, 0, sizeof(*r));
	rwsem_init(&r->lock, LOCK_SEQ);
	r->show = show;
	r->arg = arg;
}

void seq_reader_free(struct seq_reader *r)
{
	seq_free(&r->seq);
}

static void seq_restart(struct seq_reader *r)
{
	r->seq.len = 0;
	r->seq.next = 0;
	r->base = 0;
	r->started = r->ended = false;
}

/* Replaces the buffered text with that of the next step. */
static int seq_step(struct seq_reader *r)
{
	struct seq *s = &r->seq;
	int err;

	r->base += (loff_t)s->len;
	r->started = true;
	s->len = 0;
	s->more = false;
	s->failed = false;
	err = r->show(s, r->arg);
	if (!err && s->failed)
		err = -ENOMEM;
	if (err) {
		seq_restart(r);
		return err;
	}
	r->ended = !s->more;
	return 0;
}

static ssize_t seq_read_locked(struct seq_reader *r, struct io_iter *it, loff_t *pos)
{
	size_t done = 0;
	int err;

	if (*pos < r->base || !*pos)
		seq_restart(r);
	while (it->left) {
		u64 at = (u64)(*pos - r->base);

		if (r->started && at < r->seq.len) {
			size_t part = iter_put(it, r->seq.buf + at, r->seq.len - at);

			if (!part)
				return done ? (ssize_t)done : -EFAULT;
			done += part;
			*pos += (loff_t)part;
			continue;
		}
		if (r->ended)
			break;
		err = fatal_signal_pending() ? -EINTR : seq_step(r);
		if (err)
			return done ? (ssize_t)done : err;
		cond_resched();
	}
	return (ssize_t)done;
}

ssize_t seq_read(struct seq_reader *r, struct io_iter *it, loff_t *pos)
{
	ssize_t done;

	if (*pos < 0)
		return -EINVAL;
	rwsem_write_lock(&r->lock);
	done = seq_read_locked(r, it, pos);
	rwsem_write_unlock(&r->lock);
	return done;
}
