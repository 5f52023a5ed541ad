/* Character devices by number, and the nodes in /dev. */
#include "kernel/dev/device.h"

#include "kernel/dev/tty.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "mm/alloc.h"

struct chrdev {
	struct list_head link;
	u32 major, minor, count;
	const char *name;
	const struct file_ops *ops;
};

static struct list_head chrdevs = LIST_INIT(chrdevs); /* changed at boot only */

void chrdev_register(u32 major, u32 minor, u32 count, const char *name, const struct file_ops *ops)
{
	struct chrdev *d = kmalloc(sizeof(*d));

	if (!d)
		panic("no memory for device %s", name);
	*d = (struct chrdev){
	    .major = major, .minor = minor, .count = count, .name = name, .ops = ops};
	list_add_tail(&chrdevs, &d->link);
}

void chrdev_for_each(void (*fn)(u32 major, const char *name, void *arg), void *arg)
{
	struct chrdev *d;

	list_for_each (d, &chrdevs, link)
		fn(d->major, d->name, arg);
}

static int chrdev_open(struct inode *i, struct file *f)
{
	u32 major = dev_major(i->rdev), minor = dev_minor(i->rdev);
	struct chrdev *d;

	list_for_each (d, &chrdevs, link) {
		if (d->major != major || minor < d->minor || minor - d->minor >= d->count)
			continue;
		f->ops = d->ops;
		return d->ops->open ? d->ops->open(i, f) : 0;
	}
	return -ENXIO;
}

const struct file_ops chrdev_open_ops = {.open = chrdev_open};

static int blkdev_open(struct inode *i, struct file *f)
{
	(void)i;
	(void)f;
	return -ENXIO;
}

const struct file_ops blkdev_open_ops = {.open = blkdev_open};

/* ---- /dev ---- */

struct node {
	const char *name;
	u32 mode;
	u32 major, minor;
	const char *link;
};

static const struct node nodes[] = {
    {"null", S_IFCHR | 0666, 1, 3, NULL},
    {"zero", S_IFCHR | 0666, 1, 5, NULL},
    {"full", S_IFCHR | 0666, 1, 7, NULL},
    {"random", S_IFCHR | 0666, 1, 8, NULL},
    {"urandom", S_IFCHR | 0666, 1, 9, NULL},
    {"kmsg", S_IFCHR | 0644, 1, 11, NULL},
    {"tty", S_IFCHR | 0666, 5, 0, NULL},
    {"ptmx", S_IFCHR | 0666, 5, 2, NULL},
    {"console", S_IFCHR | 0600, 5, 1, NULL},
    {"tty0", S_IFCHR | 0620, 4, 0, NULL},
    {"ttyS0", S_IFCHR | 0660, 4, 64, NULL},
    {"fd", S_IFLNK | 0777, 0, 0, "/proc/self/fd"},
    {"stdin", S_IFLNK | 0777, 0, 0, "/proc/self/fd/0"},
    {"stdout", S_IFLNK | 0777, 0, 0, "/proc/self/fd/1"},
    {"stderr", S_IFLNK | 0777, 0, 0, "/proc/self/fd/2"},
    {"shm", S_IFDIR | 01777, 0, 0, NULL},
    {"pts", S_IFDIR | 0755, 0, 0, NULL},
};

static int add_node(struct dentry *dir, const struct node *n)
{
	struct inode *i = ram_inode(dir->sb, NULL, n->mode, dev_make(n->major, n->minor), n->link);
	struct dentry *d;

	if (IS_ERR(i))
		return (int)PTR_ERR(i);
	d = dentry_add(dir, n->name, strlen(n->name), i, true);
	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	dentry_put(d);
	return 0;
}

static int populate(struct dentry *dir)
{
	int err = 0;

	for (unsigned n = 0; n < ARRAY_SIZE(nodes) && !err; n++)
		err = add_node(dir, &nodes[n]);
	return err;
}

static int devtmpfs_fill(struct super_block *sb, const char *options)
{
	int err = ram_fill(sb, options);

	if (err)
		return err;
	err = populate(sb->root);
	if (err) {
		dentry_drop_tree(sb->root);
		sb->ops->release(sb);
	}
	return err;
}

static struct fs_type devtmpfs = {.name = "devtmpfs", .fill = devtmpfs_fill, .flags = FS_SINGLE};

void device_init(void)
{
	struct path dev;

	mem_devices_init();
	tty_init();
	fs_register(&devtmpfs);
	pty_init();
	/* The nodes are in the root too, so that programs find a console with no mount at all. */
	if (kernel_mknod("/dev", S_IFDIR | 0755, 0, NULL) ||
	    path_lookup(AT_FDCWD, "/dev", LOOKUP_DIRECTORY, &dev) || populate(dev.dentry))
		panic("no memory for /dev");
	path_put(&dev);
}
