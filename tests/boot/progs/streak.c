/*
 * Streaks: who writes page after page of memory that a fork shares gets several at a fault, and who
 * does not gets none that it did not write. Calf's own: Linux has no such thing.
 */
#include "tap.h"

#define N      1024
#define WINDOW 16

static volatile unsigned char *area;
static int go[2];

static long copied(void)
{
	return value_of("/proc/vmstat", "cow_copy");
}

/* Memory filled with ones, and a child that shares it until stop() and then looks at it. */
static pid_t start(int advice)
{
	pid_t pid;
	char c;

	area = map_private(N * PAGE);
	EQ(madvise((void *)area, N * PAGE, advice), 0);
	for (size_t i = 0; i < N; i++)
		area[i * PAGE] = 1;
	REQUIRE(!pipe(go));
	pid = CHILD(close(go[1]); EQ(read(go[0], &c, 1), 0);
		    for (size_t i = 0; i < N; i++) EQ(area[i * PAGE], 1));
	close(go[0]);
	return pid;
}

static void stop(pid_t pid)
{
	close(go[1]);
	JOIN(pid);
	munmap((void *)area, N * PAGE);
}

static void write_run(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		area[i * PAGE] = 2;
}

#define ON_CALF_AT_LEVEL_1_AND_UP()               \
	do {                                      \
		if (!on_calf() || !share_level()) \
			SKIP("nothing to see");   \
	} while (0)

TEST(a_streak_takes_few_faults_and_copies_each_page_once)
{
	pid_t pid;
	long faults, copies;

	ON_CALF_AT_LEVEL_1_AND_UP();
	pid = start(MADV_NORMAL);
	copies = copied();
	faults = minor_faults();
	write_run(0, N);
	faults = minor_faults() - faults;
	copies = copied() - copies;
	BETWEEN(faults, N / WINDOW, N / WINDOW + 20);
	NEAR(copies, N, 4);
	for (size_t i = 0; i < N; i++)
		EQ(area[i * PAGE], 2);
	stop(pid);
}

TEST(the_last_owner_keeps_its_frames_in_streaks)
{
	pid_t pid;
	long faults, copies;

	ON_CALF_AT_LEVEL_1_AND_UP();
	pid = start(MADV_NORMAL);
	close(go[1]);
	JOIN(pid);
	copies = copied();
	faults = minor_faults();
	write_run(0, N);
	BETWEEN(minor_faults() - faults, 0, N / WINDOW + 20);
	NEAR(copied() - copies, 0, 4);
	munmap((void *)area, N * PAGE);
}

TEST(scattered_writes_get_what_they_write)
{
	pid_t pid;
	long copies;

	ON_CALF_AT_LEVEL_1_AND_UP();
	pid = start(MADV_NORMAL);
	copies = copied();
	for (size_t i = 0; i < N; i += 2)
		area[(i * 37 % N) * PAGE] = 2;
	NEAR(copied() - copies, N / 2, 4);
	/* and pairs, and runs of four: none is a streak yet */
	copies = copied();
	for (size_t i = 1; i < N - 4; i += 8)
		write_run(i, 1);
	NEAR(copied() - copies, N / 8, 4);
	stop(pid);
}

TEST(one_that_stops_has_a_window_more_at_the_most)
{
	pid_t pid;
	long copies;

	ON_CALF_AT_LEVEL_1_AND_UP();
	for (size_t n = 1; n <= 100; n += 9) {
		pid = start(MADV_NORMAL);
		copies = copied();
		write_run(3, n);
		BETWEEN(copied() - copies, (long)n, (long)n + WINDOW + 2);
		stop(pid);
	}
}

TEST(advice_is_taken)
{
	long faults;
	pid_t pid;

	ON_CALF_AT_LEVEL_1_AND_UP();
	pid = start(MADV_RANDOM);
	faults = minor_faults();
	write_run(0, N);
	NEAR(minor_faults() - faults, N, 4);
	stop(pid);
	pid = start(MADV_SEQUENTIAL);
	faults = minor_faults();
	write_run(0, 15); /* 1, 2, 4 and 8 */
	NEAR(minor_faults() - faults, 4, 3);
	stop(pid);
}

TEST(the_knob_turns_it_off)
{
	char was[16];
	long faults;
	pid_t pid;

	ON_CALF_AT_LEVEL_1_AND_UP();
	REQUIRE(slurp("/proc/sys/vm/cow_streak", was, sizeof(was)) > 0);
	EQ(atoi(was), WINDOW);
	spit("/proc/sys/vm/cow_streak", "1");
	pid = start(MADV_SEQUENTIAL);
	faults = minor_faults();
	write_run(0, N);
	faults = minor_faults() - faults;
	stop(pid);
	spit("/proc/sys/vm/cow_streak", was);
	NEAR(faults, N, 4);
}

TEST(a_streak_ends_with_its_area)
{
	pid_t pid;

	ON_CALF_AT_LEVEL_1_AND_UP();
	pid = start(MADV_SEQUENTIAL);
	EQ(mprotect((void *)(area + 64 * PAGE), PAGE, PROT_READ), 0);
	write_run(0, 64);
	EQ(area[64 * PAGE], 1);
	write_run(65, 64);
	stop(pid);
}
