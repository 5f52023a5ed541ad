/* futex(2) without owners: who waits for a word, who wakes or moves whom, and how waits end, with their errors. */
#include "futex.h"

static uint32_t word, word2;

TEST(wait_refuses)
{
	struct timespec none = {0, 0}, bad = {0, 1000000000}, negative = {-1, 0};

	word = 1;
	FAILS(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0), EAGAIN);
	FAILS(futex(&word, FUTEX_WAIT | PRIVATE, 0, NULL, NULL, 0), EAGAIN);
	FAILS(futex(&word, FUTEX_WAIT, 1, &none, NULL, 0), ETIMEDOUT);
	FAILS(futex(&word, FUTEX_WAIT, 1, &bad, NULL, 0), EINVAL);
	FAILS(futex(&word, FUTEX_WAIT, 1, &negative, NULL, 0), EINVAL);
	FAILS(futex(&word, FUTEX_WAIT, 1, (void *)8, NULL, 0), EFAULT);
	FAILS(futex(&word, FUTEX_WAIT_BITSET, 1, NULL, NULL, 0), EINVAL);
	FAILS(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT, 1, NULL, NULL, 0), EINVAL);
	FAILS(futex((uint32_t *)8, FUTEX_WAIT, 1, NULL, NULL, 0), EFAULT);
	FAILS(futex((uint32_t *)8, FUTEX_WAIT | PRIVATE, 1, NULL, NULL, 0), EFAULT);
	FAILS(futex((uint32_t *)~3ul, FUTEX_WAIT | PRIVATE, 1, NULL, NULL, 0), EFAULT);
	FAILS(futex(&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0), ENOSYS);
	FAILS(futex(&word, 99, 1, NULL, NULL, 0), ENOSYS);
}

