/*
 * The line discipline: what is typed, what shows, what can be read. Each case was taken from what a
 * pseudo-terminal of Linux does.
 */
#include "kernel/dev/ldisc.h"
#include "kernel/signal.h"
#include "tests/unit/host/tap.h"
#include <string.h>

static char screen[4096];
static size_t shown;
static int signals;

static void output(struct ldisc *l, const char *s, size_t n)
{
	(void)l;
	CHECK(shown + n < sizeof(screen));
	memcpy(screen + shown, s, n);
	shown += n;
	screen[shown] = 0;
}

static void got_signal(struct ldisc *l, int sig)
{
	(void)l;
	signals = sig;
}

static const struct ldisc_ops ops = {output, got_signal};
static struct ldisc l;

static void start(u32 iflag_on, u32 lflag_off)
{
	ldisc_init(&l, &ops);
	l.t.iflag |= iflag_on;
	l.t.lflag &= ~lflag_off;
	shown = 0;
	screen[0] = 0;
	signals = 0;
}

static void type(const char *s)
{
	for (; *s; s++)
		ldisc_input(&l, (u8)*s);
}

/* What one read of up to n bytes gives; "-" where it would wait. */
static const char *take(size_t n)
{
	static char buf[8192];
	bool done;

	if (!ldisc_readable(&l, 1))
		return "-";
	buf[ldisc_read(&l, (u8 *)buf, n, &done)] = 0;
	return buf;
}

struct editing {
	const char *what, *typed, *shows, *read;
	u32 iflag_on, lflag_off;
};

static const struct editing cases[] = {
    {"a line", "ab\r", "ab\r\n", "ab\n", 0, 0},
    {"half a line", "ab", "ab", "-", 0, 0},
    {"no echo", "ab\r", "", "ab\n", 0, ECHO},
    {"erase", "abc\x7f\x7fx\n", "abc\b \b\b \bx\r\n", "ax\n", 0, 0},
    {"erase on an empty line", "\x7f\x7f\n", "\r\n", "\n", 0, 0},
    {"erase a control character", "\001\x7f\n", "^A\b \b\b \b\r\n", "\n", 0, 0},
    {"erase UTF-8", "\xc3\xa9\x7f\n", "\xc3\xa9\b \b\r\n", "\n", IUTF8, 0},
    {"erase a tab",
     "a\t\x7f"
     "b\n",
     "a\t\b\b\b\b\b\b\bb\r\n", "ab\n", 0, 0},
    {"erase without ECHOE", "ab\x7f\n", "ab^?\r\n", "a\n", 0, ECHOE},
    {"erase a word", "ab cd, \x17x\n", "ab cd, \b \b\b \b\b \b\b \bx\r\n", "ab x\n", 0, 0},
    {"kill", "ab\025c\n", "ab\b \b\b \bc\r\n", "c\n", 0, 0},
    {"kill without ECHOKE", "ab\025c\n", "ab^U\r\nc\r\n", "c\n", 0, ECHOKE},
    {"literal next", "\026\003\026\r\n", "^\b^C^\b^M\r\n", "\003\r\n", 0, 0},
    {"reprint", "ab\022c\n", "ab^R\r\nabc\r\n", "abc\n", 0, 0},
    {"end of file", "\004", "", "", 0, 0},
    {"end of file after text", "ab\004", "ab", "ab", 0, 0},
    {"raw", "a\x7f\025\r", "a^?^U\r\n", "a\x7f\025\n", 0, ICANON},
    {"a newline in raw mode shows as a control", "a\n", "a^J", "a\n", 0, ICANON},
    {"carriage returns dropped", "a\rb\n", "ab\r\n", "ab\n", IGNCR, 0},
    {"no extensions", "\026\027\n", "^V^W\r\n", "\026\027\n", 0, IEXTEN},
};

