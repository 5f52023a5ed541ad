/*
 * Tasks and processes as objects: their memory, pids, and the table of all processes.
 *
 * References to a process: one of the table's while it is in it, one of each of its tasks until
 * that task runs no more, and those of whoever looked it up. The process refers to its leader in
 * turn, since /proc shows that one after its end. kernel/thread.c has the other tasks.
 */
#include "kernel/process.h"

#include "arch/clock.h"
#include "arch/kstack.h"
#include "kernel/fs/vfs.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/rusage.h"

#define PID_FIRST_AGAIN 300 /* numbers below are not used a second time */
#define TASKS_MAX	30000
#define GUARDED		__guarded_by_global(&tasks_lock)

spinlock_t tasks_lock = SPINLOCK_INIT(LOCK_TASKS);
struct process *init_process;

static struct rb_tree processes GUARDED;
static u32 nr_processes GUARDED;
static u64 nr_forks GUARDED;
static u16 pid_uses[PID_MAX] GUARDED; /* as tid, group and session: 2 * TASKS_MAX + 1 at most */
static u32 nr_tids GUARDED;	      /* taken by pid_alloc() */
static s32 last_pid GUARDED = 1;      /* which is init's, whenever it starts */

static struct slab_cache *process_cache, *task_cache;
struct process idle_process;
static struct sighand idle_sighand;
static struct task idle_task;

struct task *task_alloc(void)
{
	struct task *t = slab_zalloc(task_cache);

	if (!t)
		return NULL;
	t->refs = 1;
	list_init(&t->run_link);
	list_init(&t->thread_link);
	sigpending_init(&t->pending);
	t->start_ns = clock_ns();
	return t;
}

void task_get(struct task *t)
{
	atomic_inc(&t->refs);
}

void task_put(struct task *t)
{
	if (atomic_dec(&t->refs) == 0)
		slab_free(task_cache, t);
}

static void process_setup(struct process *p, struct task *leader)
{
	p->refs = 1;
	p->leader = leader;
	leader->refs = 2;
	spin_assume_held(&tasks_lock);
	spin_assume_held(&p->sighand_lock);
	leader->proc = p;
	list_init(&p->children);
	list_init(&p->sem_undos);
	list_init(&p->sibling);
	list_init(&p->threads);
	spin_init(&p->threads_lock, LOCK_THREADS);
	waitq_init(&p->child_wait);
	spin_init(&p->sighand_lock, LOCK_SIGHAND);
	sigpending_init(&p->shared);
	itimer_init(p);
	list_init(&p->timers);
	p->dumpable = true;
	p->start_ns = leader->start_ns;
}

struct process *process_alloc(void)
{
	struct process *p = slab_zalloc(process_cache);
	struct task *t = task_alloc();

	if (!p || !t) {
		if (p)
			slab_free(process_cache, p);
		if (t)
			task_put(t);
		return NULL;
	}
	process_setup(p, t);
	return p;
}

void process_get(struct process *p)
{
	atomic_inc(&p->refs);
}

void process_put(struct process *p)
{
	if (atomic_dec(&p->refs))
		return;
	spin_assume_held(&tasks_lock);
	spin_assume_held(&p->sighand_lock);
	DEBUG_ASSERT(p->reaped || !p->pid);
	if (p->sighand)
		sighand_put(p->sighand);
	task_put(p->leader);
	slab_free(process_cache, p);
}

void process_discard(struct process *p)
{
	task_put(p->leader); /* it never ran */
	process_put(p);
}

void task_reclaim(struct task *t)
{
	struct process *p = t->proc;

	arch_task_free(t);
	task_put(t);
	process_put(p);
}

u32 task_limit(void)
{
	/* A process takes some 32 frames to live: beyond that, fork should fail before memory does.
	 */
	return (u32)min(frames_total() / 32, (u64)TASKS_MAX);
}

void pid_take(s32 pid)
{
	pid_uses[pid]++;
	nr_tids++;
}

