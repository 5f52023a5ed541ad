/* The texts of /proc: every column where Linux has it, and numbers that agree with each other. */
#include <ctype.h>
#include <dirent.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "maps.h"

static char text[262144], copy[262144];

static void load(const char *path)
{
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
}

/* The line that starts with `key`; fails the test where there is none. */
static char *line_of(const char *key)
{
	static char line[4096];
	size_t n = strlen(key);

	for (char *l = text; l && *l; l = strchr(l, '\n'), l += l != NULL) {
		if (strncmp(l, key, n))
			continue;
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(l, "\n"), l);
		return line;
	}
	say("# no line %s", key);
	REQUIRE(false);
	return NULL;
}

static void expect_line(const char *key, const char *want)
{
	char *got = line_of(key);

	if (strcmp(got, want)) {
		say("# <%s> is not <%s>", got, want);
		tap_failed = 1;
	}
}

struct stat_fields {
	char comm[64], state;
	long long field[60]; /* by number, as in proc(5): 1 is the pid */
	int count;
};

static void read_stat(const char *path, struct stat_fields *st)
{
	char *open, *close, *at;

	load(path);
	open = strchr(text, '(');
	close = strrchr(text, ')');
	REQUIRE(open && close && text[strlen(text) - 1] == '\n');
	st->field[1] = atoll(text);
	snprintf(st->comm, sizeof(st->comm), "%.*s", (int)(close - open - 1), open + 1);
	REQUIRE(close[1] == ' ' && close[3] == ' ');
	st->state = close[2];
	st->count = 3;
	for (at = close + 3; *at == ' ' && st->count < 59;)
		st->field[++st->count] = (long long)strtoull(at + 1, &at, 10);
	EQ(*at, '\n');
}

TEST(stat_has_52_fields)
{
	struct stat_fields st;
	struct region stack;

	read_stat("/proc/self/stat", &st);
	EQ(st.count, 52);
	EQ(st.field[1], getpid());
	CHECK(st.state == 'R');
	EQ(st.field[4], getppid());
	EQ(st.field[5], getpgrp());
	EQ(st.field[6], getsid(0));
	EQ(st.field[18], 20); /* priority, nice, threads */
	EQ(st.field[19], 0);
	EQ(st.field[20], 1);
	EQ(st.field[21], 0);
	EQ(st.field[25], -1); /* RLIM_INFINITY */
	EQ(st.field[38], SIGCHLD);
	CHECK(st.field[26] > 0 && st.field[26] < st.field[27]);
	REQUIRE(region_named("[stack]", &stack));
	BETWEEN(st.field[28], stack.start, stack.end);
	CHECK(st.field[45] <= st.field[46]); /* data */
	CHECK(st.field[48] < st.field[49]);  /* arguments */
	CHECK(st.field[49] <= st.field[50] && st.field[50] <= st.field[51]);
	EQ(st.field[23] / 1024, value_of("/proc/self/status", "VmSize"));
}

TEST(stat_counts_faults_and_children)
{
	struct stat_fields before, after;
	unsigned char *p = map_private(64 * PAGE);

	EQ(madvise(p, 64 * PAGE, MADV_RANDOM), 0); /* a fault a page */
	read_stat("/proc/self/stat", &before);
	for (int i = 0; i < 64; i++)
		p[i * PAGE] = 1;
	read_stat("/proc/self/stat", &after);
	NEAR(after.field[10] - before.field[10], 64, 8);
	EQ(after.field[12], before.field[12]);
	NEAR(after.field[10], minor_faults(), 8);
	before = after;
	JOIN(CHILD(for (int i = 0; i < 64; i++) p[i * PAGE] = 2));
	read_stat("/proc/self/stat", &after);
	CHECK(after.field[11] - before.field[11] >= (share_level() ? 64 : 0));
}