static void test_editing(void)
{
	for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
		const struct editing *c = &cases[n];

		start(c->iflag_on, c->lflag_off);
		type(c->typed);
		tap_ok(!strcmp(screen, c->shows) && !strcmp(take(100), c->read), "%s", c->what);
	}
}

static void test_signals(void)
{
	start(0, 0);
	type("abc\003");
	tap_ok(signals == SIGINT && !strcmp(screen, "abc^C") && !strcmp(take(9), "-"),
	       "^C sends SIGINT and drops the line");
	type("\032");
	tap_ok(signals == SIGTSTP, "^Z sends SIGTSTP");
	start(0, ISIG);
	type("\003\n");
	tap_ok(!signals && !strcmp(take(9), "\003\n"), "without ISIG ^C is a character");
	start(0, 0);
	l.t.lflag |= NOFLSH;
	type("ab\034c\n");
	tap_ok(signals == SIGQUIT && !strcmp(take(9), "abc\n"), "NOFLSH keeps the line");
}

static void test_flow(void)
{
	start(0, 0);
	type("\023");
	tap_ok(l.stopped, "^S stops output");
	type("\021");
	tap_ok(!l.stopped && shown == 0, "^Q lets it go on");
	type("\023\003");
	tap_ok(!l.stopped, "a signal lets it go on");
}

static void test_reading(void)
{
	start(0, 0);
	type("one\ntwo\n");
	tap_ok(ldisc_available(&l) == 8, "two lines are there");
	tap_ok(!strcmp(take(100), "one\n"), "a read ends with its line");
	tap_ok(!strcmp(take(2), "tw") && !strcmp(take(100), "o\n"), "a line in two reads");
	type("ab\004\004");
	tap_ok(!strcmp(take(2), "ab") && !strcmp(take(100), ""),
	       "a full read takes the end of file with it, once");
	start(0, 0);
	for (unsigned n = 0; n < 5000; n++) {
		type("x");
		shown = 0;
	}
	type("\n");
	tap_ok(strlen(take(8000)) == LDISC_SIZE, "a line too long is cut, and can still be ended");
	start(0, 0);
	type("ab");
	l.t.lflag &= ~ICANON;
	ldisc_set_termios(&l, &(struct termios){.lflag = 0});
	tap_ok(!strcmp(take(9), "ab"), "half a line can be read once editing is off");
}

static void test_output(void)
{
	start(0, 0);
	ldisc_output(&l, "a\tb\nc\r", 6);
	tap_ok(!strcmp(screen, "a\tb\r\nc\r"), "a newline goes out as two");
	start(0, 0);
	l.t.oflag |= XTABS;
	ldisc_output(&l, "ab\tc\n\t", 6);
	tap_ok(!strcmp(screen, "ab      c\r\n        "), "tabs as blanks");
	start(0, 0);
	l.t.oflag &= ~OPOST;
	ldisc_output(&l, "a\n", 2);
	tap_ok(!strcmp(screen, "a\n"), "raw output");
}

/* Any bytes under any settings: the sanitizers watch, and the ring stays in order. */
static void test_random(void)
{
	rand_state = rand_seed(1);
	start(0, 0);
	for (unsigned n = 0; n < 200000; n++) {
		struct termios t = l.t;

		ldisc_input(&l, (u8)rand64());
		if (rand_below(50) == 0) {
			t.iflag = (u32)rand64();
			t.lflag = (u32)rand64() | (rand_below(2) ? ICANON : 0);
			t.oflag = (u32)rand64();
			t.cc[rand_below(NCCS)] = (u8)rand64();
			ldisc_set_termios(&l, &t);
		}
		if (rand_below(20) == 0)
			take(rand_below(300));
		CHECK(l.head - l.tail <= LDISC_SIZE && l.canon_head - l.tail <= l.head - l.tail);
		shown = 0;
	}
	tap_ok(true, "200,000 random bytes under random settings");
}

int main(void)
{
	test_editing();
	test_signals();
	test_flow();
	test_reading();
	test_output();
	test_random();
	return tap_done();
}
