/*
 * Timers as files: timerfd_create(2).
 *
 * The kernel timer's function runs in the timer interrupt and takes no lock: it only notes that the
 * time has come, and wakes. Whoever looks next counts what has expired since, and sets the timer for
 * the next period. So a timer that nobody reads costs one interrupt, however short its period.
 *
 * A timer for a time of the wall clock moves when that clock is set.
 */
#include "kernel/fs/timerfd.h"

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/seq.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

enum {
	CLOCK_REALTIME = 0,
	CLOCK_MONOTONIC = 1,
	CLOCK_BOOTTIME = 7,
	CLOCK_REALTIME_ALARM = 8,
	CLOCK_BOOTTIME_ALARM = 9
};

#define TFD_TIMER_ABSTIME	1u
#define TFD_TIMER_CANCEL_ON_SET 2u

struct timerfd {
	s32 clock;
	bool
	    fired; /* set by the timer's function, which is not armed again till it is cleared. Atomic */

	/* under timerfd_lock */
	struct ktimer timer;
	u64 wall; /* where it goes by the wall clock: its deadline as that clock tells it */
	u64 interval;
	u64 ticks; /* expirations that nobody has read */
	u32 flags; /* of the last settime */
	bool by_wall, cancelled;
	struct list_head link; /* in wall_timers, from settime to the next or the end */

	struct waitq wait;
};

/* Guards all timers: what is done under it is short. */
static spinlock_t timerfd_lock = SPINLOCK_INIT(LOCK_TIMERFD);
static struct list_head wall_timers = LIST_INIT(wall_timers);

static void expired(struct ktimer *timer)
{
	struct timerfd *t = timer->arg;

	atomic_store(&t->fired, true);
	waitq_wake_all(&t->wait);
}

/* When the wall clock will be at `wall`, as clock_ns() tells it. */
static u64 deadline_of_wall(u64 wall)
{
	u64 now = clock_wall_ns();

	return wall > now ? clock_deadline(wall - now) : clock_ns();
}

/* Counts what has expired, and arms the timer for the next period. */
static void catch_up(struct timerfd *t) __must_hold(&timerfd_lock)
{
	u64 periods, now;

	if (!atomic_load(&t->fired))
		return;
	atomic_store(&t->fired, false);
	t->ticks++;
	if (!t->interval)
		return;
	now = t->by_wall ? clock_wall_ns() : clock_ns();
	periods = t->by_wall ? t->wall : t->timer.deadline;
	periods = (now > periods ? now - periods : 0) / t->interval;
	t->ticks += periods;
	if (t->by_wall) {
		t->wall += (periods + 1) * t->interval;
		ktimer_set(&t->timer, deadline_of_wall(t->wall));
	} else {
		ktimer_set(&t->timer, t->timer.deadline + (periods + 1) * t->interval);
	}
}

void timerfd_clock_was_set(void)
{
	struct timerfd *t;

	spin_lock(&timerfd_lock);
	list_for_each (t, &wall_timers, link) {
		if (ktimer_cancel(&t->timer))
			ktimer_set(&t->timer, deadline_of_wall(t->wall));
		if (t->flags & TFD_TIMER_CANCEL_ON_SET) {
			t->cancelled = true;
			waitq_wake_all(&t->wait);
		}
	}
	spin_unlock(&timerfd_lock);
}

/* ---- reading ---- */

/* What a read gets: a number, 0: nothing yet, or -ECANCELED. */
static s64 take(struct timerfd *t)
{
	s64 n;

	spin_lock(&timerfd_lock);
	catch_up(t);
	n = t->cancelled ? -ECANCELED : (s64)t->ticks;
	t->cancelled = false;
	t->ticks = 0;
	spin_unlock(&timerfd_lock);
	return n;
}

static ssize_t timerfd_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct timerfd *t = f->private;
	s64 n;

	(void)pos;
	if (it->left < sizeof(n))
		return -EINVAL;
	n = take(t);
	if (!n) {
		long err;

		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event(&t->wait, (n = take(t)) != 0);
		if (err)
			return err;
	}
	if (n < 0)
		return n;
	return iter_put(it, &n, sizeof(n)) == sizeof(n) ? (ssize_t)sizeof(n) : -EFAULT;
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->private;
	bool ready;

	poll_wait(&t->wait, pt);
	spin_lock(&timerfd_lock);
	ready = atomic_load(&t->fired) || t->ticks || t->cancelled;
	spin_unlock(&timerfd_lock);
	return ready ? POLLIN : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->private;

	spin_lock(&timerfd_lock);
	list_del(&t->link);
	spin_unlock(&timerfd_lock);
	ktimer_cancel(&t->timer);
	kfree(t);
}

