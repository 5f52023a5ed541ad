/* Clocks, sleeping, and CPU time: the system calls that tell or wait for the time. */
#include "kernel/process.h"

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/cpu_clock.h"
#include "kernel/fs/timerfd.h"
#include "kernel/rusage.h"
#include "kernel/syscalls.h"

enum {
	CLOCK_REALTIME = 0,
	CLOCK_MONOTONIC = 1,
	CLOCK_MONOTONIC_RAW = 4,
	CLOCK_REALTIME_COARSE = 5,
	CLOCK_MONOTONIC_COARSE = 6,
	CLOCK_BOOTTIME = 7,
	CLOCK_REALTIME_ALARM = 8,
	CLOCK_BOOTTIME_ALARM = 9,
	CLOCK_TAI = 11,
};

#define TIMER_ABSTIME 1
#define MAX_SECONDS   (INT64_MAX / (s64)NSEC_PER_SEC)

/* ---- times in user memory ---- */

static u64 saturate(s64 sec, s64 nsec)
{
	return sec >= MAX_SECONDS ? INT64_MAX : (u64)sec * NSEC_PER_SEC + (u64)nsec;
}

int timespec_get(u64 *ns, const struct timespec __user *p)
{
	struct timespec ts;

	if (copy_from_user(&ts, p, sizeof(ts)))
		return -EFAULT;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= (s64)NSEC_PER_SEC)
		return -EINVAL;
	*ns = saturate(ts.tv_sec, ts.tv_nsec);
	return 0;
}

int timespec_put(struct timespec __user *p, u64 ns)
{
	struct timespec ts = {(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC)};

	return copy_to_user(p, &ts, sizeof(ts)) ? -EFAULT : 0;
}

int itimerspec_put(struct itimerspec __user *p, u64 value, u64 interval)
{
	return timespec_put(&p->interval, interval) ?: timespec_put(&p->value, value);
}

int itimerspec_get(u64 *value, u64 *interval, const struct itimerspec __user *p)
{
	return timespec_get(value, &p->value) ?: timespec_get(interval, &p->interval);
}

int timeval_get(u64 *ns, const struct timeval __user *p)
{
	struct timeval tv;

	if (copy_from_user(&tv, p, sizeof(tv)))
		return -EFAULT;
	if (tv.tv_sec < 0 || tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EINVAL;
	*ns = saturate(tv.tv_sec, tv.tv_usec * (s64)NSEC_PER_USEC);
	return 0;
}

int timeval_get_any(u64 *ns, const struct timeval __user *p)
{
	struct timeval tv;
	s64 more;

	if (copy_from_user(&tv, p, sizeof(tv)))
		return -EFAULT;
	if (tv.tv_sec < 0 || tv.tv_usec < 0)
		return -EINVAL;
	more = tv.tv_usec / 1000000;
	*ns = saturate(min(tv.tv_sec, MAX_SECONDS) + min(more, MAX_SECONDS),
		       tv.tv_usec % 1000000 * (s64)NSEC_PER_USEC);
	return 0;
}

static struct timeval to_timeval(u64 ns)
{
	return (struct timeval){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
}

int timeval_put(struct timeval __user *p, u64 ns)
{
	struct timeval tv = to_timeval(ns);

	return copy_to_user(p, &tv, sizeof(tv)) ? -EFAULT : 0;
}

u64 clock_deadline(u64 ns)
{
	u64 now = clock_ns();

	return ns >= INT64_MAX - now ? WAIT_FOREVER : now + ns;
}

/* ---- clocks ---- */

static int read_clock(s32 clock, u64 *ns)
{
	if (cpu_clock_is(clock))
		return cpu_clock_read(clock, ns);
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*ns = clock_wall_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*ns = clock_ns();
		return 0;
	default:
		return -EINVAL;
	}
}

SYSCALL2(clock_gettime, s32, clock, struct timespec __user *, to)
{
	u64 ns;
	int err = read_clock(clock, &ns);

	return err ? err : timespec_put(to, ns);
}

SYSCALL2(clock_getres, s32, clock, struct timespec __user *, to)
{
	u64 ns;
	int err = read_clock(clock, &ns);

	if (err || !to)
		return err;
	return timespec_put(to, 1);
}

static int set_wall(u64 ns)
{
	if (!task_is_root(current))
		return -EPERM;
	clock_set_wall_ns(ns);
	timerfd_clock_was_set();
	return 0;
}

SYSCALL2(clock_settime, s32, clock, const struct timespec __user *, from)
{
	u64 ns;
	int err;

	if (clock != CLOCK_REALTIME)
		return -EINVAL;
	err = timespec_get(&ns, from);
	return err ? err : set_wall(ns);
}

SYSCALL2(gettimeofday, struct timeval __user *, tv, void __user *, zone)
{
	u64 none = 0; /* struct timezone: Greenwich, no summer time */

	if (tv && timeval_put(tv, clock_wall_ns()))
		return -EFAULT;
	if (zone && copy_to_user(zone, &none, sizeof(none)))
		return -EFAULT;
	return 0;
}

SYSCALL2(settimeofday, const struct timeval __user *, tv, const void __user *, zone)
{
	u64 ns;
	int err;

	(void)zone;
	if (!tv)
		return task_is_root(current) ? 0 : -EPERM;
	err = timeval_get(&ns, tv);
	return err ? err : set_wall(ns);
}

SYSCALL1(time, s64 __user *, to)
{
	s64 now = (s64)(clock_wall_ns() / NSEC_PER_SEC);

	if (to && put_user(now, to))
		return -EFAULT;
	return now;
}

/* ---- sleeping ---- */

static long put_rest(struct timespec __user *rest, u64 deadline)
{
	u64 now = clock_ns();

	if (rest && timespec_put(rest, deadline > now ? deadline - now : 0))
		return -EFAULT;
	return -ERESTART_RESTARTBLOCK;
}

/* Sleeps till `deadline` of clock_ns(). A call that starts again sleeps till the same moment. */
static long sleep_until(struct task *t)
{
	struct waitq q = WAITQ_INIT(q);
	u64 deadline = t->restart_arg[0];
	long err = wait_event_until(&q, WAIT_INTERRUPTIBLE, deadline, false);

	if (err == -ETIMEDOUT)
		return 0;
	t->restart = sleep_until;
	return put_rest((struct timespec __user *)t->restart_arg[1], deadline);
}

static long sleep_relative(u64 ns, struct timespec __user *rest)
{
	struct task *t = current;

	t->restart_arg[0] = clock_deadline(ns);
	t->restart_arg[1] = (u64)rest;
	return sleep_until(t);
}

static long sleep_absolute(s32 clock, u64 ns)
{
	struct waitq q = WAITQ_INIT(q);
	u64 now;
	long err = read_clock(clock, &now);

	if (err)
		return err;
	if (ns <= now)
		return 0;
	err = wait_event_until(&q, WAIT_INTERRUPTIBLE, clock_deadline(ns - now), false);
	return err == -ETIMEDOUT ? 0 : -ERESTARTNOHAND;
}

SYSCALL2(nanosleep, const struct timespec __user *, request, struct timespec __user *, rest)
{
	u64 ns;
	int err = timespec_get(&ns, request);

	return err ? err : sleep_relative(ns, rest);
}

SYSCALL4(clock_nanosleep, s32, clock, int, flags, const struct timespec __user *, request,
	 struct timespec __user *, rest)
{
	bool alarm = false;
	u64 ns;
	int err;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		break;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_THREAD_CPUTIME_ID:
		return -EOPNOTSUPP;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		alarm = true;
		break;
	default:
		if (!cpu_clock_is(clock))
			return clock_is_device(clock) ? -EOPNOTSUPP : -EINVAL;
	}
	err = timespec_get(&ns, request);
	if (err)
		return err;
	if (cpu_clock_is(clock))
		return cpu_clock_sleep(clock, flags & TIMER_ABSTIME, ns, rest);
	/* CAP_WAKE_ALARM: it would wake the machine, which never sleeps here. */
	if (alarm && current->cred.euid)
		return -EPERM;
	return flags & TIMER_ABSTIME ? sleep_absolute(clock, ns) : sleep_relative(ns, rest);
}

