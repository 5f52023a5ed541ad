/* What the programs of the benchmark have in common: see common.h. */
#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
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
	printf("bench: %s: %s\n", what, strerror(errno));
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

void begin(void)
{
	if (getpid() == 1) {
		mkdir("/proc", 0755);
		mount("proc", "/proc", "proc", 0, NULL);
		self = "/init";
	}
	measure_clock();
}

int finish(void)
{
	printf("bench: done\n");
	fflush(stdout);
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return 0;
}
