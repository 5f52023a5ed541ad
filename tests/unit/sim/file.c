/* Files of the simulated machine. */
#include "tests/unit/sim/file.h"
#include "arch/uaccess.h"
#include <stdlib.h>
#include <string.h>

u32 sim_files;

struct file *sim_file(u64 size, bool can_read, bool can_write)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	mapping_init(&f->map, false);
	f->map.size = size;
	f->refs = 1;
	f->can_read = can_read;
	f->can_write = can_write;
	atomic_inc(&sim_files);
	return f;
}

bool sim_file_write(struct file *f, u64 offset, const void *buf, size_t n)
{
	struct page *p = mapping_get(&f->map, offset >> PAGE_SHIFT);

	if (!p)
		return false;
	memcpy((char *)page_to_virt(p) + (offset & (PAGE_SIZE - 1)), buf, n);
	page_put(p);
	return true;
}

bool file_is_zeros(struct file *f)
{
	(void)f;
	return false;
}

struct mapping *file_mapping(struct file *f)
{
	return &f->map;
}

struct file *file_get(struct file *f)
{
	atomic_inc(&f->refs);
	return f;
}

void file_put(struct file *f)
{
	if (atomic_dec(&f->refs))
		return;
	mapping_destroy(&f->map);
	atomic_dec(&sim_files);
	free(f);
}

bool file_can_read(struct file *f)
{
	return f->can_read;
}

bool file_can_write(struct file *f)
{
	return f->can_write;
}

struct file *shmem_file(const char *name, u64 size, bool reserve)
{
	struct file *f;

	(void)name;
	(void)reserve;
	if (alloc_should_fail())
		return ERR_PTR(-ENOMEM);
	f = sim_file(size, true, true);
	f->map.shmem = true;
	return f;
}

u64 sim_lock_limit = ~0ull;

u64 mm_lock_limit(void)
{
	return sim_lock_limit;
}

u64 sim_limit[] = {[MM_LIMIT_STACK] = 8ull << 20, [MM_LIMIT_AS] = ~0ull, [MM_LIMIT_DATA] = ~0ull};

u64 mm_limit(enum mm_limit which)
{
	return sim_limit[which];
}

/* mincore() alone copies out in these tests, to memory of the test itself. */
size_t copy_to_user(void __user *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return 0;
}
