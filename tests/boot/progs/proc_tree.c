/* The files of /proc: names, types, owners and rights; links; other processes' memory; knobs. */
#include <ctype.h>
#include <dirent.h>
#include <sys/utsname.h>

#include "maps.h"

static char text[65536];

static const char *link_of(const char *path)
{
	static char target[4096];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = 0;
	return target;
}

/* A child that sleeps until it is killed, and where its files are. */
static char child_path[64];
static pid_t start_child(void)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	snprintf(child_path, sizeof(child_path), "/proc/%d", pid);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	status_of(pid);
}

static const char *of_child(const char *name)
{
	static char path[4][96];
	static int i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", child_path, name);
	return path[i];
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st)) {
		say("# %s: %s", path, strerror(errno));
		tap_failed = 1;
		return 0;
	}
	return st.st_mode;
}

TEST(modes)
{
	static const struct {
		const char *name;
		mode_t mode;
	} want[] = {
	    {"stat", S_IFREG | 0444},	       {"statm", S_IFREG | 0444},
	    {"status", S_IFREG | 0444},	       {"maps", S_IFREG | 0444},
	    {"smaps", S_IFREG | 0444},	       {"smaps_rollup", S_IFREG | 0444},
	    {"pagemap", S_IFREG | 0400},       {"mem", S_IFREG | 0600},
	    {"environ", S_IFREG | 0400},       {"auxv", S_IFREG | 0400},
	    {"cmdline", S_IFREG | 0444},       {"comm", S_IFREG | 0644},
	    {"limits", S_IFREG | 0444},	       {"oom_score", S_IFREG | 0444},
	    {"oom_score_adj", S_IFREG | 0644}, {"personality", S_IFREG | 0400},
	    {"exe", S_IFLNK | 0777},	       {"cwd", S_IFLNK | 0777},
	    {"root", S_IFLNK | 0777},	       {"fd", S_IFDIR | 0500},
	    {"fdinfo", S_IFDIR | 0555},	       {"task", S_IFDIR | 0555},
	    {"mounts", S_IFREG | 0444},	       {"mountinfo", S_IFREG | 0444},
	};
	char path[64];

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", want[i].name);
		if (!EQ(mode_of(path), want[i].mode))
			say("# %s", path);
	}
	EQ(mode_of("/proc"), S_IFDIR | 0555);
	EQ(mode_of("/proc/meminfo"), S_IFREG | 0444);
	EQ(mode_of("/proc/self"), S_IFLNK | 0777);
	EQ(mode_of("/proc/kpagecount"), S_IFREG | 0400);
	EQ(mode_of("/proc/sysrq-trigger"), S_IFREG | 0200);
	EQ(mode_of("/proc/sys"), S_IFDIR | 0555);
	EQ(mode_of("/proc/sys/kernel/hostname"), S_IFREG | 0644);
	EQ(mode_of("/proc/sys/kernel/ostype"), S_IFREG | 0444);
	EQ(mode_of("/sys/devices/system/cpu/online"), S_IFREG | 0444);
}

TEST(self_links)
{
	char want[64];

	snprintf(want, sizeof(want), "%d", getpid());
	CHECK(!strcmp(link_of("/proc/self"), want));
	snprintf(want, sizeof(want), "%d/task/%d", getpid(), getpid());
	CHECK(!strcmp(link_of("/proc/thread-self"), want));
	CHECK(!strcmp(link_of("/proc/mounts"), "self/mounts"));
	EQ(access("/proc/thread-self/stat", R_OK), 0);
}

TEST(what_is_not_there)
{
	char path[64];

	FAILS(open("/proc/0", O_RDONLY), ENOENT);
	FAILS(open("/proc/01", O_RDONLY), ENOENT);
	FAILS(open("/proc/-1", O_RDONLY), ENOENT);
	FAILS(open("/proc/1x", O_RDONLY), ENOENT);
	FAILS(open("/proc/99999999999999999999", O_RDONLY), ENOENT);
	FAILS(open("/proc/self/nothing", O_RDONLY), ENOENT);
	FAILS(open("/proc/self/fd/00", O_RDONLY), ENOENT);
	FAILS(open("/proc/self/fd/77", O_RDONLY), ENOENT);
	FAILS(open("/proc/self/task/1", O_RDONLY), ENOENT);
	FAILS(open("/proc/meminfo/x", O_RDONLY), ENOTDIR);
	FAILS(open("/proc/new", O_RDWR | O_CREAT, 0600), ENOENT);
	FAILS(mkdir("/proc/new", 0700), ENOENT);
	FAILS(unlink("/proc/meminfo"), EPERM);
	FAILS(open("/proc/self", O_RDONLY | O_NOFOLLOW), ELOOP);
	FAILS(read(open("/proc/self", O_RDONLY), path, 5), EISDIR);
	FAILS(read(open("/proc/sysrq-trigger", O_RDWR), path, 5), EIO);
}

