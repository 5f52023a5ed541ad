/*
 * Interval timers: alarm(2), setitimer(2).
 *
 * ITIMER_REAL is a kernel timer. Its function runs in the timer interrupt, where no signal can be
 * sent, so it leaves WORK_TIMER with a task of the process, which sends the process SIGALRM on its
 * way to user mode or when it asks whether a signal is pending. ITIMER_VIRTUAL and ITIMER_PROF count
 * the ticks that find a task of the process running.
 */
#include "kernel/process.h"

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/syscalls.h"

enum { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };

struct itimerval {
	struct timeval interval, value;
};

/* A task that comes to see its work bits soon, if there is one. Under p->threads_lock. */
static struct task *attentive(struct process *p)
{
	struct task *t;

	list_for_each (t, &p->threads, thread_link) {
		enum task_state state = atomic_load(&t->state);

		if (!atomic_load(&t->exiting) &&
		    (state == TASK_RUNNING || state == TASK_INTERRUPTIBLE))
			return t;
	}
	return list_empty(&p->threads) ? NULL : list_first(&p->threads, struct task, thread_link);
}

void itimer_alert(struct process *p)
{
	u64 flags = spin_lock_irq(&p->threads_lock);
	struct task *t = attentive(p);

	if (t) {
		atomic_or(&t->work, WORK_TIMER);
		if (!sched_wake(t, 1u << TASK_INTERRUPTIBLE))
			sched_kick(t);
	}
	spin_unlock_irq(&p->threads_lock, flags);
}

static void expired(struct ktimer *timer)
{
	itimer_alert(timer->arg);
}

void itimer_init(struct process *p)
{
	ktimer_init(&p->itimer, expired, p);
}

void itimer_stop(struct process *p)
{
	spin_lock(&p->sighand_lock);
	p->itimer_interval_ns = 0;
	ktimer_cancel(&p->itimer);
	spin_unlock(&p->sighand_lock);
}

/* The next of the times `last` + n * interval that lies ahead. */
static u64 next_period(u64 last, u64 interval, u64 now)
{
	u64 missed = now > last ? (now - last) / interval : 0;

	return last + (missed + 1) * interval;
}

/* Sends what a CPU-time timer owes: it has counted down to 0. */
static void expire_cpu(struct process *p, struct cpu_itimer *it, int sig)
{
	if (!atomic_load(&it->fired) || !atomic_xchg(&it->fired, false))
		return;
	(void)signal_process(p, sig, NULL);
}

/* RLIMIT_CPU is passed: SIGXCPU once a second, SIGKILL at the hard limit. */
static void expire_cpu_limit(struct process *p)
{
	const struct rlimit *limit = &p->rlimits[RLIMIT_CPU];
	struct rusage_counts u;
	u64 seconds;

	if (!atomic_load(&p->cpu_limit_passed))
		return;
	atomic_store(&p->cpu_limit_passed, false);
	process_usage(p, &u);
	seconds = (u.utime_ns + u.stime_ns) / NSEC_PER_SEC;
	if (seconds >= limit->max) {
		(void)signal_process(p, SIGKILL, NULL);
	} else if (seconds >= limit->cur && seconds > p->xcpu_second) {
		p->xcpu_second = seconds;
		(void)signal_process(p, SIGXCPU, NULL);
	}
}

void itimer_expire(void)
{
	struct process *p = current->proc;
	u64 now = clock_ns();
	bool real;

	spin_lock(&p->sighand_lock);
	atomic_and(&current->work, ~WORK_TIMER);
	real = p->itimer.deadline && !p->itimer.queued && p->itimer.deadline <= now;
	if (real && p->itimer_interval_ns)
		ktimer_set(&p->itimer, next_period(p->itimer.deadline, p->itimer_interval_ns, now));
	else if (real)
		p->itimer.deadline = 0;
	spin_unlock(&p->sighand_lock);
	if (real)
		(void)signal_process(p, SIGALRM, NULL);
	expire_cpu(p, &p->itimer_virtual, SIGVTALRM);
	expire_cpu(p, &p->itimer_prof, SIGPROF);
	expire_cpu_limit(p);
	posix_timers_expire(p);
}

