/* The kernel's own writes into memory that fork shares: each must copy first, like a store would. */
#include "tap.h"
#include <poll.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#define MARK 0x5a

/* A page of marks, shared with `child`, which runs `act` on it; the parent's must stay whole. */
static unsigned char *page;

static void whole(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] != MARK) {
			EQ(p[i], MARK);
			say("# at byte %zu", i);
			return;
		}
	}
}

#define SHARED_WRITE(...)                                                                 \
	do {                                                                              \
		page = map_private(4 * PAGE);                                             \
		memset(page, MARK, 4 * PAGE);                                             \
		JOIN(CHILD(__VA_ARGS__));                                                 \
		whole(page, 4 * PAGE);                                                    \
		/* and the other way round: the parent's call, the child's view */        \
		int go_[2];                                                               \
		char c_;                                                                  \
		REQUIRE(!pipe(go_));                                                      \
		pid_t watch_ = CHILD(EQ(read(go_[0], &c_, 1), 1); whole(page, 4 * PAGE)); \
		__VA_ARGS__;                                                              \
		EQ(write(go_[1], "x", 1), 1);                                             \
		JOIN(watch_);                                                             \
	} while (0)

static int input(void)
{
	int fd = open("/dev/zero", O_RDONLY);

	REQUIRE(fd >= 0);
	return fd;
}

TEST(read_from_a_device)
{
	int fd = input();

	SHARED_WRITE(EQ(read(fd, page + 100, PAGE), PAGE); EQ(page[100], 0); EQ(page[99], MARK);
		     EQ(page[100 + PAGE - 1], 0); EQ(page[100 + PAGE], MARK));
}

TEST(read_from_a_file)
{
	int fd;

	spit("/tmp/kwrite", "0123456789");
	fd = open("/tmp/kwrite", O_RDONLY);
	REQUIRE(fd >= 0);
	unlink("/tmp/kwrite");
	SHARED_WRITE(EQ(pread(fd, page + PAGE - 5, 10, 0), 10);
		     CHECK(!memcmp(page + PAGE - 5, "0123456789", 10)));
}

TEST(read_from_a_pipe)
{
	int p[2];

	REQUIRE(!pipe(p));
	SHARED_WRITE(EQ(write(p[1], "pipe!", 5), 5); EQ(read(p[0], page + 7, 5), 5);
		     CHECK(!memcmp(page + 7, "pipe!", 5)));
}

TEST(readv_over_several_pages)
{
	int fd = input();

	SHARED_WRITE(struct iovec v[3] = {{page, 10}, {page + PAGE - 1, 2}, {page + 3 * PAGE, 1}};
		     EQ(readv(fd, v, 3), 13); EQ(page[9] + page[PAGE - 1] + page[PAGE], 0);
		     EQ(page[3 * PAGE], 0); EQ(page[10], MARK));
}

TEST(getrusage_into_it)
{
	SHARED_WRITE(struct rusage *u = (void *)(page + 64); EQ(getrusage(RUSAGE_SELF, u), 0);
		     CHECK(u->ru_minflt >= 0 && u->ru_minflt < 1000000));
}

TEST(stat_and_uname_into_it)
{
	SHARED_WRITE(EQ(stat("/", (struct stat *)page), 0);
		     EQ(uname((struct utsname *)(page + PAGE)), 0);
		     CHECK(S_ISDIR(((struct stat *)page)->st_mode));
		     EQ(((struct utsname *)(page + PAGE))->machine[0], 'x'));
}

TEST(clock_gettime_into_it)
{
	SHARED_WRITE(struct timespec *ts = (void *)(page + 8);
		     EQ(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, ts), 0);
		     CHECK(ts->tv_nsec < 1000000000));
}

TEST(pipe_descriptors_into_it)
{
	SHARED_WRITE(int *fds = (int *)page; EQ(pipe(fds), 0); CHECK(fds[0] != fds[1]);
		     close(fds[0]); close(fds[1]));
}

TEST(wait_status_into_it)
{
	SHARED_WRITE(int *status = (int *)(page + PAGE - 4); pid_t pid = fork();
		     if (!pid) _exit(42); EQ(wait4(pid, status, 0, NULL), pid);
		     EQ(*status, 42 << 8));
}

TEST(getcwd_and_readlink_into_it)
{
	EQ(symlink("target-of-it", "/tmp/kwrite-link"), 0);
	EQ(chdir("/tmp"), 0);
	SHARED_WRITE(EQ(readlink("/tmp/kwrite-link", (char *)page + PAGE - 6, 12), 12);
		     CHECK(!memcmp(page + PAGE - 6, "target-of-it", 12));
		     CHECK(getcwd((char *)page + 20, 100));
		     CHECK(!strcmp((char *)page + 20, "/tmp")));
	unlink("/tmp/kwrite-link");
}

TEST(getdents_into_it)
{
	SHARED_WRITE(int fd = open("/", O_RDONLY | O_DIRECTORY);
		     CHECK(syscall(SYS_getdents64, fd, page, 2 * PAGE) > 0); close(fd));
}