TEST(times_are_in_hundredths)
{
	struct stat_fields st;
	struct timespec boot;
	long until = now_ms() + 300;

	while (now_ms() < until)
		;
	read_stat("/proc/self/stat", &st);
	BETWEEN(st.field[14] + st.field[15], 15, 60);
	clock_gettime(CLOCK_MONOTONIC, &boot);
	BETWEEN(st.field[22], 1, boot.tv_sec * 100 + boot.tv_nsec / 10000000);
}

TEST(comm_may_hold_anything)
{
	struct stat_fields st;

	EQ(prctl(PR_SET_NAME, ") R 1 (x"), 0);
	read_stat("/proc/self/stat", &st);
	CHECK(!strcmp(st.comm, ") R 1 (x"));
	EQ(st.count, 52);
	load("/proc/self/comm");
	CHECK(!strcmp(text, ") R 1 (x\n"));
	EQ(prctl(PR_SET_NAME, "a\nb\\c"), 0);
	load("/proc/self/status");
	expect_line("Name:", "Name:\ta\\nb\\\\c");
	spit("/proc/self/comm", "a name that is too long");
	load("/proc/self/comm");
	CHECK(!strcmp(text, "a name that is \n"));
}

TEST(states)
{
	struct stat_fields st;
	char path[64];
	int go[2], status;
	pid_t pid;

	REQUIRE(!pipe(go));
	pid = fork();
	if (pid == 0) {
		char c;

		(void)!read(go[0], &c, 1);
		_exit(3);
	}
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < 200; i++) {
		read_stat(path, &st);
		if (st.state == 'S')
			break;
		sleep_ms(5);
	}
	CHECK(st.state == 'S');
	kill(pid, SIGSTOP);
	EQ(waitpid(pid, &status, WUNTRACED), pid);
	read_stat(path, &st);
	CHECK(st.state == 'T');
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	load(path);
	expect_line("State:", "State:\tT (stopped)");
	kill(pid, SIGCONT);
	EQ(write(go[1], "x", 1), 1);
	siginfo_t info;
	EQ(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	load(path);
	expect_line("State:", "State:\tZ (zombie)");
	CHECK(!strstr(text, "VmSize"));
	CHECK(!strstr(text, "Umask"));
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	read_stat(path, &st);
	CHECK(st.state == 'Z');
	EQ(st.field[23], 0);
	EQ(st.field[52], 3 << 8);
	EQ(waitpid(pid, &status, 0), pid);
	FAILS(open(path, O_RDONLY), ENOENT);
}

TEST(status_in_order)
{
	static const char *const keys[] = {
	    "Name",
	    "Umask",
	    "State",
	    "Tgid",
	    "Ngid",
	    "Pid",
	    "PPid",
	    "TracerPid",
	    "Uid",
	    "Gid",
	    "FDSize",
	    "Groups",
	    "NStgid",
	    "NSpid",
	    "NSpgid",
	    "NSsid",
	    "VmPeak",
	    "VmSize",
	    "VmLck",
	    "VmPin",
	    "VmHWM",
	    "VmRSS",
	    "RssAnon",
	    "RssFile",
	    "RssShmem",
	    "VmData",
	    "VmStk",
	    "VmExe",
	    "VmLib",
	    "VmPTE",
	    "VmSwap",
	    "HugetlbPages",
	    "CoreDumping",
	    "THP_enabled",
	    "Threads",
	    "SigQ",
	    "SigPnd",
	    "ShdPnd",
	    "SigBlk",
	    "SigIgn",
	    "SigCgt",
	    "CapInh",
	    "CapPrm",
	    "CapEff",
	    "CapBnd",
	    "CapAmb",
	    "NoNewPrivs",
	    "Seccomp",
	    "Seccomp_filters",
	    "Speculation_Store_Bypass",
	    "SpeculationIndirectBranch",
	    "Cpus_allowed",
	    "Cpus_allowed_list",
	    "Mems_allowed",
	    "Mems_allowed_list",
	    "voluntary_ctxt_switches",
	    "nonvoluntary_ctxt_switches",
	};
	char *l = text;

	load("/proc/self/status");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		size_t n = strlen(keys[i]);

		if (!l || strncmp(l, keys[i], n) || l[n] != ':' || l[n + 1] != '\t') {
			say("# line %zu is <%.30s>, not %s", i, l ? l : "", keys[i]);
			tap_failed = 1;
			return;
		}
		l = strchr(l, '\n');
		l += l != NULL;
	}
	/* Calf says behind all that what its copies came to. */
	CHECK(!*l || (on_calf() && !strncmp(l, "CowCopy:\t", 9)));
}

