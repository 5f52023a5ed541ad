/*
 * The simulated MMU.
 *
 *	translation	A page number with the frame and the rights of the whole path, cached when a
 *			walk that set A at every step reached a leaf. A write through one that knows
 *			D to be set reads no table at all.
 *	structure	An entry of level 4, 3 or 2 that names a table, with the rights of the path
 *			down to it. A walk starts at the lowest one cached, so what has changed above
 *			it goes unseen.
 *	forgotten	by a flush of the range that covers it, by a switch of trees, by a page fault
 *			at its address, and at random. By nothing else.
 *
 * A flush drops no more than arch/mmu.h promises: structures outside the range stay, though a real
 * INVLPG drops them all.
 */
#include "tests/unit/sim/mmu.h"
#include "kernel/panic.h"
#include "mm/stat.h"
#include "tests/unit/host/tap.h"
#include <string.h>

#define TLB_SLOTS 1024
#define PSC_SLOTS 64
/* Faults in a row for one access: other threads may take its page away again. */
#define MAX_TRIES 1000
#define RIGHTS	  (PTE_WRITE | PTE_USER)

struct translation {
	u64 generation; /* valid where it is the CPU's */
	vaddr_t va;	/* of the first byte, aligned to its size */
	pfn_t pfn;
	u64 rights; /* PTE_WRITE, PTE_USER: and of the path. PTE_NX: or of it */
	u8 level;
	bool dirty;
};

struct structure {
	u64 generation;
	vaddr_t va;
	pfn_t table;
	u64 rights;
};

struct sim_cpu {
	/* Held for each access, so that a flush by another thread falls between two of them. */
	spinlock_t lock;
	struct mm *mm;
	struct mmu *mmu;
	pfn_t root;
	u64 generation;
	u64 flushes; /* by this CPU; atomic */
	struct translation tlb[TLB_SLOTS];
	struct structure psc[TABLE_LEVELS + 1][PSC_SLOTS]; /* by the level of the entry: 4, 3, 2 */
} __aligned(64);

static struct sim_cpu cpus[SIM_CPUS];
unsigned sim_forget_one_in = 50;

static struct sim_cpu *this_cpu(void)
{
	return &cpus[cpu_id()];
}

static bool forget(void)
{
	return sim_forget_one_in && rand_below(sim_forget_one_in) == 0;
}

/* ---- the caches ---- */

static struct translation *tlb_slot(struct sim_cpu *c, vaddr_t va)
{
	u64 n = va >> PAGE_SHIFT;

	return &c->tlb[(n ^ n >> 10 ^ n >> 20 ^ n >> 27) % TLB_SLOTS];
}

static struct structure *psc_slot(struct sim_cpu *c, vaddr_t va, unsigned level)
{
	u64 n = va / level_size(level);

	return &c->psc[level][(n ^ n >> 9) % PSC_SLOTS];
}

static vaddr_t base_of(vaddr_t va, unsigned level)
{
	return va & ~(level_size(level) - 1);
}

static bool tlb_valid(const struct sim_cpu *c, const struct translation *t)
{
	return t->generation == c->generation;
}

/* Large pages are cached by pieces of 4 KiB, which the SDM allows. */
static struct translation *tlb_find(struct sim_cpu *c, vaddr_t va)
{
	struct translation *t = tlb_slot(c, va);

	if (!tlb_valid(c, t) || t->va != base_of(va, 1))
		return NULL;
	if (forget()) {
		t->generation = 0;
		return NULL;
	}
	return t;
}

static void drop_range(struct sim_cpu *c, vaddr_t start, vaddr_t end)
{
	for (unsigned i = 0; i < TLB_SLOTS; i++)
		if (c->tlb[i].va >= base_of(start, 1) && c->tlb[i].va < end)
			c->tlb[i].generation = 0;
	for (unsigned level = 2; level <= TABLE_LEVELS; level++)
		for (unsigned i = 0; i < PSC_SLOTS; i++) {
			struct structure *s = &c->psc[level][i];

			if (s->va < end && start < s->va + level_size(level))
				s->generation = 0;
		}
}

