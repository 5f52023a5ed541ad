/* futex(2), operation by operation, with its errors. */
#include "thread.h"

#include <stddef.h>

/* As the kernel numbers them: musl has no header for it. */
enum {
	FUTEX_WAIT,
	FUTEX_WAKE,
	FUTEX_REQUEUE = 3,
	FUTEX_CMP_REQUEUE,
	FUTEX_WAKE_OP,
	FUTEX_LOCK_PI,
	FUTEX_UNLOCK_PI,
	FUTEX_TRYLOCK_PI,
	FUTEX_WAIT_BITSET,
	FUTEX_WAKE_BITSET,
	FUTEX_LOCK_PI2 = 13,
	FUTEX_PRIVATE_FLAG = 128,
	FUTEX_CLOCK_REALTIME = 256,
};

#define FUTEX_TID_MASK	 0x3fffffffu
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_WAITERS	 0x80000000u

enum { OP_SET, OP_ADD, OP_OR, OP_ANDN, OP_XOR, OP_SHIFT = 8 };
enum { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

struct robust_list {
	struct robust_list *next;
};

struct robust_list_head {
	struct robust_list list;
	long futex_offset;
	struct robust_list *list_op_pending;
};

static uint32_t word, word2;

static long futex(uint32_t *addr, int op, uint32_t val, const void *timeout, uint32_t *addr2,
		  uint32_t val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

#define COUNT(n) ((void *)(long)(n))
#define PRIVATE	 FUTEX_PRIVATE_FLAG

static struct timespec in_ms(clockid_t clock, long ms)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * 1000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	return ts;
}

/* A thread that waits on a word as long as it is 0. */
struct waiter {
	uint32_t *addr;
	int op;
	uint32_t bitset;
	pthread_t thread;
	volatile pid_t tid;
	volatile int awake;
};

static void *wait_for_it(void *arg)
{
	struct waiter *w = arg;
	long r;

	w->tid = tid_now();
	r = futex(w->addr, w->op, 0, NULL, NULL, w->bitset);
	w->awake = 1;
	return (void *)(r < 0 ? (long)errno : r);
}

/* Waits till the task sleeps, which it may do a moment after it said that it would. */
static void await_sleep(volatile pid_t *tid)
{
	char path[64], text[512];

	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", *tid);
		if (*tid && slurp(path, text, sizeof(text)) > 0 && strrchr(text, ')')[2] == 'S')
			return;
		sleep_ms(1);
	}
	CHECK(!"it does not sleep");
}

static void waiter_start(struct waiter *w, uint32_t *addr, uint32_t bitset)
{
	*w = (struct waiter){.addr = addr, .op = FUTEX_WAIT_BITSET | PRIVATE, .bitset = bitset};
	w->thread = start(wait_for_it, w);
	await_sleep(&w->tid);
}

static int awake(const struct waiter *w, int n)
{
	int sum = 0;

	sleep_ms(on_host_time() ? 200 : 10);
	for (int i = 0; i < n; i++)
		sum += w[i].awake;
	return sum;
}

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

