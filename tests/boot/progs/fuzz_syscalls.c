/*
 * Random system calls with random arguments: whatever a program asks, the kernel goes on.
 *
 * Rounds follow each other until the time is up. In each, a few processes of their own user make
 * calls, half sensible and half not, in a directory of their own, until they die of it or are
 * killed. A round's calls follow from its seed: `fuzz_syscalls --fuzz SECONDS SEED [root] [fail]`
 * begins with that round.
 */
#include "calls.h"
#include "fuzz_values.h"
#include "sysv.h"

#include <dirent.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>

#define ROUND_MS     400
#define PROCESSES    3
#define CALLS	     4000
#define PER_ROUND    64 /* processes */
#define FEW_FRAMES   16 /* this program's own memory, from round to round */
#define FIRST_UID    20000
#define LAST_SYSCALL 460

/* ---- calls ---- */

/* Those of calls.h, and these: what ends or doubles the caller, what it is not made for, and what is to come more
 * often. Kinds of this program's: i id of System V IPC, I flags for one, w events of inotify. */
static const struct call own_calls[] = {
    CALL(mmap, "alrMfl"),
    CALL(rt_sigreturn, ""),
    CALL(mremap, "allna"),
    CALL(madvise, "alA"),
    CALL(alarm, "n"),
    CALL(getpid, ""),
    CALL(clone, "xbbbb"),
    CALL(fork, ""),
    CALL(fcntl, "fnb"),
    CALL(umask, "m"),
    CALL(getuid, ""),
    CALL(setsid, ""),
    CALL(rt_sigsuspend, "bz"),
    CALL(personality, "x"),
    CALL(munlockall, ""),
    CALL(sync, ""),
    CALL(set_tid_address, "b"),
    CALL(restart_syscall, ""),
    CALL(openat, "dpgm"),
    CALL(shmget, "nlI"),
    CALL(shmat, "iax"),
    CALL(shmctl, "inb"),
    CALL(semget, "nnI"),
    CALL(semop, "ibn"),
    CALL(semtimedop, "ibnt"),
    CALL(semctl, "innb"),
    CALL(msgget, "nI"),
    CALL(msgsnd, "ibln"),
    CALL(msgrcv, "iblnn"),
    CALL(msgctl, "inb"),
    CALL(remap_file_pages, "alnnn"),
    CALL(pkey_alloc, "nn"),
    CALL(epoll_ctl, "fnfb"),
    CALL(inotify_init1, "g"),
    CALL(inotify_add_watch, "fpw"),
    CALL(inotify_add_watch, "fpw"),
    CALL(inotify_rm_watch, "fn"),
};

/* What would end the test rather than the kernel: the machine, its clock, its mounts, other
 * processes. */
static bool forbidden(long number)
{
	switch (number) {
	case SYS_reboot:
	case SYS_vfork: /* its child would run on the stack of the parent, who goes on there */
		return true;
	case SYS_kill:
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo:
	case 424: /* pidfd_send_signal */
	case 438: /* pidfd_getfd: the harness's own files */
	case SYS_mount:
	case SYS_umount2:
	case SYS_pivot_root:
	case SYS_swapon:
	case SYS_swapoff:
	case SYS_settimeofday:
	case SYS_clock_settime:
	case SYS_adjtimex:
	case SYS_clock_adjtime:
	case SYS_sethostname:
	case SYS_setdomainname:
	case SYS_prlimit64:
	case SYS_ptrace:
	case SYS_process_vm_writev:
	case SYS_syslog:
	case SYS_iopl:
	case SYS_ioperm:
	case SYS_setsid:
	case SYS_setpgid:
	case SYS_setuid:
	case SYS_setresuid:
	case SYS_setreuid:
	case SYS_sched_setscheduler:
	case SYS_chdir:
	case SYS_fchdir:
	case SYS_chroot:
		return as_root;
	default:
		return false;
	}
}

static void one_call(void)
{
	uint64_t a[6];
	long number;

	if (below(16)) {
		const struct call *c = below(4) ? &PICK(calls) : &PICK(own_calls);

		number = c->number;
		for (int i = 0; i < 6; i++)
			a[i] = value(i < (int)strlen(c->kinds) ? c->kinds[i] : 'x');
	} else {
		number = below(64) ? (long)below(LAST_SYSCALL) : (long)any_int();
		for (int i = 0; i < 6; i++)
			a[i] = value("fbpxla"[below(6)]);
	}
	/* A clone without a stack of its own and with shared memory is vfork again. */
	if (forbidden(number) || (number == SYS_clone && a[0] & 0x100) || number == SYS_clone3)
		return;
	syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- rounds ---- */

/* Sets that watch something, and what they watch. */
static void open_events(void)
{
	int outer = epoll_create1(0), set = epoll_create1(0), event = eventfd(1, EFD_NONBLOCK);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	int watched = inotify_init1(IN_NONBLOCK);
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT};

	inotify_add_watch(watched, ".", IN_ALL_EVENTS);
	inotify_add_watch(watched, "f0", IN_ALL_EVENTS);
	epoll_ctl(set, EPOLL_CTL_ADD, watched, &e);
	epoll_ctl(outer, EPOLL_CTL_ADD, set, &e);
	epoll_ctl(set, EPOLL_CTL_ADD, event, &e);
	epoll_ctl(set, EPOLL_CTL_ADD, timer, &e);
}

