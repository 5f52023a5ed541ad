/*
 * The file system that lives in memory: rootfs, ramfs, tmpfs, devtmpfs. Directories are dentries,
 * contents are page cache.
 *
 * Reads copy from the frames with no lock: they see each page as it is at that moment. Writers of
 * one file take turns by the inode's lock. Copying to or from the program may fault, even into a
 * mapping of the very file: a fault takes no inode's lock, so that is no deadlock.
 */
#include "kernel/fs/fs_internal.h"

#include "kernel/fs/fsnotify.h"
#include "kernel/lib/parse.h"
#include "kernel/lib/string.h"
#include "kernel/task.h"
#include "mm/alloc.h"
#include "mm/commit.h"

static const struct file_ops ram_file_ops;
static const struct inode_ops ram_ops;

/* False where one more page would go into the last of memory: a program that fills a disk gets ENOSPC, and is
 * not what ends others. */
static bool may_grow(void)
{
	return frames_free() > frames_total() / 64;
}

/* ---- contents ---- */

static ssize_t ram_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct mapping *m = &f->inode->mapping;
	size_t left_before = it->left;
	ssize_t done;

	while (it->left) {
		u64 at = (u64)*pos, size = atomic_load(&m->size);
		size_t offset = at & (PAGE_SIZE - 1), n, got;
		struct page *page;

		if (at >= size)
			break;
		n = min(PAGE_SIZE - offset, it->left);
		n = min(n, size - at);
		page = mapping_find(m, at >> PAGE_SHIFT);
		if (page) {
			got = iter_put(it, (char *)page_to_virt(page) + offset, n);
			page_put(page);
		} else {
			got = iter_zero(it, n);
		}
		*pos += (loff_t)got;
		if (got < n) {
			if (it->left == left_before)
				return -EFAULT;
			break;
		}
		cond_resched();
	}
	done = (ssize_t)(left_before - it->left);
	if (done)
		file_accessed(f);
	return done;
}

/* Copies one page's worth of a write at *pos. Bytes, or an errno. */
static ssize_t write_page(struct inode *i, struct io_iter *it, loff_t *pos)
{
	u64 at = (u64)*pos;
	size_t offset = at & (PAGE_SIZE - 1), n = min(PAGE_SIZE - offset, it->left), got;
	struct page *page = mapping_find(&i->mapping, at >> PAGE_SHIFT);

	if (!page) {
		page = may_grow() ? mapping_get(&i->mapping, at >> PAGE_SHIFT) : NULL;
		if (!page || IS_ERR(page))
			return -ENOSPC;
	}
	got = iter_get(it, (char *)page_to_virt(page) + offset, n);
	page_put(page);
	*pos += (loff_t)got;
	if ((u64)*pos > i->mapping.size)
		atomic_store(&i->mapping.size, (u64)*pos);
	return got ? (ssize_t)got : -EFAULT;
}

int ram_size_allowed(const struct inode *i, u64 size)
{
	if (size <= atomic_load(&i->mapping.size) ||
	    size <= current->proc->rlimits[RLIMIT_FSIZE].cur)
		return 0;
	signal_process(current->proc, SIGXFSZ, NULL);
	return -EFBIG;
}

/* Whether seals forbid to write up to `end`, or to give the file that size. Caller holds its lock. */
static bool sealed_write(const struct inode *i, u64 end)
{
	u32 seals = atomic_load(&i->mapping.seals);

	return (seals & (SEAL_WRITE | SEAL_FUTURE_WRITE)) ||
	       ((seals & SEAL_GROW) && end > i->mapping.size);
}

static bool sealed_size(const struct inode *i, u64 size)
{
	u32 seals = atomic_load(&i->mapping.seals);

	return ((seals & SEAL_GROW) && size > i->mapping.size) ||
	       ((seals & SEAL_SHRINK) && size < i->mapping.size);
}

/* How much of a write at pos the limits allow: bytes, 0 for none wanted, or -EFBIG. */
static ssize_t write_limit(size_t n, loff_t pos)
{
	u64 limit = min(current->proc->rlimits[RLIMIT_FSIZE].cur, (u64)MAX_FILE_SIZE);

	if (!n)
		return 0;
	if ((u64)pos < limit)
		return (ssize_t)min((u64)n, limit - (u64)pos);
	if (limit < (u64)MAX_FILE_SIZE)
		signal_process(current->proc, SIGXFSZ, NULL);
	return -EFBIG;
}

/* A write by anybody but root takes the privileges of the program off it. */
static void drop_privileges(const struct file *f)
{
	struct inode *i = f->inode;
	u32 lost = current->cred.fsuid ? inode_lost_bits(i) : 0;

	if (!lost)
		return;
	i->mode &= ~lost;
	fsnotify_change(f->path.dentry, ATTR_MODE);
}