static void drop_all(struct sim_cpu *c)
{
	c->generation++;
}

/* ---- the walk ---- */

static bool allows(u64 rights, unsigned access)
{
	if (!(rights & PTE_USER))
		return false;
	if (access == PROT_WRITE)
		return rights & PTE_WRITE;
	return access != PROT_EXEC || !(rights & PTE_NX);
}

static u64 combine(u64 rights, pte_t e)
{
	return (rights & e.v & RIGHTS) | ((rights | e.v) & PTE_NX);
}

/* Sets bits in an entry as the CPU does: only if it is still what the walk read. */
static bool set_bits(pte_t *p, pte_t *e, u64 bits)
{
	pte_t new = pte_with(*e, bits);

	if (pte_has(*e, bits))
		return true;
	if (!atomic_cas(&p->v, &e->v, new.v))
		return false;
	*e = new;
	return true;
}

/* Where the walk begins: the lowest structure cached, or the root. */
static unsigned walk_start(struct sim_cpu *c, vaddr_t va, pfn_t *table, u64 *rights)
{
	for (unsigned level = 2; level <= TABLE_LEVELS; level++) {
		struct structure *s = psc_slot(c, va, level);

		if (s->generation != c->generation || s->va != base_of(va, level) || forget())
			continue;
		*table = s->table;
		*rights = s->rights;
		return level - 1;
	}
	*table = c->root;
	*rights = RIGHTS;
	return TABLE_LEVELS;
}

static pte_t *entry_at(pfn_t table, vaddr_t va, unsigned level)
{
	struct page *p = pfn_to_page(table);

	if (p->kind != PAGE_TABLE || p->level != level)
		panic("sim: CPU %u walks frame %lu for %#lx as a level-%u table, but it is of kind "
		      "%u",
		      cpu_id(), table, va, level, p->kind);
	return (pte_t *)pfn_to_virt(table) + level_index(va, level);
}

/* Finds and caches the translation of va for this access. NULL: a page fault. */
static struct translation *walk(struct sim_cpu *c, vaddr_t va, unsigned access)
{
	struct translation *t = tlb_slot(c, va);
	unsigned level;
	pfn_t table;
	u64 rights;
	pte_t e, *p;

restart:
	level = walk_start(c, va, &table, &rights);
	for (;; level--) {
		p = entry_at(table, va, level);
		e = pte_load(p);
		if (!pte_present(e))
			return NULL;
		rights = combine(rights, e);
		if (level == 1 || pte_has(e, PTE_HUGE))
			break;
		if (!set_bits(p, &e, PTE_ACCESSED))
			goto restart;
		table = pte_pfn(e);
		*psc_slot(c, va, level) =
		    (struct structure){c->generation, base_of(va, level), table, rights};
	}
	if (!allows(rights, access))
		return NULL;
	if (!set_bits(p, &e, PTE_ACCESSED | (access == PROT_WRITE ? PTE_DIRTY : 0)))
		goto restart;
	*t = (struct translation){
	    .generation = c->generation,
	    .va = base_of(va, 1),
	    .pfn = pte_pfn(e) + (level > 1 ? (va & (level_size(level) - 1)) >> PAGE_SHIFT : 0),
	    .rights = rights,
	    .level = (u8)level,
	    .dirty = pte_has(e, PTE_DIRTY),
	};
	return t;
}

/* As the CPU: the cached translation if it serves, else a walk. */
static struct translation *translate(struct sim_cpu *c, vaddr_t va, unsigned access)
{
	struct translation *t = tlb_find(c, va);

	if (t) {
		if (!allows(t->rights, access))
			return NULL;
		if (access != PROT_WRITE || t->dirty)
			return t;
		t->generation = 0; /* D is to be set: in the tables, as they are now */
	}
	return walk(c, va, access);
}

