/*
 * One read's or write's memory: segments of the current task's memory, or of the kernel's. Every
 * file operation moves its data through one, so readv, sendfile and the kernel's own reads are
 * nothing special to it.
 */
#pragma once

#include "kernel/fs/abi.h"
#include "kernel/lib/compiler.h"

struct io_iter {
	const struct iovec *seg; /* the current one; kernel memory */
	size_t offset;		 /* done within it */
	size_t left;		 /* bytes that remain in all segments */
	bool kernel;		 /* the segments are kernel memory */
	struct iovec one;	 /* the segment of an iterator over a single buffer */
};

void iter_user(struct io_iter *it, const void __user *buf, size_t n);
void iter_kernel(struct io_iter *it, const void *buf, size_t n);
/* `seg` stays the caller's while the iterator is used. */
void iter_user_vec(struct io_iter *it, const struct iovec *seg, size_t total);
void iter_kernel_vec(struct io_iter *it, const struct iovec *seg, size_t total);

#define IO_MAX	      0x7ffff000ull /* as Linux: the most that one call moves */
#define IO_VECTOR_MAX 1024

/* A vector of segments copied from a program, and the iterator over them. */
struct io_vector {
	struct iovec inline_segs[8];
	struct iovec *segs;
	struct io_iter it;
};

/* Between io_vector_get() and io_vector_put(); 0, -EINVAL, -EFAULT, -ENOMEM. */
int __must_check io_vector_get(struct io_vector *v, const struct iovec __user *user, u64 count);
void io_vector_put(struct io_vector *v);

/*
 * Move up to n bytes between kernel memory and the iterator, and advance it by what was moved.
 * Fewer than min(n, it->left) means that user memory could not be reached. May sleep; no spinlock
 * held.
 */
size_t __must_check iter_put(struct io_iter *it, const void *from, size_t n); /* a read's result */
size_t __must_check iter_get(struct io_iter *it, void *to, size_t n);	      /* a write's data */
size_t __must_check iter_zero(struct io_iter *it, size_t n);		      /* a read of zeros */
void iter_skip(struct io_iter *it, size_t n);

/*
 * A read at *pos of contents that lie whole in buf[0, len): what a synthetic file answers.
 * Advances *pos; 0 at the end, -EFAULT where nothing could be copied.
 */
ssize_t iter_put_at(struct io_iter *it, loff_t *pos, const void *buf, size_t len);