static void open_some(void)
{
	int pipes[2], null;

	/* The console is everybody's: a lock on it would outlast the test. */
	do
		null = open("/dev/null", O_RDWR);
	while (null < 0 && errno == ENOMEM);
	if (null < 0)
		_exit(1);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	(void)!pipe(pipes);
	open("f0", O_RDWR | O_CREAT, 0666);
	open("f1", O_RDWR | O_CREAT | O_APPEND, 0666);
	mkdir("d0", 0777);
	mkdir("d1", 0777);
	open("d0", O_RDONLY | O_DIRECTORY);
	open("d0/f0", O_RDWR | O_CREAT, 0666);
	(void)!symlink("d0", "link");
	mkfifo("fifo", 0666);
	open("/dev/zero", O_RDWR);
	open("/proc/self/maps", O_RDONLY);
	open("/proc/self/stat", O_RDONLY);
	open("/proc/self/mem", O_RDWR);
	open("/proc", O_RDONLY | O_DIRECTORY);
	open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	open_events();
}

static void limit(int what, rlim_t n)
{
	struct rlimit r = {n, n};

	setrlimit(what, &r);
}

static void *more_calls(void *seed)
{
	rng = (uint64_t)seed;
	for (int i = 0; i < CALLS; i++)
		one_call();
	return NULL;
}

static void run_calls(uint64_t seed, uid_t uid, bool root)
{
	setpgid(0, 0);
	limit(RLIMIT_AS, 64 * MIB);
	limit(RLIMIT_FSIZE, MIB);
	limit(RLIMIT_NOFILE, 64);
	limit(RLIMIT_NPROC, 40);
	limit(RLIMIT_CPU, 2);
	limit(RLIMIT_CORE, 0);
	if (!root && (setgid(uid) || setuid(uid)))
		_exit(1);
	as_root = root;
	rng = seed;
	open_some();
	make_arena();
	for (size_t i = 0; i < 7 * PAGE; i += 8)
		memcpy(garbage + i, &(uint64_t){next()}, 8);
	/* Every other process has threads, which end with it, or end it. */
	for (int i = below(2) ? 2 : 0; i > 0; i--) {
		pthread_t t;

		(void)!pthread_create(&t, NULL, more_calls, (void *)next());
	}
	for (int i = 0; i < CALLS; i++)
		one_call();
	_exit(0);
}

/* SIGKILL for each child of this process. */
static void kill_children(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[300], text[512], *after;
		int ppid;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		if (atoi(e->d_name) <= 0 || slurp(path, text, sizeof(text)) <= 0)
			continue;
		after = strrchr(text, ')');
		if (after && sscanf(after, ") %*c %d", &ppid) == 1 && ppid == getpid())
			kill(atoi(e->d_name), SIGKILL);
	}
	if (d)
		closedir(d);
}

/* Every process of the round, those that left its groups too. */
static void end_round(const pid_t *pids, uid_t uid, bool root)
{
	for (int i = 0; i < PROCESSES; i++) {
		kill(-pids[i], SIGKILL);
		kill(pids[i], SIGKILL);
	}
	if (!root) {
		pid_t killer = fork();

		if (killer == 0) {
			if (setuid(uid))
				_exit(1);
			kill(-1, SIGKILL);
			_exit(0);
		}
	}
	/* What the round's processes left behind has become this one's children, in groups of its own. */
	for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) >= 0;) {
		if (pid)
			continue;
		kill_children();
		sleep_ms(1);
	}
}

static void remove_tree(const char *path, int depth)
{
	struct dirent *e;
	char name[600];
	DIR *d;

	if (unlink(path) == 0 || rmdir(path) == 0 || depth > 8 || !(d = opendir(path)))
		return;
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		remove_tree(name, depth + 1);
	}
	closedir(d);
	rmdir(path);
}

/*
 * Every directory is root's to write to. Random bytes after a slash are a name in one, and so is what a path that
 * the kernel told becomes when other bytes are written over its end: what was not there at first goes when
 * the test does.
 */
static char first_paths[128][64];
static int nr_first_paths;

static bool was_there(const char *path)
{
	for (int i = 0; i < nr_first_paths; i++)
		if (!strcmp(first_paths[i], path))
			return true;
	return false;
}

static void walk(const char *dir, void (*each)(const char *path))
{
	struct dirent *e;
	char path[600];
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	/* Neither /proc nor /sys takes a new name. */
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", strcmp(dir, "/") ? dir : "", e->d_name);
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(path, "/proc") &&
		    strcmp(path, "/sys"))
			each(path);
	}
	if (d)
		closedir(d);
}

