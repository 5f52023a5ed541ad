/*
 * Tables of open descriptors.
 *
 *	table	one for each set of tasks that share descriptors (CLONE_FILES, threads)
 *	array	the descriptors. Fork gives the child's table its parent's array, and whoever changes
 *		a descriptor first makes a copy: a fork with a thousand descriptors costs what one
 *		with three does, and a child that ends as it began closes nothing.
 *
 * An array of several tables never changes. That of one changes under its table's lock, and is read
 * without by the only task that uses the table.
 *
 * `open` has a bit for each descriptor in use; a slot's pointer means something only under its bit.
 * So a fresh array needs no clearing beyond the bits, and a copy takes as much as is in use.
 */
#include "kernel/fs/fs_internal.h"

#include "kernel/fs/fdarray.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

struct fd_table {
	u32 users;		/* tasks. Atomic. */
	u32 refs;		/* the users as one, and who looks through /proc. Atomic. */
	bool record_locks;	/* has ever had one: see kernel/fs/locks.c. Atomic. */
	spinlock_t lock;	/* LOCK_FILES: array, and what it holds */
	struct fd_array *array; /* referenced */
};

static struct slab_cache *table_cache;

void fd_table_init(void)
{
	table_cache = slab_create("fd_table", sizeof(struct fd_table), 16);
	if (!table_cache)
		panic("no memory for the cache of descriptor tables");
	fd_array_init();
}

/*
 * The table's array gives way to `copy`, which becomes what its name says, where that has the room and there
 * is need for it. Under t->lock. Returns the one of the two to put once the lock is dropped.
 */
static struct fd_array *array_give_way(struct fd_table *t, struct fd_array *copy)
{
	struct fd_array *old = t->array;

	if (atomic_load_acquire(&old->refs) == 1 || fd_array_used(old) > copy->size)
		return copy;
	fd_array_copy(copy, old);
	t->array = copy;
	return old;
}

/*
 * Makes the table's array its own, so that a descriptor may be changed. Called and returns under
 * t->lock, which it drops meanwhile where the array has to be copied. 0 or -ENOMEM.
 */
static int array_own(struct fd_table *t) __must_hold(&t->lock)
{
	while (atomic_load_acquire(&t->array->refs) > 1) {
		u32 size = fd_array_used(t->array);
		struct fd_array *old, *copy;

		spin_unlock(&t->lock);
		copy = fd_array_alloc(size);
		spin_lock(&t->lock);
		if (!copy)
			return -ENOMEM;
		/* Another task may have been here meanwhile. */
		old = array_give_way(t, copy);
		spin_unlock(&t->lock);
		fd_array_put(old);
		spin_lock(&t->lock);
	}
	return 0;
}

/* A table with this array, whose reference it takes over. NULL: no memory, and nothing taken. */
static struct fd_table *table_alloc(struct fd_array *a)
{
	struct fd_table *t = slab_alloc(table_cache);

	if (!t)
		return NULL;
	t->users = t->refs = 1;
	t->record_locks = false;
	spin_init(&t->lock, LOCK_FILES);
	t->array = a;
	return t;
}

struct fd_table *fd_table_new(void)
{
	struct fd_array *a = fd_array_alloc(INLINE_FDS);
	struct fd_table *t = a ? table_alloc(a) : NULL;

	if (a && !t)
		fd_array_put(a);
	return t;
}

/* `to`, which has no array yet, begins with what t has. */
static void array_share(struct fd_table *to, struct fd_table *t)
{
	spin_lock(&t->lock);
	to->array = t->array;
	atomic_inc(&to->array->refs);
	spin_unlock(&t->lock);
}

struct fd_table *fd_table_fork(struct fd_table *t)
{
	struct fd_table *copy = table_alloc(NULL);

	if (copy)
		array_share(copy, t);
	return copy;
}

struct fd_table *fd_table_get(struct fd_table *t)
{
	atomic_inc(&t->users);
	return t;
}

static bool is_shared(const struct fd_table *t)
{
	return atomic_load(&t->users) > 1;
}

bool fd_files_shared(void)
{
	struct fd_table *t = current->files;

	/* Acquire: whoever let go of the array has taken references to its files before. */
	return is_shared(t) || atomic_load_acquire(&t->array->refs) > 1;
}

static void file_close(struct file *f)
{
	locks_close(f);
	file_put(f);
}

struct fd_table *fd_table_hold(struct fd_table *t)
{
	atomic_inc(&t->refs);
	return t;
}

void fd_table_release(struct fd_table *t)
{
	if (atomic_dec(&t->refs))
		return;
	fd_array_put(t->array);
	slab_free(table_cache, t);
}

