/* /proc/<name>: what the system as a whole shows. */
#include "kernel/fs/proc.h"

#include "arch/clock.h"
#include "arch/cpuinfo.h"
#include "arch/irq.h"
#include "arch/power.h"
#include "kernel/cmdline.h"
#include "kernel/errno.h"
#include "kernel/ipc/ipc.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "kernel/sched.h"
#include "kernel/uts.h"

/* Hundredths of a second, as seconds with two places. */
static void show_centis(struct seq *s, u64 ns)
{
	u64 centis = proc_ticks(ns);

	seq_printf(s, "%lu.%02lu", centis / 100, centis % 100);
}

static u64 idle_ns(void)
{
	struct cpu_times t;
	u64 sum = 0;

	for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
		sched_cpu_times(cpu, &t);
		sum += t.idle_ns;
	}
	return sum;
}

static int show_uptime(struct seq *s, void *arg)
{
	(void)arg;
	show_centis(s, clock_ns());
	seq_putc(s, ' ');
	show_centis(s, idle_ns());
	seq_putc(s, '\n');
	return 0;
}

static int show_loadavg(struct seq *s, void *arg)
{
	u64 load[3];

	(void)arg;
	sched_load(load);
	for (unsigned i = 0; i < 3; i++) {
		u64 centis = (load[i] * 100 + 0x8000) >> 16;

		seq_printf(s, "%lu.%02lu ", centis / 100, centis % 100);
	}
	seq_printf(s, "%u/%u %d\n", sched_nr_running(), task_count(), process_last_pid());
	return 0;
}

static void show_cpu_times(struct seq *s, const struct cpu_times *t)
{
	seq_printf(s, " %lu %lu %lu %lu 0 0 0 0 0 0\n", proc_ticks(t->user_ns),
		   proc_ticks(t->nice_ns), proc_ticks(t->system_ns), proc_ticks(t->idle_ns));
}

/* The sum of all, then each legacy line. */
static void show_intr(struct seq *s)
{
	u64 sum = 0;

	for (u32 cpu = 0; cpu < cpu_count(); cpu++)
		sum += irq_count_timer(cpu);
	for (unsigned i = 0; i < NR_IRQS; i++)
		sum += irq_count(i);
	seq_printf(s, "intr %lu", sum);
	for (unsigned i = 0; i < NR_IRQS; i++)
		seq_printf(s, " %lu", irq_count(i));
	seq_putc(s, '\n');
}

/* All device interrupts go to CPU 0. */
static int show_interrupts(struct seq *s, void *arg)
{
	u32 n = cpu_count();

	(void)arg;
	seq_printf(s, "%4s", "");
	for (u32 cpu = 0; cpu < n; cpu++)
		seq_printf(s, " %6sCPU%u", "", cpu);
	seq_putc(s, '\n');
	for (unsigned i = 0; i < NR_IRQS; i++) {
		if (!irq_count(i))
			continue;
		seq_printf(s, "%3u: %10lu", i, irq_count(i));
		for (u32 cpu = 1; cpu < n; cpu++)
			seq_printf(s, " %10u", 0);
		seq_printf(s, "   %s\n", irq_controller());
	}
	seq_puts(s, "LOC:");
	for (u32 cpu = 0; cpu < n; cpu++)
		seq_printf(s, " %10lu", irq_count_timer(cpu));
	seq_puts(s, "   Local timer interrupts\n");
	return 0;
}

static int show_stat(struct seq *s, void *arg)
{
	struct cpu_times t, sum = {0};

	(void)arg;
	for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
		sched_cpu_times(cpu, &t);
		sum.user_ns += t.user_ns;
		sum.nice_ns += t.nice_ns;
		sum.system_ns += t.system_ns;
		sum.idle_ns += t.idle_ns;
	}
	seq_puts(s, "cpu ");
	show_cpu_times(s, &sum);
	for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
		sched_cpu_times(cpu, &t);
		seq_printf(s, "cpu%u", cpu);
		show_cpu_times(s, &t);
	}
	show_intr(s);
	seq_printf(s, "ctxt %lu\n", sched_nr_switches());
	seq_printf(s, "btime %lu\n", proc_ticks(clock_wall_ns() - clock_ns()) / 100);
	seq_printf(s, "processes %lu\n", process_forks());
	seq_printf(s, "procs_running %u\nprocs_blocked %u\n", sched_nr_running(),
		   task_count_blocked());
	seq_puts(s, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	return 0;
}

