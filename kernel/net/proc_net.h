/* What /proc shows of sockets. */
#pragma once

#include "kernel/fs/proc.h"

extern const struct proc_entry proc_net_entries[]; /* /proc/<pid>/net */
