/* The queue of timers, by deadline, and the timer interrupt that empties it. */
#include "kernel/timer.h"

#include "arch/clock.h"
#include "kernel/lock.h"
#include "kernel/sched.h"

/* LOCK_TIMER: the queue, and the fields of the timers on it. Taken in the timer interrupt. */
static spinlock_t timer_lock = SPINLOCK_INIT(LOCK_TIMER);
static struct rb_tree timers;
static struct ktimer *first; /* of the queue; NULL: it is empty */

/* What each CPU's interrupt is set to, ~0: to nothing. That CPU's own, with interrupts off. */
static u64 armed[MAX_CPUS] = {[0 ... MAX_CPUS - 1] = ~0ull};

void timer_need(u64 deadline)
{
	u64 *mine = &armed[cpu_id()];

	if (deadline >= *mine)
		return;
	*mine = deadline;
	timer_arm(deadline);
}

void ktimer_init(struct ktimer *t, void (*fn)(struct ktimer *t), void *arg)
{
	*t = (struct ktimer){.fn = fn, .arg = arg};
}

static void queue(struct ktimer *t)
{
	struct rb_node **link = &timers.root, *parent = NULL;
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
	rb_insert_at(&timers, &t->node, parent, link);
	t->queued = true;
	if (leftmost)
		first = t;
}

static void unqueue(struct ktimer *t)
{
	if (first == t) {
		struct rb_node *next = rb_next(&t->node);

		first = next ? container_of(next, struct ktimer, node) : NULL;
	}
	rb_erase(&timers, &t->node);
	t->queued = false;
}

void ktimer_set(struct ktimer *t, u64 deadline)
{
	u64 flags = spin_lock_irq(&timer_lock);

	if (t->queued)
		unqueue(t);
	t->deadline = deadline;
	queue(t);
	timer_need(deadline);
	spin_unlock_irq(&timer_lock, flags);
}

bool ktimer_cancel(struct ktimer *t)
{
	u64 flags = spin_lock_irq(&timer_lock);
	bool was = t->queued;

	if (was)
		unqueue(t);
	spin_unlock_irq(&timer_lock, flags);
	return was;
}

static void run_expired(u64 now)
{
	spin_lock(&timer_lock);
	while (first && first->deadline <= now) {
		struct ktimer *t = first;

		unqueue(t);
		spin_unlock(&timer_lock);
		t->fn(t);
		spin_lock(&timer_lock);
	}
	if (first)
		timer_need(first->deadline);
	spin_unlock(&timer_lock);
}

void timer_interrupt(bool user)
{
	u64 now = clock_ns();

	armed[cpu_id()] = ~0ull;
	run_expired(now);
	sched_tick(user, now);
}
