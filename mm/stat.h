/*
 * Machine-wide counters, kept per CPU and summed when read; names are /proc/vmstat's. Each is
 * bumped at the line of the branch that it counts.
 */
#pragma once

#include "arch/cpu.h"
#include "kernel/lib/atomic.h"

#define VM_EVENTS(X)                                                                             \
	X(pgfault)	  /* faults of any kind */                                               \
	X(pgmajfault)	  /* that waited for a device: none here yet */                          \
	X(pgalloc)	  /* frames handed out */                                                \
	X(pgfree)	  /* frames given back */                                                \
	X(cow_copy)	  /* write faults that copied a frame */                                 \
	X(cow_reuse)	  /* write faults in which the last owner kept its frame */              \
	X(cow_ahead)	  /* pages of either kind that were resolved before they were written */ \
	X(cow_table_copy) /* tables copied because a tree that shares them wrote below */        \
	X(cow_rearm)	  /* upper entries made writable again by the last owner of the table */ \
	X(cow_huge_copy)  /* 2 MiB copied at once */                                             \
	X(cow_huge_split) /* 2 MiB split into 512 entries */                                     \
	X(zero_fill)	  /* frames of zeros given to a fault */                                 \
	X(zero_map)	  /* read faults answered by the zero page */                            \
	X(file_map)	  /* faults answered by a page of the page cache */                      \
	X(fault_spurious) /* faults that found nothing left to do */                             \
	X(fork)		  /* address spaces duplicated */                                        \
	X(fork_copied_tables) /* tables that fork copied */                                      \
	X(fork_shared_tables) /* tables that fork shared */                                      \
	X(fork_copied_pages)  /* data frames that fork copied (level 0) */                       \
	X(fork_shared_pages)  /* data frames that fork shared entry by entry */                  \
	X(oom_kill)

enum vm_event {
#define X(name) VM_##name,
	VM_EVENTS(X)
#undef X
	    VM_EVENT_COUNT
};

/* A CPU's counters: whole cache lines, and a power of two of them, which is quickly found. */
#define VM_EVENT_ROW 32
_Static_assert(VM_EVENT_COUNT <= VM_EVENT_ROW, "events");

extern u64 vm_events[MAX_CPUS][VM_EVENT_ROW] __aligned(64);
extern const char *const vm_event_names[VM_EVENT_COUNT];

static inline void vm_count_n(enum vm_event e, u64 n)
{
	u64 *p = &vm_events[cpu_id()][e];

	atomic_store(p, atomic_load(p) + n);
}

static inline void vm_count(enum vm_event e)
{
	vm_count_n(e, 1);
}

u64 vm_sum(enum vm_event e);
