/*
 * Which tree this CPU walks, and what it may have cached of it (SDM volume 3, sections 4.10.4 and
 * 4.10.5). Loading CR3 drops every translation that is not global, and with it all paging-structure
 * caches; INVLPG drops one page's, and all paging-structure caches as well. Where the CPU has tags both
 * do that under the tag in CR3 alone: see pcid.h.
 */
#include "arch/mmu.h"

#include "arch/x86_64/boot.h"
#include "arch/x86_64/control.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/pcid.h"
#include "arch/x86_64/smp.h"
#include "kernel/log.h"

/* A range of more pages than this is dropped by reloading CR3. */
#define INVLPG_MAX 32

#define FRAME_WORDS (PAGE_SIZE / 8)

/* One CPU, whose translations carry no tags: there is nobody to tell, and nothing to remember. */
static bool simple = true;
static bool tagged, can_invpcid;
static struct pcids pcids[MAX_CPUS];

void mmu_use_tags(bool invpcid_there)
{
	tagged = true;
	can_invpcid = invpcid_there;
	simple = false;
}

void mmu_expect_others(void)
{
	simple = false;
}

static inline void activate(struct percpu *p, struct mmu *m, bool with_tag)
{
	struct mmu *old = p->mmu;
	u64 me = BIT(p->cpu), tag = 0;

	/* The bit first: who flushes this tree from now on must reach this CPU. */
	if (m)
		atomic_or(&m->cpus, me);
	p->mmu = m;
	if (with_tag)
		tag = pcid_switch(&pcids[p->cpu], m);
	write_cr3((m ? m->root : kernel_root) << PAGE_SHIFT | tag);
	if (old)
		atomic_and(&old->cpus, ~me);
}

/* Between two looks at p->mmu another CPU must not make this one forget the old tree. */
static void __noinline activate_undisturbed(struct mmu *m)
{
	u64 flags = irq_save();

	activate(this_cpu(), m, tagged);
	irq_restore(flags);
}

void mmu_activate(struct mmu *m)
{
	struct percpu *p = this_cpu();

	if (m == p->mmu)
		return;
	if (likely(simple))
		activate(p, m, false);
	else
		activate_undisturbed(m);
}

/* CPUs other than this one that walk the tree, once all of its entries are as they should be. */
static u64 others(const struct mmu *m)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return atomic_load(&m->cpus) & ~BIT(cpu_id());
}

void mmu_forget(struct mmu *m)
{
	u64 targets = simple ? 0 : others(m);

	if (this_cpu()->mmu == m)
		mmu_activate(NULL);
	if (unlikely(targets))
		shootdown_forget(m, targets);
}

static inline void reload(struct percpu *p)
{
	p->flush_all++;
	write_cr3(read_cr3()); /* reads as without CR3_KEEP */
}

static inline void drop(struct percpu *p, vaddr_t start, vaddr_t end)
{
	if (end - start > INVLPG_MAX * PAGE_SIZE) {
		reload(p);
		return;
	}
	for (vaddr_t va = start; va < end; va += PAGE_SIZE)
		invlpg(va);
	p->flush_one += (end - start) >> PAGE_SHIFT;
}

void mmu_flush_here(u64 flush, vaddr_t start, vaddr_t end)
{
	struct percpu *p = this_cpu();

	drop(p, start, end);
	if (flush)
		pcid_flushed(&pcids[p->cpu], flush);
}

void mmu_flush_all_here(u64 flush)
{
	struct percpu *p = this_cpu();

	reload(p);
	if (flush)
		pcid_flushed(&pcids[p->cpu], flush);
}

void mmu_flush_all(struct mmu *m)
{
	u64 flush = tagged ? pcid_count_flush(m) : 0;
	u64 targets = simple ? 0 : others(m);

	if (this_cpu()->mmu == m)
		mmu_flush_all_here(flush);
	if (unlikely(targets))
		shootdown_all(m, flush, targets);
}

static void __noinline flush_range_everywhere(struct mmu *m, vaddr_t start, vaddr_t end)
{
	u64 flush = tagged ? pcid_count_flush(m) : 0;
	u64 targets = others(m);

	if (this_cpu()->mmu == m)
		mmu_flush_here(flush, start, end);
	if (targets)
		shootdown_range(m, flush, targets, start, end);
}

void mmu_flush_range(struct mmu *m, vaddr_t start, vaddr_t end)
{
	struct percpu *p = this_cpu();

	if (unlikely(!simple))
		flush_range_everywhere(m, start, end);
	else if (p->mmu == m)
		drop(p, start, end);
}

