/*
 * Command lines. A program describes its options once; from that come the parser, the checks of
 * ranges, and --help with the defaults in it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum option_kind {
	OPTION_FLAG,  /* bool: --name */
	OPTION_COUNT, /* uint64_t: --name N */
	OPTION_BYTES, /* uint64_t: --name 64M */
	OPTION_WORD,  /* const char *: --name WORD */
};

struct option_spec {
	const char *name; /* without the dashes */
	char letter;	  /* -x, or 0 */
	enum option_kind kind;
	void *value;	   /* where it goes; what is there beforehand is the default */
	const char *arg;   /* what --help calls its argument */
	const char *help;  /* one line */
	uint64_t min, max; /* of a count or bytes; max 0: no limit */
};

struct program_spec {
	const char *name;
	const char *operand; /* "PID" where it takes one, else NULL */
	const char *summary; /* what it does, a sentence or several, each line ended by \n */
	const struct option_spec *options; /* ended by a NULL name */
	const char *notes;		   /* examples, exit status; or NULL */
};

/* Exit statuses of all programs here. */
enum {
	STATUS_OK = 0,
	STATUS_CHECK_FAILED = 1, /* something was measured that must not be */
	STATUS_TROUBLE = 2,	 /* wrong usage, no memory, no such process */
};

/*
 * Parses argv and stores what it says. Returns the operand, or NULL where none was given. Does not
 * return on --help (prints it, exit status 0) or on a wrong command line (says what is wrong, 2).
 */
const char *options_parse(const struct program_spec *program, int argc, char **argv);
