/*
 * The initrd: newc cpio archives, each plain or gzip, one after the other, unpacked into the root
 * file system. What is cut off or corrupt stops the boot with a message that says where.
 */
#include "kernel/fs/cpio.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/inflate.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/task.h"
#include "mm/alloc.h"

/* The first name of a file with several: the others are linked to it. */
struct linked {
	struct linked *next;
	u32 ino, dev_major, dev_minor;
	char name[];
};

/* Directories get their times at the end: what is unpacked into them changes those. */
struct dir_time {
	struct dir_time *next;
	u32 mtime;
	char name[];
};

struct unpack {
	struct cpio cpio;
	struct inflate inflate;
	struct linked *links;
	struct dir_time *dirs;
	struct cpio_entry entry;
	struct file *file; /* being written; NULL: the data is skipped, or a symlink's */
	loff_t pos;
	char target[PATH_MAX]; /* a symlink's text so far */
	u64 files, bytes;
};

static void no_room(void)
{
	panic("initrd: it does not fit in memory");
}

static void *remember(size_t head, const char *name)
{
	size_t len = strlen(name) + 1;
	char *p = kmalloc(head + len);

	if (!p)
		no_room();
	memcpy(p + head, name, len);
	return p;
}

/* Applies owner, mode and time to what the name says (and not to what a link leads to). */
static void set_attributes(const struct cpio_entry *e)
{
	struct path p;
	struct inode *i;

	if (path_lookup(AT_FDCWD, e->name, 0, &p))
		return;
	i = p.dentry->inode;
	i->uid = e->uid;
	i->gid = e->gid;
	if (!S_ISLNK(i->mode))
		i->mode = (i->mode & S_IFMT) | (e->mode & S_IALLUGO);
	i->atime = i->mtime = (struct timespec){e->mtime, 0};
	path_put(&p);
}

/* A name that is there already makes way, unless both are directories. */
static void make_way(const struct cpio_entry *e)
{
	struct path p;
	bool dir;

	if (path_lookup(AT_FDCWD, e->name, 0, &p))
		return;
	dir = S_ISDIR(p.dentry->inode->mode);
	path_put(&p);
	if (!dir)
		kernel_unlink(e->name, false);
	else if (!S_ISDIR(e->mode))
		kernel_unlink(e->name, true);
}

static void report(const struct cpio_entry *e, int err)
{
	if (err == -ENOMEM || err == -ENOSPC)
		no_room();
	if (err)
		log_warn("initrd: cannot make %s: error %d", e->name, -err);
}

/* True where e is a further name of a file unpacked before, and is one now. */
static bool link_again(struct unpack *u, const struct cpio_entry *e)
{
	struct linked *l;

	if (e->nlink < 2 || S_ISDIR(e->mode))
		return false;
	for (l = u->links; l; l = l->next) {
		if (l->ino != e->ino || l->dev_major != e->dev_major ||
		    l->dev_minor != e->dev_minor)
			continue;
		report(e, kernel_link(l->name, e->name));
		return true;
	}
	l = remember(offsetof(struct linked, name), e->name);
	l->ino = e->ino;
	l->dev_major = e->dev_major;
	l->dev_minor = e->dev_minor;
	l->next = u->links;
	u->links = l;
	return false;
}

static void begin_file(struct unpack *u, const struct cpio_entry *e)
{
	/* Of several names of a file only one carries the contents. */
	u32 flags = O_CREAT | O_WRONLY | O_LARGEFILE | (e->size ? O_TRUNC : 0);
	struct file *f;

	link_again(u, e);
	f = file_open(e->name, flags, e->mode & S_IALLUGO);
	if (IS_ERR(f)) {
		report(e, (int)PTR_ERR(f));
		return;
	}
	u->file = f;
	u->pos = 0;
}

static int begin(void *ctx, const struct cpio_entry *e)
{
	struct unpack *u = ctx;
	struct dir_time *d;
	int err = 0;

	u->entry = *e;
	u->file = NULL;
	u->pos = 0;
	u->files++;
	if (!strcmp(e->name, ".") || !strcmp(e->name, "/")) {
		set_attributes(e);
		return 0;
	}
	make_way(e);
	if (S_ISREG(e->mode)) {
		begin_file(u, e);
	} else if (S_ISDIR(e->mode)) {
		err = kernel_mknod(e->name, e->mode, 0, NULL);
		d = remember(offsetof(struct dir_time, name), e->name);
		d->mtime = e->mtime;
		d->next = u->dirs;
		u->dirs = d;
		err = err == -EEXIST ? 0 : err;
	} else if (S_ISLNK(e->mode)) {
		if (e->size >= PATH_MAX)
			err = -ENAMETOOLONG;
	} else if (!link_again(u, e)) {
		err = kernel_mknod(e->name, e->mode, dev_make(e->rdev_major, e->rdev_minor), NULL);
	}
	report(e, err);
	return 0;
}

