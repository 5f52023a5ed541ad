/*
 * process_vm_readv(2) and process_vm_writev(2): between the current process's memory and another's, by way of one
 * frame. What is written there is resolved as a write of that process's own (mm/access.c): what it
 * shares with its family is copied first.
 */
#include "kernel/process.h"

#include "arch/uaccess.h"
#include "kernel/fs/iter.h"
#include "kernel/syscalls.h"

/* The other side, segment by segment. */
struct remote {
	struct mm *mm;
	struct iovec *segs;
	u64 count;
	bool write;
	u8 *buf; /* a page */
};

/* The address space of process `pid`, or of the one that task is in: ERR_PTR(-ESRCH), ERR_PTR(-EPERM). */
static struct mm *mm_of(s32 pid)
{
	struct mm *mm = ERR_PTR(-EPERM);
	struct task *t;

	/* Over all of it: a task without its process would be no help. */
	spin_lock(&tasks_lock);
	t = task_lookup(pid);
	if (t && task_may_look(t)) {
		spin_lock(&t->proc->sighand_lock);
		mm = t->mm;
		if (mm)
			mm_get(mm);
		spin_unlock(&t->proc->sighand_lock);
	}
	spin_unlock(&tasks_lock);
	return t && mm ? mm : ERR_PTR(-ESRCH);
}

/* Moves up to a page; how many bytes, 0 or an errno for none. */
static ssize_t move_piece(const struct remote *r, vaddr_t va, struct io_iter *local, size_t n)
{
	ssize_t got;

	if (!r->write) {
		got = mm_access(r->mm, va, r->buf, n, false);
		return got > 0 ? (ssize_t)iter_put(local, r->buf, (size_t)got) : got;
	}
	n = iter_get(local, r->buf, n);
	return n ? mm_access(r->mm, va, r->buf, n, true) : 0;
}

/* Bytes moved till the first that could not be; -EFAULT for none. */
static long move_all(const struct remote *r, struct io_iter *local)
{
	long done = 0;

	for (u64 k = 0; k < r->count && local->left; k++) {
		u64 at = 0;

		while (at < r->segs[k].len && local->left) {
			size_t n = (size_t)min(r->segs[k].len - at, (u64)local->left);
			vaddr_t va = r->segs[k].base + at;
			ssize_t got;

			n = min(n, (size_t)(PAGE_SIZE - (va & ~PAGE_MASK)));
			got = move_piece(r, va, local, n);
			if (got > 0)
				done += got;
			if (got != (ssize_t)n)
				return done ? done : -EFAULT;
			at += (u64)got;
			if (fatal_signal_pending())
				return done;
			cond_resched();
		}
	}
	return done;
}

static int remote_segments(struct remote *r, const struct iovec __user *user, u64 count)
{
	r->count = count;
	if (!count)
		return 0;
	if (count > IO_VECTOR_MAX)
		return -EINVAL;
	r->segs = kmalloc(count * sizeof(*r->segs));
	if (!r->segs)
		return -ENOMEM;
	if (copy_from_user(r->segs, user, count * sizeof(*r->segs)))
		return -EFAULT;
	for (u64 k = 0; k < count; k++)
		if ((s64)r->segs[k].len < 0)
			return -EINVAL;
	return 0;
}

static long with_remote(s32 pid, struct remote *r, struct io_iter *local)
{
	long n;

	if (!local->left || !r->count)
		return 0;
	r->mm = mm_of(pid);
	if (IS_ERR(r->mm))
		return PTR_ERR(r->mm);
	r->buf = kmalloc(PAGE_SIZE);
	n = r->buf ? move_all(r, local) : -ENOMEM;
	kfree(r->buf);
	mm_put(r->mm);
	return n;
}

static long process_vm(s32 pid, const struct iovec __user *local, u64 local_count,
		       const struct iovec __user *remote, u64 remote_count, u64 flags, bool write)
{
	struct remote r = {.write = write};
	struct io_vector v;
	long n;

	if (flags)
		return -EINVAL;
	n = io_vector_get(&v, local, local_count);
	if (n)
		return n;
	if (v.it.left) {
		n = remote_segments(&r, remote, remote_count);
		if (!n)
			n = with_remote(pid, &r, &v.it);
		kfree(r.segs);
	}
	io_vector_put(&v);
	return n;
}

SYSCALL6(process_vm_readv, s32, pid, const struct iovec __user *, local, u64, local_count,
	 const struct iovec __user *, remote, u64, remote_count, u64, flags)
{
	return process_vm(pid, local, local_count, remote, remote_count, flags, false);
}

SYSCALL6(process_vm_writev, s32, pid, const struct iovec __user *, local, u64, local_count,
	 const struct iovec __user *, remote, u64, remote_count, u64, flags)
{
	return process_vm(pid, local, local_count, remote, remote_count, flags, true);
}