s32 pid_alloc(void)
{
	s32 pid = last_pid;

	if (nr_tids >= task_limit())
		return -EAGAIN;
	do {
		if (++pid >= PID_MAX)
			pid = PID_FIRST_AGAIN;
		if (pid == last_pid)
			return -EAGAIN;
	} while (pid_uses[pid]);
	last_pid = pid;
	pid_take(pid);
	return pid;
}

void pid_free(s32 pid)
{
	nr_tids--;
	pid_drop(pid);
}

void pid_hold(s32 pid)
{
	pid_uses[pid]++;
}

void pid_drop(s32 pid)
{
	DEBUG_ASSERT(pid_uses[pid]);
	pid_uses[pid]--;
}

void process_publish(struct process *p, struct process *parent)
{
	struct rb_node **link = &processes.root, *above = NULL;

	while (*link) {
		above = *link;
		link = p->pid < rb_entry(above, struct process, pid_node)->pid ? &above->left
									       : &above->right;
	}
	rb_insert_at(&processes, &p->pid_node, above, link);
	nr_processes++;
	nr_forks++;
	/* No lock: it is here that others come to know of it. */
	spin_assume_held(&p->sighand_lock);
	list_add_tail(&p->threads, &p->leader->thread_link);
	p->nr_threads = p->nr_live = 1;
	p->parent = parent;
	list_add_tail(&parent->children, &p->sibling);
	process_get(p); /* the table's */
}

void process_unpublish(struct process *p)
{
	rb_erase(&processes, &p->pid_node);
	nr_processes--;
	list_del(&p->sibling);
	p->reaped = true;
	pid_free(p->pid);
	pid_drop(p->pgid);
	pid_drop(p->sid);
}

struct process *process_lookup(s32 pid)
{
	struct rb_node *n = processes.root;

	while (n) {
		struct process *p = rb_entry(n, struct process, pid_node);

		if (p->pid == pid)
			return p;
		n = pid < p->pid ? n->left : n->right;
	}
	return NULL;
}

struct process *process_first(void)
{
	struct rb_node *n = rb_first(&processes);

	return n ? rb_entry(n, struct process, pid_node) : NULL;
}

struct process *process_after(struct process *p)
{
	struct rb_node *n = rb_next(&p->pid_node);

	return n ? rb_entry(n, struct process, pid_node) : NULL;
}

struct process *process_find(s32 pid)
{
	struct process *p;

	spin_lock(&tasks_lock);
	p = process_lookup(pid);
	if (p)
		process_get(p);
	spin_unlock(&tasks_lock);
	return p;
}

struct process *process_next(s32 pid)
{
	struct process *best = NULL;
	struct rb_node *n;

