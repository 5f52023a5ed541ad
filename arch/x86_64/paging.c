/*
 * The kernel's half of the address space (SDM volume 3, section 4.5), built once:
 *
 *	direct map	RAM and what ACPI keeps in it, by the largest pages that fit; never
 *			executable, and read-only where the kernel's text and constants lie
 *	image		text executable and read-only, constants read-only, data writable
 *	stacks, devices	tables down to level 2 or 3 exist from the start, so that every
 *			program's root can hold the same few level-4 entries for ever
 */
#include "arch/x86_64/paging.h"

#include "arch/x86_64/boot.h"
#include "arch/x86_64/control.h"
#include "kernel/lib/sort.h"
#include "kernel/panic.h"
#include "mm/alloc.h"

#define MAX_SLOTS 16

pfn_t kernel_root;

static pte_t *root;
static bool has_1g;
static vaddr_t device_next = DEVICE_BASE;
static pte_t *stacks_table;
/* The level-4 entries in use: what a new root gets. */
static struct {
	u16 index;
	pte_t entry;
} slots[MAX_SLOTS];
static unsigned nr_slots;

/* Boot alone needs new tables, so that there is none is an end. */
static pfn_t table_alloc(void)
{
	struct page *p;

	if (!page_array)
		return virt_to_pfn(early_alloc(PAGE_SIZE, PAGE_SIZE));
	p = page_alloc(PAGE_KERNEL, 0, ALLOC_ZERO);
	if (!p)
		panic("boot: no memory for a page table");
	return page_to_pfn(p);
}

static pte_t *next_table(pte_t *entry)
{
	if (!pte_present(*entry))
		pte_store(entry, pte_make(table_alloc(), KPTE_TABLE));
	return pfn_to_virt(pte_pfn(*entry));
}

/* The entry for va in a table of this level; tables above it are made as needed. */
static pte_t *entry_for(vaddr_t va, unsigned level)
{
	pte_t *table = root;

	for (unsigned l = TABLE_LEVELS; l > level; l--)
		table = next_table(&table[level_index(va, l)]);
	return &table[level_index(va, level)];
}

static void map_range(vaddr_t va, paddr_t pa, u64 size, u64 bits)
{
	while (size) {
		unsigned level = 1;

		for (unsigned l = has_1g ? 3 : 2; l > 1; l--) {
			if (!((va | pa) & (level_size(l) - 1)) && size >= level_size(l)) {
				level = l;
				break;
			}
		}
		pte_store(entry_for(va, level),
			  pte_make(pa >> PAGE_SHIFT, bits | (level > 1 ? PTE_HUGE : 0)));
		va += level_size(level);
		pa += level_size(level);
		size -= level_size(level);
	}
}

static paddr_t image_pa(const char *symbol)
{
	return (u64)symbol - KERNEL_BASE;
}

/* [start, end) of RAM, around the constant part of the image. */
static void map_direct(paddr_t start, paddr_t end)
{
	paddr_t ro_start = image_pa(kernel_text_start), ro_end = image_pa(kernel_rodata_end);
	paddr_t cuts[4] = {start, min(max(start, ro_start), end), min(max(start, ro_end), end),
			   end};

	for (unsigned i = 0; i < 3; i++)
		map_range(DIRECT_BASE + cuts[i], cuts[i], cuts[i + 1] - cuts[i],
			  i == 1 ? KPTE_RODATA : KPTE_DATA);
}

static void map_image(void)
{
	char *text = kernel_text_start, *text_end = kernel_text_end;
	char *rodata_end = kernel_rodata_end, *end = kernel_end;

	map_range((u64)text, image_pa(text), (u64)(text_end - text), KPTE_TEXT);
	map_range((u64)text_end, image_pa(text_end), (u64)(rodata_end - text_end), KPTE_RODATA);
	map_range((u64)rodata_end, image_pa(rodata_end), (u64)(end - rodata_end), KPTE_DATA);
}

static void note_slots(void)
{
	for (unsigned i = TABLE_ENTRIES / 2; i < TABLE_ENTRIES; i++) {
		if (!pte_present(root[i]))
			continue;
		ASSERT(nr_slots < MAX_SLOTS);
		slots[nr_slots].index = (u16)i;
		slots[nr_slots++].entry = root[i];
	}
}

static int by_start(const void *a, const void *b)
{
	const struct boot_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* In pages, sorted, and merged where they touch: no page is mapped twice, at two sizes. */
static void map_all_ram(const struct boot_info *info)
{
	static struct boot_range ram[BOOT_MAX_RANGES] __initdata;
	unsigned n = 0;
	paddr_t start = 0, end = 0;

	for (unsigned i = 0; i < info->nr_ranges; i++) {
		const struct boot_range *r = &info->ranges[i];

		if (r->type == BOOT_RAM || r->type == BOOT_ACPI_RECLAIM || r->type == BOOT_ACPI_NVS)
			ram[n++] = (struct boot_range){ALIGN_DOWN(r->start, PAGE_SIZE),
						       ALIGN_UP(r->end, PAGE_SIZE), BOOT_RAM};
	}
	sort(ram, n, sizeof(ram[0]), by_start);
	for (unsigned i = 0; i < n; i++) {
		if (ram[i].start > end) {
			map_direct(start, end);
			start = ram[i].start;
		}
		end = max(end, ram[i].end);
	}
	map_direct(start, end);
}

void paging_init(const struct boot_info *info)
{
	has_1g = cpuid(0x80000001, 0).edx & BIT(26);
	root = early_alloc(PAGE_SIZE, PAGE_SIZE);
	kernel_root = virt_to_pfn(root);
	map_all_ram(info);
	map_image();
	for (unsigned i = 0; cpu_stack_guard(i); i++)
		pte_store(entry_for(cpu_stack_guard(i), 1), pte_make(0, 0));
	stacks_table = next_table(entry_for(STACKS_BASE, 3));
	next_table(entry_for(DEVICE_BASE, 3));
	note_slots();
	write_cr3(kernel_root << PAGE_SHIFT);
}

void mmu_init_root(pte_t *to)
{
	for (unsigned i = 0; i < nr_slots; i++)
		to[slots[i].index] = slots[i].entry;
}

void mmu_clear_root(pte_t *top)
{
	for (unsigned i = 0; i < nr_slots; i++)
		top[slots[i].index] = (pte_t){0};
}

void *device_map(paddr_t pa, size_t size)
{
	paddr_t first = ALIGN_DOWN(pa, PAGE_SIZE);
	vaddr_t va = device_next;

	size = ALIGN_UP(pa + size, PAGE_SIZE) - first;
	ASSERT(device_next + size <= DEVICE_BASE + level_size(3));
	device_next += size;
	for (u64 off = 0; off < size; off += PAGE_SIZE)
		pte_store(entry_for(va + off, 1),
			  pte_make((first + off) >> PAGE_SHIFT, KPTE_DEVICE));
	return (void *)(va + (pa - first));
}

pte_t *paging_stacks_table(void)
{
	return stacks_table;
}

bool kernel_mapped(vaddr_t va)
{
	pte_t *table = root;

	if (!root)
		return va >= KERNEL_BASE;
	for (unsigned l = TABLE_LEVELS;; l--) {
		pte_t e = table[level_index(va, l)];

		if (!pte_present(e))
			return false;
		if (l == 1 || pte_has(e, PTE_HUGE))
			return true;
		table = pfn_to_virt(pte_pfn(e));
	}
}
