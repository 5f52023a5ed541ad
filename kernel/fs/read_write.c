/* read(2), write(2), their vectored and positioned kin, and lseek(2). */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/fsnotify.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

/* A position from which it->left bytes would go past what a position can say. */
static bool overflows(const struct file *f, const struct io_iter *it, loff_t pos)
{
	return f->ops->seek && pos > (loff_t)(MAX_FILE_SIZE - it->left);
}

ssize_t file_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	if (!file_readable(f))
		return -EBADF;
	if (!f->ops->read)
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	if (unlikely(overflows(f, it, *pos)))
		return -EINVAL;
	return f->ops->read(f, it, pos);
}

ssize_t file_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	if (!file_writable(f))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	if (unlikely(overflows(f, it, *pos)))
		return -EINVAL;
	return f->ops->write(f, it, pos);
}

ssize_t file_read_kernel(struct file *f, void *buf, size_t n, loff_t pos)
{
	struct io_iter it;
	size_t done = 0;

	while (done < n) {
		ssize_t got;

		iter_kernel(&it, (char *)buf + done, n - done);
		if (!f->ops->read)
			return -EINVAL;
		got = f->ops->read(f, &it, &pos);
		if (got < 0)
			return got;
		if (!got)
			break;
		done += (size_t)got;
	}
	fsnotify_io(f, (long)done, false);
	return (ssize_t)done;
}

/*
 * A file's own position moves under pos_lock where anybody else may use the file at the same time.
 * What has no position (a pipe, a terminal) may block for ever, and is not locked.
 */
static bool pos_begin(struct file *f) __no_lock_analysis /* locks where it must */
{
	if (!f->ops->seek)
		return false;
	/* One reference is the array's, one this call's; and in this order: see fd_files_shared(). */
	if (!fd_files_shared() && atomic_load(&f->refs) <= 2)
		return false;
	rwsem_write_lock(&f->pos_lock);
	return true;
}

static void pos_end(struct file *f, bool locked) __no_lock_analysis
{
	if (locked)
		rwsem_write_unlock(&f->pos_lock);
}

typedef ssize_t (*rw_fn)(struct file *f, struct io_iter *it, loff_t *pos);

static long rw_at_file_pos(s32 fd, struct io_iter *it, rw_fn fn)
{
	struct file *f = fd_get(fd);
	bool locked;
	long n;

	if (!f)
		return -EBADF;
	locked = pos_begin(f);
	n = fn(f, it, &f->pos);
	pos_end(f, locked);
	fsnotify_io(f, n, fn == file_write);
	file_put(f);
	return n;
}

static long rw_at(s32 fd, struct io_iter *it, rw_fn fn, loff_t pos)
{
	struct file *f;
	long n;

	if (pos < 0)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	n = f->ops->seek ? fn(f, it, &pos) : -ESPIPE;
	fsnotify_io(f, n, fn == file_write);
	file_put(f);
	return n;
}

/*
 * An iterator over [buf, n); -EFAULT where that is not user memory, or -EBADF where fd would have
 * been refused before that.
 */
static int import_buffer(s32 fd, struct io_iter *it, const void __user *buf, u64 n, rw_fn fn)
{
	struct file *f;
	bool usable;

	if (likely(user_range_ok(buf, n))) {
		iter_user(it, buf, min(n, (u64)IO_MAX));
		return 0;
	}
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	usable = fn == file_read ? file_readable(f) : file_writable(f);
	file_put(f);
	return usable ? -EFAULT : -EBADF;
}

SYSCALL3(read, s32, fd, void __user *, buf, u64, n)
{
	struct io_iter it;
	int err = import_buffer(fd, &it, buf, n, file_read);

	return err ? err : rw_at_file_pos(fd, &it, file_read);
}

SYSCALL3(write, s32, fd, const void __user *, buf, u64, n)
{
	struct io_iter it;
	int err = import_buffer(fd, &it, buf, n, file_write);

	return err ? err : rw_at_file_pos(fd, &it, file_write);
}

SYSCALL4(pread64, s32, fd, void __user *, buf, u64, n, s64, pos)
{
	struct io_iter it;
	int err = import_buffer(fd, &it, buf, n, file_read);

	return err ? err : rw_at(fd, &it, file_read, pos);
}

SYSCALL4(pwrite64, s32, fd, const void __user *, buf, u64, n, s64, pos)
{
	struct io_iter it;
	int err = import_buffer(fd, &it, buf, n, file_write);

	return err ? err : rw_at(fd, &it, file_write, pos);
}

/* ---- vectors ---- */

static int vector_check(struct io_vector *v, u64 count)
{
	u64 total = 0;

	for (u64 n = 0; n < count; n++) {
		struct iovec *s = &v->segs[n];

		if ((s64)s->len < 0)
			return -EINVAL;
		if (!user_range_ok((__force const void __user *)s->base, s->len))
			return -EFAULT;
		s->len = min(s->len, (u64)IO_MAX - total);
		total += s->len;
	}
	iter_user_vec(&v->it, v->segs, total);
	return 0;
}

void io_vector_put(struct io_vector *v)
{
	if (v->segs != v->inline_segs)
		kfree(v->segs);
}

int io_vector_get(struct io_vector *v, const struct iovec __user *user, u64 count)
{
	int err;

	if (count > IO_VECTOR_MAX)
		return -EINVAL;
	v->segs = v->inline_segs;
	if (count > ARRAY_SIZE(v->inline_segs))
		v->segs = kmalloc(count * sizeof(struct iovec));
	if (!v->segs)
		return -ENOMEM;
	if (copy_from_user(v->segs, user, count * sizeof(struct iovec)))
		err = -EFAULT;
	else
		err = vector_check(v, count);
	if (err)
		io_vector_put(v);
	return err;
}

