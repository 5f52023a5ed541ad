/* Reading directories: getdents64(2), getdents(2), and readdir over a tree of dentries. */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/fsnotify.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"
#include "mm/alloc.h"

struct dirent64 {
	u64 ino;
	s64 off;
	u16 reclen;
	u8 type;
	char name[];
} __packed;

/* The old form: the type stands in the last byte of the record. */
struct dirent_old {
	u64 ino;
	s64 off;
	u16 reclen;
	char name[];
} __packed;

/* Entries are gathered in kernel memory, since emit is called under spinlocks. */
struct gather {
	struct dir_context ctx;
	char *buf;
	size_t size, used;
	size_t last; /* offset of the newest record, whose d_off the next entry's position fills */
	bool old, too_small, any;
};

static bool emit_dirent(struct dir_context *ctx, const char *name, size_t len, u64 ino,
			unsigned type)
{
	struct gather *g = container_of(ctx, struct gather, ctx);
	size_t head = g->old ? offsetof(struct dirent_old, name) : offsetof(struct dirent64, name);
	size_t reclen = ALIGN_UP(head + len + (g->old ? 2 : 1), 8);
	char *rec = g->buf + g->used;

	if (reclen > g->size - g->used) {
		g->too_small = !g->any;
		return false;
	}
	if (g->any)
		((struct dirent64 *)(g->buf + g->last))->off = ctx->pos;
	memset(rec + head + len, 0, reclen - head - len);
	((struct dirent64 *)rec)->ino = ino;
	((struct dirent64 *)rec)->off = ctx->pos;
	((struct dirent64 *)rec)->reclen = (u16)reclen;
	if (g->old)
		rec[reclen - 1] = (char)type;
	else
		((struct dirent64 *)rec)->type = (u8)type;
	memcpy(rec + head, name, len);
	g->last = g->used;
	g->used += reclen;
	g->any = true;
	return true;
}

/* One bufferful: bytes put into g->buf, 0 at the end. */
static long gather_entries(struct file *f, struct gather *g)
{
	int err;

	if (S_ISDIR(f->inode->mode) && f->path.dentry->flags & DENTRY_UNLINKED)
		return -ENOENT;
	g->ctx.pos = f->pos;
	err = f->ops->readdir(f, &g->ctx);
	fsnotify_file(f, IN_ACCESS);
	if (err && !g->any)
		return err;
	if (g->any)
		((struct dirent64 *)(g->buf + g->last))->off = g->ctx.pos;
	f->pos = g->ctx.pos;
	f->inode->atime = inode_now();
	return g->too_small ? -EINVAL : (long)g->used;
}

static long read_entries(s32 fd, void __user *buf, u32 count, bool old)
{
	struct gather g = {.ctx.emit = emit_dirent, .old = old};
	struct file *f = fd_get(fd);
	loff_t before;
	long n;

	if (!f)
		return -EBADF;
	if (!f->ops->readdir) {
		file_put(f);
		return -ENOTDIR;
	}
	g.size = min((size_t)count, (size_t)PAGE_SIZE);
	g.buf = kmalloc(PAGE_SIZE);
	if (!g.buf) {
		file_put(f);
		return -ENOMEM;
	}
	rwsem_write_lock(&f->pos_lock);
	before = f->pos;
	n = gather_entries(f, &g);
	if (n > 0 && copy_to_user(buf, g.buf, (size_t)n)) {
		f->pos = before;
		n = -EFAULT;
	}
	rwsem_write_unlock(&f->pos_lock);
	kfree(g.buf);
	file_put(f);
	return n;
}

SYSCALL3(getdents64, s32, fd, void __user *, buf, u32, count)
{
	return read_entries(fd, buf, count, false);
}

SYSCALL3(getdents, s32, fd, void __user *, buf, u32, count)
{
	return read_entries(fd, buf, count, true);
}

static u64 parent_ino(struct file *f)
{
	struct dentry *d = f->path.dentry;
	u64 ino;

	spin_lock(&dentry_lock);
	ino = d->parent->inode->ino;
	spin_unlock(&dentry_lock);
	return ino;
}

bool dir_emit_dots(struct file *f, struct dir_context *ctx)
{
	if (ctx->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, f->inode->ino, DT_DIR))
			return false;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		if (!ctx->emit(ctx, "..", 2, parent_ino(f), DT_DIR))
			return false;
		ctx->pos = 2;
	}
	return true;
}

/*
 * The first child with a cookie of at least pos. `hint` (f->private) is the child that readdir
 * stopped at, referenced: where it still is in place the search starts there.
 */
static struct dentry *child_at(struct dentry *dir, struct dentry *hint, u64 pos)
{
	struct dentry *d;

	if (hint && hint->parent == dir && !(hint->flags & DENTRY_UNLINKED) && hint->cookie == pos)
		return hint;
	list_for_each (d, &dir->child_list, sibling)
		if (d->cookie >= pos)
			return d;
	return NULL;
}

static int dentry_readdir(struct file *f, struct dir_context *ctx)
{
	struct dentry *dir = f->path.dentry, *hint = f->private, *d;

	if (!dir_emit_dots(f, ctx))
		return 0;
	spin_lock(&dentry_lock);
	d = child_at(dir, hint, (u64)ctx->pos);
	while (d) {
		ctx->pos = (loff_t)d->cookie;
		if (!ctx->emit(ctx, d->name, d->len, d->inode->ino, MODE_TO_DT(d->inode->mode)))
			break;
		ctx->pos = (loff_t)d->cookie + 1;
		d = d->sibling.next == &dir->child_list
			? NULL
			: list_entry(d->sibling.next, struct dentry, sibling);
	}
	if (d)
		dentry_get(d);
	f->private = d;
	spin_unlock(&dentry_lock);
	if (hint)
		dentry_put(hint);
	return 0;
}

static void dentry_dir_release(struct file *f)
{
	if (f->private)
		dentry_put(f->private);
}

/* Folders are in memory alone, as what lies in them is. */
static int dentry_dir_fsync(struct file *f)
{
	(void)f;
	return 0;
}

const struct file_ops dentry_dir_ops = {
    .fsync = dentry_dir_fsync,
    .readdir = dentry_readdir,
    .release = dentry_dir_release,
    .seek = seek_plain,
};
