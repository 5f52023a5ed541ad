/*
 * What fork costs by what the process has: memory, areas, descriptors; and what comes after it.
 *
 *	fork_*			until fork returns. The child stops at a pipe, so that where it runs
 *				before that (a long fork outlasts the parent's time slice) it adds a
 *				page or two and a system call, and neither its exit nor the wait.
 *	exit_*			from the word to a child that is ready, and touched nothing, until the
 *				parent's wait returns
 *	fork_exit_wait_*	all of it, with a child that exits at once
 *	faults_after_exit_*	minor faults of the parent that writes all its memory again
 *	idle_child_kib_*	what such a child takes of MemFree, in KiB
 *	storm_*			fork, then parent and child write every page, then exit and wait
 */
#include "micro.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Past this, writing all again is left out: it would take longer than all the rest. */
#define REWRITE_MIB 4096

#define LONG 20000000 /* nanoseconds of a round of which one is enough */

#define BALLAST (128ul << 20)

#define KNOB "/proc/sys/vm/fork_share_level"

static const char *figure(const char *kind, const char *name)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s_%s", kind, name);
	return text;
}

static void say(int fd)
{
	char c = 0;

	if (write(fd, &c, 1) != 1)
		die("write");
}

static void hear(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		die("read");
}

/* One child that stops before it exits: how long fork took, and how long the exit. */
static void fork_once(const int *ready, const int *go, uint64_t *returns, uint64_t *exits)
{
	uint64_t t = now(), r;
	pid_t pid = fork();

	if (!pid) {
		say(ready[1]);
		hear(go[0]);
		_exit(0);
	}
	r = now();
	*returns += r - t - clock_cost;
	hear(ready[0]);
	t = now();
	say(go[1]);
	wait_for(pid);
	*exits += now() - t - clock_cost;
}

static void open_pipes(int *ready, int *go)
{
	if (pipe(ready) || pipe(go))
		die("pipe");
}

static void close_pipes(const int *ready, const int *go)
{
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

/* The first round warms up, and tells how many more there are to be: one where it took long. */
static int rounds_after(uint64_t first, int rounds)
{
	return first > LONG ? 1 : rounds;
}

static void fork_rounds(const char *name, int rounds, bool exits_too)
{
	uint64_t returns = 0, exits = 0;
	int ready[2], go[2];

	open_pipes(ready, go);
	fork_once(ready, go, &returns, &exits);
	rounds = rounds_after(returns + exits, rounds);
	returns = exits = 0;
	for (int i = 0; i < rounds; i++)
		fork_once(ready, go, &returns, &exits);
	close_pipes(ready, go);
	report(figure("fork", name), returns + clock_cost, (uint64_t)rounds);
	if (exits_too)
		report(figure("exit", name), exits + clock_cost, (uint64_t)rounds);
}

static void fork_and_wait(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	wait_for(pid);
}

static void whole_rounds(const char *name, int rounds)
{
	uint64_t t = now();

	fork_and_wait();
	rounds = rounds_after(now() - t, rounds);
	t = now();
	for (int i = 0; i < rounds; i++)
		fork_and_wait();
	report(figure("fork_exit_wait", name), now() - t, (uint64_t)rounds);
}

static long minor_faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_minflt;
}

/* KiB of free memory, where /proc says so. */
static long mem_free(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemFree: %ld", &kib) != 1)
			kib = -1;
	if (f)
		fclose(f);
	return kib;
}

/*
 * Linux keeps freed frames on lists of each CPU, megabytes on a large machine, and MemFree leaves them
 * out: a child that takes its tables from there would seem to cost nothing. So another program takes
 * enough to empty them, and holds it meanwhile.
 */
void ballast(void)
{
	char c = 0;

	touch(map(BALLAST), BALLAST / PAGE);
	if (write(1, &c, 1) != 1 || read(0, &c, 1) != 0)
		_exit(1);
	_exit(0);
}

static void ballast_start(const int *ready, const int *go)
{
	char *argv[] = {"micro", "--ballast", NULL};
	posix_spawn_file_actions_t files;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, go[0], 0);
	posix_spawn_file_actions_adddup2(&files, ready[1], 1);
	posix_spawn_file_actions_addclose(&files, go[1]);
	if (posix_spawn(&pid, self, &files, NULL, argv, environ))
		die("posix_spawn");
	posix_spawn_file_actions_destroy(&files);
	hear(ready[0]);
}

