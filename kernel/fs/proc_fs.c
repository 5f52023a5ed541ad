/* The synthetic file system that /proc and /sys are made of: inodes from tables of entries; see
 * proc.h. */
#include "kernel/fs/proc.h"

#include "arch/cpuinfo.h"
#include "kernel/errno.h"
#include "kernel/lib/string.h"
#include "kernel/process.h"

u64 proc_entry_ino(const struct proc_entry *e, const struct process *p, s32 tid, s32 fd)
{
	u64 ino = (u64)e / sizeof(void *) & 0xffffff;

	if (p)
		ino |= (u64)(u32)(tid ? tid : p->pid) << 24;
	if (tid)
		ino |= BIT(62);
	return ino ^ (u64)(u32)(fd + 1) << 40;
}

static u32 count_subdirs(const struct proc_entry *table)
{
	u32 n = 0;

	for (; table && table->name; table++)
		n += S_ISDIR(table->mode);
	return n;
}

struct inode *proc_inode(struct super_block *sb, const struct proc_entry *e, struct process *proc,
			 s32 tid, s32 fd)
{
	struct proc_node *node = kzalloc(sizeof(*node));
	struct inode *i;

	if (!node)
		return ERR_PTR(-ENOMEM);
	i = inode_new(sb, e->mode);
	if (!i) {
		kfree(node);
		return ERR_PTR(-ENOMEM);
	}
	node->entry = e;
	node->tid = tid;
	node->fd = fd;
	if (proc) {
		process_get(proc);
		node->proc = proc;
		proc_owner(node, &i->uid, &i->gid);
	}
	i->private = node;
	i->ino = proc_entry_ino(e, proc, tid, fd);
	i->ops = e->iops ? e->iops : S_ISDIR(e->mode) ? &proc_table_iops : &proc_file_iops;
	i->fops = e->fops ? e->fops : S_ISDIR(e->mode) ? &proc_table_ops : &proc_file_ops;
	if (S_ISDIR(e->mode))
		i->nlink = 2 + count_subdirs(e->children);
	return i;
}

static void proc_evict(struct inode *i)
{
	struct proc_node *node = i->private;

	if (!node)
		return;
	if (node->proc)
		process_put(node->proc);
	kfree(node);
	i->private = NULL;
}

static const struct super_ops proc_super_ops = {.evict = proc_evict};

int proc_fill(struct super_block *sb, const struct proc_entry *root, u32 magic)
{
	struct inode *i;

	sb->ops = &proc_super_ops;
	sb->magic = magic;
	i = proc_inode(sb, root, NULL, 0, 0);
	if (IS_ERR(i))
		return (int)PTR_ERR(i);
	i->ino = 1;
	sb->root = dentry_make_root(sb, i);
	return sb->root ? 0 : -ENOMEM;
}

/* ---- inodes ---- */

/* The owner follows the process's credentials, which change. */
static void refresh_owner(struct inode *i)
{
	struct proc_node *n = proc_node(i);

	if (n->proc)
		proc_owner(n, &i->uid, &i->gid);
}

int proc_permission(struct inode *i, u32 mask)
{
	refresh_owner(i);
	return inode_permission_bits(i, mask);
}

void proc_getattr(struct inode *i, struct kstat *st)
{
	refresh_owner(i);
	st->uid = i->uid;
	st->gid = i->gid;
	st->size = proc_node(i)->entry->flags & PROC_FIXED ? 4096 : 0;
	st->blocks = 0;
	st->blksize = proc_node(i)->entry->flags & PROC_FIXED ? 4096 : 1024;
}

