/* Fork and copy-on-write: each side sees its own memory, whatever the other one does. */
#include "tap.h"

static unsigned char pattern(size_t page, unsigned salt)
{
	return page * 7 + salt * 31 + 1;
}

/* Two words a page tell it: its first and its last byte. */
static void fill(unsigned char *p, size_t len, unsigned salt)
{
	for (size_t i = 0; i < len; i += PAGE) {
		p[i] = pattern(i / PAGE, salt);
		p[i + PAGE - 1] = pattern(i / PAGE, salt + 1);
	}
}

static bool holds(const unsigned char *p, size_t len, unsigned salt)
{
	for (size_t i = 0; i < len; i += PAGE) {
		if (p[i] != pattern(i / PAGE, salt) ||
		    p[i + PAGE - 1] != pattern(i / PAGE, salt + 1)) {
			say("# page %zu of %zu differs", i / PAGE, len / PAGE);
			return false;
		}
	}
	return true;
}

/* Sizes around the borders of a table's reach, 2 MiB, at an address that is on such a border. */
static const size_t sizes[] = {1, 2, 511, 512, 513, 1024, 1025, 2000};

TEST(child_writes)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t len = sizes[i] * PAGE;
		unsigned char *p = map_private(len);

		fill(p, len, 1);
		JOIN(CHILD(CHECK(holds(p, len, 1)); fill(p, len, 2); CHECK(holds(p, len, 2))));
		CHECK(holds(p, len, 1));
		munmap(p, len);
	}
}

TEST(parent_writes)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t len = sizes[i] * PAGE;
		unsigned char *p = map_private(len);
		int go[2];
		char c;
		pid_t pid;

		REQUIRE(!pipe(go));
		fill(p, len, 1);
		pid = CHILD(CHECK(read(go[0], &c, 1) == 1); CHECK(holds(p, len, 1)));
		fill(p, len, 3);
		EQ(write(go[1], "g", 1), 1);
		JOIN(pid);
		CHECK(holds(p, len, 3));
		munmap(p, len);
		close(go[0]);
		close(go[1]);
	}
}

TEST(one_page_in_n)
{
	const size_t len = 1500 * PAGE;
	unsigned char *p = map_private(len);

	fill(p, len, 1);
	JOIN(CHILD(for (size_t i = 0; i < len; i += 7 * PAGE) p[i] = 0xee;
		   for (size_t i = 0; i < len; i += PAGE)
		       EQ(p[i], i / PAGE % 7 ? pattern(i / PAGE, 1) : 0xee)));
	CHECK(holds(p, len, 1));
}

/* Each of 40 generations writes its own page, and sees all that its ancestors wrote. */
static void generation(unsigned char *p, int depth, int left)
{
	for (int i = 0; i < depth; i++)
		EQ(p[i * PAGE], i + 1);
	for (int i = depth; i < depth + left; i++)
		EQ(p[i * PAGE], 0);
	if (!left)
		return;
	p[depth * PAGE] = depth + 1;
	JOIN(CHILD(generation(p, depth + 1, left - 1)));
	for (int i = depth + 1; i < depth + left; i++)
		EQ(p[i * PAGE], 0);
}

TEST(chain_of_forks)
{
	unsigned char *p = map_private(40 * PAGE);

	memset(p, 0, 40 * PAGE);
	generation(p, 0, 40);
}

TEST(siblings_do_not_meet)
{
	enum { CHILDREN = 24 };
	const size_t len = 64 * PAGE;
	unsigned char *p = map_private(len);
	pid_t pids[CHILDREN];

	fill(p, len, 1);
	for (int i = 0; i < CHILDREN; i++)
		pids[i] = CHILD(fill(p, len, 10 + i); sched_yield(); CHECK(holds(p, len, 10 + i));
				sleep_ms(5); CHECK(holds(p, len, 10 + i)));
	for (int i = 0; i < CHILDREN; i++)
		JOIN(pids[i]);
	CHECK(holds(p, len, 1));
}

TEST(fork_of_shared_pages)
{
	const size_t len = 600 * PAGE;
	unsigned char *p = map_private(len);

	fill(p, len, 1);
	JOIN(CHILD(
	    /* shared with the parent, and forked again untouched */
	    JOIN(CHILD(JOIN(CHILD(CHECK(holds(p, len, 1)); fill(p, len, 4)));
		       CHECK(holds(p, len, 1)); fill(p, len / 2, 5)));
	    CHECK(holds(p, len, 1)); fill(p, len, 6)));
	CHECK(holds(p, len, 1));
}

TEST(refork_after_partial_copy)
{
	const size_t len = 128 * PAGE;
	unsigned char *p = map_private(len);

	fill(p, len / 2, 1);
	fill(p + len / 2, len / 2, 1);
	for (int round = 0; round < 20; round++) {
		pid_t pid = CHILD(CHECK(holds(p + len / 2, len / 2, 1)); fill(p, len, 9));

		fill(p, len / 2, 20 + round);
		JOIN(pid);
		CHECK(holds(p, len / 2, 20 + round));
	}
}

