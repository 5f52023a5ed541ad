/* Open files: their life, and what mm asks of them. */
#include "kernel/fs/fs_internal.h"

#include "kernel/fs/epoll.h"
#include "kernel/fs/fsnotify.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "kernel/task.h"
#include "mm/alloc.h"

static struct slab_cache *file_cache;
static u32 nr_files; /* atomic */

/* Pipes and other files without a place in the tree live in a file system that is mounted nowhere.
 */
static struct fs_type anon_type = {.name = "anon"};
static struct super_block anon_sb = {.refs = 1, .type = &anon_type, .magic = ANON_FS_MAGIC};
static struct mount anon_mount = {.refs = 1, .sb = &anon_sb};

void file_init(void)
{
	file_cache = slab_create("file", sizeof(struct file), 16);
	if (!file_cache)
		panic("no memory for the file cache");
}

struct file *file_alloc(void)
{
	struct file *f = slab_zalloc(file_cache);

	if (!f)
		return NULL;
	f->refs = 1;
	rwsem_init(&f->pos_lock, LOCK_FILE_POS);
	list_init(&f->watches);
	atomic_inc(&nr_files);
	return f;
}

void file_free(struct file *f)
{
	atomic_dec(&nr_files);
	slab_free(file_cache, f);
}

u32 file_count(void)
{
	return atomic_load(&nr_files);
}

struct file *file_get(struct file *f)
{
	atomic_inc(&f->refs);
	return f;
}

int file_get_write(struct file *f)
{
	int err = inode_get_write(f->inode);

	if (!err)
		atomic_inc(&f->path.mnt->writers);
	return err;
}

void file_put_write(struct file *f)
{
	atomic_dec(&f->path.mnt->writers);
	inode_put_write(f->inode);
}

void file_put(struct file *f)
{
	if (atomic_dec(&f->refs))
		return;
	fsnotify_close(f);
	if (unlikely(!list_empty(&f->watches)))
		epoll_forget(f);
	if (f->ops->release)
		f->ops->release(f);
	locks_release(f);
	if (file_writable(f) && S_ISREG(f->inode->mode))
		file_put_write(f);
	if (f->executed)
		inode_allow_write(f->inode);
	path_put(&f->path);
	file_free(f);
}

struct mapping *file_mapping(struct file *f)
{
	return f->ops->mapping ? f->ops->mapping(f) : NULL;
}

bool file_is_zeros(struct file *f)
{
	return f->ops->zeros;
}

bool file_can_read(struct file *f)
{
	return file_readable(f);
}

bool file_can_write(struct file *f)
{
	return file_writable(f);
}

/* A pipe and a socket have a mode and an owner that fchmod(2) and fchown(2) change. */
static const struct inode_ops nameless_ops = {.setattr = inode_set_attr};

struct inode *inode_anon(u32 mode)
{
	struct inode *i = inode_new(&anon_sb, mode);

	if (!i)
		return NULL;
	i->uid = current->cred.fsuid;
	i->gid = current->cred.fsgid;
	if (S_ISFIFO(mode) || S_ISSOCK(mode))
		i->ops = &nameless_ops;
	return i;
}

struct file *file_anon(const char *name, struct inode *i, const struct file_ops *ops, u32 flags,
		       void *private)
{
	struct dentry *d = dentry_alloc(&anon_sb, name, strlen(name), i);
	struct file *f;

	if (!d)
		return ERR_PTR(-ENOMEM);
	d->parent = d;
	f = file_alloc();
	if (!f) {
		dentry_put(d);
		return ERR_PTR(-ENOMEM);
	}
	f->flags = flags;
	f->path = (struct path){&anon_mount, d};
	mount_get(&anon_mount);
	f->inode = i;
	f->ops = ops;
	f->private = private;
	return f;
}

/* Opened once more by its name in /proc/PID/fd. */
static int no_open(struct inode *i, struct file *f)
{
	(void)i;
	(void)f;
	return -ENXIO;
}

static const struct file_ops special_open_ops = {.open = no_open};

struct file *file_special(const char *name, const struct file_ops *ops, u32 flags, void *private)
{
	struct inode *i = inode_anon(0600);

	if (!i)
		return ERR_PTR(-ENOMEM);
	i->fops = &special_open_ops;
	return file_anon(name, i, ops, flags, private);
}
