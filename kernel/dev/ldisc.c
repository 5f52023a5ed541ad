/* N_TTY's rules: signals, flow control, editing, echo, output processing. */
#include "kernel/dev/ldisc.h"

#include "kernel/lib/bitmap.h"
#include "kernel/lib/string.h"
#include "kernel/signal.h"

#define MASK (LDISC_SIZE - 1)

static bool iflag(const struct ldisc *l, u32 f)
{
	return l->t.iflag & f;
}

static bool lflag(const struct ldisc *l, u32 f)
{
	return l->t.lflag & f;
}

/* c is this control character; 0 turns one off. */
static bool is_cc(const struct ldisc *l, unsigned which, u8 c)
{
	return c && l->t.cc[which] == c;
}

void ldisc_init(struct ldisc *l, const struct ldisc_ops *ops)
{
	static const u8 cc[NCCS] = {
	    [VINTR] = 3,     [VQUIT] = 28,   [VERASE] = 127, [VKILL] = 21, [VEOF] = 4,
	    [VMIN] = 1,	     [VSTART] = 17,  [VSTOP] = 19,   [VSUSP] = 26, [VREPRINT] = 18,
	    [VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22};

	memset(l, 0, sizeof(*l));
	l->ops = ops;
	l->t.iflag = ICRNL | IXON;
	l->t.oflag = OPOST | ONLCR;
	l->t.cflag = B38400 | CS8 | CREAD | HUPCL | CLOCAL;
	l->t.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	memcpy(l->t.cc, cc, sizeof(cc));
}

/* Capital letters of Latin-1, as Linux takes letters to be. */
static bool is_upper(u8 c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7);
}

/* ---- output ---- */

/* One byte through OPOST; buf takes up to 8. */
static size_t process_output(struct ldisc *l, u8 c, char *buf)
{
	u32 spaces;

	if (!(l->t.oflag & OPOST)) {
		buf[0] = (char)c;
		return 1;
	}
	switch (c) {
	case '\n':
		if (l->t.oflag & (ONLRET | ONLCR))
			l->column = 0;
		l->line_column = l->column;
		if (l->t.oflag & ONLCR) {
			buf[0] = '\r';
			buf[1] = '\n';
			return 2;
		}
		break;
	case '\r':
		if ((l->t.oflag & ONOCR) && !l->column)
			return 0;
		if (l->t.oflag & OCRNL)
			c = '\n';
		if (!(l->t.oflag & OCRNL) || (l->t.oflag & ONLRET))
			l->line_column = l->column = 0;
		break;
	case '\t':
		spaces = 8 - (l->column & 7);
		l->column += spaces;
		if ((l->t.oflag & TABDLY) == XTABS) {
			memset(buf, ' ', spaces);
			return spaces;
		}
		break;
	case '\b':
		if (l->column)
			l->column--;
		break;
	default:
		if ((l->t.oflag & OLCUC) && is_upper((u8)(c - 32)))
			c -= 32;
		/* What follows in a UTF-8 sequence takes no column. */
		if (c >= ' ' && c != 127 && !(iflag(l, IUTF8) && (c & 0xc0) == 0x80))
			l->column++;
	}
	buf[0] = (char)c;
	return 1;
}

void ldisc_output(struct ldisc *l, const char *s, size_t n)
{
	char buf[128];
	size_t used = 0;

	while (n--) {
		used += process_output(l, (u8)*s++, buf + used);
		if (used > sizeof(buf) - 8) {
			l->ops->output(l, buf, used);
			used = 0;
		}
	}
	if (used)
		l->ops->output(l, buf, used);
}

static void echo_text(struct ldisc *l, const char *s)
{
	ldisc_output(l, s, strlen(s));
}

static bool is_control(u8 c)
{
	return c < ' ' || c == 127;
}

/* How c shows: itself, or ^X. */
static void echo(struct ldisc *l, u8 c)
{
	char text[2] = {'^', (char)(c ^ 0100)};

	if (lflag(l, ECHOCTL) && is_control(c) && c != '\t') {
		l->ops->output(l, text, 2);
		l->column += 2;
	} else {
		ldisc_output(l, (const char *)&c, 1);
	}
}

/* ---- the ring ---- */

/* Leaves room for the end of the line: one byte in canonical mode. */
static bool has_room(const struct ldisc *l)
{
	return l->head - l->tail < LDISC_SIZE - (lflag(l, ICANON) ? 1 : 0);
}

bool ldisc_has_room(const struct ldisc *l)
{
	/* A line that is too long must still take its end, and what edits it. */
	return has_room(l) || (lflag(l, ICANON) && l->canon_head == l->tail);
}

static void store(struct ldisc *l, u8 c)
{
	l->buf[l->head & MASK] = c;
	bitmap_clear(l->ends, l->head & MASK);
	bitmap_clear(l->eofs, l->head & MASK);
	l->head++;
}

