/*
 * System V semaphores: semop(2) and what undoes it at exit. The ctl call is kernel/ipc/semctl.c's.
 *
 * An operation is all or nothing. One that must wait stands in its set's queue with what it wants; whoever
 * changes values goes through the queue, from its head, and does what can be done now on the sleeper's behalf.
 * So an operation that was woken is over: it has its result, and touches the set no more.
 *
 * What SEM_UNDO asks for is kept by process and set: what to add to each value when the process ends.
 *
 * The set of all sets' lock (ipc_sem.lock) guards everything here.
 */
#include "kernel/ipc/sem.h"

#include "arch/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"
#include "kernel/timer.h"

int ipc_semmsl = 32000, ipc_semmns = 1024000000, ipc_semopm = 500;
struct ipc_set ipc_sem = IPC_SET_INIT(32000);
u64 sem_total;

struct sem_array *to_sems(struct ipc_object *o)
{
	return IS_ERR(o) ? (void *)o : container_of(o, struct sem_array, ipc);
}

/* ---- trying ---- */

/* Takes back the first n of an operation's steps. */
static void step_back(struct sem_array *a, const struct sem_wait *w, u32 n)
    __must_hold(&ipc_sem.lock)
{
	while (n--) {
		const struct sembuf *b = &w->ops[n];

		a->sems[b->num].value -= b->op;
		if (b->flags & SEM_UNDO)
			w->undo->adjust[b->num] += b->op;
	}
}

/* One step. 0, WOULD_WAIT, or -ERANGE. */
static int step(struct sem_array *a, const struct sem_wait *w, const struct sembuf *b)
    __must_hold(&ipc_sem.lock)
{
	struct sem *s = &a->sems[b->num];
	s32 value = s->value + b->op;

	if (value < 0 || (!b->op && s->value))
		return WOULD_WAIT;
	if (value > SEM_VALUE_MAX)
		return -ERANGE;
	if (b->flags & SEM_UNDO) {
		s32 adjust = w->undo->adjust[b->num] - b->op;

		if (adjust < -SEM_ADJUST_MAX - 1 || adjust > SEM_ADJUST_MAX)
			return -ERANGE;
		w->undo->adjust[b->num] = (s16)adjust;
	}
	s->value = value;
	return 0;
}

/* All or nothing: 0, WOULD_WAIT (with w->blocking the step that would), -EAGAIN, -ERANGE. */
static int try(struct sem_array *a, struct sem_wait *w) __must_hold(&ipc_sem.lock)
{
	int r = 0;
	u32 n;

	for (n = 0; n < w->count && !r; n++)
		r = step(a, w, &w->ops[n]);
	if (r) {
		n--;
		w->blocking = n;
		step_back(a, w, n);
		return r == WOULD_WAIT && w->ops[n].flags & IPC_NOWAIT ? -EAGAIN : r;
	}
	for (n = 0; n < w->count; n++)
		a->sems[w->ops[n].num].pid = w->pid;
	a->otime = ipc_now();
	return 0;
}

static void finish(struct sem_wait *w, int result) __must_hold(&ipc_sem.lock)
{
	list_del(&w->link);
	w->result = result;
	atomic_store(&w->done, true);
	waitq_wake_all(&w->queue);
}

void sem_values_changed(struct sem_array *a)
{
	struct sem_wait *w, *next;
	bool again;

	do {
		again = false;
		list_for_each_safe (w, next, &a->waiting, link) {
			int r = try(a, w);

			if (r == WOULD_WAIT)
				continue;
			finish(w, r);
			if (!r && w->alters) { /* those before it may have their turn now */
				again = true;
				break;
			}
		}
	} while (again);
}

void sem_array_end(struct sem_array *a)
{
	struct sem_wait *w, *next;
	struct sem_undo *u, *un;

	list_for_each_safe (w, next, &a->waiting, link)
		finish(w, -EIDRM);
	list_for_each_safe (u, un, &a->undos, set_link) {
		list_del_release(&u->process_link);
		list_del(&u->set_link);
		kfree(u);
	}
	ipc_remove(&ipc_sem, &a->ipc);
	sem_total -= a->count;
}

