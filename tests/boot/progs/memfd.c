/* Files of memory: memfd_create(2) and its seals, /dev/shm, holes, and mappings of all of these. */
#include "trap.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

static int memfd(unsigned flags, off_t size)
{
	int fd = memfd_create("test", flags);

	REQUIRE(fd >= 0);
	EQ(ftruncate(fd, size), 0);
	return fd;
}

static unsigned char *map_fd(int fd, size_t len, int prot, int type)
{
	unsigned char *p = mmap(NULL, len, prot, type, fd, 0);

	REQUIRE(p != MAP_FAILED);
	return p;
}

static long blocks(int fd)
{
	struct stat st;

	EQ(fstat(fd, &st), 0);
	return st.st_blocks;
}

static off_t size_of(int fd)
{
	struct stat st;

	EQ(fstat(fd, &st), 0);
	return st.st_size;
}

/* ---- memfd_create and seals ---- */

TEST(memfd_create_checks_its_flags)
{
	char name[300];

	FAILS(memfd_create("x", 0x100), EINVAL);
	FAILS(memfd_create((char *)-4096, 0), EFAULT);
	memset(name, 'n', sizeof(name));
	name[250] = 0;
	FAILS(memfd_create(name, 0), EINVAL);
	name[249] = 0;
	CHECK(memfd_create(name, 0) >= 0);
	EQ(fcntl(memfd(MFD_CLOEXEC, 0), F_GETFD), FD_CLOEXEC);
}

TEST(a_memfd_can_be_sealed_only_where_it_was_allowed)
{
	int fd = memfd(0, PAGE);

	EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	fd = memfd(MFD_ALLOW_SEALING, PAGE);
	EQ(fcntl(fd, F_GET_SEALS), 0);
	FAILS(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
	EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL), 0);
	EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_SEAL);
	FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	int ends[2];
	REQUIRE(!pipe(ends));
	FAILS(fcntl(ends[0], F_GET_SEALS), EINVAL);
}

TEST(seals_of_the_size)
{
	int fd = memfd(MFD_ALLOW_SEALING, 2 * PAGE);

	EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	FAILS(ftruncate(fd, PAGE), EPERM);
	EQ(ftruncate(fd, 3 * PAGE), 0);
	EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	FAILS(ftruncate(fd, 4 * PAGE), EPERM);
	EQ(ftruncate(fd, 3 * PAGE), 0);
	FAILS(pwrite(fd, "x", 1, 3 * PAGE), EPERM);
	FAILS(fallocate(fd, 0, 0, 4 * PAGE), EPERM);
	EQ(pwrite(fd, "x", 1, 0), 1);
	EQ(size_of(fd), 3 * PAGE);
}