TEST(status_values)
{
	char want[128];
	sigset_t set;
	gid_t groups[2] = {7, 9};

	umask(027);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, (void (*)(int))_exit);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGTERM);
	EQ(setgroups(2, groups), 0);
	load("/proc/self/status");
	expect_line("Umask:", "Umask:\t0027");
	expect_line("State:", "State:\tR (running)");
	snprintf(want, sizeof(want), "PPid:\t%d", getppid());
	expect_line("PPid:", want);
	expect_line("Uid:", "Uid:\t0\t0\t0\t0");
	expect_line("Groups:", "Groups:\t7 9 ");
	expect_line("Threads:", "Threads:\t1");
	expect_line("SigIgn:", "SigIgn:\t0000000000000200");
	expect_line("SigCgt:", "SigCgt:\t0000000000000800");
	expect_line("SigBlk:", "SigBlk:\t0000000000004000");
	expect_line("ShdPnd:", "ShdPnd:\t0000000000004000");
	expect_line("SigPnd:", "SigPnd:\t0000000000000000");
	expect_line("CapEff:", "CapEff:\t000001ffffffffff");
	snprintf(want, sizeof(want), "VmSize:\t%8ld kB", value_of("/proc/self/status", "VmSize"));
	load("/proc/self/status");
	expect_line("VmSize:", want);
}

TEST(statm_agrees_with_status)
{
	long f[7] = {0}, kb = 4;

	load("/proc/self/statm");
	EQ(sscanf(text, "%ld %ld %ld %ld %ld %ld %ld", f, f + 1, f + 2, f + 3, f + 4, f + 5, f + 6),
	   7);
	EQ(f[0] * kb, value_of("/proc/self/status", "VmSize"));
	NEAR(f[1] * kb, value_of("/proc/self/status", "VmRSS"), 16);
	NEAR(f[2] * kb,
	     value_of("/proc/self/status", "RssFile") + value_of("/proc/self/status", "RssShmem"),
	     16);
	EQ(f[3] * kb, value_of("/proc/self/status", "VmExe"));
	EQ(f[4], 0);
	EQ(f[5] * kb,
	   value_of("/proc/self/status", "VmData") + value_of("/proc/self/status", "VmStk"));
	EQ(f[6], 0);
}

/* Puts the line together again from its parts: it must be the same. */
static void check_maps_line(const char *line)
{
	unsigned long start, end, offset, inode;
	unsigned major, minor;
	char perms[8], want[512];
	int used = 0, n;

	REQUIRE(sscanf(line, "%lx-%lx %4s %lx %x:%x %lu%n", &start, &end, perms, &offset, &major,
		       &minor, &inode, &used) == 7);
	n = snprintf(want, sizeof(want), "%08lx-%08lx %s %08lx %02x:%02x %lu ", start, end, perms,
		     offset, major, minor, inode);
	if (line[used + 1])
		snprintf(want + n, sizeof(want) - n, "%*s%s", 73 - n, "",
			 line + used + strspn(line + used, " "));
	if (strcmp(line, want)) {
		say("# <%s>", line);
		say("# <%s>", want);
		tap_failed = 1;
	}
}

