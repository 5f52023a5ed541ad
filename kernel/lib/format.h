/*
 * printf's formatting: %d %i %u %x %X %o %c %s %p %%, with flags "-0+ #", width and precision
 * (numbers or *), and lengths hh h l ll z j t. No floating point.
 */
#pragma once

#include "kernel/lib/compiler.h"
#include <stdarg.h>

/*
 * Write at most `size` bytes with the NUL. Return the length that the whole text has without its
 * NUL, so a result >= size says that it was cut. buf may be NULL where size is 0.
 */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list args) __printf(3, 0);
int snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
/* As snprintf(), but returns what lies in buf, without the NUL: for building a text piece by piece.
 */
int scnprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
