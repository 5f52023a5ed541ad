/*
 * What /proc says of a process: stat, status, statm, comm, limits, oom_score_adj; every column where Linux
 * has it, and numbers that agree with each other.
 */
#include <sys/prctl.h>

#include "maps.h"
#include "proc_text.h"

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
