/* Processes as files, as the calls about processes see them. */
#pragma once

#include "kernel/lib/types.h"

struct process;

/* A new descriptor, closed on exec, for p. `flags`: O_NONBLOCK. Or -ENOMEM, -EMFILE. */
s32 pidfd_install(struct process *p, u32 flags);
/* The process of a descriptor, referenced; ERR_PTR(-EBADF) where it is not one of these. `flags`, if not
 * NULL, gets the file's. */
struct process *pidfd_get(s32 fd, u32 *flags);