/* ---- CPU time and use ---- */

void rusage_fill(struct rusage *r, const struct rusage_counts *u)
{
	*r = (struct rusage){
	    .utime = to_timeval(u->utime_ns),
	    .stime = to_timeval(u->stime_ns),
	    .maxrss = (s64)(u->max_rss * (PAGE_SIZE / 1024)),
	    .minflt = (s64)u->min_flt,
	    .majflt = (s64)u->maj_flt,
	    .nvcsw = (s64)u->nvcsw,
	    .nivcsw = (s64)u->nivcsw,
	};
}

void rusage_add(struct rusage_counts *sum, const struct rusage_counts *u)
{
	sum->utime_ns += u->utime_ns;
	sum->stime_ns += u->stime_ns;
	sum->min_flt += u->min_flt;
	sum->maj_flt += u->maj_flt;
	sum->nvcsw += u->nvcsw;
	sum->nivcsw += u->nivcsw;
	sum->max_rss = max(sum->max_rss, u->max_rss);
}

SYSCALL2(getrusage, int, who, struct rusage __user *, to)
{
	struct task *t = current;
	struct rusage_counts u;
	struct rusage r;

	switch (who) {
	case 0: /* RUSAGE_SELF */
		process_usage(t->proc, &u);
		break;
	case -1: /* RUSAGE_CHILDREN */
		process_child_usage(t->proc, &u);
		break;
	case 1: /* RUSAGE_THREAD */
		task_usage(t, &u);
		break;
	default:
		return -EINVAL;
	}
	rusage_fill(&r, &u);
	return copy_to_user(to, &r, sizeof(r)) ? -EFAULT : 0;
}

struct tms {
	s64 utime, stime, cutime, cstime;
};

SYSCALL1(times, struct tms __user *, to)
{
	struct rusage_counts own, children;
	struct tms t;

	if (to) {
		process_usage(current->proc, &own);
		process_child_usage(current->proc, &children);
		t = (struct tms){
		    (s64)(own.utime_ns / NSEC_PER_TICK),
		    (s64)(own.stime_ns / NSEC_PER_TICK),
		    (s64)(children.utime_ns / NSEC_PER_TICK),
		    (s64)(children.stime_ns / NSEC_PER_TICK),
		};
		if (copy_to_user(to, &t, sizeof(t)))
			return -EFAULT;
	}
	return (long)(clock_ns() / NSEC_PER_TICK);
}
