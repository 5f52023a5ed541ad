/* Advisory locks, as fcntl(2) asks for them. */
#pragma once

#include "kernel/fs/vfs.h"

/* F_SETLK, F_SETLKW (`wait`) and F_GETLK; `by_file`: F_OFD_... arg is a struct flock. f is what fd
 * named when the call began. */
long locks_fcntl_set(struct file *f, s32 fd, void __user *arg, bool by_file, bool wait);
long locks_fcntl_get(struct file *f, void __user *arg, bool by_file);
