/* For broken invariants only: nothing that a user program does may lead here. */
#pragma once

#include "kernel/lib/compiler.h"

/* Registers, symbolised backtrace, last log lines on the console; QEMU ends with a failing status. */
void panic(const char *fmt, ...) __printf(1, 2) __noreturn;

#define ASSERT(cond)                                                                     \
	do {                                                                             \
		if (unlikely(!(cond)))                                                   \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond); \
	} while (0)

/* Checked in the debug build alone. */
#ifdef CONFIG_DEBUG
#define DEBUG_ASSERT(cond) ASSERT(cond)
#else
#define DEBUG_ASSERT(cond)            \
	do {                          \
		if (false)            \
			(void)(cond); \
	} while (0)
#endif
