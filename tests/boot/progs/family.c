/*
 * Large families and shared tables: chains and siblings that end in every order, a share level that
 * changes from fork to fork, processes of many areas, and memory that runs out while a path is made
 * one's own. On Calf the audit runs while they live; on Linux the levels are all one.
 */
#include "maps.h"

enum { LEVELS = LEVEL_AUTO + 1 };

static void audit(void)
{
	if (on_calf())
		spit("/proc/sys/vm/audit", "1\n");
}

static void set_level(int level)
{
	char text[8];

	if (!on_calf())
		return;
	sprintf(text, level == LEVEL_AUTO ? "auto\n" : "%d\n", level);
	spit("/proc/sys/vm/fork_share_level", text);
	EQ(share_level(), level);
}

/* ---- chains and siblings ---- */

enum { MOST = 1000, HELD = 16 };
enum order { FORWARD, BACKWARD, RANDOM };
enum state { UNBORN, READY, GOOD, BAD };

/* What all of a family see. */
static struct board {
	volatile int pid[MOST], state[MOST];
} * board;
static unsigned char *held;

static void begin_family(void)
{
	board = map_anon(sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED);
	held = map_private(HELD * PAGE);
	memset(held, 0xaa, HELD * PAGE);
	signal(SIGCHLD, SIG_IGN); /* members are watched on the board */
}

/* The byte that member i writes. */
static unsigned char *mark(int i)
{
	return held + i % HELD * PAGE + i / HELD;
}

/* Lives until told to go; `from` to `self` are the members whose marks it must see, others not. */
static void live(int from, int self, int members)
{
	sigset_t set;
	int sig;
	bool ok = true;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	board->state[self] = READY;
	sigwait(&set, &sig);
	for (int i = 0; i < members; i++)
		ok &= *mark(i) == (from <= i && i <= self ? (unsigned char)(i + 1) : 0xaa);
	*mark(self) = 0; /* nobody else may see this */
	board->state[self] = ok ? GOOD : BAD;
	_exit(0);
}

static void be_member(int self)
{
	board->pid[self] = getpid();
	*mark(self) = self + 1;
}

static void block_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void await_state(int i, enum state least)
{
	long deadline = now_ms() + 30000;

	while (board->state[i] < (int)least) {
		REQUIRE(now_ms() < deadline);
		sleep_ms(1);
	}
}

static void await_death(pid_t pid)
{
	long deadline = now_ms() + 30000;

	while (!kill(pid, 0)) {
		REQUIRE(now_ms() < deadline);
		sleep_ms(1);
	}
}

/* All go in this order, one after another. */
static void end_family(int members, enum order order)
{
	static int who[MOST];
	unsigned random = 12345;

	for (int i = 0; i < members; i++)
		who[i] = order == BACKWARD ? members - 1 - i : i;
	for (int i = members - 1; i > 0 && order == RANDOM; i--) {
		int other = (random = random * 1103515245 + 12345) / 65536 % (i + 1), t = who[i];

		who[i] = who[other];
		who[other] = t;
	}
	audit();
	for (int i = 0; i < members; i++) {
		EQ(kill(board->pid[who[i]], SIGUSR1), 0);
		await_state(who[i], GOOD);
		EQ(board->state[who[i]], GOOD);
		await_death(board->pid[who[i]]);
		if (i % (members / 4) == 0)
			audit();
	}
	for (int i = 0; i < members; i++)
		EQ(*mark(i), 0xaa);
}

static bool each_its_own_level;

/* Each generation forks the next before it waits. */
static void chain_from(int self, int members)
{
	be_member(self);
	while (self + 1 < members) {
		pid_t pid;

		if (each_its_own_level)
			set_level((self * 5 + self / 6) % LEVELS);
		pid = fork();
		REQUIRE(pid >= 0);
		if (pid)
			break;
		be_member(++self);
	}
	live(0, self, members);
}

