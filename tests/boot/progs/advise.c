/* madvise, mincore and msync. */
#include "maps.h"
#include "trap.h"

#define POPULATE_READ  22
#define POPULATE_WRITE 23

/* So much of the zero page takes seconds: the parent gets its turn before that, and SIGKILL ends it. */
TEST(populating_can_be_killed)
{
	size_t len = 1ul << 36;
	char *p = map_anon(len, PROT_READ, MAP_PRIVATE | MAP_NORESERVE);
	long before;
	pid_t pid;

	pid = CHILD(madvise(p, len, 22));
	before = now_ms();
	sleep_ms(20);
	kill(pid, SIGKILL);
	EQ(status_of(pid), SIGKILL);
	CHECK(now_ms() - before < 2000 + LATE);
}

TEST(dontneed_gives_zeros_back)
{
	unsigned char *p = map_private(8 * PAGE);

	memset(p, 1, 8 * PAGE);
	EQ(madvise(p + 2 * PAGE, 3 * PAGE, MADV_DONTNEED), 0);
	for (int i = 0; i < 8; i++)
		EQ(p[i * PAGE], i >= 2 && i < 5 ? 0 : 1);
	p[2 * PAGE] = 9;
	EQ(p[2 * PAGE], 9);
}

TEST(dontneed_in_the_child_leaves_the_parents_pages)
{
	unsigned char *p = map_private(600 * PAGE);

	memset(p, 3, 600 * PAGE);
	JOIN(CHILD(EQ(madvise(p, 600 * PAGE, MADV_DONTNEED), 0); EQ(p[0], 0); EQ(p[599 * PAGE], 0);
		   p[0] = 1));
	for (int i = 0; i < 600; i++)
		EQ(p[i * PAGE], 3);
}

TEST(dontneed_of_a_private_file_page_shows_the_file_again)
{
	char name[] = "/tmp/adviseXXXXXX";
	int fd = mkstemp(name);
	unsigned char *p;

	unlink(name);
	EQ(write(fd, "abc", 3), 3);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	REQUIRE(p != MAP_FAILED);
	p[0] = 'x';
	EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
	EQ(p[0], 'a');
}

TEST(dontneed_of_shared_memory_loses_nothing)
{
	unsigned char *p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	memset(p, 5, 4 * PAGE);
	EQ(madvise(p, 4 * PAGE, MADV_DONTNEED), 0);
	EQ(p[0], 5);
	EQ(p[3 * PAGE], 5);
}

/* A write that races with DONTNEED must never land in a page that is only for reading. */
TEST(dontneed_and_writes_of_the_kernel)
{
	unsigned char *p = map_private(PAGE);
	int fd = open("/dev/urandom", O_RDONLY);
	char name[] = "/tmp/cowXXXXXX", back[16];
	int file = mkstemp(name), ro;

	EQ(write(file, "read only text", 14), 14);
	EQ(chmod(name, 0444), 0);
	ro = open(name, O_RDONLY);
	unlink(name);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0);
	REQUIRE(p != MAP_FAILED);
	pid_t pid = CHILD(for (int i = 0; i < 500; i++) {
		madvise(p, PAGE, MADV_DONTNEED);
		sched_yield();
	});
	for (int i = 0; i < 500; i++) {
		EQ(read(fd, p, 8), 8);
		madvise(p, PAGE, MADV_DONTNEED);
	}
	JOIN(pid);
	EQ(pread(file, back, 14, 0), 14);
	CHECK(!memcmp(back, "read only text", 14));
}

TEST(dontfork_is_not_in_the_child)
{
	unsigned char *p = map_private(9 * PAGE);

	memset(p, 1, 9 * PAGE);
	EQ(madvise(p + 3 * PAGE, 3 * PAGE, MADV_DONTFORK), 0);
	JOIN(CHILD(for (int i = 0; i < 9; i++) EQ(try_read(p + i * PAGE), i / 3 == 1 ? SIGSEGV : 0);
		   EQ(try_read(p + 3 * PAGE), SIGSEGV); EQ(trap_code, SEGV_MAPERR);
		   EQ(regions_in(p, 9 * PAGE, NULL), 2)));
	for (int i = 0; i < 9; i++)
		EQ(p[i * PAGE], 1);
	EQ(madvise(p + 3 * PAGE, 3 * PAGE, MADV_DOFORK), 0);
	JOIN(CHILD(for (int i = 0; i < 9; i++) EQ(try_read(p + i * PAGE), 0)));
	EQ(regions_in(p, 9 * PAGE, NULL), 1);
}

TEST(dontfork_pages_stay_writable_without_a_fault)
{
	unsigned char *p = map_private(64 * PAGE);
	long before;

	memset(p, 1, 64 * PAGE);
	EQ(madvise(p, 64 * PAGE, MADV_DONTFORK), 0);
	JOIN(CHILD());
	before = minor_faults();
	memset(p, 2, 64 * PAGE);
	NEAR(minor_faults() - before, 0, 4);
}

TEST(wipeonfork_is_zero_in_the_child)
{
	unsigned char *p = map_private(9 * PAGE);

	memset(p, 1, 9 * PAGE);
	EQ(madvise(p + 3 * PAGE, 3 * PAGE, MADV_WIPEONFORK), 0);
	JOIN(CHILD(for (int i = 0; i < 9; i++) EQ(p[i * PAGE], i / 3 == 1 ? 0 : 1); p[3 * PAGE] = 7;
		   /* inherited: the grandchild finds zeros again */
		   JOIN(CHILD(EQ(p[3 * PAGE], 0)))));
	for (int i = 0; i < 9; i++)
		EQ(p[i * PAGE], 1);
	EQ(madvise(p + 3 * PAGE, 3 * PAGE, MADV_KEEPONFORK), 0);
	JOIN(CHILD(EQ(p[3 * PAGE], 1)));
}