TEST(children_of_a_process)
{
	char path[64], want[32];
	pid_t a = start_child(), b = start_child();

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	if (access(path, R_OK))
		SKIP("no task/<tid>/children");
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	snprintf(want, sizeof(want), "%d %d ", a, b);
	CHECK(!strcmp(text, want));
	end_child(a);
	end_child(b);
	EQ(slurp(path, text, sizeof(text)), 0);
}

TEST(processes_are_listed)
{
	pid_t pid = start_child();
	bool self = false, child = false, init = false;
	char last[64] = "";
	struct dirent *e;
	DIR *d = opendir("/proc");

	REQUIRE(d);
	while ((e = readdir(d))) {
		self |= atoi(e->d_name) == getpid();
		child |= atoi(e->d_name) == pid;
		init |= !strcmp(e->d_name, "1");
		if (isdigit((unsigned char)*e->d_name)) {
			CHECK(atoi(e->d_name) > atoi(last));
			EQ(e->d_type, DT_DIR);
			strcpy(last, e->d_name);
		}
	}
	CHECK(self && child && init);
	end_child(pid);
	rewinddir(d);
	while ((e = readdir(d)))
		CHECK(atoi(e->d_name) != pid);
	closedir(d);
}

/* Names of a directory, read through a buffer of this size. */
static int names_in(const char *path, size_t size, char *out)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY), count = 0;
	char buf[4096];
	long n;

	REQUIRE(fd >= 0);
	*out = 0;
	while ((n = syscall(SYS_getdents64, fd, buf, size)) > 0) {
		for (long at = 0; at < n; at += *(unsigned short *)(buf + at + 16)) {
			strcat(strcat(out, buf + at + 19), "\n");
			count++;
		}
	}
	EQ(n, 0);
	close(fd);
	return count;
}

TEST(small_buffers_list_the_same)
{
	static const char *const dirs[] = {"/proc/self", "/proc/sys/kernel", "/proc/self/fdinfo",
					   "/proc/self/task", "/sys/devices/system"};
	static char all[16384], few[16384];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		int n = names_in(dirs[i], 4096, all);

		CHECK(n >= 3);
		CHECK(!strncmp(all, ".\n..\n", 5));
		EQ(names_in(dirs[i], 64, few), n);
		CHECK(!strcmp(all, few));
	}
	FAILS(syscall(SYS_getdents64, open("/proc", O_RDONLY), few, 8), EINVAL);
}

TEST(exe_cwd_root)
{
	char here[256];
	pid_t pid = start_child();

	CHECK(strstr(link_of("/proc/self/exe"), "/proc_tree"));
	CHECK(!strcmp(link_of(of_child("exe")), link_of("/proc/self/exe")));
	CHECK(!strcmp(link_of("/proc/self/root"), "/"));
	mkdir("/tmp/proc-dir", 0700);
	EQ(chdir("/tmp/proc-dir"), 0);
	CHECK(!strcmp(link_of("/proc/self/cwd"), "/tmp/proc-dir"));
	CHECK(!strcmp(link_of(of_child("cwd")), "/"));
	EQ(chdir(of_child("cwd")), 0);
	CHECK(!strcmp(getcwd(here, sizeof(here)), "/"));
	EQ(chdir("/tmp/proc-dir"), 0);
	EQ(rmdir("/tmp/proc-dir"), 0);
	CHECK(!strcmp(link_of("/proc/self/cwd"), "/tmp/proc-dir (deleted)"));
	end_child(pid);
}

