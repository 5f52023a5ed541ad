/* /proc and /sys: formats to the column, so that Linux's tools read them. */
#include "maps.h"
#include <ctype.h>

static char text[65536];

static bool has_line(const char *path, const char *start)
{
	size_t n = strlen(start);

	if (slurp(path, text, sizeof(text)) < 0)
		return false;
	for (char *l = text; l; l = strchr(l, '\n'), l = l ? l + 1 : NULL)
		if (!strncmp(l, start, n))
			return true;
	return false;
}

TEST(stat_has_52_fields)
{
	char *at;
	int fields = 2;

	REQUIRE(slurp("/proc/self/stat", text, sizeof(text)) > 0);
	EQ(atoi(text), getpid());
	CHECK(strstr(text, " (procfs) R "));
	at = strrchr(text, ')') + 1;
	for (; *at && *at != '\n'; at++)
		fields += *at == ' ';
	EQ(fields, 52);
}

TEST(stat_fields)
{
	int ppid, pgrp, session, threads;
	unsigned long utime, stime, start, vsize, rss;

	REQUIRE(slurp("/proc/self/stat", text, sizeof(text)) > 0);
	EQ(sscanf(strrchr(text, ')') + 4,
		  "%d %d %d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %d %*d %lu %lu %lu",
		  &ppid, &pgrp, &session, &utime, &stime, &threads, &start, &vsize, &rss),
	   9);
	EQ(ppid, getppid());
	EQ(pgrp, getpgrp());
	EQ(session, getsid(0));
	EQ(threads, 1);
	CHECK(start > 0 && vsize > 0 && vsize % PAGE == 0 && rss > 0 && rss < 100000);
}

TEST(status_lines)
{
	static const char *const lines[] = {"Name:\tprocfs\n",
					    "Umask:\t0022\n",
					    "State:\tR (running)\n",
					    "Tgid:\t",
					    "Pid:\t",
					    "PPid:\t",
					    "Uid:\t0\t0\t0\t0\n",
					    "Gid:\t0\t0\t0\t0\n",
					    "VmPeak:\t",
					    "VmSize:\t",
					    "VmHWM:\t",
					    "VmRSS:\t",
					    "RssAnon:\t",
					    "RssFile:\t",
					    "RssShmem:\t",
					    "VmData:\t",
					    "VmStk:\t",
					    "VmExe:\t",
					    "VmLib:\t",
					    "VmPTE:\t",
					    "VmSwap:\t",
					    "Threads:\t1\n",
					    "SigPnd:\t0000000000000000\n",
					    "SigBlk:\t0000000000000000\n",
					    "SigIgn:\t",
					    "SigCgt:\t",
					    "voluntary_ctxt_switches:\t"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (!has_line("/proc/self/status", lines[i])) {
			say("# no line that starts with %s", lines[i]);
			CHECK(!"a line of status");
		}
	EQ(value_of("/proc/self/status", "Pid"), getpid());
	EQ(value_of("/proc/self/status", "PPid"), getppid());
	REQUIRE(slurp("/proc/self/status", text, sizeof(text)) > 0);
	CHECK(strstr(text, "VmSize:\t") && strstr(text, " kB\n"));
}

TEST(status_masks)
{
	sigset_t set;

	signal(SIGUSR1, (void (*)(int))_exit);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGHUP);
	CHECK(has_line("/proc/self/status", "SigPnd:\t0000000000000001"));
	CHECK(has_line("/proc/self/status", "SigBlk:\t0000000000000001"));
	CHECK(has_line("/proc/self/status", "SigIgn:\t0000000000000800"));
	CHECK(has_line("/proc/self/status", "SigCgt:\t0000000000000200"));
}

TEST(maps_lines)
{
	struct region r, last = {0};
	char *at = maps_text;
	int n = 0;

	REQUIRE(slurp("/proc/self/maps", maps_text, sizeof(maps_text)) > 0);
	while (next_region(&at, &r)) {
		CHECK(r.start < r.end && r.start >= last.end);
		EQ(r.start % PAGE + r.end % PAGE, 0);
		CHECK(strchr("r-", r.perms[0]) && strchr("w-", r.perms[1]) &&
		      strchr("x-", r.perms[2]) && strchr("ps", r.perms[3]));
		last = r;
		n++;
	}
	CHECK(n >= 5);
	EQ(*at, 0);
	CHECK(region_named("/progs/procfs", &r));
	CHECK(region_named("[stack]", &r));
}

