/*
 * Sending signals: who may, what is dropped, what is queued, who is woken.
 *
 *	ignored		Dropped when sent, unless the target blocks it (it may have a handler by the
 *			time that it is unblocked).
 *	plain		Below SIGRTMIN: pending once, however often it is sent.
 *	real-time	Queued each time, up to RLIMIT_SIGPENDING.
 *	fatal		One that will kill the process for certain marks it and its tasks at once
 *			(group_exit, killed), so that a killable sleep ends too.
 *	to a process	Pending for all its tasks; one that takes it is woken. Where that one blocks
 *			it or exits before it comes to it, others are (signal_pass_on).
 *	process 1	Takes no signal that it has no handler for, SIGKILL included; a fault of its
 *			own ends it.
 *
 * sighand_lock guards all of it. WORK_SIGNAL of a task says that signal_deliver() has something to
 * look at; it is set with the pending bit and cleared by recalc() alone.
 */
#include "kernel/process.h"

#include "kernel/lib/string.h"

struct sigqueue {
	struct list_head link;
	struct siginfo info;
};

#define STOP_SIGNALS (SIGMASK(SIGSTOP) | SIGMASK(SIGTSTP) | SIGMASK(SIGTTIN) | SIGMASK(SIGTTOU))
#define FAULT_SIGNALS                                                              \
	(SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) | \
	 SIGMASK(SIGFPE) | SIGMASK(SIGSYS))

static struct slab_cache *queue_cache;

void sigpending_init(struct sigpending *s)
{
	s->set = 0;
	list_init(&s->queue);
}

static void drop_entry(struct process *p, struct sigqueue *q) __must_hold(&p->sighand_lock)
{
	list_del(&q->link);
	p->nr_queued--;
	slab_free(queue_cache, q);
}

/* An entry is taken or forgotten: *info has been its. A timer whose signal it was goes on. */
static void take_entry(struct process *p, struct sigqueue *q, struct siginfo *info)
    __must_hold(&p->sighand_lock)
{
	*info = q->info;
	drop_entry(p, q);
	if (info->code == SI_TIMER)
		posix_timer_taken(p, info);
}

/* Forgets the pending signals of `mask`. */
static void forget(struct process *p, struct sigpending *s, u64 mask) __must_hold(&p->sighand_lock)
{
	struct sigqueue *q, *tmp;
	struct siginfo info;

	if (!(s->set & mask))
		return;
	s->set &= ~mask;
	list_for_each_safe (q, tmp, &s->queue, link)
		if (mask & SIGMASK(q->info.signo))
			take_entry(p, q, &info);
}

void sigpending_flush(struct process *p, struct sigpending *s)
{
	forget(p, s, ~0ull);
}

static void forget_everywhere(struct process *p, u64 mask) __must_hold(&p->sighand_lock)
{
	struct task *t;

	forget(p, &p->shared, mask);
	list_for_each (t, &p->threads, thread_link)
		forget(p, &t->pending, mask);
}

enum default_action signal_default(int sig)
{
	switch (sig) {
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
	case SIGCONT:
		return DEFAULT_IGNORE;
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return DEFAULT_STOP;
	case SIGQUIT:
	case SIGILL:
	case SIGTRAP:
	case SIGABRT:
	case SIGBUS:
	case SIGFPE:
	case SIGSEGV:
	case SIGXCPU:
	case SIGXFSZ:
	case SIGSYS:
		return DEFAULT_CORE;
	default:
		return DEFAULT_END;
	}
}

bool signal_unkillable(const struct process *p)
{
	return p == init_process || p->kthread;
}

static u64 handler_of(const struct process *p, int sig) __must_hold(&p->sighand_lock)
{
	return p->sighand->actions[sig - 1].handler;
}

static bool ignored(const struct process *p, int sig) __must_hold(&p->sighand_lock)
{
	u64 handler = handler_of(p, sig);

	if (handler == SIG_DFL)
		return signal_default(sig) == DEFAULT_IGNORE || signal_unkillable(p);
	return handler == SIG_IGN;
}

void signal_recalc(struct task *t)
{
	struct process *p = t->proc;

	spin_assert_held(&p->sighand_lock);
	if (((t->pending.set | p->shared.set) & ~t->blocked) || t->killed || p->stop_sig ||
	    p->continue_notify)
		atomic_or(&t->work, WORK_SIGNAL);
	else
		atomic_and(&t->work, ~WORK_SIGNAL);
}

