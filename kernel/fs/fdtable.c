/*
 * Tables of open descriptors.
 *
 * `open` has a bit for each descriptor in use; a slot's pointer means something only under its bit.
 * So a fresh table needs no clearing beyond the bits, and fork copies as much as is in use.
 */
#include "kernel/fs/fs_internal.h"

#include "kernel/lib/bitmap.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define INLINE_FDS 64

struct fd_table {
	u32 refs;	 /* atomic */
	u32 size;	 /* slots; a multiple of 64 */
	spinlock_t lock; /* LOCK_FILES: everything below, and size */
	u32 next;	 /* no free slot below */
	struct file **files;
	u64 *open, *cloexec;
	u64 inline_bits[2];
	struct file *inline_files[INLINE_FDS];
};

static struct slab_cache *table_cache;

void fd_table_init(void)
{
	table_cache = slab_create("fd_table", sizeof(struct fd_table), 16);
	if (!table_cache)
		panic("no memory for the descriptor table cache");
}

static void *big_alloc(u32 size)
{
	return kmalloc(size * sizeof(struct file *) + 2 * (size / 64) * sizeof(u64));
}

static void use_big(struct fd_table *t, void *mem, u32 size)
{
	t->files = mem;
	t->open = (u64 *)(t->files + size);
	t->cloexec = t->open + size / 64;
	t->size = size;
	memset(t->open, 0, 2 * (size / 64) * sizeof(u64));
}

static struct fd_table *table_alloc(void)
{
	struct fd_table *t = slab_alloc(table_cache);

	if (!t)
		return NULL;
	t->refs = 1;
	t->size = INLINE_FDS;
	spin_init(&t->lock, LOCK_FILES);
	t->next = 0;
	t->files = t->inline_files;
	t->open = &t->inline_bits[0];
	t->cloexec = &t->inline_bits[1];
	t->inline_bits[0] = t->inline_bits[1] = 0;
	return t;
}

static void table_free(struct fd_table *t)
{
	if (t->files != t->inline_files)
		kfree(t->files);
	slab_free(table_cache, t);
}

struct fd_table *fd_table_new(void)
{
	return table_alloc();
}

/* The descriptors in use, rounded up to a word. Under t->lock. */
static u32 used_size(const struct fd_table *t)
{
	u32 words = t->size / 64;

	while (words > 1 && !t->open[words - 1])
		words--;
	return words * 64;
}

struct fd_table *fd_table_fork(struct fd_table *t)
{
	struct fd_table *copy = table_alloc();
	u32 size;

	if (!copy)
		return NULL;
	spin_lock(&t->lock);
	while ((size = used_size(t)) > copy->size) {
		void *mem;

		spin_unlock(&t->lock);
		mem = big_alloc(size);
		if (!mem) {
			table_free(copy);
			return NULL;
		}
		if (copy->files != copy->inline_files)
			kfree(copy->files);
		use_big(copy, mem, size);
		spin_lock(&t->lock);
	}
	for (u32 w = 0; w < size / 64; w++) {
		for (u64 bits = t->open[w]; bits; bits &= bits - 1) {
			u32 fd = w * 64 + (u32)__builtin_ctzll(bits);
			struct file *f = t->files[fd];

			file_get(f);
			copy->files[fd] = f;
			bitmap_set(copy->open, fd);
		}
		copy->cloexec[w] = t->cloexec[w] & copy->open[w];
	}
	spin_unlock(&t->lock);
	return copy;
}

struct fd_table *fd_table_get(struct fd_table *t)
{
	atomic_inc(&t->refs);
	return t;
}

bool fd_table_shared(void)
{
	return atomic_load(&current->files->refs) > 1;
}

static void file_close(struct file *f)
{
	if (f->ops->flush)
		f->ops->flush(f);
	locks_close(f);
	file_put(f);
}