TEST(maps_columns)
{
	int fd = open("/tmp/proc a\nb", O_RDWR | O_CREAT, 0600), lines = 0;
	void *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	char *l, *end;

	syscall(SYS_brk, syscall(SYS_brk, 0) + 2 * PAGE);
	REQUIRE(p != MAP_FAILED);
	load("/proc/self/maps");
	CHECK(strstr(text, "/tmp/proc a\\012b\n"));
	CHECK(strstr(text, " [heap]\n"));
	CHECK(strstr(text, " [stack]\n"));
	for (l = text; *l; l = end + 1, lines++) {
		end = strchr(l, '\n');
		REQUIRE(end);
		*end = 0;
		check_maps_line(l);
	}
	CHECK(lines > 5);
	unlink("/tmp/proc a\nb");
	load("/proc/self/maps");
	CHECK(strstr(text, "/tmp/proc a\\012b (deleted)\n"));
}

TEST(shared_anonymous_memory_is_dev_zero)
{
	struct region r;
	void *p = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	REQUIRE(region_at(p, &r));
	CHECK(!strcmp(r.perms, "rw-s"));
	CHECK(!strcmp(r.name, "/dev/zero (deleted)"));
	CHECK(r.inode != 0);
}

TEST(file_offset_and_inode)
{
	int fd = open("/tmp/proc-file", O_RDWR | O_CREAT, 0600);
	struct stat st;
	struct region r;
	void *p;
	unsigned major = 0, minor = 0;

	unlink("/tmp/proc-file");
	EQ(ftruncate(fd, 8 * PAGE), 0);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 3 * PAGE);
	REQUIRE(p != MAP_FAILED && !fstat(fd, &st) && region_at(p, &r));
	EQ(r.offset, 3 * PAGE);
	EQ(r.inode, st.st_ino);
	CHECK(!strcmp(r.perms, "r-xp"));
	sscanf(strstr(maps_text, "/tmp/proc-file") - 73 + 32, "%x:%x", &major, &minor);
	for (char *l = maps_text; *l; l = strchr(l, '\n') + 1)
		if (strtoul(l, NULL, 16) == (unsigned long)p)
			sscanf(l, "%*s %*s %*s %x:%x", &major, &minor);
	EQ(major, st.st_dev >> 8 & 0xfff);
	EQ(minor, st.st_dev & 0xff);
}

static const char *const smaps_keys[] = {
    "Rss",
    "Pss",
    "Pss_Dirty",
    "Pss_Anon",
    "Pss_File",
    "Pss_Shmem",
    "Shared_Clean",
    "Shared_Dirty",
    "Private_Clean",
    "Private_Dirty",
    "Referenced",
    "Anonymous",
    "LazyFree",
    "AnonHugePages",
    "ShmemPmdMapped",
    "FilePmdMapped",
    "Shared_Hugetlb",
    "Private_Hugetlb",
    "Swap",
    "SwapPss",
    "Locked",
};

/* Checks the lines of the sums; returns what follows them. */
static char *check_sums(char *l, bool rollup)
{
	for (size_t i = 0; i < sizeof(smaps_keys) / sizeof(*smaps_keys); i++) {
		char want[64], key[32];

		if (!rollup && i >= 3 && i < 6)
			continue;
		snprintf(key, sizeof(key), "%s:", smaps_keys[i]);
		snprintf(want, sizeof(want), "%-16s%8ld kB\n", key,
			 strtol(l + strcspn(l, ":") + 1, NULL, 10));
		if (strncmp(l, want, strlen(want))) {
			say("# <%.40s> is not <%s>", l, want);
			REQUIRE(false);
		}
		l = strchr(l, '\n') + 1;
	}
	return l;
}

