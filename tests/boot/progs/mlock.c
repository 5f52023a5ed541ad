/* Locked memory, its limit, and what it spares; promises of memory; the number of areas. */
#include "trap.h"

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

/* A line of status that has to be there. */
static long status_kb(const char *name)
{
	long kb = value_of("/proc/self/status", name);

	REQUIRE(kb >= 0);
	return kb;
}

static long locked_kb(void)
{
	return status_kb("VmLck");
}

static int resident(void *p, size_t pages)
{
	unsigned char vec[64];
	int n = 0;

	REQUIRE(pages <= sizeof(vec) && !mincore(p, pages * PAGE, vec));
	for (size_t k = 0; k < pages; k++)
		n += vec[k] & 1;
	return n;
}

static void limit_to(long bytes)
{
	struct rlimit r = {bytes, bytes};

	EQ(setrlimit(RLIMIT_MEMLOCK, &r), 0);
	if (geteuid() == 0) {
		EQ(setgid(50), 0);
		EQ(setuid(50), 0);
	}
}

TEST(mlock_brings_the_pages_in)
{
	char *p = map_anon(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	EQ(resident(p, 8), 0);
	EQ(mlock(p + PAGE + 100, PAGE), 0); /* whole pages: two */
	EQ(resident(p, 8), 2);
	EQ(locked_kb(), 8);
	EQ(mlock(p, 4 * PAGE), 0);
	EQ(locked_kb(), 16);
	EQ(munlock(p + PAGE, PAGE), 0);
	EQ(locked_kb(), 12);
	EQ(munmap(p, 2 * PAGE), 0);
	EQ(locked_kb(), 8);
	EQ(munlock(p + 2 * PAGE, 6 * PAGE), 0);
	EQ(locked_kb(), 0);
	EQ(mlock(p + 2 * PAGE, 0), 0);
}

TEST(mlock_refuses)
{
	char *p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	EQ(munmap(p + 2 * PAGE, PAGE), 0);
	FAILS(mlock(p, 4 * PAGE), ENOMEM);
	EQ(locked_kb(), 8); /* what lay before the hole */
	FAILS(munlock(p, 4 * PAGE), ENOMEM);
	FAILS(mlock(p, -2 * PAGE), geteuid() ? ENOMEM : EINVAL);
	FAILS(syscall(SYS_mlock2, p, PAGE, 2), EINVAL);
	FAILS(mlockall(0), EINVAL);
	FAILS(mlockall(8), EINVAL);
	FAILS(mlockall(MCL_ONFAULT), EINVAL);
	EQ(mprotect(p, PAGE, PROT_NONE), 0);
	FAILS(mlock(p, PAGE), ENOMEM);
}

TEST(mlock2_on_fault)
{
	char *p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	EQ(syscall(SYS_mlock2, p, 4 * PAGE, MLOCK_ONFAULT), 0);
	EQ(resident(p, 4), 0);
	EQ(locked_kb(), 16);
	p[0] = 1;
	EQ(resident(p, 4), 1);
	EQ(mlock(p, 4 * PAGE), 0);
	EQ(resident(p, 4), 4);
	EQ(locked_kb(), 16);
}

TEST(locked_pages_are_spared)
{
	char *p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	EQ(mlock(p, 4 * PAGE), 0);
	p[0] = 5;
	FAILS(madvise(p, PAGE, MADV_DONTNEED), EINVAL);
	FAILS(madvise(p, PAGE, MADV_COLD), EINVAL);
	FAILS(madvise(p, PAGE, MADV_PAGEOUT), EINVAL);
	FAILS(msync(p, PAGE, MS_INVALIDATE), EBUSY);
	EQ(p[0], 5);
	EQ(munlock(p, 4 * PAGE), 0);
	EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
	EQ(p[0], 0);
}

TEST(a_child_has_no_locks)
{
	char *p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	EQ(mlock(p, 4 * PAGE), 0);
	memset(p, 3, 4 * PAGE);
	JOIN(CHILD(EQ(locked_kb(), 0); EQ(p[PAGE], 3); p[PAGE] = 4;
		   EQ(madvise(p, PAGE, MADV_DONTNEED), 0); EQ(p[0], 0)));
	EQ(locked_kb(), 16);
	EQ(p[PAGE], 3);
	EQ(p[0], 3);
	EQ(mlockall(MCL_CURRENT | MCL_FUTURE), 0);
	JOIN(CHILD(EQ(locked_kb(), 0); map_anon(PAGE, PROT_READ, MAP_PRIVATE); EQ(locked_kb(), 0)));
}

TEST(mlockall_now_and_from_now_on)
{
	char *p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE), *q;
	long all;

	EQ(mlockall(MCL_CURRENT), 0);
	EQ(resident(p, 4), 4);
	all = locked_kb();
	CHECK(all >= 32);
	q = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	EQ(resident(q, 4), 0);
	EQ(locked_kb(), all);
	EQ(munlockall(), 0);
	EQ(locked_kb(), 0);
	EQ(mlockall(MCL_FUTURE), 0);
	EQ(locked_kb(), 0);
	q = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	EQ(resident(q, 4), 4);
	EQ(locked_kb(), 16);
	q = mremap(q, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	REQUIRE(q != MAP_FAILED);
	EQ(resident(q, 8), 8);
	EQ(locked_kb(), 32);
	char *old = (char *)syscall(SYS_brk, 0);
	CHECK((char *)syscall(SYS_brk, old + 8 * PAGE) == old + 8 * PAGE);
	CHECK(resident((void *)(((unsigned long)old + PAGE - 1) & -PAGE), 7) == 7);
	EQ(mlockall(MCL_FUTURE | MCL_ONFAULT), 0);
	q = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	EQ(resident(q, 4), 0);
	EQ(munlockall(), 0);
	q = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_LOCKED);
	EQ(resident(q, 4), 4);
	EQ(locked_kb(), 16);
}

