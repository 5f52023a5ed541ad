/* mremap: contents follow, both around fork and across a move, and what is refused stays as it was. */
#include "maps.h"
#include "trap.h"

static void fill(unsigned char *p, size_t pages, int salt)
{
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = p[i * PAGE + PAGE - 1] = i * 3 + salt;
}

static void holds(const unsigned char *p, size_t pages, int salt)
{
	for (size_t i = 0; i < pages; i++)
		if (!EQ(p[i * PAGE], (unsigned char)(i * 3 + salt)) ||
		    !EQ(p[i * PAGE + PAGE - 1], (unsigned char)(i * 3 + salt)))
			return;
}

TEST(shrink)
{
	unsigned char *p = map_private(8 * PAGE);

	fill(p, 8, 1);
	EQ((long)mremap(p, 8 * PAGE, 3 * PAGE, 0), (long)p);
	holds(p, 3, 1);
	EQ(try_read(p + 3 * PAGE), SIGSEGV);
	EQ(trap_code, SEGV_MAPERR);
}

TEST(grow_in_place)
{
	unsigned char *p = map_private(8 * PAGE);

	fill(p, 8, 1);
	EQ(munmap(p + 4 * PAGE, 4 * PAGE), 0);
	EQ((long)mremap(p, 4 * PAGE, 8 * PAGE, 0), (long)p);
	holds(p, 4, 1);
	for (int i = 4; i < 8; i++)
		EQ(p[i * PAGE], 0);
	EQ(regions_in(p, 8 * PAGE, NULL), 1);
}

TEST(grow_blocked_needs_maymove)
{
	unsigned char *p = map_private(8 * PAGE), *q;

	fill(p, 8, 1);
	EQ(mprotect(p + 4 * PAGE, PAGE, PROT_READ), 0);
	FAILS(mremap(p, 4 * PAGE, 6 * PAGE, 0), ENOMEM);
	holds(p, 8, 1);
	q = mremap(p, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
	REQUIRE(q != MAP_FAILED);
	CHECK(q != p);
	holds(q, 4, 1);
	EQ(q[5 * PAGE], 0);
	EQ(try_read(p), SIGSEGV);
	EQ(p[4 * PAGE], 13);
}

/* The guard gap of a stack that lies lower than the gap is large reaches down to address 0, no further. */
TEST(grow_blocked_by_a_low_stack)
{
	int low = MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	char *p = (char *)0x10000, *stack = p + 16 * PAGE;

	REQUIRE(mmap(p, PAGE, PROT_READ | PROT_WRITE, low | MAP_SHARED, -1, 0) == p);
	REQUIRE(mmap(stack, PAGE, PROT_READ | PROT_WRITE, low | MAP_PRIVATE | MAP_GROWSDOWN, -1,
		     0) == stack);
	EQ(*stack, 0);
	FAILS(mremap(p, PAGE, 17 * PAGE, 0), ENOMEM);
	EQ(regions_in(p, PAGE, NULL), 1);
	EQ(regions_in(stack, PAGE, NULL), 1);
}

TEST(move_to_a_fixed_place)
{
	unsigned char *p = map_private(4 * PAGE), *q = map_private(8 * PAGE);

	fill(p, 4, 1);
	fill(q, 8, 100);
	EQ((long)mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + 2 * PAGE),
	   (long)(q + 2 * PAGE));
	holds(q + 2 * PAGE, 4, 1);
	EQ(q[0], 100);
	EQ(q[7 * PAGE], 121);
	EQ(try_read(p), SIGSEGV);
}

TEST(move_shared_by_fork)
{
	const size_t pages = 700;
	unsigned char *p = map_private(pages * PAGE), *q;

	fill(p, pages, 1);
	JOIN(CHILD(q = mremap(p, pages * PAGE, (pages + 50) * PAGE, MREMAP_MAYMOVE);
		   REQUIRE(q != MAP_FAILED); holds(q, pages, 1); fill(q, pages, 2);
		   holds(q, pages, 2); EQ(q[(pages + 1) * PAGE], 0)));
	holds(p, pages, 1);
	fill(p, pages, 3);
	holds(p, pages, 3);
}

TEST(moved_then_forked)
{
	unsigned char *p = map_private(64 * PAGE), *hole = map_private(64 * PAGE), *q;

	fill(p, 64, 1);
	q = mremap(p, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole);
	EQ((long)q, (long)hole);
	JOIN(CHILD(holds(q, 64, 1); fill(q, 64, 2); JOIN(CHILD(holds(q, 64, 2)))));
	holds(q, 64, 1);
}

