/* Random values for system calls: half of them sensible, and each reproducible from a seed. */
#pragma once

#include "tap.h"

#include <sys/uio.h>

static __thread uint64_t rng;

static uint64_t next(void)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
	return next() % n;
}

#define PICK(array) ((array)[below(sizeof(array) / sizeof(*(array)))])

static bool as_root; /* this process is root: what it may break must be its own */

/* ---- values ---- */

static char *arena;    /* pages of every kind in a row; see make_arena() */
static char *garbage;  /* a page of random bytes in it */
static char *last_end; /* the end of a mapped page with nothing behind it */

enum { ARENA_PAGES = 32 };

/* Private, shared, read-only, inaccessible, unmapped, of a file and past its end. */
static void make_arena(void)
{
	int fd = open("mapped", O_RDWR | O_CREAT, 0600);

	arena = mmap(NULL, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	if (arena == MAP_FAILED)
		_exit(1);
	garbage = arena;
	mmap(arena + 8 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
	     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (fd >= 0 && !ftruncate(fd, 2 * PAGE))
		mmap(arena + 12 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		     fd, 0);
	mprotect(arena + 16 * PAGE, 2 * PAGE, PROT_READ);
	mprotect(arena + 18 * PAGE, 2 * PAGE, PROT_NONE);
	munmap(arena + 20 * PAGE, 2 * PAGE);
	last_end = arena + 20 * PAGE;
	if (fd >= 0)
		close(fd);
}

static uint64_t any_int(void)
{
	static const uint64_t special[] = {
	    0,
	    0,
	    1,
	    1,
	    2,
	    3,
	    4,
	    7,
	    8,
	    16,
	    63,
	    64,
	    100,
	    255,
	    256,
	    4095,
	    4096,
	    4097,
	    65535,
	    65536,
	    1 << 20,
	    0x7fffffff,
	    0x80000000,
	    0xffffffff,
	    0x100000000,
	    0x7fffffffffffffff,
	    0x8000000000000000,
	    -1ull,
	    -2ull,
	    -100ull,
	    -4096ull,
	    -4097ull,
	};

	switch (below(6)) {
	case 0:
		return next();
	case 1:
		return next() & 0xffffffff;
	case 2:
		return 1ull << below(64);
	case 3:
		return below(1 << below(16));
	default:
		return PICK(special);
	}
}

static uint64_t any_pointer(void)
{
	static const uint64_t special[] = {
	    0,
	    1,
	    8,
	    4096,
	    0x7fffffffefff,
	    0x7ffffffff000,
	    0x7fffffffffff,
	    0x800000000000,
	    0x8000000000000000,
	    0xffff800000000000,
	    0xffffffff80000000,
	    0xffffffff80100000,
	    0xfffffffffffff000,
	    0xffffffffffffffff,
	};
	int here;

	switch (below(10)) {
	case 0:
		return PICK(special);
	case 1:
		return (uint64_t)(last_end - below(64));
	case 2:
		return (uint64_t)(arena + below(ARENA_PAGES * PAGE));
	case 3:
		return (uint64_t)&here - below(8192);
	case 4:
		return (uint64_t)(arena + below(ARENA_PAGES) * PAGE);
	case 5:
		return (uint64_t)any_pointer;
	default:
		return (uint64_t)(garbage + below(7 * PAGE));
	}
}

static uint64_t any_length(void)
{
	return below(4) ? below(1 << below(17)) : any_int();
}

static uint64_t any_address(void)
{
	return below(8) ? (uint64_t)(arena + below(ARENA_PAGES) * PAGE) : any_pointer();
}

static uint64_t any_fd(void)
{
	return below(8) ? below(24) : any_int();
}

static uint64_t any_path(void)
{
	static const char *const paths[] = {
	    "f0",
	    "f1",
	    "f2",
	    "d0",
	    "d0/f0",
	    "d0/d1",
	    "d1",
	    "link",
	    "fifo",
	    ".",
	    "..",
	    "/",
	    "",
	    "/proc",
	    "/proc/self/maps",
	    "/proc/self/smaps",
	    "/proc/self/stat",
	    "/proc/self/status",
	    "/proc/self/mem",
	    "/proc/self/fd",
	    "/proc/self/fd/5",
	    "/proc/self/exe",
	    "/proc/self/cwd",
	    "/proc/self/pagemap",
	    "/proc/self/task",
	    "/proc/self/environ",
	    "/proc/self/fdinfo/3",
	    "/proc/self/oom_score_adj",
	    "/proc/1/stat",
	    "/proc/meminfo",
	    "/proc/vmstat",
	    "/proc/mounts",
	    "/dev/null",
	    "/dev/zero",
	    "/dev/urandom",
	    "/sys/devices/system/cpu/online",
	    "f0/x",
	    "d0/../f1",
	    "./././f0",
	    "nothing/at/all",
	    "/proc/self/fd/5/x",
	};
	char *p = garbage + below(6) * 512;

	switch (below(12)) {
	case 0:
		return any_pointer();
	case 1: /* long, perhaps too long */
		memset(p, below(2) ? 'a' : '/', 300 + below(4500));
		return (uint64_t)p;
	case 2:
		return (uint64_t)strcpy(last_end - 3, "f0");
	default:
		strcpy(p, PICK(paths));
		if (as_root && (!strncmp(p, "/dev", 4) || !strcmp(p, "/")))
			strcpy(p, "f0");
		return (uint64_t)p;
	}
}

static uint64_t any_iovec(void)
{
	struct iovec *v = (struct iovec *)(garbage + below(64) * 16);

	for (int i = 0; i < 8; i++) {
		v[i].iov_base = (void *)any_pointer();
		v[i].iov_len = any_length();
	}
	return (uint64_t)v;
}

static uint64_t any_time(void)
{
	struct timespec *t = (struct timespec *)(garbage + below(64) * 16);

	t[0].tv_sec = t[1].tv_sec = below(4) ? 0 : (time_t)any_int();
	t[0].tv_nsec = t[1].tv_nsec = below(4) ? (long)below(2000000) : (long)any_int();
	return (uint64_t)t;
}

static uint64_t any_pid(void)
{
	return below(3) ? (uint64_t)getpid() : below(2) ? any_int() : 0;
}

/* argv and envp: a few pointers to text. */
static uint64_t any_strings(void)
{
	char **v = (char **)(garbage + below(64) * 64);

	for (int i = 0; i < 4; i++)
		v[i] = below(8) ? garbage + below(PAGE) : (char *)any_pointer();
	v[below(5)] = NULL;
	return (uint64_t)v;
}

/* The id of some segment, set of semaphores or queue, where the place that was guessed has one. */
static uint64_t any_ipc_id(void)
{
	char about[256];
	long place = below(4);

	switch (below(3)) {
	case 0:
		return syscall(SYS_shmctl, place, 13, about);
	case 1:
		return syscall(SYS_semctl, place, 0, 18, about);
	default:
		return syscall(SYS_msgctl, place, 11, about);
	}
}

/* A value by the letter that stands for its kind in the table of calls. */
static uint64_t value(char kind)
{
	static const uint32_t open_flags[] = {0,	 1,	   2,	    0100,    0102,
					      01102,	 02002,	   0200000, 0400000, 010000000,
					      020200002, 02000000, 04000,   0300};
	static const uint32_t map_flags[] = {0x22, 0x21,     0x02,   0x01,  0x32,   0x31, 0x12,
					     0x11, 0x100022, 0x8022, 0x122, 0x4022, 0x03};
	static const uint32_t modes[] = {0,	  0600,	   0644,    0755,    0777,    0100644,
					 0040755, 0010644, 0020666, 0120777, 0140666, 07777};

	static const uint32_t ipc_flags[] = {01600, 01666, 03600, 0, 0600, 05600};

	if (!below(12))
		return below(2) ? any_int() : any_pointer();
	switch (kind) {
	case 'i':
		return any_ipc_id();
	case 'I':
		return PICK(ipc_flags);
	case 'f':
		return any_fd();
	case 'd':
		return below(2) ? (uint64_t)AT_FDCWD : any_fd();
	case 'b':
		return any_pointer();
	case 'l':
		return any_length();
	case 'p':
		return any_path();
	case 'g':
		return PICK(open_flags) | (below(8) ? 0 : (uint32_t)next());
	case 'm':
		return PICK(modes);
	case 's':
		return below(70);
	case 'P':
		return any_pid();
	case 'r':
		return below(8);
	case 'M':
		return PICK(map_flags);
	case 'a':
		return any_address();
	case 'A':
		return below(27);
	case 'v':
		return any_iovec();
	case 't':
		return any_time();
	case 'n':
		return below(16);
	case 'w':
		return 1u << below(12) | (below(2) ? 0 : 1u << below(32));
	case 'z':
		return 8;
	case 'S':
		return any_strings();
	case 'c':
		return below(below(4) ? 3 : 64);
	default:
		return below(2) ? any_int() : any_pointer();
	}
}
