/* /proc/<pid> and /proc/<pid>/task/<tid>: the table of what is in them, and the small files. */
#include "kernel/fs/proc.h"

#include "kernel/errno.h"
#include "kernel/lib/format.h"
#include "kernel/lib/parse.h"
#include "kernel/lib/string.h"
#include "kernel/net/proc_net.h"

/* ---- memory as bytes: cmdline, environ, auxv ---- */

/* One step of [start, end) of the process's memory; `next` counts the bytes done. */
static int show_memory(struct seq *s, struct mm *mm, vaddr_t start, vaddr_t end)
{
	vaddr_t at = start + s->next;
	ssize_t n;
	char *buf;

	if (at >= end || at < start || !mm_get_live(mm))
		return 0;
	buf = kmalloc(PAGE_SIZE);
	n = buf ? mm_access(mm, at, buf, min(end - at, PAGE_SIZE), false) : 0;
	mm_put_user(mm);
	if (n > 0) {
		seq_write(s, buf, (size_t)n);
		s->next += (u64)n;
		s->more = at + (u64)n < end;
	}
	kfree(buf);
	return buf ? 0 : -ENOMEM;
}

/*
 * A program may write its title over its arguments: where the last byte of them is no NUL any more,
 * the text goes on into the environment, up to a NUL.
 */
static int show_title_rest(struct seq *s, struct mm *mm)
{
	char *buf, last = 0;
	ssize_t n = 0;

	if (mm->arg_end <= mm->arg_start || mm->env_end < mm->arg_end ||
	    mm_access(mm, mm->arg_end - 1, &last, 1, false) != 1 || !last)
		return 0;
	buf = kmalloc(PAGE_SIZE);
	if (!buf)
		return -ENOMEM;
	n = mm_access(mm, mm->arg_end, buf, min(mm->env_end - mm->arg_end, PAGE_SIZE), false);
	if (n > 0)
		seq_write(s, buf, strnlen(buf, (size_t)n));
	kfree(buf);
	return 0;
}

static int show_cmdline(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	struct mm *mm = proc_mm(o->node);
	int err;

	if (!mm)
		return proc_gone(o->node) ? -ESRCH : 0;
	err = show_memory(s, mm, mm->arg_start, mm->arg_end);
	if (!err && !s->more && mm_get_live(mm)) {
		err = show_title_rest(s, mm);
		mm_put_user(mm);
	}
	mm_put(mm);
	return err;
}

static int show_environ(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;

	return o->mm ? show_memory(s, o->mm, o->mm->env_start, o->mm->env_end) : 0;
}

static int show_auxv(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	u64 auxv[MM_AUXV_WORDS] = {0};
	size_t words = 0;

	if (!o->mm)
		return 0;
	rwsem_read_lock(&o->mm->lock);
	if (o->mm->areas)
		memcpy(auxv, mm_auxv(o->mm), sizeof(auxv));
	rwsem_read_unlock(&o->mm->lock);
	do
		words += 2;
	while (words < MM_AUXV_WORDS && auxv[words - 2]);
	seq_write(s, auxv, words * sizeof(u64));
	return 0;
}

/* ---- names and limits ---- */

static int show_comm(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	struct proc_view v;
	int err = proc_view(o->node, &v);

	if (!err)
		seq_printf(s, "%s\n", v.comm);
	return err;
}

static ssize_t write_comm(struct proc_open *o, char *text, size_t len)
{
	size_t n = min(len, (size_t)TASK_COMM_LEN - 1);
	struct task *t;

	if (o->node->proc != current->proc)
		return -EINVAL;
	text[n] = '\0';
	spin_lock(&tasks_lock);
	t = proc_task(o->node);
	if (t) {
		memset(t->comm, 0, sizeof(t->comm));
		memcpy(t->comm, text, strlen(text));
	}
	spin_unlock(&tasks_lock);
	return t ? (ssize_t)len : -ESRCH;
}

static void show_limit(struct seq *s, u64 v)
{
	if (v == RLIM_INFINITY)
		seq_printf(s, "%-20s ", "unlimited");
	else
		seq_printf(s, "%-20lu ", v);
}