TEST(maps_columns)
{
	char *line;

	REQUIRE(slurp("/proc/self/maps", maps_text, sizeof(maps_text)) > 0);
	line = strstr(maps_text, "/progs/procfs");
	REQUIRE(line);
	while (line > maps_text && line[-1] != '\n')
		line--;
	/* the name starts in column 74, after the inode, as Linux pads it */
	EQ(strstr(line, "/progs/procfs") - line, 73);
}

TEST(smaps_block)
{
	static const char *const fields[] = {
	    "Size",	    "KernelPageSize", "MMUPageSize",	"Rss",		 "Pss",
	    "Shared_Clean", "Shared_Dirty",   "Private_Clean",	"Private_Dirty", "Referenced",
	    "Anonymous",    "AnonHugePages",  "ShmemPmdMapped", "FilePmdMapped", "Swap",
	    "SwapPss",	    "Locked"};
	unsigned char *p = map_private(4 * PAGE);

	p[0] = 1;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (smaps_kb(p, fields[i]) < 0) {
			say("# no %s", fields[i]);
			CHECK(!"a field of smaps");
		}
	REQUIRE(slurp("/proc/self/smaps", maps_text, sizeof(maps_text)) > 0);
	CHECK(strstr(maps_text, "VmFlags: rd ex mr mw me "));
	CHECK(strstr(maps_text, "Size:               "));
}

TEST(statm_has_seven)
{
	long v[7];

	REQUIRE(slurp("/proc/self/statm", text, sizeof(text)) > 0);
	EQ(sscanf(text, "%ld %ld %ld %ld %ld %ld %ld", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6),
	   7);
	CHECK(v[0] >= v[1] && v[1] >= v[2]);
	EQ(v[4] + v[6], 0);
}

TEST(meminfo_lines)
{
	static const char *const keys[] = {
	    "MemTotal",	   "MemFree",	  "MemAvailable", "Buffers",	 "Cached", "SwapTotal",
	    "SwapFree",	   "AnonPages",	  "Mapped",	  "Shmem",	 "Slab",   "PageTables",
	    "KernelStack", "CommitLimit", "Committed_AS", "Hugepagesize"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (value_of("/proc/meminfo", keys[i]) < 0) {
			say("# no %s", keys[i]);
			CHECK(!"a line of meminfo");
		}
	CHECK(has_line("/proc/meminfo", "MemTotal:       "));
	CHECK(value_of("/proc/meminfo", "MemTotal") >= value_of("/proc/meminfo", "MemFree"));
}

TEST(vmstat_counts)
{
	long faults = value_of("/proc/vmstat", "pgfault ");
	unsigned char *p = map_private(100 * PAGE);

	for (int i = 0; i < 100; i++)
		p[i * PAGE] = 1;
	if (!on_calf())
		sleep_ms(1200); /* Linux sums its CPUs up once a second */
	BETWEEN(value_of("/proc/vmstat", "pgfault ") - faults, 100, 100000);
	CHECK(value_of("/proc/vmstat", "nr_free_pages ") > 0);
}

TEST(copy_on_write_counters)
{
	long copies, reuses, zeros;
	unsigned char *p = map_private(100 * PAGE);

	if (!on_calf())
		SKIP("Calf's own");
	zeros = value_of("/proc/vmstat", "zero_fill ");
	for (int i = 0; i < 100; i++)
		p[i * PAGE] = 1;
	BETWEEN(value_of("/proc/vmstat", "zero_fill ") - zeros, 100, 140);
	if (!share_level())
		return;
	copies = value_of("/proc/vmstat", "cow_copy ");
	JOIN(CHILD(for (int i = 0; i < 100; i++) p[i * PAGE] = 2));
	BETWEEN(value_of("/proc/vmstat", "cow_copy ") - copies, 100, 140);
	reuses = value_of("/proc/vmstat", "cow_reuse ");
	for (int i = 0; i < 100; i++)
		p[i * PAGE] = 3;
	BETWEEN(value_of("/proc/vmstat", "cow_reuse ") - reuses, 100, 140);
}

TEST(own_folder)
{
	char buf[128], path[64];
	ssize_t n;

	n = readlink("/proc/self", buf, sizeof(buf));
	REQUIRE(n > 0);
	buf[n] = 0;
	EQ(atoi(buf), getpid());
	EQ(chdir("/tmp"), 0);
	n = readlink("/proc/self/cwd", buf, sizeof(buf));
	EQ(n, 4);
	n = readlink("/proc/self/root", buf, sizeof(buf));
	EQ(n, 1);
	int fd = open("/dev/null", O_RDONLY);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, buf, sizeof(buf));
	EQ(n, 9);
	CHECK(!memcmp(buf, "/dev/null", 9));
	CHECK(access("/proc/99999", F_OK));
	CHECK(!access("/proc/1/stat", R_OK));
	EQ(slurp("/proc/self/cmdline", text, sizeof(text)) > 0, 1);
	EQ(slurp("/proc/self/environ", text, sizeof(text)) >= 0, 1);
	EQ(slurp("/proc/self/auxv", text, sizeof(text)) % 16, 0);
}

