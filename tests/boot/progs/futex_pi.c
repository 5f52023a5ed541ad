/* Futexes with an owner: who gets the lock next, be it unlocked or its owner dead. */
#include "futex.h"

static uint32_t word, word2;

#define LOCK(addr)   futex(addr, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0)
#define TRY(addr)    futex(addr, FUTEX_TRYLOCK_PI | PRIVATE, 0, NULL, NULL, 0)
#define UNLOCK(addr) futex(addr, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0)

TEST(pi_alone)
{
	uint32_t me = tid_now();

	word = 0;
	OK(LOCK(&word));
	EQ(word, me);
	FAILS(LOCK(&word), EDEADLK);
	FAILS(TRY(&word), EDEADLK);
	OK(UNLOCK(&word));
	EQ(word, 0);
	FAILS(UNLOCK(&word), EPERM);
	OK(TRY(&word));
	EQ(word, me);
	OK(UNLOCK(&word));
	word = 1 << 22;
	FAILS(LOCK(&word), ESRCH);
	FAILS(TRY(&word), ESRCH);
	FAILS(UNLOCK(&word), EPERM);
	/* Of one whose owner died one becomes the owner, and learns that. */
	word = FUTEX_OWNER_DIED;
	OK(LOCK(&word));
	EQ(word, me | FUTEX_OWNER_DIED);
	OK(UNLOCK(&word));
	EQ(word, 0);
	word = 2; /* a thread of the kernel's */
	FAILS(LOCK(&word), EPERM);
	FAILS(futex((uint32_t *)((char *)&word + 1), FUTEX_LOCK_PI, 0, NULL, NULL, 0), EINVAL);
	FAILS(futex((uint32_t *)8, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0), EFAULT);
}

struct locker {
	pthread_t thread;
	volatile pid_t tid;
	volatile int has_it, leave;
	struct timespec *until;
	int op;
	bool dies;
};

static void *lock_it(void *arg)
{
	struct locker *l = arg;
	long r;

	l->tid = tid_now();
	r = futex(&word, (l->op ? l->op : FUTEX_LOCK_PI) | PRIVATE, 0, l->until, NULL, 0);
	if (r < 0)
		return (void *)(long)errno;
	l->has_it = 1;
	while (!l->leave)
		sleep_ms(1);
	if (!l->dies)
		OK(UNLOCK(&word));
	return NULL;
}

static void locker_start(struct locker *l)
{
	l->thread = start(lock_it, l);
	await_sleep(&l->tid);
}

static void await_has(struct locker *l)
{
	for (int i = 0; i < 1000 && !l->has_it; i++)
		sleep_ms(1);
	EQ(l->has_it, 1);
}

TEST(pi_handed_over)
{
	struct locker l[3] = {{0}};
	uint32_t me = tid_now();

	word = me;
	for (int i = 0; i < 3; i++)
		locker_start(&l[i]);
	EQ(word, me | FUTEX_WAITERS);
	FAILS(futex(&word, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0), EINVAL);
	OK(UNLOCK(&word));
	for (int i = 0; i < 3; i++) {
		await_has(&l[i]);
		EQ(word & FUTEX_TID_MASK, l[i].tid);
		FAILS(TRY(&word), EAGAIN);
		FAILS(UNLOCK(&word), EPERM);
		l[i].leave = 1;
		EQ(join(l[i].thread), 0);
	}
	EQ(word, 0);
}

/* As lock_it(), with what unlocking says left open. */
static void *lock_and_let_go(void *arg)
{
	struct locker *l = arg;

	l->tid = tid_now();
	OK(LOCK(&word));
	l->has_it = 1;
	while (!l->leave)
		sleep_ms(1);
	if (!l->dies && UNLOCK(&word))
		EQ(errno, EINVAL);
	return NULL;
}

static void *wait_behind(void *arg)
{
	uint32_t seen = word;

	*(volatile pid_t *)arg = tid_now();
	(void)futex(&word, FUTEX_WAIT | PRIVATE, seen, NULL, NULL, 0);
	return NULL;
}

/* Who only waits for a word that others lock is nobody's heir, however the lock goes on. */
TEST(pi_with_a_plain_waiter_behind)
{
	for (int dies = 0; dies < 2; dies++)
		JOIN(CHILD(struct locker l = {.dies = dies}; volatile pid_t tid = 0;

			   OK(LOCK(&word)); l.thread = start(lock_and_let_go, &l);
			   await_sleep(&l.tid); start(wait_behind, (void *)&tid); await_sleep(&tid);
			   OK(UNLOCK(&word)); await_has(&l); l.leave = 1; EQ(join(l.thread), 0)));
}