TEST(smaps_columns)
{
	char *l = text;
	int areas = 0;

	load("/proc/self/smaps");
	while (*l) {
		unsigned long start, end;
		char want[64];

		REQUIRE(sscanf(l, "%lx-%lx ", &start, &end) == 2);
		l = strchr(l, '\n') + 1;
		snprintf(want, sizeof(want), "Size:           %8lu kB\n", (end - start) / 1024);
		REQUIRE(!strncmp(l, want, strlen(want)));
		l += strlen(want);
		REQUIRE(
		    !strncmp(l, "KernelPageSize:        4 kB\nMMUPageSize:           4 kB\n", 56));
		l = check_sums(l + 56, false);
		REQUIRE(!strncmp(l, "THPeligible:    ", 16));
		l = strchr(l, '\n') + 1;
		if (!strncmp(l, "ProtectionKey:  ", 16))
			l = strchr(l, '\n') + 1;
		REQUIRE(!strncmp(l, "VmFlags: ", 9));
		l = strchr(l, '\n') + 1;
		areas++;
	}
	CHECK(areas > 4);
}

/* The VmFlags of an area, without "sd", which a kernel shows that tracks soft-dirty pages. */
static const char *flags_of(const void *p)
{
	static char flags[128];
	char *l, *out = flags, start[32];

	load("/proc/self/smaps");
	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	l = strstr(text, start);
	REQUIRE(l && (l = strstr(l, "VmFlags: ")));
	for (l += 9; *l != '\n'; l += 3)
		if (strncmp(l, "sd ", 3))
			out += sprintf(out, "%.3s", l);
	*out = 0;
	return flags;
}

TEST(smaps_flags)
{
	int fd = open("/tmp/proc-flags", O_RDWR | O_CREAT, 0600);
	char *p = map_private(8 * PAGE);
	void *shared;

	unlink("/tmp/proc-flags");
	EQ(ftruncate(fd, PAGE), 0);
	mprotect(p + 7 * PAGE, PAGE, PROT_NONE);
	CHECK(!strcmp(flags_of(p), "rd wr mr mw me ac "));
	CHECK(!strcmp(flags_of(p + 7 * PAGE), "mr mw me ac "));
	madvise(p, PAGE, MADV_DONTFORK);
	CHECK(!strcmp(flags_of(p), "rd wr mr mw me dc ac "));
	madvise(p, PAGE, MADV_DOFORK);
	madvise(p, PAGE, MADV_WIPEONFORK);
	CHECK(!strcmp(flags_of(p), "rd wr mr mw me ac wf "));
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(!strcmp(flags_of(shared), "rd wr sh mr mw me ms "));
	shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(!strcmp(flags_of(shared), "rd sh mr mw me ms "));
}

TEST(rollup_columns)
{
	char *l;

	load("/proc/self/smaps_rollup");
	EQ(strcspn(text, "\n"), 73 + 8);
	CHECK(!strncmp(text + 73, "[rollup]\n", 9));
	CHECK(!strncmp(strchr(text, ' '), " ---p 00000000 00:00 0 ", 23));
	l = check_sums(strchr(text, '\n') + 1, true);
	EQ(*l, 0);
}

TEST(limits_table)
{
	struct rlimit r = {123, 456};

	EQ(setrlimit(RLIMIT_NOFILE, &r), 0);
	r.rlim_cur = r.rlim_max = RLIM_INFINITY;
	load("/proc/self/limits");
	expect_line("Limit", "Limit                     Soft Limit           Hard Limit           "
			     "Units     ");
	expect_line("Max open files",
		    "Max open files            123                  456           "
		    "       files     ");
	expect_line("Max file size",
		    "Max file size             unlimited            unlimited      "
		    "      bytes     ");
	expect_line("Max nice priority",
		    "Max nice priority         0                    0                    ");
}

