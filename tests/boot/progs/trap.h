/* Tries one access and says which signal it brought, with its code and address. */
#pragma once

#include "tap.h"
#include <setjmp.h>

static sigjmp_buf trap_out;
static volatile int trap_code;
static void *volatile trap_addr;

static inline void trap_handler(int sig, siginfo_t *si, void *context)
{
	trap_code = si->si_code;
	trap_addr = si->si_addr;
	siglongjmp(trap_out, sig);
}

static inline void trap_arm(void)
{
	struct sigaction sa = {.sa_sigaction = trap_handler, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	trap_code = 0;
	trap_addr = NULL;
}

/* 0: the access went through; else the signal. */
static inline int try_write(volatile unsigned char *p, int value)
{
	int sig;

	trap_arm();
	sig = sigsetjmp(trap_out, 1);
	if (!sig)
		*p = value;
	return sig;
}

static inline int try_read(const volatile unsigned char *p)
{
	int sig;

	trap_arm();
	sig = sigsetjmp(trap_out, 1);
	if (!sig)
		(void)*p;
	return sig;
}

static inline int try_call(void (*fn)(void))
{
	int sig;

	trap_arm();
	sig = sigsetjmp(trap_out, 1);
	if (!sig)
		fn();
	return sig;
}
