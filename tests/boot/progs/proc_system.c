/* What /proc says of the whole system: memory, times, load, names and mounts; every column where Linux has it. */
#include <ctype.h>
#include <dirent.h>
#include <sys/utsname.h>

#include "proc_text.h"

TEST(meminfo_columns)
{
	long total = 0, free = 0;
	char *l, *end;

	load("/proc/meminfo");
	for (l = text; *l; l = end + 1) {
		char key[32], want[64];
		long value;

		end = strchr(l, '\n');
		REQUIRE(end && sscanf(l, "%31s %ld", key, &value) == 2);
		if (!strncmp(key, "HugePages_", 10))
			snprintf(want, sizeof(want), "%-16s%8ld", key, value);
		else
			snprintf(want, sizeof(want), "%-16s%8ld kB", key, value);
		if (strlen(want) != (size_t)(end - l) || strncmp(l, want, strlen(want))) {
			say("# <%.*s> is not <%s>", (int)(end - l), l, want);
			tap_failed = 1;
		}
		if (!strcmp(key, "MemTotal:"))
			total = value;
		if (!strcmp(key, "MemFree:"))
			free = value;
	}
	CHECK(free > 0 && free < total);
	NEAR(value_of("/proc/vmstat", "nr_free_pages ") * 4, value_of("/proc/meminfo", "MemFree"),
	     on_calf() ? 64 : 4096);
}

TEST(anonymous_memory_and_tables_are_counted)
{
	long anon = value_of("/proc/meminfo", "AnonPages");
	long tables = value_of("/proc/meminfo", "PageTables");
	unsigned char *p = map_private(24 * MIB);

	for (int i = 0; i < 12; i++)
		p[i * 2 * MIB] = 1;
	NEAR(value_of("/proc/meminfo", "PageTables") - tables, 12 * 4, on_calf() ? 16 : 64);
	memset(p, 1, 4 * MIB);
	NEAR(value_of("/proc/meminfo", "AnonPages") - anon, 4096 + 10 * 4, on_calf() ? 32 : 1024);
}

static long mapped_of_all(void)
{
	return value_of("/proc/meminfo", "AnonPages") + value_of("/proc/meminfo", "Mapped");
}

/*
 * Over all processes, in KiB; each is rounded down by less than one. *mapped: the frames mapped while the
 * folder is open, since its buffer is memory, too.
 */
static long pss_of_all(int *processes, long *mapped)
{
	struct dirent *e;
	char path[300];
	long sum = 0, pss;
	DIR *d = opendir("/proc");

	REQUIRE(d);
	*processes = 0;
	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%s/smaps_rollup", e->d_name);
		if (!isdigit((unsigned char)*e->d_name) || (pss = value_of(path, "Pss")) < 0)
			continue;
		sum += pss;
		++*processes;
	}
	*mapped = mapped_of_all();
	closedir(d);
	return sum;
}

TEST(pss_over_all_is_the_frames_mapped)
{
	enum { CHILDREN = 5 };
	unsigned char *p = map_private(300 * PAGE);
	long before, after = -1, sum = 0;
	pid_t pids[CHILDREN];
	int go[2], processes;
	char c;

	if (!on_calf())
		SKIP("Linux counts what is mapped in batches");
	memset(p, 1, 300 * PAGE);
	REQUIRE(!pipe(go));
	for (int i = 0; i < CHILDREN; i++)
		pids[i] = CHILD(memset(p, 2, i * 40 * PAGE); EQ(read(go[0], &c, 1), 1));
	/* The first looks make room for what they read. */
	for (int i = 0; i < 20; i++) {
		sleep_ms(20);
		before = after;
		sum = pss_of_all(&processes, &after);
		if (i && after == before)
			break;
	}
	EQ(after, before);
	BETWEEN(after - sum, 0, processes);
	EQ(write(go[1], "xxxxx", CHILDREN), CHILDREN);
	for (int i = 0; i < CHILDREN; i++)
		JOIN(pids[i]);
}

