/*
 * What /proc says of a process's memory: maps, smaps, arguments, environment and auxv, column by column.
 * And how a text is read: in pieces, or again from its start.
 */
#include <sys/auxv.h>

#include "maps.h"
#include "proc_text.h"

static char copy[262144];

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
