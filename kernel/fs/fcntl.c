/* fcntl(2), ioctl(2), fsync(2), fallocate(2), fadvise64(2). */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/fsnotify.h"
#include "kernel/fs/locks.h"
#include "kernel/fs/pipe.h"
#include "kernel/process.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

#define F_DUPFD		0
#define F_GETFD		1
#define F_SETFD		2
#define F_GETFL		3
#define F_SETFL		4
#define F_GETLK		5
#define F_SETLK		6
#define F_SETLKW	7
#define F_SETOWN	8
#define F_GETOWN	9
#define F_SETSIG	10
#define F_GETSIG	11
#define F_OFD_GETLK	36
#define F_OFD_SETLK	37
#define F_OFD_SETLKW	38
#define F_DUPFD_CLOEXEC 1030
#define F_SETPIPE_SZ	1031
#define F_GETPIPE_SZ	1032
#define F_ADD_SEALS	1033
#define F_GET_SEALS	1034
#define FD_CLOEXEC	1u

#define SETFL_MASK (O_APPEND | O_NONBLOCK | O_ASYNC | O_NOATIME)

static long dup_fd(struct file *f, u64 lowest, bool cloexec)
{
	if (lowest >= current->proc->rlimits[RLIMIT_NOFILE].cur)
		return -EINVAL;
	return fd_install(file_get(f), (s32)lowest, cloexec);
}

static long set_flags(struct file *f, u32 flags)
{
	if ((flags & ~f->flags & O_NOATIME) && !inode_is_owner(f->inode))
		return -EPERM;
	if (flags & O_DIRECT)
		return -EINVAL;
	WRITE_ONCE(f->flags, (f->flags & ~SETFL_MASK) | (flags & SETFL_MASK));
	if (f->ops->async)
		f->ops->async(f, flags & O_ASYNC);
	return 0;
}

static long set_async(struct file *f, bool on)
{
	if (!f->ops->async)
		return -ENOTTY;
	WRITE_ONCE(f->flags, on ? f->flags | O_ASYNC : f->flags & ~O_ASYNC);
	f->ops->async(f, on);
	return 0;
}

/* ---- who gets the signals of O_ASYNC ---- */

/* Guards every file's owner: the ids of who has set it go with the pid that was set. */
static spinlock_t owner_lock = SPINLOCK_INIT(LOCK_OWNER);

struct fowner file_owner(const struct file *f)
{
	struct fowner o;

	spin_lock(&owner_lock);
	o = f->owner;
	spin_unlock(&owner_lock);
	return o;
}

static long set_owner(struct file *f, s32 pid)
{
	struct process *p;

	if (pid == INT32_MIN)
		return -EINVAL;
	if (pid > 0) {
		p = process_find(pid);
		if (!p)
			return -ESRCH;
		process_put(p);
	}
	spin_lock(&owner_lock);
	f->owner.uid = current->cred.uid;
	f->owner.euid = current->cred.euid;
	f->owner.pid = pid;
	spin_unlock(&owner_lock);
	return 0;
}

static long set_owner_signal(struct file *f, u64 sig)
{
	if (sig > NSIG)
		return -EINVAL;
	spin_lock(&owner_lock);
	f->owner.sig = (s32)sig;
	spin_unlock(&owner_lock);
	return 0;
}

/* As signal_permitted() decides, for who set it. */
static bool owner_may_signal(const struct fowner *o, const struct process *p)
    __must_hold(&tasks_lock)
{
	const struct cred *it = &p->leader->cred;

	return o->euid == 0 || o->euid == it->uid || o->euid == it->suid || o->uid == it->uid ||
	       o->uid == it->suid;
}

static void signal_owner_group(const struct fowner *o, int sig)
{
	spin_lock(&tasks_lock);
	for (struct process *p = process_first(); p; p = process_after(p))
		if (p->pgid == -o->pid && !p->kthread && owner_may_signal(o, p))
			signal_process(p, sig, NULL);
	spin_unlock(&tasks_lock);
}

