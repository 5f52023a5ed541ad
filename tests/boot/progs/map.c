/* mmap, munmap and brk: where areas go, how they split and merge, and what is refused. */
#include "maps.h"
#include "trap.h"

#define RW (PROT_READ | PROT_WRITE)

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static int areas(void *p, size_t pages)
{
	return regions_in(p, pages * PAGE, NULL);
}

TEST(fixed_replaces_what_is_there)
{
	unsigned char *p = map_private(6 * PAGE);

	memset(p, 1, 6 * PAGE);
	EQ((long)mmap(p + 2 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		      -1, 0),
	   (long)(p + 2 * PAGE));
	for (int i = 0; i < 6; i++)
		EQ(p[i * PAGE], i == 2 || i == 3 ? 0 : 1);
	EQ(try_write(p + 2 * PAGE, 1), SIGSEGV);
	EQ(areas(p, 6), 3);
}

TEST(fixed_noreplace)
{
	unsigned char *p = map_private(6 * PAGE);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	memset(p, 1, 6 * PAGE);
	FAILS(mmap(p + 5 * PAGE, PAGE, RW, flags, -1, 0), EEXIST);
	EQ(munmap(p + 2 * PAGE, 2 * PAGE), 0);
	FAILS(mmap(p + 2 * PAGE, 3 * PAGE, RW, flags, -1, 0), EEXIST);
	EQ((long)mmap(p + 2 * PAGE, 2 * PAGE, RW, flags, -1, 0), (long)(p + 2 * PAGE));
	EQ(p[2 * PAGE], 0);
	EQ(p[4 * PAGE], 1);
}

