/*
 * Minor faults, exactly. At level 1 each figure is Linux's; a few faults of the test's own (stack,
 * libc's data) are let pass, half of the 8 that the two systems may differ by.
 */
#include "tap.h"

#define N     1024
#define SLACK 4

static unsigned char *area;

/* Memory in which each page takes its own fault: Calf resolves several of a sequential streak at once. */
static void *map_counted(void)
{
	void *p = map_private(N * PAGE);

	EQ(madvise(p, N * PAGE, MADV_RANDOM), 0);
	return p;
}

static long touch(bool write)
{
	long before = minor_faults();

	for (size_t i = 0; i < N; i++) {
		if (write)
			((volatile unsigned char *)area)[i * PAGE] = i;
		else
			(void)((volatile unsigned char *)area)[i * PAGE];
	}
	return minor_faults() - before;
}

/* Counts in the child, checked in the parent by the way of a pipe, so that checking costs nothing. */
static long in_child(long (*count)(bool), bool arg)
{
	long faults = -1;
	int p[2];
	pid_t pid;

	REQUIRE(!pipe(p));
	pid = fork();
	REQUIRE(pid >= 0);
	if (!pid) {
		faults = count(arg);
		_exit(write(p[1], &faults, sizeof(faults)) != sizeof(faults));
	}
	JOIN(pid);
	EQ(read(p[0], &faults, sizeof(faults)), sizeof(faults));
	close(p[0]);
	close(p[1]);
	return faults;
}

TEST(first_writes)
{
	area = map_counted();
	NEAR(touch(true), N, SLACK);
	NEAR(touch(true), 0, SLACK);
	NEAR(touch(false), 0, SLACK);
}

TEST(first_reads_then_writes)
{
	area = map_counted();
	NEAR(touch(false), N, SLACK); /* the zero page */
	NEAR(touch(false), 0, SLACK);
	NEAR(touch(true), N, SLACK); /* it is copied */
}

TEST(child_writes_what_it_shares)
{
	long want = share_level() ? N : 0;

	area = map_counted();
	touch(true);
	NEAR(in_child(touch, false), 0, 2 * SLACK);
	NEAR(in_child(touch, true), want, 2 * SLACK);
}

TEST(parent_writes_after_the_child_is_gone)
{
	int level = share_level();

	area = map_counted();
	touch(true);
	JOIN(CHILD());
	NEAR(touch(false), 0, SLACK);
	/* reuse in place is a fault, too, at level 1; above it one fault brings back a whole table */
	if (level <= 1)
		NEAR(touch(true), level ? N : 0, SLACK);
	else
		BETWEEN(touch(true), 0, level == LEVEL_AUTO ? N : 8);
	NEAR(touch(true), 0, SLACK);
}

TEST(parent_writes_while_the_child_lives)
{
	long want = share_level() ? N : 0;
	int go[2];
	char c;
	pid_t pid;

	area = map_counted();
	touch(true);
	REQUIRE(!pipe(go));
	pid = CHILD(EQ(read(go[0], &c, 1), 1); NEAR(touch(true), want, 2 * SLACK));
	NEAR(touch(true), want, SLACK);
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
}

TEST(child_writes_first_the_parent_second)
{
	long want = share_level() ? N : 0;

	area = map_counted();
	touch(true);
	NEAR(in_child(touch, true), want, 2 * SLACK);
	NEAR(touch(true), want, SLACK);
}

TEST(shared_anonymous)
{
	long child;

	area = map_anon(N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	NEAR(touch(true), N, SLACK);
	NEAR(touch(true), 0, SLACK);
	/* fork leaves out what a fault brings back from the page cache */
	child = in_child(touch, true);
	say("# a child takes %ld faults on %d shared pages", child, N);
	NEAR(touch(true), 0, SLACK);
}

TEST(populated)
{
	long before = minor_faults();

	area = map_anon(N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE);
	NEAR(minor_faults() - before, N, SLACK);
	NEAR(touch(true), 0, SLACK);
}

TEST(after_madv_dontneed)
{
	area = map_counted();
	touch(true);
	EQ(madvise(area, N * PAGE, MADV_DONTNEED), 0);
	NEAR(touch(true), N, SLACK);
}

TEST(after_mprotect_round_trip)
{
	area = map_counted();
	touch(true);
	EQ(mprotect(area, N * PAGE, PROT_READ), 0);
	EQ(mprotect(area, N * PAGE, PROT_READ | PROT_WRITE), 0);
	NEAR(touch(false), 0, SLACK);
	say("# %ld faults on %d pages after mprotect there and back", touch(true), N);
}

TEST(kernel_writes_count_as_well)
{
	int fd = open("/dev/zero", O_RDONLY);
	long before;

	area = map_counted();
	before = minor_faults();
	EQ(read(fd, area, 64 * PAGE), 64 * PAGE);
	NEAR(minor_faults() - before, 64, SLACK);
}

TEST(children_are_summed_when_waited_for)
{
	struct rusage u;
	long before;

	area = map_counted();
	getrusage(RUSAGE_CHILDREN, &u);
	before = u.ru_minflt;
	JOIN(CHILD(touch(true)));
	getrusage(RUSAGE_CHILDREN, &u);
	BETWEEN(u.ru_minflt - before, N, N + 100);
}

TEST(stat_file_agrees_with_getrusage)
{
	char buf[1024], *at;
	long flags, minflt;

	area = map_counted();
	touch(true);
	REQUIRE(slurp("/proc/self/stat", buf, sizeof(buf)) > 0);
	at = strrchr(buf, ')');
	REQUIRE(at && sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %ld %ld", &flags, &minflt) == 2);
	NEAR(minflt, minor_faults(), SLACK);
}

TEST(wait4_reports_the_childs_own)
{
	struct rusage u;
	int status;
	pid_t pid;

	area = map_counted();
	pid = CHILD(touch(true));
	EQ(wait4(pid, &status, 0, &u), pid);
	BETWEEN(u.ru_minflt, N, N + 100);
	CHECK(u.ru_maxrss * 1024 >= (long)(N * PAGE));
}