/* RWF_HIPRI, RWF_DSYNC, RWF_SYNC: there is no disk to be asked busily, or to be waited for. */
#define RWF_IDLE 7u

/*
 * What is wrong with the file and the position. A vector of no bytes comes to nothing else: it is not the
 * file that is asked, as by a read(2) of none.
 */
static long rw_check(s32 fd, rw_fn fn, bool at, loff_t pos)
{
	struct file *f;
	bool can;
	long err = 0;

	if (at && pos < 0)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	can = fn == file_read ? f->ops->read || S_ISDIR(f->inode->mode) : !!f->ops->write;
	if (at && !f->ops->seek)
		err = -ESPIPE;
	else if (fn == file_read ? !file_readable(f) : !file_writable(f))
		err = -EBADF;
	else if (!can)
		err = -EINVAL;
	file_put(f);
	return err;
}

/* `at`: not at the file's own position, but at `pos`. `flags`: RWF_ bits. */
static long rw_vector(s32 fd, const struct iovec __user *user, u64 count, rw_fn fn, bool at,
		      loff_t pos, u32 flags)
{
	struct io_vector v;
	long n = io_vector_get(&v, user, count);

	if (n)
		return n;
	if (!v.it.left || flags & ~RWF_IDLE)
		n = rw_check(fd, fn, at, pos) ?: v.it.left ? -EOPNOTSUPP : 0;
	else
		n = at ? rw_at(fd, &v.it, fn, pos) : rw_at_file_pos(fd, &v.it, fn);
	io_vector_put(&v);
	return n;
}

SYSCALL3(readv, s32, fd, const struct iovec __user *, vec, u64, count)
{
	return rw_vector(fd, vec, count, file_read, false, 0, 0);
}

SYSCALL3(writev, s32, fd, const struct iovec __user *, vec, u64, count)
{
	return rw_vector(fd, vec, count, file_write, false, 0, 0);
}

SYSCALL4(preadv, s32, fd, const struct iovec __user *, vec, u64, count, s64, pos)
{
	return rw_vector(fd, vec, count, file_read, true, pos, 0);
}

SYSCALL4(pwritev, s32, fd, const struct iovec __user *, vec, u64, count, s64, pos)
{
	return rw_vector(fd, vec, count, file_write, true, pos, 0);
}

/* The fifth argument is the upper half of the position where longs are short: not here. */
SYSCALL6(preadv2, s32, fd, const struct iovec __user *, vec, u64, count, s64, pos, u64, unused_high,
	 u32, flags)
{
	(void)unused_high;
	return rw_vector(fd, vec, count, file_read, pos != -1, pos, flags);
}

SYSCALL6(pwritev2, s32, fd, const struct iovec __user *, vec, u64, count, s64, pos, u64,
	 unused_high, u32, flags)
{
	(void)unused_high;
	return rw_vector(fd, vec, count, file_write, pos != -1, pos, flags);
}

/* ---- position ---- */

/* Moves f->pos as whence says, with `end` the size; under no lock of its own. */
static loff_t seek_within(struct file *f, loff_t off, int whence, loff_t end)
{
	loff_t base;

	switch (whence) {
	case SEEK_SET:
		base = 0;
		break;
	case SEEK_CUR:
		base = f->pos;
		break;
	case SEEK_END:
		base = end;
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, off, &base) || base < 0)
		return -EINVAL;
	f->pos = base;
	return base;
}

loff_t seek_plain(struct file *f, loff_t off, int whence)
{
	return whence == SEEK_END ? -EINVAL : seek_within(f, off, whence, 0);
}

/* The first page at or after index that is there (data) or is not (a hole); past the end counts as
 * a hole. */
static u64 find_page(struct mapping *m, u64 index, bool data)
{
	spin_lock(&m->lock);
	if (data) {
		if (!radix_next(&m->pages, &index))
			index = ~0ull >> PAGE_SHIFT;
	} else {
		while (radix_get(&m->pages, index))
			index++;
	}
	spin_unlock(&m->lock);
	return index;
}

static loff_t seek_data(struct file *f, loff_t off, bool data)
{
	struct mapping *m = &f->inode->mapping;
	u64 size = atomic_load(&m->size), page = (u64)off >> PAGE_SHIFT, at;

	if (off < 0 || (u64)off >= size)
		return -ENXIO;
	at = find_page(m, page, data);
	at = at == page ? (u64)off : at << PAGE_SHIFT;
	if (at >= size && data)
		return -ENXIO;
	f->pos = (loff_t)min(at, size);
	return f->pos;
}

loff_t seek_mapping(struct file *f, loff_t off, int whence)
{
	if (whence == SEEK_DATA || whence == SEEK_HOLE)
		return seek_data(f, off, whence == SEEK_DATA);
	return seek_within(f, off, whence, (loff_t)atomic_load(&f->inode->mapping.size));
}

SYSCALL3(lseek, s32, fd, s64, off, u32, whence)
{
	struct file *f = fd_get(fd);
	bool locked;
	loff_t pos;

	if (!f)
		return -EBADF;
	if (whence > SEEK_HOLE) {
		pos = -EINVAL;
	} else if (!f->ops->seek) {
		pos = f->ops->special ? 0 : -ESPIPE;
	} else {
		locked = pos_begin(f);
		pos = f->ops->seek(f, off, (int)whence);
		pos_end(f, locked);
	}
	file_put(f);
	return pos;
}