TEST(wipeonfork_is_for_private_anonymous_memory)
{
	unsigned char *p = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int fd = open("/proc/self/exe", O_RDONLY);
	void *file = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	REQUIRE(file != MAP_FAILED);
	FAILS(madvise(p, PAGE, MADV_WIPEONFORK), EINVAL);
	FAILS(madvise(file, PAGE, MADV_WIPEONFORK), EINVAL);
}

TEST(populate_write_leaves_no_fault_behind)
{
	unsigned char *p = map_private(128 * PAGE);
	long before;

	EQ(madvise(p, 128 * PAGE, POPULATE_WRITE), 0);
	before = minor_faults();
	for (int i = 0; i < 128; i++)
		p[i * PAGE] = 1;
	NEAR(minor_faults() - before, 0, 4);
	EQ(smaps_kb(p, "Anonymous"), 128 * 4);
}

TEST(populate_read_maps_without_allocating)
{
	unsigned char *p = map_private(128 * PAGE);
	long before;
	unsigned sum = 0;

	EQ(madvise(p, 128 * PAGE, POPULATE_READ), 0);
	before = minor_faults();
	for (int i = 0; i < 128; i++)
		sum += ((volatile unsigned char *)p)[i * PAGE];
	EQ(sum, 0);
	NEAR(minor_faults() - before, 0, 4);
	EQ(smaps_kb(p, "Anonymous"), 0);
}

TEST(populate_refusals)
{
	unsigned char *p = map_private(4 * PAGE);

	EQ(mprotect(p, PAGE, PROT_READ), 0);
	FAILS(madvise(p, PAGE, POPULATE_WRITE), EINVAL);
	EQ(mprotect(p, PAGE, PROT_NONE), 0);
	FAILS(madvise(p, PAGE, POPULATE_READ), EINVAL);
	EQ(munmap(p + 2 * PAGE, PAGE), 0);
	FAILS(madvise(p + PAGE, 3 * PAGE, POPULATE_WRITE), ENOMEM);
}

TEST(refusals)
{
	unsigned char *p = map_private(4 * PAGE);

	FAILS(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
	FAILS(madvise(p, PAGE, 4711), EINVAL);
	EQ(madvise(p, 0, MADV_DONTNEED), 0);
	FAILS(madvise(p, -PAGE, MADV_DONTNEED), EINVAL);
	EQ(munmap(p + PAGE, PAGE), 0);
	memset(p + 2 * PAGE, 1, 2 * PAGE);
	/* holes: ENOMEM, and all that is there has been done */
	FAILS(madvise(p, 4 * PAGE, MADV_DONTNEED), ENOMEM);
	EQ(p[2 * PAGE], 0);
	EQ(p[3 * PAGE], 0);
	EQ(madvise(p, PAGE, MADV_NORMAL), 0);
	EQ(madvise(p, PAGE, MADV_SEQUENTIAL), 0);
	EQ(madvise(p, PAGE, MADV_WILLNEED), 0);
}

TEST(mincore_knows_what_is_there)
{
	unsigned char *p = map_private(8 * PAGE), vec[8];

	p[PAGE] = 1;
	p[6 * PAGE] = 1;
	EQ(mincore(p, 8 * PAGE, vec), 0);
	for (int i = 0; i < 8; i++)
		EQ(vec[i] & 1, i == 1 || i == 6);
	FAILS(mincore(p + 1, PAGE, vec), EINVAL);
	FAILS(mincore(p, 8 * PAGE, (void *)8), EFAULT);
	EQ(munmap(p + 7 * PAGE, PAGE), 0);
	FAILS(mincore(p, 8 * PAGE, vec), ENOMEM);
}

/* As with populating: what takes long can be killed. Linux goes on, but it is quicker at it. */
TEST(mincore_can_be_killed)
{
	size_t len = 1ul << 40, part = 2 * MIB;
	char *p = map_anon(len, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
	unsigned char *vec = map_anon(len / PAGE, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
	int fd = memfd_create("vec", 0);
	long before;
	pid_t pid;

	REQUIRE(fd >= 0 && !ftruncate(fd, part));
	for (size_t at = 0; at < len / PAGE; at += part)
		REQUIRE(mmap(vec + at, part, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			     0) == vec + at);
	pid = CHILD(mincore(p, len, vec));
	before = now_ms();
	sleep_ms(20);
	kill(pid, SIGKILL);
	EQ(status_of(pid), SIGKILL);
	CHECK(now_ms() - before < 2000 + LATE || !on_calf());
}

TEST(msync_checks_its_arguments)
{
	unsigned char *p = map_private(4 * PAGE);

	EQ(msync(p, 4 * PAGE, MS_SYNC), 0);
	EQ(msync(p, 4 * PAGE, MS_ASYNC | MS_INVALIDATE), 0);
	FAILS(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	FAILS(msync(p, PAGE, 64), EINVAL);
	FAILS(msync(p + 1, PAGE, MS_SYNC), EINVAL);
	EQ(munmap(p + PAGE, PAGE), 0);
	FAILS(msync(p, 4 * PAGE, MS_SYNC), ENOMEM);
}
