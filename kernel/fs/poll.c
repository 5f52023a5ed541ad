/* poll(2), select(2) and their kin. */
#include "kernel/fs/poll.h"

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define INLINE_ENTRIES 16
#define BLOCK_ENTRIES  64

/* One queue waited on. The file that has it is held, so that no close takes the queue away. */
struct poll_entry {
	struct waiter waiter;
	struct file *file;
};

struct poll_block {
	struct poll_block *next;
	u32 used;
	struct poll_entry entries[BLOCK_ENTRIES];
};

/* All queues that one call waits on. */
struct poll_call {
	struct poll_table table;
	u32 used;
	struct poll_entry entries[INLINE_ENTRIES];
	struct poll_block *blocks; /* more entries */
};

/* One more entry, or NULL: no memory. */
static struct poll_entry *new_entry(struct poll_call *c)
{
	struct poll_block *b = c->blocks;

	if (c->used < INLINE_ENTRIES)
		return &c->entries[c->used++];
	if (!b || b->used == BLOCK_ENTRIES) {
		b = kmalloc(sizeof(*b));
		if (!b)
			return NULL;
		b->used = 0;
		b->next = c->blocks;
		c->blocks = b;
	}
	return &b->entries[b->used++];
}

static bool enter(struct poll_table *pt, struct waitq *q)
{
	struct poll_entry *e = new_entry(container_of(pt, struct poll_call, table));

	if (!e)
		return false;
	e->file = file_get(pt->file);
	e->waiter = (struct waiter){0};
	wait_prepare(&e->waiter, q, WAIT_INTERRUPTIBLE);
	return true;
}

static void poll_begin(struct poll_call *c)
{
	c->table = (struct poll_table){.registering = true, .enter = enter};
	c->used = 0;
	c->blocks = NULL;
}

static void leave(struct poll_entry *entries, u32 n)
{
	while (n--) {
		wait_finish(&entries[n].waiter);
		file_put(entries[n].file);
	}
}

/* Leaves every queue. */
static void poll_end(struct poll_call *c)
{
	leave(c->entries, c->used);
	while (c->blocks) {
		struct poll_block *b = c->blocks;

		leave(b->entries, b->used);
		c->blocks = b->next;
		kfree(b);
	}
}

void poll_wait(struct waitq *q, struct poll_table *pt)
{
	if (pt && pt->registering && !pt->enter(pt, q))
		pt->failed = true;
}

u32 file_poll(struct file *f, struct poll_table *pt)
{
	if (!f->ops->poll)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	if (pt)
		pt->file = f;
	return f->ops->poll(f, pt);
}

/* Something is ready: there will be no sleep, so the rest need not register. */
static void stop_registering(struct poll_table *pt)
{
	if (pt)
		pt->registering = false;
}

static long look_once(int (*check)(void *arg, struct poll_table *pt), void *arg)
{
	long n = check(arg, NULL);

	return n || !signal_pending() ? n : -ERESTARTSYS;
}

/*
 * Calls check until it finds something (nonzero: a count or an errno), a signal comes, or the
 * deadline passes.
 *
 * The first pass registers with every queue. Each later one is made with the task already marked
 * asleep, by one more waiter on a queue of its own, so that a wake-up between asking and sleeping
 * is not lost.
 */
static long poll_loop(int (*check)(void *arg, struct poll_table *pt), void *arg, u64 deadline)
{
	struct waiter me = {0};
	struct poll_call *c;
	struct poll_table *pt;
	struct waitq own;
	long n, slept = 0;

	if (deadline == POLL_LOOK_ONCE)
		return look_once(check, arg);
	c = kmalloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	pt = &c->table;
	waitq_init(&own);
	poll_begin(c);
	n = check(arg, pt);
	stop_registering(pt);
	if (!n && pt->failed)
		n = -ENOMEM;
	while (!n && !slept) {
		wait_prepare(&me, &own, WAIT_INTERRUPTIBLE);
		n = check(arg, pt);
		if (!n) {
			slept = wait_sleep(WAIT_INTERRUPTIBLE, deadline);
			if (slept)
				n = check(arg, pt);
		}
	}
	wait_finish(&me);
	poll_end(c);
	kfree(c);
	return n ? n : slept == -ETIMEDOUT ? 0 : slept;
}