static ssize_t ram_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct inode *i = f->inode;
	ssize_t done = 0, n, limit;

	rwsem_write_lock(&i->lock);
	if (f->flags & O_APPEND)
		*pos = (loff_t)i->mapping.size;
	limit = n = write_limit(it->left, *pos);
	if (limit > 0 && sealed_write(i, (u64)*pos + (u64)limit))
		limit = n = -EPERM;
	if (limit > 0) {
		it->left = (size_t)limit;
		drop_privileges(f);
	}
	while (done < limit) {
		n = write_page(i, it, pos);
		if (n < 0)
			break;
		done += n;
		if (fatal_signal_pending())
			break;
		cond_resched();
	}
	if (done)
		i->mtime = i->ctime = inode_now();
	rwsem_write_unlock(&i->lock);
	return done ? done : n;
}

static struct mapping *ram_mapping(struct file *f)
{
	return &f->inode->mapping;
}

static int ram_fsync(struct file *f)
{
	(void)f;
	return 0;
}

/* Gives [start, end) frames; the size is the caller's. 0 or -ENOSPC, with what was added within the
 * size left as holes' zeros. */
static int ram_allocate(struct inode *i, u64 start, u64 end)
{
	for (u64 index = start >> PAGE_SHIFT; index < DIV_ROUND_UP(end, PAGE_SIZE); index++) {
		struct page *page = may_grow() ? mapping_get(&i->mapping, index) : NULL;

		if (!page || IS_ERR(page))
			return -ENOSPC;
		page_put(page);
		if (fatal_signal_pending())
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int ram_reserve(struct inode *i, u64 start, u64 end, bool keep_size)
{
	const struct mapping_store *store = i->sb->private;
	int err = end > MAX_FILE_SIZE ? -EFBIG : ram_size_allowed(i, end);

	if (err)
		return err;
	if ((atomic_load(&i->mapping.seals) & SEAL_GROW) && end > i->mapping.size)
		return -EPERM;
	/* What can never be there is not begun. */
	if ((end - start) >> PAGE_SHIFT > (store->max_pages ? store->max_pages : frames_total()))
		return -ENOSPC;
	err = ram_allocate(i, start, end);
	if (err)
		mapping_drop_tail(&i->mapping, start >> PAGE_SHIFT);
	else if (!keep_size && end > i->mapping.size)
		atomic_store(&i->mapping.size, end);
	return err;
}

static int ram_punch(struct inode *i, u64 start, u64 end)
{
	if (atomic_load(&i->mapping.seals) & (SEAL_WRITE | SEAL_FUTURE_WRITE))
		return -EPERM;
	return mapping_punch(&i->mapping, start, end);
}

int ram_fallocate(struct file *f, u64 start, u64 end, u32 mode)
{
	struct inode *i = f->inode;
	int err;

	if (f->ops != &ram_file_ops || (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)))
		return -EOPNOTSUPP;
	rwsem_write_lock(&i->lock);
	if (mode & FALLOC_FL_PUNCH_HOLE)
		err = ram_punch(i, start, end);
	else
		err = ram_reserve(i, start, end, mode & FALLOC_FL_KEEP_SIZE);
	if (!err)
		i->mtime = i->ctime = inode_now();
	rwsem_write_unlock(&i->lock);
	return err;
}

static const struct file_ops ram_file_ops = {
    .read = ram_read,
    .write = ram_write,
    .seek = seek_mapping,
    .fsync = ram_fsync,
    .mapping = ram_mapping,
};

/* ---- inodes ---- */

struct inode *ram_inode(struct super_block *sb, struct inode *dir, u32 mode, u64 rdev,
			const char *target)
{
	struct inode *i = dir ? inode_new_in(dir, mode) : inode_new(sb, mode);
	struct mapping_store *store = sb->private;
	size_t len;

	if (!i)
		return ERR_PTR(-ENOMEM);
	i->ops = &ram_ops;
	i->rdev = rdev;
	if (S_ISREG(mode)) {
		mapping_init(&i->mapping, store->promised);
		i->mapping.store = store;
		i->mapping.seals = SEAL_SEAL;
		i->fops = &ram_file_ops;
	} else if (S_ISDIR(mode)) {
		i->fops = &dentry_dir_ops;
	} else if (S_ISCHR(mode) || S_ISBLK(mode)) {
		i->fops = S_ISCHR(mode) ? &chrdev_open_ops : &blkdev_open_ops;
	} else if (S_ISFIFO(mode)) {
		i->fops = &fifo_ops;
	} else if (S_ISLNK(mode)) {
		len = strlen(target) + 1;
		i->link = kmalloc(len);
		if (!i->link) {
			inode_put(i);
			return ERR_PTR(-ENOMEM);
		}
		memcpy(i->link, target, len);
	}
	return i;
}

static struct inode *ram_create(struct inode *dir, u32 mode, u64 rdev, const char *target)
{
	return ram_inode(dir->sb, dir, mode, rdev, target);
}

static ssize_t ram_readlink(struct inode *i, char *buf, size_t size)
{
	size_t len = strlen(i->link);

	memcpy(buf, i->link, min(len, size));
	return (ssize_t)min(len, size);
}

static void ram_getattr(struct inode *i, struct kstat *st)
{
	if (S_ISREG(i->mode)) {
		st->size = atomic_load(&i->mapping.size);
		st->blocks = atomic_load(&i->mapping.nr_pages) * (PAGE_SIZE / 512);
	} else if (S_ISLNK(i->mode)) {
		st->size = strlen(i->link);
	}
}

static int ram_setattr(struct inode *i, const struct iattr *attr)
{
	if ((attr->valid & ATTR_SIZE) && sealed_size(i, attr->size))
		return -EPERM;
	return inode_set_attr(i, attr);
}

static const struct inode_ops ram_ops = {
    .create = ram_create,
    .readlink = ram_readlink,
    .getattr = ram_getattr,
    .setattr = ram_setattr,
};

static void ram_evict(struct inode *i)
{
	if (S_ISREG(i->mode)) {
		mapping_destroy(&i->mapping);
		commit_release(i->mapping.committed);
	} else if (S_ISLNK(i->mode)) {
		kfree(i->link);
	}
}

static void ram_release(struct super_block *sb)
{
	kfree(sb->private);
}

static const struct super_ops ram_super_ops = {.evict = ram_evict, .release = ram_release};

/* ---- mounting ---- */

struct ram_options {
	u32 mode, uid, gid;
	u64 max_pages; /* 0: no limit */
};

/* One option, [s, end). */
static int parse_option(struct ram_options *o, const char *s, const char *end)
{
	size_t key = (size_t)(strchrnul(s, '=') - s);
	u64 v = 0;
	int err;

	if (key >= (size_t)(end - s))
		return 0; /* a flag without a value */
	if (!strncmp(s, "size=", 5)) {
		err = parse_size(s + 5, &s, &v);
		if (!err && *s == '%') {
			v = frames_total() * v / 100 * PAGE_SIZE;
			s++;
		}
		o->max_pages = DIV_ROUND_UP(v, PAGE_SIZE);
	} else if (!strncmp(s, "mode=", 5)) {
		err = parse_u64(s + 5, &s, 8, &v);
		o->mode = (u32)v & 07777;
	} else if (!strncmp(s, "uid=", 4)) {
		err = parse_u64(s + 4, &s, 10, &v);
		o->uid = (u32)v;
	} else if (!strncmp(s, "gid=", 4)) {
		err = parse_u64(s + 4, &s, 10, &v);
		o->gid = (u32)v;
	} else if (!strncmp(s, "nr_inodes=", 10) || !strncmp(s, "nr_blocks=", 10)) {
		return 0;
	} else {
		return -EINVAL;
	}
	return err || s != end ? -EINVAL : 0;
}

static int parse_options(struct ram_options *o, const char *s)
{
	while (*s) {
		const char *end = strchrnul(s, ',');
		int err = parse_option(o, s, end);

		if (err)
			return err;
		s = *end ? end + 1 : end;
	}
	return 0;
}

int ram_fill(struct super_block *sb, const char *options)
{
	bool tmpfs = !strcmp(sb->type->name, "tmpfs");
	struct ram_options o = {.mode = tmpfs ? 01777 : 0755,
				.max_pages = tmpfs ? frames_total() / 2 : 0};
	struct mapping_store *store;
	struct inode *i;
	int err = parse_options(&o, options);

	if (err)
		return err;
	store = kzalloc(sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->max_pages = o.max_pages;
	store->promised = tmpfs;
	sb->private = store;
	sb->ops = &ram_super_ops;
	/* Linux makes the first root and /dev of tmpfs, too: they say what room they have. */
	sb->magic = strcmp(sb->type->name, "ramfs") ? TMPFS_MAGIC : RAMFS_MAGIC;
	sb->max_bytes = o.max_pages * PAGE_SIZE;
	i = ram_inode(sb, NULL, S_IFDIR | o.mode, 0, NULL);
	if (!IS_ERR(i)) {
		i->uid = o.uid;
		i->gid = o.gid;
		sb->root = dentry_make_root(sb, i);
	}
	if (!sb->root) {
		kfree(store);
		return -ENOMEM;
	}
	return 0;
}

u64 ram_free_pages(struct super_block *sb)
{
	struct mapping_store *store = sb->private;
	u64 used = atomic_load(&store->used_pages), left;

	left = store->max_pages > used ? store->max_pages - used : 0;
	return store->max_pages ? min(left, frames_free()) : frames_free();
}

static struct fs_type ram_types[] = {
    {.name = "rootfs", .fill = ram_fill, .flags = FS_SINGLE},
    {.name = "ramfs", .fill = ram_fill},
    {.name = "tmpfs", .fill = ram_fill},
};

void ramfs_init(void)
{
	for (unsigned n = 0; n < ARRAY_SIZE(ram_types); n++)
		fs_register(&ram_types[n]);
}
