/*
 * The queues of timers, by deadline, and the timer interrupt that empties them.
 *
 * Each CPU has a queue. A timer goes to that of the CPU which sets it, whose interrupt is armed for
 * the first of its queue, and whose interrupt calls the timer's function; timer->cpu names the queue
 * and changes under the lock of the old one, but not while the function runs, so that cancelling
 * finds it there. Its owner sees to it that nobody sets and cancels one timer at once; the function
 * may set it anew, and so may the owner while the function runs.
 */
#include "kernel/timer.h"

#include "arch/clock.h"
#include "kernel/lock.h"
#include "kernel/sched.h"

static struct queue {
	spinlock_t lock; /* LOCK_TIMER: and the fields of the timers on it */
	struct rb_tree timers __guarded_by(&lock);
	struct ktimer *first __guarded_by(&lock);   /* NULL: it is empty */
	struct ktimer *running __guarded_by(&lock); /* its function is being called */
	u64 armed; /* what the CPU's interrupt is set to; ~0: nothing. Its own, interrupts off */
} __aligned(64) queues[MAX_CPUS] = {
    [0 ... MAX_CPUS - 1] = {.lock = SPINLOCK_INIT(LOCK_TIMER), .armed = ~0ull}};

void timer_need(u64 deadline)
{
	u64 *armed = &queues[cpu_id()].armed;

	if (deadline >= *armed)
		return;
	*armed = deadline;
	timer_arm(deadline);
}

void ktimer_init(struct ktimer *t, void (*fn)(struct ktimer *t), void *arg)
{
	*t = (struct ktimer){.fn = fn, .arg = arg};
}

static void insert(struct queue *q, struct ktimer *t) __must_hold(&q->lock)
{
	struct rb_node **link = &q->timers.root, *parent = NULL;
	bool leftmost = true;

	while (*link) {
		parent = *link;
		if (t->deadline < container_of(parent, struct ktimer, node)->deadline) {
			link = &parent->left;
		} else {
			link = &parent->right;
			leftmost = false;
		}
	}
	rb_insert_at(&q->timers, &t->node, parent, link);
	t->queued = true;
	if (leftmost)
		q->first = t;
}

static void take(struct queue *q, struct ktimer *t) __must_hold(&q->lock)
{
	if (q->first == t) {
		struct rb_node *next = rb_next(&t->node);

		q->first = next ? container_of(next, struct ktimer, node) : NULL;
	}
	rb_erase(&q->timers, &t->node);
	t->queued = false;
}

/* Interrupts are off. */
static struct queue *lock_queue_of(struct ktimer *t) __no_lock_analysis /* returns it */
{
	for (;;) {
		u32 cpu = atomic_load(&t->cpu);
		struct queue *q = &queues[cpu];

		spin_lock(&q->lock);
		if (likely(cpu == atomic_load(&t->cpu)))
			return q;
		spin_unlock(&q->lock);
	}
}

void ktimer_set(struct ktimer *t, u64 deadline)
{
	u64 flags = irq_save();
	struct queue *q = lock_queue_of(t);

	spin_assert_held(&q->lock);
	if (t->queued)
		take(q, t);
	if (q != &queues[cpu_id()] && q->running != t) {
		atomic_store(&t->cpu, cpu_id());
		spin_unlock(&q->lock);
		q = &queues[cpu_id()];
		spin_lock(&q->lock);
	}
	t->deadline = deadline;
	insert(q, t);
	/* On another CPU the function runs: run_expired() looks at the queue once it is done. */
	if (q == &queues[cpu_id()])
		timer_need(deadline);
	spin_unlock(&q->lock);
	irq_restore(flags);
}

bool ktimer_cancel(struct ktimer *t)
{
	bool was = false, runs;

	do {
		u64 flags = irq_save();
		struct queue *q = lock_queue_of(t);

		spin_assert_held(&q->lock);
		if (t->queued) {
			take(q, t);
			was = true;
		}
		runs = q->running == t && q != &queues[cpu_id()];
		spin_unlock(&q->lock);
		irq_restore(flags);
		if (unlikely(runs))
			cpu_relax();
	} while (unlikely(runs));
	return was;
}

static void run_expired(struct queue *q, u64 now)
{
	spin_lock(&q->lock);
	while (q->first && q->first->deadline <= now) {
		struct ktimer *t = q->first;

		take(q, t);
		q->running = t;
		spin_unlock(&q->lock);
		t->fn(t);
		spin_lock(&q->lock);
		q->running = NULL;
	}
	if (q->first)
		timer_need(q->first->deadline);
	spin_unlock(&q->lock);
}

void timer_interrupt(bool user)
{
	struct queue *q = &queues[cpu_id()];
	u64 now = clock_ns();

	q->armed = ~0ull;
	run_expired(q, now);
	sched_tick(user, now);
}