TEST(the_limit)
{
	char *p = map_anon(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	limit_to(4 * PAGE);
	EQ(mlock(p, 4 * PAGE), 0);
	EQ(mlock(p, 4 * PAGE), 0); /* what is locked already counts once */
	FAILS(mlock(p, 5 * PAGE), ENOMEM);
	FAILS(mlockall(MCL_CURRENT), ENOMEM);
	EQ(munlock(p, 2 * PAGE), 0);
	CHECK(mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) !=
	      MAP_FAILED);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) ==
		  MAP_FAILED &&
	      errno == EAGAIN);
	CHECK(mremap(p + 2 * PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED &&
	      errno == EAGAIN);
	EQ(munlockall(), 0);
	EQ(mlockall(MCL_FUTURE), 0);
	CHECK(mmap(NULL, 5 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
	      errno == EAGAIN);
}

TEST(no_right_to_lock_at_all)
{
	char *p = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	limit_to(0);
	FAILS(mlock(p, PAGE), EPERM);
	FAILS(mlockall(MCL_CURRENT), EPERM);
	/* (musl's mmap makes another errno of this one) */
	FAILS(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1,
		      0),
	      EPERM);
	EQ(munlock(p, PAGE), 0);
	EQ(munlockall(), 0);
}

/* ---- promises ---- */

static long knob(const char *name)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/vm/%s", name);
	fd = open(path, O_RDONLY);
	REQUIRE(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atol(text);
}

static void set_knob(const char *name, long v)
{
	char path[64], text[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/vm/%s", name);
	snprintf(text, sizeof(text), "%ld\n", v);
	fd = open(path, O_WRONLY);
	REQUIRE(fd >= 0 && write(fd, text, strlen(text)) > 0);
	close(fd);
}

static long meminfo(const char *name)
{
	char text[8192], *at;
	int fd = open("/proc/meminfo", O_RDONLY);
	long n = read(fd, text, sizeof(text) - 1);

	REQUIRE(n > 0);
	close(fd);
	text[n] = 0;
	at = strstr(text, name);
	REQUIRE(at);
	return strtol(at + strlen(name) + 1, NULL, 10);
}

static bool can_map(size_t len, int flags)
{
	void *p =
	    mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p != MAP_FAILED)
		munmap(p, len);
	return p != MAP_FAILED;
}