TEST(the_seal_of_writes)
{
	int fd = memfd(MFD_ALLOW_SEALING, PAGE), fd2;
	unsigned char *p = map_fd(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	char path[40];

	p[0] = 7;
	FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	EQ(fcntl(fd, F_GET_SEALS), 0);
	EQ(munmap(p, PAGE), 0);
	EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	FAILS(write(fd, "x", 1), EPERM);
	FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), EPERM);
	FAILS(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
	p = map_fd(fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	EQ(p[0], 7);
	p[0] = 8;
	/* A descriptor that cannot write seals nothing, and maps it shared for reading. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd2 = open(path, O_RDONLY);
	REQUIRE(fd2 >= 0);
	FAILS(fcntl(fd2, F_ADD_SEALS, F_SEAL_SEAL), EPERM);
	p = map_fd(fd2, PAGE, PROT_READ, MAP_SHARED);
	EQ(p[0], 7);
	FAILS(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
}

TEST(the_seal_of_future_writes)
{
	int fd = memfd(MFD_ALLOW_SEALING, PAGE);
	unsigned char *p = map_fd(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED), *q;

	EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	p[0] = 3;
	FAILS(write(fd, "x", 1), EPERM);
	FAILS(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
	q = map_fd(fd, PAGE, PROT_READ, MAP_SHARED);
	EQ(q[0], 3);
	FAILS(mprotect(q, PAGE, PROT_READ | PROT_WRITE), EACCES);
	p[0] = 4;
	EQ(q[0], 4);
}

/* ---- /dev/shm ---- */

TEST(shm_open_gives_memory_by_name)
{
	int fd = shm_open("/calf-test", O_RDWR | O_CREAT | O_EXCL, 0600), again;
	unsigned char *p;

	REQUIRE(fd >= 0);
	FAILS(shm_open("/calf-test", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	EQ(ftruncate(fd, 4 * PAGE), 0);
	p = map_fd(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	JOIN(CHILD(again = shm_open("/calf-test", O_RDWR, 0); CHECK(again >= 0);
		   EQ(pwrite(again, "abc", 3, 2 * PAGE), 3)));
	EQ(p[2 * PAGE], 'a');
	p[0] = 9;
	EQ(read(fd, p + PAGE, 1), 1);
	EQ(p[PAGE], 9);
	EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	EQ(shm_unlink("/calf-test"), 0);
	FAILS(shm_open("/calf-test", O_RDWR, 0), ENOENT);
	EQ(p[2 * PAGE + 2], 'c');
}

/* ---- truncation under a mapping ---- */

/* Promised is what is there, by whichever way it came. */
TEST(faulted_pages_are_promised)
{
	int fd = memfd(0, 8 * MIB);
	unsigned char *p = map_fd(fd, 8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED);
	long before = value_of("/proc/meminfo", "Committed_AS");

	for (size_t i = 0; i < 4 * MIB; i += PAGE)
		p[i] = 1;
	NEAR(value_of("/proc/meminfo", "Committed_AS") - before, 4 << 10, 512);
	EQ(ftruncate(fd, 0), 0);
	NEAR(value_of("/proc/meminfo", "Committed_AS") - before, 0, 512);
}

TEST(truncation_under_a_mapping)
{
	int fd = memfd(0, 4 * PAGE);
	unsigned char *p = map_fd(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	unsigned char *q = map_fd(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	memset(p, 1, 4 * PAGE);
	q[3 * PAGE] = 2; /* a private copy goes as well */
	EQ(ftruncate(fd, PAGE + 100), 0);
	EQ(p[PAGE + 99], 1);
	EQ(p[PAGE + 100], 0);
	EQ(try_read(p + 2 * PAGE), SIGBUS);
	EQ(trap_code, BUS_ADRERR);
	EQ(try_write(p + 3 * PAGE, 1), SIGBUS);
	EQ(try_read(q + 3 * PAGE), SIGBUS);
	JOIN(CHILD(EQ(try_read(p + 2 * PAGE), SIGBUS)));
	EQ(ftruncate(fd, 4 * PAGE), 0);
	EQ(try_read(p + 2 * PAGE), 0);
	EQ(p[2 * PAGE], 0);
	EQ(q[3 * PAGE], 0);
}

/* ---- fallocate ---- */

TEST(fallocate_refuses_as_tmpfs_does)
{
	int fd = memfd(0, PAGE), ends[2];

	REQUIRE(!pipe(ends));
	FAILS(fallocate(fd, 0, -1, PAGE), EINVAL);
	FAILS(fallocate(fd, 0, 0, 0), EINVAL);
	FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PAGE), EOPNOTSUPP);
	FAILS(fallocate(fd, 0x10, 0, PAGE), EOPNOTSUPP); /* ZERO_RANGE */
	FAILS(fallocate(fd, 0x08, 0, PAGE), EOPNOTSUPP); /* COLLAPSE_RANGE */
	FAILS(fallocate(fd, 0x08 | 1, 0, PAGE), EINVAL); /* never with another */
	FAILS(fallocate(fd, 0x1000, 0, PAGE), EOPNOTSUPP);
	FAILS(fallocate(fd, 0, 0x7ffffffffffffff0, 0x100), EFBIG);
	FAILS(fallocate(ends[1], 0, 0, PAGE), ESPIPE);
	FAILS(fallocate(-1, 0, 0, PAGE), EBADF);
}

TEST(fallocate_gives_blocks)
{
	int fd = memfd(0, 0);

	EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4 * PAGE), 0);
	EQ(size_of(fd), 0);
	EQ(blocks(fd), 4 * PAGE / 512);
	EQ(fallocate(fd, 0, 0, 2 * PAGE + 5), 0);
	EQ(size_of(fd), 2 * PAGE + 5);
}

TEST(a_file_grows_no_further_than_its_limit)
{
	int fd = memfd(0, PAGE);
	struct rlimit r = {4 * PAGE, RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	EQ(setrlimit(RLIMIT_FSIZE, &r), 0);
	EQ(ftruncate(fd, 4 * PAGE), 0);
	FAILS(ftruncate(fd, 4 * PAGE + 1), EFBIG);
	FAILS(fallocate(fd, 0, 0, 5 * PAGE), EFBIG);
	FAILS(pwrite(fd, "x", 1, 4 * PAGE), EFBIG);
	r.rlim_cur = 2 * PAGE;
	EQ(setrlimit(RLIMIT_FSIZE, &r), 0);
	EQ(ftruncate(fd, 3 * PAGE), 0); /* to shrink is not to grow */
	signal(SIGXFSZ, SIG_DFL);
	pid_t pid = CHILD(ftruncate(fd, 8 * PAGE));
	int status;
	EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
}

static void punch(int fd, off_t at, off_t len)
{
	EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len), 0);
}

TEST(a_hole_reads_as_zeros_everywhere)
{
	int fd = memfd(0, 8 * PAGE);
	unsigned char *p = map_fd(fd, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	unsigned char *q = map_fd(fd, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	unsigned char c;

	memset(p, 5, 8 * PAGE);
	q[2 * PAGE] = 6;    /* its own copy stays */
	EQ(q[3 * PAGE], 5); /* what it only reads is the file's */
	EQ(blocks(fd), 8 * PAGE / 512);
	punch(fd, 2 * PAGE - 10, 3 * PAGE + 20);
	EQ(blocks(fd), 5 * PAGE / 512);
	EQ(size_of(fd), 8 * PAGE);
	EQ(p[2 * PAGE - 11], 5);
	EQ(p[2 * PAGE - 10], 0);
	EQ(p[2 * PAGE], 0);
	EQ(p[4 * PAGE + 9], 0);
	EQ(p[5 * PAGE + 9], 0);
	EQ(p[5 * PAGE + 10], 5);
	EQ(q[2 * PAGE], 6);
	EQ(q[2 * PAGE + 1], 5);
	EQ(q[3 * PAGE], 0);
	EQ(pread(fd, &c, 1, 3 * PAGE), 1);
	EQ(c, 0);
	p[3 * PAGE] = 8;
	EQ(pread(fd, &c, 1, 3 * PAGE), 1);
	EQ(c, 8);
	punch(fd, 6 * PAGE, 100 * PAGE); /* past the end: no more than there is */
	EQ(p[7 * PAGE], 0);
	EQ(size_of(fd), 8 * PAGE);
}

TEST(a_hole_is_seen_by_a_child_that_shares_tables)
{
	int fd = memfd(0, 4 * MIB), go[2];
	unsigned char *p = map_fd(fd, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED);
	char c;
	pid_t pid;

	REQUIRE(!pipe(go));
	memset(p, 1, 4 * MIB);
	pid = CHILD(EQ(read(go[0], &c, 1), 1); for (size_t i = 0; i < 4 * MIB; i += PAGE)
			EQ(p[i], i >= MIB && i < 3 * MIB ? 0 : 1);
		    p[2 * MIB] = 7);
	punch(fd, MIB, 2 * MIB);
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
	EQ(p[2 * MIB], 7);
	EQ(p[MIB], 0);
}

/* Writers through a mapping and readers by read(2) while holes are punched: what is seen stays one. */
TEST(holes_while_others_use_the_file)
{
	int fd = memfd(0, 16 * PAGE);
	volatile unsigned char *p = map_fd(fd, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	pid_t pids[2];

	for (int k = 0; k < 2; k++)
		pids[k] = CHILD(for (int n = 0; n < 2000; n++) {
			unsigned char c;

			p[(n * 7 + k) % 16 * PAGE] = 1;
			EQ(pread(fd, &c, 1, n % 16 * PAGE), 1);
		});
	for (int n = 0; n < 300; n++)
		punch(fd, n % 8 * PAGE, 8 * PAGE);
	JOIN(pids[0]);
	JOIN(pids[1]);
	for (int i = 0; i < 16; i++) {
		unsigned char c;

		p[i * PAGE] = i;
		EQ(pread(fd, &c, 1, i * PAGE), 1);
		EQ(c, i);
	}
}
