/*
 * Page-table entries of x86-64 (Intel SDM volume 3, section 4.5) and the three software bits that
 * Calf keeps in them. Pure functions: the simulated MMU of the host tests uses them as they are.
 */
#pragma once

#include "kernel/lib/atomic.h"
#include "kernel/lib/compiler.h"

typedef struct {
	u64 v;
} pte_t;

#define PTE_PRESENT  BIT(0)
#define PTE_WRITE    BIT(1)
#define PTE_USER     BIT(2)
#define PTE_PWT	     BIT(3)
#define PTE_PCD	     BIT(4)
#define PTE_ACCESSED BIT(5)
#define PTE_DIRTY    BIT(6)
#define PTE_HUGE     BIT(7)
#define PTE_GLOBAL   BIT(8)
#define PTE_SHARED   BIT(9)  /* software: of a MAP_SHARED area, so W says nothing of owners */
#define PTE_NOACCESS BIT(10) /* software: holds a frame that PROT_NONE hides; PRESENT is 0 */
#define PTE_BUSY     BIT(11) /* software: being replaced; references what it did, PRESENT and W are 0 */
#define PTE_NX	     BIT(63)

#define PTE_PFN_MASK 0x000ffffffffff000ull

static inline pte_t pte_make(u64 pfn, u64 bits)
{
	return (pte_t){pfn << 12 | bits};
}

static inline u64 pte_pfn(pte_t e)
{
	return (e.v & PTE_PFN_MASK) >> 12;
}

/* Empty: no frame below. An entry that is not none references exactly one frame. */
static inline bool pte_none(pte_t e)
{
	return e.v == 0;
}

/* The CPU walks through it. */
static inline bool pte_present(pte_t e)
{
	return e.v & PTE_PRESENT;
}

static inline bool pte_writable(pte_t e)
{
	return e.v & PTE_WRITE;
}

static inline bool pte_shared(pte_t e)
{
	return e.v & PTE_SHARED;
}

static inline bool pte_busy(pte_t e)
{
	return e.v & PTE_BUSY;
}

static inline bool pte_has(pte_t e, u64 bits)
{
	return (e.v & bits) == bits;
}

static inline pte_t pte_with(pte_t e, u64 bits)
{
	return (pte_t){e.v | bits};
}

static inline pte_t pte_without(pte_t e, u64 bits)
{
	return (pte_t){e.v & ~bits};
}

/* Acquire, as pte_store() is release: what an entry references is seen as whole as the entry. */
static inline pte_t pte_load(const pte_t *p)
{
	return (pte_t){atomic_load_acquire(&p->v)};
}

static inline void pte_store(pte_t *p, pte_t e)
{
	atomic_store_release(&p->v, e.v);
}

/* Clears bits without losing an A or D that the CPU sets meanwhile. */
static inline void pte_clear_bits(pte_t *p, u64 bits)
{
	__atomic_fetch_and(&p->v, ~bits, __ATOMIC_SEQ_CST);
}

/* Empties the entry and returns its last value, D included. */
static inline pte_t pte_take(pte_t *p)
{
	return (pte_t){atomic_xchg(&p->v, 0)};
}

/* Lets nobody through the entry; a full barrier. Its table is locked, so only A and D could change. */
static inline void pte_make_busy(pte_t *p)
{
	(void)atomic_xchg(&p->v, (pte_load(p).v & ~(PTE_PRESENT | PTE_WRITE)) | PTE_BUSY);
}
