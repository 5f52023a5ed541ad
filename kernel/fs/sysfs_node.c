/*
 * /sys/devices/system/node: one node, with all memory and all CPUs, whatever the machine has. So numactl(8)
 * and libnuma see what holds here: no page is nearer to one CPU than to another.
 */
#include "kernel/fs/sysfs.h"

#include "mm/alloc.h"

static int show_cpu_mask(struct seq *s, void *arg)
{
	(void)arg;
	return sysfs_show_mask(s, proc_cpus());
}

static int show_cpu_list(struct seq *s, void *arg)
{
	(void)arg;
	return sysfs_show_list(s, proc_cpus());
}

static void show_pages(struct seq *s, const char *name, u64 pages)
{
	seq_printf(s, "Node 0 %-16s%8lu kB\n", name, pages << (PAGE_SHIFT - 10));
}

static int show_meminfo(struct seq *s, void *arg)
{
	u64 total = frames_total(), free = frames_free();

	(void)arg;
	show_pages(s, "MemTotal:", total);
	show_pages(s, "MemFree:", free);
	show_pages(s, "MemUsed:", total - free);
	return 0;
}

static const struct proc_entry node0_entries[] = {
    FILE_("cpulist", show_cpu_list),
    FILE_("cpumap", show_cpu_mask),
    TEXT_("distance", "10\n"),
    FILE_("meminfo", show_meminfo),
    {0},
};

const struct proc_entry sysfs_node_entries[] = {
    TEXT_("has_cpu", "0\n"),  TEXT_("has_memory", "0\n"),   TEXT_("online", "0\n"),
    TEXT_("possible", "0\n"), DIR_("node0", node0_entries), {0},
};