TEST(wake_refuses)
{
	FAILS(futex((uint32_t *)((char *)&word + 2), FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
	FAILS(futex((uint32_t *)8, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	EQ(futex((uint32_t *)8, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0), 0);
	FAILS(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
	EQ(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
}

TEST(time_outs)
{
	struct timespec ts = {0, 30000000};
	long began = now_ms();

	FAILS(futex(&word, FUTEX_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
	BETWEEN(now_ms() - began, 30, 200 + LATE);

	began = now_ms();
	ts = in_ms(CLOCK_MONOTONIC, 30);
	FAILS(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, NULL, ~0u), ETIMEDOUT);
	BETWEEN(now_ms() - began, 29, 200 + LATE);

	began = now_ms();
	ts = in_ms(CLOCK_REALTIME, 30);
	FAILS(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &ts, NULL, ~0u), ETIMEDOUT);
	BETWEEN(now_ms() - began, 29, 200 + LATE);

	ts = (struct timespec){0, 1};
	FAILS(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, NULL, ~0u), ETIMEDOUT);
}

TEST(wake_counts)
{
	struct waiter w[4];

	for (int i = 0; i < 4; i++)
		waiter_start(&w[i], &word, ~0u);
	EQ(futex(&word2, FUTEX_WAKE | PRIVATE, 9, NULL, NULL, 0), 0);
	EQ(awake(w, 4), 0);
	EQ(futex(&word, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0), 1);
	EQ(awake(w, 4), 1);
	/* First come, first served. */
	EQ(w[0].awake, 1);
	/* None is one. */
	EQ(futex(&word, FUTEX_WAKE | PRIVATE, 0, NULL, NULL, 0), 1);
	EQ(awake(w, 4), 2);
	EQ(futex(&word, FUTEX_WAKE | PRIVATE, INT32_MAX, NULL, NULL, 0), 2);
	for (int i = 0; i < 4; i++)
		EQ(join(w[i].thread), 0);
}

TEST(wake_by_bits)
{
	struct waiter w[3];

	waiter_start(&w[0], &word, 1);
	waiter_start(&w[1], &word, 2);
	waiter_start(&w[2], &word, 3);
	EQ(futex(&word, FUTEX_WAKE_BITSET | PRIVATE, 9, NULL, NULL, 4), 0);
	EQ(futex(&word, FUTEX_WAKE_BITSET | PRIVATE, 9, NULL, NULL, 2), 2);
	EQ(awake(w, 3), 2);
	EQ(w[0].awake, 0);
	EQ(futex(&word, FUTEX_WAKE | PRIVATE, 9, NULL, NULL, 0), 1);
	for (int i = 0; i < 3; i++)
		EQ(join(w[i].thread), 0);
}

TEST(requeue)
{
	struct waiter w[5];

	FAILS(futex(&word, FUTEX_REQUEUE | PRIVATE, -1, COUNT(1), &word2, 0), EINVAL);
	FAILS(futex(&word, FUTEX_REQUEUE | PRIVATE, 1, COUNT(-1), &word2, 0), EINVAL);
	FAILS(futex(&word, FUTEX_CMP_REQUEUE | PRIVATE, 1, COUNT(1), &word2, 5), EAGAIN);
	FAILS(futex(&word, FUTEX_REQUEUE | PRIVATE, 1, COUNT(1), (uint32_t *)2, 0), EINVAL);
	FAILS(futex((uint32_t *)8, FUTEX_CMP_REQUEUE | PRIVATE, 1, COUNT(1), &word2, 0), EFAULT);
	for (int i = 0; i < 5; i++)
		waiter_start(&w[i], &word, ~0u);
	EQ(futex(&word, FUTEX_CMP_REQUEUE | PRIVATE, 1, COUNT(2), &word2, 0), 3);
	EQ(awake(w, 5), 1);
	EQ(futex(&word, FUTEX_WAKE | PRIVATE, 9, NULL, NULL, 0), 2);
	EQ(awake(w, 5), 3);
	EQ(w[3].awake && w[4].awake, 1);
	EQ(futex(&word2, FUTEX_REQUEUE | PRIVATE, 0, COUNT(9), &word2, 0), 2);
	EQ(awake(w, 5), 3);
	EQ(futex(&word2, FUTEX_WAKE | PRIVATE, 9, NULL, NULL, 0), 2);
	for (int i = 0; i < 5; i++)
		EQ(join(w[i].thread), 0);
}

/* One that was moved can still be interrupted, and is then nowhere. */
TEST(requeued_and_interrupted)
{
	struct waiter w;

	handle(SIGUSR1, nothing, 0);
	waiter_start(&w, &word, ~0u);
	EQ(futex(&word, FUTEX_REQUEUE | PRIVATE, 0, COUNT(1), &word2, 0), 1);
	OK(pthread_kill(w.thread, SIGUSR1));
	EQ(join(w.thread), EINTR);
	EQ(futex(&word2, FUTEX_WAKE | PRIVATE, 9, NULL, NULL, 0), 0);
}

/* Movers, wakers and time-outs all at once lose nobody. */
static void *wait_shortly(void *arg)
{
	volatile long *n = arg;

	while (racing) {
		struct timespec ts = {0, 100000 + *n % 7 * 50000};

		CHECK(futex(&word, FUTEX_WAIT | PRIVATE, 0, &ts, NULL, 0) == 0 ||
		      errno == ETIMEDOUT);
		++*n;
	}
	return NULL;
}

static void *move_about(void *arg)
{
	while (racing) {
		CHECK(futex(&word, FUTEX_REQUEUE | PRIVATE, 0, COUNT(2), &word2, 0) >= 0);
		sched_yield();
		CHECK(futex(&word2, FUTEX_REQUEUE | PRIVATE, 1, COUNT(2), &word, 0) >= 0);
		sched_yield();
	}
	return NULL;
}

TEST(requeue_races)
{
	static volatile long waits[4];
	long end = now_ms() + 400 + 10 * LATE;
	pthread_t t[6];

	racing = 1;
	for (int i = 0; i < 6; i++)
		t[i] = i < 4 ? start(wait_shortly, (void *)&waits[i]) : start(move_about, NULL);
	sleep_ms(400);
	for (int i = 0; i < 4; i++) {
		while (waits[i] <= 10 && now_ms() < end)
			sleep_ms(10);
		CHECK(waits[i] > 10);
	}
	racing = 0;
	for (int i = 0; i < 6; i++)
		join(t[i]);
}

#define OP(op, oparg, cmp, cmparg) \
	((uint32_t)(op) << 28 | (uint32_t)(cmp) << 24 | ((oparg)&0xfff) << 12 | ((cmparg)&0xfff))

TEST(wake_op)
{
	static const struct {
		uint32_t before, code, after;
		int also;
	} cases[] = {
	    {0, OP(OP_SET, 5, CMP_EQ, 0), 5, 1},
	    {3, OP(OP_ADD, 4, CMP_EQ, 0), 7, 0},
	    {3, OP(OP_ADD, -1, CMP_NE, 2), 2, 1},
	    {3, OP(OP_OR, 12, CMP_LT, 4), 15, 1},
	    {7, OP(OP_ANDN, 5, CMP_LE, 7), 2, 1},
	    {6, OP(OP_XOR, 3, CMP_GT, 6), 5, 0},
	    {6, OP(OP_XOR, 3, CMP_GE, 6), 5, 1},
	    {-1u, OP(OP_SET, 0, CMP_LT, 0), 0, 1},
	    {1, OP(OP_OR | OP_SHIFT, 31, CMP_EQ, 1), 0x80000001, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct waiter w[2];

		word = word2 = 0;
		waiter_start(&w[0], &word, ~0u);
		waiter_start(&w[1], &word2, ~0u);
		word2 = cases[i].before;
		EQ(futex(&word, FUTEX_WAKE_OP | PRIVATE, 1, COUNT(1), &word2, cases[i].code),
		   1 + cases[i].also);
		EQ(word2, cases[i].after);
		join(w[0].thread);
		if (!cases[i].also)
			EQ(futex(&word2, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0), 1);
		join(w[1].thread);
	}
	FAILS(futex(&word, FUTEX_WAKE_OP, 1, COUNT(1), &word2, OP(5, 0, 0, 0)), ENOSYS);
	FAILS(futex(&word, FUTEX_WAKE_OP, 1, COUNT(1), &word2, OP(0, 0, 6, 0)), ENOSYS);
	FAILS(futex(&word, FUTEX_WAKE_OP | PRIVATE, 1, COUNT(1), (uint32_t *)8, 0), EFAULT);
}

/* The word's page is not there at all, or only to be read. */
TEST(words_that_fault)
{
	uint32_t *p = map_private(2 * PAGE);

	EQ(futex(&word, FUTEX_WAKE_OP | PRIVATE, 1, COUNT(1), p, OP(OP_ADD, 3, 0, 0)), 0);
	EQ(*p, 3);
	JOIN(
	    CHILD(EQ(futex(&word, FUTEX_WAKE_OP | PRIVATE, 1, COUNT(1), p, OP(OP_ADD, 3, 0, 0)), 0);
		  EQ(*p, 6)));
	EQ(*p, 3);
	EQ(futex(p + 1024, FUTEX_CMP_REQUEUE | PRIVATE, 1, COUNT(1), &word, 0), 0);
	OK(mprotect(p, PAGE, PROT_READ));
	FAILS(futex(&word, FUTEX_WAKE_OP | PRIVATE, 1, COUNT(1), p, 0), EFAULT);
	FAILS(futex(p, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0), EPERM);
	OK(mprotect(p, PAGE, PROT_NONE));
	FAILS(futex(p, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0), EFAULT);
	FAILS(futex(p, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0), EFAULT);
}

/* Two processes meet at a shared page, wherever they map it, unless they say that it is private. */
TEST(shared_words)
{
	int fd = memfd_create("word", 0);
	uint32_t *a, *b;
	pid_t p;

	OK(ftruncate(fd, PAGE));
	a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(a != MAP_FAILED && b != MAP_FAILED && a != b);
	p = CHILD(OK(futex(a, FUTEX_WAIT, 0, NULL, NULL, 0)));
	for (int i = 0; i < 1000 && futex(b, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0) == 0 && i < 20;
	     i++)
		sleep_ms(1);
	for (int i = 0; i < 1000 && futex(b, FUTEX_WAKE, 1, NULL, NULL, 0) == 0; i++)
		sleep_ms(1);
	JOIN(p);
}

static void *wait_for_shared(void *arg)
{
	struct waiter *w = arg;
	struct timespec ts = {0, 300000000};

	w->tid = tid_now();
	FAILS(futex(w->addr, FUTEX_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
	return NULL;
}

/* What is mapped where somebody waits for what was there before is another thing. */
TEST(shared_words_that_went)
{
	uint32_t *p = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	struct waiter w = {.addr = p};

	w.thread = start(wait_for_shared, &w);
	await_sleep(&w.tid);
	for (int i = 0; i < 8; i++) {
		OK(munmap(p, PAGE));
		REQUIRE(mmap(p, PAGE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
		EQ(futex(p, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	}
	join(w.thread);
}

/* ---- how waits end otherwise ---- */

#define TILL (on_host_time() ? 3000l : 200l) /* milliseconds */

static void *wait_till(void *arg)
{
	struct timespec ts = {TILL / 1000, TILL % 1000 * 1000000};
	long began = now_ms();

	*(volatile pid_t *)arg = tid_now();
	FAILS(futex(&word, FUTEX_WAIT | PRIVATE, 0, &ts, NULL, 0), ETIMEDOUT);
	return (void *)(now_ms() - began);
}

/* A stop does not begin the time anew. */
TEST(stopped_and_continued)
{
	pid_t p = CHILD(volatile pid_t tid = 0; pthread_t t = start(wait_till, (void *)&tid);
			BETWEEN((long)join(t), TILL - 1, TILL * 3 / 2));
	int status;

	for (int i = 0; i < 3; i++) {
		sleep_ms(TILL / 4);
		OK(kill(p, SIGSTOP));
		EQ(waitpid(p, &status, WUNTRACED), p);
		OK(kill(p, SIGCONT));
	}
	JOIN(p);
}

static void *wait_plainly(void *arg)
{
	struct waiter *w = arg;
	struct timespec ts = {10, 0};

	w->tid = tid_now();
	if (futex(w->addr, FUTEX_WAIT | PRIVATE, 0, w->op ? &ts : NULL, NULL, 0) == 0)
		return NULL;
	return (void *)(long)errno;
}

TEST(interrupted)
{
	for (int i = 0; i < 4; i++) {
		bool timed = i & 1, restart = i & 2;
		struct waiter w = {.addr = &word, .op = timed};

		handle(SIGUSR1, nothing, restart ? SA_RESTART : 0);
		w.thread = start(wait_plainly, &w);
		await_sleep(&w.tid);
		OK(pthread_kill(w.thread, SIGUSR1));
		sleep_ms(10);
		/* Who is to end by the signal may not have come to it yet, and is not to be woken. */
		if (restart && !timed)
			futex(&word, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0);
		/* With a time-out there is no going on after a handler. */
		EQ(join(w.thread), restart && !timed ? 0 : EINTR);
	}
}

/* The tid is cleared and its waiter woken where it ends. */
TEST(clear_child_tid)
{
	static uint32_t tid_word;
	struct idler i;

	idler_start(&i);
	EQ(syscall(SYS_set_tid_address, &tid_word), getpid());
	idler_end(&i);
	uint32_t *shared = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	pid_t p = syscall(SYS_clone, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, 0, 0,
			  shared, 0);

	if (p == 0)
		_exit(0);
	/* Nobody shares its memory: nothing is cleared. */
	EQ(status_of(p), 0);
	EQ(*shared, p);
}