TEST(descriptors)
{
	int pipes[2], fd, copy;
	struct stat st, through;
	char path[64], want[64];

	REQUIRE(!pipe(pipes) && !fstat(pipes[0], &st));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pipes[0]);
	snprintf(want, sizeof(want), "pipe:[%lu]", (unsigned long)st.st_ino);
	CHECK(!strcmp(link_of(path), want));
	EQ(mode_of(path), S_IFLNK | 0500);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pipes[1]);
	EQ(mode_of(path), S_IFLNK | 0300);

	fd = open("/tmp/proc-fd", O_RDWR | O_CREAT | O_TRUNC, 0600);
	EQ(write(fd, "contents", 8), 8);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(!strcmp(link_of(path), "/tmp/proc-fd"));
	EQ(mode_of(path), S_IFLNK | 0700);
	EQ(stat(path, &through), 0);
	EQ(fstat(fd, &st), 0);
	EQ(through.st_ino, st.st_ino);
	EQ(unlink("/tmp/proc-fd"), 0);
	CHECK(!strcmp(link_of(path), "/tmp/proc-fd (deleted)"));
	copy = open(path, O_RDONLY); /* a new open file of what has no name any more */
	REQUIRE(copy >= 0);
	EQ(read(copy, text, 100), 8);
	EQ(lseek(fd, 0, SEEK_CUR), 8);
	close(fd);
	FAILS(readlink(path, text, 10), ENOENT);
	EQ(dup2(pipes[0], fd), fd); /* the same number, another file */
	CHECK(!strcmp(link_of(path), want));
}

