/*
 * Out of memory: a fault found no frame. The process whose death frees most is killed, and the one
 * that faulted waits for its memory to come back; where it is the victim itself it stops trying
 * and dies on its way to user mode.
 *
 * A victim that does not die (it sleeps for a lock whose holder waits for memory) is given up
 * after a while, and the next one is chosen. In the end that is the waiting process itself, so
 * the wait is finite.
 */
#include "kernel/process.h"

#include "arch/clock.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "mm/stat.h"

#define VICTIM_TIME_NS (200 * NSEC_PER_MSEC)
#define NAP_NS	       (1 * NSEC_PER_MSEC)

#define OOM_SCORE_ADJ_MIN (-1000)

/* Frames that the death of p would bring back, as its oom_score_adj weighs them; 0: spare it. */
static u64 badness(struct process *p) __must_hold(&p->sighand_lock) __must_hold(&tasks_lock)
{
	struct mm *mm = process_mm_locked(p);
	s64 points;

	if (p == init_process || p->kthread || p->zombie || !mm || mm->oom_victim ||
	    p->oom_score_adj == OOM_SCORE_ADJ_MIN)
		return 0;
	points = (s64)(mm_rss(mm) + atomic_load(&mm->table_frames));
	points += (s64)p->oom_score_adj * (s64)(frames_total() / 1000);
	return points > 0 ? (u64)points : 1;
}

/* The worst process, referenced, or NULL. */
static struct process *choose_victim(void)
{
	struct process *victim = NULL;
	u64 most = 0;

	spin_lock(&tasks_lock);
	for (struct process *p = process_first(); p; p = process_after(p)) {
		u64 points;

		spin_lock(&p->sighand_lock);
		points = badness(p);
		spin_unlock(&p->sighand_lock);
		if (points > most) {
			most = points;
			victim = p;
		}
	}
	if (victim)
		process_get(victim);
	spin_unlock(&tasks_lock);
	return victim;
}

static void kill_victim(struct process *p)
{
	struct mm *mm = process_mm(p);
	char comm[TASK_COMM_LEN];

	if (!mm)
		return;
	vm_count(VM_oom_kill);
	spin_lock(&tasks_lock);
	memcpy(comm, p->leader->comm, sizeof(comm));
	spin_unlock(&tasks_lock);
	log_err("Out of memory: killed process %d (%s), total-vm:%llukB, anon-rss:%llukB, "
		"file-rss:%llukB, shmem-rss:%llukB, oom_score_adj:%d",
		p->pid, comm, (unsigned long long)READ_ONCE(mm->total_pages) * 4,
		(unsigned long long)mm->rss[RSS_ANON] * 4,
		(unsigned long long)mm->rss[RSS_FILE] * 4,
		(unsigned long long)mm->rss[RSS_SHMEM] * 4, p->oom_score_adj);
	mm->oom_victim = true;
	spin_lock(&p->sighand_lock);
	signal_end_group(p, SIGKILL);
	spin_unlock(&p->sighand_lock);
	mm_put(mm);
}

static void kill_sharers(struct process *victim)
{
	struct mm *mm = process_mm(victim);

	if (!mm)
		return;
	/* vfork: memory comes back only when everybody who uses it is gone. */
	spin_lock(&tasks_lock);
	for (struct process *p = process_first(); p; p = process_after(p)) {
		spin_lock(&p->sighand_lock);
		if (p != victim && process_mm_locked(p) == mm && p != init_process)
			signal_end_group(p, SIGKILL);
		spin_unlock(&p->sighand_lock);
	}
	spin_unlock(&tasks_lock);
	mm_put(mm);
}

static void nap(void)
{
	struct waitq q = WAITQ_INIT(q);

	(void)wait_event_until(&q, WAIT_KILLABLE, clock_ns() + NAP_NS, false);
}

/* Who was killed last and has until when to die. Under tasks_lock. */
static s32 dying_pid;
static u64 dying_until;

static void note_victim(struct process *p, u64 until)
{
	spin_lock(&tasks_lock);
	dying_pid = p->pid;
	dying_until = until;
	spin_unlock(&tasks_lock);
}

/* True where memory is on its way back already, so that nobody else need die for it. */
static bool somebody_is_dying(void)
{
	struct process *p;
	bool dying;

	spin_lock(&tasks_lock);
	p = process_lookup(dying_pid);
	dying = p && !p->zombie && p->group_exit && clock_ns() < dying_until;
	spin_unlock(&tasks_lock);
	return dying;
}

/*
 * True where memory is there again by now, or always was and one allocation was made to fail
 * (vm.fail_nth): well above the allocator's reserve, and in blocks that serve any object.
 */
static bool memory_is_back(void)
{
	u64 counts[MAX_ORDER + 1], frames = 0;

	frames_free_by_order(counts);
	for (unsigned order = 3; order <= MAX_ORDER; order++)
		frames += counts[order] << order;
	return frames > frames_total() / 32;
}

bool oom_make_room(void)
{
	u64 free = frames_free(), deadline;
	struct process *victim;

	if (fatal_signal_pending())
		return false;
	if (memory_is_back())
		return true;
	if (somebody_is_dying()) {
		nap();
		return !fatal_signal_pending();
	}
	victim = choose_victim();
	if (!victim) {
		/* Nobody may be killed but the one that asks, process 1 included: it gets its end
		 * as a fault. */
		log_err("Out of memory, and no process to kill but %s (%d)", current->comm,
			current->tid);
		spin_lock(&current->proc->sighand_lock);
		signal_end_group(current->proc, SIGKILL);
		spin_unlock(&current->proc->sighand_lock);
		return false;
	}
	kill_victim(victim);
	kill_sharers(victim);
	deadline = clock_ns() + VICTIM_TIME_NS;
	note_victim(victim, deadline);
	while (!fatal_signal_pending() && !atomic_load(&victim->zombie) && clock_ns() < deadline &&
	       frames_free() <= free)
		nap();
	process_put(victim);
	return !fatal_signal_pending();
}