/* ---- poll ---- */

struct pollfd {
	s32 fd;
	u16 events, revents;
};

struct poll_set {
	struct pollfd *fds;
	u32 count;
};

static int check_fds(void *arg, struct poll_table *pt)
{
	struct poll_set *set = arg;
	int ready = 0;

	for (u32 n = 0; n < set->count; n++) {
		struct pollfd *p = &set->fds[n];
		struct file *f;

		p->revents = 0;
		if (p->fd < 0)
			continue;
		f = fd_get(p->fd);
		if (f) {
			p->revents = (u16)(file_poll(f, pt) & (p->events | POLLERR | POLLHUP));
			file_put(f);
		} else {
			p->revents = POLLNVAL;
		}
		if (p->revents) {
			ready++;
			stop_registering(pt);
		}
	}
	return ready;
}

static long poll_fds(struct pollfd __user *user, u32 count, u64 deadline)
{
	struct poll_set set = {.count = count};
	struct pollfd inline_fds[16];
	long n;

	if (count > current->proc->rlimits[RLIMIT_NOFILE].cur)
		return -EINVAL;
	set.fds = count <= ARRAY_SIZE(inline_fds) ? inline_fds : kmalloc(count * sizeof(*set.fds));
	if (!set.fds)
		return -ENOMEM;
	if (!user_range_ok(user, count * sizeof(*set.fds)) ||
	    copy_from_user(set.fds, user, count * sizeof(*set.fds)))
		n = -EFAULT; /* no place for none, either */
	else
		n = poll_loop(check_fds, &set, deadline);
	for (u32 k = 0; k < count && n >= 0; k++)
		if (put_user(set.fds[k].revents, &user[k].revents))
			n = -EFAULT;
	if (set.fds != inline_fds)
		kfree(set.fds);
	return n;
}

static long restart_poll(struct task *t)
{
	long n = poll_fds((struct pollfd __user *)t->restart_arg[0], (u32)t->restart_arg[1],
			  t->restart_arg[2]);

	return n == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : n;
}

SYSCALL3(poll, struct pollfd __user *, fds, u32, count, s32, timeout_ms)
{
	u64 deadline =
	    timeout_ms < 0 ? WAIT_FOREVER : poll_deadline((u64)timeout_ms * NSEC_PER_MSEC);
	long n = poll_fds(fds, count, deadline);

	if (n != -ERESTARTSYS)
		return n;
	/* The rest of the time is what a restart waits for. */
	current->restart = restart_poll;
	current->restart_arg[0] = (u64)(__force void *)fds;
	current->restart_arg[1] = count;
	current->restart_arg[2] = deadline;
	return -ERESTART_RESTARTBLOCK;
}

/* Linux's ppoll and pselect6 tell what is left of the time; where that cannot be written, so be it.
 */
static void put_time_left(struct timespec __user *user, u64 deadline)
{
	u64 now = clock_ns();

	if (user && timespec_put(user, deadline > now ? deadline - now : 0))
		return;
}

/* The deadline that user's timespec asks for; NULL: none. */
static int get_deadline(const struct timespec __user *user, u64 *deadline)
{
	u64 ns;
	int err;

	*deadline = WAIT_FOREVER;
	if (!user)
		return 0;
	err = timespec_get(&ns, user);
	if (!err)
		*deadline = poll_deadline(ns);
	return err;
}

SYSCALL5(ppoll, struct pollfd __user *, fds, u32, count, struct timespec __user *, timeout,
	 const u64 __user *, mask, u64, mask_size)
{
	u64 deadline;
	long n = get_deadline(timeout, &deadline);

	if (!n)
		n = signal_mask_begin(mask, mask_size);
	if (n)
		return n;
	n = poll_fds(fds, count, deadline);
	signal_mask_end(n == -ERESTARTSYS);
	put_time_left(timeout, deadline);
	return n == -ERESTARTSYS ? -ERESTARTNOHAND : n;
}

/* ---- select ---- */

#define IN_SET	(POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define OUT_SET (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)
#define EX_SET	POLLPRI

