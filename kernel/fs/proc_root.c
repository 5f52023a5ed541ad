/* The root of /proc: the system's own files, self and thread-self, and a directory for each
 * process. */
#include "kernel/fs/proc.h"

#include "kernel/errno.h"
#include "kernel/lib/format.h"
#include "kernel/lib/parse.h"
#include "kernel/lib/string.h"

/* Positions in the directory: the table's from 2, processes from here, each at its pid. */
#define POS_PIDS 0x1000

static ssize_t self_readlink(struct inode *i, char *buf, size_t size)
{
	int n;

	(void)i;
	n = scnprintf(buf, size, "%d", current->proc->pid);
	return n;
}

static ssize_t thread_self_readlink(struct inode *i, char *buf, size_t size)
{
	(void)i;
	return scnprintf(buf, size, "%d/task/%d", current->proc->pid, current->tid);
}

const struct inode_ops proc_self_iops = {.readlink = self_readlink};
const struct inode_ops proc_thread_self_iops = {.readlink = thread_self_readlink};

static struct inode *root_lookup(struct inode *dir, const char *name, size_t len)
{
	struct inode *i = proc_lookup_table(dir, proc_system_entries, name, len);
	const char *end;
	struct process *p;
	u64 pid;

	if (i != ERR_PTR(-ENOENT))
		return i;
	/* A pid as it is printed: no leading zero, nothing after it. */
	if (*name == '0' || parse_u64(name, &end, 10, &pid) || end != name + len || pid > PID_MAX)
		return i;
	/* The number of a task that is no leader is not listed, but known. */
	p = process_of_task((s32)pid);
	if (!p)
		return i;
	i = proc_inode(dir->sb, &proc_pid_entry, p, p->pid == (s32)pid ? 0 : (s32)pid, 0);
	process_put(p);
	return i;
}

static int root_readdir(struct file *f, struct dir_context *ctx)
{
	struct process *p;
	char name[16];

	if (ctx->pos < POS_PIDS) {
		if (!proc_emit_table(f, ctx, proc_system_entries))
			return 0;
		ctx->pos = POS_PIDS;
	}
	while ((p = process_next((s32)(ctx->pos - POS_PIDS)))) {
		s32 pid = p->pid;
		bool more;

		process_put(p);
		snprintf(name, sizeof(name), "%d", pid);
		ctx->pos = POS_PIDS + pid;
		more = proc_emit(ctx, name, (u64)pid << 24 | 1, S_IFDIR, POS_PIDS + pid + 1);
		if (!more)
			break;
	}
	return 0;
}

static void root_getattr(struct inode *i, struct kstat *st)
{
	(void)i;
	st->size = 0;
	st->blocks = 0;
	st->blksize = 1024;
	st->nlink += process_count();
}

static const struct inode_ops root_iops = {
    .lookup = root_lookup,
    .revalidate = proc_revalidate,
    .getattr = root_getattr,
};

static const struct file_ops root_ops = {
    .readdir = root_readdir,
    .seek = seek_plain,
};

static const struct proc_entry proc_root = {
    .mode = S_IFDIR | 0555,
    .children = proc_system_entries,
    .iops = &root_iops,
    .fops = &root_ops,
};

static const struct proc_entry sysfs_root = {
    .mode = S_IFDIR | 0555,
    .children = sysfs_root_entries,
};

static int procfs_fill(struct super_block *sb, const char *options)
{
	(void)options;
	return proc_fill(sb, &proc_root, PROC_MAGIC);
}

static int sysfs_fill(struct super_block *sb, const char *options)
{
	(void)options;
	return proc_fill(sb, &sysfs_root, SYSFS_MAGIC);
}

static struct fs_type proc_type = {.name = "proc", .fill = procfs_fill, .flags = FS_SINGLE};
static struct fs_type sysfs_type = {.name = "sysfs", .fill = sysfs_fill, .flags = FS_SINGLE};

void proc_init(void)
{
	fs_register(&proc_type);
	fs_register(&sysfs_type);
}
