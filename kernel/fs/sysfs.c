/* /sys: the little that programs look for, as a table like /proc's. */
#include "kernel/fs/sysfs.h"

static const struct proc_entry system_entries[] = {
    {
	.name = "cpu",
	.mode = S_IFDIR | 0755,
	.children = sysfs_cpu_entries,
	.iops = &sysfs_cpu_iops,
	.fops = &sysfs_cpu_ops,
    },
    DIR_("node", sysfs_node_entries),
    {0},
};

static const struct proc_entry devices_entries[] = {
    DIR_("system", system_entries),
    {0},
};

/* Huge pages are not built here, so the choice cannot be changed. */
static const struct proc_entry thp_entries[] = {
    TEXT_("enabled", "always madvise [never]\n"),
    TEXT_("hpage_pmd_size", "2097152\n"),
    {0},
};

/* Which terminal /dev/console is, as programs ask that want one to control. */
static const struct proc_entry console_entries[] = {
    TEXT_("active", "ttyS0\n"),
    {0},
};

static const struct proc_entry tty_entries[] = {
    DIR_("console", console_entries),
    {0},
};

static const struct proc_entry class_entries[] = {
    DIR_("tty", tty_entries),
    {0},
};

static const struct proc_entry mm_entries[] = {
    DIR_("transparent_hugepage", thp_entries),
    {0},
};

static const struct proc_entry kernel_entries[] = {
    DIR_("mm", mm_entries),
    {0},
};

const struct proc_entry sysfs_root_entries[] = {
    DIR_("class", class_entries),
    DIR_("devices", devices_entries),
    DIR_("kernel", kernel_entries),
    {0},
};
