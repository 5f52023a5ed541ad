/* Pipes. */
#pragma once

#include "kernel/fs/vfs.h"

bool file_is_pipe(struct file *f);
bool pipe_same(struct file *a, struct file *b);

/* As read(2). */
ssize_t pipe_read_some(struct file *f, struct io_iter *it, bool nonblock);
/*
 * Copies up to n bytes out that stay in the pipe; nobody else reads until pipe_let_go() says how many of them
 * are taken. Bytes, 0 at the end, -EAGAIN, -ERESTARTSYS; where that is not positive nothing is held.
 */
ssize_t pipe_hold(struct file *f, void *buf, size_t n, bool nonblock);
void pipe_let_go(struct file *f, size_t taken);
/*
 * Waits till something can be written, and keeps room for up to n bytes of it: how many, -EAGAIN,
 * -ERESTARTSYS, or -EPIPE with SIGPIPE sent.
 */
ssize_t pipe_promise(struct file *f, size_t n, bool nonblock);
/*
 * Gives that room back, and writes what `it` (NULL: nothing) has, all of which fits where it is no more than was
 * promised: bytes, -EPIPE with SIGPIPE sent, -EFAULT, -ENOMEM.
 */
ssize_t pipe_keep_promise(struct file *f, size_t promised, struct io_iter *it);

/* F_SETPIPE_SZ and F_GETPIPE_SZ: bytes, or -EBADF where f is no pipe; -EINVAL, -EPERM, -EBUSY, -ENOMEM. */
long pipe_set_size(struct file *f, u64 size);
long pipe_get_size(struct file *f);
/* Limits, in /proc/sys/fs: see pipe_open.c. */
extern int pipe_max_size, pipe_user_pages_soft, pipe_user_pages_hard;
