/* What /proc says about memory: of one process, and of the machine. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One process. Sizes in bytes; UNKNOWN where the kernel does not say. */
struct memory_use {
	uint64_t rss, pss;
	uint64_t private, shared; /* parts of rss: mapped by nobody else, by others too */
	uint64_t anon;		  /* part of rss that is no file: what an eager fork copies */
	uint64_t pss_anon;	  /* its part of pss */
	uint64_t faults;	  /* minor, since it was born */
	uint64_t copied, reused;  /* pages: write faults that copied, or kept the page */
};

/* Reads it. False with errno where there is no such process, or it is a zombie (ESRCH). */
bool memory_use_read(pid_t pid, struct memory_use *use);

/* Adds up field by field; a field unknown in either becomes unknown. */
void memory_use_add(struct memory_use *sum, const struct memory_use *use);

/*
 * What one process needs where nothing private is shared: its anonymous pages whole, its part of
 * all others.
 */
uint64_t memory_use_eager(const struct memory_use *use);

/* The machine's counters. */
struct machine {
	uint64_t total, available; /* bytes */
	uint64_t free_frames;
	uint64_t faults, oom_kills;
	uint64_t cow_copy, cow_reuse, zero_fill; /* Calf's; UNKNOWN elsewhere */
	uint64_t fork_copied;			 /* pages that forks copied (share level 0) */
	/* Page tables: that forks copied, or shared; that writes copied, or made writable again. */
	uint64_t tables_copied, tables_shared, tables_unshared, tables_rearmed;
};

void machine_read(struct machine *m);

/* b - a, UNKNOWN where either is. */
uint64_t counter_since(uint64_t a, uint64_t b);

/*
 * How deep fork shares: 0 copies all, 1 is classic copy-on-write, and so on. A kernel without the
 * knob is taken for classic copy-on-write; share_level_known() tells them apart.
 */
#define SHARE_AUTO 5
unsigned share_level(void);
const char *share_level_name(void); /* "share level 1", "share level auto"; static */
bool share_level_known(void);
/*
 * Sets it for the whole machine until share_level_restore(), which also runs at exit and when
 * SIGINT or SIGTERM ends the program. False with errno where it cannot be set.
 */
bool share_level_set(unsigned level);
void share_level_restore(void);
/*
 * What is there to restore is what was there at the first of these calls: a process that leaves the
 * setting to a child, which may be killed, remembers beforehand. False with errno: no such knob.
 */
bool share_level_remember(void);

/* Finds `key` at the start of a line of /proc text and returns the number after it, or UNKNOWN. */
uint64_t proc_number(const char *text, const char *key);