TEST(a_process_that_goes_while_it_is_read)
{
	char path[64], c;
	pid_t pid = CHILD(for (;;) pause());
	int fd, maps;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = open(path, O_RDONLY);
	REQUIRE(fd >= 0 && maps >= 0);
	EQ(read(maps, &c, 1), 1);
	kill(pid, SIGKILL);
	EQ(status_of(pid), SIGKILL);
	FAILS(read(fd, &c, 1), ESRCH);
	CHECK(read(maps, text, sizeof(text)) <= 0 || true);
}

TEST(memory_of_another_process)
{
	char path[64];
	unsigned char *p = map_private(PAGE), c = 0;
	int go[2];

	REQUIRE(!pipe(go));
	p[10] = 1;
	pid_t pid = CHILD(p[10] = 2; EQ(write(go[1], "x", 1), 1); for (;;) pause());
	EQ(read(go[0], &c, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	int fd = open(path, O_RDWR);
	REQUIRE(fd >= 0);
	EQ(pread(fd, &c, 1, (off_t)(unsigned long)p + 10), 1);
	EQ(c, 2);
	c = 3;
	EQ(pwrite(fd, &c, 1, (off_t)(unsigned long)p + 10), 1);
	EQ(pread(fd, &c, 1, (off_t)(unsigned long)p + 10), 1);
	EQ(c, 3);
	EQ(p[10], 1);
	FAILS(pread(fd, &c, 1, 8), EIO);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST(machine_files)
{
	CHECK(has_line("/proc/version", "Linux version ") || has_line("/proc/version", "Calf"));
	CHECK(has_line("/proc/cpuinfo", "processor\t: 0"));
	CHECK(has_line("/proc/mounts", "proc /proc proc "));
	CHECK(slurp("/proc/loadavg", text, sizeof(text)) > 10);
	CHECK(has_line("/proc/stat", "cpu  "));
	CHECK(has_line("/proc/stat", "cpu0 "));
	CHECK(has_line("/proc/stat", "processes "));
	CHECK(slurp("/proc/cmdline", text, sizeof(text)) > 0);
	CHECK(slurp("/proc/sys/kernel/ostype", text, sizeof(text)) > 0);
	CHECK(slurp("/proc/sys/kernel/pid_max", text, sizeof(text)) > 0);
	CHECK(has_line("/proc/filesystems", "nodev\tproc"));
}

TEST(the_folder_lists_processes)
{
	char name[32];
	pid_t pid = CHILD(for (;;) pause());

	snprintf(name, sizeof(name), "/proc/%d", pid);
	EQ(access(name, F_OK), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(access(name, F_OK));
	JOIN(CHILD(execl("/bin/busybox", "sh", "-c", "ls /proc | grep -q '^1$'", NULL)));
	JOIN(CHILD(execl("/bin/busybox", "sh", "-c", "ps | grep -q ps", NULL)));
}

TEST(small_reads_see_the_same)
{
	static char whole[65536], pieces[65536];
	size_t n = 0;
	ssize_t r, all;
	int fd = open("/proc/self/maps", O_RDONLY);

	all = slurp("/proc/self/maps", whole, sizeof(whole));
	while ((r = read(fd, pieces + n, 7)) > 0)
		n += r;
	EQ(n, all);
	CHECK(!memcmp(whole, pieces, n));
}
