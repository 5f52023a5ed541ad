/* /proc/<pid>/pagetables: which page tables are a process's own, and which it shares. Calf alone has it. */
#include "tap.h"

#define KNOB	  "/proc/sys/vm/fork_share_level"
#define FILE_NAME "/proc/%d/pagetables"
#define LEAF	  (2 * MIB)    /* what a table of level 1 maps */
#define DIR	  (512 * LEAF) /* and one of level 2 */

struct line {
	int level;
	unsigned long start, end, id, mapcount, live;
	char rights;
};

static char text[1 << 20];

static bool parse(const char *at, struct line *l)
{
	return sscanf(at, "%d %lx-%lx %c %lx %lu %lu", &l->level, &l->start, &l->end, &l->rights,
		      &l->id, &l->mapcount, &l->live) == 7;
}

static void read_tables(pid_t pid)
{
	char path[48];

	snprintf(path, sizeof(path), FILE_NAME, (int)pid);
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
}

/* The table of this level that maps the address. */
static struct line table_of(pid_t pid, const void *p, int level)
{
	unsigned long va = (unsigned long)p;
	struct line l;

	read_tables(pid);
	for (char *at = text; at && *at; at = strchr(at, '\n'), at += at != NULL)
		if (parse(at, &l) && l.level == level && l.start <= va && va < l.end)
			return l;
	say("# no table of level %d maps %p", level, p);
	tap_failed = 1;
	return (struct line){0};
}

/* The level is the whole machine's: it is set back before anything is checked that may end the test. */
static pid_t fork_at(const char *level, int *go, int *ready)
{
	char before[16] = "", c;
	pid_t pid;

	REQUIRE(!pipe(go) && !pipe(ready));
	REQUIRE(slurp(KNOB, before, sizeof(before)) > 0);
	spit(KNOB, level);
	pid = fork();
	if (pid)
		spit(KNOB, before);
	REQUIRE(pid >= 0);
	if (pid == 0) {
		close(go[1]);
		if (write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) != 0)
			_exit(1);
		_exit(0);
	}
	EQ(read(ready[0], &c, 1), 1);
	return pid;
}

static void let_go(pid_t pid, const int *go, const int *ready)
{
	close(go[1]);
	JOIN(pid);
	close(go[0]);
	close(ready[0]);
	close(ready[1]);
}

/* `len` bytes at a multiple of it, every page written. */
static unsigned char *filled(size_t len, size_t align, size_t written)
{
	unsigned char *p =
	    map_anon(len + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE);

	p += -(unsigned long)p & (align - 1);
	for (size_t at = 0; at < written; at += PAGE)
		p[at] = 1;
	return p;
}

static void needs_calf(void)
{
	if (!on_calf())
		SKIP("no /proc/<pid>/pagetables");
}

TEST(lines_are_a_tree)
{
	struct line l, above[5] = {{0}};
	unsigned long key = 0, seen = 0;

	needs_calf();
	filled(8 * LEAF, LEAF, 8 * LEAF);
	read_tables(getpid());
	for (char *at = text; *at; at = strchr(at, '\n') + 1, seen++) {
		REQUIRE(parse(at, &l));
		BETWEEN(l.level, 1, 4);
		EQ(l.level == 4, seen == 0);
		CHECK(l.id != 0 && l.live <= 512 && l.mapcount >= 1);
		if (seen) {
			CHECK((l.start | (4 - l.level)) > key);
			CHECK(above[l.level + 1].start <= l.start);
			CHECK(l.end <= above[l.level + 1].end);
		}
		key = l.start | (4 - l.level);
		above[l.level] = l;
	}
	BETWEEN(seen, 8 + 3, 64);
}

TEST(counts_live_entries)
{
	unsigned char *p;

	needs_calf();
	p = filled(LEAF, LEAF, 5 * PAGE);
	EQ(table_of(getpid(), p, 1).live, 5);
	p[300 * PAGE] = 1;
	EQ(table_of(getpid(), p, 1).live, 6);
	madvise(p, PAGE, MADV_DONTNEED);
	EQ(table_of(getpid(), p, 1).live, 5);
}

/* More tables than one step of the file has lines for. */
TEST(many_tables_in_order)
{
	enum { TABLES = 1000 };
	unsigned char *p;
	unsigned long seen = 0, last = 0;
	struct line l;

	needs_calf();
	p = filled(TABLES * LEAF, LEAF, 0);
	for (size_t i = 0; i < TABLES; i++)
		p[i * LEAF] = 1;
	read_tables(getpid());
	for (char *at = text; *at; at = strchr(at, '\n') + 1) {
		REQUIRE(parse(at, &l));
		if (l.level != 1 || l.start < (unsigned long)p ||
		    l.start >= (unsigned long)p + TABLES * LEAF)
			continue;
		CHECK(l.start > last);
		EQ(l.live, 1);
		last = l.start;
		seen++;
	}
	EQ(seen, TABLES);
}

TEST(level_1_shares_no_table)
{
	int go[2], ready[2];
	unsigned char *p;
	pid_t pid;

	needs_calf();
	p = filled(LEAF, LEAF, LEAF);
	pid = fork_at("1", go, ready);
	for (int level = 1; level <= 3; level++) {
		EQ(table_of(getpid(), p, level).mapcount, 1);
		EQ(table_of(pid, p, level).mapcount, 1);
		CHECK(table_of(getpid(), p, level).id != table_of(pid, p, level).id);
	}
	let_go(pid, go, ready);
}