TEST(hint_is_taken_where_free)
{
	unsigned char *p = map_private(4 * PAGE), *q;

	EQ(munmap(p, 4 * PAGE), 0);
	q = mmap(p, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EQ((long)q, (long)p);
	q = mmap(p, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(q != MAP_FAILED && q != p);
}

TEST(neighbours_merge)
{
	unsigned char *p = map_private(6 * PAGE);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	EQ(munmap(p, 6 * PAGE), 0);
	EQ((long)mmap(p, 2 * PAGE, PROT_READ, flags, -1, 0), (long)p);
	EQ((long)mmap(p + 4 * PAGE, 2 * PAGE, PROT_READ, flags, -1, 0), (long)(p + 4 * PAGE));
	EQ(areas(p, 6), 2);
	EQ((long)mmap(p + 2 * PAGE, 2 * PAGE, PROT_READ, flags, -1, 0), (long)(p + 2 * PAGE));
	EQ(areas(p, 6), 1);
}

TEST(mprotect_splits_and_merges)
{
	struct region r;
	unsigned char *p = map_private(9 * PAGE);

	EQ(mprotect(p + 3 * PAGE, 3 * PAGE, PROT_NONE), 0);
	EQ(areas(p, 9), 3);
	CHECK(region_at(p + 3 * PAGE, &r));
	EQ(r.start, (long)p + 3 * PAGE);
	EQ(r.end, (long)p + 6 * PAGE);
	CHECK(!strcmp(r.perms, "---p"));
	EQ(mprotect(p + 3 * PAGE, 3 * PAGE, RW), 0);
	EQ(areas(p, 9), 1);
	EQ(mprotect(p, 3 * PAGE, PROT_READ), 0);
	EQ(mprotect(p + 3 * PAGE, 3 * PAGE, PROT_READ), 0);
	EQ(areas(p, 9), 2);
}

TEST(munmap_in_the_middle)
{
	unsigned char *p = map_private(9 * PAGE);
	bool covered;

	memset(p, 2, 9 * PAGE);
	EQ(munmap(p + 3 * PAGE, 3 * PAGE), 0);
	regions_in(p, 9 * PAGE, &covered);
	CHECK(!covered);
	EQ(try_read(p + 3 * PAGE), SIGSEGV);
	EQ(try_read(p + 6 * PAGE - 1), SIGSEGV);
	EQ(p[3 * PAGE - 1], 2);
	EQ(p[6 * PAGE], 2);
	EQ(munmap(p + 3 * PAGE, 3 * PAGE), 0); /* nothing there: fine */
	EQ(munmap(p, 9 * PAGE), 0);
	EQ(areas(p, 9), 0);
}

TEST(different_kinds_do_not_merge)
{
	unsigned char *p = map_private(4 * PAGE);
	int fixed = MAP_ANONYMOUS | MAP_FIXED;

	EQ((long)mmap(p, 2 * PAGE, RW, MAP_SHARED | fixed, -1, 0), (long)p);
	EQ((long)mmap(p + 2 * PAGE, 2 * PAGE, RW, MAP_SHARED | fixed, -1, 0), (long)(p + 2 * PAGE));
	EQ(areas(p, 4), 2); /* two shared memories, though side by side */
}

TEST(file_areas_merge_by_offset)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	unsigned char *p = map_private(4 * PAGE);
	int flags = MAP_PRIVATE | MAP_FIXED;

	EQ((long)mmap(p, PAGE, PROT_READ, flags, fd, 0), (long)p);
	EQ((long)mmap(p + PAGE, PAGE, PROT_READ, flags, fd, PAGE), (long)(p + PAGE));
	EQ(areas(p, 2), 1);
	EQ((long)mmap(p + 2 * PAGE, PAGE, PROT_READ, flags, fd, 0), (long)(p + 2 * PAGE));
	EQ(areas(p, 3), 2);
}

TEST(split_areas_stay_shared_after_fork)
{
	unsigned char *p = map_private(9 * PAGE);

	memset(p, 1, 9 * PAGE);
	JOIN(CHILD(EQ(mprotect(p + 3 * PAGE, 3 * PAGE, PROT_READ), 0);
		   EQ(mprotect(p + 3 * PAGE, 3 * PAGE, RW), 0); EQ(areas(p, 9), 1);
		   memset(p, 2, 9 * PAGE); JOIN(CHILD(memset(p, 3, 9 * PAGE)));
		   for (int i = 0; i < 9; i++) EQ(p[i * PAGE], 2)));
	for (int i = 0; i < 9; i++)
		EQ(p[i * PAGE], 1);
}

TEST(thousands_of_areas)
{
	enum { N = 2000 };
	unsigned char *p = map_private(N * PAGE);

	for (int i = 1; i < N; i += 2)
		REQUIRE(!mprotect(p + i * PAGE, PAGE, PROT_NONE));
	for (int i = 0; i < N; i += 2)
		p[i * PAGE] = i;
	JOIN(CHILD(for (int i = 0; i < N; i += 2) {
		if (!EQ(p[i * PAGE], (unsigned char)i))
			break;
		p[i * PAGE] = 0;
	} EQ(munmap(p, N * PAGE), 0)));
	for (int i = 0; i < N; i += 2)
		if (!EQ(p[i * PAGE], (unsigned char)i))
			break;
	EQ(mprotect(p, N * PAGE, RW), 0);
	for (int i = 0; i < N; i++)
		p[i * PAGE] = 1;
	EQ(munmap(p, N * PAGE), 0);
}

TEST(growsdown)
{
	unsigned char *p = map_private(64 * PAGE), *q;

	EQ(munmap(p, 64 * PAGE), 0);
	q = mmap(p + 60 * PAGE, 2 * PAGE, RW,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
	REQUIRE(q != MAP_FAILED);
	q[0] = 1;
	EQ(try_write(q - PAGE, 2), 0);
	EQ(try_write(q - 5 * PAGE, 3), 0);
	EQ(q[-5l * (long)PAGE], 3);
	EQ(areas(q - 5 * PAGE, 7), 1);
}

TEST(refusals)
{
	int anon = MAP_PRIVATE | MAP_ANONYMOUS;

	FAILS(mmap(NULL, 0, RW, anon, -1, 0), EINVAL);
	FAILS(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
	FAILS(syscall(SYS_mmap, 0x10001, PAGE, RW, anon | MAP_FIXED, -1, 0), EINVAL);
	FAILS(syscall(SYS_mmap, 0, PAGE, RW, anon, -1, 1), EINVAL);
	FAILS(syscall(SYS_mmap, 0, 1ul << 47, RW, anon, -1, 0), ENOMEM);
	FAILS(syscall(SYS_mmap, 0, -1ul, RW, anon, -1, 0), ENOMEM);
	FAILS(syscall(SYS_mmap, 0xffff800000000000, PAGE, RW, anon | MAP_FIXED, -1, 0), ENOMEM);
	FAILS(mmap(NULL, PAGE, RW, MAP_PRIVATE, 1000, 0), EBADF);
	FAILS(syscall(SYS_munmap, 0x10001, PAGE), EINVAL);
	FAILS(syscall(SYS_munmap, 0x10000, 0), EINVAL);
	FAILS(syscall(SYS_munmap, 0xffff800000000000, PAGE), EINVAL);
	FAILS(syscall(SYS_munmap, PAGE, -PAGE), EINVAL);
}

TEST(flags_that_do_not_go_together)
{
	int fd = memfd_create("f", 0), validate = 3, sync = 0x80000;

	REQUIRE(fd >= 0 && !ftruncate(fd, PAGE));
	CHECK(mmap(NULL, PAGE, RW, validate, fd, 0) != MAP_FAILED);
	CHECK(mmap(NULL, PAGE, RW, validate | MAP_POPULATE | MAP_STACK, fd, 0) != MAP_FAILED);
	FAILS(mmap(NULL, PAGE, RW, validate | sync, fd, 0), EOPNOTSUPP);
	FAILS(mmap(NULL, PAGE, RW, validate | 0x800000, fd, 0), EOPNOTSUPP);
	FAILS(mmap((void *)(1l << 44), PAGE, RW, validate | MAP_FIXED_NOREPLACE, fd, 0),
	      EOPNOTSUPP);
	CHECK(mmap(NULL, PAGE, RW, MAP_SHARED | sync, fd, 0) != MAP_FAILED);
	FAILS(mmap(NULL, PAGE, RW, validate | MAP_ANONYMOUS, -1, 0), EINVAL);
	FAILS(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0), EINVAL);
}

TEST(hints_that_cannot_be_taken)
{
	int anon = MAP_PRIVATE | MAP_ANONYMOUS;
	unsigned long at, hint = 0x200000000000;

	at = (unsigned long)mmap((void *)hint, PAGE, RW, anon | MAP_32BIT, -1, 0);
	CHECK(at < 1ul << 31);
	at = (unsigned long)mmap((void *)-1ul, PAGE, RW, anon, -1, 0);
	CHECK(at > 1ul << 32);
	at = (unsigned long)mmap((void *)1ul, PAGE, RW, anon, -1, 0);
	CHECK(at > 1ul << 32);
	at = (unsigned long)mmap((void *)(hint + 5), PAGE, RW, anon, -1, 0);
	EQ(at, hint);
}

TEST(mapping_a_directory_or_a_pipe)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY), p[2];

	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), ENODEV);
	REQUIRE(!pipe(p));
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, p[0], 0), ENODEV);
}