TEST(overcommit_by_guess_and_without_bounds)
{
	size_t total = meminfo("MemTotal:") * 1024;

	if (geteuid() != 0)
		SKIP("not root");
	EQ(knob("overcommit_memory"), 0);
	CHECK(can_map(total / 2, 0));
	CHECK(!can_map(total * 2, 0));
	CHECK(can_map(total * 2, MAP_NORESERVE));
	set_knob("overcommit_memory", 1);
	CHECK(can_map(total * 16, 0));
	set_knob("overcommit_memory", 0);
}

TEST(overcommit_within_the_limit)
{
	long total = meminfo("MemTotal:"), used;

	if (geteuid() != 0)
		SKIP("not root");
	EQ(knob("overcommit_ratio"), 50);
	NEAR(meminfo("CommitLimit:"), total / 2, total / 100);
	set_knob("overcommit_kbytes", total / 4);
	EQ(knob("overcommit_ratio"), 0);
	NEAR(meminfo("CommitLimit:"), total / 4, 64);
	used = meminfo("Committed_AS:");
	set_knob("overcommit_memory", 2);
	CHECK(can_map((total / 4 - used) * 1024 * 3 / 4, 0));
	CHECK(!can_map((total / 4 - used) * 1024 + 64 * PAGE, 0));
	CHECK(!can_map((total / 4 - used) * 1024 + 64 * PAGE, MAP_NORESERVE));
	/* a child is promised what its parent has */
	void *p = map_anon((total / 4 - used) * 1024 * 5 / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	FAILS(fork(), ENOMEM);
	set_knob("overcommit_memory", 0);
	EQ(munmap(p, (total / 4 - used) * 1024 * 5 / 8), 0);
	set_knob("overcommit_ratio", 50);
	EQ(knob("overcommit_kbytes"), 0);
	NEAR(meminfo("CommitLimit:"), total / 2, total / 100);
}

TEST(shared_memory_is_promised_too)
{
	long before = meminfo("Committed_AS:"), pages = 2048;
	void *p = map_anon(pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	NEAR(meminfo("Committed_AS:") - before, pages * 4, 256);
	EQ(munmap(p, pages * PAGE), 0);
	NEAR(meminfo("Committed_AS:") - before, 0, 256);
	int fd = memfd_create("x", 0);
	EQ(ftruncate(fd, pages * PAGE), 0);
	NEAR(meminfo("Committed_AS:") - before, 0, 256);
	EQ(fallocate(fd, 0, 0, pages * PAGE), 0);
	NEAR(meminfo("Committed_AS:") - before, pages * 4, 256);
	close(fd);
	NEAR(meminfo("Committed_AS:") - before, 0, 256);
}

TEST(as_many_areas_as_the_knob_says)
{
	char *p = map_anon(256 * PAGE, PROT_READ, MAP_PRIVATE);
	int n;

	if (geteuid() != 0)
		SKIP("not root");
	EQ(knob("max_map_count"), 65530);
	set_knob("max_map_count", 60);
	for (n = 0; n < 128; n++)
		if (mprotect(p + 2 * n * PAGE, PAGE, PROT_READ | PROT_WRITE))
			break;
	EQ(errno, ENOMEM);
	BETWEEN(n, 5, 60);
	CHECK(mmap(NULL, PAGE, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ||
	      mmap(NULL, PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	set_knob("max_map_count", 65530);
	EQ(mprotect(p + 2 * n * PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
}

/* ---- /proc/self/clear_refs ---- */

static long clear_refs(const char *text)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY), e;
	long n;

	REQUIRE(fd >= 0);
	n = write(fd, text, strlen(text));
	e = errno;
	close(fd);
	errno = e;
	return n;
}

TEST(clear_refs_takes_one_to_five)
{
	char *p = map_anon(2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	EQ(clear_refs("1\n"), 2);
	EQ(clear_refs("4"), 1);
	FAILS(clear_refs("0"), EINVAL);
	FAILS(clear_refs("6"), EINVAL);
	FAILS(clear_refs("x"), EINVAL);
	memset(p, 1, 2 * MIB);
	EQ(munmap(p, 2 * MIB), 0);
	CHECK(status_kb("VmHWM") >= status_kb("VmRSS") + 1024);
	EQ(clear_refs("5"), 1);
	NEAR(status_kb("VmHWM"), status_kb("VmRSS"), 512);
}
