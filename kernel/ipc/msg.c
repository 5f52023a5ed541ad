/*
 * System V message queues. A message is copied in before the lock is taken and out after it is released;
 * in between it is on the queue's list.
 *
 * Who must wait sleeps on the queue itself and looks again at each of its events, so a queue lives, removed or
 * not, until the last of them has left: `refs`.
 */
#include "arch/uaccess.h"
#include "kernel/fs/seq.h"
#include "kernel/ipc/ipc.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

#define MSG_NOERROR 010000u
#define MSG_EXCEPT  020000u
#define MSG_COPY    040000u

#define MSG_STAT     11
#define MSG_INFO     12
#define MSG_STAT_ANY 13

#define GUARDED __guarded_by_global(&ipc_msg.lock)

struct message {
	struct list_head link GUARDED;
	s64 type;
	u64 size;
	char text[];
};

struct queue {
	struct ipc_object ipc;
	u32 refs GUARDED; /* the set's, and those who sleep */
	bool removed GUARDED;
	struct list_head messages GUARDED; /* the oldest first */
	u64 bytes GUARDED, count GUARDED, max_bytes GUARDED;
	s64 stime GUARDED, rtime GUARDED;
	s32 lspid GUARDED, lrpid GUARDED;
	u32 events; /* changes that somebody may wait for. Atomic. */
	struct waitq wait;
};

/* struct msqid64_ds */
struct user_msqid {
	struct user_ipc_perm perm;
	s64 stime, rtime, ctime;
	u64 bytes, count, max_bytes;
	s32 lspid, lrpid;
	u64 unused[2];
};
_Static_assert(sizeof(struct user_msqid) == 120, "struct msqid64_ds is 120 bytes");

struct user_msginfo {
	s32 msgpool, msgmap, msgmax, msgmnb, msgmni, msgssz, msgtql;
	u16 msgseg;
};

int ipc_msgmax = 8192, ipc_msgmnb = 16384;
struct ipc_set ipc_msg = IPC_SET_INIT(32000);
static u64 total_messages GUARDED, total_bytes GUARDED; /* of all queues */

static struct queue *to_queue(struct ipc_object *o)
{
	return IS_ERR(o) ? (void *)o : container_of(o, struct queue, ipc);
}

/* One holder fewer, under the lock. */
static void queue_put(struct queue *q) __must_hold(&ipc_msg.lock)
{
	if (!--q->refs)
		kfree(q);
}

static void queue_event(struct queue *q)
{
	atomic_inc(&q->events);
	waitq_wake_all(&q->wait);
}

/* Takes a message off its queue. */
static void take(struct queue *q, struct message *m) __must_hold(&ipc_msg.lock)
{
	list_del(&m->link);
	q->bytes -= m->size;
	q->count--;
	total_bytes -= m->size;
	total_messages--;
}

/* Sleeps until something has happened to q. The lock is released meanwhile. 0, -EIDRM, or
 * -ERESTARTNOHAND. */
static long queue_wait(struct queue *q) __must_hold(&ipc_msg.lock)
{
	u32 seen = atomic_load(&q->events);
	long err;

	q->refs++;
	spin_unlock(&ipc_msg.lock);
	err = wait_event(&q->wait, atomic_load(&q->events) != seen);
	spin_lock(&ipc_msg.lock);
	if (q->removed)
		err = -EIDRM;
	queue_put(q);
	return err == -ERESTARTSYS ? -ERESTARTNOHAND : err;
}

/* ---- msgget ---- */

/* As shm.c's: -EAGAIN asks for a new one. */
static long get_or_add(s32 key, u32 flags, struct queue **q) __must_hold(&ipc_msg.lock)
{
	struct ipc_object *o = ipc_get(&ipc_msg, key, flags, NULL, 0);
	long id;

	if (o)
		return IS_ERR(o) ? PTR_ERR(o) : o->id;
	if (!*q)
		return -EAGAIN;
	id = ipc_add(&ipc_msg, &(*q)->ipc, key, flags);
	if (id >= 0)
		*q = NULL;
	return id;
}

static struct queue *new_queue(void)
{
	struct queue *q = kzalloc(sizeof(*q));

	if (!q)
		return NULL;
	spin_assume_held(&ipc_msg.lock);
	q->refs = 1;
	list_init(&q->messages);
	waitq_init(&q->wait);
	q->max_bytes = (u64)ipc_msgmnb;
	return q;
}

SYSCALL2(msgget, s32, key, u32, flags)
{
	struct queue *q = NULL;
	long id;

	spin_lock(&ipc_msg.lock);
	id = get_or_add(key, flags, &q);
	spin_unlock(&ipc_msg.lock);
	if (id != -EAGAIN)
		return id;
	q = new_queue();
	if (!q)
		return -ENOMEM;
	spin_lock(&ipc_msg.lock);
	id = get_or_add(key, flags, &q);
	spin_unlock(&ipc_msg.lock);
	kfree(q);
	return id;
}