void fd_table_put(struct fd_table *t)
{
	if (atomic_dec(&t->users))
		return;
	/* Others may go on using what is in it, so that nothing is closed. */
	if (unlikely(atomic_load(&t->record_locks)))
		locks_end_table(t);
	fd_table_release(t);
}

void fd_table_note_record_lock(void)
{
	atomic_store(&current->files->record_locks, true);
}

/*
 * Takes a descriptor out of the table: *f is its file, whose reference is the caller's now. Where `only` is
 * not NULL, it must be that one. 0, -EBADF, or -ENOMEM.
 */
static int fd_take(struct fd_table *t, u32 fd, const struct file *only, struct file **f)
{
	struct fd_array *a;
	int err = -EBADF;

	spin_lock(&t->lock);
	if (fd < t->array->size && bitmap_test(t->array->open, fd))
		err = array_own(t);
	a = t->array;
	/* Another task may have closed it while the lock was not held, and the copy may be a smaller one. */
	if (!err && (fd >= a->size || !bitmap_test(a->open, fd) || (only && a->files[fd] != only)))
		err = -EBADF;
	if (!err) {
		*f = a->files[fd];
		bitmap_clear(a->open, fd);
		bitmap_clear(a->cloexec, fd);
		a->next = min(a->next, fd);
	}
	spin_unlock(&t->lock);
	return err;
}

/* Gives the current task another table, whose reference it takes over. /proc looks at its table with
 * sighand_lock held. */
static void use_table(struct fd_table *t)
{
	struct fd_table *old = current->files;

	spin_lock(&current->proc->sighand_lock);
	current->files = t;
	spin_unlock(&current->proc->sighand_lock);
	fd_table_put(old);
}

int fd_room_make(struct fd_room *room)
{
	struct fd_table *t = current->files;
	u32 size;

	spin_lock(&t->lock);
	size = fd_array_used(t->array);
	spin_unlock(&t->lock);
	room->table = table_alloc(NULL);
	room->array = fd_array_alloc(size);
	return room->table && room->array ? 0 : -ENOMEM;
}

void fd_room_free(struct fd_room *room)
{
	if (room->table)
		slab_free(table_cache, room->table);
	if (room->array)
		fd_array_put(room->array);
}

/* The current task gets a table that nobody else uses. */
static int unshare(struct fd_room *room)
{
	struct fd_table *t = room->table;

	room->table = NULL;
	if (!t)
		t = table_alloc(NULL);
	if (!t)
		return -ENOMEM;
	array_share(t, current->files);
	use_table(t);
	return 0;
}

int fd_table_unshare(void)
{
	return is_shared(current->files) ? unshare(&(struct fd_room){0}) : 0;
}

static bool has_cloexec(const struct fd_array *a)
{
	for (u32 w = 0; w < a->size / 64; w++)
		if (a->open[w] & a->cloexec[w])
			return true;
	return false;
}

int fd_table_exec(struct fd_room *room)
{
	int err = is_shared(current->files) ? unshare(room) : 0;
	struct fd_table *t = current->files;

	if (!err && room->array && has_cloexec(t->array)) {
		spin_lock(&t->lock);
		room->array = array_give_way(t, room->array);
		spin_unlock(&t->lock);
	}
	for (u32 w = 0; !err && w < t->array->size / 64; w++) {
		for (u64 bits = t->array->open[w] & t->array->cloexec[w]; bits && !err;
		     bits &= bits - 1) {
			struct file *f;

			err = fd_take(t, w * 64 + (u32)__builtin_ctzll(bits), NULL, &f);
			if (!err)
				file_close(f);
		}
	}
	return err;
}

struct file *fd_get_any(s32 fd) __no_lock_analysis /* locks only where the table is shared */
{
	struct fd_table *t = current->files;
	bool shared = is_shared(t);
	const struct fd_array *a;
	struct file *f = NULL;

