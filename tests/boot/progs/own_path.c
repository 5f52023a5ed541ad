/*
 * Memory that runs out while a shared path is made one's own: each operation on memory that is shared, with
 * each of its allocations failing once, at each share level. One that fails leaves the contents of each page as
 * they were, and goes when tried again.
 */
#include "fail.h"
#include "levels.h"

enum { PAGES = 800, GONE = 256 };
static unsigned char *shared, *room;
static int want[PAGES]; /* the first byte of each page; GONE: not mapped */
static int zero = -1;	/* /dev/zero */
static int go[2];
static int failed_one = -1; /* where the operation found that out itself */

static void expect_pages(void)
{
	unsigned char there;

	for (int i = 0; i < PAGES; i++) {
		unsigned char *p = shared + i * PAGE;

		if (want[i] == GONE)
			CHECK(mincore(p, PAGE, &there) < 0 && errno == ENOMEM);
		else
			EQ(*p, want[i]);
	}
}

static void now_holds(int first, int n, int value)
{
	for (int i = first; i < first + n; i++)
		want[i] = value;
}

static long op_write(void)
{
	shared[400 * PAGE] = 77;
	now_holds(400, 1, 77);
	return 0;
}

static long op_kernel_write(void)
{
	long r = read(zero, shared + 500 * PAGE, 20 * PAGE);

	/* it may come to a part of it: then so many are zeros */
	now_holds(500, r > 0 ? (r + PAGE - 1) / PAGE : 0, 0);
	return r < 0 ? r : 0;
}

static long op_munmap(void)
{
	long r = munmap(shared + 100 * PAGE, 600 * PAGE);

	if (!r)
		now_holds(100, 600, GONE);
	return r;
}

static long op_mprotect(void)
{
	return mprotect(shared + 3 * PAGE, 700 * PAGE, PROT_READ)
		   ?: mprotect(shared + 3 * PAGE, 700 * PAGE, PROT_READ | PROT_WRITE);
}

static long op_mremap(void)
{
	void *p =
	    mremap(shared + 10 * PAGE, 600 * PAGE, 600 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room);

	if (p == MAP_FAILED)
		return -1;
	for (int i = 0; i < 600; i++)
		EQ(room[i * PAGE], want[10 + i]);
	now_holds(10, 600, GONE);
	return 0;
}

static long op_dontneed(void)
{
	long r = madvise(shared + 200 * PAGE, 400 * PAGE, MADV_DONTNEED);

	if (!r)
		now_holds(200, 400, 0);
	return r;
}

static long op_map_over(void)
{
	void *p = mmap(shared + 50 * PAGE, 600 * PAGE, PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	now_holds(50, 600, 0);
	return 0;
}

/* The grandchild waits until the knob has been looked at, which it may have turned further. */
static long op_fork(void)
{
	pid_t pid = fork();
	char c;

	if (pid < 0)
		return pid;
	if (!pid) {
		tap_failed = 0;
		EQ(read(go[0], &c, 1), 1);
		expect_pages();
		shared[0] = 9;
		_exit(tap_failed);
	}
	failed_one = fired();
	arm(0);
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
	return 0;
}

static long op_stack(void)
{
	volatile unsigned char deep[60 * PAGE];

	for (size_t i = 0; i < sizeof(deep); i += PAGE)
		deep[i] = i / PAGE;
	for (size_t i = 0; i < sizeof(deep); i += PAGE)
		EQ(deep[i], i / PAGE);
	return 0;
}

static const struct {
	const char *name;
	long (*run)(void);
} ops[] = {
    {"write", op_write},       {"kernel write", op_kernel_write},
    {"munmap", op_munmap},     {"mprotect", op_mprotect},
    {"mremap", op_mremap},     {"dontneed", op_dontneed},
    {"map over", op_map_over}, {"fork", op_fork},
    {"stack", op_stack},
};

/* In a child that shares all: the op with its n-th allocation failing, and once more without. */
static void fail_once(int op, int n)
{
	bool more;
	long r;
	int e;

	arm(n);
	r = ops[op].run();
	e = errno;
	more = failed_one >= 0 ? failed_one : fired();
	arm(0);
	if (r && !(more && (e == ENOMEM || e == EFAULT))) {
		say("# %s, level %d, allocation %d: %ld, errno %d", ops[op].name, share_level(), n,
		    r, e);
		tap_failed = 1;
	}
	expect_pages();
	if (r) {
		EQ(ops[op].run(), 0);
		expect_pages();
	}
	_exit(tap_failed ? 1 : more ? 2 : 3);
}

/* Returns how many allocations it made fail: each, but of a fork that copies all data not each of those. */
static int fail_each(int op)
{
	int failures = 0;

	for (int n = 1; n < 3000; n += n < 64 ? 1 : n / 8) {
		int status;
		pid_t pid = fork();

		REQUIRE(pid >= 0);
		if (!pid) {
			tap_failed = 0;
			fail_once(op, n);
		}
		status = status_of(pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) < 2) {
			say("# %s, level %d, allocation %d: status %#x", ops[op].name,
			    share_level(), n, status);
			tap_failed = 1;
			return failures;
		}
		if (WEXITSTATUS(status) == 3)
			return failures;
		failures++;
	}
	say("# %s, level %d: no end of allocations", ops[op].name, share_level());
	tap_failed = 1;
	return 0;
}

TEST_FOR(300, memory_runs_out_while_owning_a_path)
{
	int level = share_level();

	knob = open("/proc/sys/vm/fail_nth", O_RDWR);
	if (knob < 0)
		SKIP("no vm.fail_nth");
	fired(); /* its buffer is there from now on */
	zero = open("/dev/zero", O_RDONLY);
	REQUIRE(!pipe(go));
	shared = map_private(PAGES * PAGE);
	room = map_private(PAGES * PAGE);
	munmap(room, PAGES * PAGE);
	for (int i = 0; i < PAGES; i++)
		shared[i * PAGE] = want[i] = i % 251 + 1;
	for (int l = 0; l < LEVELS; l++) {
		int failures = 0;

		set_level(l);
		for (size_t op = 0; op < sizeof(ops) / sizeof(*ops); op++)
			failures += fail_each(op);
		say("# level %d: %d allocations", l, failures);
		CHECK(failures > 10);
		audit();
	}
	set_level(level);
	expect_pages();
}