static int show_limits(struct seq *s, void *arg)
{
	static const struct {
		const char *name, *unit;
	} names[NR_RLIMITS] = {
	    [RLIMIT_CPU] = {"Max cpu time", "seconds"},
	    [RLIMIT_FSIZE] = {"Max file size", "bytes"},
	    [RLIMIT_DATA] = {"Max data size", "bytes"},
	    [RLIMIT_STACK] = {"Max stack size", "bytes"},
	    [RLIMIT_CORE] = {"Max core file size", "bytes"},
	    [RLIMIT_RSS] = {"Max resident set", "bytes"},
	    [RLIMIT_NPROC] = {"Max processes", "processes"},
	    [RLIMIT_NOFILE] = {"Max open files", "files"},
	    [RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
	    [RLIMIT_AS] = {"Max address space", "bytes"},
	    [RLIMIT_LOCKS] = {"Max file locks", "locks"},
	    [RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
	    [RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
	    [RLIMIT_NICE] = {"Max nice priority", NULL},
	    [RLIMIT_RTPRIO] = {"Max realtime priority", NULL},
	    [RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
	};
	const struct proc_open *o = arg;
	struct proc_view v;
	int err = proc_view(o->node, &v);

	if (err)
		return err;
	seq_printf(s, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (unsigned i = 0; i < NR_RLIMITS; i++) {
		seq_printf(s, "%-25s ", names[i].name);
		show_limit(s, v.rlimits[i].cur);
		show_limit(s, v.rlimits[i].max);
		if (names[i].unit)
			seq_printf(s, "%-10s", names[i].unit);
		seq_putc(s, '\n');
	}
	return 0;
}

/* ---- choosing whom to kill ---- */

/* Of 1000, how much of memory is its doing, as the choice of a victim reckons it; Linux shows two
 * thirds past 1000. */
static int show_oom_score(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	struct mm *mm = proc_mm(o->node);
	u64 points = 0;

	if (mm) {
		s64 total = (s64)frames_total();
		s64 badness = (s64)(mm_rss(mm) + mm->table_frames) +
			      o->node->proc->oom_score_adj * (total / 1000);

		points = (u64)max(1000 + badness * 1000 / total, 0) * 2 / 3;
		mm_put(mm);
	}
	seq_printf(s, "%lu\n", points);
	return 0;
}

static int show_oom_score_adj(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;

	seq_printf(s, "%d\n", o->node->proc->oom_score_adj);
	return 0;
}

/* The address space knows it too, since it is there that the memory would come from. */
static void set_oom_score_adj(struct process *p, s16 v)
{
	struct mm *mm = process_mm(p);

	p->oom_score_adj = v;
	if (mm) {
		mm->oom_score_adj = v;
		mm_put(mm);
	}
}

static ssize_t write_oom_score_adj(struct proc_open *o, char *text, size_t len)
{
	struct process *p = o->node->proc;
	s64 v;
	int err = parse_setting(text, len, &v);

	if (err)
		return err;
	if (v < -1000 || v > 1000)
		return -EINVAL;
	if (proc_gone(o->node))
		return -ESRCH;
	if (v < p->oom_score_adj && current->cred.euid != 0)
		return -EACCES;
	set_oom_score_adj(p, (s16)v);
	return (ssize_t)len;
}

#define CLEAR_REFS_PEAK 5 /* the last of five; the peak of memory begins anew */

/* The others are about which pages were used or written lately, which is not kept track of: nothing to clear. */
static ssize_t write_clear_refs(struct proc_open *o, char *text, size_t len)
{
	struct mm *mm;
	s64 v;
	int err = parse_setting(text, len, &v);

	if (err)
		return err;
	if (v < 1 || v > CLEAR_REFS_PEAK)
		return -EINVAL;
	mm = proc_mm(o->node);
	if (!mm)
		return proc_gone(o->node) ? -ESRCH : (ssize_t)len;
	if (v == CLEAR_REFS_PEAK)
		mm->peak_rss = mm_rss(mm);
	mm_put(mm);
	return (ssize_t)len;
}

/* ---- one line each ---- */

static int show_wchan(struct seq *s, void *arg)
{
	(void)arg;
	seq_putc(s, '0');
	return 0;
}

static int show_personality(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	struct proc_view v;
	int err = proc_view(o->node, &v);

	if (!err)
		seq_printf(s, "%08x\n", v.personality);
	return err;
}

/* Time on a CPU, time waiting for one (not measured), times it got one. */
static int show_schedstat(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	struct proc_view v;
	int err = proc_view(o->node, &v);

	if (!err)
		seq_printf(s, "%lu 0 %lu\n", v.usage.utime_ns + v.usage.stime_ns,
			   v.usage.nvcsw + v.usage.nivcsw);
	return err;
}

static int show_children(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	struct process *child;
	s32 last = (s32)s->next, found = 0;

	/* One child a step, the smallest pid first: no lock may be held while text grows. */
	spin_lock(&tasks_lock);
	list_for_each (child, &o->node->proc->children, sibling)
		if (child->pid > last && (!found || child->pid < found))
			found = child->pid;
	spin_unlock(&tasks_lock);
	if (found) {
		seq_printf(s, "%d ", found);
		s->next = (u64)found;
		s->more = true;
	}
	return 0;
}

/* ---- cwd, root, exe ---- */

static int process_exe(const struct proc_node *n, struct path *to)
{
	struct mm *mm = proc_mm(n);
	int err = -ENOENT;

	if (!mm)
		return err;
	if (mm_get_live(mm)) {
		if (mm->exe) {
			*to = mm->exe->path;
			path_get(to);
			err = 0;
		}
		mm_put_user(mm);
	}
	mm_put(mm);
	return err;
}

static int link_follow(struct inode *i, struct path *to)
{
	const struct proc_node *n = proc_node(i);
	struct fs_context *fs;
	int err = proc_may_look(n);

	if (err)
		return err;
	if (!strcmp(n->entry->name, "exe"))
		return process_exe(n, to);
	fs = proc_fs_context(n);
	if (!fs)
		return -ENOENT;
	if (!strcmp(n->entry->name, "cwd"))
		fs_context_cwd(fs, to);
	else
		fs_context_root(fs, to);
	fs_context_put(fs);
	return 0;
}

static ssize_t link_readlink(struct inode *i, char *buf, size_t size)
{
	struct path p;
	int err = link_follow(i, &p);

	return err ? err : proc_readlink_path(&p, buf, size);
}

static const struct inode_ops link_iops = {
    .readlink = link_readlink,
    .follow = link_follow,
    .getattr = proc_getattr,
    .permission = proc_permission,
};

/* ---- the tables ---- */

#define FILE_(name_, mode_, show_)                                      \
	{                                                               \
		.name = name_, .mode = S_IFREG | (mode_), .show = show_ \
	}
#define MM_FILE(name_, mode_, show_)                                                      \
	{                                                                                 \
		.name = name_, .mode = S_IFREG | (mode_), .show = show_, .flags = PROC_MM \
	}
#define TEXT_(name_, mode_, text_)                                                              \
	{                                                                                       \
		.name = name_, .mode = S_IFREG | (mode_), .show = proc_show_text, .data = text_ \
	}
#define LINK_(name_)                                                      \
	{                                                                 \
		.name = name_, .mode = S_IFLNK | 0777, .iops = &link_iops \
	}

/* What a process and each of its tasks have in common. */
#define TASK_ENTRIES                                                                             \
	MM_FILE("auxv", 0400, show_auxv), TEXT_("cgroup", 0444, "0::/\n"),                       \
	    {.name = "clear_refs", .mode = S_IFREG | 0200, .write = write_clear_refs},           \
	    FILE_("cmdline", 0444, show_cmdline),                                                \
	    {.name = "comm", .mode = S_IFREG | 0644, .show = show_comm, .write = write_comm},    \
	    LINK_("cwd"), MM_FILE("environ", 0400, show_environ), LINK_("exe"),                  \
	    {.name = "fd", .mode = S_IFDIR | 0500, .iops = &proc_fd_iops, .fops = &proc_fd_ops}, \
	    {.name = "fdinfo",                                                                   \
	     .mode = S_IFDIR | 0555,                                                             \
	     .iops = &proc_fdinfo_iops,                                                          \
	     .fops = &proc_fd_ops},                                                              \
	    FILE_("limits", 0444, show_limits), TEXT_("loginuid", 0444, "4294967295"),           \
	    MM_FILE("maps", 0444, proc_show_maps),                                               \
	    {.name = "mem", .mode = S_IFREG | 0600, .flags = PROC_MM, .fops = &proc_mem_ops},    \
	    FILE_("mountinfo", 0444, proc_show_mountinfo),                                       \
	    FILE_("mounts", 0444, proc_show_mounts), FILE_("oom_score", 0444, show_oom_score),   \
	    {.name = "oom_score_adj",                                                            \
	     .mode = S_IFREG | 0644,                                                             \
	     .show = show_oom_score_adj,                                                         \
	     .write = write_oom_score_adj},                                                      \
	    {.name = "pagemap",                                                                  \
	     .mode = S_IFREG | 0400,                                                             \
	     .flags = PROC_MM,                                                                   \
	     .fops = &proc_pagemap_ops},                                                         \
	    MM_FILE("pagetables", 0400, proc_show_pagetables),                                   \
	    FILE_("personality", 0400, show_personality), LINK_("root"),                         \
	    FILE_("schedstat", 0444, show_schedstat), TEXT_("sessionid", 0444, "4294967295"),    \
	    MM_FILE("smaps", 0444, proc_show_smaps),                                             \
	    MM_FILE("smaps_rollup", 0444, proc_show_smaps_rollup),                               \
	    FILE_("stat", 0444, proc_show_stat), FILE_("statm", 0444, proc_show_statm),          \
	    FILE_("status", 0444, proc_show_status), FILE_("wchan", 0444, show_wchan)

static const struct proc_entry task_entries[] = {
    TASK_ENTRIES,
    FILE_("children", 0444, show_children),
    {0},
};

static const struct proc_entry task_entry = {
    .mode = S_IFDIR | 0555,
    .children = task_entries,
};

bool proc_is_task(const struct proc_node *n)
{
	return n->entry == &task_entry ||
	       (n->entry >= task_entries && n->entry < task_entries + ARRAY_SIZE(task_entries));
}

/* ---- task/ ---- */

/* The smallest tid >= from; 0: none. */
static s32 next_tid(const struct process *p, s32 from)
{
	struct task *t;
	s32 found = 0;

	spin_lock(&tasks_lock);
	if (!p->reaped && p->leader->tid >= from)
		found = p->leader->tid;
	list_for_each (t, &p->threads, thread_link)
		if (t->tid >= from && (!found || t->tid < found))
			found = t->tid;
	spin_unlock(&tasks_lock);
	return found;
}

static struct inode *tasks_lookup(struct inode *dir, const char *name, size_t len)
{
	const struct proc_node *n = proc_node(dir);
	const char *end;
	u64 tid;

	if (*name == '0' || parse_u64(name, &end, 10, &tid) || end != name + len || tid > PID_MAX ||
	    next_tid(n->proc, (s32)tid) != (s32)tid)
		return ERR_PTR(-ENOENT);
	return proc_inode(dir->sb, &task_entry, n->proc, (s32)tid, 0);
}

static int tasks_readdir(struct file *f, struct dir_context *ctx)
{
	const struct proc_node *n = proc_node(f->inode);
	char name[16];
	s32 tid;

	if (proc_gone(n))
		return -ENOENT;
	if (!proc_emit_table(f, ctx, NULL))
		return 0;
	while ((tid = next_tid(n->proc, (s32)(ctx->pos - 1)))) {
		snprintf(name, sizeof(name), "%d", tid);
		ctx->pos = tid + 1;
		if (!proc_emit(ctx, name, BIT(62) | (u64)tid << 24, S_IFDIR, tid + 2))
			break;
	}
	return 0;
}

static void tasks_getattr(struct inode *i, struct kstat *st)
{
	const struct process *p = proc_node(i)->proc;

	proc_getattr(i, st);
	st->nlink = 2 + READ_ONCE(p->nr_threads);
}

static const struct inode_ops tasks_iops = {
    .lookup = tasks_lookup,
    .revalidate = proc_revalidate,
    .permission = proc_permission,
    .setattr = proc_setattr,
    .getattr = tasks_getattr,
};

static const struct file_ops tasks_ops = {.readdir = tasks_readdir, .seek = seek_plain};

static const struct proc_entry process_entries[] = {
    TASK_ENTRIES,
    {.name = "net", .mode = S_IFDIR | 0555, .children = proc_net_entries},
    {.name = "task", .mode = S_IFDIR | 0555, .iops = &tasks_iops, .fops = &tasks_ops},
    {0},
};

const struct proc_entry proc_pid_entry = {
    .mode = S_IFDIR | 0555,
    .children = process_entries,
};
