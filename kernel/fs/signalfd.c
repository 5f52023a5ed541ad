/*
 * signalfd(2): pending signals as a file to read.
 *
 * Which signals there are depends on who asks: the file has only the mask, and whoever reads or polls
 * it sees the signals of its own task and process. So the queue to wait on is not the file's. It is one
 * of a few that last for ever, chosen by the process: a process may end while an epoll set that it
 * hooked lives on. A process is marked once it has waited, and sending a signal to any other costs
 * nothing more.
 */
#include "kernel/process.h"

#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/seq.h"
#include "kernel/syscalls.h"
#include "mm/alloc.h"

#define NR_QUEUES   16
#define SIGSET_SIZE 8
#define UNREADABLE  (SIGMASK(SIGKILL) | SIGMASK(SIGSTOP))

struct signalfd {
	u64 mask; /* to be read. Atomic */
};

struct signalfd_siginfo {
	u32 signo;
	s32 error, code;
	u32 pid, uid;
	s32 fd;
	u32 tid, band, overrun, trapno;
	s32 status, sigval_int;
	u64 ptr, utime, stime, addr;
	u16 addr_lsb, pad;
	s32 syscall;
	u64 call_addr;
	u32 arch;
	u8 rest[28];
};
_Static_assert(sizeof(struct signalfd_siginfo) == 128, "signalfd_siginfo is 128 bytes");

static struct waitq queues[NR_QUEUES];

void signalfd_init(void)
{
	for (unsigned n = 0; n < NR_QUEUES; n++)
		waitq_init(&queues[n]);
}

static struct waitq *queue_of(const struct process *p)
{
	return &queues[(u64)p / sizeof(*p) % NR_QUEUES];
}

void signalfd_wake(struct process *p)
{
	waitq_wake_all(queue_of(p));
}

/* The current process's queue, which is woken from now on. */
static struct waitq *own_queue(void)
{
	struct process *p = current->proc;

	atomic_store(&p->reads_signals, true);
	return queue_of(p);
}

/* ---- reading ---- */

static void describe_special(struct signalfd_siginfo *s, const struct siginfo *i)
{
	switch (i->signo) {
	case SIGCHLD:
		s->pid = (u32)i->child.pid;
		s->uid = i->child.uid;
		s->status = i->child.status;
		s->utime = (u64)i->child.utime;
		s->stime = (u64)i->child.stime;
		break;
	case SIGIO:
		s->band = (u32)i->poll.band;
		s->fd = i->poll.fd;
		break;
	case SIGSYS:
		s->call_addr = i->sys.call_addr;
		s->syscall = i->sys.syscall;
		s->arch = i->sys.arch;
		break;
	default:
		s->addr = i->fault.addr;
		s->addr_lsb = i->signo == SIGBUS ? i->fault.addr_lsb : 0;
	}
}

/* Which fields mean something follows from the signal and from who sent it. */
static void describe(struct signalfd_siginfo *s, const struct siginfo *i)
{
	static const u64 special = SIGMASK(SIGILL) | SIGMASK(SIGFPE) | SIGMASK(SIGSEGV) |
				   SIGMASK(SIGBUS) | SIGMASK(SIGTRAP) | SIGMASK(SIGCHLD) |
				   SIGMASK(SIGIO) | SIGMASK(SIGSYS);

	*s = (struct signalfd_siginfo){.signo = (u32)i->signo, .error = i->error, .code = i->code};
	if (i->code > SI_USER && i->code < SI_KERNEL && (special & SIGMASK(i->signo))) {
		describe_special(s, i);
	} else if (i->code == SI_TIMER) {
		s->tid = (u32)i->timer.tid;
		s->overrun = (u32)i->timer.overrun;
		s->ptr = i->timer.value;
		s->sigval_int = (s32)i->timer.value;
	} else {
		s->pid = (u32)i->kill.pid;
		s->uid = i->kill.uid;
		if (i->code < 0) {
			s->ptr = i->kill.value;
			s->sigval_int = (s32)i->kill.value;
		}
	}
}