/* SDM volume 3, section 4.10.4.1: a change of CR4.PGE drops what all tags have, too. */
void mmu_flush_kernel_here(void)
{
	u64 cr4;

	if (can_invpcid) {
		invpcid(INVPCID_ALL);
		return;
	}
	cr4 = read_cr4();
	write_cr4(cr4 ^ CR4_PGE);
	write_cr4(cr4);
}

void mmu_flushes(struct mmu_flushes *sum)
{
	*sum = (struct mmu_flushes){0};
	for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
		sum->remote += READ_ONCE(percpus[cpu].flush_sent);
		sum->received += READ_ONCE(percpus[cpu].flush_served);
		sum->local_all += READ_ONCE(percpus[cpu].flush_all);
		sum->local_one += READ_ONCE(percpus[cpu].flush_one);
	}
}

static void copy_rep_quads(void *to, const void *from)
{
	u64 n = FRAME_WORDS;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}

static void copy_rep_bytes(void *to, const void *from)
{
	u64 n = PAGE_SIZE;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}

static void copy_loop(void *to, const void *from)
{
	u64 *d = to;
	const u64 *s = from;

	for (u64 i = 0; i < FRAME_WORDS; i += 8) {
		u64 a = s[i], b = s[i + 1], c = s[i + 2], e = s[i + 3];

		d[i] = a;
		d[i + 1] = b;
		d[i + 2] = c;
		d[i + 3] = e;
		a = s[i + 4], b = s[i + 5], c = s[i + 6], e = s[i + 7];
		d[i + 4] = a;
		d[i + 5] = b;
		d[i + 6] = c;
		d[i + 7] = e;
	}
}

static void zero_rep_quads(void *to)
{
	u64 n = FRAME_WORDS;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(0) : "memory");
}

static void zero_rep_bytes(void *to)
{
	u64 n = PAGE_SIZE;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
}

static void zero_loop(void *to)
{
	u64 *d = to;

	for (u64 i = 0; i < FRAME_WORDS; i += 8) {
		__asm__ volatile("" ::: "memory"); /* stays a loop of stores */
		d[i] = d[i + 1] = d[i + 2] = d[i + 3] = 0;
		d[i + 4] = d[i + 5] = d[i + 6] = d[i + 7] = 0;
	}
}

static const struct {
	const char *name;
	void (*copy)(void *to, const void *from);
	void (*zero)(void *to);
} routines[] = {
    {"rep quads", copy_rep_quads, zero_rep_quads},
    {"rep bytes", copy_rep_bytes, zero_rep_bytes},
    {"a loop", copy_loop, zero_loop},
};

static void (*copy_frame)(void *to, const void *from) = copy_rep_quads;
static void (*zero_frame)(void *to) = zero_rep_quads;

void mmu_zero_frame(pfn_t pfn)
{
	zero_frame(pfn_to_virt(pfn));
}

void mmu_copy_frame(pfn_t to, pfn_t from)
{
	copy_frame(pfn_to_virt(to), pfn_to_virt(from));
}

/* The least of a few runs: what an interruption adds is left out. */
static u64 time_routine(unsigned i, u8 *buf, bool zero)
{
	u64 best = ~0ull;

	for (unsigned run = 0; run < 16; run++) {
		u64 before = cpu_rdtsc(), took;

		if (zero)
			routines[i].zero(buf);
		else
			routines[i].copy(buf, buf + PAGE_SIZE);
		took = cpu_rdtsc() - before;
		best = min(best, took);
	}
	return best;
}

void mmu_choose_routines(void)
{
	static u8 buf[2 * PAGE_SIZE] __aligned(PAGE_SIZE);
	u64 best_copy = ~0ull, best_zero = ~0ull;
	unsigned copy = 0, zero = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(routines); i++) {
		u64 c = time_routine(i, buf, false), z = time_routine(i, buf, true);

		if (c < best_copy) {
			best_copy = c;
			copy = i;
		}
		if (z < best_zero) {
			best_zero = z;
			zero = i;
		}
	}
	copy_frame = routines[copy].copy;
	zero_frame = routines[zero].zero;
	log_info("mmu: a frame is copied by %s (%llu ticks) and zeroed by %s (%llu)",
		 routines[copy].name, (unsigned long long)best_copy, routines[zero].name,
		 (unsigned long long)best_zero);
}
