/*
 * Arrays of open descriptors, as a table has one and fork shares it: see kernel/fs/fdtable.c. The first few
 * descriptors lie in the struct itself.
 */
#include "kernel/fs/fdarray.h"

#include "kernel/fs/fs_internal.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "mm/alloc.h"

static struct slab_cache *array_cache;

void fd_array_init(void)
{
	array_cache = slab_create("fd_array", sizeof(struct fd_array), 16);
	if (!array_cache)
		panic("no memory for the cache of descriptor arrays");
}

void *fd_array_room(u32 size)
{
	return kmalloc(size * sizeof(struct file *) + 2 * (size / 64) * sizeof(u64));
}

static void use_big(struct fd_array *a, void *mem, u32 size)
{
	a->files = mem;
	a->open = (u64 *)(a->files + size);
	a->cloexec = a->open + size / 64;
	a->size = size;
	memset(a->open, 0, 2 * (size / 64) * sizeof(u64));
}

struct fd_array *fd_array_alloc(u32 size)
{
	struct fd_array *a = slab_alloc(array_cache);
	void *mem;

	if (!a)
		return NULL;
	a->refs = 1;
	a->size = INLINE_FDS;
	a->next = 0;
	a->files = a->inline_files;
	a->open = &a->inline_bits[0];
	a->cloexec = &a->inline_bits[1];
	a->inline_bits[0] = a->inline_bits[1] = 0;
	if (size <= INLINE_FDS)
		return a;
	mem = fd_array_room(size);
	if (!mem) {
		slab_free(array_cache, a);
		return NULL;
	}
	use_big(a, mem, size);
	return a;
}

void fd_array_enlarge(struct fd_array *a, void *room, u32 size)
{
	u64 *open = a->open, *cloexec = a->cloexec;
	struct file **files = a->files;
	u32 old = a->size;

	use_big(a, room, size);
	memcpy(a->files, files, old * sizeof(*files));
	memcpy(a->open, open, old / 8);
	memcpy(a->cloexec, cloexec, old / 8);
	if (files != a->inline_files)
		kfree(files);
}

void fd_array_set(struct fd_array *a, u32 fd, struct file *f, bool cloexec)
{
	a->files[fd] = f;
	bitmap_set(a->open, fd);
	if (cloexec)
		bitmap_set(a->cloexec, fd);
	else
		bitmap_clear(a->cloexec, fd);
}

void fd_array_for_each(const struct fd_array *a, void (*fn)(struct file *f))
{
	for (u32 w = 0; w < a->size / 64; w++)
		for (u64 bits = a->open[w]; bits; bits &= bits - 1)
			fn(a->files[w * 64 + (u32)__builtin_ctzll(bits)]);
}

void fd_array_put(struct fd_array *a)
{
	if (atomic_dec(&a->refs))
		return;
	fd_array_for_each(a, file_put);
	if (a->files != a->inline_files)
		kfree(a->files);
	slab_free(array_cache, a);
}

u32 fd_array_used(const struct fd_array *a)
{
	u32 words = a->size / 64;

	while (words > 1 && !a->open[words - 1])
		words--;
	return words * 64;
}

void fd_array_copy(struct fd_array *to, const struct fd_array *from)
{
	u32 words = fd_array_used(from) / 64;

	for (u32 w = 0; w < words; w++) {
		for (u64 bits = from->open[w]; bits; bits &= bits - 1) {
			u32 fd = w * 64 + (u32)__builtin_ctzll(bits);

			to->files[fd] = file_get(from->files[fd]);
		}
		to->open[w] = from->open[w];
		to->cloexec[w] = from->cloexec[w] & from->open[w];
	}
	to->next = min(from->next, to->size);
}
