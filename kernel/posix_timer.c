/*
 * POSIX timers: timer_create(2) and its kin.
 *
 *	armed		Its kernel timer is set, where there is anything to tell.
 *	fired		The kernel timer's function has run. As with ITIMER_REAL it can send no signal, and
 *			has a task of the process see to it.
 *	awaited		The signal is queued. Only when it is taken or forgotten are the periods
 *			counted that have passed meanwhile (the overrun), and is the timer armed
 *			again: a timer never has more than one signal queued. Set anew or deleted, it
 *			takes that one back.
 *
 * A timer of CPU time has no kernel timer: p->cpu_timers makes a tick that finds a task of the process running have
 * it look whether such a timer has run out.
 *
 * A signal that is ignored, or whose task has ended, is not queued, and the timer goes on at once, though
 * not sooner than in a tick: nobody would come to anything between two expirations.
 */
#include "kernel/process.h"

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/cpu_clock.h"
#include "kernel/syscalls.h"

enum { SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD = 2, SIGEV_THREAD_ID = 4 };

#define TIMER_ABSTIME 1

struct sigevent {
	u64 value;
	s32 signo, notify, tid;
	u8 rest[44];
};
_Static_assert(sizeof(struct sigevent) == 64, "sigevent is 64 bytes");

struct posix_timer {
	s32 id, clock;
	struct sigevent event;
	struct process *proc;
	struct task *task;    /* SIGEV_THREAD_ID: referenced */
	bool fired;	      /* atomic */
	struct cpu_clock cpu; /* what it goes by, where it has a proc */

	/* under proc->sighand_lock */
	struct list_head link; /* in proc->timers */
	struct ktimer timer;
	u64 deadline; /* of now_of(): the next expiration, or that which is awaited; 0: disarmed */
	u64 interval;
	bool awaited;
	s32 overrun; /* of the last signal taken */
};

static void fire(struct ktimer *timer)
{
	struct posix_timer *t = timer->arg;

	atomic_store(&t->fired, true);
	itimer_alert(t->proc);
}

static bool by_cpu_time(const struct posix_timer *t)
{
	return t->cpu.proc;
}

static u64 now_of(const struct posix_timer *t)
{
	if (!by_cpu_time(t))
		return clock_ns();
	spin_assume_held(&t->cpu.proc->sighand_lock); /* t->proc, whose lock is held */
	return cpu_clock_now_locked(&t->cpu);
}

/* How often the interval has passed since the deadline. */
static u64 periods_since(const struct posix_timer *t, u64 now)
{
	return now > t->deadline && t->interval ? (now - t->deadline) / t->interval : 0;
}

static void arm(struct posix_timer *t)
{
	if (t->event.notify == SIGEV_NONE)
		return;
	if (by_cpu_time(t))
		atomic_store(&t->proc->cpu_timers, true);
	else
		ktimer_set(&t->timer, t->deadline);
}

/* After an expiration: the first period's that ends after `from`, or the end. Returns the periods that were missed. */
static s32 go_on(struct posix_timer *t, u64 from)
{
	u64 missed = periods_since(t, from);

	if (t->interval) {
		t->deadline += (missed + 1) * t->interval;
		arm(t);
	} else {
		t->deadline = 0;
	}
	return (s32)min(missed, (u64)INT32_MAX);
}

static void send(struct posix_timer *t)
{
	struct siginfo info = {.signo = t->event.signo, .code = SI_TIMER};

	spin_assert_held(&t->proc->sighand_lock);
	info.timer.tid = t->id;
	info.timer.value = t->event.value;
	t->awaited = signal_from_timer(t->proc, t->task, &info);
	if (!t->awaited)
		(void)go_on(t, now_of(t) + (t->interval < TICK_NS ? TICK_NS : 0));
}

/* Under the lock. A timer of CPU time that may yet run out is noted in p->cpu_timers. */
static bool has_run_out(struct posix_timer *t)
{
	if (!by_cpu_time(t))
		return atomic_load(&t->fired) && atomic_xchg(&t->fired, false);
	if (!t->deadline || t->awaited || t->event.notify == SIGEV_NONE)
		return false;
	if (now_of(t) >= t->deadline)
		return true;
	atomic_store(&t->proc->cpu_timers, true);
	return false;
}

void posix_timers_expire(struct process *p)
{
	struct posix_timer *t;

	if (READ_ONCE(p->timers.next) == &p->timers && !atomic_load(&p->cpu_timers))
		return;
	spin_lock(&p->sighand_lock);
	atomic_store(&p->cpu_timers, false);
	list_for_each (t, &p->timers, link)
		if (has_run_out(t))
			send(t);
	spin_unlock(&p->sighand_lock);
}

/* Under p->sighand_lock. */
static struct posix_timer *find(struct process *p, s32 id) __must_hold(&p->sighand_lock)
{
	struct posix_timer *t;

