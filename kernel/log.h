/*
 * The log: levels, time stamps, a ring that the panic screen shows the end of; lines go to every console.
 * Format is kernel/lib/format.h's.
 */
#pragma once

#include "kernel/lib/compiler.h"

enum log_level { LOG_ERR = 3, LOG_WARN = 4, LOG_NOTICE = 5, LOG_INFO = 6, LOG_DEBUG = 7 };

void log_printf(enum log_level level, const char *fmt, ...) __printf(2, 3);
#define log_err(...)   log_printf(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  log_printf(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_printf(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_printf(LOG_DEBUG, __VA_ARGS__)

/* Lines of at most this level reach the consoles (loglevel=N; default LOG_INFO). */
extern int log_console_level;

/* Copies the newest `size` bytes of the log to buf; for syslog(2) and the panic screen. */
size_t log_tail(char *buf, size_t size);

/* From now on the log takes no lock: whoever holds it will not run again. The panic's alone. */
void log_panic(void);
