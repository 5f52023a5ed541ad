/* RSS, PSS, private and shared, page by page: exact at every moment. */
#include "maps.h"

#define N 200

static unsigned char *area;

/* Linux batches a task's counts, 64 pages at a time: status and statm lag behind there. */
static long lag(void)
{
	return on_calf() ? 0 : 64;
}

static long statm_rss(void)
{
	char buf[256];
	long rss = -1;

	REQUIRE(slurp("/proc/self/statm", buf, sizeof(buf)) > 0);
	sscanf(buf, "%*d %ld", &rss);
	return rss;
}

static void expect(const char *field, long pages)
{
	long kb = smaps_kb(area, field);

	if (kb != pages * 4)
		say("# %s is %ld kB, not %ld", field, kb, pages * 4);
	CHECK(kb == pages * 4);
}

static uint64_t pagemap(const void *p)
{
	uint64_t e = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	REQUIRE(fd >= 0);
	EQ(pread(fd, &e, 8, (unsigned long)p / PAGE * 8), 8);
	close(fd);
	return e;
}

#define PRESENT	  (1ull << 63)
#define FILE_PAGE (1ull << 61)
#define EXCLUSIVE (1ull << 56)
#define PFN	  ((1ull << 55) - 1)

static long pagecount(uint64_t pfn)
{
	uint64_t n = 0;
	int fd = open("/proc/kpagecount", O_RDONLY);

	REQUIRE(fd >= 0);
	EQ(pread(fd, &n, 8, pfn * 8), 8);
	close(fd);
	return n;
}

TEST(untouched_and_touched)
{
	area = map_private(N * PAGE);
	expect("Size", N);
	expect("Rss", 0);
	expect("Pss", 0);
	for (int i = 0; i < N / 2; i++)
		area[i * PAGE] = 1;
	expect("Rss", N / 2);
	expect("Pss", N / 2);
	expect("Private_Dirty", N / 2);
	expect("Shared_Dirty", 0);
	expect("Anonymous", N / 2);
	EQ(smaps_kb(area, "KernelPageSize"), 4);
	EQ(smaps_kb(area, "MMUPageSize"), 4);
}

TEST(zero_page_is_in_no_count)
{
	area = map_private(N * PAGE);
	for (int i = 0; i < N; i++)
		(void)((volatile unsigned char *)area)[i * PAGE];
	expect("Rss", 0);
	expect("Anonymous", 0);
	area[0] = 1;
	expect("Rss", 1);
}

TEST(shared_by_fork)
{
	int go[2], level = share_level();
	char c;
	pid_t pid;

	area = map_private(N * PAGE);
	memset(area, 1, N * PAGE);
	REQUIRE(!pipe(go));
	pid = CHILD(expect("Rss", N); EQ(read(go[0], &c, 1), 1));
	expect("Rss", N);
	expect("Pss", level ? N / 2 : N);
	expect("Shared_Dirty", level ? N : 0);
	expect("Private_Dirty", level ? 0 : N);
	memset(area, 2, N / 4 * PAGE);
	expect("Rss", N);
	expect("Private_Dirty", level ? N / 4 : N);
	expect("Shared_Dirty", level ? N - N / 4 : 0);
	expect("Pss", level ? N / 4 + (N - N / 4) / 2 : N);
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
	expect("Rss", N);
	expect("Pss", N);
	expect("Private_Dirty", N);
}

TEST(child_starts_with_the_parents_count)
{
	long rss;

	area = map_private(4 * N * PAGE);
	memset(area, 1, 4 * N * PAGE);
	rss = statm_rss();
	JOIN(CHILD(long mine = statm_rss(); NEAR(mine, rss, 64); memset(area, 2, 4 * N * PAGE);
		   NEAR(statm_rss(), mine, 16 + lag()); munmap(area, 4 * N * PAGE);
		   NEAR(statm_rss(), mine - 4 * N, 16 + lag())));
	NEAR(statm_rss(), rss, 16 + lag());
}

TEST(rss_follows_map_touch_and_unmap)
{
	long before;

	value_of("/proc/self/status", "RssAnon"); /* the reader's own pages first */
	before = value_of("/proc/self/status", "RssAnon");
	area = map_private(N * PAGE);
	NEAR(value_of("/proc/self/status", "RssAnon"), before, 4 * lag());
	memset(area, 1, N * PAGE);
	NEAR(value_of("/proc/self/status", "RssAnon"), before + N * 4, 4 * lag());
	madvise(area, 50 * PAGE, MADV_DONTNEED);
	NEAR(value_of("/proc/self/status", "RssAnon"), before + (N - 50) * 4, 4 * lag());
	munmap(area, N * PAGE);
	NEAR(value_of("/proc/self/status", "RssAnon"), before, 4 * lag());
}