static void alert(struct task *t, u32 states)
{
	atomic_or(&t->work, WORK_SIGNAL);
	/* Who runs this is awake, or looks at its work before it sleeps. */
	if (t != current && !sched_wake(t, states))
		sched_kick(t);
}

void signal_alert(struct task *t)
{
	alert(t, 1u << TASK_INTERRUPTIBLE);
}

/* Of t alone: its process may go on. */
static void kill_task(struct task *t)
{
	atomic_store(&t->killed, true);
	t->stopped = t->stop_taken = false;
	alert(t, 1u << TASK_INTERRUPTIBLE | 1u << TASK_KILLABLE | 1u << TASK_STOPPED);
}

void signal_end_group(struct process *p, int code)
{
	struct task *t;

	if (p->group_exit)
		return;
	p->group_exit = true;
	p->exit_code = code;
	p->stop_sig = 0;
	list_for_each (t, &p->threads, thread_link)
		kill_task(t);
}

void signal_end_others(struct task *t)
{
	struct process *p = t->proc;
	struct task *other;

	spin_assert_held(&p->sighand_lock);
	t->stop_taken = false;
	list_for_each (other, &p->threads, thread_link)
		if (other != t)
			kill_task(other);
	/* A stop that is under way goes on: none counts as stopped now. The others count when they
	 * exit, t when it comes to stop, and the last of them tells the parent. */
	if (p->stop_sig)
		p->stop_left = p->nr_live;
}

static void resume(struct process *p) __must_hold(&p->sighand_lock)
{
	struct task *t;

	list_for_each (t, &p->threads, thread_link)
		t->stop_taken = false;
	if (!p->stop_sig)
		return;
	p->stop_sig = 0;
	p->stop_unseen = false;
	p->continue_unseen = true;
	/* Of a stop that was still under way the parent is told now. */
	p->continue_notify = p->stop_left ? CLD_STOPPED : CLD_CONTINUED;
	list_for_each (t, &p->threads, thread_link) {
		t->stopped = false;
		alert(t, 1u << TASK_STOPPED);
	}
}

bool signal_count_stop(struct process *p)
{
	if (!p->stop_sig || --p->stop_left)
		return false;
	p->stop_unseen = true;
	return true;
}

/* What sending does before anything is pending. False: the signal goes nowhere. */
static bool prepare(struct process *p, struct task *t, int sig) __must_hold(&p->sighand_lock)
{
	if (p->group_exit || list_empty(&p->threads) || (t && t->exiting))
		return false;
	if (STOP_SIGNALS & SIGMASK(sig)) {
		forget_everywhere(p, SIGMASK(SIGCONT));
	} else if (sig == SIGCONT) {
		forget_everywhere(p, STOP_SIGNALS);
		resume(p);
	}
	if (!t)
		t = p->leader;
	if ((t->blocked | t->awaited) & SIGMASK(sig))
		return true;
	return !ignored(p, sig);
}

/* False: no memory. */
static bool queue(struct process *p, struct sigpending *s, int sig, const struct siginfo *info)
    __must_hold(&p->sighand_lock)
{
	struct sigqueue *q = slab_alloc(queue_cache);

	if (!q)
		return false;
	if (info)
		q->info = *info;
	else
		q->info = (struct siginfo){.code = SI_KERNEL};
	q->info.signo = sig;
	list_add_tail(&s->queue, &q->link);
	p->nr_queued++;
	return true;
}

static int enqueue(struct process *p, struct sigpending *s, int sig, const struct siginfo *info)
    __must_hold(&p->sighand_lock)
{
	bool must_queue = sig >= SIGRTMIN && info && info->code != SI_USER, queued = false;

	if (sig < SIGRTMIN && (s->set & SIGMASK(sig)))
		return 0;
	if (sig < SIGRTMIN || p->nr_queued < p->rlimits[RLIMIT_SIGPENDING].cur)
		queued = queue(p, s, sig, info);
	/* A plain signal without an entry is still a signal, only nobody knows who sent it. */
	if (!queued && must_queue)
		return -EAGAIN;
	s->set |= SIGMASK(sig);
	return 0;
}

/* The signals that t waits for or does not block. */
static u64 taken_by(const struct task *t)
{
	return t->exiting ? 0 : ~t->blocked | t->awaited;
}

static bool takes(const struct task *t, int sig)
{
	return taken_by(t) & SIGMASK(sig);
}

