/* Test results, one line a check, as the Test Anything Protocol has them. */
#pragma once

#include "kernel/lib/compiler.h"

/* Reports one check. Returns cond. */
bool tap_ok(bool cond, const char *fmt, ...) __printf(2, 3);
/* A check that is reported only where it fails; for those made a million times. */
#define CHECK(cond)                                                       \
	do {                                                              \
		if (!(cond))                                              \
			tap_fail("%s:%d: %s", __FILE__, __LINE__, #cond); \
	} while (0)
/* Reports a failure and ends the program: what follows would only repeat it. */
void tap_fail(const char *fmt, ...) __printf(1, 2) __noreturn;
void tap_note(const char *fmt, ...) __printf(1, 2);
/* Prints the plan; what main() returns. */
int tap_done(void);

/* Runs fn(arg) and returns the message of the panic that it ends in, or NULL where it returns. */
const char *panic_of(void (*fn)(void *arg), void *arg);

/* xorshift64*: what a seed determines. */
extern _Thread_local u64 rand_state;
u64 rand64(void);
static inline u64 rand_below(u64 n)
{
	return rand64() % n;
}
/* The seed: $SEED, else the default. */
u64 rand_seed(u64 otherwise);
/* $name as a number, else the default. */
u64 env_number(const char *name, u64 otherwise);