static bool take(const struct signalfd *fd, struct siginfo *info)
{
	struct task *t = current;
	int sig;

	(void)signal_pending(); /* a timer that ran out counts */
	spin_lock(&t->proc->sighand_lock);
	sig = signal_take(t, atomic_load(&fd->mask), info);
	if (sig)
		signal_recalc(t);
	spin_unlock(&t->proc->sighand_lock);
	return sig;
}

static ssize_t signalfd_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	const struct signalfd *fd = f->private;
	struct signalfd_siginfo out;
	struct siginfo info;
	ssize_t done = 0;
	long err = 0;

	(void)pos;
	if (it->left < sizeof(out))
		return -EINVAL;
	while (it->left >= sizeof(out)) {
		if (!take(fd, &info)) {
			if (done)
				break;
			if (f->flags & O_NONBLOCK)
				return -EAGAIN;
			err = wait_event(own_queue(), take(fd, &info));
			if (err)
				return err;
		}
		describe(&out, &info);
		if (iter_put(it, &out, sizeof(out)) < sizeof(out))
			return done ? done : -EFAULT;
		done += (ssize_t)sizeof(out);
	}
	return done;
}

static u32 signalfd_poll(struct file *f, struct poll_table *pt)
{
	const struct signalfd *fd = f->private;
	struct task *t = current;
	u64 pending;

	poll_wait(own_queue(), pt);
	(void)signal_pending();
	/* Under the lock: a signal that comes later sees that this process waits. */
	spin_lock(&t->proc->sighand_lock);
	pending = t->pending.set | t->proc->shared.set;
	spin_unlock(&t->proc->sighand_lock);
	return pending & atomic_load(&fd->mask) ? POLLIN : 0;
}

static void signalfd_release(struct file *f)
{
	kfree(f->private);
}

static void signalfd_show(struct file *f, struct seq *s)
{
	const struct signalfd *fd = f->private;

	seq_printf(s, "sigmask:\t%016lx\n", atomic_load(&fd->mask));
}

static const struct file_ops signalfd_ops = {
    .read = signalfd_read,
    .poll = signalfd_poll,
    .release = signalfd_release,
    .show_fdinfo = signalfd_show,
    .special = true,
};

/* ---- the calls ---- */

static long create(u64 mask, u32 flags)
{
	struct signalfd *fd = kmalloc(sizeof(*fd));
	struct file *f;

	if (!fd)
		return -ENOMEM;
	fd->mask = mask;
	f = file_special("anon_inode:[signalfd]", &signalfd_ops, O_RDWR | (flags & O_NONBLOCK), fd);
	if (IS_ERR(f)) {
		kfree(fd);
		return PTR_ERR(f);
	}
	return fd_install(f, 0, flags & O_CLOEXEC);
}

static long change(s32 n, u64 mask)
{
	struct file *f = fd_get(n);
	struct signalfd *fd;

	if (!f)
		return -EBADF;
	if (f->ops != &signalfd_ops) {
		file_put(f);
		return -EINVAL;
	}
	fd = f->private;
	atomic_store(&fd->mask, mask);
	signalfd_wake(current->proc);
	file_put(f);
	return n;
}

static long do_signalfd(s32 fd, const u64 __user *umask, size_t size, u32 flags)
{
	u64 mask;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (get_user(mask, umask))
		return -EFAULT;
	if (flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	mask &= ~UNREADABLE;
	return fd == -1 ? create(mask, flags) : change(fd, mask);
}

SYSCALL3(signalfd, s32, fd, const u64 __user *, mask, size_t, size)
{
	return do_signalfd(fd, mask, size, 0);
}

SYSCALL4(signalfd4, s32, fd, const u64 __user *, mask, size_t, size, u32, flags)
{
	return do_signalfd(fd, mask, size, flags);
}
