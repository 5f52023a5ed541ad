/* What the tests of threads have in common. They are built twice: with musl, and with glibc. */
#pragma once

#include "tap.h"

#include <pthread.h>
#include <semaphore.h>

#define OK(call) EQ(call, 0)
#define NORETURN __attribute__((noreturn))

#define RAW_EXIT(code) syscall(SYS_exit, code)

static pid_t tid_now(void)
{
	return syscall(SYS_gettid);
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	int err = pthread_create(&t, NULL, fn, arg);

	/* Linux may say so where much is under way at once; nothing in Calf does. */
	for (int i = 0; err == EAGAIN && !on_calf() && i < 100; i++) {
		sleep_ms(1);
		err = pthread_create(&t, NULL, fn, arg);
	}
	if (!EQ(err, 0))
		_exit(1);
	return t;
}

static void *join(pthread_t t)
{
	void *result = NULL;

	OK(pthread_join(t, &result));
	return result;
}

/* A thread that says its number and then does nothing until `leave`. */
struct idler {
	pthread_t thread;
	volatile pid_t tid;
	volatile int leave;
	sem_t ready, go;
};

static void *idle(void *arg)
{
	struct idler *i = arg;

	i->tid = tid_now();
	sem_post(&i->ready);
	while (!i->leave)
		while (sem_wait(&i->go) && errno == EINTR)
			;
	return NULL;
}

static void idler_start(struct idler *i)
{
	memset(i, 0, sizeof(*i));
	sem_init(&i->ready, 0, 0);
	sem_init(&i->go, 0, 0);
	i->thread = start(idle, i);
	while (sem_wait(&i->ready))
		;
}

static void idler_end(struct idler *i)
{
	i->leave = 1;
	sem_post(&i->go);
	join(i->thread);
}

NORETURN static void *spin(void *arg)
{
	volatile unsigned long *n = arg;

	for (;;)
		++*n;
}

NORETURN static void *sleep_long(void *arg)
{
	for (;;)
		sleep_ms(60000);
}

static void *read_for_ever(void *arg)
{
	int *fds = arg;
	char c;

	for (;;)
		if (read(fds[0], &c, 1) < 0 && errno != EINTR)
			break;
	return NULL;
}

/* Company of each kind for whoever ends the process: one spins, one sleeps, one reads a pipe, one waits. */
static void company(void)
{
	static volatile unsigned long count;
	static struct idler waits;
	static int fds[2];

	REQUIRE(pipe(fds) == 0);
	start(spin, (void *)&count);
	start(sleep_long, NULL);
	start(read_for_ever, fds);
	idler_start(&waits);
	sleep_ms(20);
}

/* A thread that was joined may yet be there for a moment. */
static void await_threads(int n)
{
	for (int i = 0; i < 500 && value_of("/proc/self/status", "Threads") > n; i++)
		sleep_ms(1);
	EQ(value_of("/proc/self/status", "Threads"), n);
}

static sem_t done;
static pthread_barrier_t barrier __attribute__((unused));

static void *post_and_go(void *arg)
{
	sem_post(&done);
	return NULL;
}

static void handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction act = {.sa_handler = fn, .sa_flags = flags};

	OK(sigaction(sig, &act, NULL));
}

static volatile int racing __attribute__((unused));

static void *burn(void *arg)
{
	long until = now_ms() + (long)arg;
	volatile unsigned long n = 0;

	while (now_ms() < until)
		n++;
	return NULL;
}