static void idle_children(const char *name, int children)
{
	int ready[2], go[2];
	long before, after;
	char c;

	open_pipes(ready, go);
	ballast_start(ready, go);
	mem_free(); /* whatever a first read of meminfo takes is taken now */
	before = mem_free();
	for (int i = 0; i < children; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			close(go[1]);
			say(ready[1]);
			_exit(read(go[0], &c, 1) != 0);
		}
	}
	for (int i = 0; i < children; i++)
		hear(ready[0]);
	after = mem_free();
	close(go[1]);
	for (int i = 0; i <= children; i++) /* and the ballast */
		if (wait(NULL) < 0)
			die("wait");
	close(go[0]);
	close(ready[0]);
	close(ready[1]);
	report_plain(figure("idle_child_kib", name), (before - after) / children);
}

void forks(const char *name, int rounds, size_t mib, int children)
{
	size_t pages = mib * 256;
	char *p = pages ? map(pages * PAGE) : NULL;

	if (p)
		touch(p, pages);
	fork_rounds(name, rounds, true);
	whole_rounds(name, rounds);
	if (p && mib <= REWRITE_MIB) {
		long before = minor_faults();

		touch(p, pages);
		report_plain(figure("faults_after_exit", name), minor_faults() - before);
	}
	idle_children(name, children);
	if (p)
		munmap(p, pages * PAGE);
}

/* Fork, and both sides write everything. */
static void storm(const char *name, size_t pages)
{
	enum { ROUNDS = 3 };
	char *p = map(pages * PAGE);
	uint64_t t = 0;

	touch(p, pages);
	for (int i = 0; i <= ROUNDS; i++) {
		pid_t pid;

		if (i == 1)
			t = now();
		pid = fork();
		touch(p, pages);
		if (!pid)
			_exit(0);
		wait_for(pid);
	}
	report(name, now() - t, ROUNDS);
	munmap(p, pages * PAGE);
}

static bool knob_set(const char *text)
{
	int fd = open(KNOB, O_WRONLY);
	bool good = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return good;
}

/* At the level that is set; and where there are levels, at 1 and auto within the same boot. */
void fork_storms(size_t mib)
{
	char before[16] = "", name[48], size[16];
	int fd = open(KNOB, O_RDONLY);

	snprintf(size, sizeof(size), "%zuM", mib);
	snprintf(name, sizeof(name), "storm_%s", size);
	storm(name, mib * 256);
	if (fd < 0)
		return;
	if (read(fd, before, sizeof(before) - 1) <= 0)
		die(KNOB);
	close(fd);
	for (int at_auto = 0; at_auto < 2; at_auto++) {
		if (!knob_set(at_auto ? "auto" : "1"))
			die(KNOB);
		snprintf(name, sizeof(name), "storm_%s_%s", size, at_auto ? "auto" : "level1");
		storm(name, mib * 256);
	}
	if (!knob_set(before))
		die(KNOB);
}

/* The same touched pages, cut into few areas and into many: neighbours differ in their rights. */
void fork_areas(void)
{
	enum { PAGES = 1000 };
	static const int counts[] = {10, 1000};

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		char *p = map(PAGES * PAGE), name[32];
		size_t pages = (size_t)(PAGES / counts[i]);

		touch(p, PAGES);
		for (size_t at = pages; at < PAGES; at += 2 * pages)
			if (mprotect(p + at * PAGE, pages * PAGE, PROT_READ))
				die("mprotect");
		snprintf(name, sizeof(name), "%d_areas", counts[i]);
		fork_rounds(name, 20, false);
		munmap(p, PAGES * PAGE);
	}
}

void fork_descriptors(void)
{
	static const int counts[] = {10, 1000};
	struct rlimit limit = {4096, 4096};
	int fd[1000];

	setrlimit(RLIMIT_NOFILE, &limit); /* where it is refused, dup() tells */
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		char name[32];

		for (int n = 0; n < counts[i]; n++)
			if ((fd[n] = dup(1)) < 0)
				die("dup");
		snprintf(name, sizeof(name), "%d_fds", counts[i]);
		fork_rounds(name, 20, false);
		for (int n = 0; n < counts[i]; n++)
			close(fd[n]);
	}
}