TEST(parent_exits_first)
{
	const size_t len = 200 * PAGE;
	unsigned char *p = map_private(len);
	int report[2];
	char c = 0;

	REQUIRE(!pipe(report));
	fill(p, len, 1);
	JOIN(CHILD(fill(p, len, 2);
		   CHILD(sleep_ms(50); bool ok = holds(p, len, 2); fill(p, len, 3);
			 ok = ok && holds(p, len, 3); EQ(write(report[1], ok ? "y" : "n", 1), 1))));
	EQ(read(report[0], &c, 1), 1);
	EQ(c, 'y');
	CHECK(holds(p, len, 1));
}

static int data_variable = 1234;
static int bss_variable;

TEST(data_bss_stack_heap)
{
	int on_stack = 5;
	int *on_heap = malloc(sizeof(int) * 40000);

	REQUIRE(on_heap);
	bss_variable = 77;
	on_heap[39999] = 88;
	JOIN(CHILD(EQ(data_variable, 1234); EQ(bss_variable, 77); EQ(on_stack, 5);
		   EQ(on_heap[39999], 88); data_variable = bss_variable = on_stack = 1;
		   on_heap[39999] = 2; sched_yield();
		   EQ(data_variable + bss_variable + on_stack, 3)));
	EQ(data_variable, 1234);
	EQ(bss_variable, 77);
	EQ(on_stack, 5);
	EQ(on_heap[39999], 88);
	free(on_heap);
}

TEST(untouched_memory_reads_zero_on_both_sides)
{
	unsigned char *p = map_private(64 * PAGE);

	JOIN(CHILD(for (int i = 0; i < 64; i++) EQ(p[i * PAGE], 0); memset(p, 9, 64 * PAGE)));
	for (int i = 0; i < 64; i++)
		EQ(p[i * PAGE], 0);
}

TEST(zero_page_read_then_written)
{
	unsigned char *p = map_private(8 * PAGE);
	unsigned sum = 0;

	for (int i = 0; i < 8; i++)
		sum += ((volatile unsigned char *)p)[i * PAGE];
	EQ(sum, 0);
	JOIN(CHILD(p[0] = 1; p[3 * PAGE] = 2; EQ(p[PAGE], 0); EQ(p[3 * PAGE + 1], 0)));
	p[PAGE] = 7;
	EQ(p[0], 0);
	EQ(p[3 * PAGE], 0);
	EQ(p[2 * PAGE], 0);
}

TEST(areas_changed_by_the_child_stay_its_own)
{
	unsigned char *p = map_private(16 * PAGE);

	fill(p, 16 * PAGE, 1);
	JOIN(CHILD(EQ(munmap(p + 4 * PAGE, 8 * PAGE), 0); EQ(mprotect(p, PAGE, PROT_READ), 0)));
	CHECK(holds(p, 16 * PAGE, 1));
	fill(p, 16 * PAGE, 2);
	CHECK(holds(p, 16 * PAGE, 2));
}

TEST(read_only_area_is_inherited_so)
{
	unsigned char *p = map_private(PAGE);
	int status;

	*p = 3;
	EQ(mprotect(p, PAGE, PROT_READ), 0);
	status = status_of(CHILD(signal(SIGSEGV, SIG_DFL); *(volatile unsigned char *)p = 4));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	EQ(*p, 3);
}

TEST(pid_ppid_and_fork_values)
{
	pid_t self = getpid(), pid = fork();

	REQUIRE(pid >= 0);
	if (!pid) {
		EQ(getppid(), self);
		CHECK(getpid() != self);
		EQ(getpid(), syscall(SYS_gettid));
		_exit(tap_failed);
	}
	CHECK(pid > 0 && pid != self);
	JOIN(pid);
}

TEST(offsets_are_shared_descriptors_are_not)
{
	char c;
	int fd;

	spit("/tmp/fork-offset", "abcdef");
	fd = open("/tmp/fork-offset", O_RDONLY);
	REQUIRE(fd >= 0);
	unlink("/tmp/fork-offset");
	JOIN(CHILD(EQ(read(fd, &c, 1), 1); EQ(c, 'a'); close(fd)));
	EQ(read(fd, &c, 1), 1);
	EQ(c, 'b');
}

TEST(a_hundred_forks_of_four_mib)
{
	const size_t len = 4 * MIB;
	unsigned char *p = map_private(len);

	fill(p, len, 1);
	for (unsigned i = 0; i < 100; i++)
		JOIN(CHILD(p[i * 8 * PAGE] = 0;
			   _exit(p[i * 8 * PAGE + PAGE] != pattern(i * 8 + 1, 1))));
	CHECK(holds(p, len, 1));
}
