/* semctl(2), and /proc/sysvipc/sem. */
#include "arch/uaccess.h"
#include "kernel/fs/seq.h"
#include "kernel/ipc/sem.h"
#include "kernel/syscalls.h"

#define GETPID	     11
#define GETVAL	     12
#define GETALL	     13
#define GETNCNT	     14
#define GETZCNT	     15
#define SETVAL	     16
#define SETALL	     17
#define SEM_STAT     18
#define SEM_INFO     19
#define SEM_STAT_ANY 20

/* struct semid64_ds */
struct user_semid {
	struct user_ipc_perm perm;
	s64 otime;
	u64 unused1;
	s64 ctime;
	u64 unused2;
	u64 count, unused[2];
};
_Static_assert(sizeof(struct user_semid) == 104, "struct semid64_ds is 104 bytes");

struct user_seminfo {
	s32 semmap, semmni, semmns, semmnu, semmsl, semopm, semume, semusz, semvmx, semaem;
};

/* How many operations wait for semaphore n to be zero, or to grow. */
static u32 waiting_for(const struct sem_array *a, u32 n, bool zero) __must_hold(&ipc_sem.lock)
{
	struct sem_wait *w;
	u32 count = 0;

	list_for_each (w, &a->waiting, link) {
		const struct sembuf *b = &w->ops[w->blocking];

		count += b->num == n && (zero ? b->op == 0 : b->op < 0);
	}
	return count;
}

static long sem_get(s32 id, s32 n, s32 cmd)
{
	struct sem_array *a;
	long r;

	spin_lock(&ipc_sem.lock);
	a = to_sems(ipc_find(&ipc_sem, id));
	if (IS_ERR(a))
		r = PTR_ERR(a);
	else if (ipc_may(&a->ipc, IPC_READ))
		r = -EACCES;
	else if (n < 0 || (u32)n >= a->count)
		r = -EINVAL;
	else if (cmd == GETVAL)
		r = a->sems[n].value;
	else if (cmd == GETPID)
		r = a->sems[n].pid;
	else
		r = waiting_for(a, (u32)n, cmd == GETZCNT);
	spin_unlock(&ipc_sem.lock);
	return r;
}

/* Nobody's undo counts for a value that was set. */
static void set_value(struct sem_array *a, u32 n, s32 value) __must_hold(&ipc_sem.lock)
{
	struct sem_undo *u;

	list_for_each (u, &a->undos, set_link)
		u->adjust[n] = 0;
	a->sems[n].value = value;
	a->sems[n].pid = current->proc->pid;
}

static long sem_set_value(s32 id, s32 n, s32 value)
{
	struct sem_array *a;
	long err = 0;

	if (value < 0 || value > SEM_VALUE_MAX)
		return -ERANGE;
	spin_lock(&ipc_sem.lock);
	a = to_sems(ipc_find(&ipc_sem, id));
	if (IS_ERR(a)) {
		err = PTR_ERR(a);
	} else if (n < 0 || (u32)n >= a->count) {
		err = -EINVAL;
	} else if (ipc_may(&a->ipc, IPC_WRITE)) {
		err = -EACCES;
	} else {
		set_value(a, (u32)n, value);
		a->ipc.ctime = ipc_now();
		sem_values_changed(a);
	}
	spin_unlock(&ipc_sem.lock);
	return err;
}

/* How many semaphores the set has that may be used so, or an errno. */
static long sem_count(s32 id, u32 wants)
{
	struct sem_array *a;
	long n;

	spin_lock(&ipc_sem.lock);
	a = to_sems(ipc_find(&ipc_sem, id));
	if (IS_ERR(a))
		n = PTR_ERR(a);
	else
		n = ipc_may(&a->ipc, wants) ?: (long)a->count;
	spin_unlock(&ipc_sem.lock);
	return n;
}

/* GETALL and SETALL, by way of `values`, which has room for n. The set that was asked for n may have gone, and
 * after many others its id be another's. */
static long sem_all(s32 id, u16 *values, u32 n, bool set)
{
	struct sem_array *a;
	long err = 0;

	spin_lock(&ipc_sem.lock);
	a = to_sems(ipc_find(&ipc_sem, id));
	if (IS_ERR(a) || a->count != n)
		err = -EIDRM;
	for (u32 k = 0; k < n && !err; k++) {
		if (set)
			set_value(a, k, values[k]);
		else
			values[k] = (u16)a->sems[k].value;
	}
	if (!err && set) {
		a->ipc.ctime = ipc_now();
		sem_values_changed(a);
	}
	spin_unlock(&ipc_sem.lock);
	return err;
}

static long sem_get_all(s32 id, u16 __user *to)
{
	long n = sem_count(id, IPC_READ), err;
	u16 *values;

	if (n < 0)
		return n;
	values = kmalloc((size_t)n * sizeof(*values));
	if (!values)
		return -ENOMEM;
	err = sem_all(id, values, (u32)n, false);
	if (!err && copy_to_user(to, values, (size_t)n * sizeof(*values)))
		err = -EFAULT;
	kfree(values);
	return err;
}