/*
 * Attends to nothing but SIGKILL until SIGCONT has it go on. That it has yet to stop is no
 * difference, since it will before it looks at signals, but for one that runs: it may have come from
 * there just now.
 */
static bool is_stopped(const struct task *t)
{
	return t->stopped ||
	       (READ_ONCE(t->proc->stop_sig) && t != current && !READ_ONCE(t->on_cpu));
}

/* The task that should take a signal of the whole process: the leader if it can, and rather one
 * that has nothing else to attend to. */
static struct task *receiver(struct process *p, int sig)
{
	struct task *t, *found = NULL;

	list_for_each (t, &p->threads, thread_link) {
		if (!takes(t, sig) || (sig != SIGKILL && is_stopped(t)))
			continue;
		if (!(atomic_load(&t->work) & WORK_SIGNAL))
			return t;
		if (!found)
			found = t;
	}
	return found;
}

void signal_pass_on(struct task *t, u64 mask)
{
	struct process *p = t->proc;
	struct task *other;

	spin_assert_held(&p->sighand_lock);
	mask &= p->shared.set;
	list_for_each (other, &p->threads, thread_link) {
		if (!mask)
			break;
		if (other == t || !(mask & taken_by(other)))
			continue;
		mask &= ~taken_by(other);
		alert(other, 1u << TASK_INTERRUPTIBLE);
	}
}

static void notify_receiver(struct process *p, struct task *t, int sig)
    __must_hold(&p->sighand_lock)
{
	bool kills;

	if (!t)
		t = receiver(p, sig);
	if (!t || !takes(t, sig) || (sig != SIGKILL && is_stopped(t)))
		return;
	kills =
	    sig == SIGKILL || (handler_of(p, sig) == SIG_DFL &&
			       signal_default(sig) == DEFAULT_END && !(t->awaited & SIGMASK(sig)));
	if (kills && !signal_unkillable(p))
		signal_end_group(p, sig);
	else
		alert(t, 1u << TASK_INTERRUPTIBLE);
}

/* sig has become pending. */
static void tell(struct process *p, struct task *t, int sig) __must_hold(&p->sighand_lock)
{
	notify_receiver(p, t, sig);
	if (unlikely(atomic_load(&p->reads_signals)))
		signalfd_wake(p);
}

/* To t, or where that is NULL to any task of p. Under p->sighand_lock. */
static int send(struct process *p, struct task *t, int sig, const struct siginfo *info)
    __must_hold(&p->sighand_lock)
{
	int err;

	if (!prepare(p, t, sig))
		return 0;
	err = enqueue(p, t ? &t->pending : &p->shared, sig, info);
	if (!err)
		tell(p, t, sig);
	return err;
}

bool signal_from_timer(struct process *p, struct task *t, const struct siginfo *info)
{
	struct sigpending *s = t ? &t->pending : &p->shared;

	if (!prepare(p, t, info->signo) || !queue(p, s, info->signo, info))
		return false;
	s->set |= SIGMASK(info->signo);
	tell(p, t, info->signo);
	return true;
}

void signal_forget_timer(struct process *p, struct task *t, int sig, s32 id)
{
	struct sigpending *s = t ? &t->pending : &p->shared;
	struct sigqueue *q, *tmp;
	bool others = false;

	list_for_each_safe (q, tmp, &s->queue, link) {
		if (q->info.signo != sig)
			continue;
		if (q->info.code == SI_TIMER && q->info.timer.tid == id)
			drop_entry(p, q);
		else
			others = true;
	}
	if (!others)
		s->set &= ~SIGMASK(sig);
}

int signal_process(struct process *p, int sig, const struct siginfo *info)
{
	int err;

	spin_lock(&p->sighand_lock);
	err = send(p, NULL, sig, info);
	spin_unlock(&p->sighand_lock);
	return err;
}

int signal_task(struct task *t, int sig, const struct siginfo *info)
{
	int err;

	spin_lock(&t->proc->sighand_lock);
	err = send(t->proc, t, sig, info);
	spin_unlock(&t->proc->sighand_lock);
	return err;
}

void signal_fault(int sig, int code, vaddr_t addr)
{
	struct task *t = current;
	struct process *p = t->proc;
	struct siginfo info = {.signo = sig, .code = code};

	info.fault.addr = addr;
	spin_lock(&p->sighand_lock);
	/* The instruction would fault again at once: without a handler to call, this is the end. */
	if ((t->blocked & SIGMASK(sig)) || handler_of(p, sig) <= SIG_IGN)
		signal_end_group(p, sig);
	else
		(void)send(p, t, sig, &info);
	spin_unlock(&p->sighand_lock);
}

