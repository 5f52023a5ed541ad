/* What the sources under test ask of the rest of the kernel: panic, log, lock order. */
#include "arch/cpu.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "tests/unit/host/tap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

_Thread_local unsigned host_cpu;
int log_console_level = LOG_WARN;

#define MAX_HELD 1024
static _Thread_local unsigned nr_held;

static _Thread_local jmp_buf *expected;
static _Thread_local char message[256];

void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	if (expected)
		longjmp(*expected, 1);
	printf("not ok - panic: %s\n", message);
	fflush(stdout);
	abort();
}

const char *panic_of(void (*fn)(void *arg), void *arg)
{
	jmp_buf here;
	bool hit = setjmp(here) != 0;

	if (!hit) {
		expected = &here;
		fn(arg);
	}
	expected = NULL;
	nr_held = 0;
	return hit ? message : NULL;
}

void log_printf(enum log_level level, const char *fmt, ...)
{
	va_list args;

	if ((int)level > log_console_level)
		return;
	printf("# log: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

#ifdef CONFIG_DEBUG
static _Thread_local const void *held[MAX_HELD];
static _Thread_local enum lock_rank held_rank[MAX_HELD];

static bool nests(enum lock_rank rank)
{
	return rank == LOCK_TABLE || rank == LOCK_DENTRY || rank == LOCK_INODE;
}

void lock_order_acquire(const void *lock, enum lock_rank rank)
{
	for (unsigned i = 0; i < nr_held; i++) {
		if (held[i] == lock)
			panic("lock %p (rank %u) taken twice", lock, rank);
		if (rank && held_rank[i] &&
		    (held_rank[i] > rank || (held_rank[i] == rank && !nests(rank))))
			panic("lock of rank %u taken inside one of rank %u", rank, held_rank[i]);
	}
	if (nr_held == MAX_HELD)
		panic("more than %u locks held", MAX_HELD);
	held_rank[nr_held] = rank;
	held[nr_held++] = lock;
}

void lock_order_release(const void *lock, enum lock_rank rank)
{
	for (unsigned i = nr_held; i--;) {
		if (held[i] != lock)
			continue;
		nr_held--;
		for (; i < nr_held; i++) {
			held[i] = held[i + 1];
			held_rank[i] = held_rank[i + 1];
		}
		return;
	}
	panic("lock %p (rank %u) released, and not held", lock, rank);
}

void lock_order_assert_held(const void *lock)
{
	unsigned i = 0;

	while (i < nr_held && held[i] != lock)
		i++;
	if (i == nr_held)
		panic("lock %p is not held", lock);
}

void lock_order_sleep_assert_held(enum lock_rank rank)
{
	unsigned i = 0;

	while (i < nr_held && held_rank[i] != rank)
		i++;
	if (i == nr_held)
		panic("no lock of rank %u is held", rank);
}

void lock_order_may_sleep(void)
{
	for (unsigned i = 0; i < nr_held; i++)
		if (held_rank[i] > LOCK_SLEEP_LAST)
			panic("may sleep with a lock of rank %u held", held_rank[i]);
}
#endif