struct select_set {
	u32 nfds;
	u64 *in[3], *out[3]; /* bitmaps: read, write, exceptional */
};

static int check_select(void *arg, struct poll_table *pt)
{
	static const u32 events[3] = {IN_SET, OUT_SET, EX_SET};
	struct select_set *s = arg;
	int ready = 0;

	for (unsigned k = 0; k < 3; k++)
		memset(s->out[k], 0, BITMAP_WORDS(s->nfds) * 8);
	for (u32 fd = 0; fd < s->nfds; fd++) {
		struct file *f;
		u32 got;

		if (!bitmap_test(s->in[0], fd) && !bitmap_test(s->in[1], fd) &&
		    !bitmap_test(s->in[2], fd))
			continue;
		f = fd_get((s32)fd);
		if (!f)
			return -EBADF;
		got = file_poll(f, pt);
		file_put(f);
		for (unsigned k = 0; k < 3; k++) {
			if (!bitmap_test(s->in[k], fd) || !(got & events[k]))
				continue;
			bitmap_set(s->out[k], fd);
			ready++;
			stop_registering(pt);
		}
	}
	return ready;
}

static long select_with(struct select_set *s, u64 __user *const user[3], u64 deadline)
{
	size_t bytes = BITMAP_WORDS(s->nfds) * 8;
	long n;

	for (unsigned k = 0; k < 3; k++)
		if (user[k] && copy_from_user(s->in[k], user[k], bytes))
			return -EFAULT;
	n = poll_loop(check_select, s, deadline);
	for (unsigned k = 0; k < 3 && n >= 0; k++)
		if (user[k] && copy_to_user(user[k], s->out[k], bytes))
			return -EFAULT;
	return n;
}

static long do_select(s32 nfds, u64 __user *const user[3], u64 deadline)
{
	struct select_set s;
	u64 inline_bits[6 * 4], *bits = inline_bits;
	size_t words;
	long n;

	if (nfds < 0)
		return -EINVAL;
	s.nfds = min((u32)nfds, fd_table_size(current->files));
	words = BITMAP_WORDS(s.nfds);
	if (words > 4)
		bits = kmalloc(6 * words * 8);
	if (!bits)
		return -ENOMEM;
	memset(bits, 0, 6 * words * 8);
	for (unsigned k = 0; k < 3; k++) {
		s.in[k] = bits + k * words;
		s.out[k] = bits + (3 + k) * words;
	}
	n = select_with(&s, user, deadline);
	if (bits != inline_bits)
		kfree(bits);
	return n;
}

SYSCALL5(select, s32, nfds, u64 __user *, in, u64 __user *, out, u64 __user *, ex,
	 struct timeval __user *, timeout)
{
	u64 __user *const user[3] = {in, out, ex};
	u64 deadline = WAIT_FOREVER, ns;
	long n;

	if (timeout) {
		n = timeval_get_any(&ns, timeout);
		if (n)
			return n;
		deadline = poll_deadline(ns);
	}
	n = do_select(nfds, user, deadline);
	if (timeout) {
		u64 now = clock_ns();

		/* As Linux: the timeout becomes what was left of it. */
		if (timeval_put(timeout, deadline > now ? deadline - now : 0))
			return n;
	}
	return n == -ERESTARTSYS ? -ERESTARTNOHAND : n;
}

struct pselect_mask {
	u64 mask; /* a user address */
	u64 size;
};

SYSCALL6(pselect6, s32, nfds, u64 __user *, in, u64 __user *, out, u64 __user *, ex,
	 struct timespec __user *, timeout, const struct pselect_mask __user *, mask)
{
	u64 __user *const user[3] = {in, out, ex};
	struct pselect_mask m = {0, 0};
	u64 deadline;
	long n;

	if (mask && copy_from_user(&m, mask, sizeof(m)))
		return -EFAULT;
	n = get_deadline(timeout, &deadline);
	if (!n)
		n = signal_mask_begin((const u64 __user *)m.mask, m.size);
	if (n)
		return n;
	n = do_select(nfds, user, deadline);
	signal_mask_end(n == -ERESTARTSYS);
	put_time_left(timeout, deadline);
	return n == -ERESTARTSYS ? -ERESTARTNOHAND : n;
}
