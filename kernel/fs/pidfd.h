/* Processes as files, as the calls about processes see them. */
#pragma once

#include "kernel/lib/types.h"

struct process;

struct file;

/* A new file for p. `flags`: O_NONBLOCK. Or ERR_PTR(-ENOMEM). */
struct file *pidfd_file(struct process *p, u32 flags);
/* The process of a descriptor, referenced; ERR_PTR(-EBADF) where it is not one of these. `flags`, if not
 * NULL, gets the file's. */
struct process *pidfd_get(s32 fd, u32 *flags);
/* The same, where an open folder /proc/<pid> will do as well: so says pidfd_send_signal(2). */
struct process *pidfd_or_folder_get(s32 fd);