TEST(pieces_make_the_whole)
{
	static const char *const files[] = {"/proc/self/maps",	  "/proc/self/smaps",
					    "/proc/self/environ", "/proc/self/limits",
					    "/proc/self/auxv",	  "/proc/self/mounts"};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		ssize_t n = slurp(files[i], text, sizeof(text)), at = 0, r;
		int fd = open(files[i], O_RDONLY), step = 1;

		REQUIRE(n > 0 && fd >= 0);
		n = slurp(files[i], text, sizeof(text));
		while ((r = read(fd, copy + at, step)) > 0) {
			at += r;
			step = step * 3 % 1000 + 1;
		}
		/* what reading costs in memory may show in smaps, but not in its length */
		EQ(at, n);
		if (strcmp(files[i], "/proc/self/smaps"))
			CHECK(!memcmp(text, copy, n));
		EQ(pread(fd, copy, 10, n - 10), 10);
		CHECK(!memcmp(text + n - 10, copy, 10));
		EQ(pread(fd, copy, 10, n), 0);
		EQ(pread(fd, copy, 10, 3), 10);
		CHECK(!memcmp(text + 3, copy, 10));
		EQ(lseek(fd, 0, SEEK_SET), 0);
		EQ(read(fd, copy, 5), 5);
		CHECK(!memcmp(text, copy, 5));
		close(fd);
	}
}

TEST(reading_again_from_the_start_is_fresh)
{
	int fd = open("/proc/self/maps", O_RDONLY);
	char path[32];
	void *p;

	REQUIRE(read(fd, copy, sizeof(copy)) > 0);
	p = map_anon(3 * PAGE, PROT_READ, MAP_PRIVATE);
	snprintf(path, sizeof(path), "%lx", (unsigned long)p + 3 * PAGE);
	EQ(lseek(fd, 0, SEEK_SET), 0);
	memset(copy, 0, sizeof(copy));
	REQUIRE(read(fd, copy, sizeof(copy) - 1) > 0);
	CHECK(strstr(copy, path));
}

HELPER(echo)
{
	load("/proc/self/cmdline");
	if (strcmp(text + strlen(text) + 1, "--echo"))
		return 1;
	if (memcmp(text + strlen(text) + 8, "one\0\0two three", 15))
		return 2;
	if (slurp("/proc/self/environ", text, sizeof(text)) != 12 ||
	    memcmp(text, "A=1\0BC=long", 12))
		return 3;
	/* A title over the arguments, as servers write it. */
	argv[-1][0] = 'X';
	load("/proc/self/cmdline");
	return text[0] == 'X' ? 0 : 4;
}

TEST(cmdline_and_environ)
{
	char *const argv[] = {"prog", "--echo", "one", "", "two three", NULL};
	char *const envp[] = {"A=1", "BC=long", NULL};
	pid_t pid = fork();

	if (pid == 0) {
		execve("/proc/self/exe", argv, envp);
		_exit(9);
	}
	JOIN(pid);
}

TEST(auxv_is_what_the_program_got)
{
	unsigned long *v = (unsigned long *)text;
	ssize_t n = slurp("/proc/self/auxv", text, sizeof(text));
	bool seen = false;

	REQUIRE(n > 0 && n % 16 == 0);
	for (ssize_t i = 0; i < n / 8; i += 2) {
		if (v[i] && v[i] != AT_IGNORE)
			EQ(getauxval(v[i]), v[i + 1]);
		seen |= v[i] == AT_PAGESZ && v[i + 1] == PAGE;
	}
	CHECK(seen);
	EQ(v[n / 8 - 2], AT_NULL);
}

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

TEST(oom_score_adj)
{
	int fd;

	load("/proc/self/oom_score_adj");
	CHECK(!strcmp(text, "0\n"));
	spit("/proc/self/oom_score_adj", "500");
	load("/proc/self/oom_score_adj");
	CHECK(!strcmp(text, "500\n"));
	fd = open("/proc/self/oom_score_adj", O_WRONLY);
	FAILS(write(fd, "1001", 4), EINVAL);
	FAILS(write(fd, "-1001", 5), EINVAL);
	FAILS(write(fd, "x", 1), EINVAL);
	JOIN(CHILD(load("/proc/self/oom_score_adj"); CHECK(!strcmp(text, "500\n"))));
	CHECK(value_of("/proc/self/oom_score", "") > 0);
}
