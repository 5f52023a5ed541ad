/* The console: the serial port and, where there is one, the screen show the same text. */
#pragma once

#include "kernel/lib/types.h"

/* Writes bytes as they are: a line ends with "\r\n". */
void console_write(const char *s, size_t n);
