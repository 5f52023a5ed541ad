/*
 * /proc/sys: the knobs of the kernel, one line each.
 *
 * A knob is a number with its range, or a text. A number outside its range is refused with
 * -EINVAL, as is what is no number; nothing has changed then.
 */
#include "kernel/fs/proc.h"

#include "arch/clock.h"
#include "arch/kstack.h"
#include "kernel/errno.h"
#include "kernel/fs/epoll.h"
#include "kernel/fs/inotify.h"
#include "kernel/fs/pipe.h"
#include "kernel/ipc/ipc.h"
#include "kernel/lib/format.h"
#include "kernel/lib/parse.h"
#include "kernel/lib/string.h"
#include "kernel/knobs.h"
#include "kernel/log.h"
#include "kernel/process.h"
#include "kernel/random.h"
#include "kernel/uts.h"
#include "mm/area.h"
#include "mm/audit.h"
#include "mm/commit.h"

struct knob {
	int *value; /* or get and set */
	s64 min, max;
	s64 (*get)(void);
	int (*set)(s64 v); /* 0 or a negative errno; NULL without value: read-only */
};

static int knob_show(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	const struct knob *k = o->node->entry->data;

	seq_printf(s, "%ld\n", k->value ? *k->value : k->get());
	return 0;
}

static ssize_t knob_write(struct proc_open *o, char *text, size_t len)
{
	const struct knob *k = o->node->entry->data;
	s64 v;
	int err = parse_setting(text, len, &v);

	if (err)
		return err;
	if (v < k->min || v > k->max)
		return -EINVAL;
	if (k->value)
		*k->value = (int)v;
	else
		err = k->set(v);
	return err ? err : (ssize_t)len;
}

static int text_show(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;

	seq_printf(s, "%s\n", (const char *)o->node->entry->data);
	return 0;
}

/* ---- kernel/ ---- */

/* A name of struct uts_name: up to the newline, cut to what fits. */
static ssize_t uts_write(struct proc_open *o, char *text, size_t len)
{
	bool domain = !strcmp(o->node->entry->name, "domainname");
	char *name = domain ? uts_name.domainname : uts_name.nodename;

	*strchrnul(text, '\n') = '\0';
	memset(name, 0, UTS_LEN);
	memcpy(name, text, strnlen(text, UTS_LEN - 1));
	return (ssize_t)len;
}

/* The level of the console, and three numbers that nothing here depends on: Linux's defaults. */
static int printk_show(struct seq *s, void *arg)
{
	(void)arg;
	seq_printf(s, "%d\t4\t1\t7\n", log_console_level + 1);
	return 0;
}

static ssize_t printk_write(struct proc_open *o, char *text, size_t len)
{
	u64 level;

	(void)o;
	if (parse_u64(text + strspn(text, " \t"), NULL, 10, &level) || level < 1 || level > 15)
		return -EINVAL;
	log_console_level = (int)level - 1;
	return (ssize_t)len;
}

