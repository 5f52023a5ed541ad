/* Numbers out of text. */
#pragma once

#include "kernel/errno.h"
#include "kernel/lib/compiler.h"

/*
 * Reads an unsigned number in `base`; base 0 takes 0x as 16, a leading 0 as 8, else 10. No sign, no
 * blanks. *end (may be NULL) is left after the last digit. 0, -EINVAL: no digit, -ERANGE: too
 * large.
 */
int __must_check parse_u64(const char *s, const char **end, unsigned base, u64 *out);
/* As parse_u64(), with an optional sign. */
int __must_check parse_s64(const char *s, const char **end, unsigned base, s64 *out);
/* As parse_u64() with base 0 and an optional K, M or G after it (1024, its square, its cube). */
int __must_check parse_size(const char *s, const char **end, u64 *out);
/*
 * As parse_s64() with base 10, for the text that a program wrote into a file of /proc: blanks
 * before it and blanks or a newline after it are fine, anything else is -EINVAL.
 */
int __must_check parse_setting(const char *s, size_t len, s64 *out);
