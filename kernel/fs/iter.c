/* Moving data between the kernel and an io_iter. */
#include "kernel/fs/iter.h"

#include "arch/uaccess.h"
#include "kernel/lib/string.h"

void iter_user(struct io_iter *it, const void __user *buf, size_t n)
{
	it->one = (struct iovec){(u64)(__force const void *)buf, n};
	it->seg = &it->one;
	it->offset = 0;
	it->left = n;
	it->kernel = false;
}

void iter_kernel(struct io_iter *it, const void *buf, size_t n)
{
	it->one = (struct iovec){(u64)buf, n};
	it->seg = &it->one;
	it->offset = 0;
	it->left = n;
	it->kernel = true;
}

void iter_user_vec(struct io_iter *it, const struct iovec *seg, size_t total)
{
	it->seg = seg;
	it->offset = 0;
	it->left = total;
	it->kernel = false;
}

void iter_kernel_vec(struct io_iter *it, const struct iovec *seg, size_t total)
{
	iter_user_vec(it, seg, total);
	it->kernel = true;
}

enum direction { PUT, GET, ZERO };

/* Moves n bytes, all within one segment; returns how many could not be. */
static size_t move_chunk(const struct io_iter *it, u64 at, void *mem, size_t n, enum direction dir)
{
	void __user *user = (__force void __user *)at;

	if (it->kernel) {
		if (dir == PUT)
			memcpy((void *)at, mem, n);
		else if (dir == GET)
			memcpy(mem, (void *)at, n);
		else
			memset((void *)at, 0, n);
		return 0;
	}
	if (dir == PUT)
		return copy_to_user(user, mem, n);
	if (dir == GET)
		return copy_from_user(mem, user, n);
	return clear_user(user, n);
}

static size_t iter_move(struct io_iter *it, void *mem, size_t n, enum direction dir)
{
	size_t done = 0;

	n = min(n, it->left);
	while (done < n) {
		size_t chunk = min(n - done, (size_t)it->seg->len - it->offset), missed;

		if (!chunk) {
			it->seg++;
			it->offset = 0;
			continue;
		}
		missed = move_chunk(it, it->seg->base + it->offset, mem ? (char *)mem + done : NULL,
				    chunk, dir);
		it->offset += chunk - missed;
		it->left -= chunk - missed;
		done += chunk - missed;
		if (missed)
			break;
	}
	return done;
}

size_t iter_put(struct io_iter *it, const void *from, size_t n)
{
	return iter_move(it, (void *)from, n, PUT);
}

size_t iter_get(struct io_iter *it, void *to, size_t n)
{
	return iter_move(it, to, n, GET);
}

size_t iter_zero(struct io_iter *it, size_t n)
{
	return iter_move(it, NULL, n, ZERO);
}

void iter_skip(struct io_iter *it, size_t n)
{
	n = min(n, it->left);
	it->left -= n;
	while (n) {
		size_t chunk = min(n, (size_t)it->seg->len - it->offset);

		it->offset += chunk;
		n -= chunk;
		if (n) {
			it->seg++;
			it->offset = 0;
		}
	}
}

ssize_t iter_put_at(struct io_iter *it, loff_t *pos, const void *buf, size_t len)
{
	size_t n;

	if (*pos < 0)
		return -EINVAL;
	if ((u64)*pos >= len || !it->left)
		return 0;
	n = iter_put(it, (const char *)buf + *pos, len - (size_t)*pos);
	if (!n)
		return -EFAULT;
	*pos += (loff_t)n;
	return (ssize_t)n;
}