TEST(descriptor_details)
{
	char path[64], want[128];
	struct stat st;
	int fd = open("/tmp/proc-fdinfo", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	REQUIRE(fd >= 0);
	EQ(write(fd, "12345", 5), 5);
	EQ(fstat(fd, &st), 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	CHECK(!strncmp(text, "pos:\t5\nflags:\t02102002\nmnt_id:\t", 31));
	snprintf(want, sizeof(want), "\nino:\t%lu\n", (unsigned long)st.st_ino);
	CHECK(strstr(text, want));
	unlink("/tmp/proc-fdinfo");
}

TEST(memory_of_another)
{
	static volatile char here[3 * PAGE] __attribute__((aligned(4096)));
	unsigned long at = (unsigned long)here;
	char *gone = map_private(PAGE);
	pid_t pid;
	int fd;

	memset((char *)here, 'a', sizeof(here));
	pid = start_child();
	fd = open(of_child("mem"), O_RDWR);
	REQUIRE(fd >= 0);
	here[0] = 'b';
	EQ(pread(fd, text, 3 * PAGE, at), 3 * PAGE);
	CHECK(text[0] == 'a' && text[3 * PAGE - 1] == 'a');
	EQ(pwrite(fd, "xyz", 3, at + PAGE - 1), 3);
	EQ(pread(fd, text, 4, at + PAGE - 1), 4);
	CHECK(!memcmp(text, "xyza", 4));
	CHECK(here[PAGE - 1] == 'a' && here[PAGE] == 'a'); /* the copy of here is its own */
	munmap(gone, PAGE);
	FAILS(pread(fd, text, 1, 0), EIO);
	FAILS(pread(fd, text, 1, 0x7fffffff0000), EIO);
	/* Linux lets a debugger write what the program itself may not; Calf has no debuggers. */
	if (on_calf())
		FAILS(pwrite(fd, "\xcc", 1, (unsigned long)start_child), EIO);
	end_child(pid);
	EQ(pread(fd, text, 1, at), 0);
	close(fd);
}

TEST(open_files_of_the_dead)
{
	pid_t pid = start_child();
	int st = open(of_child("stat"), O_RDONLY), maps = open(of_child("maps"), O_RDONLY);
	int dir = open(child_path, O_RDONLY | O_DIRECTORY), status;
	siginfo_t info;

	REQUIRE(st >= 0 && maps >= 0 && dir >= 0);
	kill(pid, SIGKILL);
	EQ(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	CHECK(read(st, text, sizeof(text)) > 0);
	EQ(read(maps, text, sizeof(text)), 0);
	FAILS(readlink(of_child("exe"), text, 10), ENOENT);
	FAILS(readlink(of_child("cwd"), text, 10), ENOENT);
	EQ(slurp(of_child("cmdline"), text, sizeof(text)), 0);
	EQ(slurp(of_child("maps"), text, sizeof(text)), 0);
	EQ(waitpid(pid, &status, 0), pid);
	FAILS(pread(st, text, 100, 0), ESRCH);
	FAILS(read(maps, text, sizeof(text)), ESRCH);
	CHECK(openat(dir, "stat", O_RDONLY) < 0 && (errno == ENOENT || errno == ESRCH));
	FAILS(syscall(SYS_getdents64, dir, text, sizeof(text)), ENOENT);
	FAILS(access(child_path, F_OK), ENOENT);
}

TEST(a_new_program_in_the_same_process)
{
	int go[2];
	char c, *const argv[] = {"prog", "--sleep", NULL}, *const envp[] = {"NEW=1", NULL};
	pid_t pid;

	REQUIRE(!pipe(go));
	pid = fork();
	if (pid == 0) {
		(void)!read(go[0], &c, 1);
		execve("/proc/self/exe", argv, envp);
		_exit(9);
	}
	snprintf(child_path, sizeof(child_path), "/proc/%d", pid);
	EQ(write(go[1], "x", 1), 1);
	for (int i = 0; i < 200; i++) {
		if (slurp(of_child("environ"), text, sizeof(text)) == 6)
			break;
		sleep_ms(5);
	}
	CHECK(!memcmp(text, "NEW=1", 6));
	end_child(pid);
}
HELPER(sleep)
{
	pause();
	return 1;
}

TEST(rights_of_a_user)
{
	struct stat st;
	pid_t pid = start_child();

	JOIN(CHILD(EQ(setgid(1000), 0); EQ(setuid(1000), 0);
		   FAILS(open(of_child("environ"), O_RDONLY), EACCES);
		   FAILS(open(of_child("mem"), O_RDONLY), EACCES);
		   FAILS(open(of_child("maps"), O_RDONLY), EACCES);
		   FAILS(open(of_child("pagemap"), O_RDONLY), EACCES);
		   FAILS(open(of_child("fd"), O_RDONLY), EACCES);
		   FAILS(readlink(of_child("exe"), text, 10), EACCES);
		   FAILS(readlink(of_child("cwd"), text, 10), EACCES);
		   FAILS(open("/proc/kpagecount", O_RDONLY), EACCES);
		   FAILS(open("/proc/sysrq-trigger", O_WRONLY), EACCES);
		   FAILS(open("/proc/sys/vm/drop_caches", O_WRONLY), EACCES);
		   FAILS(open("/proc/sys/kernel/hostname", O_WRONLY), EACCES);
		   CHECK(slurp(of_child("stat"), text, sizeof(text)) > 0);
		   CHECK(strstr(text, " 1 1 0 0 0 ")); /* startcode endcode startstack: hidden */
		   CHECK(slurp(of_child("status"), text, sizeof(text)) > 0);
		   CHECK(slurp(of_child("cmdline"), text, sizeof(text)) > 0)));
	EQ(stat(child_path, &st), 0);
	EQ(st.st_uid, 0);
	end_child(pid);
	pid = fork();
	if (pid == 0) {
		(void)!setgid(1001);
		(void)!setuid(1000);
		for (;;)
			pause();
	}
	snprintf(child_path, sizeof(child_path), "/proc/%d", pid);
	for (int i = 0; i < 200 && !stat(child_path, &st) && st.st_uid != 1000; i++)
		sleep_ms(5);
	EQ(st.st_uid, 1000);
	EQ(st.st_gid, 1001);
	end_child(pid);
}

TEST(pagemap_and_kpage_want_whole_elements)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);

	FAILS(pread(fd, text, 7, 0), EINVAL);
	FAILS(pread(fd, text, 8, 4), EINVAL);
	EQ(pread(fd, text, 4096, (unsigned long)&fd / PAGE * 8), 4096);
	EQ(pread(fd, text, 8, (1ul << 57) / PAGE * 8), 0);
	close(fd);
	fd = open("/proc/kpageflags", O_RDONLY);
	if (fd < 0)
		SKIP("no /proc/kpageflags");
	FAILS(pread(fd, text, 7, 0), EINVAL);
	EQ(pread(fd, text, 8, 1l << 50), 0);
}

TEST(frames_say_what_they_are)
{
	volatile char *p = map_private(2 * PAGE);
	uint64_t e[2], flags;
	int map = open("/proc/self/pagemap", O_RDONLY), fd = open("/proc/kpageflags", O_RDONLY);

	if (fd < 0)
		SKIP("no /proc/kpageflags");
	p[0] = 1;
	(void)p[PAGE];
	EQ(pread(map, e, 16, (unsigned long)p / PAGE * 8), 16);
	EQ(pread(fd, &flags, 8, (e[0] & ((1ul << 55) - 1)) * 8), 8);
	CHECK(flags & 1 << 12); /* anonymous */
	CHECK(flags & 1 << 11); /* mapped */
	EQ(pread(fd, &flags, 8, (e[1] & ((1ul << 55) - 1)) * 8), 8);
	CHECK(flags & 1 << 24); /* the zero page */
}

/* ---- knobs ---- */

static long set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	long n, err;

	if (fd < 0)
		return -1;
	n = write(fd, value, strlen(value));
	err = errno;
	close(fd);
	errno = err;
	return n;
}

