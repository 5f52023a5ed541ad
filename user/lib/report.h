/*
 * How every program here tells what it found: a title, tables, lines of checks, a verdict; and an
 * exit status that follows from the checks.
 */
#pragma once

#include "user/lib/procfs.h"

#include <stdbool.h>

/* "--- name: subject ------- share level 1 ---" */
void report_title(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A sentence in the flow of the report. */
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One check: "ok" or "FAIL", what it is about, the figures. Returns `holds`. */
bool report_check(bool holds, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A check that this kernel gives no figures for. */
void report_skip(const char *what, const char *why);

/* Counts a predicted figure against a measured one: equal, or above it by `slack` at most. */
bool report_predicted(const char *what, uint64_t measured, uint64_t predicted, uint64_t slack,
		      const char *unit);

/*
 * The same for write faults: how many copied, and how many kept the page as its last owner. With
 * several CPUs only the sum is certain: two that write to one page at the same moment both copy it,
 * and nobody is left to keep it.
 */
void report_copies(uint64_t copied, uint64_t reused, uint64_t copied_predicted,
		   uint64_t reused_predicted, uint64_t slack, const char *unit);

/* What became of page tables between the two; nothing where the kernel does not tell. */
void report_tables(const struct machine *before, const struct machine *after);

/* The sentence to remember. */
void report_verdict(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* STATUS_OK, or STATUS_CHECK_FAILED where a check failed since the program began. */
int report_status(void);

/* Rows of processes. Unless `all`, those in the middle of many are left out. */
struct usage_row {
	char who[20];
	struct memory_use use;
};
void report_usage_head(void);
void report_usage_row(const char *who, const struct memory_use *use);
void report_usage(const struct usage_row *rows, unsigned count, bool all);

/*
 * The sums that decide whether sharing pays: resident, held, and what eager copying would hold.
 * Prints them and returns the bytes saved against eager copying (0 where none).
 */
uint64_t report_saving(const struct usage_row *rows, unsigned count);