static enum fault_result user_access(vaddr_t va, unsigned access, void *to, const void *from,
				     size_t len)
{
	struct sim_cpu *c = this_cpu();
	struct translation *t;
	enum fault_result r;
	char *frame;

	spin_lock(&c->lock);
	for (unsigned tries = 0; !(t = translate(c, va, access)); tries++) {
		if (tries > MAX_TRIES)
			panic("sim: CPU %u faults at %#lx (access %u) for ever", cpu_id(), va,
			      access);
		drop_range(c, va, va + 1);
		spin_unlock(&c->lock);
		r = mm_fault(c->mm, va, access);
		if (r != FAULT_OK)
			return r;
		spin_lock(&c->lock);
	}
	if (pfn_to_page(t->pfn)->kind == PAGE_FREE)
		panic("sim: CPU %u uses frame %lu for %#lx, which is free", cpu_id(), t->pfn, va);
	frame = (char *)pfn_to_virt(t->pfn) + (va & (PAGE_SIZE - 1));
	if (to)
		memcpy(to, frame, len);
	if (from)
		memcpy(frame, from, len);
	spin_unlock(&c->lock);
	return FAULT_OK;
}

enum fault_result sim_read(vaddr_t va, void *buf, size_t len)
{
	return user_access(va, PROT_READ, buf, NULL, len);
}

enum fault_result sim_write(vaddr_t va, const void *buf, size_t len)
{
	return user_access(va, PROT_WRITE, NULL, buf, len);
}

enum fault_result sim_exec(vaddr_t va)
{
	return user_access(va, PROT_EXEC, NULL, NULL, 0);
}

/* ---- what arch/mmu.h asks for ---- */

void mmu_init_root(pte_t *root)
{
	(void)root;
}

void mmu_clear_root(pte_t *root)
{
	(void)root;
}

void mmu_activate(struct mmu *m)
{
	struct sim_cpu *c = this_cpu();

	if (c->mmu == m)
		return;
	spin_lock(&c->lock);
	if (c->mmu)
		atomic_and(&c->mmu->cpus, ~BIT(cpu_id()));
	c->mmu = m;
	c->root = m ? m->root : 0;
	if (m)
		atomic_or(&m->cpus, BIT(cpu_id()));
	if (!c->generation)
		c->generation = 1;
	drop_all(c);
	spin_unlock(&c->lock);
}

void mmu_forget(struct mmu *m)
{
	for (unsigned i = 0; i < SIM_CPUS; i++) {
		struct sim_cpu *c = &cpus[i];

		spin_lock(&c->lock);
		if (c->mmu == m) {
			c->mmu = NULL;
			c->mm = NULL;
			drop_all(c);
		}
		spin_unlock(&c->lock);
	}
	m->cpus = 0;
}

int sim_flush_skip = -1;
static struct sim_flush_site sites[64];
static int nr_sites; /* atomic: those before it stay as they are */
static spinlock_t sites_lock;

int sim_flush_sites(void)
{
	return nr_sites;
}

struct sim_flush_site sim_flush_site(int n)
{
	return sites[n];
}

/* Its number; or -1. */
static int find_site(const void *from, const void *by)
{
	int known = atomic_load_acquire(&nr_sites);

	for (int n = 0; n < known; n++)
		if (sites[n].from == from && sites[n].by == by)
			return n;
	return -1;
}

/* The lock is for new ones alone: CPUs that flush side by side share nothing by it. */
static int note_site(const void *from, const void *by)
{
	int n = find_site(from, by);

	if (n >= 0)
		return n;
	spin_lock(&sites_lock);
	n = find_site(from, by);
	if (n < 0 && nr_sites < (int)ARRAY_SIZE(sites)) {
		n = nr_sites;
		sites[n] = (struct sim_flush_site){from, by};
		atomic_store_release(&nr_sites, n + 1);
	}
	spin_unlock(&sites_lock);
	return n;
}

/* One that reaches no CPU is left out of the count: there is nothing to miss. */
static bool flush_skipped(struct mmu *m, const void *from, const void *by)
{
	if (!atomic_load(&m->cpus))
		return false;
	return sim_flush_skip == note_site(from, by) && sim_flush_skip >= 0;
}

