/* Fork of larger memory: contents, sharing and the way back, 128 MiB at a time. */
#include "maps.h"

#define LEN (128 * MIB)

static bool holds(const unsigned long *p, unsigned long salt)
{
	for (size_t i = 0; i < LEN / sizeof(long); i += 512)
		if (p[i] != i + salt)
			return false;
	return true;
}

static unsigned long *filled(unsigned long salt)
{
	unsigned long *p = map_private(LEN);

	for (size_t i = 0; i < LEN / sizeof(long); i += 512)
		p[i] = i + salt;
	return p;
}

TEST_FOR(120, both_sides_write_all)
{
	unsigned long *p = filled(1);
	pid_t pid = CHILD(CHECK(holds(p, 1));
			  for (size_t i = 0; i < LEN / sizeof(long); i += 512) p[i] = i + 2;
			  CHECK(holds(p, 2)));

	for (size_t i = 0; i < LEN / sizeof(long); i += 512)
		p[i] = i + 3;
	CHECK(holds(p, 3));
	JOIN(pid);
	CHECK(holds(p, 3));
}

TEST_FOR(120, an_idle_child_costs_little)
{
	long before, with;
	int go[2];
	char c;
	unsigned long *p = filled(1);
	pid_t pid;

	if (!share_level())
		SKIP("level 0 copies it all");
	REQUIRE(!pipe(go));
	before = value_of("/proc/meminfo", "MemFree");
	pid = CHILD(EQ(read(go[0], &c, 1), 1));
	sleep_ms(20);
	with = value_of("/proc/meminfo", "MemFree");
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
	/* 64 tables of 4 KiB, a stack, and Linux's rounding */
	BETWEEN(before - with, -1024, 2048);
	CHECK(holds(p, 1));
}

TEST_FOR(120, many_children_share_one_memory)
{
	unsigned long *p = filled(1);
	pid_t pids[8];

	if (!share_level())
		SKIP("level 0 copies it all");
	for (int i = 0; i < 8; i++)
		pids[i] =
		    CHILD(for (size_t j = i * 512; j < LEN / sizeof(long); j += 64 * 512) p[j] = i;
			  CHECK(p[i * 512] == (unsigned long)i));
	for (int i = 0; i < 8; i++)
		JOIN(pids[i]);
	CHECK(holds(p, 1));
}

TEST_FOR(120, unmapped_in_pieces)
{
	unsigned long *p = filled(1);
	/* Linux leaves out what its CPUs keep by themselves, the more the larger the machine. */
	long before = value_of("/proc/meminfo", "MemFree"), slack = on_calf() ? 4096 : 16384;

	for (size_t at = 0; at < LEN; at += 2 * MIB)
		EQ(munmap((char *)p + at, MIB), 0);
	NEAR(value_of("/proc/meminfo", "MemFree") - before, LEN / 2048, slack);
}