static void end_line(struct ldisc *l, u8 c, bool eof)
{
	if (l->head - l->tail >= LDISC_SIZE)
		return;
	store(l, c);
	bitmap_set(l->ends, (l->head - 1) & MASK);
	if (eof)
		bitmap_set(l->eofs, (l->head - 1) & MASK);
	l->canon_head = l->head;
}

void ldisc_flush_input(struct ldisc *l)
{
	l->tail = l->canon_head = l->head;
	l->literal = false;
}

/* ---- editing ---- */

static bool is_continuation(const struct ldisc *l, u8 c)
{
	return iflag(l, IUTF8) && (c & 0xc0) == 0x80;
}

/* Columns that c takes on the screen; not for tabs. */
static u32 width(const struct ldisc *l, u8 c)
{
	if (is_control(c))
		return lflag(l, ECHOCTL) ? 2 : 0;
	return is_continuation(l, c) ? 0 : 1;
}

/* Steps back over a tab that has just left the line: to where the text before it ends. */
static void erase_tab(struct ldisc *l)
{
	u32 columns = 0, p = l->head;

	while (p != l->canon_head && l->buf[(p - 1) & MASK] != '\t')
		columns += width(l, l->buf[--p & MASK]);
	/* Before the first tab the text starts where the line did, not at a tab stop. */
	if (p == l->canon_head)
		columns += l->line_column;
	for (u32 n = 8 - (columns & 7); n; n--) {
		l->ops->output(l, "\b", 1);
		if (l->column)
			l->column--;
	}
}

/* Where the last character of the line being edited starts; l->head: it cannot be told. */
static u32 last_char(const struct ldisc *l)
{
	u32 p = l->head;

	do {
		p--;
	} while (p != l->canon_head && is_continuation(l, l->buf[p & MASK]));
	return is_continuation(l, l->buf[p & MASK]) ? l->head : p;
}

/* Takes what begins at position `start` off the line, and its columns off the screen. */
static void erase_from(struct ldisc *l, u32 start)
{
	u8 c = l->buf[start & MASK];

	l->head = start;
	if (!lflag(l, ECHO))
		return;
	if (c == '\t') {
		erase_tab(l);
		return;
	}
	for (u32 n = width(l, c); n; n--)
		echo_text(l, "\b \b");
}

static void erase_char(struct ldisc *l)
{
	u32 start = last_char(l);

	if (start == l->head)
		return;
	if (lflag(l, ECHO) && !lflag(l, ECHOE)) {
		l->head = start;
		echo(l, l->t.cc[VERASE]);
	} else {
		erase_from(l, start);
	}
}

