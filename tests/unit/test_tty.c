/*
 * The line discipline against Linux's own: the same settings and the same keys go to a pseudo
 * terminal of this machine, and what shows and what is read must be the same. (Left out are the
 * keys that stop output and those that flush it, whose effect there depends on the moment.)
 */
#include "kernel/dev/ldisc.h"
#include "tests/unit/host/tap.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROOM	 4096
#define TRIALS	 400
#define KEYS_MAX 80
#define TCSETS_	 0x5402

struct seen {
	char shown[ROOM], read[ROOM]; /* reads are set apart by '|' */
	size_t nr_shown, nr_read;
};

static struct ldisc l;
static struct seen ours, theirs;
static u8 keys[KEYS_MAX];
static unsigned nr_keys;
static struct termios settings;

/* ---- ours ---- */

static void output(struct ldisc *ld, const char *s, size_t n)
{
	(void)ld;
	if (ours.nr_shown + n > ROOM)
		return;
	memcpy(ours.shown + ours.nr_shown, s, n);
	ours.nr_shown += n;
}

static void on_signal(struct ldisc *ld, int sig)
{
	(void)ld;
	(void)sig;
}

static void note_read(struct seen *to, const void *buf, size_t n)
{
	if (to->nr_read + n + 1 > ROOM)
		return;
	memcpy(to->read + to->nr_read, buf, n);
	to->nr_read += n;
	if (settings.lflag & ICANON)
		to->read[to->nr_read++] = '|';
}

static void run_ours(void)
{
	static const struct ldisc_ops ops = {output, on_signal};
	bool done;
	u8 buf[256];

	memset(&ours, 0, sizeof(ours));
	ldisc_init(&l, &ops);
	ldisc_set_termios(&l, &settings);
	for (unsigned i = 0; i < nr_keys; i++)
		ldisc_input(&l, keys[i]);
	while (ldisc_readable(&l, 1))
		note_read(&ours, buf, ldisc_read(&l, buf, sizeof(buf), &done));
}

/* ---- theirs ---- */

/* Takes what both ends have; true where that was anything. */
static bool take(int master, int slave)
{
	char buf[256];
	ssize_t n = read(master, theirs.shown + theirs.nr_shown, ROOM - theirs.nr_shown);
	bool any = n > 0;

	if (n > 0)
		theirs.nr_shown += (size_t)n;
	while ((n = read(slave, buf, sizeof(buf))) >= 0) {
		note_read(&theirs, buf, (size_t)n);
		any = true;
	}
	return any;
}

static bool same(void)
{
	return ours.nr_shown == theirs.nr_shown && ours.nr_read == theirs.nr_read &&
	       !memcmp(ours.shown, theirs.shown, ours.nr_shown) &&
	       !memcmp(ours.read, theirs.read, ours.nr_read);
}

/* False where this machine has no pseudo terminals. */
static bool run_theirs(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), slave;

	if (master < 0 || grantpt(master) || unlockpt(master))
		return false;
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (slave < 0 || syscall(SYS_ioctl, slave, TCSETS_, &settings))
		return false;
	memset(&theirs, 0, sizeof(theirs));
	if (write(master, keys, nr_keys) != (ssize_t)nr_keys)
		return false;
	/* The kernel works off the keys when it finds time: it gets half a second to agree. */
	for (unsigned i = 0; i < 500 && !(take(master, slave), same()); i++)
		usleep(1000);
	close(slave);
	close(master);
	return true;
}

/* ---- what to type ---- */

static u8 random_key(void)
{
	static const u8 special[] = {127, 21, 23, 4,  '\r', '\n', 22,	18,   '\t', ' ',
				     8,	  1,  27, 29, 0xc3, 0xa4, 0xe2, 0x82, 0xac, '_'};

	return rand_below(5) < 3 ? (u8)('a' + rand_below(26))
				 : special[rand_below(ARRAY_SIZE(special))];
}

static u32 some_of(u32 flags)
{
	return flags & (u32)rand64();
}

static void choose(void)
{
	static const struct ldisc_ops ops = {output, on_signal};

	ldisc_init(&l, &ops);
	settings = l.t;
	if (rand_below(4)) {
		settings.iflag = some_of(ICRNL | INLCR | IGNCR | ISTRIP | IUTF8 | IMAXBEL | IXON);
		settings.oflag = some_of(OPOST | ONLCR | OCRNL | ONOCR | ONLRET) | OPOST;
		settings.lflag = ICANON | some_of(ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | ECHONL |
						  IEXTEN | ECHO);
		if (rand_below(8) == 0)
			settings.lflag &= ~ICANON;
		if (rand_below(3))
			settings.lflag |= ECHO;
	}
	nr_keys = 1 + (unsigned)rand_below(KEYS_MAX);
	for (unsigned i = 0; i < nr_keys; i++)
		keys[i] = random_key();
}

static void show(const char *what, const void *p, size_t n)
{
	const u8 *s = p;

	printf("# %s: ", what);
	for (size_t i = 0; i < n; i++)
		printf(s[i] >= ' ' && s[i] < 127 && s[i] != '\\' ? "%c" : "\\x%02x", s[i]);
	printf("\n");
}

int main(void)
{
	rand_seed(1);
	for (unsigned trial = 0; trial < env_number("RUNS", TRIALS); trial++) {
		choose();
		run_ours();
		if (!run_theirs()) {
			tap_ok(true, "tty: # SKIP no pseudo terminals here");
			return tap_done();
		}
		if (same())
			continue;
		show("keys", keys, nr_keys);
		show("shown", ours.shown, ours.nr_shown);
		show("should", theirs.shown, theirs.nr_shown);
		show("read", ours.read, ours.nr_read);
		show("should", theirs.read, theirs.nr_read);
		tap_fail("tty: trial %u: iflag %o oflag %o lflag %o", trial, settings.iflag,
			 settings.oflag, settings.lflag);
	}
	tap_ok(true, "tty: echo, editing and lines as Linux has them");
	return tap_done();
}
