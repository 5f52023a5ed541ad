/*
 * Threads: the tasks of a process besides its leader, by number; and how execve(2) makes do with
 * one task.
 *
 * A thread is in the table of tids and in its process's list from its birth to thread_leave(). The
 * leader is found by the process's number instead. It leaves the list at its end like the others,
 * but stays the leader: a process whose leader has ended goes on until the last task has, or until
 * another executes a program and takes its place and number.
 */
#include "kernel/process.h"

#include "kernel/rusage.h"

/* Tasks that are no leaders, by tid. Under tasks_lock. */
static struct rb_tree threads;

static struct task *find(s32 tid)
{
	struct rb_node *n = threads.root;

	while (n) {
		struct task *t = rb_entry(n, struct task, tid_node);

		if (t->tid == tid)
			return t;
		n = tid < t->tid ? n->left : n->right;
	}
	return NULL;
}

struct task *task_lookup(s32 tid)
{
	struct task *t = find(tid);
	struct process *p;

	if (t)
		return t;
	p = process_lookup(tid);
	return p ? p->leader : NULL;
}

struct task *task_find(s32 tid)
{
	struct task *t;

	spin_lock(&tasks_lock);
	t = task_lookup(tid);
	if (t)
		task_get(t);
	spin_unlock(&tasks_lock);
	return t;
}

struct process *process_of_task(s32 tid)
{
	struct process *p = NULL;
	struct task *t;

	spin_lock(&tasks_lock);
	t = task_lookup(tid);
	if (t) {
		p = t->proc;
		process_get(p);
	}
	spin_unlock(&tasks_lock);
	return p;
}

static void insert(struct task *t) __must_hold(&tasks_lock)
{
	struct rb_node **link = &threads.root, *above = NULL;

	while (*link) {
		above = *link;
		link = t->tid < rb_entry(above, struct task, tid_node)->tid ? &above->left
									    : &above->right;
	}
	rb_insert_at(&threads, &t->tid_node, above, link);
}

static void erase(struct task *t) __must_hold(&tasks_lock)
{
	rb_erase(&threads, &t->tid_node);
	pid_free(t->tid);
}

static void add(struct process *p, struct task *t) __must_hold(&p->sighand_lock)
{
	u64 flags = spin_lock_irq(&p->threads_lock);

	list_add_tail(&p->threads, &t->thread_link);
	p->nr_threads++;
	p->nr_live++;
	spin_unlock_irq(&p->threads_lock, flags);
}

int thread_publish(struct task *t)
{
	struct process *p = current->proc;
	int err = 0;

	spin_lock(&tasks_lock);
	spin_lock(&p->sighand_lock);
	if (atomic_load(&current->work) & WORK_SIGNAL) {
		err = -ERESTARTNOINTR;
	} else {
		add(p, t);
		insert(t);
		process_get(p);
		process_count_fork();
	}
	spin_unlock(&p->sighand_lock);
	spin_unlock(&tasks_lock);
	return err;
}

bool thread_leave(struct task *t)
{
	struct process *p = t->proc;
	struct rusage_counts u = t->usage;
	bool last;
	u64 flags;

	spin_lock(&p->sighand_lock);
	task_times(t, &u.utime_ns, &u.stime_ns);
	rusage_add(&p->usage, &u);
	flags = spin_lock_irq(&p->threads_lock);
	list_del(&t->thread_link);
	last = --p->nr_threads == 0;
	spin_unlock_irq(&p->threads_lock, flags);
	sigpending_flush(p, &t->pending);
	if (last)
		sigpending_flush(p, &p->shared);
	if (t != p->leader)
		erase(t);
	if (p->exec_task)
		waitq_wake_all(&p->child_wait);
	spin_unlock(&p->sighand_lock);
	return last;
}

bool thread_is_alone(void)
{
	const struct process *p = current->proc;

	/* Only a task of the process can add one. */
	return READ_ONCE(p->nr_threads) == 1 && READ_ONCE(p->leader) == current;
}

static int start_exec(struct task *t)
{
	struct process *p = t->proc;
	int err = 0;

	spin_lock(&p->sighand_lock);
	if (t->killed) {
		err = -EAGAIN;
	} else {
		p->exec_task = t;
		signal_end_others(t);
	}
	spin_unlock(&p->sighand_lock);
	return err;
}

/* The leader has ended: t takes its place. */
static void succeed_leader(struct task *t) __must_hold(&tasks_lock)
{
	struct process *p = t->proc;
	struct task *old = p->leader;

	erase(t);
	t->tid = p->pid;
	t->exit_signal =
	    SIGCHLD; /* at once: killed before exec is done, it must be waited for as any child */
	t->start_ns = old->start_ns;
	task_get(t);
	p->leader = t;
	task_put(old);
}

int threads_end_others(void)
{
	struct task *t = current;
	struct process *p = t->proc;
	int err = start_exec(t);

	if (err)
		return err;
	(void)wait_event_killable(&p->child_wait, atomic_load(&p->nr_threads) == 1);
	spin_lock(&tasks_lock);
	spin_lock(&p->sighand_lock);
	p->exec_task = NULL;
	if (t->killed)
		err = -EAGAIN;
	else if (t != p->leader)
		succeed_leader(t);
	spin_unlock(&p->sighand_lock);
	spin_unlock(&tasks_lock);
	return err;
}