void fowner_signal(const struct fowner *o)
{
	int sig = o->sig ? o->sig : SIGIO;
	struct process *p;

	if (o->pid < 0)
		signal_owner_group(o, sig);
	if (o->pid <= 0)
		return;
	p = process_find(o->pid);
	if (!p)
		return;
	spin_lock(&tasks_lock);
	if (owner_may_signal(o, p))
		signal_process(p, sig, NULL);
	spin_unlock(&tasks_lock);
	process_put(p);
}

/* What may be asked of an O_PATH descriptor too. */
static long fcntl_fd(struct file *f, s32 fd, u32 cmd, u64 arg)
{
	switch (cmd) {
	case F_DUPFD:
		return dup_fd(f, arg, false);
	case F_DUPFD_CLOEXEC:
		return dup_fd(f, arg, true);
	case F_GETFD:
		return fd_get_cloexec(fd) ? FD_CLOEXEC : 0;
	case F_SETFD:
		return fd_set_cloexec(fd, arg & FD_CLOEXEC);
	case F_GETFL:
		return f->flags;
	default:
		return f->flags & O_PATH ? -EBADF : -ENOSYS;
	}
}

static long fcntl_file(struct file *f, s32 fd, u32 cmd, u64 arg)
{
	void __user *p = (void __user *)arg;

	switch (cmd) {
	case F_SETFL:
		return set_flags(f, (u32)arg);
	case F_GETLK:
	case F_OFD_GETLK:
		return locks_fcntl_get(f, p, cmd == F_OFD_GETLK);
	case F_SETLK:
	case F_SETLKW:
		return locks_fcntl_set(f, fd, p, false, cmd == F_SETLKW);
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return locks_fcntl_set(f, fd, p, true, cmd == F_OFD_SETLKW);
	case F_SETOWN:
		return set_owner(f, (s32)arg);
	case F_GETOWN:
		return file_owner(f).pid;
	case F_SETSIG:
		return set_owner_signal(f, arg);
	case F_GETSIG:
		return file_owner(f).sig;
	case F_SETPIPE_SZ:
		return pipe_set_size(f, arg);
	case F_GETPIPE_SZ:
		return pipe_get_size(f);
	case F_ADD_SEALS:
		return shmem_add_seals(f, (u32)arg);
	case F_GET_SEALS:
		return shmem_get_seals(f);
	default:
		return -EINVAL;
	}
}

SYSCALL3(fcntl, s32, fd, u32, cmd, u64, arg)
{
	struct file *f = fd_get_any(fd);
	long n;

	if (!f)
		return -EBADF;
	n = fcntl_fd(f, fd, cmd, arg);
	if (n == -ENOSYS)
		n = fcntl_file(f, fd, cmd, arg);
	file_put(f);
	return n;
}

#define FIONCLEX 0x5450
#define FIOCLEX	 0x5451
#define FIONBIO	 0x5421
#define FIOASYNC 0x5452
#define FIONREAD 0x541b

/* The requests that every open file knows. */
static long common_ioctl(struct file *f, s32 fd, u32 cmd, u64 arg)
{
	s32 on, left;

	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
		return fd_set_cloexec(fd, cmd == FIOCLEX);
	case FIONBIO:
		if (get_user(on, (const s32 __user *)arg))
			return -EFAULT;
		WRITE_ONCE(f->flags, on ? f->flags | O_NONBLOCK : f->flags & ~O_NONBLOCK);
		return 0;
	case FIOASYNC:
		if (get_user(on, (const s32 __user *)arg))
			return -EFAULT;
		return set_async(f, on != 0);
	case FIONREAD:
		if (!S_ISREG(f->inode->mode) || !f->ops->mapping)
			return -ENOSYS;
		left = (s32)((s64)atomic_load(&f->inode->mapping.size) - f->pos);
		return put_user(left, (s32 __user *)arg);
	default:
		return -ENOSYS;
	}
}

