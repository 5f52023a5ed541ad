/*
 * The kernel command line, as the boot loader gave it: words apart by blanks, "quotes" keep
 * blanks together. What the kernel does not know is init's, as under Linux: words without '='
 * are arguments, key=value goes to the environment, and everything after "--" is an argument.
 */
#pragma once

#include "kernel/lib/types.h"

#define CMDLINE_MAX 2048

/* Splits `line`, which is copied. Boot calls it once. */
void cmdline_init(const char *line);
/* The whole line, for /proc/cmdline. */
const char *cmdline_get_all(void);

/* The value of the last key=value into buf, cut to size; its length, or -ENOENT. */
ssize_t cmdline_get(const char *key, char *buf, size_t size);
/* True where the word `key` or `key=...` is there. */
bool cmdline_has(const char *key);
/* The value of key=N in C's notation, or `otherwise` where it is absent or no number. */
u64 cmdline_get_u64(const char *key, u64 otherwise);

/* init's arguments and environment: the i-th word of each, NULL past the end. */
const char *cmdline_init_arg(unsigned i);
const char *cmdline_init_env(unsigned i);
