/* Test results as TAP, and the random numbers of the tests. */
#include "tests/unit/host/tap.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned done, failed;
_Thread_local u64 rand_state = 1;

static void print(const char *what, const char *fmt, va_list args)
{
	printf("%s %u - ", what, ++done);
	vprintf(fmt, args);
	putchar('\n');
	fflush(stdout);
}

bool tap_ok(bool cond, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(cond ? "ok" : "not ok", fmt, args);
	va_end(args);
	failed += !cond;
	return cond;
}

void tap_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print("not ok", fmt, args);
	va_end(args);
	printf("1..%u\n", done);
	fflush(stdout);
	_exit(1); /* what is not freed yet is no news */
}

void tap_note(const char *fmt, ...)
{
	va_list args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

int tap_done(void)
{
	printf("1..%u\n", done);
	return failed ? 1 : 0;
}

u64 rand64(void)
{
	rand_state ^= rand_state >> 12;
	rand_state ^= rand_state << 25;
	rand_state ^= rand_state >> 27;
	return rand_state * 0x2545f4914f6cdd1dull;
}

u64 env_number(const char *name, u64 otherwise)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : otherwise;
}

u64 rand_seed(u64 otherwise)
{
	u64 seed = env_number("SEED", otherwise);

	rand_state = seed * 0x9e3779b97f4a7c15ull + 1;
	return seed;
}
