/* What /sys's tables are written with; see proc.h. */
#pragma once

#include "kernel/fs/proc.h"

#define FILE_(name_, show_)                                                               \
	{                                                                                 \
		.name = name_, .mode = S_IFREG | 0444, .flags = PROC_FIXED, .show = show_ \
	}
#define TEXT_(name_, text_)                                                 \
	{                                                                   \
		.name = name_, .mode = S_IFREG | 0444, .flags = PROC_FIXED, \
		.show = proc_show_text, .data = text_                       \
	}
#define DIR_(name_, table_)                                               \
	{                                                                 \
		.name = name_, .mode = S_IFDIR | 0755, .children = table_ \
	}

/* sysfs_cpu.c: /sys/devices/system/cpu */
extern const struct proc_entry sysfs_cpu_entries[];
extern const struct inode_ops sysfs_cpu_iops;
extern const struct file_ops sysfs_cpu_ops;
/* A set of CPUs and a line's end, in hexadecimal or as ranges; 0. */
int sysfs_show_mask(struct seq *s, u64 mask);
int sysfs_show_list(struct seq *s, u64 mask);

/* sysfs_node.c: /sys/devices/system/node */
extern const struct proc_entry sysfs_node_entries[];
