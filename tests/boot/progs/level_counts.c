/* What is counted of memory that a fork shares, at each share level: RSS, PSS, and whose each page is. */
#include "levels.h"
#include "maps.h"

#define N 700ul /* pages: two tables at least */
static unsigned char *area;

static void expect_kb(const char *field, unsigned long pages)
{
	long kb = smaps_kb(area, field);

	if (kb != (long)pages * 4)
		say("# level %d: %s is %ld kB, not %ld", share_level(), field, kb, pages * 4);
	CHECK(kb == (long)pages * 4);
}

#define PRESENT	  (1ull << 63)
#define EXCLUSIVE (1ull << 56)
#define PFN	  ((1ull << 55) - 1)

static uint64_t pagemap[N];

static void read_pagemap(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);

	REQUIRE(fd >= 0);
	EQ(pread(fd, pagemap, sizeof(pagemap), (unsigned long)area / PAGE * 8), sizeof(pagemap));
	close(fd);
}

/* The first `own` pages are this process's alone, and counted once; the rest is shared. */
static void expect_owned(unsigned long own)
{
	unsigned long exclusive = 0, once = 0, wrong = 0;
	int fd = open("/proc/kpagecount", O_RDONLY);

	read_pagemap();
	for (unsigned long i = 0; i < N; i++) {
		uint64_t n = 1;

		exclusive += !!(pagemap[i] & EXCLUSIVE);
		wrong += !(pagemap[i] & PRESENT) || !(pagemap[i] & EXCLUSIVE) != (i >= own);
		if (fd >= 0)
			EQ(pread(fd, &n, 8, (pagemap[i] & PFN) * 8), 8);
		once += n == 1;
	}
	if (fd >= 0)
		close(fd);
	EQ(exclusive, own);
	EQ(wrong, 0);
	/* where tables are shared, many processes come by one entry */
	if (share_level() > 1)
		CHECK(once >= own);
	else
		EQ(once, own);
}

static void counts_at(int level)
{
	unsigned long eager = level == 0 ? N : 0;
	int go[2], seen[2];
	char c;
	pid_t pid;

	set_level(level);
	area = map_private(N * PAGE);
	memset(area, 1, N * PAGE);
	REQUIRE(!pipe(go) && !pipe(seen));
	expect_owned(N);
	pid = CHILD(expect_kb("Rss", N); expect_kb("Private_Dirty", eager);
		    expect_kb("Shared_Dirty", N - eager); EQ(write(seen[1], "x", 1), 1);
		    EQ(read(go[0], &c, 1), 1));
	EQ(read(seen[0], &c, 1), 1);
	expect_kb("Rss", N);
	expect_kb("Pss", level ? N / 2 : N);
	expect_owned(eager);
	memset(area, 2, N / 2 * PAGE);
	expect_owned(eager ?: N / 2);
	expect_kb("Rss", N);
	expect_kb("Pss", level ? N / 2 + N / 4 : N);
	EQ(munmap(area + (N - 100) * PAGE, 100 * PAGE), 0);
	expect_kb("Rss", N - 100);
	audit();
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
	expect_kb("Rss", N - 100);
	expect_kb("Pss", N - 100);
	expect_kb("Private_Dirty", N - 100);
	munmap(area, N * PAGE);
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(seen[i]);
	}
}

TEST(counts_at_each_level)
{
	int level = share_level();

	for (int l = on_calf() ? 0 : 1; l < (on_calf() ? LEVELS : 2); l++)
		counts_at(l);
	set_level(level);
}