TEST(level_2_shares_a_leaf_table)
{
	struct line mine, its;
	int go[2], ready[2];
	unsigned char *p;
	pid_t pid;

	needs_calf();
	p = filled(LEAF, LEAF, LEAF);
	pid = fork_at("2", go, ready);
	mine = table_of(getpid(), p, 1);
	its = table_of(pid, p, 1);
	EQ(mine.id, its.id);
	EQ(mine.mapcount, 2);
	EQ(its.mapcount, 2);
	EQ(mine.live, 512);
	EQ(mine.rights, '-');
	EQ(its.rights, '-');
	EQ(table_of(getpid(), p, 2).mapcount, 1);
	CHECK(table_of(getpid(), p, 2).id != table_of(pid, p, 2).id);
	let_go(pid, go, ready);
}

TEST(own_after_a_write)
{
	struct line mine, its;
	int go[2], ready[2];
	unsigned char *p;
	pid_t pid;

	needs_calf();
	p = filled(LEAF, LEAF, LEAF);
	pid = fork_at("2", go, ready);
	its = table_of(pid, p, 1);
	p[7 * PAGE] = 2;
	mine = table_of(getpid(), p, 1);
	CHECK(mine.id != its.id);
	EQ(mine.mapcount, 1);
	EQ(mine.rights, 'w');
	EQ(mine.live, 512);
	EQ(table_of(pid, p, 1).id, its.id);
	EQ(table_of(pid, p, 1).mapcount, 1);
	EQ(table_of(pid, p, 1).rights, '-');
	let_go(pid, go, ready);
}

/* The child goes without a write: the first one of the parent makes the entry writable, no more. */
TEST(rearmed_after_exit)
{
	struct line shared, mine;
	int go[2], ready[2];
	unsigned char *p;
	pid_t pid;

	needs_calf();
	p = filled(LEAF, LEAF, LEAF);
	pid = fork_at("2", go, ready);
	shared = table_of(getpid(), p, 1);
	EQ(shared.mapcount, 2);
	let_go(pid, go, ready);
	mine = table_of(getpid(), p, 1);
	EQ(mine.id, shared.id);
	EQ(mine.mapcount, 1);
	EQ(mine.rights, '-');
	p[0] = 2;
	mine = table_of(getpid(), p, 1);
	EQ(mine.id, shared.id);
	EQ(mine.rights, 'w');
}

/* What hangs below a shared table is reached by one entry still. */
TEST(level_3_shares_a_directory)
{
	int go[2], ready[2];
	unsigned char *p;
	pid_t pid;

	needs_calf();
	p = filled(DIR, DIR, LEAF);
	pid = fork_at("3", go, ready);
	EQ(table_of(getpid(), p, 2).id, table_of(pid, p, 2).id);
	EQ(table_of(getpid(), p, 2).mapcount, 2);
	EQ(table_of(getpid(), p, 1).id, table_of(pid, p, 1).id);
	EQ(table_of(getpid(), p, 1).mapcount, 1);
	CHECK(table_of(getpid(), p, 3).id != table_of(pid, p, 3).id);
	let_go(pid, go, ready);
}

TEST(auto_shares_a_dense_table_alone)
{
	struct line mine, its;
	int go[2], ready[2];
	unsigned char *p;
	pid_t pid;

	needs_calf();
	p = filled(2 * LEAF, LEAF, LEAF + PAGE);
	pid = fork_at("auto", go, ready);
	mine = table_of(getpid(), p, 1);
	its = table_of(pid, p, 1);
	EQ(mine.id, its.id);
	EQ(mine.mapcount, 2);
	CHECK(table_of(getpid(), p + LEAF, 1).id != table_of(pid, p + LEAF, 1).id);
	let_go(pid, go, ready);
}

TEST(several_children_add_up)
{
	int go[3][2], ready[3][2];
	unsigned char *p;
	pid_t pid[3];

	needs_calf();
	p = filled(LEAF, LEAF, LEAF);
	for (int i = 0; i < 3; i++) {
		pid[i] = fork_at("2", go[i], ready[i]);
		EQ(table_of(getpid(), p, 1).mapcount, 2 + i);
	}
	for (int i = 2; i >= 0; i--) {
		let_go(pid[i], go[i], ready[i]);
		EQ(table_of(getpid(), p, 1).mapcount, 1 + i);
	}
}

/* Rights are pagemap's: nobody else may look, and frame numbers are for root alone. */
TEST(rights)
{
	struct stat st;
	struct line l;
	char path[48];
	int fd;

	needs_calf();
	REQUIRE(!stat("/proc/self/pagetables", &st));
	EQ(st.st_mode, S_IFREG | 0400);
	snprintf(path, sizeof(path), FILE_NAME, (int)getppid());
	fd = open("/proc/self/pagetables", O_RDONLY);
	REQUIRE(fd >= 0);
	REQUIRE(!setgid(1000) && !setuid(1000));
	FAILS(open(path, O_RDONLY), EACCES);
	EQ(read(fd, text, sizeof(text) - 1) > 0, 1);
	REQUIRE(parse(text, &l));
	EQ(l.id, 0);
	close(fd);
}