/* The two callers; built with frame pointers, where the second one can be told. */
#pragma GCC diagnostic ignored "-Wframe-address"
#define SKIPPED(m) flush_skipped(m, __builtin_return_address(0), __builtin_return_address(1))

/* What an interrupt to each CPU that runs the tree does; done when all have let go. */
static void shoot_down(struct mmu *m, vaddr_t start, vaddr_t end, bool all)
{
	for (unsigned i = 0; i < SIM_CPUS; i++) {
		struct sim_cpu *c = &cpus[i];

		if (!(atomic_load_acquire(&m->cpus) & BIT(i)))
			continue;
		spin_lock(&c->lock);
		if (all)
			drop_all(c);
		else
			drop_range(c, start, end);
		spin_unlock(&c->lock);
	}
}

void mmu_flush_range(struct mmu *m, vaddr_t start, vaddr_t end)
{
	if (SKIPPED(m))
		return;
	atomic_inc(&this_cpu()->flushes);
	shoot_down(m, start, end, false);
}

void mmu_flush_all(struct mmu *m)
{
	if (SKIPPED(m))
		return;
	atomic_inc(&this_cpu()->flushes);
	shoot_down(m, 0, 0, true);
}

/* ---- for the tests ---- */

u64 sim_flushes(void)
{
	u64 n = 0;

	for (unsigned i = 0; i < SIM_CPUS; i++)
		n += atomic_load(&cpus[i].flushes);
	return n;
}

void sim_run(unsigned cpu, struct mm *mm)
{
	host_cpu = cpu;
	mmu_activate(mm ? &mm->mmu : NULL);
	cpus[cpu].mm = mm;
}

struct mm *sim_running(unsigned cpu)
{
	return cpus[cpu].mm;
}

/* What the tables say of va at this level; false where the path ends above. */
static bool tables_say(const struct sim_cpu *c, vaddr_t va, unsigned want, pfn_t *pfn, u64 *rights)
{
	pfn_t table = c->root;
	unsigned level;
	pte_t e;

	*rights = RIGHTS;
	for (level = TABLE_LEVELS;; level--) {
		e = pte_load(entry_at(table, va, level));
		if (!pte_present(e))
			return false;
		*rights = combine(*rights, e);
		table = pte_pfn(e);
		if (level == want || pte_has(e, PTE_HUGE))
			break;
	}
	*pfn = table;
	if (level > 1 && pte_has(e, PTE_HUGE))
		*pfn += (va & (level_size(level) - 1)) >> PAGE_SHIFT;
	return level == want || want == 1;
}

/* A cached thing may say less than the tables, never more or other. */
static void check_one(const struct sim_cpu *c, const char *what, vaddr_t va, unsigned level,
		      pfn_t cached, u64 rights)
{
	pfn_t pfn = 0;
	u64 now = 0;
	bool there = tables_say(c, va, level, &pfn, &now);

	if (there && pfn == cached && !(rights & RIGHTS & ~now) && !(now & PTE_NX & ~rights))
		return;
	panic("sim: CPU %u keeps a stale %s for %#lx: frame %lu%s; tables: %s frame %lu%s",
	      (unsigned)(c - cpus), what, va, cached, rights & PTE_WRITE ? " writable" : "",
	      there ? "" : "nothing,", pfn, now & PTE_WRITE ? " writable" : "");
}

void sim_check_caches(void)
{
	for (unsigned i = 0; i < SIM_CPUS; i++) {
		struct sim_cpu *c = &cpus[i];

		if (!c->mmu)
			continue;
		for (unsigned n = 0; n < TLB_SLOTS; n++) {
			struct translation *t = &c->tlb[n];

			if (tlb_valid(c, t))
				check_one(c, "translation", t->va, 1, t->pfn, t->rights);
		}
		for (unsigned level = 2; level <= TABLE_LEVELS; level++)
			for (unsigned n = 0; n < PSC_SLOTS; n++) {
				struct structure *s = &c->psc[level][n];

				if (s->generation == c->generation)
					check_one(c, "structure", s->va, level, s->table,
						  s->rights);
			}
	}
}