TEST(odd_lengths_round_up)
{
	unsigned char *p = mmap(NULL, 5000, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(p != MAP_FAILED);
	p[2 * PAGE - 1] = 1;
	EQ(munmap(p, PAGE + 1), 0);
	EQ(try_read(p + PAGE), SIGSEGV);
}

TEST(brk_grows_and_shrinks)
{
	unsigned char *base = (void *)syscall(SYS_brk, 0), *end;
	struct region r;

	end = base + 10 * PAGE;
	EQ(syscall(SYS_brk, end), (long)end);
	memset(base, 7, 10 * PAGE);
	CHECK(region_at(base + PAGE, &r));
	CHECK(!strcmp(r.name, "[heap]"));
	JOIN(CHILD(EQ(base[9 * PAGE], 7); EQ(syscall(SYS_brk, base + PAGE), (long)base + PAGE);
		   EQ(try_read(base + 9 * PAGE), SIGSEGV)));
	EQ(base[9 * PAGE], 7);
	EQ(syscall(SYS_brk, base + PAGE), (long)base + PAGE);
	EQ(try_read(base + 9 * PAGE), SIGSEGV);
	EQ(syscall(SYS_brk, end), (long)end);
	EQ(base[9 * PAGE], 0); /* fresh, not the old frame */
	/* refused: answers where it is */
	EQ(syscall(SYS_brk, 0x1000), (long)end);
	EQ(syscall(SYS_brk, 1ul << 47), (long)end);
	EQ(syscall(SYS_brk, end + 5), (long)end + 5);
	EQ(syscall(SYS_brk, 0), (long)end + 5);
}

TEST(first_page_cannot_be_read)
{
	EQ(try_read((void *)8), SIGSEGV);
	EQ(trap_code, SEGV_MAPERR);
	EQ((long)trap_addr, 8);
}

TEST(huge_reserve_costs_nothing)
{
	unsigned char *p =
	    mmap(NULL, 1ul << 40, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	REQUIRE(p != MAP_FAILED);
	p[0] = 1;
	p[1ul << 39] = 2;
	p[(1ul << 40) - 1] = 3;
	JOIN(CHILD(EQ(p[1ul << 39], 2); p[1ul << 39] = 9));
	EQ(p[1ul << 39], 2);
	EQ(munmap(p, 1ul << 40), 0);
}

/* Ends of the address space, and areas that straddle the reach of tables. */
TEST(borders_of_tables)
{
	static const unsigned long at[] = {0x10000, 0x40000000 - PAGE, 0x7fc0000000 - PAGE,
					   0x8000000000 - PAGE, 0x7fff00000000 - PAGE};

	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		unsigned char *p = mmap((void *)at[i], 2 * PAGE, RW,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (p == MAP_FAILED) {
			EQ(errno, EEXIST);
			continue;
		}
		p[PAGE - 1] = 1;
		p[PAGE] = 2;
		JOIN(
		    CHILD(EQ(p[PAGE - 1], 1); p[PAGE] = 3; EQ(munmap(p, PAGE), 0); EQ(p[PAGE], 3)));
		EQ(p[PAGE], 2);
		EQ(munmap(p, 2 * PAGE), 0);
	}
}
