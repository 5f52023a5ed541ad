/* MAP_SHARED memory is one memory for all, and private file pages are each process's own. */
#include "tap.h"

static int temp_file(const char *text)
{
	char name[] = "/tmp/sharedXXXXXX";
	int fd = mkstemp(name);

	REQUIRE(fd >= 0);
	unlink(name);
	EQ(write(fd, text, strlen(text)), (long)strlen(text));
	return fd;
}

TEST(anonymous_before_first_touch)
{
	volatile int *p = map_anon(8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	JOIN(CHILD(p[0] = 11; p[3 * 1024] = 12));
	EQ(p[0], 11);
	EQ(p[3 * 1024], 12);
	EQ(p[1024], 0);
}

TEST(anonymous_after_touch_both_ways)
{
	volatile int *p = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int go[2];
	char c;
	pid_t pid;

	REQUIRE(!pipe(go));
	p[0] = 1;
	pid = CHILD(EQ(read(go[0], &c, 1), 1); EQ(p[0], 2); p[1] = 3);
	p[0] = 2;
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
	EQ(p[1], 3);
}

TEST(anonymous_through_generations)
{
	volatile int *p = map_anon(16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	JOIN(CHILD(JOIN(CHILD(JOIN(CHILD(for (int i = 0; i < 16; i++) p[i * 1024] = i + 1))))));
	for (int i = 0; i < 16; i++)
		EQ(p[i * 1024], i + 1);
}

TEST(read_before_fork_then_written_by_the_child)
{
	volatile int *p = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	EQ(p[5], 0);
	JOIN(CHILD(p[5] = 6));
	EQ(p[5], 6);
}

TEST(outlives_the_process_that_mapped_it)
{
	volatile int *p = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int done[2];
	char c;

	REQUIRE(!pipe(done));
	JOIN(CHILD(CHILD(sleep_ms(20); p[0] = 9; EQ(write(done[1], "x", 1), 1))));
	EQ(read(done[0], &c, 1), 1);
	EQ(p[0], 9);
}

TEST(protection_is_each_sides_own)
{
	volatile int *p = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	JOIN(CHILD(EQ(mprotect((void *)p, PAGE, PROT_READ), 0)));
	p[0] = 1;
	JOIN(CHILD(EQ(munmap((void *)p, PAGE), 0)));
	EQ(p[0], 1);
}

TEST(write_after_mprotect_round_trip_stays_shared)
{
	volatile int *p = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	p[0] = 1;
	JOIN(CHILD(EQ(mprotect((void *)p, PAGE, PROT_READ), 0);
		   EQ(mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE), 0); p[0] = 2));
	EQ(p[0], 2);
}

TEST(file_shared_is_the_file)
{
	int fd = temp_file("hello, file");
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char back[6] = "";

	REQUIRE(p != MAP_FAILED);
	JOIN(CHILD(memcpy(p, "HELLO", 5)));
	EQ(pread(fd, back, 5, 0), 5);
	CHECK(!strcmp(back, "HELLO"));
	EQ(pwrite(fd, "world", 5, 0), 5);
	CHECK(!memcmp(p, "world, file", 11));
	EQ(msync(p, PAGE, MS_SYNC), 0);
	EQ(p[11], 0);
}

TEST(file_private_write_leaves_the_file)
{
	int fd = temp_file("hello, file");
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char back[12] = "";

	REQUIRE(p != MAP_FAILED);
	EQ(p[0], 'h');
	memcpy(p, "J", 1);
	EQ(pread(fd, back, 11, 0), 11);
	CHECK(!strcmp(back, "hello, file"));
	/* own copy made: what is written to the file does not show in it */
	EQ(pwrite(fd, "world", 5, 0), 5);
	CHECK(!memcmp(p, "Jello, file", 11));
	EQ(msync(p, PAGE, MS_SYNC), 0);
	EQ(pread(fd, back, 11, 0), 11);
	CHECK(!strcmp(back, "world, file"));
}

TEST(file_private_first_write_without_read)
{
	int fd = temp_file("hello, file");
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), back[12] = "";

	REQUIRE(p != MAP_FAILED);
	p[5] = ';';
	CHECK(!memcmp(p, "hello; file", 11));
	EQ(pread(fd, back, 11, 0), 11);
	CHECK(!strcmp(back, "hello, file"));
}