static void chain(enum order order)
{
	enum { MEMBERS = 100 };
	pid_t pid;

	begin_family();
	block_signal();
	pid = fork();
	REQUIRE(pid >= 0);
	if (!pid)
		chain_from(0, MEMBERS);
	for (int i = 0; i < MEMBERS; i++)
		await_state(i, READY);
	end_family(MEMBERS, order);
}

TEST(chain_of_a_hundred_ends_with_the_oldest)
{
	chain(FORWARD);
}

TEST(chain_of_a_hundred_ends_with_the_youngest)
{
	chain(BACKWARD);
}

TEST(chain_of_a_hundred_ends_at_random)
{
	chain(RANDOM);
}

TEST(chain_with_a_level_for_each_fork)
{
	int level = share_level();

	each_its_own_level = true;
	chain(RANDOM);
	set_level(level);
}

/* A thousand where memory, and the limit on processes that goes with it, allow. */
static void siblings(enum order order)
{
	long kb = share_level() ? 100 : 240;
	long members = value_of("/proc/meminfo", "MemFree") / kb;
	struct rlimit most;

	getrlimit(RLIMIT_NPROC, &most);
	if (members > (long)most.rlim_cur - 20)
		members = most.rlim_cur - 20;
	members = members > MOST ? MOST : members;
	CHECK(members >= 100);
	say("# %ld siblings", members);
	begin_family();
	block_signal();
	for (int i = 0; i < members; i++) {
		pid_t pid = fork();

		REQUIRE(pid >= 0);
		if (!pid) {
			be_member(i);
			live(i, i, members);
		}
	}
	for (int i = 0; i < members; i++)
		await_state(i, READY);
	end_family(members, order);
}

TEST_FOR(120, siblings_end_with_the_oldest)
{
	siblings(FORWARD);
}

TEST_FOR(120, siblings_end_with_the_youngest)
{
	siblings(BACKWARD);
}

TEST_FOR(120, siblings_end_at_random)
{
	siblings(RANDOM);
}

/* ---- what is counted, at each level ---- */

#define N 700ul /* pages: two tables at least */
static unsigned char *area;

static void expect_kb(const char *field, unsigned long pages)
{
	long kb = smaps_kb(area, field);

	if (kb != (long)pages * 4)
		say("# level %d: %s is %ld kB, not %ld", share_level(), field, kb, pages * 4);
	CHECK(kb == (long)pages * 4);
}

#define PRESENT	  (1ull << 63)
#define EXCLUSIVE (1ull << 56)
#define PFN	  ((1ull << 55) - 1)

static uint64_t pagemap[N];

static void read_pagemap(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);

	REQUIRE(fd >= 0);
	EQ(pread(fd, pagemap, sizeof(pagemap), (unsigned long)area / PAGE * 8), sizeof(pagemap));
	close(fd);
}

/* The first `own` pages are this process's alone, and counted once; the rest is shared. */
static void expect_owned(unsigned long own)
{
	unsigned long exclusive = 0, once = 0, wrong = 0;
	int fd = open("/proc/kpagecount", O_RDONLY);

	read_pagemap();
	for (unsigned long i = 0; i < N; i++) {
		uint64_t n = 1;

		exclusive += !!(pagemap[i] & EXCLUSIVE);
		wrong += !(pagemap[i] & PRESENT) || !(pagemap[i] & EXCLUSIVE) != (i >= own);
		if (fd >= 0)
			EQ(pread(fd, &n, 8, (pagemap[i] & PFN) * 8), 8);
		once += n == 1;
	}
	if (fd >= 0)
		close(fd);
	EQ(exclusive, own);
	EQ(wrong, 0);
	/* where tables are shared, many processes come by one entry */
	if (share_level() > 1)
		CHECK(once >= own);
	else
		EQ(once, own);
}