	/* Only a table that other tasks use can change under our feet. */
	if (shared)
		spin_lock(&t->lock);
	a = t->array;
	if (likely((u32)fd < a->size && bitmap_test(a->open, (u32)fd))) {
		f = a->files[fd];
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

/* Grows the table's own array to hold descriptor `fd`. Called and returns under t->lock, which it drops
 * meanwhile. */
static int table_grow(struct fd_table *t, u32 fd) __must_hold(&t->lock)
{
	struct fd_array *a = t->array;
	u32 size = a->size;
	void *mem;

	while (size <= fd)
		size *= 2;
	spin_unlock(&t->lock);
	mem = fd_array_room(size);
	spin_lock(&t->lock);
	if (!mem)
		return -ENOMEM;
	a = t->array;
	if (a->size >= size || atomic_load_acquire(&a->refs) > 1) {
		kfree(mem); /* another task grew it, or forked: the caller looks again */
		return 0;
	}
	fd_array_enlarge(a, mem, size);
	return 0;
}

/* Makes the table's array its own and large enough for `fd`. As table_grow(). 0 or -ENOMEM. */
static int table_reach(struct fd_table *t, u32 fd) __must_hold(&t->lock)
{
	int err = array_own(t);

	while (!err && fd >= t->array->size) {
		err = table_grow(t, fd);
		if (!err)
			err = array_own(t);
	}
	return err;
}

static u64 fd_limit(void)
{
	return current->proc->rlimits[RLIMIT_NOFILE].cur;
}

/* The lowest free descriptor from `lowest` on, in an array that is the table's own; or an errno. As
 * table_grow(). */
static s32 find_free(struct fd_table *t, u32 lowest) __must_hold(&t->lock)
{
	for (;;) {
		struct fd_array *a;
		u32 fd;
		int err = array_own(t);

		if (err)
			return err;
		a = t->array;
		fd = (u32)bitmap_find_clear(a->open, a->size, max(lowest, a->next));
		if (fd >= a->size)
			fd = max(a->size, lowest);
		if (fd >= fd_limit())
			return -EMFILE;
		if (fd < a->size)
			return (s32)fd;
		err = table_grow(t, fd);
		if (err)
			return err;
	}
}

s32 fd_install(struct file *f, s32 lowest, bool cloexec)
{
	struct fd_table *t = current->files;
	s32 fd;

	spin_lock(&t->lock);
	fd = find_free(t, (u32)lowest);
	if (fd >= 0) {
		fd_array_set(t->array, (u32)fd, f, cloexec);
		if ((u32)lowest <= t->array->next)
			t->array->next = (u32)fd + 1;
	}
	spin_unlock(&t->lock);
	if (fd < 0)
		file_put(f);
	return fd;
}

struct file *fd_table_next(struct fd_table *t, s32 *fd, bool *cloexec)
{
	const struct fd_array *a;
	struct file *f = NULL;
	u32 n;

	spin_lock(&t->lock);
	a = t->array;
	n = (u32)bitmap_find_set(a->open, a->size, (u32)*fd);
	if (n < a->size) {
		f = a->files[n];
		file_get(f);
		*fd = (s32)n;
		if (cloexec)
			*cloexec = bitmap_test(a->cloexec, n);
	}
	spin_unlock(&t->lock);
	return f;
}

u32 fd_table_size(struct fd_table *t)
{
	u32 size;

	spin_lock(&t->lock);
	size = t->array->size;
	spin_unlock(&t->lock);
	return size;
}

bool fd_get_cloexec(s32 fd)
{
	struct fd_table *t = current->files;
	bool on;

	spin_lock(&t->lock);
	on = (u32)fd < t->array->size && bitmap_test(t->array->cloexec, (u32)fd);
	spin_unlock(&t->lock);
	return on;
}

int fd_set_cloexec(s32 fd, bool on)
{
	struct fd_table *t = current->files;
	int err = 0;

	spin_lock(&t->lock);
	if ((u32)fd < t->array->size && bitmap_test(t->array->open, (u32)fd) &&
	    bitmap_test(t->array->cloexec, (u32)fd) != on)
		err = array_own(t);
	if (!err && (u32)fd < t->array->size && bitmap_test(t->array->open, (u32)fd) &&
	    bitmap_test(t->array->cloexec, (u32)fd) != on) {
		if (on)
			bitmap_set(t->array->cloexec, (u32)fd);
		else
			bitmap_clear(t->array->cloexec, (u32)fd);
	}
	spin_unlock(&t->lock);
	return err;
}

static int close_fd(s32 fd, const struct file *only)
{
	struct file *f;
	int err = fd_take(current->files, (u32)fd, only, &f);

	if (!err)
		file_close(f);
	return err;
}

int fd_close(s32 fd)
{
	return close_fd(fd, NULL);
}

void fd_uninstall(s32 fd, struct file *f)
{
	(void)close_fd(fd, f);
}

long fd_replace(struct file *f, u32 to, bool cloexec)
{
	struct fd_table *t = current->files;
	struct file *old = NULL;
	int err = -EBADF;

	spin_lock(&t->lock);
	if (to < fd_limit())
		err = table_reach(t, to);
	if (!err) {
		if (bitmap_test(t->array->open, to))
			old = t->array->files[to];
		fd_array_set(t->array, to, f, cloexec);
	}
	spin_unlock(&t->lock);
	if (err)
		file_put(f);
	if (old)
		file_close(old);
	return err ? err : (long)to;
}
