/* Fails in every way that a program can, for the test that each is noticed. */
#include "tap.h"

TEST(right)
{
	EQ(1, 1);
}

TEST(failing_check)
{
	EQ(1, 2);
}

TEST(failing_child)
{
	JOIN(CHILD(EQ(1, 2)));
}

TEST(dies)
{
	raise(SIGSEGV);
}

TEST_FOR(1, hangs)
{
	for (;;)
		pause();
}

TEST(skips)
{
	SKIP("for a reason");
}

TEST(ends_early)
{
	_exit(5);
}

TEST(kills_the_program)
{
	kill(getppid(), SIGKILL);
	pause();
}

TEST(never_reached)
{
}