SYSCALL3(ioctl, s32, fd, u32, cmd, u64, arg)
{
	struct file *f = fd_get(fd);
	long n;

	if (!f)
		return -EBADF;
	n = common_ioctl(f, fd, cmd, arg);
	if (n == -ENOSYS)
		n = f->ops->ioctl ? f->ops->ioctl(f, cmd, arg) : -ENOTTY;
	file_put(f);
	return n;
}

static long do_fsync(s32 fd)
{
	struct file *f = fd_get(fd);
	long err;

	if (!f)
		return -EBADF;
	err = f->ops->fsync ? f->ops->fsync(f) : -EINVAL;
	file_put(f);
	return err;
}

SYSCALL1(fsync, s32, fd)
{
	return do_fsync(fd);
}

SYSCALL1(fdatasync, s32, fd)
{
	return do_fsync(fd);
}

/* What of fallocate's modes is in conflict with itself, or unknown, in Linux's order. */
static int fallocate_mode(u32 mode)
{
	bool alone = !(mode & (mode - 1));

	if (mode & ~FALLOC_FL_ALL)
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) &&
	    ((mode & FALLOC_FL_ZERO_RANGE) || !(mode & FALLOC_FL_KEEP_SIZE)))
		return -EOPNOTSUPP;
	if ((mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) && !alone)
		return -EINVAL;
	if ((mode & FALLOC_FL_UNSHARE_RANGE) &&
	    (mode & ~(FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE)))
		return -EINVAL;
	return 0;
}

SYSCALL4(fallocate, s32, fd, u32, mode, s64, offset, s64, len)
{
	struct file *f = fd_get(fd);
	s64 end;
	long err;

	if (!f)
		return -EBADF;
	if (offset < 0 || len <= 0)
		err = -EINVAL;
	else if ((err = fallocate_mode(mode)))
		;
	else if (!file_writable(f))
		err = -EBADF;
	else if (S_ISFIFO(f->inode->mode))
		err = -ESPIPE;
	else if (S_ISDIR(f->inode->mode))
		err = -EISDIR;
	else if (!S_ISREG(f->inode->mode))
		err = -ENODEV;
	else if (__builtin_add_overflow(offset, len, &end))
		err = -EFBIG;
	else
		err = ram_fallocate(f, (u64)offset, (u64)end, mode);
	if (!err)
		fsnotify_file(f, IN_MODIFY);
	file_put(f);
	return err;
}

#define SYNC_FILE_RANGE_ALL 7u

/* Written to where the file lies as soon as it is written at all. */
SYSCALL4(sync_file_range, s32, fd, s64, offset, s64, n, u32, flags)
{
	struct file *f = fd_get(fd);
	long err = 0;
	s64 end;

	if (!f)
		return -EBADF;
	if (flags & ~SYNC_FILE_RANGE_ALL || offset < 0 || n < 0 ||
	    __builtin_add_overflow(offset, n, &end))
		err = -EINVAL;
	else if (!S_ISREG(f->inode->mode) && !S_ISDIR(f->inode->mode))
		err = -ESPIPE;
	file_put(f);
	return err;
}

/* Advice about a file that is all in memory: checked, and of no consequence. */
SYSCALL4(fadvise64, s32, fd, s64, offset, s64, len, s32, advice)
{
	struct file *f = fd_get(fd);
	long err = 0;

	(void)offset;
	if (!f)
		return -EBADF;
	if (S_ISFIFO(f->inode->mode))
		err = -ESPIPE;
	else if (len < 0 || advice < 0 || advice > 5)
		err = -EINVAL;
	file_put(f);
	return err;
}

SYSCALL3(readahead, s32, fd, s64, offset, u64, count)
{
	struct file *f = fd_get(fd);
	long err = 0;

	(void)offset;
	if (!f)
		return -EBADF;
	if (!file_readable(f))
		err = -EBADF;
	else if (!S_ISREG(f->inode->mode) || (s64)count < 0)
		err = -EINVAL;
	file_put(f);
	return err;
}