static int data(void *ctx, const void *p, size_t n)
{
	struct unpack *u = ctx;
	struct io_iter it;

	if (S_ISLNK(u->entry.mode) && u->entry.size < PATH_MAX) {
		memcpy(u->target + u->pos, p, n);
		u->pos += (loff_t)n;
	}
	if (!u->file)
		return 0;
	iter_kernel(&it, p, n);
	if (file_write(u->file, &it, &u->pos) != (ssize_t)n)
		no_room();
	u->bytes += n;
	return 0;
}

static int end(void *ctx)
{
	struct unpack *u = ctx;

	if (u->file)
		file_put(u->file);
	u->file = NULL;
	if (S_ISLNK(u->entry.mode) && u->entry.size < PATH_MAX) {
		u->target[u->pos] = 0;
		report(&u->entry, kernel_mknod(u->entry.name, u->entry.mode, 0, u->target));
	}
	set_attributes(&u->entry);
	return 0;
}

static const struct cpio_ops ops = {.begin = begin, .data = data, .end = end};

/* Feeds archives that follow each other, with zeros between them. */
static int feed(void *ctx, const u8 *p, size_t n)
{
	struct unpack *u = ctx;

	while (n) {
		ssize_t took;

		if (cpio_between(&u->cpio) && !*p) {
			p++;
			n--;
			continue;
		}
		took = cpio_feed(&u->cpio, p, n);
		if (took < 0)
			return (int)took;
		p += took;
		n -= (size_t)took;
	}
	return 0;
}

static void __noreturn bad_initrd(struct unpack *u, u64 offset)
{
	const char *why = u->inflate.error ? u->inflate.error : u->cpio.error;

	panic("initrd: at byte %llu, after %llu entries: %s", (unsigned long long)offset,
	      (unsigned long long)u->files, why ? why : "the archive is cut off");
}

/* Initrds come in other compressions too: better named than called corrupt. */
static const char *other_format(const u8 *p, size_t n)
{
	static const struct {
		const char *name;
		u8 magic[6];
		u8 len;
	} formats[] = {
	    {"it is compressed with xz, not gzip", {0xfd, '7', 'z', 'X', 'Z', 0}, 6},
	    {"it is compressed with zstd, not gzip", {0x28, 0xb5, 0x2f, 0xfd}, 4},
	    {"it is compressed with bzip2, not gzip", {'B', 'Z', 'h'}, 3},
	    {"it is compressed with lz4, not gzip", {0x02, 0x21, 0x4c, 0x18}, 4},
	    {"it is compressed with lzma, not gzip", {0x5d, 0, 0}, 3},
	    {"it is compressed with lzop, not gzip", {0x89, 'L', 'Z', 'O'}, 4},
	    {"it is a cpio archive in the old portable format, not newc", "070707", 6},
	    {"it is a cpio archive in the old binary format, not newc", {0xc7, 0x71}, 2},
	};

	for (unsigned k = 0; k < ARRAY_SIZE(formats); k++)
		if (n >= formats[k].len && !memcmp(p, formats[k].magic, formats[k].len))
			return formats[k].name;
	return NULL;
}

static void unpack_all(struct unpack *u, const u8 *p, size_t size)
{
	size_t at = 0;

	while (at < size) {
		const char *other = other_format(p + at, size - at);
		ssize_t took = 1;

		if (other)
			panic("initrd: at byte %llu: %s", (unsigned long long)at, other);
		if (size - at >= 2 && p[at] == 0x1f && p[at + 1] == 0x8b)
			took = gunzip(&u->inflate, p + at, size - at, feed, u);
		else if (p[at])
			took = cpio_feed(&u->cpio, p + at, size - at);
		if (took < 0 || !cpio_between(&u->cpio))
			bad_initrd(u, took < 0 ? at : size);
		at += (size_t)took;
	}
}

static void finish(struct unpack *u)
{
	while (u->dirs) {
		struct dir_time *d = u->dirs;
		struct path p;

		if (!path_lookup(AT_FDCWD, d->name, LOOKUP_FOLLOW, &p)) {
			p.dentry->inode->mtime = (struct timespec){d->mtime, 0};
			path_put(&p);
		}
		u->dirs = d->next;
		kfree(d);
	}
	while (u->links) {
		struct linked *l = u->links;

		u->links = l->next;
		kfree(l);
	}
}

void initrd_unpack(const void *p, size_t size)
{
	struct unpack *u = kzalloc(sizeof(*u));
	u32 umask = current->fs->umask;

	if (!u)
		no_room();
	current->fs->umask = 0;
	cpio_init(&u->cpio, &ops, u);
	unpack_all(u, p, size);
	finish(u);
	current->fs->umask = umask;
	if (!u->files)
		panic("initrd: it is empty");
	log_info("initrd: %llu entries, %llu KiB of files", (unsigned long long)u->files,
		 (unsigned long long)(u->bytes / 1024));
	kfree(u);
}