static void nothing(int sig)
{
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

/* ---- futexes with an owner ---- */

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

/* ---- robust lists ---- */

struct node {
	struct robust_list list;
	uint32_t word;
};

static struct robust_list_head head;
static struct node nodes[3];

static void link_nodes(uint32_t tid)
{
	head.futex_offset = offsetof(struct node, word);
	head.list.next = &nodes[0].list;
	nodes[0].list.next = &nodes[1].list;
	nodes[1].list.next = &head.list;
	nodes[0].word = tid | FUTEX_WAITERS;
	nodes[1].word = tid + 1;
	nodes[2].word = tid;
	head.list_op_pending = &nodes[2].list;
}

static void *die_with_list(void *arg)
{
	link_nodes(tid_now());
	if (arg) {
		nodes[2].word = 0;
		*(uint32_t *)arg = tid_now();
	}
	OK(syscall(SYS_set_robust_list, &head, sizeof(head)));
	sleep_ms(20);
	syscall(SYS_exit, 0);
	return NULL;
}

TEST(robust_list)
{
	struct robust_list_head *got;
	struct waiter w;
	size_t len;

	FAILS(syscall(SYS_set_robust_list, &head, 8), EINVAL);
	OK(syscall(SYS_get_robust_list, 0, &got, &len));
	EQ(len, sizeof(head));
	OK(syscall(SYS_get_robust_list, getpid(), &got, &len));
	FAILS(syscall(SYS_get_robust_list, 1 << 21, &got, &len), ESRCH);
	FAILS(syscall(SYS_get_robust_list, 0, (void *)8, &len), EFAULT);

	/* Not joined, since the C library would look at its own list; waits for the word instead. */
	start(die_with_list, NULL);
	for (int i = 0; i < 1000 && !nodes[0].word; i++)
		sleep_ms(1);
	w = (struct waiter){.addr = &nodes[0].word};
	while (!(*(volatile uint32_t *)w.addr & FUTEX_OWNER_DIED))
		futex(w.addr, FUTEX_WAIT, *(volatile uint32_t *)w.addr, NULL, NULL, 0);
	EQ(nodes[0].word, FUTEX_OWNER_DIED | FUTEX_WAITERS);
	await_threads(1);
	CHECK(!(nodes[1].word & FUTEX_OWNER_DIED));
	EQ(nodes[2].word, FUTEX_OWNER_DIED);
}

/* A list in memory that a child's parent sees. */
struct shared_list {
	struct robust_list_head head;
	struct node node;
	volatile int locked;
};

static void own_and_go(struct shared_list *s)
{
	s->head.futex_offset = offsetof(struct node, word);
	s->head.list.next = (void *)((uintptr_t)&s->node.list | 1); /* a PI futex */
	s->node.list.next = &s->head.list;
	OK(syscall(SYS_set_robust_list, &s->head, sizeof(s->head)));
	OK(futex(&s->node.word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	s->locked = 1;
}

/* Who comes while the owner ends waits for it or finds the lock free: it never has an owner that is not
 * there. */
TEST(pi_owner_about_to_die)
{
	struct shared_list *s = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	uint32_t *w = &s->node.word;

	for (int round = 0; goes_on(round, 150); round++) {
		pid_t p;

		s->locked = 0;
		p = CHILD(own_and_go(s));
		while (!s->locked)
			sched_yield();
		for (volatile int i = 0; i < round * 64; i++)
			;
		OK(futex(w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
		EQ(*w & ~FUTEX_WAITERS, (uint32_t)getpid() | FUTEX_OWNER_DIED);
		OK(futex(w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
		EQ(*w, 0);
		JOIN(p);
	}
}

/*
 * Four pages: entries, their words, entries that cannot be read, their words. A good entry, then one of
 * those, and one that is pending.
 */
static void own_list_that_breaks(char *page)
{
	struct robust_list_head *h = (void *)page;
	struct robust_list *good = (void *)(page + 256), *bad = (void *)(page + 2 * PAGE + 256);

	h->futex_offset = PAGE;
	h->list.next = good;
	h->list_op_pending = good + 1;
	good[0].next = bad;
	OK(mprotect(page + 2 * PAGE, PAGE, PROT_NONE));
	OK(syscall(SYS_set_robust_list, h, sizeof(*h)));
}

/* An entry whose link cannot be read is the last one, but is one. The pending one is then none. */
TEST(robust_list_that_breaks)
{
	char *page = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	uint32_t *good = (void *)(page + PAGE + 256), *pending = good + 2;
	uint32_t *bad = (void *)(page + 3 * PAGE + 256);
	pid_t p = CHILD(*good = *bad = *pending = getpid(); own_list_that_breaks(page));

	JOIN(p);
	EQ(*good, FUTEX_OWNER_DIED);
	EQ(*bad, FUTEX_OWNER_DIED);
	EQ(*pending, p);
}

TEST(robust_list_that_loops)
{
	JOIN(CHILD(link_nodes(getpid()); nodes[1].list.next = &nodes[0].list;
		   OK(syscall(SYS_set_robust_list, &head, sizeof(head)))));
	JOIN(CHILD(link_nodes(getpid()); nodes[0].list.next = (void *)8;
		   OK(syscall(SYS_set_robust_list, &head, sizeof(head)))));
	JOIN(CHILD(OK(syscall(SYS_set_robust_list, (void *)8, sizeof(head)))));
}