TEST(pi_time_outs)
{
	struct timespec wall = in_ms(CLOCK_REALTIME, 30), mono = in_ms(CLOCK_MONOTONIC, 30);
	struct locker l = {.until = &wall};
	long began = now_ms();
	uint32_t me = tid_now();

	word = me;
	l.thread = start(lock_it, &l);
	EQ(join(l.thread), ETIMEDOUT);
	BETWEEN(now_ms() - began, 29, 200 + LATE);
	l = (struct locker){.until = &mono, .op = FUTEX_LOCK_PI2};
	l.thread = start(lock_it, &l);
	EQ(join(l.thread), ETIMEDOUT);
	OK(UNLOCK(&word));
	EQ(word, 0);
}

/* A handler runs, and the wait goes on. */
TEST(pi_interrupted)
{
	struct locker l = {0};

	handle(SIGUSR1, nothing, 0);
	word = tid_now();
	locker_start(&l);
	OK(pthread_kill(l.thread, SIGUSR1));
	sleep_ms(10);
	EQ(l.has_it, 0);
	OK(UNLOCK(&word));
	await_has(&l);
	l.leave = 1;
	EQ(join(l.thread), 0);
}

/* The owner ends without unlocking: the first waiter has it, and sees that. */
TEST(pi_owner_dies)
{
	struct locker dead = {.dies = true}, l[2] = {{0}};

	word = 0;
	dead.thread = start(lock_it, &dead);
	await_has(&dead);
	locker_start(&l[0]);
	locker_start(&l[1]);
	dead.leave = 1;
	EQ(join(dead.thread), 0);
	await_has(&l[0]);
	EQ(word, (uint32_t)l[0].tid | FUTEX_OWNER_DIED | FUTEX_WAITERS);
	l[0].leave = 1;
	EQ(join(l[0].thread), 0);
	await_has(&l[1]);
	l[1].leave = 1;
	EQ(join(l[1].thread), 0);
	EQ(word, 0);
	/* Nobody waited: the word names one who is not there any more. */
	dead = (struct locker){.dies = true, .leave = 1};
	dead.thread = start(lock_it, &dead);
	join(dead.thread);
	await_threads(1);
	FAILS(LOCK(&word), ESRCH);
}

struct heir {
	pthread_t thread;
	uint32_t *addr;
	volatile pid_t tid;
	volatile int err, leave;
};

static void *be_heir(void *arg)
{
	struct heir *h = arg;

	h->tid = tid_now();
	h->err = LOCK(h->addr) ? errno : -1;
	while (!h->leave)
		sleep_ms(1);
	return NULL;
}

static void await_error(struct heir *h, int err)
{
	for (int i = 0; i < 1000 && !h->err; i++)
		sleep_ms(1);
	EQ(h->err, err);
}

static void heir_ends(struct heir *h)
{
	h->leave = 1;
	join(h->thread);
}

/* Heirs that cannot write the word leave it to one another. */
TEST(pi_heirs_without_memory)
{
	uint32_t *page = map_private(PAGE);
	struct heir h[3];

	for (int i = 0; i < 3; i++) {
		h[i] = (struct heir){.addr = page};
		h[i].thread = start(be_heir, &h[i]);
		if (i)
			await_sleep(&h[i].tid);
		else
			await_error(&h[i], -1);
	}
	OK(munmap(page, PAGE));
	heir_ends(&h[0]);
	await_error(&h[1], EFAULT);
	/* Linux has the second wait for the first, which is no owner. */
	if (on_calf())
		await_error(&h[2], EFAULT);
	heir_ends(&h[1]);
	await_error(&h[2], EFAULT);
	heir_ends(&h[2]);
}

static void *lock_and_go(void *arg)
{
	for (int i = 0; i < 200; i++) {
		uint32_t zero = 0;

		if (!__atomic_compare_exchange_n(&word, &zero, (uint32_t)tid_now(), false,
						 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			OK(LOCK(&word));
		word2++;
		if (i % 16 == 0)
			sched_yield();
		uint32_t me = tid_now();

		if (!__atomic_compare_exchange_n(&word, &me, 0, false, __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST))
			OK(UNLOCK(&word));
	}
	return NULL;
}

TEST(pi_races)
{
	pthread_t t[5];

	word = word2 = 0;
	for (int i = 0; i < 5; i++)
		t[i] = start(lock_and_go, NULL);
	for (int i = 0; i < 5; i++)
		join(t[i]);
	EQ(word2, 1000);
	EQ(word, 0);
}
