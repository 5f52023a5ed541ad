/* The simulated machine's physical memory: an arena, and the struct pages beside it. */
#include "tests/unit/sim/memory.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

char *sim_arena;

void sim_memory_init(pfn_t first, pfn_t frames)
{
	size_t size = frames * sizeof(struct page);
	/* Lines begin at a frame, as in the kernel. */
	struct page *array = aligned_alloc(64, ALIGN_UP(size, 64));

	sim_arena = mmap(NULL, frames << PAGE_SHIFT, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!array || sim_arena == MAP_FAILED)
		abort();
	memset(array, 0, size);
	frames_init(array, frames);
	frames_add(first, frames);
}

void mmu_zero_frame(pfn_t pfn)
{
	memset(pfn_to_virt(pfn), 0, PAGE_SIZE);
}

void mmu_copy_frame(pfn_t to, pfn_t from)
{
	memcpy(pfn_to_virt(to), pfn_to_virt(from), PAGE_SIZE);
}
