/* Files with contents and no name: shared anonymous memory, memfd_create(2). */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "kernel/syscalls.h"

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

struct file *shmem_file(const char *name, u64 size)
{
	return nameless_file(name, size, O_RDWR | O_LARGEFILE);
}

#define MFD_CLOEXEC    1u
#define MEMFD_NAME_MAX 249

SYSCALL2(memfd_create, const char __user *, name, u32, flags)
{
	char text[MEMFD_NAME_MAX + 8] = "memfd:";
	struct file *f;
	ssize_t len;

	/* Sealing and huge pages are not there. */
	if (flags & ~MFD_CLOEXEC)
		return -EINVAL;
	len = strncpy_from_user(text + 6, name, MEMFD_NAME_MAX + 1);
	if (len < 0)
		return len;
	if (len > MEMFD_NAME_MAX)
		return -EINVAL;
	text[6 + len] = 0;
	f = nameless_file(text, 0, O_RDWR | O_LARGEFILE);
	return IS_ERR(f) ? PTR_ERR(f) : fd_install(f, 0, flags & MFD_CLOEXEC);
}