static void count_down(struct task *t, struct cpu_itimer *it, u64 ran)
{
	u64 left = atomic_load(&it->left_ns), next;

	/* Another CPU's tick may count for another task. */
	do {
		if (!left)
			return;
		next = left > ran ? left - ran : atomic_load(&it->interval_ns);
	} while (!atomic_cas(&it->left_ns, &left, next));
	if (left > ran)
		return;
	atomic_store(&it->fired, true);
	atomic_or(&t->work, WORK_TIMER);
}

void itimer_tick(struct task *t, bool user, u64 ran)
{
	struct process *p = t->proc;

	if (user)
		count_down(t, &p->itimer_virtual, ran);
	count_down(t, &p->itimer_prof, ran);
	/* What several tasks have used is added up where a lock may be taken. */
	if (p->rlimits[RLIMIT_CPU].cur != RLIM_INFINITY) {
		atomic_store(&p->cpu_limit_passed, true);
		atomic_or(&t->work, WORK_TIMER);
	}
	if (atomic_load(&p->cpu_timers))
		atomic_or(&t->work, WORK_TIMER);
}

/* Reads ITIMER_REAL and, where `set`, arms it anew. */
static void real_timer(bool set, u64 *value, u64 *interval)
{
	struct process *p = current->proc;
	u64 now = clock_ns(), old_value = 0, old_interval;

	spin_lock(&p->sighand_lock);
	old_interval = p->itimer_interval_ns;
	if (p->itimer.queued)
		old_value = p->itimer.deadline > now ? p->itimer.deadline - now : 1;
	if (set) {
		ktimer_cancel(&p->itimer);
		p->itimer.deadline = 0;
		p->itimer_interval_ns = *interval;
		if (*value)
			ktimer_set(&p->itimer, clock_deadline(*value));
	}
	spin_unlock(&p->sighand_lock);
	*value = old_value;
	*interval = old_interval;
}

static void cpu_timer(struct cpu_itimer *it, bool set, u64 *value, u64 *interval)
{
	u64 old_interval = atomic_load(&it->interval_ns), old_value;

	if (set) {
		/* The interval first: a tick that finds the new value goes on with it. */
		atomic_store(&it->interval_ns, *interval);
		atomic_store(&it->fired, false);
		old_value = atomic_xchg(&it->left_ns, *value);
	} else {
		old_value = atomic_load(&it->left_ns);
	}
	*value = old_value;
	*interval = old_interval;
}

static int do_itimer(int which, bool set, u64 *value, u64 *interval)
{
	switch (which) {
	case ITIMER_REAL:
		real_timer(set, value, interval);
		return 0;
	case ITIMER_VIRTUAL:
		cpu_timer(&current->proc->itimer_virtual, set, value, interval);
		return 0;
	case ITIMER_PROF:
		cpu_timer(&current->proc->itimer_prof, set, value, interval);
		return 0;
	default:
		return -EINVAL;
	}
}

static int put_itimer(struct itimerval __user *to, u64 value, u64 interval)
{
	if (timeval_put(&to->value, value) || timeval_put(&to->interval, interval))
		return -EFAULT;
	return 0;
}

SYSCALL2(getitimer, int, which, struct itimerval __user *, old)
{
	u64 value = 0, interval = 0;
	int err = do_itimer(which, false, &value, &interval);

	return err ? err : put_itimer(old, value, interval);
}

SYSCALL3(setitimer, int, which, const struct itimerval __user *, new, struct itimerval __user *,
	 old)
{
	u64 value = 0, interval = 0;
	int err;

	if (new) {
		err = timeval_get(&value, &new->value);
		if (!err)
			err = timeval_get(&interval, &new->interval);
		if (err)
			return err;
	}
	err = do_itimer(which, true, &value, &interval);
	return err || !old ? err : put_itimer(old, value, interval);
}

SYSCALL1(alarm, u32, seconds)
{
	u64 value = seconds * NSEC_PER_SEC, interval = 0;

	real_timer(true, &value, &interval);
	/* To the nearest second, but what is left is never told as nothing. */
	if (value && value < NSEC_PER_SEC)
		return 1;
	return (long)((value + NSEC_PER_SEC / 2) / NSEC_PER_SEC);
}