TEST(move_by_an_odd_offset_within_tables)
{
	unsigned char *hole = map_private(1200 * PAGE), *p = map_private(600 * PAGE);

	fill(p, 600, 5);
	EQ((long)mremap(p, 600 * PAGE, 600 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole + 37 * PAGE),
	   (long)(hole + 37 * PAGE));
	holds(hole + 37 * PAGE, 600, 5);
}

TEST(shared_memory_moves_as_shared)
{
	unsigned char *p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	unsigned char *hole = map_private(8 * PAGE);

	p[0] = 1;
	EQ((long)mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole), (long)hole);
	JOIN(CHILD(hole[0] = 2; hole[3 * PAGE] = 3));
	EQ(hole[0], 2);
	EQ(hole[3 * PAGE], 3);
}

TEST(file_mapping_grows_over_the_file)
{
	char name[] = "/tmp/remapXXXXXX";
	int fd = mkstemp(name);
	unsigned char *p, *q;

	unlink(name);
	EQ(ftruncate(fd, 8 * PAGE), 0);
	for (int i = 0; i < 8; i++)
		EQ(pwrite(fd, &(char){'a' + i}, 1, i * PAGE), 1);
	p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	REQUIRE(p != MAP_FAILED);
	q = mremap(p, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	REQUIRE(q != MAP_FAILED);
	for (int i = 0; i < 8; i++)
		EQ(q[i * PAGE], 'a' + i);
}

TEST(part_of_an_area_moves)
{
	unsigned char *p = map_private(9 * PAGE), *hole = map_private(4 * PAGE);

	fill(p, 9, 1);
	EQ((long)mremap(p + 3 * PAGE, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole),
	   (long)hole);
	holds(p, 3, 1);
	holds(hole, 3, 10);
	holds(p + 6 * PAGE, 3, 19);
	EQ(try_write(p + 4 * PAGE, 1), SIGSEGV);
}

TEST(dontunmap_leaves_an_empty_area)
{
	unsigned char *p = map_private(4 * PAGE), *q;

	fill(p, 4, 1);
	q = mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | 4);
	REQUIRE(q != MAP_FAILED);
	CHECK(q != p);
	holds(q, 4, 1);
	EQ(p[0], 0);
	EQ(p[3 * PAGE], 0);
}

/* Where nothing is left to map there are no tables. */
TEST(moves_leave_no_tables)
{
	size_t gib = 1ul << 30;
	char *room = map_anon(65 * gib, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
	char *p = map_private(PAGE);
	long before;

	EQ(munmap(room, 65 * gib), 0);
	*p = 1;
	before = value_of("/proc/self/status", "VmPTE");
	for (int i = 0; i < 64; i++) {
		p = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + i * gib);
		REQUIRE(p != MAP_FAILED);
		EQ(*p, 1);
	}
	CHECK(value_of("/proc/self/status", "VmPTE") < before + 64);
}

TEST(moves_raise_no_peak)
{
	size_t len = 64 * MIB;
	char *room = map_anon(len, PROT_NONE, MAP_PRIVATE), *p;
	long before;

	EQ(munmap(room, len), 0);
	p = map_anon(len / 2, PROT_NONE, MAP_PRIVATE);
	EQ(munmap(p, len / 2), 0);
	p = map_anon(len, PROT_NONE, MAP_PRIVATE);
	before = value_of("/proc/self/status", "VmPeak");
	REQUIRE(mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, p - 2 * len) == p - 2 * len);
	EQ(value_of("/proc/self/status", "VmPeak"), before);
	REQUIRE(mremap(p - 2 * len, len, len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0) != MAP_FAILED);
	CHECK(value_of("/proc/self/status", "VmPeak") > before);
}

TEST(refusals)
{
	unsigned char *p = map_private(8 * PAGE);

	fill(p, 8, 1);
	FAILS(mremap(p + 1, PAGE, PAGE, 0), EINVAL);
	FAILS(mremap(p, PAGE, 0, 0), EINVAL);
	FAILS(mremap(p, PAGE, PAGE, 64), EINVAL);
	FAILS(mremap(p, PAGE, PAGE, MREMAP_FIXED, p + 4 * PAGE), EINVAL);
	FAILS(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2 * PAGE), EINVAL);
	FAILS(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 4 * PAGE + 3), EINVAL);
	EQ(munmap(p + 4 * PAGE, PAGE), 0);
	FAILS(mremap(p + 4 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
	FAILS(mremap(p, 6 * PAGE, 7 * PAGE, MREMAP_MAYMOVE), EFAULT);
	FAILS(mremap(p, PAGE, 1ul << 50, MREMAP_MAYMOVE), ENOMEM);
	holds(p, 4, 1);
}
