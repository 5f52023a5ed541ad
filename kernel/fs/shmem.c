/* Files with contents and no name: shared anonymous memory, memfd_create(2). */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "kernel/syscalls.h"
#include "mm/commit.h"

static struct mount *shmem_mount; /* attached nowhere */

void shmem_init(void)
{
	shmem_mount = mount_new("tmpfs", "shmem", 0, "size=100%");
	if (IS_ERR(shmem_mount))
		panic("no memory for the shmem mount");
}

static struct file *nameless_file(const char *name, u64 size, u32 flags)
{
	struct super_block *sb = shmem_mount->sb;
	struct inode *i = ram_inode(sb, sb->root->inode, S_IFREG | 0777, 0, NULL);
	struct dentry *d;
	struct file *f;

	if (IS_ERR(i))
		return ERR_PTR(-ENOMEM);
	i->nlink = 0;
	i->mapping.size = size;
	d = dentry_alloc(sb, name, strlen(name), i);
	if (!d)
		return ERR_PTR(-ENOMEM);
	d->parent = sb->root;
	dentry_get(sb->root);
	d->flags |= DENTRY_UNLINKED;
	f = open_path(&(struct path){shmem_mount, d}, flags, true);
	dentry_put(d);
	return f;
}

struct file *shmem_file(const char *name, u64 size, bool reserve)
{
	u64 pages = reserve ? DIV_ROUND_UP(size, PAGE_SIZE) : 0;
	struct file *f;

	if (pages && commit_reserve(NULL, pages, true))
		return ERR_PTR(-ENOMEM);
	f = nameless_file(name, size, O_RDWR | O_LARGEFILE);
	if (IS_ERR(f))
		commit_release(pages);
	else
		f->inode->mapping.committed = pages;
	return f;
}

#define MFD_CLOEXEC	  1u
#define MFD_ALLOW_SEALING 2u
#define MFD_HUGETLB	  4u
#define MFD_HUGE_SIZE	  (63u << 26)
#define MEMFD_NAME_MAX	  249

SYSCALL2(memfd_create, const char __user *, name, u32, flags)
{
	char text[MEMFD_NAME_MAX + 8] = "memfd:";
	struct file *f;
	ssize_t len;

	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING |
		      (flags & MFD_HUGETLB ? MFD_HUGETLB | MFD_HUGE_SIZE : 0)))
		return -EINVAL;
	len = strncpy_from_user(text + 6, name, MEMFD_NAME_MAX + 1);
	if (len < 0)
		return len;
	if (len > MEMFD_NAME_MAX)
		return -EINVAL;
	if (flags & MFD_HUGETLB)
		return -ENOSYS; /* as a Linux without hugetlbfs */
	text[6 + len] = 0;
	f = nameless_file(text, 0, O_RDWR | O_LARGEFILE);
	if (IS_ERR(f))
		return PTR_ERR(f);
	if (flags & MFD_ALLOW_SEALING)
		f->inode->mapping.seals = 0;
	return fd_install(f, 0, flags & MFD_CLOEXEC);
}

/* ---- seals ---- */

#define SEALS_ALL (SEAL_SEAL | SEAL_SHRINK | SEAL_GROW | SEAL_WRITE | SEAL_FUTURE_WRITE)

/* What can be sealed: the files of a tmpfs. NULL: not f. */
static struct mapping *sealable(struct file *f)
{
	struct mapping *m = S_ISREG(f->inode->mode) ? file_mapping(f) : NULL;

	return m && m->shmem ? m : NULL;
}

long shmem_get_seals(struct file *f)
{
	struct mapping *m = sealable(f);

	return m ? (long)atomic_load(&m->seals) : -EINVAL;
}

/*
 * The seal is set before the count of writers is looked at, and mmap counts itself before it looks at the seals:
 * one of the two sees the other. Writers by write(2) have the inode's lock.
 */
long shmem_add_seals(struct file *f, u32 seals)
{
	struct mapping *m = sealable(f);
	long err = 0;
	u32 had;

	if (!file_can_write(f))
		return -EPERM;
	if (seals & ~SEALS_ALL || !m)
		return -EINVAL;
	rwsem_write_lock(&f->inode->lock);
	had = atomic_load(&m->seals);
	if (had & SEAL_SEAL) {
		err = -EPERM;
	} else {
		/* An exchange, not a store: the load below must not overtake it. */
		(void)atomic_xchg(&m->seals, had | seals);
		if (seals & ~had & SEAL_WRITE && atomic_load(&m->shared_writable)) {
			atomic_store(&m->seals, had);
			err = -EBUSY;
		}
	}
	rwsem_write_unlock(&f->inode->lock);
	return err;
}
