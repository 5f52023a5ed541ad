/* Pipes. */
#pragma once

#include "kernel/fs/vfs.h"

/* F_SETPIPE_SZ and F_GETPIPE_SZ: bytes, or -EBADF where f is no pipe. */
long pipe_set_size(struct file *f, u64 size);
long pipe_get_size(struct file *f);
