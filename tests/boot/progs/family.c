/*
 * Large families and large processes: chains and siblings that end in every order, a share level that
 * changes from fork to fork, and forks of many areas and descriptors. On Calf the audit runs while they live.
 */
#include "levels.h"
#include "maps.h"

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