/* ---- semget ---- */

static int enough_sems(struct ipc_object *o, u64 n)
{
	return n > to_sems(o)->count ? -EINVAL : 0;
}

static struct sem_array *new_array(u32 n)
{
	struct sem_array *a = kzalloc(sizeof(*a) + n * sizeof(a->sems[0]));

	if (!a)
		return NULL;
	spin_assume_held(&ipc_sem.lock);
	list_init(&a->waiting);
	list_init(&a->undos);
	a->count = n;
	return a;
}

/* As shm.c's: -EAGAIN asks for a new one. */
static long get_or_add(s32 key, u32 n, u32 flags, struct sem_array **a) __must_hold(&ipc_sem.lock)
{
	struct ipc_object *o = ipc_get(&ipc_sem, key, flags, enough_sems, n);
	long id;

	if (o)
		return IS_ERR(o) ? PTR_ERR(o) : o->id;
	if (!n)
		return -EINVAL;
	if (sem_total + n > (u64)ipc_semmns)
		return -ENOSPC;
	if (!*a)
		return -EAGAIN;
	id = ipc_add(&ipc_sem, &(*a)->ipc, key, flags);
	if (id < 0)
		return id;
	sem_total += n;
	*a = NULL;
	return id;
}

SYSCALL3(semget, s32, key, s32, n, u32, flags)
{
	struct sem_array *a = NULL;
	long id;

	if (n < 0 || n > ipc_semmsl)
		return -EINVAL;
	spin_lock(&ipc_sem.lock);
	id = get_or_add(key, (u32)n, flags, &a);
	spin_unlock(&ipc_sem.lock);
	if (id != -EAGAIN)
		return id;
	a = new_array((u32)n);
	if (!a)
		return -ENOMEM;
	spin_lock(&ipc_sem.lock);
	id = get_or_add(key, (u32)n, flags, &a);
	spin_unlock(&ipc_sem.lock);
	kfree(a);
	return id;
}

/* ---- undo ---- */

static struct sem_undo *find_undo(struct process *p, const struct sem_array *a)
    __must_hold(&ipc_sem.lock)
{
	struct sem_undo *u;

	list_for_each (u, &p->sem_undos, process_link)
		if (u->sems == a)
			return u;
	return NULL;
}

/*
 * The set, locked, with w->undo where the operation needs one: the current process's for that set, made where
 * there was none. An errno: not locked.
 */
static struct sem_array *lock_sems(s32 id, struct sem_wait *w,
				   bool undoes) __no_lock_analysis /* it takes the lock, or fails */
{
	struct sem_undo *made = NULL;
	struct sem_array *a;

	for (;;) {
		spin_lock(&ipc_sem.lock);
		a = to_sems(ipc_find(&ipc_sem, id));
		if (IS_ERR(a) || !undoes)
			break;
		w->undo = find_undo(current->proc, a);
		if (!w->undo && made && made->count == a->count) {
			made->sems = a;
			list_add_tail(&current->proc->sem_undos, &made->process_link);
			list_add_tail(&a->undos, &made->set_link);
			w->undo = made;
			made = NULL;
		}
		if (w->undo)
			break;
		/* Made with the lock released: the set may be another meanwhile. */
		w->count_sems = a->count;
		spin_unlock(&ipc_sem.lock);
		kfree(made);
		made = kzalloc(sizeof(*made) + w->count_sems * sizeof(made->adjust[0]));
		if (!made)
			return ERR_PTR(-ENOMEM);
		made->count = w->count_sems;
	}
	if (IS_ERR(a))
		spin_unlock(&ipc_sem.lock);
	kfree(made);
	return a;
}

/* Does what one undo says, and frees it. */
static void undo_all(struct sem_undo *u) __must_hold(&ipc_sem.lock)
{
	struct sem_array *a = u->sems;

	for (u32 n = 0; n < a->count; n++) {
		if (!u->adjust[n])
			continue;
		a->sems[n].value += u->adjust[n];
		a->sems[n].value = max(0, min(a->sems[n].value, SEM_VALUE_MAX));
		a->sems[n].pid = current->proc->pid;
	}
	a->otime = ipc_now();
	list_del_release(&u->process_link);
	list_del(&u->set_link);
	kfree(u);
	sem_values_changed(a);
}

