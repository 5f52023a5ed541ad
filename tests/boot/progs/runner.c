/*
 * Process 1 of the test machines: mounts what programs need, runs those that /tests.list names one
 * after another, checks that each gave back every frame and object that it took and that the counts of all
 * frames agree with the page tables, and powers off. The list has
 * a line a program: its name, then the tests of it that are wanted (none: all).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_WORDS  128
#define MAX_CACHES 64

static char list[65536];
static char scratch[16384];

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void nap(long ms)
{
	struct timespec ts = {0, ms * 1000000};

	nanosleep(&ts, NULL);
}

static void say(const char *line)
{
	if (write(1, line, strlen(line)) < 0)
		_exit(1);
}

static ssize_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t n = 0;
	ssize_t r;

	if (fd < 0)
		return -1;
	while (n < size - 1 && (r = read(fd, buf + n, size - 1 - n)) > 0)
		n += r;
	close(fd);
	buf[n] = 0;
	return n;
}

/*
 * What the kernel has to account for, after it has handed back its caches. In which slab an object lies is
 * chance, so frames are counted free or a slab's, and the objects in use beside them.
 */
struct ledger {
	long frames;
	int nr_caches;
	struct {
		char name[24];
		long used;
	} cache[MAX_CACHES];
};

static long number_after(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? atol(at + strlen(name)) : 0;
}

/* Into scratch, from the start of an open file. */
static void reread(int fd)
{
	ssize_t n = 0, r;

	while ((r = pread(fd, scratch + n, sizeof(scratch) - 1 - n, n)) > 0)
		n += r;
	scratch[n] = 0;
}

/*
 * All 0 on Linux, whose counts are never still. The files stay open: what opening them takes is the same in every
 * count.
 */
static void take_stock(struct ledger *l)
{
	static int drop = -1, stat = -1, slabs = -1;
	char *save = NULL;

	memset(l, 0, sizeof(*l));
	if (access("/proc/sys/vm/fork_share_level", F_OK))
		return;
	if (drop < 0) {
		drop = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
		stat = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
		slabs = open("/proc/slabinfo", O_RDONLY | O_CLOEXEC);
	}
	if (write(drop, "3\n", 2) != 2)
		say("# drop_caches refused\n");
	reread(stat);
	l->frames = number_after(scratch, "nr_free_pages ") +
		    number_after(scratch, "nr_slab_unreclaimable ");
	reread(slabs);
	for (char *line = strtok_r(scratch, "\n", &save); line && l->nr_caches < MAX_CACHES;
	     line = strtok_r(NULL, "\n", &save))
		if (line[0] != '#' && sscanf(line, "%23s %ld", l->cache[l->nr_caches].name,
					     &l->cache[l->nr_caches].used) == 2)
			l->nr_caches++;
}

/* Until two counts agree: an idle CPU may be about to move frames from one list to another. */
static void take_stock_twice(struct ledger *l)
{
	struct ledger again;

	take_stock(l);
	for (int i = 0; i < 20; i++) {
		take_stock(&again);
		if (!memcmp(&again, l, sizeof(again)))
			return;
		*l = again;
	}
}

/*
 * The caches whose objects in use are not as many as before, as NAME:MORE,...; "none". Where Calf tells of no
 * caches, that is what is said.
 */
static void objects_text(char *text, size_t size, const struct ledger *before,
			 const struct ledger *after)
{
	size_t n = 0;

	snprintf(text, size, after->frames && !after->nr_caches ? "slabinfo:0" : "none");
	for (int i = 0; i < after->nr_caches && n < size - 1; i++) {
		long more = after->cache[i].used - before->cache[i].used;

		if (more)
			n += snprintf(text + n, size - n, "%s%s:%ld", n ? "," : "",
				      after->cache[i].name, more);
	}
}

/* Has Calf hold all counts of frames against all page tables; Linux has no such file. */
static const char *audit(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/proc/sys/vm/audit", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return access("/proc/sys/vm/fork_share_level", F_OK) ? "none" : "missing";
	return pwrite(fd, "1\n", 2, 0) == 2 ? "good" : "bad";
}

/* Orphans come to process 1: waits until none is left, for a while. */
static void reap_all(void)
{
	for (int naps = 0; naps < 500;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			return;
		if (pid == 0) {
			nap(10);
			naps++;
		}
	}
	say("# processes are left over\n");
}

static int run(char **argv)
{
	char path[256];
	int status = 0;
	pid_t pid, done;

	snprintf(path, sizeof(path), "/progs/%s", argv[0]);
	pid = fork();
	if (pid == 0) {
		setsid();
		execv(path, argv);
		_exit(127);
	}
	if (pid < 0)
		return 126;
	do {
		done = waitpid(-1, &status, 0);
	} while (done != pid && (done > 0 || errno == EINTR));
	kill(-pid, SIGKILL);
	reap_all();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void run_line(char *line)
{
	char *words[MAX_WORDS + 1], *save = NULL, text[256], objects[512];
	static struct ledger before, after;
	long began;
	int n = 0, status;

	for (char *w = strtok_r(line, " ", &save); w && n < MAX_WORDS;
	     w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	words[n] = NULL;
	if (!n)
		return;
	snprintf(text, sizeof(text), "@begin %s\n", words[0]);
	say(text);
	take_stock_twice(&before);
	began = now_ms();
	status = run(words);
	began = now_ms() - began;
	/* The last exits may still be on their way: all gets a second to come back. */
	take_stock(&after);
	for (int i = 0; i < 20 && memcmp(&after, &before, sizeof(after)); i++) {
		nap(50);
		take_stock(&after);
	}
	snprintf(text, sizeof(text),
		 "@end %s status=%d frames=%ld ms=%ld audit=%s objects=", words[0], status,
		 before.frames - after.frames, began, audit());
	objects_text(objects, sizeof(objects) - 1, &before, &after);
	strcat(objects, "\n");
	say(text);
	say(objects);
}

/* What the stack will need is there before anything is counted, wherever in a page it begins. */
static void touch_stack(void)
{
	volatile char deep[16 * 1024];

	for (size_t i = 0; i < sizeof(deep); i += 1024)
		deep[i] = 1;
}

int main(void)
{
	static struct ledger warm;
	char *save = NULL;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mkdir("/tmp", 01777);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mkdir("/dev/shm", 01777);
	mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL);
	if (slurp("/tests.list", list, sizeof(list)) < 0)
		say("# no /tests.list\n");
	touch_stack();
	audit();
	take_stock(&warm); /* the first call warms what later ones find warm */
	for (char *line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		run_line(line);
	say("@done\n");
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
