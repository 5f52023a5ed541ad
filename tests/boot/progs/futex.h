/* What the tests of futex(2) share: its numbers, the call itself, and threads that wait for a word. */
#pragma once

#include "thread.h"

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

static void nothing(int sig)
{
}