void fd_table_put(struct fd_table *t)
{
	if (atomic_dec(&t->refs))
		return;
	for (u32 w = 0; w < t->size / 64; w++)
		for (u64 bits = t->open[w]; bits; bits &= bits - 1)
			file_close(t->files[w * 64 + (u32)__builtin_ctzll(bits)]);
	table_free(t);
}

/* Takes a descriptor out of the table: its file, whose reference is the caller's now, or NULL. */
static struct file *fd_take(struct fd_table *t, u32 fd)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	if (fd < t->size && bitmap_test(t->open, fd)) {
		f = t->files[fd];
		bitmap_clear(t->open, fd);
		bitmap_clear(t->cloexec, fd);
		t->next = min(t->next, fd);
	}
	spin_unlock(&t->lock);
	return f;
}

int fd_table_exec(void)
{
	struct fd_table *t = current->files;

	if (atomic_load(&t->refs) > 1) {
		t = fd_table_fork(t);
		if (!t)
			return -ENOMEM;
		fd_table_put(current->files);
		current->files = t;
	}
	for (u32 w = 0; w < t->size / 64; w++)
		for (u64 bits = t->open[w] & t->cloexec[w]; bits; bits &= bits - 1)
			file_close(fd_take(t, w * 64 + (u32)__builtin_ctzll(bits)));
	return 0;
}

struct file *fd_get_any(s32 fd)
{
	struct fd_table *t = current->files;
	bool shared = atomic_load(&t->refs) > 1;
	struct file *f = NULL;

	/* Only a table that other tasks use can change under our feet. */
	if (shared)
		spin_lock(&t->lock);
	if (likely((u32)fd < t->size && bitmap_test(t->open, (u32)fd))) {
		f = t->files[fd];
		file_get(f);
	}
	if (shared)
		spin_unlock(&t->lock);
	return f;
}

struct file *fd_get(s32 fd)
{
	struct file *f = fd_get_any(fd);

	if (f && unlikely(f->flags & O_PATH)) {
		file_put(f);
		return NULL;
	}
	return f;
}

/* Grows the table to hold descriptor `fd`. Called and returns under t->lock, which it drops
 * meanwhile. */
static int table_grow(struct fd_table *t, u32 fd)
{
	u32 size = t->size, old;
	struct file **old_files;
	u64 *old_open, *old_cloexec;
	void *mem;

	while (size <= fd)
		size *= 2;
	spin_unlock(&t->lock);
	mem = big_alloc(size);
	spin_lock(&t->lock);
	if (!mem)
		return -ENOMEM;
	if (t->size >= size) {
		kfree(mem);
		return 0;
	}
	old = t->size;
	old_files = t->files;
	old_open = t->open;
	old_cloexec = t->cloexec;
	use_big(t, mem, size);
	memcpy(t->files, old_files, old * sizeof(*old_files));
	memcpy(t->open, old_open, old / 8);
	memcpy(t->cloexec, old_cloexec, old / 8);
	if (old_files != t->inline_files)
		kfree(old_files);
	return 0;
}

static u64 fd_limit(void)
{
	return current->proc->rlimits[RLIMIT_NOFILE].cur;
}

static void set_slot(struct fd_table *t, u32 fd, struct file *f, bool cloexec)
{
	t->files[fd] = f;
	bitmap_set(t->open, fd);
	if (cloexec)
		bitmap_set(t->cloexec, fd);
	else
		bitmap_clear(t->cloexec, fd);
}

s32 fd_install(struct file *f, s32 lowest, bool cloexec)
{
	struct fd_table *t = current->files;
	u32 fd;
	s32 err = 0;

	spin_lock(&t->lock);
	for (;;) {
		fd = (u32)bitmap_find_clear(t->open, t->size, max((u32)lowest, t->next));
		if (fd < t->size)
			break;
		fd = max(t->size, (u32)lowest);
		err = fd < fd_limit() ? table_grow(t, fd) : -EMFILE;
		if (err)
			break;
	}
	if (!err && fd >= fd_limit())
		err = -EMFILE;
	if (!err) {
		set_slot(t, fd, f, cloexec);
		if ((u32)lowest <= t->next)
			t->next = fd + 1;
	}
	spin_unlock(&t->lock);
	if (err) {
		file_put(f);
		return err;
	}
	return (s32)fd;
}

