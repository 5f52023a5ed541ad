/* /proc/<pid>/fd and fdinfo: the open files of a process, as links to them and as text. */
#include "kernel/fs/proc.h"

#include "kernel/errno.h"
#include "kernel/lib/format.h"
#include "kernel/lib/parse.h"

/* The file that descriptor fd of the process names, referenced; NULL: none. */
static struct file *node_file(const struct proc_node *n, s32 fd, bool *cloexec)
{
	struct fd_table *files = proc_files(n);
	struct file *f = NULL;
	s32 found = fd;

	if (!files)
		return NULL;
	f = fd_table_next(files, &found, cloexec);
	fd_table_release(files);
	if (f && found != fd) {
		file_put(f);
		f = NULL;
	}
	return f;
}

static int fd_follow(struct inode *i, struct path *to)
{
	const struct proc_node *n = proc_node(i);
	int err = proc_may_look(n);
	struct file *f;
	bool cloexec;

	if (err)
		return err;
	f = node_file(n, n->fd, &cloexec);
	if (!f)
		return -ENOENT;
	*to = f->path;
	path_get(to);
	file_put(f);
	return 0;
}

static ssize_t fd_readlink(struct inode *i, char *buf, size_t size)
{
	struct path p;
	int err = fd_follow(i, &p);

	return err ? err : proc_readlink_path(&p, buf, size);
}

static void fd_getattr(struct inode *i, struct kstat *st)
{
	proc_getattr(i, st);
	st->size = 64;
}

/* What a descriptor names may change at any time, and whether it has cannot be asked under the
 * dentry lock. */
static bool fd_revalidate(struct dentry *d)
{
	(void)d;
	return false;
}

static const struct inode_ops fd_link_iops = {
    .readlink = fd_readlink,
    .follow = fd_follow,
    .permission = proc_permission,
    .getattr = fd_getattr,
};

static const struct proc_entry fd_link_entry = {.mode = S_IFLNK, .iops = &fd_link_iops};

static int show_fdinfo(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	bool cloexec;
	struct file *f = node_file(o->node, o->node->fd, &cloexec);

	if (!f)
		return -ENOENT;
	seq_printf(s, "pos:\t%ld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%lu\n", f->pos,
		   f->flags | (cloexec ? O_CLOEXEC : 0), f->path.mnt ? f->path.mnt->id : 0,
		   f->inode->ino);
	if (f->ops->show_fdinfo)
		f->ops->show_fdinfo(f, s);
	file_put(f);
	return 0;
}

static const struct inode_ops fdinfo_file_iops = {
    .permission = proc_permission,
    .setattr = proc_setattr,
    .getattr = proc_getattr,
};

static const struct proc_entry fdinfo_entry = {
    .mode = S_IFREG | 0444,
    .show = show_fdinfo,
    .iops = &fdinfo_file_iops,
};

static struct inode *lookup_as(struct inode *dir, const struct proc_entry *e, const char *name,
			       size_t len)
{
	const struct proc_node *n = proc_node(dir);
	struct inode *i;
	struct file *f;
	const char *end;
	bool cloexec;
	u64 fd;

	if ((*name == '0' && len > 1) || parse_u64(name, &end, 10, &fd) || end != name + len ||
	    fd > INT32_MAX)
		return ERR_PTR(-ENOENT);
	f = node_file(n, (s32)fd, &cloexec);
	if (!f)
		return ERR_PTR(-ENOENT);
	i = proc_inode(dir->sb, e, n->proc, n->tid, (s32)fd);
	if (!IS_ERR(i) && S_ISLNK(e->mode)) {
		u32 access = f->flags & O_ACCMODE;

		i->mode |= access == O_RDONLY ? 0500 : access == O_WRONLY ? 0300 : 0700;
	}
	file_put(f);
	return i;
}

static struct inode *fd_lookup(struct inode *dir, const char *name, size_t len)
{
	return lookup_as(dir, &fd_link_entry, name, len);
}

static struct inode *fdinfo_lookup(struct inode *dir, const char *name, size_t len)
{
	return lookup_as(dir, &fdinfo_entry, name, len);
}

/* Positions from 2 are descriptors. */
static int fd_readdir(struct file *f, struct dir_context *ctx)
{
	const struct proc_node *n = proc_node(f->inode);
	struct fd_table *files;
	char name[16];

	if (proc_gone(n))
		return -ENOENT;
	if (!proc_emit_table(f, ctx, NULL))
		return 0;
	files = proc_files(n);
	while (files) {
		s32 fd = (s32)(ctx->pos - 2);
		bool cloexec;
		struct file *open = fd_table_next(files, &fd, &cloexec);

		if (!open)
			break;
		file_put(open);
		snprintf(name, sizeof(name), "%d", fd);
		ctx->pos = fd + 2;
		if (!proc_emit(ctx, name, f->inode->ino + 1 + (u64)fd,
			       f->inode->mode & 0055 ? S_IFREG : S_IFLNK, fd + 3))
			break;
	}
	if (files)
		fd_table_release(files);
	return 0;
}

/* A process may look at its own descriptors even where it has given up the rights to its files
 * here. */
static int fd_permission(struct inode *i, u32 mask)
{
	int err = proc_permission(i, mask);

	return err && proc_node(i)->proc == current->proc ? 0 : err;
}

const struct inode_ops proc_fd_iops = {
    .lookup = fd_lookup,
    .revalidate = fd_revalidate,
    .permission = fd_permission,
    .setattr = proc_setattr,
    .getattr = proc_getattr,
};

const struct inode_ops proc_fdinfo_iops = {
    .lookup = fdinfo_lookup,
    .revalidate = fd_revalidate,
    .permission = fd_permission,
    .setattr = proc_setattr,
    .getattr = proc_getattr,
};

const struct file_ops proc_fd_ops = {.readdir = fd_readdir, .seek = seek_plain};
