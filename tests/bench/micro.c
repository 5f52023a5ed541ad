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

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *self = "/proc/self/exe";
uint64_t clock_cost;

uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

void die(const char *what)
{
	printf("micro: %s: %s\n", what, strerror(errno));
	exit(1);
}

void report(const char *name, uint64_t total, uint64_t rounds)
{
	printf("%-28s %llu\n", name, (unsigned long long)((total - clock_cost) / rounds));
	fflush(stdout);
}

void report_plain(const char *name, long value)
{
	printf("%-28s %ld\n", name, value);
	fflush(stdout);
}

static void measure_clock(void)
{
	uint64_t best = ~0ull;

	for (int i = 0; i < 100; i++) {
		uint64_t t = now(), d = now() - t;

		if (d < best)
			best = d;
	}
	clock_cost = best;
}

char *map(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

void touch(volatile char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = (char)i;
}

void wait_for(pid_t pid)
{
	int status;

	if (pid < 0)
		die("fork");
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("child");
}

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
	if (getpid() == 1) {
		mkdir("/proc", 0755);
		mount("proc", "/proc", "proc", 0, NULL);
		self = "/init";
	}
	measure_clock();
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
	printf("micro: done\n");
	fflush(stdout);
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return 0;
}
