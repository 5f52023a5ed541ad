/*
 * Kernel stacks. Each has a slot of 32 KiB in the GiB at STACKS_BASE: an unmapped guard below,
 * the stack's four frames above. 64 slots make a chunk, which is what one page table maps; a
 * chunk's table exists while a stack of it does.
 *
 * Freed stacks stay mapped in a small cache, so that fork and exit touch neither tables nor TLB.
 */
#include "arch/kstack.h"

#include "arch/x86_64/boot.h"
#include "arch/x86_64/control.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "kernel/lib/bitmap.h"
#include "kernel/panic.h"
#include "mm/alloc.h"

#define CHUNKS	    TABLE_ENTRIES
#define CHUNK_SLOTS 64
#define STACK_PAGES (KSTACK_SIZE >> PAGE_SHIFT)
#define CACHE_MAX   16

static spinlock_t lock = SPINLOCK_INIT(LOCK_KVM); /* used, full, and the tables of the chunks */
static u64 used[CHUNKS];			  /* a bit a slot */
static u64 full[BITMAP_WORDS(CHUNKS)];		  /* chunks without a free slot */

/* This CPU's free stacks. Touched with no lock: no interrupt handler frees a stack. */
static struct {
	unsigned n;
	void *stacks[CACHE_MAX];
} caches[MAX_CPUS];

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

/* Unmaps and frees the first n pages of a stack, and its slot; the lock is held. */
static void free_slot(unsigned chunk, unsigned slot, unsigned n)
{
	pte_t *entry = &paging_stacks_table()[chunk];
	pte_t *table = pfn_to_virt(pte_pfn(*entry));
	vaddr_t va = slot_stack(chunk, slot);

	for (unsigned i = 0; i < n; i++, va += PAGE_SIZE) {
		pte_t old = pte_take(&table[level_index(va, 1)]);

		invlpg(va);
		page_put(pfn_to_page(pte_pfn(old)));
	}
	used[chunk] &= ~BIT(slot);
	bitmap_clear(full, chunk);
	if (used[chunk])
		return;
	pte_take(entry);
	invlpg(va); /* the table's entry, too, may be cached */
	page_put(virt_to_page(table));
}

static void *map_new_stack(void)
{
	unsigned chunk = (unsigned)bitmap_find_clear(full, CHUNKS, 0), slot;
	pte_t *table;
	vaddr_t va;

	if (chunk == CHUNKS)
		return NULL;
	table = chunk_table(chunk);
	if (!table)
		return NULL;
	slot = (unsigned)__builtin_ctzll(~used[chunk]);
	used[chunk] |= BIT(slot);
	if (!~used[chunk])
		bitmap_set(full, chunk);
	va = slot_stack(chunk, slot);
	for (unsigned i = 0; i < STACK_PAGES; i++) {
		struct page *p = page_alloc(PAGE_KERNEL, 0, 0);

		if (!p) {
			free_slot(chunk, slot, i);
			return NULL;
		}
		pte_store(&table[level_index(va + i * PAGE_SIZE, 1)],
			  pte_make(page_to_pfn(p), KPTE_DATA));
	}
	return (void *)va;
}

void *kstack_alloc(void)
{
	__typeof__(caches[0]) *c = &caches[cpu_id()];
	void *stack;

	if (c->n)
		return c->stacks[--c->n];
	spin_lock(&lock);
	stack = map_new_stack();
	spin_unlock(&lock);
	return stack;
}

static void unmap_stack(void *stack)
{
	u64 index = ((u64)stack - STACKS_BASE) / KSTACK_STRIDE;

	spin_lock(&lock);
	free_slot((unsigned)(index / CHUNK_SLOTS), (unsigned)(index % CHUNK_SLOTS), STACK_PAGES);
	spin_unlock(&lock);
}

void kstack_free(void *stack)
{
	__typeof__(caches[0]) *c = &caches[cpu_id()];

	if (!stack)
		return;
	if (c->n < CACHE_MAX)
		c->stacks[c->n++] = stack;
	else
		unmap_stack(stack);
}

void kstack_trim(void)
{
	__typeof__(caches[0]) *c = &caches[cpu_id()];

	while (c->n)
		unmap_stack(c->stacks[--c->n]);
}

bool kstack_is_guard(vaddr_t va)
{
	for (unsigned i = 0; cpu_stack_guard(i); i++)
		if (ALIGN_DOWN(va, PAGE_SIZE) == cpu_stack_guard(i))
			return true;
	return va >= STACKS_BASE && va < STACKS_BASE + level_size(3) &&
	       va % KSTACK_STRIDE < KSTACK_STRIDE - KSTACK_SIZE;
}
