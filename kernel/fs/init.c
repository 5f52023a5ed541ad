/* What of the file layer starts at boot, in which order. */
#include "kernel/fs/fs_internal.h"

#include "kernel/fs/epoll.h"
#include "kernel/fs/inotify.h"
#include "kernel/panic.h"
#include "kernel/task.h"

/* Process 1 and its kin start in the root, with an empty table of descriptors. */
static void context_init(struct mount *root)
{
	struct path p = {root, root->root};

	current->fs = fs_context_new(&p);
	current->files = fd_table_new();
	if (!current->fs || !current->files)
		panic("no memory for the first file context");
}

void fs_init(void)
{
	inode_init();
	locks_init();
	dentry_init();
	file_init();
	fd_table_init();
	ramfs_init();
	context_init(mount_make_root("rootfs"));
	shmem_init();
	epoll_init();
	inotify_init();
	device_init();
}

void console_open_std(void)
{
	struct file *f = file_open("/dev/console", O_RDWR, 0);

	if (IS_ERR(f))
		return; /* the initrd has put something else there: process 1 starts without */
	for (unsigned n = 0; n < 3; n++)
		fd_install(file_get(f), 0, false);
	file_put(f);
}
