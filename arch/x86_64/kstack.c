/*
 * Kernel stacks. Each has a slot of 32 KiB in the GiB at STACKS_BASE: an unmapped guard below,
 * the stack's four frames above. 64 slots make a chunk, which is what one page table maps; a
 * chunk's table exists while a stack of it does.
 *
 * Freed stacks stay mapped in a small cache for each CPU, so that fork and exit touch neither tables
 * nor TLB. What a cache has no room for goes to `spare`, still mapped: a stack is freed with
 * interrupts off, where no CPU may wait for others to flush. kstack_release() unmaps the spare ones:
 * entries first, then every CPU's translations, and only then frames and slots.
 */
#include "arch/kstack.h"

#include "arch/x86_64/boot.h"
#include "arch/x86_64/control.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/smp.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "mm/alloc.h"

#define CHUNKS	    TABLE_ENTRIES
#define CHUNK_SLOTS 64
#define STACK_PAGES (KSTACK_SIZE >> PAGE_SHIFT)
#define CACHE_MAX   16
#define SPARE_MAX   16 /* so many stay as they are */
#define BATCH	    16 /* stacks unmapped at a time */

static spinlock_t lock =
    SPINLOCK_INIT(LOCK_KVM);	       /* used, full, the tables of the chunks, spare, leaving */
static u64 used[CHUNKS];	       /* a bit a slot */
static u64 leaving[CHUNKS];	       /* of those: unmapped, and not yet forgotten by all */
static u64 full[BITMAP_WORDS(CHUNKS)]; /* chunks without a free slot, or whose table goes */

/* A free stack that is mapped; at its lowest address. */
struct spare {
	struct spare *next;
};
static struct spare *spare;
static u32 nr_spare; /* atomic, so that it can be read without the lock */

/* A CPU's free stacks. Another takes the lock only to empty the cache. */
static struct {
	spinlock_t lock; /* LOCK_KSTACKS */
	unsigned n;
	void *stacks[CACHE_MAX];
} __aligned(64) caches[MAX_CPUS] = {[0 ... MAX_CPUS - 1] = {.lock = SPINLOCK_INIT(LOCK_KSTACKS)}};

static vaddr_t slot_stack(unsigned chunk, unsigned slot)
{
	return STACKS_BASE + ((u64)chunk * CHUNK_SLOTS + slot) * KSTACK_STRIDE + KSTACK_STRIDE -
	       KSTACK_SIZE;
}

/* The level-1 table of a chunk, made where it is not there. NULL: no memory. */
static pte_t *chunk_table(unsigned chunk)
{
	pte_t *entry = &paging_stacks_table()[chunk];
	struct page *p;

	if (!pte_present(*entry)) {
		p = page_alloc(PAGE_KERNEL, 0, ALLOC_ZERO);
		if (!p)
			return NULL;
		pte_store(entry, pte_make(page_to_pfn(p), KPTE_TABLE));
	}
	return pfn_to_virt(pte_pfn(*entry));
}

/* The entry of a stack's i-th page; the lock is held, and the chunk has its table. */
static pte_t *stack_entry(vaddr_t stack, unsigned i)
{
	u64 index = (stack - STACKS_BASE) / KSTACK_STRIDE;
	pte_t *table = pfn_to_virt(pte_pfn(paging_stacks_table()[index / CHUNK_SLOTS]));

	return &table[level_index(stack + i * PAGE_SIZE, 1)];
}

/* The frames first: a table of a chunk without a stack would stay. */
static void *map_new_stack(void)
{
	unsigned chunk = (unsigned)bitmap_find_clear(full, CHUNKS, 0), n = 0, slot;
	struct page *frames[STACK_PAGES];
	pte_t *table;
	vaddr_t va;

	if (chunk == CHUNKS)
		return NULL;
	while (n < STACK_PAGES && (frames[n] = page_alloc(PAGE_KERNEL, 0, 0)))
		n++;
	table = n == STACK_PAGES ? chunk_table(chunk) : NULL;
	if (!table) {
		while (n)
			page_put(frames[--n]);
		return NULL;
	}
	slot = (unsigned)__builtin_ctzll(~used[chunk]);
	used[chunk] |= BIT(slot);
	if (!~used[chunk])
		bitmap_set(full, chunk);
	va = slot_stack(chunk, slot);
	for (unsigned i = 0; i < STACK_PAGES; i++)
		pte_store(&table[level_index(va + i * PAGE_SIZE, 1)],
			  pte_make(page_to_pfn(frames[i]), KPTE_DATA));
	return (void *)va;
}

static void *take_spare(void)
{
	struct spare *s = spare;

	if (!s)
		return NULL;
	spare = s->next;
	atomic_store(&nr_spare, nr_spare - 1);
	return s;
}

