/* Resource limits, and what running into each looks like. */
#include "trap.h"

static void limit(int what, rlim_t value)
{
	struct rlimit r = {value, RLIM_INFINITY};

	getrlimit(what, &r);
	r.rlim_cur = value;
	EQ(setrlimit(what, &r), 0);
}

static rlim_t limit_of(int what)
{
	struct rlimit r;

	EQ(getrlimit(what, &r), 0);
	return r.rlim_cur;
}

TEST(get_and_set)
{
	struct rlimit r, again;

	for (int i = 0; i < 16; i++)
		EQ(getrlimit(i, &r), 0);
	EQ(getrlimit(RLIMIT_STACK, &r), 0);
	EQ(r.rlim_cur, 8 * MIB);
	EQ(getrlimit(RLIMIT_AS, &r), 0);
	EQ(r.rlim_cur, RLIM_INFINITY);
	r = (struct rlimit){100, 200};
	EQ(setrlimit(RLIMIT_NOFILE, &r), 0);
	EQ(getrlimit(RLIMIT_NOFILE, &again), 0);
	EQ(again.rlim_cur, 100);
	EQ(again.rlim_max, 200);
	JOIN(CHILD(EQ(getrlimit(RLIMIT_NOFILE, &again), 0); EQ(again.rlim_cur, 100)));
	r = (struct rlimit){300, 200};
	FAILS(setrlimit(RLIMIT_NOFILE, &r), EINVAL);
	FAILS(getrlimit(77, &r), EINVAL);
	EQ(prlimit(0, RLIMIT_NOFILE, NULL, &again), 0);
	EQ(again.rlim_cur, 100);
}

TEST(only_root_raises_the_hard_one)
{
	struct rlimit r = {100, 100}, more = {100, 200};

	JOIN(CHILD(EQ(setrlimit(RLIMIT_NOFILE, &r), 0); EQ(setrlimit(RLIMIT_NOFILE, &more), 0);
		   EQ(setrlimit(RLIMIT_NOFILE, &r), 0); REQUIRE(!setuid(1000));
		   FAILS(setrlimit(RLIMIT_NOFILE, &more), EPERM)));
}

TEST(nofile)
{
	int n = 0;

	limit(RLIMIT_NOFILE, 20);
	while (dup(1) >= 0)
		n++;
	EQ(errno, EMFILE);
	CHECK(n <= 20);
	FAILS(fcntl(1, F_DUPFD, 20), EINVAL);
	FAILS(dup2(1, 20), EBADF);
	EQ(dup2(1, 19), 19);
}