struct file *fd_table_next(struct fd_table *t, s32 *fd, bool *cloexec)
{
	struct file *f = NULL;
	u32 n;

	spin_lock(&t->lock);
	n = (u32)bitmap_find_set(t->open, t->size, (u32)*fd);
	if (n < t->size) {
		f = t->files[n];
		file_get(f);
		*fd = (s32)n;
		if (cloexec)
			*cloexec = bitmap_test(t->cloexec, n);
	}
	spin_unlock(&t->lock);
	return f;
}

u32 fd_table_size(struct fd_table *t)
{
	return READ_ONCE(t->size);
}

bool fd_get_cloexec(s32 fd)
{
	struct fd_table *t = current->files;
	bool on;

	spin_lock(&t->lock);
	on = (u32)fd < t->size && bitmap_test(t->cloexec, (u32)fd);
	spin_unlock(&t->lock);
	return on;
}

void fd_set_cloexec(s32 fd, bool on)
{
	struct fd_table *t = current->files;

	spin_lock(&t->lock);
	if ((u32)fd < t->size && bitmap_test(t->open, (u32)fd)) {
		if (on)
			bitmap_set(t->cloexec, (u32)fd);
		else
			bitmap_clear(t->cloexec, (u32)fd);
	}
	spin_unlock(&t->lock);
}

int fd_close(s32 fd)
{
	struct file *f = fd_take(current->files, (u32)fd);

	if (!f)
		return -EBADF;
	file_close(f);
	return 0;
}

SYSCALL1(close, s32, fd)
{
	return fd_close(fd);
}

#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u

SYSCALL3(close_range, u32, first, u32, last, u32, flags)
{
	struct fd_table *t = current->files;

	if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	if ((flags & CLOSE_RANGE_UNSHARE) && atomic_load(&t->refs) > 1) {
		struct fd_table *own = fd_table_fork(t);

		if (!own)
			return -ENOMEM;
		current->files = own;
		fd_table_put(t);
		t = own;
	}
	for (u64 fd = first; fd <= last && fd < READ_ONCE(t->size); fd++) {
		struct file *f;

		if (flags & CLOSE_RANGE_CLOEXEC) {
			fd_set_cloexec((s32)fd, true);
			continue;
		}
		f = fd_take(t, (u32)fd);
		if (f)
			file_close(f);
	}
	return 0;
}

SYSCALL1(dup, s32, fd)
{
	struct file *f = fd_get_any(fd);

	return f ? fd_install(f, 0, false) : -EBADF;
}

/* Makes `to` name f (whose reference it takes), closing what it named. */
static long dup_to(struct file *f, u32 to, bool cloexec)
{
	struct fd_table *t = current->files;
	struct file *old = NULL;
	int err = 0;

	spin_lock(&t->lock);
	if (to >= t->size)
		err = table_grow(t, to);
	if (!err) {
		if (bitmap_test(t->open, to))
			old = t->files[to];
		set_slot(t, to, f, cloexec);
	}
	spin_unlock(&t->lock);
	if (err)
		file_put(f);
	if (old)
		file_close(old);
	return err ? err : (long)to;
}

SYSCALL3(dup3, s32, from, u32, to, u32, flags)
{
	struct file *f;

	if (flags & ~O_CLOEXEC || from == (s32)to)
		return -EINVAL;
	if (to >= fd_limit())
		return -EBADF;
	f = fd_get_any(from);
	return f ? dup_to(f, to, flags & O_CLOEXEC) : -EBADF;
}

SYSCALL2(dup2, s32, from, u32, to)
{
	struct file *f;

	if (to >= fd_limit())
		return -EBADF;
	f = fd_get_any(from);
	if (!f)
		return -EBADF;
	if (from == (s32)to) {
		file_put(f);
		return from;
	}
	return dup_to(f, to, false);
}
