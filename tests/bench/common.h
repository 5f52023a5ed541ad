/* What the programs of the benchmark have in common: a clock, memory, and lines of figures. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE 4096ul

extern char **environ;
extern const char *self;    /* this program's path */
extern uint64_t clock_cost; /* what now() costs between two calls of it */

/* First of all: as /init, mounts /proc. */
void begin(void);
/* Last of all: says that the end was reached, and as /init switches the machine off. Returns 0. */
int finish(void);

/* CLOCK_MONOTONIC, in nanoseconds: guest instructions under -icount shift=0. */
uint64_t now(void);

/* Says what failed, and ends. */
void die(const char *what) __attribute__((noreturn));

/* One line: the mean of `rounds` rounds that took `total`, read off the clock once. */
void report(const char *name, uint64_t total, uint64_t rounds);
/* One line: a figure that is no time. */
void report_plain(const char *name, long value);

/* Private anonymous memory without huge pages, and a write to the first byte of each page of it. */
char *map(size_t bytes);
void touch(volatile char *p, size_t pages);

/* Waits for a child that must end with status 0. */
void wait_for(pid_t pid);