TEST(address_space)
{
	long before = value_of("/proc/self/status", "VmSize") * 1024;

	limit(RLIMIT_AS, before + 64 * PAGE);
	void *p = mmap(NULL, 60 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(p != MAP_FAILED);
	FAILS(mmap(NULL, 60 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	FAILS(mremap(p, 60 * PAGE, 120 * PAGE, MREMAP_MAYMOVE), ENOMEM);
	EQ(munmap(p, 60 * PAGE), 0);
	CHECK(mmap(NULL, 60 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

/* Growth counts by whichever way it comes; a change of rights is no growth. */
TEST(address_space_by_mremap_and_mprotect)
{
	long before = value_of("/proc/self/status", "VmSize") * 1024;
	char *gap = map_anon(300 * PAGE, PROT_NONE, MAP_PRIVATE), *p, *shared;

	REQUIRE(!munmap(gap, 300 * PAGE));
	limit(RLIMIT_AS, before + 64 * PAGE);
	p = map_anon(40 * PAGE, PROT_READ, MAP_PRIVATE);
	shared = map_anon(4 * PAGE, PROT_READ, MAP_SHARED);
	EQ(mprotect(p, 40 * PAGE, PROT_READ | PROT_WRITE), 0);
	FAILS(mremap(p, 40 * PAGE, 100 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, gap), ENOMEM);
	FAILS(mremap(p, 40 * PAGE, 40 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), ENOMEM);
	FAILS(mremap(shared, 0, 100 * PAGE, MREMAP_MAYMOVE), ENOMEM);
}

TEST(data_segment)
{
	char *now = (char *)syscall(SYS_brk, 0);
	long data = value_of("/proc/self/status", "VmData") * 1024;

	limit(RLIMIT_DATA, data + 16 * PAGE);
	EQ(syscall(SYS_brk, now + 200 * PAGE), (long)now);
	EQ(syscall(SYS_brk, now + 4 * PAGE), (long)now + 4 * (long)PAGE);
	FAILS(mmap(NULL, 100 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	      ENOMEM);
}

/* What a fixed mapping takes the place of makes room for it. */
TEST(mapping_in_place_of_another)
{
	int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, rw = PROT_READ | PROT_WRITE;
	char *p = map_private(64 * PAGE);

	limit(RLIMIT_AS, (value_of("/proc/self/status", "VmSize") + 32) * 1024);
	limit(RLIMIT_DATA, (value_of("/proc/self/status", "VmData") + 32) * 1024);
	EQ((long)mmap(p, 64 * PAGE, rw, fixed, -1, 0), (long)p);
	EQ((long)mmap(p + 4 * PAGE, 64 * PAGE, rw, fixed & ~MAP_FIXED, -1, 0), -1);
	EQ(munmap(p + 32 * PAGE, 32 * PAGE), 0);
	EQ((long)mmap(p, 64 * PAGE, rw, fixed, -1, 0), (long)p);
	FAILS(mmap(p, 80 * PAGE, rw, fixed, -1, 0), ENOMEM);
}

/* Limits are the process's, also of one that borrows its parent's memory. */
TEST(limits_of_a_vfork_child)
{
	struct rlimit one_page = {PAGE, PAGE};
	int anon = MAP_PRIVATE | MAP_ANONYMOUS, status;
	pid_t pid = vfork();

	if (pid == 0) {
		setrlimit(RLIMIT_AS, &one_page);
		setrlimit(RLIMIT_DATA, &one_page);
		_exit(mmap(NULL, PAGE, PROT_READ, anon, -1, 0) != MAP_FAILED);
	}
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 0);
	CHECK(mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, anon, -1, 0) != MAP_FAILED);
}

TEST(file_size)
{
	char name[] = "/tmp/limitXXXXXX", buf[100] = "";
	int fd = mkstemp(name), s;

	unlink(name);
	limit(RLIMIT_FSIZE, 150);
	signal(SIGXFSZ, SIG_IGN);
	EQ(write(fd, buf, 100), 100);
	EQ(write(fd, buf, 100), 50);
	FAILS(write(fd, buf, 100), EFBIG);
	FAILS(ftruncate(fd, 1000), EFBIG);
	s = status_of(CHILD(signal(SIGXFSZ, SIG_DFL); EQ(write(fd, buf, 1), 1)));
	EQ(s & 0x7f, SIGXFSZ);
}

TEST(processes_of_a_user)
{
	JOIN(CHILD(REQUIRE(!setuid(2000)); limit(RLIMIT_NPROC, 5); int n = 0; pid_t pids[10];
		   while (n < 10 && (pids[n] = fork()) >= 0) {
			   if (!pids[n]) {
				   for (;;)
					   pause();
			   }
			   n++;
		   } EQ(errno, EAGAIN);
		   EQ(n, 4); for (int i = 0; i < n; i++) kill(pids[i], SIGKILL);
		   while (wait(NULL) > 0); pid_t pid = fork(); if (!pid) _exit(0); CHECK(pid > 0);
		   waitpid(pid, NULL, 0)));
}

TEST(cpu_time)
{
	int s = status_of(CHILD(limit(RLIMIT_CPU, 1); for (;;)));

	EQ(s & 0x7f, SIGXCPU);
}

TEST(core_is_inherited_and_kept_by_exec)
{
	limit(RLIMIT_CORE, 0);
	JOIN(CHILD(execl("/bin/busybox", "sh", "-c", "[ $(ulimit -c) = 0 ]", NULL)));
}

static void keep_changing(pid_t pid)
{
	for (rlim_t n = 100;; n = 300 - n) {
		struct rlimit both = {n, n};

		REQUIRE(prlimit(pid, RLIMIT_NOFILE, &both, NULL) == 0);
	}
}

/* A child has both limits as they stood at one moment, whoever changes them. */
TEST(fork_copies_pairs)
{
	pid_t me = getpid(), p = CHILD(keep_changing(me));

	while (limit_of(RLIMIT_NOFILE) > 200)
		sched_yield();
	for (int i = 0; goes_on(i, 200); i++)
		JOIN(CHILD(struct rlimit r; EQ(getrlimit(RLIMIT_NOFILE, &r), 0);
			   EQ(r.rlim_cur, r.rlim_max)));
	EQ(kill(p, SIGKILL), 0);
	EQ(status_of(p), SIGKILL);
}