TEST(rss_by_kind)
{
	long shmem, file;
	int fd = open("/tmp/smaps-file", O_RDWR | O_CREAT, 0600);
	unsigned char *p;

	unlink("/tmp/smaps-file");
	EQ(ftruncate(fd, N * PAGE), 0);
	value_of("/proc/self/status", "RssShmem");
	shmem = value_of("/proc/self/status", "RssShmem");
	p = map_anon(N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	memset(p, 1, N * PAGE);
	NEAR(value_of("/proc/self/status", "RssShmem"), shmem + N * 4, 4 * lag());
	file = value_of("/proc/self/status", "RssFile") + value_of("/proc/self/status", "RssShmem");
	p = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(p != MAP_FAILED);
	memset(p, 1, N * PAGE);
	NEAR(value_of("/proc/self/status", "RssFile") + value_of("/proc/self/status", "RssShmem"),
	     file + N * 4, 4 * lag());
}

TEST(private_file_page_becomes_anonymous)
{
	int fd = open("/tmp/smaps-file", O_RDWR | O_CREAT, 0600);

	unlink("/tmp/smaps-file");
	EQ(ftruncate(fd, N * PAGE), 0);
	area = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	REQUIRE(area != MAP_FAILED);
	for (int i = 0; i < 10; i++)
		area[i * PAGE] = 1;
	expect("Anonymous", N); /* populated for writing, since the area allows it */
	munmap(area, N * PAGE);
	area = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	for (int i = 0; i < N; i++)
		(void)((volatile unsigned char *)area)[i * PAGE];
	expect("Anonymous", 0);
	expect("Rss", N);
	for (int i = 0; i < 10; i++)
		area[i * PAGE] = 1;
	expect("Anonymous", 10);
	expect("Rss", N);
}

TEST(pagemap_bits)
{
	int level = share_level();
	uint64_t e, other;
	int go[2];
	char c;
	pid_t pid;

	area = map_private(4 * PAGE);
	CHECK(!(pagemap(area) & PRESENT));
	area[0] = 1;
	e = pagemap(area);
	CHECK(e & PRESENT);
	CHECK(e & EXCLUSIVE);
	CHECK(!(e & FILE_PAGE));
	CHECK((e & PFN) != 0);
	area[PAGE] = 1;
	other = pagemap(area + PAGE);
	CHECK((other & PFN) != (e & PFN));
	REQUIRE(!pipe(go));
	pid = CHILD(EQ((pagemap(area) & PFN) == (e & PFN), level != 0); EQ(read(go[0], &c, 1), 1));
	EQ(!(pagemap(area) & EXCLUSIVE), level != 0);
	EQ(pagemap(area) & PFN, e & PFN);
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
	CHECK(pagemap(area) & EXCLUSIVE);
	EQ(pagemap(area) & PFN, e & PFN);
}

TEST(frame_is_reused_in_place_by_the_last_owner)
{
	uint64_t before;

	area = map_private(PAGE);
	*area = 1;
	before = pagemap(area) & PFN;
	JOIN(CHILD(*area = 2; EQ((pagemap(area) & PFN) != before, 1)));
	*area = 3;
	EQ(pagemap(area) & PFN, before);
}

TEST(kpagecount_counts_entries)
{
	enum { CHILDREN = 5 };
	int level = share_level(), go[2];
	char c;
	pid_t pids[CHILDREN];
	uint64_t pfn;

	if (access("/proc/kpagecount", R_OK))
		SKIP("no /proc/kpagecount");
	REQUIRE(!pipe(go));
	area = map_private(PAGE);
	*area = 1;
	pfn = pagemap(area) & PFN;
	EQ(pagecount(pfn), 1);
	for (int i = 0; i < CHILDREN; i++)
		pids[i] = CHILD(EQ(read(go[0], &c, 1), 1));
	/* where tables are shared, many processes come by one entry */
	if (level <= 1)
		EQ(pagecount(pfn), level ? 1 + CHILDREN : 1);
	else
		BETWEEN(pagecount(pfn), 1, 1 + CHILDREN);
	EQ(write(go[1], "xxxxx", CHILDREN), CHILDREN);
	for (int i = 0; i < CHILDREN; i++)
		JOIN(pids[i]);
	EQ(pagecount(pfn), 1);
}

TEST(file_pages_in_pagemap)
{
	int fd = open("/tmp/smaps-file", O_RDWR | O_CREAT, 0600);
	unsigned char *a, *b;

	unlink("/tmp/smaps-file");
	EQ(ftruncate(fd, PAGE), 0);
	a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	REQUIRE(a != MAP_FAILED && b != MAP_FAILED);
	a[0] = 1;
	EQ(b[0], 1);
	CHECK(pagemap(a) & FILE_PAGE);
	EQ(pagemap(a) & PFN, pagemap(b) & PFN);
}

TEST(rollup_is_the_sum)
{
	static const char *const fields[] = {"Rss",	     "Pss",	      "Shared_Clean",
					     "Shared_Dirty", "Private_Clean", "Private_Dirty",
					     "Anonymous"};

	area = map_private(N * PAGE);
	memset(area, 1, N * PAGE);
	value_of("/proc/self/smaps_rollup", "Rss"); /* the reader's own pages first */
	slurp("/proc/self/smaps", maps_text, sizeof(maps_text));
	for (size_t f = 0; f < sizeof(fields) / sizeof(*fields); f++) {
		size_t n = strlen(fields[f]);
		long sum = 0;

		REQUIRE(slurp("/proc/self/smaps", maps_text, sizeof(maps_text)) > 0);
		for (char *l = maps_text; l && *l; l = strchr(l, '\n'), l += l != NULL)
			if (!strncmp(l, fields[f], n) && l[n] == ':')
				sum += strtol(l + n + 1, NULL, 10);
		/* each area's PSS is rounded down */
		NEAR(value_of("/proc/self/smaps_rollup", fields[f]), sum,
		     strcmp(fields[f], "Pss") ? 0 : 40);
	}
}

TEST(pss_over_processes_is_what_is_mapped)
{
	enum { CHILDREN = 3 };
	int go[2], end[2], back[2];
	char c;
	long pss, sum = 0;
	pid_t pids[CHILDREN];

	area = map_private(N * PAGE);
	memset(area, 1, N * PAGE);
	REQUIRE(!pipe(go) && !pipe(end) && !pipe(back));
	for (int i = 0; i < CHILDREN; i++)
		pids[i] = CHILD(EQ(read(go[0], &c, 1), 1); pss = smaps_kb(area, "Pss");
				EQ(write(back[1], &pss, sizeof(pss)), sizeof(pss));
				EQ(read(end[0], &c, 1), 1));
	EQ(write(go[1], "xxx", CHILDREN), CHILDREN);
	for (int i = 0; i < CHILDREN; i++) {
		EQ(read(back[0], &pss, sizeof(pss)), sizeof(pss));
		sum += pss;
	}
	sum += smaps_kb(area, "Pss");
	EQ(sum, share_level() ? N * 4 : N * 4 * (CHILDREN + 1));
	EQ(write(end[1], "xxx", CHILDREN), CHILDREN);
	for (int i = 0; i < CHILDREN; i++)
		JOIN(pids[i]);
}

TEST(peaks_in_status)
{
	long hwm, peak;

	area = map_private(4 * MIB);
	memset(area, 1, 4 * MIB);
	munmap(area, 4 * MIB);
	hwm = value_of("/proc/self/status", "VmHWM");
	peak = value_of("/proc/self/status", "VmPeak");
	CHECK(hwm >= 4096 - 4 * lag() && hwm >= value_of("/proc/self/status", "VmRSS"));
	CHECK(peak >= 4096 && peak >= value_of("/proc/self/status", "VmSize"));
	CHECK(value_of("/proc/self/status", "VmRSS") < hwm - 3000);
}

TEST(sizes_in_status)
{
	long data = value_of("/proc/self/status", "VmData");
	long size = value_of("/proc/self/status", "VmSize");
	char buf[256];
	long pages = 0;

	area = map_private(N * PAGE);
	EQ(value_of("/proc/self/status", "VmSize"), size + N * 4);
	EQ(value_of("/proc/self/status", "VmData"), data + N * 4);
	EQ(value_of("/proc/self/status", "VmSwap"), 0);
	CHECK(value_of("/proc/self/status", "VmStk") >= 4 * 30);
	CHECK(value_of("/proc/self/status", "VmPTE") > 0);
	REQUIRE(slurp("/proc/self/statm", buf, sizeof(buf)) > 0);
	sscanf(buf, "%ld", &pages);
	EQ(pages * 4, value_of("/proc/self/status", "VmSize"));
}

TEST(meminfo_moves_with_memory)
{
	long before = value_of("/proc/meminfo", "MemFree"), after;

	area = map_private(8 * MIB);
	memset(area, 1, 8 * MIB);
	after = value_of("/proc/meminfo", "MemFree");
	/* Linux takes what its CPU keeps by itself first, and does not count that as free. */
	BETWEEN(before - after, on_calf() ? 8 * 1024 - 600 : 0, 8 * 1024 + 600);
	munmap(area, 8 * MIB);
	NEAR(value_of("/proc/meminfo", "MemFree"), before, on_calf() ? 64 : 16384);
	CHECK(value_of("/proc/meminfo", "MemTotal") > before);
	CHECK(value_of("/proc/meminfo", "MemAvailable") > 0);
}