TEST(numbers_have_a_range)
{
	static const char knob[] = "/proc/sys/vm/overcommit_memory";

	EQ(set(knob, "1\n"), 2);
	EQ(value_of(knob, ""), 1);
	FAILS(set(knob, "3\n"), EINVAL);
	FAILS(set(knob, "-1\n"), EINVAL);
	FAILS(set(knob, "x\n"), EINVAL);
	EQ(value_of(knob, ""), 1);
	EQ(set(knob, " 0 \n"), 4);
	EQ(value_of(knob, ""), 0);
	FAILS(set("/proc/sys/vm/drop_caches", "0"), EINVAL);
	EQ(set("/proc/sys/vm/drop_caches", "3\n"), 2);
	FAILS(open("/proc/sys/vm/drop_caches", O_RDONLY), EACCES);
	FAILS(open("/proc/sys/kernel/ostype", O_WRONLY), EACCES);
	FAILS(open("/proc/sys/kernel/ostype", O_RDWR), EACCES);
	CHECK(value_of("/proc/sys/kernel/pid_max", "") >= 32768);
	EQ(value_of("/proc/sys/vm/max_map_count", ""), 65530);
	EQ(value_of("/proc/sys/fs/nr_open", ""), 1048576);
	EQ(value_of("/proc/sys/fs/pipe-max-size", ""), 1048576);
	FAILS(mkdir("/proc/sys/vm/new", 0700), ENOENT);
	FAILS(chmod("/proc/sys/vm/swappiness", 0777), EPERM);
}

TEST(share_level_has_a_range)
{
	static const char knob[] = "/proc/sys/vm/fork_share_level";
	int level = share_level();

	if (!on_calf())
		SKIP("Calf's own");
	FAILS(set(knob, "-1"), EINVAL);
	FAILS(set(knob, "5"), EINVAL);
	FAILS(set(knob, ""), EINVAL);
	EQ(share_level(), level);
	EQ(set(knob, "0"), 1);
	EQ(share_level(), 0);
	EQ(set(knob, "1\n"), 2);
	EQ(share_level(), 1);
	EQ(set(knob, level ? "1" : "0"), 1);
}

TEST(hostname)
{
	struct utsname u, before;

	EQ(uname(&before), 0);
	EQ(set("/proc/sys/kernel/hostname", "heifer\n"), 7);
	EQ(uname(&u), 0);
	CHECK(!strcmp(u.nodename, "heifer"));
	EQ(sethostname("ox", 2), 0);
	REQUIRE(slurp("/proc/sys/kernel/hostname", text, sizeof(text)) > 0);
	CHECK(!strcmp(text, "ox\n"));
	FAILS(sethostname(text, 65), EINVAL);
	EQ(sethostname(before.nodename, strlen(before.nodename)), 0);
}

TEST(boot_id_stays_and_uuid_does_not)
{
	char first[64] = "", again[64] = "";

	EQ(slurp("/proc/sys/kernel/random/boot_id", first, sizeof(first)), 37);
	EQ(slurp("/proc/sys/kernel/random/boot_id", again, sizeof(again)), 37);
	CHECK(!strcmp(first, again));
	CHECK(first[8] == '-' && first[14] == '4' && first[36] == '\n');
	EQ(slurp("/proc/sys/kernel/random/uuid", first, sizeof(first)), 37);
	EQ(slurp("/proc/sys/kernel/random/uuid", again, sizeof(again)), 37);
	CHECK(strcmp(first, again));
}

TEST(sysfs)
{
	struct stat st;

	REQUIRE(slurp("/sys/devices/system/cpu/online", text, sizeof(text)) > 0);
	CHECK(!strncmp(text, "0", 1) && text[strlen(text) - 1] == '\n');
	EQ(access("/sys/devices/system/cpu/possible", R_OK), 0);
	EQ(access("/sys/devices/system/cpu/present", R_OK), 0);
	REQUIRE(slurp("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)) > 0);
	CHECK(strstr(text, "[never]") || !on_calf());
	EQ(stat("/sys/devices/system/cpu/online", &st), 0);
	EQ(st.st_size, 4096);
}