TEST(file_private_over_fork)
{
	int fd = temp_file("hello, file");
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char back[12] = "";

	REQUIRE(p != MAP_FAILED);
	p[0] = 'J';
	JOIN(CHILD(EQ(p[0], 'J'); EQ(p[1], 'e'); p[0] = 'K'; p[1] = 'a'));
	CHECK(!memcmp(p, "Jello, file", 11));
	JOIN(CHILD(EQ(pwrite(fd, "H", 1, 0), 1); EQ(p[0], 'J')));
	EQ(pread(fd, back, 11, 0), 11);
	CHECK(!strcmp(back, "Hello, file"));
}

TEST(file_private_and_shared_side_by_side)
{
	int fd = temp_file("0123456789");
	char *a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	REQUIRE(a != MAP_FAILED && b != MAP_FAILED);
	EQ(b[0], '0');
	a[0] = 'a'; /* not yet copied: shows */
	EQ(b[0], 'a');
	b[0] = 'b';
	EQ(a[0], 'a');
	a[0] = 'c';
	EQ(b[0], 'b');
}

TEST(bytes_behind_the_end_are_zero)
{
	int fd = temp_file("abc");
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	REQUIRE(p != MAP_FAILED);
	for (size_t i = 3; i < PAGE; i++)
		if (!EQ(p[i], 0))
			break;
	EQ(p[2], 'c');
}

TEST(offset_and_partial_maps)
{
	int fd = temp_file("");
	char *p;

	for (int i = 0; i < 4; i++)
		EQ(pwrite(fd, &(char){'A' + i}, 1, i * PAGE), 1);
	EQ(ftruncate(fd, 4 * PAGE), 0);
	p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
	REQUIRE(p != MAP_FAILED);
	EQ(p[0], 'C');
	EQ(p[PAGE], 'D');
	EQ(p[1], 0);
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100), EINVAL);
}

TEST(truncate_zeroes_and_regrows)
{
	int fd = temp_file("abcdefgh");
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char back[8];

	REQUIRE(p != MAP_FAILED);
	EQ(p[7], 'h');
	EQ(ftruncate(fd, 3), 0);
	EQ(p[2], 'c');
	EQ(p[3], 0);
	EQ(ftruncate(fd, 8), 0);
	EQ(pread(fd, back, 8, 0), 8);
	CHECK(!memcmp(back, "abc\0\0\0\0\0", 8));
}

TEST(closed_and_unlinked_file_stays_mapped)
{
	int fd = temp_file("still here");
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	REQUIRE(p != MAP_FAILED);
	close(fd);
	JOIN(CHILD(CHECK(!strcmp(p, "still here"))));
	CHECK(!strcmp(p, "still here"));
}

TEST(access_modes)
{
	int fd = temp_file("x"), ro, wo;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	wo = open(path, O_WRONLY);
	REQUIRE(ro >= 0 && wo >= 0);
	FAILS(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0), EACCES);
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0) != MAP_FAILED);
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
	FAILS(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wo, 0), EACCES);
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0), EBADF);
	FAILS(mmap(NULL, PAGE, PROT_READ, 0, fd, 0), EINVAL);
	FAILS(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0), EINVAL);
}

TEST(mprotect_to_write_of_a_read_only_shared_file)
{
	int fd, ro;
	char path[64];
	char *p;

	fd = temp_file("x");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
	REQUIRE(p != MAP_FAILED);
	FAILS(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
	EQ(p[0], 'x');
}

TEST(dev_zero_shared_and_private)
{
	int fd = open("/dev/zero", O_RDWR);
	volatile char *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	volatile char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	REQUIRE(s != MAP_FAILED && p != MAP_FAILED);
	JOIN(CHILD(s[0] = 1; p[0] = 2));
	EQ(s[0], 1);
	EQ(p[0], 0);
}

/* The same word at two addresses, one in each process. */
TEST(futex_in_shared_memory)
{
	enum { WAIT, WAKE };
	struct timespec limit = {10, 0};
	uint32_t *word = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED), *moved;
	long woken = 0;
	pid_t pid;

	pid = CHILD(moved = mremap(word, 0, PAGE, MREMAP_MAYMOVE); REQUIRE(moved != MAP_FAILED);
		    EQ(syscall(SYS_futex, moved + 5, WAIT, 0, &limit, 0, 0), 0));
	for (int i = 0; i < 5000 && !woken; i++) {
		sleep_ms(1);
		woken = syscall(SYS_futex, word + 5, WAKE, 1, 0, 0, 0);
	}
	EQ(woken, 1);
	JOIN(pid);
}