/* ---- msgsnd ---- */

static struct message *message_load(s64 type, const void __user *text, u64 size)
{
	struct message *m = kmalloc(sizeof(*m) + size);

	if (!m)
		return ERR_PTR(-ENOMEM);
	m->type = type;
	m->size = size;
	if (copy_from_user(m->text, text, size)) {
		kfree(m);
		return ERR_PTR(-EFAULT);
	}
	return m;
}

static bool has_room(const struct queue *q, u64 size) __must_hold(&ipc_msg.lock)
{
	return q->bytes + size <= q->max_bytes && q->count + 1 <= q->max_bytes;
}

/* Under the lock. The message is the queue's where it returns 0. */
static long send(s32 id, struct message *m, u32 flags) __must_hold(&ipc_msg.lock)
{
	struct queue *q;
	long err;

	for (;;) {
		q = to_queue(ipc_find(&ipc_msg, id));
		if (IS_ERR(q))
			return PTR_ERR(q);
		if (ipc_may(&q->ipc, IPC_WRITE))
			return -EACCES;
		if (has_room(q, m->size))
			break;
		if (flags & IPC_NOWAIT)
			return -EAGAIN;
		err = queue_wait(q);
		if (err)
			return err;
	}
	list_add_tail(&q->messages, &m->link);
	q->bytes += m->size;
	q->count++;
	total_bytes += m->size;
	total_messages++;
	q->stime = ipc_now();
	q->lspid = current->proc->pid;
	queue_event(q);
	return 0;
}

SYSCALL4(msgsnd, s32, id, const s64 __user *, from, u64, size, u32, flags)
{
	struct message *m;
	s64 type;
	long err;

	if (get_user(type, from))
		return -EFAULT;
	if (size > (u64)ipc_msgmax || id < 0 || type < 1)
		return -EINVAL;
	m = message_load(type, from + 1, size);
	if (IS_ERR(m))
		return PTR_ERR(m);
	spin_lock(&ipc_msg.lock);
	err = send(id, m, flags);
	spin_unlock(&ipc_msg.lock);
	if (err)
		kfree(m);
	return err;
}

/* ---- msgrcv ---- */

/* The message that msgrcv(2) means by `type`, or NULL. */
static struct message *choose(struct queue *q, s64 type, bool except) __must_hold(&ipc_msg.lock)
{
	struct message *m, *best = NULL;
	s64 most = type == INT64_MIN ? INT64_MAX : -type;

	list_for_each (m, &q->messages, link) {
		if (type < 0) {
			if (m->type <= most && (!best || m->type < best->type))
				best = m;
		} else if (!type || (m->type == type) != except) {
			return m;
		}
	}
	return best;
}

/* Under the lock. The message, off its queue, or an errno. */
static struct message *receive(s32 id, u64 size, s64 type, u32 flags) __must_hold(&ipc_msg.lock)
{
	struct message *m;
	struct queue *q;
	long err;

	for (;;) {
		q = to_queue(ipc_find(&ipc_msg, id));
		if (IS_ERR(q))
			return (void *)q;
		if (ipc_may(&q->ipc, IPC_READ))
			return ERR_PTR(-EACCES);
		m = choose(q, type, flags & MSG_EXCEPT);
		if (m)
			break;
		if (flags & IPC_NOWAIT)
			return ERR_PTR(-ENOMSG);
		err = queue_wait(q);
		if (err)
			return ERR_PTR(err);
	}
	if (m->size > size && !(flags & MSG_NOERROR))
		return ERR_PTR(-E2BIG);
	take(q, m);
	q->rtime = ipc_now();
	q->lrpid = current->proc->pid;
	queue_event(q);
	return m;
}

SYSCALL5(msgrcv, s32, id, s64 __user *, to, u64, size, s64, type, u32, flags)
{
	struct message *m;
	long n;

	if (id < 0 || (s64)size < 0)
		return -EINVAL;
	if (flags & MSG_COPY)
		return flags & MSG_EXCEPT || !(flags & IPC_NOWAIT) ? -EINVAL : -ENOSYS;
	spin_lock(&ipc_msg.lock);
	m = receive(id, size, type, flags);
	spin_unlock(&ipc_msg.lock);
	if (IS_ERR(m))
		return PTR_ERR(m);
	n = (long)min(size, m->size);
	if (put_user(m->type, to) || copy_to_user(to + 1, m->text, (size_t)n))
		n = -EFAULT;
	kfree(m);
	return n;
}

/* ---- msgctl ---- */

