/* Figures as people read them: bytes with a unit, counts with commas, times, shares. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define KIB	   UINT64_C(1024)
#define MIB	   (1024 * KIB)
#define GIB	   (1024 * MIB)
#define PAGE_BYTES UINT64_C(4096)

/* A figure that this kernel does not give; printed as "n/a". */
#define UNKNOWN UINT64_MAX

/* Text of a figure, by value so that several fit in one printf. */
struct text {
	char s[24];
};

/* 4096 -> "4 K", 3 MiB -> "3.0 M" */
struct text text_bytes(uint64_t bytes);
/* 4 MiB -> "4 MiB", for sentences */
struct text text_size(uint64_t bytes);
/* 1234567 -> "1,234,567" */
struct text text_count(uint64_t n);
/* nanoseconds -> "834 ns", "12.3 us", "4.56 ms", "1.23 s" */
struct text text_time(uint64_t ns);
/* part of whole -> "12.3%" */
struct text text_share(double part, double whole);

/* "64M", "64MiB", "512k", "1g", "4096" -> bytes. False where it is none of these. */
bool parse_bytes(const char *s, uint64_t *bytes);
/* A plain decimal number. */
bool parse_count(const char *s, uint64_t *n);

/* "1 page", "2 pages": the plural s. */
static inline const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

uint64_t now_ns(void);
