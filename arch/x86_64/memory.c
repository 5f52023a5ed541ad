/*
 * From the loader's memory map to the allocator. A list of what is free is kept, in address
 * order: RAM without what anything else claims. Page tables and page_array come from its top below
 * 4 GiB, which is what boot/entry.S maps; the rest goes to the allocator.
 */
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/smp.h"
#include "kernel/lib/sort.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "mm/alloc.h"

#define MAX_FREE    (2 * BOOT_MAX_RANGES + BOOT_MAX_MODULES + 8)
#define LOW_MEMORY  0x10000 /* firmware scribbles over it, and NULL stays free of frames */
#define BOOT_MAPPED BIT(32)
#define REAL_MODE   0xa0000 /* what a CPU in real mode can run in, and video memory is not */

static struct {
	paddr_t start, end;
} ranges[MAX_FREE];
static unsigned nr_free;
static paddr_t trampoline;

static int by_start(const void *a, const void *b)
{
	const paddr_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void add_free(paddr_t start, paddr_t end)
{
	start = ALIGN_UP(start, PAGE_SIZE);
	end = ALIGN_DOWN(end, PAGE_SIZE);
	if (start >= end)
		return;
	if (nr_free == MAX_FREE)
		panic("boot: the memory map is in too many pieces");
	ranges[nr_free].start = start;
	ranges[nr_free++].end = end;
}

static void remove_free(paddr_t start, paddr_t end)
{
	unsigned n = nr_free;

	start = ALIGN_DOWN(start, PAGE_SIZE);
	end = ALIGN_UP(end, PAGE_SIZE);
	for (unsigned i = 0; i < n; i++) {
		paddr_t s = ranges[i].start, e = ranges[i].end;

		if (start >= e || end <= s)
			continue;
		if (start > s) {
			ranges[i].end = start;
			add_free(end, e);
		} else {
			ranges[i].start = min(end, e);
		}
	}
}

/* Touching and overlapping ranges become one: a frame is handed out once. */
static void merge_free(void)
{
	unsigned kept = 0;

	sort(ranges, nr_free, sizeof(ranges[0]), by_start);
	for (unsigned i = 0; i < nr_free; i++) {
		if (kept && ranges[i].start <= ranges[kept - 1].end)
			ranges[kept - 1].end = max(ranges[kept - 1].end, ranges[i].end);
		else
			ranges[kept++] = ranges[i];
	}
	nr_free = kept;
}

static void find_free(const struct boot_info *info)
{
	for (unsigned i = 0; i < info->nr_ranges; i++)
		if (info->ranges[i].type == BOOT_RAM)
			add_free(info->ranges[i].start, info->ranges[i].end);
	merge_free();
	for (unsigned i = 0; i < info->nr_ranges; i++)
		if (info->ranges[i].type != BOOT_RAM)
			remove_free(info->ranges[i].start, info->ranges[i].end);
	remove_free(0, LOW_MEMORY);
	remove_free(KERNEL_PHYS, (u64)kernel_end - KERNEL_BASE);
	for (unsigned i = 0; i < info->nr_modules; i++)
		remove_free(info->modules[i].start, info->modules[i].end);
	if (info->symtab) {
		remove_free(info->symtab, info->symtab + info->symtab_size);
		remove_free(info->strtab, info->strtab + info->strtab_size);
	}
	sort(ranges, nr_free, sizeof(ranges[0]), by_start);
}

/* Where other CPUs will start, the lowest frame there is. */
static void take_trampoline(void)
{
	unsigned i = 0;

	while (i < nr_free && ranges[i].end - ranges[i].start < PAGE_SIZE)
		i++;
	if (acpi_machine.nr_cpus < 2 || i == nr_free || ranges[i].start >= REAL_MODE)
		return;
	trampoline = ranges[i].start;
	ranges[i].start += PAGE_SIZE;
}

paddr_t memory_trampoline(void)
{
	return trampoline;
}

void *early_alloc(size_t size, size_t align)
{
	for (unsigned i = nr_free; i-- > 0;) {
		paddr_t end = min(ranges[i].end, BOOT_MAPPED), at;
		void *p;

		if (end <= ranges[i].start || end - ranges[i].start < size)
			continue;
		at = ALIGN_DOWN(end - size, align);
		if (at < ranges[i].start)
			continue;
		if (ranges[i].end > BOOT_MAPPED)
			add_free(BOOT_MAPPED, ranges[i].end);
		/* What alignment leaves above is less than a page of tables: given up. */
		ranges[i].end = at;
		p = phys_to_virt(at);
		memset(p, 0, size);
		return p;
	}
	panic("boot: not enough memory for page tables and page descriptors");
}

static paddr_t top_of_ram(const struct boot_info *info)
{
	paddr_t top = 0;

	for (unsigned i = 0; i < info->nr_ranges; i++)
		if (info->ranges[i].type == BOOT_RAM)
			top = max(top, info->ranges[i].end);
	return ALIGN_DOWN(top, PAGE_SIZE);
}

static u64 ram_size(const struct boot_info *info)
{
	u64 sum = 0;

	for (unsigned i = 0; i < info->nr_ranges; i++)
		if (info->ranges[i].type == BOOT_RAM)
			sum += info->ranges[i].end - info->ranges[i].start;
	return sum;
}

void memory_init(const struct boot_info *info)
{
	pfn_t frames;
	struct page *array;

	find_free(info);
	take_trampoline();
	paging_init(info);
	frames = top_of_ram(info) >> PAGE_SHIFT;
	array = early_alloc(frames * sizeof(struct page), PAGE_SIZE);
	frames_init(array, frames);
	for (unsigned i = 0; i < nr_free; i++)
		if (ranges[i].start < ranges[i].end)
			frames_add(ranges[i].start >> PAGE_SHIFT, ranges[i].end >> PAGE_SHIFT);
	frames_init_zero();
	log_info("memory: %llu MiB, of which %llu KiB free; %llu KiB describe pages",
		 (unsigned long long)(ram_size(info) >> 20),
		 (unsigned long long)(frames_free() * PAGE_SIZE >> 10),
		 (unsigned long long)(frames * sizeof(struct page) >> 10));
}