static void show_uuid(struct seq *s, const u8 *b)
{
	for (unsigned i = 0; i < 16; i++)
		seq_printf(s, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
	seq_putc(s, '\n');
}

/* A random UUID (RFC 4122, version 4). */
static void make_uuid(u8 b[16])
{
	random_bytes(b, 16);
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
}

static int boot_id_show(struct seq *s, void *arg)
{
	static spinlock_t lock = SPINLOCK_INIT(LOCK_NONE); /* what follows */
	static u8 id[16];
	static bool made;

	(void)arg;
	spin_lock(&lock);
	if (!made)
		make_uuid(id);
	made = true;
	spin_unlock(&lock);
	show_uuid(s, id);
	return 0;
}

static int uuid_show(struct seq *s, void *arg)
{
	u8 id[16];

	(void)arg;
	make_uuid(id);
	show_uuid(s, id);
	return 0;
}

static s64 threads_max(void)
{
	return (s64)task_limit();
}

/* A number of 64 bits, which no knob holds. */
static int u64_show(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;

	seq_printf(s, "%lu\n", *(const u64 *)o->node->entry->data);
	return 0;
}

static ssize_t u64_write(struct proc_open *o, char *text, size_t len)
{
	u64 *to = (u64 *)o->node->entry->data;
	const char *end;
	u64 v;

	if (parse_u64(text + strspn(text, " \t"), &end, 10, &v) ||
	    strspn(end, " \t\n") != strlen(end))
		return -EINVAL;
	*to = v;
	return (ssize_t)len;
}

/* The four limits of semaphores in one line. */
static int sem_show(struct seq *s, void *arg)
{
	(void)arg;
	seq_printf(s, "%d\t%d\t%d\t%d\n", ipc_semmsl, ipc_semmns, ipc_semopm, ipc_sem.limit);
	return 0;
}

/* As many of the four as there are; none changes where one is no good. */
static ssize_t sem_write(struct proc_open *o, char *text, size_t len)
{
	int *const to[] = {&ipc_semmsl, &ipc_semmns, &ipc_semopm, &ipc_sem.limit};
	const char *at = text;
	u64 v[ARRAY_SIZE(to)];
	size_t n;

	(void)o;
	for (n = 0; n < ARRAY_SIZE(to); n++) {
		at += strspn(at, " \t\n");
		if (!*at)
			break;
		if (parse_u64(at, &at, 10, &v[n]) || v[n] > INT32_MAX)
			return -EINVAL;
	}
	if (n == ARRAY_SIZE(to) && v[3] > IPC_PLACES)
		return -EINVAL;
	while (n--)
		*to[n] = (int)v[n];
	return (ssize_t)len;
}

/* ---- vm/ ---- */

static int drop_caches(s64 v)
{
	/* The page cache is where ramfs keeps its files, so only what the allocators hold can go.
	 */
	(void)v;
	kstack_trim();
	alloc_trim();
	return 0;
}

static s64 fail_nth_get(void)
{
	return (s64)alloc_fail_nth;
}

static int fail_nth_set(s64 v)
{
	alloc_fail_nth = (u64)v;
	return 0;
}

/* ---- fs/ ---- */

/* Files in use, free, and the limit. Only the limit is known: files come from a slab like all else.
 */
static const char file_max_text[] = "9223372036854775807";

/* ---- rights ---- */

/* What nobody may write, root may not either: these files are no files of root's. */
static int sys_permission(struct inode *i, u32 mask)
{
	const struct cred *c = &current->cred;
	u32 bits = c->euid == 0 ? i->mode >> 6 : c->egid == 0 ? i->mode >> 3 : i->mode;

	return mask & 7 & ~bits ? -EACCES : 0;
}

static const struct inode_ops sys_iops = {
    .permission = sys_permission,
    .setattr = proc_setattr,
    .getattr = proc_getattr,
};

/* ---- the tables ---- */

#define KNOB_(name_, mode_, ...)                                             \
	{                                                                    \
		.name = name_, .mode = S_IFREG | (mode_), .iops = &sys_iops, \
		.show = (mode_)&0444 ? knob_show : NULL,                     \
		.write = (mode_)&0222 ? knob_write : NULL,                   \
		.data = &(const struct knob){__VA_ARGS__},                   \
	}
#define TEXT_(name_, text_)                                                                  \
	{                                                                                    \
		.name = name_, .mode = S_IFREG | 0444, .iops = &sys_iops, .show = text_show, \
		.data = text_                                                                \
	}
#define NAME_(name_, text_)                                                                  \
	{                                                                                    \
		.name = name_, .mode = S_IFREG | 0644, .iops = &sys_iops, .show = text_show, \
		.write = uts_write, .data = text_                                            \
	}
#define U64_(name_, value_)                                                                 \
	{                                                                                   \
		.name = name_, .mode = S_IFREG | 0644, .iops = &sys_iops, .show = u64_show, \
		.write = u64_write, .data = value_                                          \
	}
#define DIR_(name_, table_)                                               \
	{                                                                 \
		.name = name_, .mode = S_IFDIR | 0555, .children = table_ \
	}

static const struct proc_entry random_entries[] = {
    {.name = "boot_id", .mode = S_IFREG | 0444, .iops = &sys_iops, .show = boot_id_show},
    TEXT_("entropy_avail", "256"),
    TEXT_("poolsize", "256"),
    {.name = "uuid", .mode = S_IFREG | 0444, .iops = &sys_iops, .show = uuid_show},
    {0},
};

static const struct proc_entry kernel_entries[] = {
    TEXT_("arch", "x86_64"),
    TEXT_("cap_last_cap", "40"),
    TEXT_("core_pattern", "core"),
    NAME_("domainname", uts_name.domainname),
    NAME_("hostname", uts_name.nodename),
    KNOB_("idle_poll_ns", 0644, .value = &sched_idle_poll_ns, .max = 1000000),
    KNOB_("msgmax", 0644, .value = &ipc_msgmax, .max = INT32_MAX),
    KNOB_("msgmnb", 0644, .value = &ipc_msgmnb, .max = INT32_MAX),
    KNOB_("msgmni", 0644, .value = &ipc_msg.limit, .max = IPC_PLACES),
    TEXT_("ngroups_max", "32"),
    TEXT_("osrelease", uts_name.release),
    TEXT_("ostype", uts_name.sysname),
    TEXT_("overflowgid", "65534"),
    TEXT_("overflowuid", "65534"),
    TEXT_("panic", "0"),
    TEXT_("pid_max", "32768"),
    {.name = "printk",
     .mode = S_IFREG | 0644,
     .iops = &sys_iops,
     .show = printk_show,
     .write = printk_write},
    DIR_("random", random_entries),
    KNOB_("randomize_va_space", 0644, .value = &randomize_va_space, .max = 2),
    {.name = "sem",
     .mode = S_IFREG | 0644,
     .iops = &sys_iops,
     .show = sem_show,
     .write = sem_write},
    U64_("shmall", &ipc_shmall),
    U64_("shmmax", &ipc_shmmax),
    KNOB_("shmmni", 0644, .value = &ipc_shm.limit, .max = IPC_PLACES),
    TEXT_("tainted", "0"),
    KNOB_("threads-max", 0444, .get = threads_max),
    TEXT_("version", uts_name.version),
    {0},
};

/* Fails with EIO where the counts of the machine's frames and its page tables disagree. */
static int audit(s64 v)
{
	bool good;

	(void)v;
	sched_stop_others();
	good = mm_audit();
	sched_resume_others();
	return good ? 0 : -EIO;
}

static s64 cow_streak_get(void)
{
	return vm_cow_streak;
}

static int cow_streak_set(s64 v)
{
	vm_cow_streak = (unsigned)v;
	return 0;
}

/* Ratio and size are two ways to say the same thing: the one that was written last counts, and the other reads
 * as 0. */
static s64 overcommit_kbytes_get(void)
{
	return (s64)vm_overcommit_kbytes;
}

static int overcommit_kbytes_set(s64 v)
{
	vm_overcommit_kbytes = (u64)v;
	vm_overcommit_ratio = 0;
	return 0;
}

static s64 overcommit_ratio_get(void)
{
	return vm_overcommit_ratio;
}

static int overcommit_ratio_set(s64 v)
{
	vm_overcommit_ratio = (int)v;
	vm_overcommit_kbytes = 0;
	return 0;
}

static int fork_share_show(struct seq *s, void *arg)
{
	(void)arg;
	if (vm_fork_share_level == FORK_SHARE_AUTO)
		seq_puts(s, "auto\n");
	else
		seq_printf(s, "%d\n", vm_fork_share_level);
	return 0;
}

static ssize_t fork_share_write(struct proc_open *o, char *text, size_t len)
{
	s64 v;
	int err;

	(void)o;
	if (!strcmp(text, "auto") || !strcmp(text, "auto\n")) {
		vm_fork_share_level = FORK_SHARE_AUTO;
		return (ssize_t)len;
	}
	err = parse_setting(text, len, &v);
	if (!err && (v < 0 || v > FORK_SHARE_MAX))
		err = -EINVAL;
	if (err)
		return err;
	vm_fork_share_level = (int)v;
	return (ssize_t)len;
}

static const struct proc_entry vm_entries[] = {
    KNOB_("audit", 0200, .min = 1, .max = 1, .set = audit),
    KNOB_("cow_streak", 0644, .min = 1, .max = 32, .get = cow_streak_get, .set = cow_streak_set),
    KNOB_("drop_caches", 0200, .min = 1, .max = 4, .set = drop_caches),
    KNOB_("fail_nth", 0644, .max = INT64_MAX, .get = fail_nth_get, .set = fail_nth_set),
    {.name = "fork_share_level",
     .mode = S_IFREG | 0644,
     .iops = &sys_iops,
     .show = fork_share_show,
     .write = fork_share_write},
    KNOB_("max_map_count", 0644, .value = &vm_max_map_count, .max = INT32_MAX),
    TEXT_("mmap_min_addr", "65536"),
    KNOB_("overcommit_kbytes", 0644, .max = INT64_MAX, .get = overcommit_kbytes_get,
	  .set = overcommit_kbytes_set),
    KNOB_("overcommit_memory", 0644, .value = &vm_overcommit_memory, .max = 2),
    KNOB_("overcommit_ratio", 0644, .max = INT32_MAX, .get = overcommit_ratio_get,
	  .set = overcommit_ratio_set),
    TEXT_("swappiness", "0"),
    KNOB_("user_reserve_kbytes", 0644, .value = &vm_user_reserve_kbytes, .max = INT32_MAX),
    {0},
};

static const struct proc_entry epoll_entries[] = {
    KNOB_("max_user_watches", 0644, .value = &epoll_max_user_watches, .max = INT32_MAX),
    {0},
};

static const struct proc_entry inotify_entries[] = {
    KNOB_("max_queued_events", 0644, .value = &inotify_max_queued_events, .max = INT32_MAX),
    KNOB_("max_user_instances", 0644, .value = &inotify_max_user_instances, .max = INT32_MAX),
    KNOB_("max_user_watches", 0644, .value = &inotify_max_user_watches, .max = INT32_MAX),
    {0},
};

static const struct proc_entry fs_entries[] = {
    DIR_("epoll", epoll_entries),
    DIR_("inotify", inotify_entries),
    TEXT_("file-max", file_max_text),
    TEXT_("nr_open", "1048576"),
    TEXT_("overflowgid", "65534"),
    TEXT_("overflowuid", "65534"),
    KNOB_("pipe-max-size", 0644, .value = &pipe_max_size, .min = PAGE_SIZE, .max = INT32_MAX),
    KNOB_("pipe-user-pages-hard", 0644, .value = &pipe_user_pages_hard, .max = INT32_MAX),
    KNOB_("pipe-user-pages-soft", 0644, .value = &pipe_user_pages_soft, .max = INT32_MAX),
    {0},
};

/* What kernel/net goes by. */
static const struct proc_entry net_core_entries[] = {
    TEXT_("rmem_default", "212992"), TEXT_("rmem_max", "212992"), TEXT_("somaxconn", "4096"),
    TEXT_("wmem_default", "212992"), TEXT_("wmem_max", "212992"), {0},
};

static const struct proc_entry net_ipv4_entries[] = {
    TEXT_("ip_local_port_range", "32768\t60999"),
    {0},
};

static const struct proc_entry net_unix_entries[] = {
    TEXT_("max_dgram_qlen", "10"),
    {0},
};

static const struct proc_entry net_entries[] = {
    DIR_("core", net_core_entries),
    DIR_("ipv4", net_ipv4_entries),
    DIR_("unix", net_unix_entries),
    {0},
};

const struct proc_entry proc_sys_entries[] = {
    DIR_("fs", fs_entries),
    DIR_("kernel", kernel_entries),
    DIR_("net", net_entries),
    DIR_("vm", vm_entries),
    {0},
};