/* As Linux has it: letters and digits of Latin-1, where the lead bytes of UTF-8 lie too. */
static bool word_char(u8 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

static void erase_word(struct ldisc *l)
{
	bool in_word = false;

	while (l->head != l->canon_head) {
		u32 start = last_char(l);

		if (start == l->head)
			return;
		if (word_char(l->buf[start & MASK]))
			in_word = true;
		else if (in_word)
			return;
		erase_from(l, start);
	}
}

static void kill_line(struct ldisc *l)
{
	if (lflag(l, ECHO) && lflag(l, ECHOK) && lflag(l, ECHOKE) && lflag(l, ECHOE)) {
		u32 start;

		while (l->head != l->canon_head && (start = last_char(l)) != l->head)
			erase_from(l, start);
		return;
	}
	l->head = l->canon_head;
	if (lflag(l, ECHO)) {
		echo(l, l->t.cc[VKILL]);
		if (lflag(l, ECHOK))
			echo_text(l, "\n");
	}
}

static void reprint(struct ldisc *l)
{
	echo(l, l->t.cc[VREPRINT]);
	echo_text(l, "\n");
	for (u32 p = l->canon_head; p != l->head; p++)
		echo(l, l->buf[p & MASK]);
}

/* ---- input ---- */

static bool signal_char(struct ldisc *l, u8 c)
{
	int sig = is_cc(l, VINTR, c)   ? SIGINT
		  : is_cc(l, VQUIT, c) ? SIGQUIT
		  : is_cc(l, VSUSP, c) ? SIGTSTP
				       : 0;

	if (!sig)
		return false;
	l->stopped = false;
	if (!lflag(l, NOFLSH))
		ldisc_flush_input(l);
	if (lflag(l, ECHO))
		echo(l, c);
	l->ops->signal(l, sig);
	return true;
}

static bool flow_char(struct ldisc *l, u8 c)
{
	if (is_cc(l, VSTART, c)) {
		l->stopped = false;
		return true;
	}
	if (is_cc(l, VSTOP, c)) {
		l->stopped = true;
		return true;
	}
	return false;
}

/* A character that edits the line or ends it. */
static bool canon_char(struct ldisc *l, u8 c)
{
	bool extended = lflag(l, IEXTEN);

	if (is_cc(l, VERASE, c) || is_cc(l, VKILL, c) || (is_cc(l, VWERASE, c) && extended)) {
		if (l->head == l->canon_head)
			return true;
		if (is_cc(l, VERASE, c))
			erase_char(l);
		else if (is_cc(l, VKILL, c))
			kill_line(l);
		else
			erase_word(l);
		return true;
	}
	if (is_cc(l, VLNEXT, c) && extended) {
		l->literal = true;
		if (lflag(l, ECHO) && lflag(l, ECHOCTL))
			echo_text(l, "^\b");
		return true;
	}
	if (is_cc(l, VREPRINT, c) && extended && lflag(l, ECHO)) {
		reprint(l);
		return true;
	}
	if (c == '\n') {
		if (lflag(l, ECHO | ECHONL))
			echo_text(l, "\n");
		end_line(l, c, false);
		return true;
	}
	if (is_cc(l, VEOF, c)) {
		end_line(l, 0, true);
		return true;
	}
	if (is_cc(l, VEOL, c) || (is_cc(l, VEOL2, c) && extended)) {
		if (lflag(l, ECHO))
			echo(l, c);
		end_line(l, c, false);
		return true;
	}
	return false;
}

/* `newline`: c is a newline that was a carriage return, and shows as a newline does. */
static void plain_char(struct ldisc *l, u8 c, bool newline)
{
	if (!has_room(l)) {
		if (iflag(l, IMAXBEL))
			echo_text(l, "\a");
		return;
	}
	if (lflag(l, ECHO)) {
		if (l->head == l->canon_head)
			l->line_column = l->column;
		if (newline)
			echo_text(l, "\n");
		else
			echo(l, c);
	}
	store(l, c);
}

/* The input settings that change or drop a byte: -1, dropped. */
static int translate(const struct ldisc *l, u8 c)
{
	if (iflag(l, ISTRIP))
		c &= 0x7f;
	if (iflag(l, IUCLC) && lflag(l, IEXTEN) && is_upper(c))
		c += 32;
	if (c == '\r') {
		if (iflag(l, IGNCR))
			return -1;
		if (iflag(l, ICRNL))
			return '\n';
	} else if (c == '\n' && iflag(l, INLCR)) {
		return '\r';
	}
	return c;
}

void ldisc_input(struct ldisc *l, u8 c)
{
	int translated;
	bool newline;

	if (l->literal) {
		l->literal = false;
		plain_char(l, iflag(l, ISTRIP) ? c & 0x7f : c, false);
		return;
	}
	if (iflag(l, ISTRIP))
		c &= 0x7f;
	if (iflag(l, IXON) && flow_char(l, c))
		return;
	if (l->stopped && iflag(l, IXON) && iflag(l, IXANY))
		l->stopped = false;
	if (lflag(l, ISIG) && signal_char(l, c))
		return;
	translated = translate(l, c);
	if (translated < 0)
		return;
	newline = c == '\r' && translated == '\n';
	c = (u8)translated;
	if (lflag(l, ICANON) && canon_char(l, c))
		return;
	plain_char(l, c, newline);
	if (!lflag(l, ICANON))
		l->canon_head = l->head;
}

/* ---- reading ---- */

bool ldisc_readable(const struct ldisc *l, u32 at_least)
{
	if (lflag(l, ICANON))
		return l->canon_head != l->tail;
	return l->head - l->tail >= max(at_least, 1u);
}

size_t ldisc_read(struct ldisc *l, u8 *buf, size_t n, bool *line_done)
{
	bool canon = lflag(l, ICANON);
	u32 end = canon ? l->canon_head : l->head;
	size_t done = 0;

	*line_done = false;
	while (l->tail != end) {
		u32 at = l->tail & MASK;
		bool ends = canon && bitmap_test(l->ends, at);

		/* An end of file is taken with the last byte before it, even where the buffer is
		 * full. */
		if (ends && bitmap_test(l->eofs, at)) {
			l->tail++;
			*line_done = true;
			break;
		}
		if (done == n)
			break;
		buf[done++] = l->buf[at];
		l->tail++;
		if (ends) {
			*line_done = true;
			break;
		}
	}
	return done;
}

u32 ldisc_available(const struct ldisc *l)
{
	u32 end = lflag(l, ICANON) ? l->canon_head : l->head, n = 0;

	for (u32 p = l->tail; p != end; p++)
		if (!lflag(l, ICANON) || !bitmap_test(l->eofs, p & MASK))
			n++;
	return n;
}

void ldisc_set_termios(struct ldisc *l, const struct termios *t)
{
	bool was_canon = lflag(l, ICANON);

	l->t = *t;
	if (was_canon == lflag(l, ICANON))
		return;
	if (was_canon) {
		/* The line under way can be read as it is. */
		l->canon_head = l->head;
	} else {
		/* What has come so far counts as one line. */
		memset(l->ends, 0, sizeof(l->ends));
		memset(l->eofs, 0, sizeof(l->eofs));
		l->canon_head = l->head;
		if (l->head != l->tail)
			bitmap_set(l->ends, (l->head - 1) & MASK);
	}
	if (!(t->iflag & IXON))
		l->stopped = false;
}