	list_for_each (t, &p->timers, link)
		if (t->id == id)
			return t;
	return NULL;
}

void posix_timer_taken(struct process *p, struct siginfo *info)
{
	struct posix_timer *t = find(p, info->timer.tid);

	/* Anybody may send what looks like a timer's signal. */
	if (!t || !t->awaited || t->event.signo != info->signo)
		return;
	t->awaited = false;
	t->overrun = info->timer.overrun = go_on(t, now_of(t));
}

/* Under the lock: t's function does not run any more, and no signal of it is on its way. */
static void disarm(struct posix_timer *t)
{
	spin_assert_held(&t->proc->sighand_lock);
	ktimer_cancel(&t->timer);
	atomic_store(&t->fired, false);
	if (t->awaited)
		signal_forget_timer(t->proc, t->task, t->event.signo, t->id);
	t->awaited = false;
}

/* The same, and it is unlinked. */
static void stop(struct posix_timer *t)
{
	disarm(t);
	spin_assert_held(&t->proc->sighand_lock);
	list_del(&t->link);
	t->proc->nr_timers--;
}

static void discard(struct posix_timer *t)
{
	if (t->task)
		task_put(t->task);
	if (by_cpu_time(t))
		cpu_clock_put(&t->cpu);
	kfree(t);
}

void posix_timers_end(struct process *p)
{
	struct list_head all = LIST_INIT(all);
	struct posix_timer *t, *tmp;

	if (READ_ONCE(p->timers.next) == &p->timers)
		return;
	spin_lock(&p->sighand_lock);
	list_for_each_safe (t, tmp, &p->timers, link) {
		stop(t);
		list_add(&all, &t->link);
	}
	spin_unlock(&p->sighand_lock);
	list_for_each_safe (t, tmp, &all, link)
		discard(t);
}

/* ---- the calls ---- */

enum clock_kind { NO_CLOCK, NO_TIMERS, CPU_TIME, WALL, WALL_ALARM, SINCE_BOOT, SINCE_BOOT_ALARM };

static enum clock_kind kind_of(s32 clock)
{
	static const u8 kinds[] = {
	    WALL,	      /* CLOCK_REALTIME */
	    SINCE_BOOT,	      /* CLOCK_MONOTONIC */
	    CPU_TIME,	      /* CLOCK_PROCESS_CPUTIME_ID */
	    CPU_TIME,	      /* CLOCK_THREAD_CPUTIME_ID */
	    NO_TIMERS,	      /* CLOCK_MONOTONIC_RAW */
	    NO_TIMERS,	      /* CLOCK_REALTIME_COARSE */
	    NO_TIMERS,	      /* CLOCK_MONOTONIC_COARSE */
	    SINCE_BOOT,	      /* CLOCK_BOOTTIME */
	    WALL_ALARM,	      /* CLOCK_REALTIME_ALARM */
	    SINCE_BOOT_ALARM, /* CLOCK_BOOTTIME_ALARM */
	    NO_CLOCK,
	    WALL, /* CLOCK_TAI */
	};

	if (clock < 0)
		return clock_is_device(clock) ? NO_TIMERS : CPU_TIME;
	return (u32)clock < ARRAY_SIZE(kinds) ? (enum clock_kind)kinds[clock] : NO_CLOCK;
}

static bool goes_by_wall(const struct posix_timer *t)
{
	enum clock_kind kind = kind_of(t->clock);

	return kind == WALL || kind == WALL_ALARM;
}

/* Finds the clock of t->clock, of its kind. 0 or an error. */
static int find_clock(struct posix_timer *t, enum clock_kind kind)
{
	struct cpu_clock c;
	int err;

	if (kind != CPU_TIME)
		/* CAP_WAKE_ALARM: it would wake the machine, which never sleeps here. */
		return (kind == WALL_ALARM || kind == SINCE_BOOT_ALARM) && current->cred.euid
			   ? -EPERM
			   : 0;
	err = cpu_clock_get(t->clock, &c);
	if (err)
		return err;
	/* Ticks look at the timers of those whom they find running. */
	if (c.proc != t->proc) {
		cpu_clock_put(&c);
		return -EOPNOTSUPP;
	}
	t->cpu = c;
	return 0;
}

/* Checks what the signal is and who gets it. 0 or -EINVAL. */
static int check_event(struct posix_timer *t)
{
	struct task *task;

	switch (t->event.notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_THREAD_ID:
		task = task_find(t->event.tid);
		if (!task)
			return -EINVAL;
		t->task = task;
		if (task->proc != current->proc)
			return -EINVAL;
		break;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		break;
	default:
		return -EINVAL;
	}
	return t->event.signo > 0 && t->event.signo <= NSIG ? 0 : -EINVAL;
}

