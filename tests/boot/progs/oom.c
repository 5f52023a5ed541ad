/* All memory used up: the culprit dies, the kernel and the others live, and all of it comes back. */
#include "tap.h"

#include <pthread.h>

static long free_kb(void)
{
	return value_of("/proc/meminfo", "MemFree");
}

/* Takes memory until it is killed. */
static void devour(void)
{
	for (;;) {
		char *p =
		    mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			_exit(50);
		for (size_t i = 0; i < MIB; i += PAGE)
			p[i] = 1;
	}
}

static void let_overcommit(void)
{
	int fd = open("/proc/sys/vm/overcommit_memory", O_WRONLY);

	if (fd >= 0) {
		CHECK(write(fd, "1", 1) == 1);
		close(fd);
	}
}

TEST_FOR(120, a_greedy_process_is_killed)
{
	long before = free_kb();

	let_overcommit();
	EQ(status_of(CHILD(spit("/proc/self/oom_score_adj", "1000"); devour())), SIGKILL);
	sleep_ms(100);
	CHECK(free_kb() > before * 3 / 4);
}

static void *devour_as_thread(void *arg)
{
	if (arg)
		devour();
	for (;;)
		pause();
	return NULL;
}

/* All threads die of what one of them takes, though the first one has ended before. */
TEST_FOR(120, a_greedy_thread_is_killed)
{
	pthread_t t;

	let_overcommit();
	EQ(status_of(
	       CHILD(spit("/proc/self/oom_score_adj", "1000"); for (long i = 0; i < 4; i++)
			 REQUIRE(!pthread_create(&t, NULL, devour_as_thread, (void *)(i % 2)));
		     syscall(SYS_exit, 3))),
	   SIGKILL);
}

TEST_FOR(120, again_and_again)
{
	let_overcommit();
	for (int i = 0; i < 4; i++)
		EQ(status_of(CHILD(spit("/proc/self/oom_score_adj", "1000"); devour())), SIGKILL);
}

TEST_FOR(120, the_small_one_survives)
{
	unsigned char *mine = map_private(64 * PAGE);
	pid_t pid;

	let_overcommit();
	memset(mine, 9, 64 * PAGE);
	pid = CHILD(spit("/proc/self/oom_score_adj", "1000"); devour());
	EQ(status_of(pid), SIGKILL);
	for (int i = 0; i < 64; i++)
		EQ(mine[i * PAGE], 9);
	JOIN(CHILD(memset(mine, 1, 64 * PAGE)));
}

TEST_FOR(120, copy_on_write_runs_out)
{
	/* more than half of what is free: parent and child cannot both have a copy */
	size_t len = free_kb() * 1024 / 10 * 6 / PAGE * PAGE;
	unsigned char *p;
	pid_t pid;

	if (!share_level())
		SKIP("level 0 refuses the fork itself");
	let_overcommit();
	p = map_private(len);
	for (size_t i = 0; i < len; i += PAGE)
		p[i] = 1;
	pid = CHILD(spit("/proc/self/oom_score_adj", "1000");
		    for (size_t i = 0; i < len; i += PAGE) p[i] = 2);
	EQ(status_of(pid), SIGKILL);
	for (size_t i = 0; i < len; i += PAGE)
		if (!EQ(p[i], 1))
			break;
}

TEST_FOR(120, fork_that_cannot_is_undone)
{
	size_t len = free_kb() * 1024 / 10 * 6 / PAGE * PAGE;
	unsigned char *p;
	long before;

	if (share_level())
		SKIP("at level 1 this fork goes well");
	p = map_private(len);
	for (size_t i = 0; i < len; i += PAGE)
		p[i] = 1;
	before = free_kb();
	for (int i = 0; i < 5; i++)
		FAILS(fork(), ENOMEM);
	NEAR(free_kb(), before, 64);
	for (size_t i = 0; i < len; i += PAGE)
		if (!EQ(p[i], 1))
			break;
	munmap(p, len);
	JOIN(CHILD());
}

TEST_FOR(120, calls_refuse_rather_than_fall_over)
{
	int p[2];

	/* all but nothing is taken; what asks for memory then says ENOMEM or kills the greedy one */
	let_overcommit();
	REQUIRE(!pipe(p));
	pid_t hog = CHILD(spit("/proc/self/oom_score_adj", "1000"); size_t n = free_kb() / 1024 - 1;
			  char *m = map_private(n * MIB);
			  for (size_t i = 0; i < n * MIB; i += PAGE) m[i] = 1;
			  EQ(write(p[1], "x", 1), 1); for (;;) pause());
	char c = 0;
	close(p[1]);
	if (read(p[0], &c, 1) == 1) {
		for (int i = 0; i < 200; i++) {
			pid_t pid = fork();

			if (!pid)
				_exit(0);
			if (pid > 0)
				waitpid(pid, NULL, 0);
		}
	}
	kill(hog, SIGKILL);
	EQ(status_of(hog), SIGKILL);
	JOIN(CHILD());
}

TEST_FOR(120, a_file_that_fills_memory)
{
	static char buf[65536];
	long before = free_kb();
	pid_t pid = CHILD(spit("/proc/self/oom_score_adj", "1000");
			  int fd = open("/tmp/fill", O_WRONLY | O_CREAT | O_TRUNC, 0600);
			  while (write(fd, buf, sizeof(buf)) > 0);
			  _exit(errno == ENOSPC || errno == ENOMEM ? 0 : 1));
	int s = status_of(pid);

	CHECK(s == 0 || s == SIGKILL);
	EQ(unlink("/tmp/fill"), 0);
	sleep_ms(100);
	CHECK(free_kb() > before * 3 / 4);
}
