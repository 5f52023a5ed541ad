/* Processes that come and go while others read all that /proc says of them: never a stale word. */
#include <ctype.h>
#include <dirent.h>

#include "tap.h"

static char text[65536];

static const char *const files[] = {
    "stat", "statm", "status", "maps",	   "smaps",	"smaps_rollup", "cmdline", "environ",
    "comm", "auxv",  "limits", "mounts",   "mountinfo", "oom_score",	"pagemap", "exe",
    "cwd",  "root",  "fd/0",   "fdinfo/0", "task",	"fd",		"wchan",   "personality",
};
#define N_FILES (sizeof(files) / sizeof(*files))

/* Linux answers EINVAL for the mounts of a process that has left its namespace. */
static bool gone(int err, const char *name)
{
	return err == ENOENT || err == ESRCH || (err == EINVAL && !strncmp(name, "mount", 5));
}

/* Looks at one file in each way that there is; what fails must say that the process is gone. */
static void look_at(const char *pid, const char *name)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	n = readlink(path, text, sizeof(text));
	if (n < 0 && errno != EINVAL)
		CHECK(gone(errno, name));
	if (!strcmp(name, "fd/0")) /* a terminal must not be opened here */
		return;
	fd = open(path, O_RDONLY);
	if (fd < 0) {
		CHECK(gone(errno, name));
		return;
	}
	if (!strcmp(name, "fd") || !strcmp(name, "task"))
		n = syscall(SYS_getdents64, fd, text, sizeof(text));
	else if (!strcmp(name, "cwd") || !strcmp(name, "root") || !strcmp(name, "exe"))
		n = 0;
	else
		n = read(fd, text, 4096);
	if (n < 0 && !CHECK(gone(errno, name)))
		say("# %s", path);
	close(fd);
}

/* Until the deadline: new processes keep coming behind the last one listed. */
static void look_at_all(int round, long until)
{
	struct dirent *e;
	DIR *d = opendir("/proc");

	REQUIRE(d);
	while (now_ms() < until && (e = readdir(d)))
		if (isdigit((unsigned char)*e->d_name) && atoi(e->d_name) != 1)
			for (size_t i = 0; i < 4; i++)
				look_at(e->d_name, files[(round * 4 + i) % N_FILES]);
	closedir(d);
}

/* Makes short-lived children, some of which map, fork and exec, until it is killed. */
static void churn(void)
{
	char *const argv[] = {"prog", "--leave", NULL};

	signal(SIGCHLD, SIG_IGN);
	for (unsigned i = 0;; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			char *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (p != MAP_FAILED)
				memset(p, 1, (i % 64 + 1) * PAGE);
			if (i % 4 == 0 && fork() == 0)
				_exit(0);
			if (i % 4 == 1)
				execve("/proc/self/exe", argv, argv + 2);
			_exit(0);
		}
		if (i % 8 == 0)
			sleep_ms(1);
	}
}
HELPER(leave)
{
	return 0;
}

TEST_FOR(90, readers_against_exits)
{
	enum { CHURNERS = 3 };
	pid_t pids[CHURNERS];
	long until = now_ms() + (on_host_time() ? 4000 : 1500);

	for (int i = 0; i < CHURNERS; i++)
		pids[i] = CHILD(churn());
	for (int round = 0; now_ms() < until && !tap_failed; round++)
		look_at_all(round, until);
	for (int i = 0; i < CHURNERS; i++) {
		kill(pids[i], SIGKILL);
		EQ(WTERMSIG(status_of(pids[i])), SIGKILL);
	}
}

TEST_FOR(90, maps_of_a_process_that_maps)
{
	pid_t pid = fork();
	char path[64];
	long until = now_ms() + (on_host_time() ? 2000 : 1000);

	REQUIRE(pid >= 0);
	if (pid == 0) {
		for (unsigned i = 0;; i = i * 1103515245 + 12345) {
			char *p = mmap(NULL, (i >> 8) % 32 * PAGE + PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (p == MAP_FAILED)
				_exit(1);
			*p = 1;
			mprotect(p, PAGE, PROT_READ);
			if (i & 0x100)
				munmap(p, (i >> 8) % 32 * PAGE + PAGE);
			else if (i & 0x200)
				madvise(p, PAGE, MADV_DONTNEED);
			if ((i & 0x3f00) == 0)
				munmap((void *)((unsigned long)p & ~0xffffful), 0x100000);
		}
	}
	for (int round = 0; now_ms() < until; round++) {
		unsigned long start, end, last = 0;

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, round % 2 ? "maps" : "smaps");
		REQUIRE(slurp(path, text, sizeof(text)) >= 0);
		for (char *l = text; *l; l = strchr(l, '\n') + 1) {
			if (sscanf(l, "%lx-%lx ", &start, &end) == 2 && strchr(l, '-') < l + 13) {
				/* Linux goes on with the area that holds the last address. */
				CHECK((start >= last || !on_calf()) && start < end);
				last = end;
			}
			if (!strchr(l, '\n'))
				break;
		}
	}
	kill(pid, SIGKILL);
	status_of(pid);
}

TEST(a_pid_that_comes_again)
{
	char path[64];
	int fd, status;
	pid_t first = CHILD(), pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", first);
	fd = open(path, O_RDONLY);
	REQUIRE(fd >= 0);
	EQ(waitpid(first, &status, 0), first);
	/* Without ever getting there: no new process may answer for the old one. */
	for (int i = 0; i < 200 && pid != first; i++) {
		pid = CHILD();
		EQ(waitpid(pid, &status, 0), pid);
	}
	FAILS(read(fd, text, 100), ESRCH);
	close(fd);
}
