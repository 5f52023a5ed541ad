/*
 * unshare(2): a task gets its own of what it shares with others: its place in the tree, its descriptors. What
 * the tasks of a process share for good cannot be parted, and asking for it succeeds only where
 * there is nobody to part from. Namespaces are not there.
 */
#include "kernel/clone.h"
#include "kernel/fs/vfs.h"
#include "kernel/ipc/ipc.h"
#include "kernel/process.h"
#include "kernel/syscalls.h"
#include "mm/mm.h"

#define OF_PROCESS (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)
#define KNOWN	   (OF_PROCESS | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM)

/* By CLONE_SIGHAND; that it is shared by fork(2), till one side changes it, nobody can tell. */
static bool actions_shared(struct process *p)
{
	bool shared;

	spin_lock(&p->sighand_lock);
	shared = p->sighand->clone_shared && atomic_load(&p->sighand->refs) > 1;
	spin_unlock(&p->sighand_lock);
	return shared;
}

static int check_flags(u64 flags)
{
	if (flags & ~(KNOWN | CLONE_NAMESPACES))
		return -EINVAL;
	/* There are none, and who may not have one need not know. */
	if (flags & CLONE_NAMESPACES)
		return current->cred.euid ? -EPERM : -EINVAL;
	/* The undo of semaphores is the process's. */
	if (flags & (OF_PROCESS | CLONE_SYSVSEM) && !thread_is_alone())
		return -EINVAL;
	if (flags & (CLONE_SIGHAND | CLONE_VM) && actions_shared(current->proc))
		return -EINVAL;
	if (flags & CLONE_VM && atomic_load(&current->mm->users) > 1)
		return -EINVAL;
	return 0;
}

SYSCALL1(unshare, u64, flags)
{
	struct fs_context *fs = NULL;
	int err = check_flags(flags);

	if (err)
		return err;
	if (flags & CLONE_FS && atomic_load(&current->fs->refs) > 1) {
		fs = fs_context_fork(current->fs);
		if (!fs)
			return -ENOMEM;
	}
	if (flags & CLONE_FILES && fd_table_unshare()) {
		if (fs)
			fs_context_put(fs);
		return -ENOMEM;
	}
	if (fs)
		fs_context_use(fs);
	if (flags & CLONE_SYSVSEM)
		sem_exit(current->proc);
	return 0;
}