static void counts_at(int level)
{
	unsigned long eager = level == 0 ? N : 0;
	int go[2], seen[2];
	char c;
	pid_t pid;

	set_level(level);
	area = map_private(N * PAGE);
	memset(area, 1, N * PAGE);
	REQUIRE(!pipe(go) && !pipe(seen));
	expect_owned(N);
	pid = CHILD(expect_kb("Rss", N); expect_kb("Private_Dirty", eager);
		    expect_kb("Shared_Dirty", N - eager); EQ(write(seen[1], "x", 1), 1);
		    EQ(read(go[0], &c, 1), 1));
	EQ(read(seen[0], &c, 1), 1);
	expect_kb("Rss", N);
	expect_kb("Pss", level ? N / 2 : N);
	expect_owned(eager);
	memset(area, 2, N / 2 * PAGE);
	expect_owned(eager ?: N / 2);
	expect_kb("Rss", N);
	expect_kb("Pss", level ? N / 2 + N / 4 : N);
	EQ(munmap(area + (N - 100) * PAGE, 100 * PAGE), 0);
	expect_kb("Rss", N - 100);
	audit();
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
	expect_kb("Rss", N - 100);
	expect_kb("Pss", N - 100);
	expect_kb("Private_Dirty", N - 100);
	munmap(area, N * PAGE);
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(seen[i]);
	}
}

TEST(counts_at_each_level)
{
	int level = share_level();

	for (int l = on_calf() ? 0 : 1; l < (on_calf() ? LEVELS : 2); l++)
		counts_at(l);
	set_level(level);
}

/* ---- a process of many areas ---- */

TEST(a_thousand_areas_and_many_descriptors)
{
	enum { AREAS = 1000, FILES = 900 };
	unsigned char *p = map_private(AREAS * PAGE);
	int fds[FILES];
	bool covered;

	for (int i = 0; i < AREAS; i++) {
		p[i * PAGE] = i;
		if (i % 2)
			EQ(mprotect(p + i * PAGE, PAGE, PROT_READ), 0);
	}
	for (int i = 0; i < FILES; i++) {
		fds[i] = i % 3 ? dup(1) : open("/dev/zero", O_RDONLY);
		REQUIRE(fds[i] >= 0);
	}
	for (int round = 0; round < 3; round++) {
		JOIN(CHILD(EQ(regions_in(p, AREAS * PAGE, &covered), AREAS); CHECK(covered);
			   for (int i = 0; i < FILES; i++) EQ(fcntl(fds[i], F_GETFD), 0);
			   for (int i = 0; i < AREAS; i++) {
				   EQ(p[i * PAGE], (unsigned char)i);
				   if (i % 2 == 0)
					   p[i * PAGE] = ~i;
			   } for (int i = 0; i < AREAS; i += 4) EQ(munmap(p + i * PAGE, PAGE), 0);
			   EQ(mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
			   /* Linux does not join two areas that differ since a fork */
			   BETWEEN(regions_in(p, AREAS * PAGE, &covered), AREAS - AREAS / 4 - 1,
				   AREAS - AREAS / 4);
			   for (int i = 0; i < FILES; i += 2) EQ(close(fds[i]), 0);
			   JOIN(CHILD(for (int i = 2; i < AREAS; i += 4)
					  EQ(p[i * PAGE], (unsigned char)~i)))));
		EQ(regions_in(p, AREAS * PAGE, &covered), AREAS);
		for (int i = 0; i < AREAS; i++)
			EQ(p[i * PAGE], (unsigned char)i);
		for (int i = 0; i < FILES; i++)
			EQ(fcntl(fds[i], F_GETFD), 0);
	}
}

/* ---- memory that runs out while a shared path is made one's own ---- */

enum { PAGES = 800, GONE = 256 };
static unsigned char *shared, *room;
static int want[PAGES];		 /* the first byte of each page; GONE: not mapped */
static int knob = -1, zero = -1; /* vm.fail_nth, /dev/zero */
static int go[2];
static int failed_one = -1; /* where the operation found that out itself */

static void arm(int n)
{
	char text[16];

	EQ(pwrite(knob, text, sprintf(text, "%d", n), 0), (long)strlen(text));
}

static bool fired(void)
{
	char text[16] = "";

	REQUIRE(pread(knob, text, sizeof(text), 0) > 0);
	return atoi(text) == 0;
}

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