TEST(commitment_follows_mmap)
{
	long before = value_of("/proc/meminfo", "Committed_AS");
	char *p = map_private(16 * MIB);

	NEAR(value_of("/proc/meminfo", "Committed_AS") - before, 16384, on_calf() ? 0 : 1024);
	munmap(p, 16 * MIB);
	NEAR(value_of("/proc/meminfo", "Committed_AS"), before, on_calf() ? 0 : 1024);
}

TEST(system_stat)
{
	unsigned long long f[10];
	long ctxt, processes;

	load("/proc/stat");
	CHECK(!strncmp(text, "cpu  ", 5));
	EQ(sscanf(text, "cpu  %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu", f, f + 1, f + 2,
		  f + 3, f + 4, f + 5, f + 6, f + 7, f + 8, f + 9),
	   10);
	CHECK(strstr(text, "\ncpu0 "));
	CHECK(strstr(text, "\nintr "));
	CHECK(strstr(text, "\nprocs_running "));
	CHECK(strstr(text, "\nprocs_blocked "));
	ctxt = value_of("/proc/stat", "ctxt");
	processes = value_of("/proc/stat", "processes");
	NEAR(value_of("/proc/stat", "btime"), time(NULL) - now_ms() / 1000, 2);
	for (int i = 0; i < 5; i++)
		JOIN(CHILD());
	BETWEEN(value_of("/proc/stat", "processes"), processes + 5, processes + 50);
	CHECK(value_of("/proc/stat", "ctxt") >= ctxt + 5);
	CHECK(value_of("/proc/stat", "procs_running") >= 1);
}

TEST(uptime_and_load)
{
	double up, idle, later, a, b, c;
	int running, all, last;

	load("/proc/uptime");
	EQ(sscanf(text, "%lf %lf", &up, &idle), 2);
	sleep_ms(100);
	load("/proc/uptime");
	EQ(sscanf(text, "%lf %lf", &later, &idle), 2);
	CHECK(later > up + 0.05 && later < up + 5);
	EQ(text[strlen(text) - 1], '\n');
	EQ(*(strchr(text, ' ') - 3), '.');
	load("/proc/loadavg");
	EQ(sscanf(text, "%lf %lf %lf %d/%d %d\n", &a, &b, &c, &running, &all, &last), 6);
	EQ(text[1 + strspn(text, "0123456789")] != 0, 1);
	CHECK(running >= 1 && all >= 2 && last >= getpid());
}

TEST(names_of_the_system)
{
	struct utsname u;
	char want[512];

	EQ(uname(&u), 0);
	load("/proc/sys/kernel/osrelease");
	snprintf(want, sizeof(want), "%s\n", u.release);
	CHECK(!strcmp(text, want));
	load("/proc/sys/kernel/ostype");
	CHECK(!strcmp(text, "Linux\n"));
	load("/proc/version");
	snprintf(want, sizeof(want), "Linux version %s (", u.release);
	CHECK(!strncmp(text, want, strlen(want)));
	load("/proc/cpuinfo");
	CHECK(!strncmp(text, "processor\t: 0\nvendor_id\t: ", 26));
	CHECK(strstr(text, "\nflags\t\t: fpu "));
	CHECK(strstr(text, "\nbogomips\t: "));
	CHECK(!strcmp(text + strlen(text) - 20, "\npower management:\n\n"));
	load("/proc/filesystems");
	CHECK(strstr(text, "nodev\tproc\n"));
}

TEST(mounts_columns)
{
	load("/proc/mounts");
	CHECK(strstr(text, "proc /proc proc rw"));
	CHECK(!strcmp(text + strlen(text) - 5, " 0 0\n"));
	load("/proc/self/mountinfo");
	CHECK(strstr(text, " / /proc rw"));
	CHECK(strstr(text, " - proc proc rw\n"));
}