static void queue_show(const struct queue *q, struct user_msqid *u) __must_hold(&ipc_msg.lock)
{
	ipc_show_perm(&q->ipc, &u->perm);
	u->stime = q->stime;
	u->rtime = q->rtime;
	u->ctime = q->ipc.ctime;
	u->bytes = q->bytes;
	u->count = q->count;
	u->max_bytes = q->max_bytes;
	u->lspid = q->lspid;
	u->lrpid = q->lrpid;
}

static long msg_stat(s32 id, s32 cmd, void __user *buf)
{
	struct user_msqid u = {0};
	struct queue *q;
	long n;

	spin_lock(&ipc_msg.lock);
	q = to_queue(ipc_for_stat(&ipc_msg, id, cmd != IPC_STAT, cmd == MSG_STAT_ANY));
	n = IS_ERR(q) ? PTR_ERR(q) : cmd == IPC_STAT ? 0 : q->ipc.id;
	if (!IS_ERR(q))
		queue_show(q, &u);
	spin_unlock(&ipc_msg.lock);
	return n >= 0 && copy_to_user(buf, &u, sizeof(u)) ? -EFAULT : n;
}

static long msg_info(s32 cmd, void __user *buf)
{
	struct user_msginfo u = {
	    .msgmax = ipc_msgmax,
	    .msgmnb = ipc_msgmnb,
	    .msgmni = ipc_msg.limit,
	    .msgpool = ipc_msg.limit * (ipc_msgmnb / 1024),
	    .msgmap = ipc_msgmnb,
	    .msgtql = ipc_msgmnb,
	    .msgssz = 16,
	    .msgseg = 0xffff,
	};
	s32 highest;

	spin_lock(&ipc_msg.lock);
	highest = ipc_highest(&ipc_msg);
	if (cmd == MSG_INFO) {
		u.msgpool = ipc_msg.count;
		u.msgmap = (s32)total_messages;
		u.msgtql = (s32)total_bytes;
	}
	spin_unlock(&ipc_msg.lock);
	return copy_to_user(buf, &u, sizeof(u)) ? -EFAULT : highest;
}

static long msg_set(s32 id, const void __user *buf)
{
	struct user_msqid u;
	struct queue *q;
	long err;

	if (copy_from_user(&u, buf, sizeof(u)))
		return -EFAULT;
	spin_lock(&ipc_msg.lock);
	q = to_queue(ipc_for_control(&ipc_msg, id));
	if (IS_ERR(q))
		err = PTR_ERR(q);
	else if (u.max_bytes > (u64)ipc_msgmnb && current->cred.euid != 0)
		err = -EPERM;
	else
		err = ipc_set_perm(&q->ipc, &u.perm);
	if (!err) {
		q->max_bytes = u.max_bytes;
		queue_event(q);
	}
	spin_unlock(&ipc_msg.lock);
	return err;
}

static long msg_remove(s32 id)
{
	struct message *m, *next;
	struct queue *q;

	spin_lock(&ipc_msg.lock);
	q = to_queue(ipc_for_control(&ipc_msg, id));
	if (!IS_ERR(q)) {
		list_for_each_safe (m, next, &q->messages, link) {
			take(q, m);
			kfree(m);
		}
		ipc_remove(&ipc_msg, &q->ipc);
		q->removed = true;
		queue_event(q);
		queue_put(q);
	}
	spin_unlock(&ipc_msg.lock);
	return IS_ERR(q) ? PTR_ERR(q) : 0;
}

SYSCALL3(msgctl, s32, id, s32, cmd, void __user *, buf)
{
	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_RMID:
		return msg_remove(id);
	case IPC_SET:
		return msg_set(id, buf);
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY:
		return msg_stat(id, cmd, buf);
	case IPC_INFO:
	case MSG_INFO:
		return msg_info(cmd, buf);
	default:
		return -EINVAL;
	}
}

/* ---- /proc/sysvipc/msg ---- */

int ipc_show_msg(struct seq *s, void *arg)
{
	struct user_msqid u = {0};
	struct ipc_object *o;
	u64 place = s->next;
	s32 id = 0;

	(void)arg;
	if (!s->next)
		seq_puts(s, "       key      msqid perms      cbytes       qnum lspid lrpid"
			    "   uid   gid  cuid  cgid      stime      rtime      ctime\n");
	spin_lock(&ipc_msg.lock);
	o = ipc_next(&ipc_msg, &place);
	if (o) {
		queue_show(to_queue(o), &u);
		id = o->id;
	}
	spin_unlock(&ipc_msg.lock);
	if (!o)
		return 0;
	seq_printf(s, "%10d %10d  %4o  %10lu %10lu %5u %5u %5u %5u %5u %5u %10ld %10ld %10ld\n",
		   u.perm.key, id, u.perm.mode, u.bytes, u.count, u.lspid, u.lrpid, u.perm.uid,
		   u.perm.gid, u.perm.cuid, u.perm.cgid, u.stime, u.rtime, u.ctime);
	s->next = place + 1;
	s->more = true;
	return 0;
}
