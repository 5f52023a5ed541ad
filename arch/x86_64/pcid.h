/*
 * Process-context identifiers (SDM volume 3, sections 4.10.1 and 4.10.4.1): what a CPU has cached of a tree
 * carries a tag, and stays while it walks another. Logic alone, which the host tests run.
 *
 *	tags		A CPU gives its tags 1 to PCID_TAGS in turn to the trees that it walks; 0 is the
 *			kernel's own. A tree is known by mmu->id, which is no other's later: so a tag that
 *			was a dead tree's matches none.
 *	flushes		mmu->flushes counts what was to be dropped of the tree. It is counted up after the
 *			entries were changed, and before mmu->cpus is read. A CPU that does not walk the tree
 *			is told of nothing: a tag is good where its count is the tree's, which the CPU reads
 *			after its bit in mmu->cpus is set. So it was either told, or finds the count ahead.
 *	behind		A tag that did not see each flush in turn stays behind, and costs one flush of all.
 */
#pragma once

#include "arch/mmu.h"

#define PCID_TAGS 6
#define CR3_KEEP  BIT(63) /* what is cached under the tag is good */

/* One CPU's, used with interrupts off, or by it alone. */
struct pcids {
	struct {
		u64 id, flushes;
	} tags[PCID_TAGS + 1];
	u32 now;  /* the tag in CR3 */
	u32 last; /* the one given away last */
} __aligned(64);

/* What goes into CR3 beside the root of m, NULL for the kernel's. The CPU's bit in m->cpus is set. */
u64 pcid_switch(struct pcids *p, struct mmu *m) __must_check;

/* Entries of m were changed: the number of the flush that follows. A full barrier. */
static inline u64 pcid_count_flush(struct mmu *m)
{
	return atomic_inc(&m->flushes);
}

/* This CPU, which walks the tree, has dropped what its flush of that number is about. */
static inline void pcid_flushed(struct pcids *p, u64 number)
{
	if (p->tags[p->now].flushes == number - 1)
		p->tags[p->now].flushes = number;
}
