/*
 * Is a page table with few entries better copied at fork, or shared? As /init under QEMU's -icount, it
 * forks over TABLES leaf tables of 1 to 512 entries, at share level 1, which copies them, and 2, which
 * shares them, and prints instructions a table for fork, exit and wait together with the writes of one
 * page below each: by nobody, by the parent afterwards, by the child too. AUTO_SPARSE in mm/fork.c
 * follows from it.
 */
#include "common.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TABLES	   8
#define TABLE_SIZE (2ul << 20)
#define ROUNDS	   4

static const char *const writers[] = {"nobody", "parent", "both"};
static volatile char *base;

static void set_level(const char *level)
{
	int fd = open("/proc/sys/vm/fork_share_level", O_WRONLY);

	if (fd < 0 || write(fd, level, strlen(level)) < 0)
		die("share level");
	close(fd);
}

static void write_below_each(char value)
{
	for (size_t t = 0; t < TABLES; t++)
		base[t * TABLE_SIZE] = value;
}

static uint64_t fork_once(int writer)
{
	uint64_t began = now();
	pid_t pid = fork();

	if (!pid) {
		if (writer == 2)
			write_below_each(3);
		_exit(0);
	}
	wait_for(pid);
	if (writer >= 1)
		write_below_each(4);
	return now() - began;
}

/* Instructions a table. The first two forks warm up. */
static unsigned long measure(const char *level, int writer)
{
	uint64_t sum = 0;

	set_level(level);
	for (int round = -2; round < ROUNDS; round++) {
		uint64_t n = fork_once(writer);

		if (round >= 0)
			sum += n;
	}
	return sum / ROUNDS / TABLES;
}

static void fill(size_t entries)
{
	for (size_t t = 0; t < TABLES; t++)
		for (size_t i = 0; i < entries; i++)
			base[t * TABLE_SIZE + i * PAGE] = 1;
}

int main(void)
{
	size_t bytes = (TABLES + 1) * TABLE_SIZE;
	char *p = map(bytes);

	begin();
	madvise(p, bytes, MADV_RANDOM);
	base = (char *)(((uintptr_t)p + TABLE_SIZE - 1) & ~(TABLE_SIZE - 1));
	printf("%-8s%8s%8s%8s\n", "writer", "entries", "copied", "shared");
	for (int writer = 0; writer < 3; writer++)
		for (size_t n = 1; n <= 512; n *= 2) {
			unsigned long copied, shared;

			set_level("1");
			madvise((void *)base, TABLES * TABLE_SIZE, MADV_DONTNEED);
			fill(n);
			copied = measure("1", writer);
			shared = measure("2", writer);
			printf("%-8s%8zu%8lu%8lu\n", writers[writer], n, copied, shared);
		}
	return finish();
}