	spin_lock(&tasks_lock);
	n = processes.root;
	while (n) {
		struct process *p = rb_entry(n, struct process, pid_node);

		if (p->pid >= pid) {
			best = p;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	if (best)
		process_get(best);
	spin_unlock(&tasks_lock);
	return best;
}

u32 process_count(void)
{
	return atomic_load(&nr_processes);
}

s32 process_last_pid(void)
{
	return atomic_load(&last_pid);
}

u32 task_count(void)
{
	return atomic_load(&nr_tids);
}

u64 process_forks(void)
{
	return atomic_load(&nr_forks);
}

void process_count_fork(void)
{
	nr_forks++;
}

u32 task_count_of(u32 uid)
{
	u32 n = 0;

	for (struct process *p = process_first(); p; p = process_after(p))
		if (p->leader->cred.uid == uid)
			n += max(p->nr_threads, 1u);
	return n;
}

u32 task_count_blocked(void)
{
	struct process *p;
	struct task *t;
	u32 n = 0;

	spin_lock(&tasks_lock);
	for (p = process_first(); p; p = process_after(p))
		list_for_each (t, &p->threads, thread_link)
			n += task_state(t) == 'D';
	spin_unlock(&tasks_lock);
	return n;
}

struct mm *process_mm_locked(struct process *p)
{
	struct task *t;

	if (p->leader->mm)
		return p->leader->mm;
	list_for_each (t, &p->threads, thread_link)
		if (t->mm)
			return t->mm;
	return NULL;
}

struct mm *process_mm(struct process *p)
{
	struct mm *mm;

	/* A task lets go of its mm under its process's sighand_lock. */
	spin_lock(&p->sighand_lock);
	mm = process_mm_locked(p);
	if (mm)
		mm_get(mm);
	spin_unlock(&p->sighand_lock);
	return mm;
}

s32 process_ppid(struct process *p)
{
	s32 pid;

	spin_lock(&tasks_lock);
	pid = p->parent ? p->parent->pid : 0;
	spin_unlock(&tasks_lock);
	return pid;
}

char task_state(struct task *t)
{
	const struct process *p = t->proc;

	/* It may yet run its last steps. */
	if (list_empty(&t->thread_link))
		return 'Z';
	switch (atomic_load(&t->state)) {
	case TASK_RUNNING:
		return p->kthread && t != current && !t->on_queue ? 'S' : 'R';
	case TASK_INTERRUPTIBLE:
		return 'S';
	case TASK_STOPPED:
		return 'T';
	case TASK_ZOMBIE:
	case TASK_DEAD:
		return 'Z';
	default:
		return p->kthread ? 'S' : 'D';
	}
}

/* Under sighand_lock. */
static void usage_locked(struct task *t, struct rusage_counts *u)
{
	*u = t->usage;
	task_times(t, &u->utime_ns, &u->stime_ns);
	if (t->mm)
		u->max_rss = max(mm_rss(t->mm), t->mm->peak_rss);
}

void process_usage_locked(struct process *p, struct rusage_counts *own)
{
	struct task *t;

	*own = p->usage;
	list_for_each (t, &p->threads, thread_link) {
		struct rusage_counts u;

		usage_locked(t, &u);
		rusage_add(own, &u);
	}
}

void process_usage(struct process *p, struct rusage_counts *own)
{
	spin_lock(&p->sighand_lock);
	process_usage_locked(p, own);
	spin_unlock(&p->sighand_lock);
}

void task_usage(struct task *t, struct rusage_counts *u)
{
	spin_lock(&t->proc->sighand_lock);
	usage_locked(t, u);
	spin_unlock(&t->proc->sighand_lock);
}

bool task_may_look(const struct task *t)
{
	const struct cred *me = &current->cred, *it = &t->cred;

	if (t->proc == current->proc || me->euid == 0)
		return true;
	return t->proc->dumpable && me->fsuid == it->uid && me->fsuid == it->euid &&
	       me->fsuid == it->suid && me->fsgid == it->gid && me->fsgid == it->egid &&
	       me->fsgid == it->sgid;
}

void process_child_usage(struct process *p, struct rusage_counts *children)
{
	spin_lock(&p->sighand_lock);
	*children = p->child_usage;
	spin_unlock(&p->sighand_lock);
}

void task_init(void)
{
	process_cache = slab_create("process", sizeof(struct process), 64);
	task_cache = slab_create("task", sizeof(struct task), 64);
	if (!process_cache || !task_cache)
		panic("no memory for the caches of tasks");
	sighand_init();
	signal_init();
	futex_init();

	list_init(&idle_task.run_link);
	list_init(&idle_task.thread_link);
	sigpending_init(&idle_task.pending);
	process_setup(&idle_process, &idle_task);
	idle_process.kthread = true;
	idle_sighand.refs = 1;
	spin_init(&idle_sighand.lock, LOCK_SIGACTION);
	spin_assume_held(&idle_process.sighand_lock);
	idle_process.sighand = &idle_sighand;
	strlcpy(idle_task.comm, "idle", TASK_COMM_LEN);
	arch_task_adopt(&idle_task);
	sched_adopt_idle(&idle_task);
}

struct task *sched_create_idle(u32 cpu)
{
	struct task *t = task_alloc();

	if (!t)
		return NULL;
	t->kstack = kstack_alloc();
	if (!t->kstack) {
		task_put(t);
		return NULL;
	}
	t->proc = &idle_process;
	snprintf(t->comm, TASK_COMM_LEN, "idle/%u", cpu);
	return t;
}

void sched_discard_idle(struct task *t)
{
	kstack_free(t->kstack);
	task_put(t);
}