/* Gives t a number and adds it to the process's. 0 or -EAGAIN. */
static int publish(struct posix_timer *t, bool value_is_id)
{
	struct process *p = t->proc;
	int err = -EAGAIN;

	spin_lock(&p->sighand_lock);
	if (p->nr_timers < p->rlimits[RLIMIT_SIGPENDING].cur) {
		do
			t->id = p->next_timer++ & INT32_MAX;
		while (find(p, t->id));
		if (value_is_id)
			t->event.value = (u64)t->id;
		list_add_tail(&p->timers, &t->link);
		p->nr_timers++;
		err = 0;
	}
	spin_unlock(&p->sighand_lock);
	return err;
}

static long drop(s32 id)
{
	struct process *p = current->proc;
	struct posix_timer *t;

	spin_lock(&p->sighand_lock);
	t = find(p, id);
	if (t)
		stop(t);
	spin_unlock(&p->sighand_lock);
	if (!t)
		return -EINVAL;
	discard(t);
	return 0;
}

static long create(struct posix_timer *t, bool value_is_id, s32 __user *to)
{
	int clock_err = 0, err = check_event(t);
	s32 id;

	if (!err) {
		clock_err = find_clock(t, kind_of(t->clock));
		err = publish(t, value_is_id);
	}
	if (err) {
		discard(t);
		return err;
	}
	/* From here on another task may delete it. In Linux's order, what the clock says comes last. */
	id = t->id;
	err = put_user(id, to) ? -EFAULT : clock_err;
	if (err)
		(void)drop(id);
	return err;
}

SYSCALL3(timer_create, s32, clock, const struct sigevent __user *, event, s32 __user *, to)
{
	struct posix_timer *t;

	if (kind_of(clock) == NO_CLOCK)
		return -EINVAL;
	if (kind_of(clock) == NO_TIMERS)
		return -EOPNOTSUPP;
	t = kzalloc(sizeof(*t));
	if (!t)
		return -EAGAIN;
	t->clock = clock;
	t->proc = current->proc;
	t->event.signo = SIGALRM;
	list_init(&t->link);
	ktimer_init(&t->timer, fire, t);
	if (event && copy_from_user(&t->event, event, sizeof(t->event))) {
		kfree(t);
		return -EFAULT;
	}
	return create(t, !event, to);
}

/* What is left till the next expiration. Under the lock. */
static u64 time_left(const struct posix_timer *t)
{
	u64 now = now_of(t), next = t->deadline;

	if (next && next <= now && t->interval)
		next += (periods_since(t, now) + 1) * t->interval;
	if (next > now)
		return next - now;
	/* About to fire: what is left is never told as nothing while there is a signal to come. */
	return next && t->event.notify != SIGEV_NONE && !t->awaited;
}

static void set(struct posix_timer *t, int flags, u64 value, u64 interval)
{
	u64 now = goes_by_wall(t) ? clock_wall_ns() : now_of(t);

	disarm(t);
	t->overrun = 0;
	t->interval = interval;
	t->deadline = 0;
	if (!value)
		return;
	if (flags & TIMER_ABSTIME)
		value = value > now ? value - now : 0;
	t->deadline = by_cpu_time(t) ? now + min(value, INT64_MAX - now) : clock_deadline(value);
	arm(t);
	/* It may have run out already, and it may be long until the next tick. */
	if (by_cpu_time(t))
		atomic_or(&current->work, WORK_TIMER);
}

SYSCALL2(timer_gettime, s32, id, struct itimerspec __user *, to)
{
	struct process *p = current->proc;
	u64 value = 0, interval = 0;
	struct posix_timer *t;

	spin_lock(&p->sighand_lock);
	t = find(p, id);
	if (t) {
		value = time_left(t);
		interval = t->interval;
	}
	spin_unlock(&p->sighand_lock);
	return t ? itimerspec_put(to, value, interval) : -EINVAL;
}

SYSCALL4(timer_settime, s32, id, int, flags, const struct itimerspec __user *, new,
	 struct itimerspec __user *, old)
{
	struct process *p = current->proc;
	u64 value, interval, old_value = 0, old_interval = 0;
	struct posix_timer *t;
	int err;

	if (!new)
		return -EINVAL;
	err = itimerspec_get(&value, &interval, new);
	if (err)
		return err;
	spin_lock(&p->sighand_lock);
	t = find(p, id);
	if (t) {
		old_value = time_left(t);
		old_interval = t->interval;
		set(t, flags, value, interval);
	}
	spin_unlock(&p->sighand_lock);
	if (!t)
		return -EINVAL;
	return old ? itimerspec_put(old, old_value, old_interval) : 0;
}

SYSCALL1(timer_getoverrun, s32, id)
{
	struct process *p = current->proc;
	struct posix_timer *t;
	s32 n = -EINVAL;

	spin_lock(&p->sighand_lock);
	t = find(p, id);
	if (t)
		n = t->overrun;
	spin_unlock(&p->sighand_lock);
	return n;
}

SYSCALL1(timer_delete, s32, id)
{
	return drop(id);
}
