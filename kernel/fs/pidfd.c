/*
 * Processes as files: pidfd_open(2), pidfd_getfd(2), and what clone(2) gives by CLONE_PIDFD.
 *
 * The file refers to the process, not to its number. Who polls it waits on the queue on which the
 * process itself waits for its children, which is woken once more when it ends.
 */
#include "kernel/fs/pidfd.h"

#include "kernel/fs/fs_internal.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/proc.h"
#include "kernel/fs/seq.h"
#include "kernel/process.h"
#include "kernel/syscalls.h"

static u32 pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct process *p = f->private;

	poll_wait(&p->child_wait, pt);
	return READ_ONCE(p->zombie) ? POLLIN | POLLRDNORM : 0;
}

static void pidfd_release(struct file *f)
{
	process_put(f->private);
}

static void pidfd_show(struct file *f, struct seq *s)
{
	const struct process *p = f->private;
	s32 pid = READ_ONCE(p->reaped) ? -1 : p->pid;

	seq_printf(s, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static const struct file_ops pidfd_ops = {
    .poll = pidfd_poll,
    .release = pidfd_release,
    .show_fdinfo = pidfd_show,
};

struct file *pidfd_file(struct process *p, u32 flags)
{
	struct file *f = file_special("anon_inode:[pidfd]", &pidfd_ops, O_RDWR | flags, p);

	if (!IS_ERR(f))
		process_get(p);
	return f;
}

/* referenced; NULL where the file is neither a process nor, where that will do, its folder in /proc */
static struct process *process_of(const struct file *f, bool folder_too)
{
	struct process *p = NULL;

	if (f->ops == &pidfd_ops)
		p = f->private;
	else if (folder_too)
		p = proc_folder_process(f);
	if (p)
		process_get(p);
	return p;
}

static struct process *get_process(s32 fd, u32 *flags, bool folder_too)
{
	struct file *f = fd_get(fd);
	struct process *p;

	if (!f)
		return ERR_PTR(-EBADF);
	p = process_of(f, folder_too);
	if (flags)
		*flags = f->flags;
	file_put(f);
	return p ? p : ERR_PTR(-EBADF);
}

struct process *pidfd_get(s32 fd, u32 *flags)
{
	return get_process(fd, flags, false);
}

struct process *pidfd_or_folder_get(s32 fd)
{
	return get_process(fd, NULL, true);
}

SYSCALL2(pidfd_open, s32, pid, u32, flags)
{
	struct process *p;
	struct file *f;
	struct task *t;

	if ((flags & ~O_NONBLOCK) || pid <= 0)
		return -EINVAL;
	spin_lock(&tasks_lock);
	p = process_lookup(pid);
	t = p ? p->leader : task_lookup(pid);
	if (p)
		process_get(p);
	spin_unlock(&tasks_lock);
	if (!p)
		return t ? -EINVAL : -ESRCH; /* a thread's number is no process's */
	f = pidfd_file(p, flags);
	process_put(p);
	return IS_ERR(f) ? PTR_ERR(f) : fd_install(f, 0, true);
}

/* p's descriptors, referenced, where the caller may look into it. ERR_PTR(-ESRCH, -EPERM, -EBADF). */
static struct fd_table *files_of(struct process *p)
{
	struct fd_table *files = ERR_PTR(-EBADF);

	spin_lock(&tasks_lock);
	if (list_empty(&p->threads)) {
		files = ERR_PTR(-ESRCH); /* not yet born, or dead */
	} else if (!task_may_look(p->leader)) {
		files = ERR_PTR(-EPERM);
	} else {
		spin_lock(&p->sighand_lock);
		if (p->leader->files)
			files = fd_table_hold(p->leader->files);
		spin_unlock(&p->sighand_lock);
	}
	spin_unlock(&tasks_lock);
	return files;
}

/* A file got from p before this is one that the caller may have. */
static bool may_have_file(struct process *p)
{
	bool may;

	spin_lock(&tasks_lock);
	may = list_empty(&p->threads) || task_may_look(p->leader);
	spin_unlock(&tasks_lock);
	return may;
}

static long get_fd(struct process *p, s32 fd)
{
	struct fd_table *files = files_of(p);
	struct file *f = NULL;
	s32 found = fd;

	if (IS_ERR(files))
		return PTR_ERR(files);
	if (fd >= 0)
		f = fd_table_next(files, &found, NULL);
	fd_table_release(files);
	if (f && found != fd) {
		file_put(f);
		f = NULL;
	}
	/* Once more: by exec p may have become a program of more rights, which opened it since. */
	if (f && !may_have_file(p)) {
		file_put(f);
		return -EPERM;
	}
	return f ? fd_install(f, 0, true) : -EBADF;
}

SYSCALL3(pidfd_getfd, s32, pidfd, s32, fd, u32, flags)
{
	struct process *p;
	long n;

	if (flags)
		return -EINVAL;
	p = pidfd_get(pidfd, NULL);
	if (IS_ERR(p))
		return PTR_ERR(p);
	n = get_fd(p, fd);
	process_put(p);
	return n;
}