/* What is left of the time, and the interval. Under timerfd_lock. */
static u64 time_left(struct timerfd *t) __must_hold(&timerfd_lock)
{
	u64 now = clock_ns();

	catch_up(t);
	if (!t->timer.queued)
		return 0;
	return t->timer.deadline > now ? t->timer.deadline - now : 1;
}

static void timerfd_show(struct file *f, struct seq *s)
{
	struct timerfd *t = f->private;
	u64 left, interval, ticks;
	u32 flags;

	spin_lock(&timerfd_lock);
	left = time_left(t);
	interval = t->interval;
	ticks = t->ticks;
	flags = t->flags;
	spin_unlock(&timerfd_lock);
	seq_printf(s, "clockid: %d\nticks: %lu\nsettime flags: 0%o\n", t->clock, ticks, flags);
	seq_printf(s, "it_value: (%llu, %llu)\n", left / NSEC_PER_SEC, left % NSEC_PER_SEC);
	seq_printf(s, "it_interval: (%llu, %llu)\n", interval / NSEC_PER_SEC,
		   interval % NSEC_PER_SEC);
}

static const struct file_ops timerfd_ops = {
    .read = timerfd_read,
    .poll = timerfd_poll,
    .release = timerfd_release,
    .show_fdinfo = timerfd_show,
    .special = true,
};

/* ---- the calls ---- */

static long create(s32 clock, u32 flags)
{
	struct timerfd *t = kzalloc(sizeof(*t));
	struct file *f;

	if (!t)
		return -ENOMEM;
	t->clock = clock;
	ktimer_init(&t->timer, expired, t);
	list_init(&t->link);
	waitq_init(&t->wait);
	f = file_special("anon_inode:[timerfd]", &timerfd_ops, O_RDWR | (flags & O_NONBLOCK), t);
	if (IS_ERR(f)) {
		kfree(t);
		return PTR_ERR(f);
	}
	return fd_install(f, 0, flags & O_CLOEXEC);
}

SYSCALL2(timerfd_create, s32, clock, u32, flags)
{
	if (flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		return create(clock, flags);
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		/* There is no sleep of the machine to be woken from. */
		return current->cred.euid ? -EPERM : create(clock, flags);
	default:
		return -EINVAL;
	}
}

static void arm(struct timerfd *t, u32 flags, u64 value, u64 interval) __must_hold(&timerfd_lock)
{
	bool wall_clock = t->clock == CLOCK_REALTIME || t->clock == CLOCK_REALTIME_ALARM;

	ktimer_cancel(&t->timer);
	list_del(&t->link);
	atomic_store(&t->fired, false);
	t->ticks = 0;
	t->cancelled = false;
	t->flags = flags;
	t->interval = interval;
	t->by_wall = wall_clock && (flags & TFD_TIMER_ABSTIME);
	t->wall = value;
	if (!value)
		return;
	if (t->by_wall) {
		list_add_tail(&wall_timers, &t->link);
		ktimer_set(&t->timer, deadline_of_wall(value));
	} else {
		ktimer_set(&t->timer, flags & TFD_TIMER_ABSTIME ? value : clock_deadline(value));
	}
}

/* Reads a timer and, where value is not NULL, arms it anew. */
static int exchange(s32 fd, u32 flags, const u64 *value, const u64 *interval,
		    struct itimerspec __user *old)
{
	struct file *f = fd_get(fd);
	struct timerfd *t;
	u64 old_value, old_interval;

	if (!f)
		return -EBADF;
	if (f->ops != &timerfd_ops) {
		file_put(f);
		return -EINVAL;
	}
	t = f->private;
	spin_lock(&timerfd_lock);
	old_value = time_left(t);
	old_interval = t->interval;
	if (value)
		arm(t, flags, *value, *interval);
	spin_unlock(&timerfd_lock);
	file_put(f);
	return old ? itimerspec_put(old, old_value, old_interval) : 0;
}

SYSCALL4(timerfd_settime, s32, fd, u32, flags, const struct itimerspec __user *, new,
	 struct itimerspec __user *, old)
{
	u64 value, interval;
	int err;

	if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	err = itimerspec_get(&value, &interval, new);
	return err ? err : exchange(fd, flags, &value, &interval, old);
}

SYSCALL2(timerfd_gettime, s32, fd, struct itimerspec __user *, to)
{
	long err = exchange(fd, 0, NULL, NULL, to);

	return err || to ? err : -EFAULT; /* a NULL to write to is no place, either */
}