int proc_setattr(struct inode *i, const struct iattr *attr)
{
	/* Opening with O_TRUNC, as a shell does, cuts nothing. Who owns what is not for chmod to
	 * say. */
	(void)i;
	return attr->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

bool proc_revalidate(struct dentry *d)
{
	return !proc_gone(proc_node(d->inode));
}

struct inode *proc_lookup_table(struct inode *dir, const struct proc_entry *table, const char *name,
				size_t len)
{
	const struct proc_node *n = proc_node(dir);

	if (proc_gone(n))
		return ERR_PTR(-ENOENT);
	for (const struct proc_entry *e = table; e && e->name; e++)
		if (strlen(e->name) == len && !memcmp(e->name, name, len))
			return proc_inode(dir->sb, e, n->proc, n->tid, n->fd);
	return ERR_PTR(-ENOENT);
}

static struct inode *table_lookup(struct inode *dir, const char *name, size_t len)
{
	return proc_lookup_table(dir, proc_node(dir)->entry->children, name, len);
}

const struct inode_ops proc_table_iops = {
    .lookup = table_lookup,
    .revalidate = proc_revalidate,
    .permission = proc_permission,
    .setattr = proc_setattr,
    .getattr = proc_getattr,
};

const struct inode_ops proc_file_iops = {
    .permission = proc_permission,
    .setattr = proc_setattr,
    .getattr = proc_getattr,
};

/* ---- directories ---- */

bool proc_emit(struct dir_context *ctx, const char *name, u64 ino, u32 mode, loff_t next)
{
	if (!ctx->emit(ctx, name, strlen(name), ino, MODE_TO_DT(mode)))
		return false;
	ctx->pos = next;
	return true;
}

bool proc_emit_table(struct file *f, struct dir_context *ctx, const struct proc_entry *table)
{
	const struct proc_node *n = proc_node(f->inode);
	loff_t pos = 2;

	if (ctx->pos == 0 && !proc_emit(ctx, ".", f->inode->ino, S_IFDIR, 1))
		return false;
	if (ctx->pos == 1 && !proc_emit(ctx, "..", f->path.dentry->parent->inode->ino, S_IFDIR, 2))
		return false;
	for (; table && table->name; table++, pos++)
		if (ctx->pos == pos &&
		    !proc_emit(ctx, table->name, proc_entry_ino(table, n->proc, n->tid, n->fd),
			       table->mode, pos + 1))
			return false;
	return true;
}

static int table_readdir(struct file *f, struct dir_context *ctx)
{
	const struct proc_node *n = proc_node(f->inode);

	if (proc_gone(n))
		return -ENOENT;
	proc_emit_table(f, ctx, n->entry->children);
	return 0;
}

const struct file_ops proc_table_ops = {
    .readdir = table_readdir,
    .seek = seek_plain,
};

/* ---- files of text ---- */

int proc_file_open(struct inode *i, struct file *f)
{
	const struct proc_node *n = proc_node(i);
	struct proc_open *o;
	int err = proc_gone(n) ? -ESRCH : 0;
	struct mm *mm = NULL;

	if (!err && n->entry->flags & PROC_MM)
		err = proc_mm_to_look(n, &mm);
	if (err)
		return err;
	o = kzalloc(sizeof(*o));
	if (!o) {
		if (mm)
			mm_put(mm);
		return -ENOMEM;
	}
	o->node = n;
	o->mm = mm;
	seq_reader_init(&o->reader, n->entry->show, o);
	f->private = o;
	return 0;
}

void proc_file_release(struct file *f)
{
	struct proc_open *o = f->private;

	if (o->mm)
		mm_put(o->mm);
	seq_reader_free(&o->reader);
	kfree(o);
}

static ssize_t proc_file_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct proc_open *o = f->private;

	if (!o->node->entry->show)
		return -EIO;
	return seq_read(&o->reader, it, pos);
}

static ssize_t proc_file_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct proc_open *o = f->private;
	size_t len = min(it->left, PAGE_SIZE - 1);
	char small[64],
	    *text = small; /* a number in need of no memory, since one of them trims it */
	ssize_t done;

	if (!o->node->entry->write)
		return -EIO;
	if (len >= sizeof(small))
		text = kmalloc(len + 1);
	if (!text)
		return -ENOMEM;
	if (iter_get(it, text, len) != len) {
		done = -EFAULT;
	} else {
		text[len] = '\0';
		done = o->node->entry->write(o, text, len);
	}
	if (text != small)
		kfree(text);
	if (done > 0)
		*pos += done;
	return done;
}

const struct file_ops proc_file_ops = {
    .open = proc_file_open,
    .release = proc_file_release,
    .read = proc_file_read,
    .write = proc_file_write,
    .seek = seek_plain,
};

/* ---- pieces that several files show ---- */

ssize_t proc_readlink_path(struct path *p, char *buf, size_t size)
{
	char *text = kmalloc(PATH_MAX), *name;
	ssize_t n = -ENOMEM;

	if (text) {
		name = path_format(p, text, PATH_MAX);
		n = IS_ERR(name) ? PTR_ERR(name) : (ssize_t)min(strlen(name), size);
		if (n > 0)
			memcpy(buf, name, (size_t)n);
		kfree(text);
	}
	path_put(p);
	return n;
}

u64 proc_cpus(void)
{
	return cpu_count() == 64 ? ~0ull : BIT(cpu_count()) - 1;
}

void proc_show_mask(struct seq *s, u64 mask)
{
	u32 digits = (cpu_count() + 3) / 4;

	if (cpu_count() > 32)
		seq_printf(s, "%0*lx,%08lx", (int)digits - 8, mask >> 32, mask & 0xffffffff);
	else
		seq_printf(s, "%0*lx", (int)digits, mask);
}

void proc_show_mask_list(struct seq *s, u64 mask)
{
	bool first = true;

	for (unsigned i = 0; i < 64; i++) {
		unsigned last = i;

		if (!(mask & BIT(i)))
			continue;
		while (last < 63 && mask & BIT(last + 1))
			last++;
		seq_printf(s, "%s%u", first ? "" : ",", i);
		if (last != i)
			seq_printf(s, "-%u", last);
		first = false;
		i = last;
	}
}

int proc_show_text(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;

	seq_puts(s, o->node->entry->data);
	return 0;
}

struct process *proc_folder_process(const struct file *f)
{
	const struct proc_node *n;

	if (f->ops != &proc_table_ops)
		return NULL;
	n = proc_node(f->inode);
	return n->entry == &proc_pid_entry && !n->tid ? n->proc : NULL;
}