static long sem_set_all(s32 id, const u16 __user *from)
{
	long n = sem_count(id, IPC_WRITE), err = 0;
	u16 *values;

	if (n < 0)
		return n;
	values = kmalloc((size_t)n * sizeof(*values));
	if (!values)
		return -ENOMEM;
	if (copy_from_user(values, from, (size_t)n * sizeof(*values)))
		err = -EFAULT;
	for (long k = 0; k < n && !err; k++)
		if (values[k] > SEM_VALUE_MAX)
			err = -ERANGE;
	if (!err)
		err = sem_all(id, values, (u32)n, true);
	kfree(values);
	return err;
}

static void array_show(const struct sem_array *a, struct user_semid *u) __must_hold(&ipc_sem.lock)
{
	ipc_show_perm(&a->ipc, &u->perm);
	u->otime = a->otime;
	u->ctime = a->ipc.ctime;
	u->count = a->count;
}

static long sem_stat(s32 id, s32 cmd, void __user *buf)
{
	struct user_semid u = {0};
	struct sem_array *a;
	long n;

	spin_lock(&ipc_sem.lock);
	a = to_sems(ipc_for_stat(&ipc_sem, id, cmd != IPC_STAT, cmd == SEM_STAT_ANY));
	n = IS_ERR(a) ? PTR_ERR(a) : cmd == IPC_STAT ? 0 : a->ipc.id;
	if (!IS_ERR(a))
		array_show(a, &u);
	spin_unlock(&ipc_sem.lock);
	return n >= 0 && copy_to_user(buf, &u, sizeof(u)) ? -EFAULT : n;
}

static long sem_info(s32 cmd, void __user *buf)
{
	struct user_seminfo u = {
	    .semmni = ipc_sem.limit,
	    .semmns = ipc_semmns,
	    .semmsl = ipc_semmsl,
	    .semopm = ipc_semopm,
	    .semvmx = SEM_VALUE_MAX,
	    .semmnu = ipc_semmns,
	    .semmap = ipc_semmns,
	    .semume = ipc_semopm,
	    .semusz = 20,
	    .semaem = SEM_ADJUST_MAX,
	};
	s32 highest;

	spin_lock(&ipc_sem.lock);
	highest = ipc_highest(&ipc_sem);
	if (cmd == SEM_INFO) {
		u.semusz = ipc_sem.count;
		u.semaem = (s32)sem_total;
	}
	spin_unlock(&ipc_sem.lock);
	return copy_to_user(buf, &u, sizeof(u)) ? -EFAULT : highest;
}

static long sem_set(s32 id, const void __user *buf)
{
	struct user_semid u;
	struct sem_array *a;
	long err;

	if (copy_from_user(&u, buf, sizeof(u)))
		return -EFAULT;
	spin_lock(&ipc_sem.lock);
	a = to_sems(ipc_for_control(&ipc_sem, id));
	err = IS_ERR(a) ? PTR_ERR(a) : ipc_set_perm(&a->ipc, &u.perm);
	spin_unlock(&ipc_sem.lock);
	return err;
}

static long sem_remove(s32 id)
{
	struct sem_array *a;

	spin_lock(&ipc_sem.lock);
	a = to_sems(ipc_for_control(&ipc_sem, id));
	if (!IS_ERR(a))
		sem_array_end(a);
	spin_unlock(&ipc_sem.lock);
	if (IS_ERR(a))
		return PTR_ERR(a);
	kfree(a);
	return 0;
}

SYSCALL4(semctl, s32, id, s32, n, s32, cmd, u64, arg)
{
	void __user *p = (void __user *)arg;

	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_RMID:
		return sem_remove(id);
	case IPC_SET:
		return sem_set(id, p);
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY:
		return sem_stat(id, cmd, p);
	case IPC_INFO:
	case SEM_INFO:
		return sem_info(cmd, p);
	case GETALL:
		return sem_get_all(id, p);
	case SETALL:
		return sem_set_all(id, p);
	case SETVAL:
		return sem_set_value(id, n, (s32)arg);
	case GETPID:
	case GETVAL:
	case GETNCNT:
	case GETZCNT:
		return sem_get(id, n, cmd);
	default:
		return -EINVAL;
	}
}

/* ---- /proc/sysvipc/sem ---- */

int ipc_show_sem(struct seq *q, void *arg)
{
	struct user_semid u = {0};
	struct ipc_object *o;
	u64 place = q->next;
	s32 id = 0;

	(void)arg;
	if (!q->next)
		seq_puts(q, "       key      semid perms      nsems   uid   gid  cuid  cgid"
			    "      otime      ctime\n");
	spin_lock(&ipc_sem.lock);
	o = ipc_next(&ipc_sem, &place);
	if (o) {
		array_show(to_sems(o), &u);
		id = o->id;
	}
	spin_unlock(&ipc_sem.lock);
	if (!o)
		return 0;
	seq_printf(q, "%10d %10d  %4o %10lu %5u %5u %5u %5u %10ld %10ld\n", u.perm.key, id,
		   u.perm.mode, u.count, u.perm.uid, u.perm.gid, u.perm.cuid, u.perm.cgid, u.otime,
		   u.ctime);
	q->next = place + 1;
	q->more = true;
	return 0;
}
