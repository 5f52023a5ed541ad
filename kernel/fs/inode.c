/* Inodes: their life, their attributes, and who may do what with them. */
#include "kernel/fs/vfs.h"

#include "arch/clock.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "kernel/task.h"

static struct slab_cache *inode_cache;

void inode_init(void)
{
	inode_cache = slab_create("inode", sizeof(struct inode), 16);
	if (!inode_cache)
		panic("no memory for the inode cache");
}

struct timespec inode_now(void)
{
	u64 ns = clock_wall_ns();

	return (struct timespec){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC)};
}

static bool time_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

struct inode *inode_new(struct super_block *sb, u32 mode)
{
	struct inode *i = slab_zalloc(inode_cache);

	if (!i)
		return NULL;
	i->refs = 1;
	i->mode = mode;
	i->nlink = S_ISDIR(mode) ? 2 : 1;
	i->sb = sb;
	i->ino = atomic_inc(&sb->next_ino);
	i->atime = i->mtime = i->ctime = i->btime = inode_now();
	rwsem_init(&i->lock, LOCK_INODE);
	return i;
}

struct inode *inode_new_in(struct inode *dir, u32 mode)
{
	struct inode *i = inode_new(dir->sb, mode);

	if (!i)
		return NULL;
	i->uid = current->cred.fsuid;
	i->gid = current->cred.fsgid;
	if (dir->mode & S_ISGID) {
		i->gid = dir->gid;
		if (S_ISDIR(mode))
			i->mode |= S_ISGID;
	}
	return i;
}

void inode_get(struct inode *i)
{
	atomic_inc(&i->refs);
}

void inode_put(struct inode *i)
{
	if (atomic_dec(&i->refs))
		return;
	if (i->sb->ops && i->sb->ops->evict)
		i->sb->ops->evict(i);
	locks_free_inode(i);
	slab_free(inode_cache, i);
}

static bool in_group(u32 gid)
{
	const struct cred *c = &current->cred;

	if (c->fsgid == gid)
		return true;
	for (u32 n = 0; n < c->ngroups; n++)
		if (c->groups[n] == gid)
			return true;
	return false;
}

bool inode_is_owner(const struct inode *i)
{
	return current->cred.fsuid == 0 || current->cred.fsuid == i->uid;
}

int inode_permission_bits(const struct inode *i, u32 mask)
{
	u32 bits = i->mode;

	if (current->cred.fsuid == 0) {
		/* Root may search any directory, and run what anybody may run. */
		if (!(mask & MAY_EXEC) || S_ISDIR(bits) || (bits & 0111))
			return 0;
		return -EACCES;
	}
	if (current->cred.fsuid == i->uid)
		bits >>= 6;
	else if (in_group(i->gid))
		bits >>= 3;
	return (bits & mask) == mask ? 0 : -EACCES;
}

int inode_permission(struct inode *i, u32 mask)
{
	if (i->ops && i->ops->permission)
		return i->ops->permission(i, mask);
	return inode_permission_bits(i, mask);
}

u32 inode_lost_bits(const struct inode *i)
{
	u32 lost = i->mode & S_ISUID;

	if (S_ISDIR(i->mode))
		return 0;
	if (i->mode & S_IXGRP || (current->cred.fsuid != 0 && !in_group(i->gid)))
		lost |= i->mode & S_ISGID;
	return lost;
}

int inode_set_attr(struct inode *i, const struct iattr *attr)
{
	int err = 0;

	if (attr->valid & ATTR_SIZE)
		err = mapping_truncate(&i->mapping, attr->size);
	if (err)
		return err;
	if (attr->valid & ATTR_UID)
		i->uid = attr->uid;
	if (attr->valid & ATTR_GID)
		i->gid = attr->gid;
	if (attr->valid & ATTR_MODE) {
		i->mode = (i->mode & S_IFMT) | (attr->mode & S_IALLUGO);
		if (current->cred.fsuid != 0 && !in_group(i->gid))
			i->mode &= ~S_ISGID;
	}
	if (attr->valid & ATTR_ATIME)
		i->atime = attr->atime;
	if (attr->valid & ATTR_MTIME)
		i->mtime = attr->mtime;
	i->ctime = inode_now();
	return 0;
}

void inode_get_attr(struct inode *i, struct kstat *st)
{
	*st = (struct kstat){
	    .dev = i->sb->dev,
	    .ino = i->ino,
	    .rdev = i->rdev,
	    .mode = i->mode,
	    .nlink = i->nlink,
	    .uid = i->uid,
	    .gid = i->gid,
	    .blksize = PAGE_SIZE,
	    .atime = i->atime,
	    .mtime = i->mtime,
	    .ctime = i->ctime,
	    .btime = i->btime,
	};
	if (i->ops && i->ops->getattr)
		i->ops->getattr(i, st);
}

/* Relative access times: moved only past the last change, so that reading a file again costs
 * nothing. */
void file_accessed(struct file *f)
{
	struct inode *i = f->inode;

	if ((f->flags & O_NOATIME) || (f->path.mnt->flags & (MS_NOATIME | MS_RDONLY)))
		return;
	if (time_before(&i->mtime, &i->atime) && time_before(&i->ctime, &i->atime))
		return;
	i->atime = inode_now();
}

int inode_deny_write(struct inode *i)
{
	s32 n = atomic_load(&i->writers);

	do {
		if (n > 0)
			return -ETXTBSY;
	} while (!atomic_cas(&i->writers, &n, n - 1));
	return 0;
}

void inode_allow_write(struct inode *i)
{
	atomic_inc(&i->writers);
}

int inode_get_write(struct inode *i)
{
	s32 n = atomic_load(&i->writers);

	do {
		if (n < 0)
			return -ETXTBSY;
	} while (!atomic_cas(&i->writers, &n, n + 1));
	return 0;
}

void inode_put_write(struct inode *i)
{
	atomic_dec(&i->writers);
}