static void *take_cached(void)
{
	__typeof__(caches[0]) *c = &caches[cpu_id()];
	void *stack = NULL;

	spin_lock(&c->lock);
	if (likely(c->n))
		stack = c->stacks[--c->n];
	spin_unlock(&c->lock);
	return stack;
}

void *kstack_alloc(void)
{
	void *stack = take_cached();

	if (likely(stack))
		return stack;
	spin_lock(&lock);
	stack = take_spare();
	if (!stack)
		stack = map_new_stack();
	spin_unlock(&lock);
	return stack;
}

static void add_spare(void *stack)
{
	struct spare *s = stack;

	spin_lock(&lock);
	s->next = spare;
	spare = s;
	atomic_store(&nr_spare, nr_spare + 1);
	spin_unlock(&lock);
}

void kstack_free(void *stack)
{
	__typeof__(caches[0]) *c = &caches[cpu_id()];
	bool full_up;

	if (!stack)
		return;
	spin_lock(&c->lock);
	full_up = c->n == CACHE_MAX;
	if (likely(!full_up))
		c->stacks[c->n++] = stack;
	spin_unlock(&c->lock);
	if (unlikely(full_up))
		add_spare(stack);
}

/* A spare stack's entries go, and its chunk's table with the last stack. The lock is held. */
static struct page *unmap_spare(struct spare *stack, struct page *frames[STACK_PAGES])
{
	u64 index = ((u64)stack - STACKS_BASE) / KSTACK_STRIDE;
	unsigned chunk = (unsigned)(index / CHUNK_SLOTS);

	for (unsigned i = 0; i < STACK_PAGES; i++)
		frames[i] = pfn_to_page(pte_pfn(pte_take(stack_entry((vaddr_t)stack, i))));
	leaving[chunk] |= BIT(index % CHUNK_SLOTS);
	if (leaving[chunk] != used[chunk])
		return NULL;
	/* Nobody is to make a new table while a CPU may still know this one. */
	bitmap_set(full, chunk);
	return pfn_to_page(pte_pfn(pte_take(&paging_stacks_table()[chunk])));
}

/* All CPUs have forgotten the stack: its slot is free. The lock is held. */
static void give_spare_slot(struct spare *stack)
{
	u64 index = ((u64)stack - STACKS_BASE) / KSTACK_STRIDE;
	unsigned chunk = (unsigned)(index / CHUNK_SLOTS);

	used[chunk] &= ~BIT(index % CHUNK_SLOTS);
	leaving[chunk] &= ~BIT(index % CHUNK_SLOTS);
	if (!leaving[chunk])
		bitmap_clear(full, chunk);
}

/* Unmaps up to BATCH spare stacks, where there are more than `keep`. False: nothing to do. */
static bool release_batch(u32 keep)
{
	struct page *frames[BATCH][STACK_PAGES], *tables[BATCH];
	struct spare *stacks[BATCH];
	u32 n = 0;

	spin_lock(&lock);
	while (n < BATCH && nr_spare > keep) {
		stacks[n] = take_spare();
		tables[n] = unmap_spare(stacks[n], frames[n]);
		n++;
	}
	spin_unlock(&lock);
	if (!n)
		return false;
	shootdown_kernel();
	for (u32 k = 0; k < n; k++) {
		for (unsigned i = 0; i < STACK_PAGES; i++)
			page_put(frames[k][i]);
		if (tables[k])
			page_put(tables[k]);
	}
	spin_lock(&lock);
	for (u32 k = 0; k < n; k++)
		give_spare_slot(stacks[k]);
	spin_unlock(&lock);
	return true;
}

void kstack_release(void)
{
	if (unlikely(atomic_load(&nr_spare) > SPARE_MAX))
		while (release_batch(SPARE_MAX))
			;
}

void kstack_trim(void)
{
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
		__typeof__(caches[0]) *c = &caches[cpu];
		void *stacks[CACHE_MAX];
		unsigned n;

		spin_lock(&c->lock);
		n = c->n;
		memcpy(stacks, c->stacks, n * sizeof(stacks[0]));
		c->n = 0;
		spin_unlock(&c->lock);
		while (n)
			add_spare(stacks[--n]);
	}
	while (release_batch(0))
		;
}

bool kstack_is_guard(vaddr_t va)
{
	for (unsigned i = 0; cpu_stack_guard(i); i++)
		if (ALIGN_DOWN(va, PAGE_SIZE) == cpu_stack_guard(i))
			return true;
	return va >= STACKS_BASE && va < STACKS_BASE + level_size(3) &&
	       va % KSTACK_STRIDE < KSTACK_STRIDE - KSTACK_SIZE;
}