void sem_exit(struct process *p)
{
	/* Only its own tasks add to it, and they are gone. */
	while (!list_empty(&p->sem_undos)) {
		spin_lock(&ipc_sem.lock);
		if (!list_empty(&p->sem_undos))
			undo_all(list_first(&p->sem_undos, struct sem_undo, process_link));
		spin_unlock(&ipc_sem.lock);
	}
}

/* ---- semop ---- */

/* What of the operation can be told before it is tried. */
static int check_ops(const struct sem_array *a, const struct sem_wait *w, u32 highest)
{
	if (highest >= a->count)
		return -EFBIG;
	return ipc_may(&a->ipc, w->alters ? IPC_WRITE : IPC_READ);
}

/* Sleeps until somebody has done it; the lock is held on entry, and on return released. */
static int wait_for_turn(struct sem_array *a, struct sem_wait *w, u64 deadline)
    __releases(&ipc_sem.lock)
{
	int err;

	waitq_init(&w->queue);
	list_add_tail(&a->waiting, &w->link);
	spin_unlock(&ipc_sem.lock);
	err = (int)wait_event_until(&w->queue, WAIT_INTERRUPTIBLE, deadline, atomic_load(&w->done));
	/* Under the lock, since whoever finished it still holds that until it has woken us. */
	spin_lock(&ipc_sem.lock);
	if (w->done)
		err = w->result;
	else
		list_del(&w->link);
	spin_unlock(&ipc_sem.lock);
	return err == -ERESTARTSYS ? -EINTR : err == -ETIMEDOUT ? -EAGAIN : err;
}

static int do_ops(s32 id, struct sem_wait *w, u64 deadline) __no_lock_analysis /* as lock_sems() */
{
	bool undoes = false;
	u32 highest = 0;
	struct sem_array *a;
	int err;

	for (u32 n = 0; n < w->count; n++) {
		highest = max(highest, (u32)w->ops[n].num);
		undoes |= w->ops[n].flags & SEM_UNDO;
		w->alters |= w->ops[n].op != 0;
	}
	a = lock_sems(id, w, undoes);
	if (IS_ERR(a))
		return (int)PTR_ERR(a);
	err = check_ops(a, w, highest);
	if (!err)
		err = try(a, w);
	if (err == WOULD_WAIT)
		return wait_for_turn(a, w, deadline);
	if (!err && w->alters)
		sem_values_changed(a);
	spin_unlock(&ipc_sem.lock);
	return err;
}

#define FEW_OPS 8

static long semop_until(s32 id, const struct sembuf __user *ops, u32 n, u64 deadline)
{
	struct sembuf few[FEW_OPS];
	struct sem_wait w = {.ops = few, .count = n, .pid = current->proc->pid};
	long err;

	if (!n || id < 0)
		return -EINVAL;
	if (n > (u32)ipc_semopm)
		return -E2BIG;
	if (n > FEW_OPS)
		w.ops = kmalloc(n * sizeof(*ops));
	if (!w.ops)
		return -ENOMEM;
	if (copy_from_user(w.ops, ops, n * sizeof(*ops)))
		err = -EFAULT;
	else
		err = do_ops(id, &w, deadline);
	if (w.ops != few)
		kfree(w.ops);
	return err;
}

SYSCALL3(semop, s32, id, const struct sembuf __user *, ops, u32, n)
{
	return semop_until(id, ops, n, WAIT_FOREVER);
}

SYSCALL4(semtimedop, s32, id, const struct sembuf __user *, ops, u32, n,
	 const struct timespec __user *, timeout)
{
	u64 ns;
	int err;

	if (!timeout)
		return semop_until(id, ops, n, WAIT_FOREVER);
	err = timespec_get(&ns, timeout);
	return err ? err : semop_until(id, ops, n, clock_deadline(ns));
}
