/* Tasks that start in the kernel: its own threads, and process 1 until it execs. */
#include "kernel/process.h"

#include "arch/clock.h"
#include "kernel/fs/vfs.h"
#include "kernel/lib/string.h"

static void default_limits(struct process *p)
{
	for (unsigned i = 0; i < NR_RLIMITS; i++)
		p->rlimits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	p->rlimits[RLIMIT_STACK].cur = 8 << 20;
	p->rlimits[RLIMIT_CORE].cur = 0;
	p->rlimits[RLIMIT_NPROC] = (struct rlimit){task_limit() / 2, task_limit() / 2};
	p->rlimits[RLIMIT_NOFILE] = (struct rlimit){1024, 4096};
	p->rlimits[RLIMIT_MEMLOCK] = (struct rlimit){8 << 20, 8 << 20};
	p->rlimits[RLIMIT_SIGPENDING] = p->rlimits[RLIMIT_NPROC];
	p->rlimits[RLIMIT_MSGQUEUE] = (struct rlimit){819200, 819200};
	p->rlimits[RLIMIT_NICE] = (struct rlimit){0, 0};
	p->rlimits[RLIMIT_RTPRIO] = (struct rlimit){0, 0};
}

/* A process that will run fn(arg) in the kernel, not yet in the table. */
static struct process *create(const char *name, void (*fn)(void *), void *arg)
{
	struct process *p = process_alloc();
	struct task *t;

	if (!p)
		return NULL;
	t = p->leader;
	strlcpy(t->comm, name, TASK_COMM_LEN);
	default_limits(p);
	t->cpu_mask = ~0ull;
	cred_exec_caps(&t->cred); /* all: its ids are 0 */
	spin_assume_held(&p->sighand_lock);
	p->sighand = sighand_create();
	if (!p->sighand) {
		process_discard(p);
		return NULL;
	}
	if (current->fs)
		t->fs = fs_context_get(current->fs);
	if (arch_task_kernel(t, fn, arg) == 0)
		return p;
	if (t->fs)
		fs_context_put(t->fs);
	process_discard(p);
	return NULL;
}

struct task *kthread_create(const char *name, void (*fn)(void *), void *arg)
{
	struct process *p = create(name, fn, arg);

	if (!p)
		return ERR_PTR(-ENOMEM);
	p->kthread = true;
	p->leader->blocked = ~0ull;

	spin_lock(&tasks_lock);
	p->pid = pid_alloc();
	if (p->pid < 0) {
		spin_unlock(&tasks_lock);
		panic("no pid for the kernel thread %s", name);
	}
	p->leader->tid = p->pid;
	pid_hold(0);
	pid_hold(0);
	process_publish(p, &idle_process);
	spin_unlock(&tasks_lock);
	sched_start(p->leader);
	return p->leader;
}

void init_start(void (*fn)(void *), void *arg)
{
	struct process *p = create("init", fn, arg);
	struct task *t;

	if (!p)
		panic("no memory for process 1");
	t = p->leader;
	if (current->files)
		t->files = fd_table_get(current->files);

	spin_lock(&tasks_lock);
	/* Group and session are nobody's, 0, so that init may call setsid(2). */
	p->pid = t->tid = 1;
	pid_take(1);
	pid_hold(0);
	pid_hold(0);
	process_publish(p, &idle_process);
	init_process = p;
	spin_unlock(&tasks_lock);
	sched_start(t);
}