TEST(sigprocmask_and_sigaction_into_it)
{
	SHARED_WRITE(EQ(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, page, 8), 0);
		     EQ(syscall(SYS_rt_sigaction, SIGUSR2, NULL, page + PAGE, 8), 0);
		     EQ(*(long *)page, 0); EQ(*(long *)(page + PAGE), 0));
}

TEST(poll_and_select_into_it)
{
	int fd = input();

	SHARED_WRITE(struct pollfd *p = (void *)page; p->fd = fd; p->events = POLLIN;
		     EQ(poll(p, 1, 0), 1); EQ(p->revents, POLLIN));
}

TEST(getrandom_into_it)
{
	SHARED_WRITE(EQ(syscall(SYS_getrandom, page + 10, 3 * PAGE, 0), 3 * PAGE); int same = 0;
		     for (int i = 10; i < 10 + (int)PAGE; i++) same += page[i] == MARK;
		     CHECK(same < 100); EQ(page[9], MARK));
}

TEST(sysinfo_times_and_getitimer_into_it)
{
	SHARED_WRITE(EQ(sysinfo((struct sysinfo *)page), 0);
		     CHECK(times((struct tms *)(page + PAGE)) != -1);
		     EQ(getitimer(ITIMER_REAL, (struct itimerval *)(page + 2 * PAGE)), 0);
		     CHECK(((struct sysinfo *)page)->totalram > 0));
}

/* A signal frame lands on an alternate stack that both sides share. */
static unsigned char *alternate;
static volatile int handled;

static void on_signal(int sig)
{
	unsigned char here;

	handled = &here >= alternate && &here < alternate + 16 * PAGE ? sig : -1;
}

TEST(signal_frame_into_it)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	stack_t ss = {.ss_size = 16 * PAGE};
	int go[2];
	char c;
	pid_t pid;

	alternate = map_private(16 * PAGE);
	memset(alternate, MARK, 16 * PAGE);
	ss.ss_sp = alternate;
	EQ(sigaltstack(&ss, NULL), 0);
	EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	REQUIRE(!pipe(go));
	JOIN(CHILD(raise(SIGUSR1); EQ(handled, SIGUSR1)));
	whole(alternate, 16 * PAGE);
	pid = CHILD(EQ(read(go[0], &c, 1), 1); whole(alternate, 16 * PAGE));
	raise(SIGUSR1);
	EQ(handled, SIGUSR1);
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
}

/* exit clears the word that set_tid_address named, in the exiting child's copy alone. */
TEST(clear_child_tid_is_the_childs_own)
{
	int *word = map_private(PAGE);

	*word = 4711;
	JOIN(CHILD(CHECK(syscall(SYS_set_tid_address, word) == getpid())));
	EQ(*word, 4711);
}

TEST(clone_child_settid_and_parent_settid)
{
	int *word = map_private(PAGE), status;
	pid_t pid;

	word[0] = word[1] = 4711;
	pid = syscall(SYS_clone,
		      SIGCHLD | 0x01000000 /* CHILD_SETTID */ | 0x00100000 /* PARENT_SETTID */, 0,
		      &word[1], &word[0], 0);
	REQUIRE(pid >= 0);
	if (!pid)
		_exit(word[0] == getpid() ? 0 : 1);
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 0);
	EQ(word[0], 4711);
	EQ(word[1], pid);
}

TEST(into_the_zero_page)
{
	unsigned char *p = map_private(2 * PAGE);
	int fd = open("/proc/self/stat", O_RDONLY);

	EQ(*(volatile unsigned char *)p, 0);
	CHECK(read(fd, p, 20) == 20);
	EQ(((volatile unsigned char *)p)[PAGE], 0);
	EQ(p[20], 0);
	close(fd);
}

TEST(into_memory_never_touched)
{
	unsigned char *p = map_private(3 * PAGE);
	int fd = open("/dev/urandom", O_RDONLY), sum = 0;

	EQ(read(fd, p + 5, 2 * PAGE), 2 * PAGE);
	for (int i = 0; i < 5; i++)
		sum += p[i];
	EQ(sum, 0);
	close(fd);
}

TEST(into_read_only_memory_is_efault)
{
	unsigned char *p = map_private(2 * PAGE);
	int fd = input();

	memset(p, MARK, 2 * PAGE);
	EQ(mprotect(p, PAGE, PROT_READ), 0);
	FAILS(read(fd, p, 10), EFAULT);
	EQ(mprotect(p, PAGE, PROT_NONE), 0);
	FAILS(read(fd, p, 10), EFAULT);
	EQ(mprotect(p, PAGE, PROT_READ), 0);
	whole(p, 2 * PAGE);
}

TEST(from_memory_shared_by_fork)
{
	int p[2];
	char back[16] = "";

	REQUIRE(!pipe(p));
	page = map_private(PAGE);
	strcpy((char *)page, "before");
	JOIN(CHILD(EQ(write(p[1], page, 7), 7)));
	strcpy((char *)page, "after!");
	EQ(read(p[0], back, 7), 7);
	CHECK(!strcmp(back, "before"));
}
