/* adjtimex(2) and clock_adjtime(2): what is told of the clock, and who may not change it. */
#include "tap.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>

TEST(tells_of_the_clock)
{
	struct timex t = {.modes = 0};
	struct timeval now;

	BETWEEN(adjtimex(&t), TIME_OK, TIME_ERROR);
	gettimeofday(&now, NULL);
	EQ(t.tick, 10000);
	EQ(t.tolerance, 500 * 65536);
	BETWEEN(now.tv_sec - t.time.tv_sec, 0, 5);
	EQ(t.modes, 0);
}

TEST(nothing_is_left_to_be_slewed)
{
	struct timex t = {.modes = ADJ_OFFSET_SS_READ, .offset = 7};

	BETWEEN(adjtimex(&t), TIME_OK, TIME_ERROR);
	EQ(t.offset, 0);
}

TEST(refuses)
{
	struct timex t = {.modes = 0};

	BETWEEN(clock_adjtime(CLOCK_REALTIME, &t), TIME_OK, TIME_ERROR);
	FAILS(clock_adjtime(CLOCK_MONOTONIC, &t), EOPNOTSUPP);
	FAILS(clock_adjtime(99, &t), EINVAL);
	FAILS(syscall(SYS_adjtimex, 8), EFAULT);
	FAILS(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, 8), EFAULT);
	JOIN(CHILD(EQ(setuid(1000), 0); t.modes = ADJ_TICK; t.tick = 10000;
		   FAILS(adjtimex(&t), EPERM)));
}