static int show_version(struct seq *s, void *arg)
{
	(void)arg;
	seq_printf(s, "%s version %s (%s) %s\n", uts_name.sysname, uts_name.release, UTS_COMPILER,
		   uts_name.version);
	return 0;
}

static int show_cmdline(struct seq *s, void *arg)
{
	(void)arg;
	seq_printf(s, "%s\n", cmdline_get_all());
	return 0;
}

struct device_list {
	struct seq *s;
	u32 major; /* of the line before, which goes for all minors of that name */
	const char *name;
};

static void show_device(u32 major, const char *name, void *arg)
{
	struct device_list *l = arg;

	if (!l->name || major != l->major || strcmp(name, l->name))
		seq_printf(l->s, "%3u %s\n", major, name);
	l->major = major;
	l->name = name;
}

static int show_devices(struct seq *s, void *arg)
{
	struct device_list l = {.s = s};

	(void)arg;
	seq_puts(s, "Character devices:\n");
	chrdev_for_each(show_device, &l);
	seq_puts(s, "\nBlock devices:\n");
	return 0;
}

static void cpuinfo_text(void *arg, const char *text)
{
	seq_puts(arg, text);
}

static int show_cpuinfo(struct seq *s, void *arg)
{
	(void)arg;
	cpu_describe((u32)s->next, cpuinfo_text, s);
	s->next++;
	s->more = s->next < cpu_count();
	return 0;
}

/* The keys that make sense without a keyboard; what is unknown is taken and does nothing, as in
 * Linux. */
static ssize_t write_sysrq(struct proc_open *o, char *text, size_t len)
{
	(void)o;
	switch (text[0]) {
	case 'b':
		power_reset();
	case 'c':
		panic("sysrq triggered crash");
	case 'l':
		watchdog_show_all();
		return (ssize_t)len;
	case 'o':
		power_off();
	default:
		return (ssize_t)len;
	}
}

static ssize_t text_readlink(struct inode *i, char *buf, size_t size)
{
	const char *text = proc_node(i)->entry->data;
	size_t n = min(strlen(text), size);

	memcpy(buf, text, n);
	return (ssize_t)n;
}

static const struct inode_ops text_link_iops = {.readlink = text_readlink};

#define FILE_(name_, show_)                                          \
	{                                                            \
		.name = name_, .mode = S_IFREG | 0444, .show = show_ \
	}
#define TEXT_(name_, text_)                                                                  \
	{                                                                                    \
		.name = name_, .mode = S_IFREG | 0444, .show = proc_show_text, .data = text_ \
	}

static const struct proc_entry ipc_entries[] = {
    FILE_("msg", ipc_show_msg),
    FILE_("sem", ipc_show_sem),
    FILE_("shm", ipc_show_shm),
    {0},
};

const struct proc_entry proc_system_entries[] = {
    FILE_("buddyinfo", proc_show_buddyinfo),
    FILE_("cmdline", show_cmdline),
    FILE_("cpuinfo", show_cpuinfo),
    FILE_("devices", show_devices),
    FILE_("filesystems", proc_show_filesystems),
    {.name = "kpagecount", .mode = S_IFREG | 0400, .fops = &proc_kpagecount_ops},
    {.name = "kpageflags", .mode = S_IFREG | 0400, .fops = &proc_kpageflags_ops},
    FILE_("interrupts", show_interrupts),
    FILE_("loadavg", show_loadavg),
    TEXT_("locks", ""),
    FILE_("meminfo", proc_show_meminfo),
    TEXT_("modules", ""),
    {.name = "mounts", .mode = S_IFLNK | 0777, .iops = &text_link_iops, .data = "self/mounts"},
    {.name = "net", .mode = S_IFLNK | 0777, .iops = &text_link_iops, .data = "self/net"},
    TEXT_("partitions", ""),
    {.name = "self", .mode = S_IFLNK | 0777, .iops = &proc_self_iops},
    {.name = "slabinfo", .mode = S_IFREG | 0400, .show = proc_show_slabinfo},
    FILE_("stat", show_stat),
    TEXT_("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    {.name = "sys", .mode = S_IFDIR | 0555, .children = proc_sys_entries},
    {.name = "sysrq-trigger", .mode = S_IFREG | 0200, .write = write_sysrq},
    {.name = "sysvipc", .mode = S_IFDIR | 0555, .children = ipc_entries},
    {.name = "thread-self", .mode = S_IFLNK | 0777, .iops = &proc_thread_self_iops},
    FILE_("uptime", show_uptime),
    FILE_("version", show_version),
    FILE_("vmstat", proc_show_vmstat),
    {0},
};
