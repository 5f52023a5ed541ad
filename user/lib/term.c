/* Raw mode, keys, frames. */
#include "user/lib/term.h"

#include "user/lib/io.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ESC "\033["

static struct termios saved;
static volatile sig_atomic_t taken;
static bool no_color;

static char frame[32768];
static size_t frame_len;

struct term_size term_size(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_row == 0 || w.ws_col == 0)
		return (struct term_size){.rows = 24, .columns = 80};
	return (struct term_size){.rows = w.ws_row, .columns = w.ws_col};
}

static void put(const char *text)
{
	write_full(STDOUT_FILENO, text, strlen(text));
}

static void raw(void)
{
	struct termios t = saved;

	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* ISIG stays: ^C and ^Z are signals */
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
	put(ESC "?25l" ESC "2J");
	taken = 1;
}

void term_give_back(void)
{
	if (!taken)
		return;
	taken = 0;
	put(ESC "0m" ESC "?25h\n");
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void die_by(int sig)
{
	term_give_back();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* ^Z: gives the terminal back, stops, and takes it again when continued. */
static void stop(int sig)
{
	sigset_t set;

	term_give_back();
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* here it stops */
	signal(sig, stop);
	raw();
}

/* Nothing to do but to interrupt the wait for a key. */
static void redraw(int sig)
{
	(void)sig;
}

bool term_take(void)
{
	static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction sa = {.sa_handler = redraw};

	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &saved) != 0)
		return false;
	for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
		signal(deadly[i], die_by);
	signal(SIGTSTP, stop);
	sigaction(SIGWINCH, &sa, NULL);
	atexit(term_give_back);
	raw();
	return true;
}

int term_key(int milliseconds)
{
	struct pollfd pfd = {.fd = STDIN_FILENO, .events = POLLIN};
	unsigned char key;
	ssize_t n;

	if (poll(&pfd, 1, milliseconds) <= 0)
		return 0;
	n = read(STDIN_FILENO, &key, 1);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	return n == 1 ? key : -1;
}

void term_no_color(void)
{
	no_color = true;
}

const char *colour(enum colour c)
{
	static const char *const codes[] = {
	    [PLAIN] = ESC "0m",	   [BOLD] = ESC "1m",	[INVERSE] = ESC "7m", [DIM] = ESC "2m",
	    [RED] = ESC "31m",	   [GREEN] = ESC "32m", [YELLOW] = ESC "33m", [BLUE] = ESC "34m",
	    [MAGENTA] = ESC "35m", [CYAN] = ESC "36m",
	};

	return no_color ? "" : codes[c];
}

void frame_begin(void)
{
	frame_len = 0;
	if (taken)
		frame_len = (size_t)snprintf(frame, sizeof(frame), ESC "H");
}

void frame_line(const char *format, ...)
{
	size_t room = sizeof(frame) - frame_len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(frame + frame_len, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n + 8 > room)
		return; /* no screen is so large: the line is left out */
	frame_len += (size_t)n;
	/* Each line clears what the last frame left behind it. */
	frame_len += (size_t)snprintf(frame + frame_len, sizeof(frame) - frame_len, "%s\n",
				      taken ? ESC "K" : "");
}

void frame_end(void)
{
	if (taken && frame_len > 0 && frame[frame_len - 1] == '\n') {
		frame_len--; /* a newline on the last row would scroll */
		write_full(STDOUT_FILENO, frame, frame_len);
		put(ESC "J");
		return;
	}
	write_full(STDOUT_FILENO, frame, frame_len);
}