void signal_force_segv(int while_delivering)
{
	struct process *p = current->proc;

	if (while_delivering == SIGSEGV) {
		/* Its own handler cannot be called: there is nobody left to tell. */
		spin_lock(&p->sighand_lock);
		signal_end_group(p, SIGSEGV);
		spin_unlock(&p->sighand_lock);
		return;
	}
	signal_fault(SIGSEGV, SI_KERNEL, 0);
}

int signal_permitted(struct process *p, int sig)
{
	const struct cred *me = &current->cred, *it = &p->leader->cred;

	if (p == current->proc) /* whatever ids its threads have */
		return 0;
	if (me->euid == 0 || me->euid == it->suid || me->euid == it->uid || me->uid == it->suid ||
	    me->uid == it->uid)
		return 0;
	if (sig == SIGCONT && p->sid == current->proc->sid)
		return 0;
	return -EPERM;
}

int signal_group_locked(s32 pgid, int sig, const struct siginfo *info, bool check)
{
	int result = -ESRCH;

	for (struct process *p = process_first(); p; p = process_after(p)) {
		int err;

		if (p->pgid != pgid || p->kthread)
			continue;
		err = check ? signal_permitted(p, sig) : 0;
		if (!err && sig)
			err = signal_process(p, sig, info);
		/* One success is success. */
		if (!err || result == -ESRCH)
			result = err;
	}
	return result;
}

int signal_group(s32 pgid, int sig, const struct siginfo *info)
{
	int err;

	spin_lock(&tasks_lock);
	err = signal_group_locked(pgid, sig, info, false);
	spin_unlock(&tasks_lock);
	return err;
}

static struct sigqueue *find_entry(struct sigpending *s, int sig, bool *more)
{
	struct sigqueue *q, *found = NULL;

	*more = false;
	list_for_each (q, &s->queue, link) {
		if (q->info.signo != sig)
			continue;
		if (found) {
			*more = true;
			break;
		}
		found = q;
	}
	return found;
}

static int take_from(struct process *p, struct sigpending *s, u64 wanted, struct siginfo *info)
    __must_hold(&p->sighand_lock)
{
	u64 set = s->set & wanted;
	struct sigqueue *q;
	bool more;
	int sig;

	if (!set)
		return 0;
	if (set & FAULT_SIGNALS)
		set &= FAULT_SIGNALS;
	sig = __builtin_ctzll(set) + 1;
	q = find_entry(s, sig, &more);
	if (q) {
		take_entry(p, q, info);
	} else {
		*info = (struct siginfo){.signo = sig, .code = SI_USER};
	}
	if (!more)
		s->set &= ~SIGMASK(sig);
	return sig;
}

int signal_take(struct task *t, u64 wanted, struct siginfo *info)
{
	struct process *p = t->proc;
	int sig;

	spin_assert_held(&p->sighand_lock);
	sig = take_from(p, &t->pending, wanted, info);
	return sig ? sig : take_from(p, &p->shared, wanted, info);
}

void signal_forget_ignored(struct process *p, int sig)
{
	if (ignored(p, sig))
		forget_everywhere(p, SIGMASK(sig));
}

bool signal_pending(void)
{
	struct task *t = current;

	if (unlikely(atomic_load(&t->work) & WORK_TIMER))
		itimer_expire();
	return atomic_load(&t->work) & WORK_SIGNAL;
}

bool fatal_signal_pending(void)
{
	return atomic_load(&current->killed);
}

void task_signals(struct task *t, struct signal_view *v)
{
	struct process *p = t->proc;

	*v = (struct signal_view){0};
	spin_lock(&p->sighand_lock);
	v->pending = t->pending.set;
	v->shared_pending = p->shared.set;
	v->blocked = t->blocked;
	v->queued = p->nr_queued;
	for (int sig = 1; sig <= NSIG; sig++) {
		u64 handler = handler_of(p, sig);

		if (handler == SIG_IGN)
			v->ignored |= SIGMASK(sig);
		else if (handler != SIG_DFL)
			v->caught |= SIGMASK(sig);
	}
	spin_unlock(&p->sighand_lock);
}

void signal_init(void)
{
	queue_cache = slab_create("sigqueue", sizeof(struct sigqueue), 16);
	if (!queue_cache)
		panic("no memory for the cache of queued signals");
	signalfd_init();
}
