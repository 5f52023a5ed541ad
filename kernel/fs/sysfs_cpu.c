/*
 * /sys/devices/system/cpu: which CPUs there are, and for each a directory that says where it lies. Such a
 * directory is made of one table for all; the node that an inode stands for knows the CPU, and hands it
 * down to what is looked up below.
 */
#include "kernel/fs/sysfs.h"

#include "arch/cpuinfo.h"
#include "kernel/errno.h"
#include "kernel/lib/format.h"
#include "kernel/lib/parse.h"
#include "kernel/lib/string.h"

static struct cpu_topology place_of(const struct proc_open *o)
{
	struct cpu_topology t;

	cpu_topology((u32)o->node->fd, &t);
	return t;
}

static int show_package(struct seq *s, void *arg)
{
	seq_printf(s, "%u\n", place_of(arg).package);
	return 0;
}

static int show_core(struct seq *s, void *arg)
{
	seq_printf(s, "%u\n", place_of(arg).core);
	return 0;
}

int sysfs_show_mask(struct seq *s, u64 mask)
{
	proc_show_mask(s, mask);
	seq_putc(s, '\n');
	return 0;
}

int sysfs_show_list(struct seq *s, u64 mask)
{
	proc_show_mask_list(s, mask);
	seq_putc(s, '\n');
	return 0;
}

static int show_core_cpus(struct seq *s, void *arg)
{
	return sysfs_show_mask(s, place_of(arg).core_cpus);
}

static int show_core_list(struct seq *s, void *arg)
{
	return sysfs_show_list(s, place_of(arg).core_cpus);
}

static int show_package_cpus(struct seq *s, void *arg)
{
	return sysfs_show_mask(s, place_of(arg).package_cpus);
}

static int show_package_list(struct seq *s, void *arg)
{
	return sysfs_show_list(s, place_of(arg).package_cpus);
}

/* Newer names and older ones; a package is one die here. */
static const struct proc_entry topology_entries[] = {
    FILE_("physical_package_id", show_package),
    TEXT_("die_id", "0\n"),
    FILE_("core_id", show_core),
    FILE_("core_cpus", show_core_cpus),
    FILE_("core_cpus_list", show_core_list),
    FILE_("thread_siblings", show_core_cpus),
    FILE_("thread_siblings_list", show_core_list),
    FILE_("die_cpus", show_package_cpus),
    FILE_("die_cpus_list", show_package_list),
    FILE_("package_cpus", show_package_cpus),
    FILE_("package_cpus_list", show_package_list),
    FILE_("core_siblings", show_package_cpus),
    FILE_("core_siblings_list", show_package_list),
    {0},
};

/* ---- cpu<N> ---- */

/* CPUs stay: as on Linux of one that cannot be taken away. */
static ssize_t write_online(struct proc_open *o, char *text, size_t len)
{
	s64 value;

	(void)o;
	if (parse_setting(text, len, &value) || value < 0 || value > 1)
		return -EINVAL;
	return value ? (ssize_t)len : -EBUSY;
}

/* The first one is not asked whether it is there. */
static const struct proc_entry first_cpu_entries[] = {
    DIR_("topology", topology_entries),
    {0},
};

static const struct proc_entry further_cpu_entries[] = {
    {
	.name = "online",
	.mode = S_IFREG | 0644,
	.flags = PROC_FIXED,
	.show = proc_show_text,
	.write = write_online,
	.data = "1\n",
    },
    DIR_("topology", topology_entries),
    {0},
};

static const struct proc_entry first_cpu = DIR_("cpu0", first_cpu_entries);
static const struct proc_entry further_cpu = DIR_("cpu<N>", further_cpu_entries);

/* ---- the directory of all ---- */

static int show_all(struct seq *s, void *arg)
{
	(void)arg;
	return sysfs_show_list(s, proc_cpus());
}

const struct proc_entry sysfs_cpu_entries[] = {
    TEXT_("isolated", "\n"),
    TEXT_("kernel_max", "63\n"),
    TEXT_("offline", "\n"),
    FILE_("online", show_all),
    FILE_("possible", show_all),
    FILE_("present", show_all),
    {0},
};

static struct inode *cpus_lookup(struct inode *dir, const char *name, size_t len)
{
	const char *end;
	u64 cpu;

	if (len < 4 || memcmp(name, "cpu", 3) || (name[3] == '0' && len > 4) ||
	    parse_u64(name + 3, &end, 10, &cpu) || end != name + len || cpu >= cpu_count())
		return proc_lookup_table(dir, sysfs_cpu_entries, name, len);
	return proc_inode(dir->sb, cpu ? &further_cpu : &first_cpu, NULL, 0, (s32)cpu);
}

static int cpus_readdir(struct file *f, struct dir_context *ctx)
{
	const loff_t first = 2 + ARRAY_SIZE(sysfs_cpu_entries) - 1;
	char name[16];

	if (!proc_emit_table(f, ctx, sysfs_cpu_entries))
		return 0;
	while (ctx->pos - first < cpu_count()) {
		u32 cpu = (u32)(ctx->pos - first);
		const struct proc_entry *e = cpu ? &further_cpu : &first_cpu;

		snprintf(name, sizeof(name), "cpu%u", cpu);
		if (!proc_emit(ctx, name, proc_entry_ino(e, NULL, 0, (s32)cpu), e->mode,
			       ctx->pos + 1))
			break;
	}
	return 0;
}

static void cpus_getattr(struct inode *i, struct kstat *st)
{
	proc_getattr(i, st);
	st->nlink += cpu_count();
}

const struct inode_ops sysfs_cpu_iops = {
    .lookup = cpus_lookup,
    .permission = proc_permission,
    .setattr = proc_setattr,
    .getattr = cpus_getattr,
};

const struct file_ops sysfs_cpu_ops = {.readdir = cpus_readdir, .seek = seek_plain};
