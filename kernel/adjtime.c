/*
 * adjtimex(2) and clock_adjtime(2): what the discipline of the clock is, which here is none. The clock
 * goes as fast as the machine's counter does, nothing has set it by another one, and it cannot be slewed:
 * settime is what changes it.
 */
#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/process.h"
#include "kernel/syscalls.h"
#include "kernel/timer.h"

#define CLOCK_REALTIME	0
#define CLOCK_SGI_CYCLE 10 /* no longer there */
#define CLOCK_TAI	11

#define ADJ_OFFSET_SS_READ 0xa001u /* adjtime(3): what is left to be slewed */

#define STA_UNSYNC 0x40
#define TIME_ERROR 5 /* the clock is not in step with any other */

struct timex {
	u32 modes;
	u64 offset;
	s64 freq;
	s64 maxerror, esterror; /* microseconds */
	s32 status;
	s64 constant;
	s64 precision; /* microseconds */
	s64 tolerance; /* of freq: millionths, times 65536 */
	struct timeval time;
	s64 tick; /* microseconds */
	s64 pps[8];
	s32 tai;
	s32 unused[11];
};
_Static_assert(sizeof(struct timex) == 208, "struct timex is Linux's");

static void describe(struct timex *t)
{
	u64 now = clock_wall_ns();

	memset(t, 0, sizeof(*t));
	t->maxerror = t->esterror = 16000000;
	t->status = STA_UNSYNC;
	t->constant = 2;
	t->precision = 1;
	t->tolerance = 500 * 65536;
	t->time.tv_sec = (s64)(now / NSEC_PER_SEC);
	t->time.tv_usec = (s64)(now % NSEC_PER_SEC / 1000);
	t->tick = 10000;
}

/* -EPERM for all changes, as where the capability to make them has been taken from root. */
static long adjust(struct timex __user *user)
{
	struct timex t;
	u32 modes;

	if (copy_from_user(&t, user, sizeof(t)))
		return -EFAULT;
	modes = t.modes;
	if (modes && modes != ADJ_OFFSET_SS_READ)
		return -EPERM;
	describe(&t);
	t.modes = modes;
	return copy_to_user(user, &t, sizeof(t)) ? -EFAULT : TIME_ERROR;
}

SYSCALL1(adjtimex, struct timex __user *, t)
{
	return adjust(t);
}

SYSCALL2(clock_adjtime, s32, clock, struct timex __user *, t)
{
	struct timex copy;

	if (clock == CLOCK_REALTIME)
		return adjust(t);
	if (copy_from_user(&copy, t, sizeof(copy)))
		return -EFAULT;
	return clock > CLOCK_TAI || clock == CLOCK_SGI_CYCLE ? -EINVAL : -EOPNOTSUPP;
}
