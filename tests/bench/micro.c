/*
 * What each path of DESIGN costs: run under QEMU's -icount shift=0,sleep=off, where the guest's clock
 * counts one nanosecond an instruction, on Calf and on Linux alike.
 *
 *	micro [--sizes MIB,MIB...] [--children N]
 *
 * One line a figure: NAME COUNT. Each is the mean over many rounds, less what reading the clock costs.
 * N idle children at a time tell what one of them takes of MemFree. As /init, it mounts /proc and
 * switches the machine off afterwards.
 */
#include "micro.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void syscalls(void)
{
	enum { N = 10000 };
	uint64_t t = now();

	for (int i = 0; i < N; i++)
		syscall(SYS_getppid);
	report("null_syscall", now() - t, N);
}

static void faults(void)
{
	enum { N = 2048 };
	volatile char *p = map(N * PAGE);
	uint64_t t;

	/* One fault a page: Calf copies several of a sequential streak at once. */
	madvise((void *)p, N * PAGE, MADV_RANDOM);
	pid_t pid;
	int fd[2];
	char c = 0;

	/* The tables are there before the first measured fault. */
	touch(p, N);
	madvise((void *)p, N * PAGE, MADV_DONTNEED);
	p[0] = 1;
	p[512 * PAGE] = p[1024 * PAGE] = p[1536 * PAGE] = 1;
	t = now();
	for (int i = 0; i < N; i++)
		(void)p[(size_t)i * PAGE];
	report("read_fault", now() - t, N - 4); /* four were there */
	madvise((void *)p, N * PAGE, MADV_DONTNEED);
	t = now();
	touch(p, N);
	report("write_fault", now() - t, N);
	if (pipe(fd))
		die("pipe");
	pid = fork();
	if (!pid) {
		if (read(fd[0], &c, 1) != 1)
			_exit(1);
		_exit(0);
	}
	t = now();
	touch(p, N);
	report("cow_fault", now() - t, N);
	if (write(fd[1], &c, 1) != 1)
		die("write");
	wait_for(pid);
	pid = fork();
	if (!pid)
		_exit(0);
	wait_for(pid);
	t = now();
	touch(p, N);
	report("reuse_fault", now() - t, N);
	t = now();
	munmap((void *)p, N * PAGE);
	report("munmap_page", now() - t, N);
	close(fd[0]);
	close(fd[1]);
}

/* On its own, since a vfork child runs on this very frame. */
static __attribute__((noinline)) void vfork_once(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(0);
	wait_for(pid);
}

static void spawns(void)
{
	enum { N = 50 };
	char *argv[] = {"micro", "--nothing", NULL};
	uint64_t t = 0;
	pid_t pid;

	for (int i = 0; i <= N; i++) {
		if (i == 1)
			t = now();
		vfork_once();
	}
	report("vfork_exit", now() - t, N);
	for (int i = 0; i <= N; i++) {
		if (i == 1)
			t = now();
		if (posix_spawn(&pid, self, NULL, NULL, argv, environ))
			die("posix_spawn");
		wait_for(pid);
	}
	report("posix_spawn_wait", now() - t, N);
	for (int i = 0; i <= N; i++) {
		if (i == 1)
			t = now();
		pid = fork();
		if (!pid) {
			execve(self, argv, environ);
			_exit(1);
		}
		wait_for(pid);
	}
	report("fork_exec_wait", now() - t, N);
}

static void ping_pong(void)
{
	enum { N = 1000 };
	int a[2], b[2];
	uint64_t t = 0;
	pid_t pid;
	char c = 0;

	if (pipe(a) || pipe(b))
		die("pipe");
	pid = fork();
	if (!pid) {
		for (int i = 0; i <= N; i++)
			if (read(a[0], &c, 1) != 1 || write(b[1], &c, 1) != 1)
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i <= N; i++) {
		if (i == 1)
			t = now();
		if (write(a[1], &c, 1) != 1 || read(b[0], &c, 1) != 1)
			die("ping");
	}
	report("pipe_round_trip", now() - t, N);
	wait_for(pid);
}

int main(int argc, char **argv)
{
	char sizes[128] = "16,64,256,1024";
	int children = 8;

	if (argc > 1 && !strcmp(argv[1], "--nothing"))
		_exit(0);
	if (argc > 1 && !strcmp(argv[1], "--ballast"))
		ballast();
	for (int i = 1; i + 1 < argc; i++) {
		if (!strcmp(argv[i], "--sizes"))
			snprintf(sizes, sizeof(sizes), "%s", argv[++i]);
		else if (!strcmp(argv[i], "--children"))
			children = atoi(argv[++i]);
	}
	if (children < 1)
		children = 1;
	begin();
	report_plain("clock", (long)clock_cost);
	syscalls();
	faults();
	forks("small", 50, 0, children);
	spawns();
	ping_pong();
	fork_areas();
	fork_descriptors();
	fork_storms(64);
	for (char *s = strtok(sizes, ","); s; s = strtok(NULL, ",")) {
		size_t mib = strtoul(s, NULL, 0);
		char name[32];

		snprintf(name, sizeof(name), "%zuM", mib);
		forks(name, 3, mib, mib > 1024 ? 1 : children);
	}
	return finish();
}
