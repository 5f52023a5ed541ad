/*
 * The simulated CPUs: they walk the tables that mm/ builds, and cache what they find as
 * stubbornly as the Intel SDM (volume 3, section 4.10) lets a CPU do.
 */
#pragma once

#include "mm/mm.h"

#define SIM_CPUS 4

/* From here on this thread is CPU `cpu`, and it runs mm (NULL: none). */
void sim_run(unsigned cpu, struct mm *mm);
/* What the CPU runs. */
struct mm *sim_running(unsigned cpu);

/*
 * A user access by this thread's CPU, of bytes that lie within one page; faults are taken as the
 * #PF handler takes them. FAULT_OK, or why the program would have got a signal.
 */
enum fault_result sim_read(vaddr_t va, void *buf, size_t len);
enum fault_result sim_write(vaddr_t va, const void *buf, size_t len);
enum fault_result sim_exec(vaddr_t va); /* an instruction fetch */

/* One cached thing in `n` accesses is forgotten, or not used though it is there. 0: never. */
extern unsigned sim_forget_one_in;

/* Fails (panics) where a CPU holds something cached that the tables no longer say. */
void sim_check_caches(void);

/*
 * Call sites of mmu_flush_range() and mmu_flush_all(), in order of first use, told apart by their callers too:
 * gather_flush() flushes for many. The one with number sim_flush_skip (-1: none) does nothing.
 */
struct sim_flush_site {
	const void *from,
	    *by; /* return addresses: into the function that flushes, and its caller */
};
extern int sim_flush_skip;
int sim_flush_sites(void);
struct sim_flush_site sim_flush_site(int n);

/* Flushes so far, of all CPUs: for the tests that say how many an operation may cost. */
u64 sim_flushes(void);
