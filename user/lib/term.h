/*
 * The terminal as a screen: keys as they are typed, frames without flicker, and everything back as
 * it was however the program ends.
 */
#pragma once

#include <stdbool.h>

struct term_size {
	int rows, columns;
};

/* The size that the terminal says, or 80x24 where it says none, as serial lines do. */
struct term_size term_size(void);

/*
 * Takes the terminal over: no echo, no lines, the cursor hidden. Undone at exit, when SIGINT,
 * SIGTERM or SIGHUP ends the program, and while ^Z has it stopped. False where standard input or
 * output is no terminal: nothing has changed then.
 */
bool term_take(void);
void term_give_back(void);

/* Waits for a key, at most so long. The key; 0: time is up, or the screen must be drawn anew; -1:
 * no more input. */
int term_key(int milliseconds);

/* Colours by name; "" for all of them after term_no_color(). */
enum colour { PLAIN, BOLD, INVERSE, DIM, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN };
const char *colour(enum colour c);
void term_no_color(void);

/* A frame is printed between these two: the second shows it, in place of the last one. */
void frame_begin(void);
void frame_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void frame_end(void);