static void remember(const char *path)
{
	REQUIRE(nr_first_paths < 128 && strlen(path) < sizeof(first_paths[0]));
	strcpy(first_paths[nr_first_paths++], path);
	walk(path, remember);
}

static void sweep(const char *path)
{
	if (was_there(path))
		walk(path, sweep);
	else
		remove_tree(path, 0);
}

static pid_t start(uint64_t seed, uint64_t *begun, uid_t uid, bool root)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0)
		run_calls(seed * PER_ROUND + *begun, uid, root);
	++*begun;
	return pid;
}

/*
 * Calf's frames that are free or a slab's, once its caches have given back what they can; 0 on Linux. How many
 * slabs the objects of a round happen to lie in is chance.
 */
static long free_frames(void)
{
	if (!on_calf())
		return 0;
	spit("/proc/sys/vm/drop_caches", "3\n");
	return value_of("/proc/vmstat", "nr_free_pages ") +
	       value_of("/proc/vmstat", "nr_slab_unreclaimable ");
}

/*
 * How many of those are gone; near 0 where they all are there. What has been waited for may still be on its CPU,
 * with a kernel's stack each: they get a second.
 */
static long frames_gone(long before)
{
	long gone = before - free_frames();

	for (int naps = 0; naps < 20 && labs(gone) > FEW_FRAMES; naps++) {
		sleep_ms(50);
		gone = before - free_frames();
	}
	return gone;
}

/* Sleeps; while it does, one allocation of those who run fails, where vm.fail_nth is open. */
static int fail_knob = -1;
static void sleep_failing(long ms)
{
	char text[16];

	if (fail_knob >= 0)
		(void)!pwrite(fail_knob, text, sprintf(text, "%lu", 1 + below(60)), 0);
	sleep_ms(ms);
	if (fail_knob >= 0)
		(void)!pwrite(fail_knob, "0", 1, 0);
}

static void run_round(uint64_t seed, bool root)
{
	uid_t uid = FIRST_UID + seed % 1000;
	long until = now_ms() + ROUND_MS;
	pid_t pids[PROCESSES];
	uint64_t begun = 0;

	remove_tree("/tmp/fuzz", 0);
	/* What is above the processes' own directory is not theirs. */
	REQUIRE(!mkdir("/tmp/fuzz", 0755) && !mkdir("/tmp/fuzz/room", 0777));
	REQUIRE(!chown("/tmp/fuzz/room", uid, uid) && !chdir("/tmp/fuzz/room"));
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = start(seed, &begun, uid, root);
	while (now_ms() < until && begun < PER_ROUND) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		/* Who died of its calls makes room for another; its own children go with it. */
		for (int i = 0; i < PROCESSES; i++) {
			if (pid != pids[i])
				continue;
			kill(-pid, SIGKILL);
			pids[i] = start(seed, &begun, uid, root);
		}
		if (pid <= 0)
			sleep_failing(2);
	}
	end_round(pids, uid, root);
	sweep_ipc();
	REQUIRE(!chdir("/"));
	remove_tree("/tmp/fuzz", 0);
}

static void fuzz(long seconds, uint64_t seed, bool root)
{
	long until = now_ms() + seconds * 1000, spoke = 0;
	uint64_t first = seed;
	long before, gone;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	umask(0);
	walk("/", remember);
	for (; now_ms() < until; seed++) {
		if (now_ms() > spoke + 2000) {
			say("# seed %lu", (unsigned long)seed);
			spoke = now_ms();
		}
		before = free_frames();
		run_round(seed, root);
		gone = frames_gone(before);
		/* The first round fills what stays. */
		if (seed != first && labs(gone) > FEW_FRAMES)
			say("# seed %lu: %ld frames are gone", (unsigned long)seed, gone);
	}
	walk("/", sweep);
	say("# %lu rounds", (unsigned long)(seed - first));
}

/* --fuzz SECONDS SEED [root] [fail] */
HELPER(fuzz)
{
	if (argc < 3)
		return 2;
	bool root = false;

	for (int i = 3; i < argc; i++) {
		root |= !strcmp(argv[i], "root");
		if (!strcmp(argv[i], "fail"))
			fail_knob = open("/proc/sys/vm/fail_nth", O_RDWR | O_CLOEXEC);
	}
	fuzz(atol(argv[1]), strtoull(argv[2], NULL, 0), root);
	return 0;
}

TEST_FOR(90, as_a_user)
{
	fuzz(10, 1, false);
}

TEST_FOR(90, as_root)
{
	fuzz(5, 1000000, true);
}

TEST_FOR(90, with_failing_allocations)
{
	fail_knob = open("/proc/sys/vm/fail_nth", O_RDWR | O_CLOEXEC);
	if (fail_knob < 0)
		SKIP("no vm.fail_nth");
	fuzz(5, 2000000, false);
}
