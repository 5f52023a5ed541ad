/*
 * Each allocation of each operation fails once: the call says ENOMEM and has done nothing, or gets
 * by without. Nothing is lost: the ledger of frames tells. Calf's own, through vm.fail_nth.
 */
#include <dirent.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "fail.h"
#include "thread.h"
#include "sock_net.h"

static void begin(void)
{
	knob = open("/proc/sys/vm/fail_nth", O_RDWR);
	if (knob < 0)
		SKIP("no vm.fail_nth");
	fired(); /* its buffer is there from now on */
}

/* For want of memory; ENOSPC where the memory was to hold a file's contents, ENOBUFS a message. */
static bool refusal(int err)
{
	return err == ENOMEM || err == ENOSPC || err == ENOBUFS;
}

/*
 * Runs `call`, an expression that is negative on failure, with its first, second... allocation
 * failing, until it needs fewer than that. `undo` follows each success.
 */
#define EACH(call, ...)                                                                       \
	do {                                                                                  \
		bool more_ = true;                                                            \
		for (int n_ = 1; more_ && n_ < 500; n_++) {                                   \
			long r_;                                                              \
			int e_;                                                               \
			arm(n_);                                                              \
			errno = 0;                                                            \
			r_ = (long)(call);                                                    \
			e_ = errno;                                                           \
			more_ = fired();                                                      \
			arm(0);                                                               \
			if (r_ < 0 && !(more_ && refusal(e_))) {                              \
				say("# %s: %ld, errno %d, allocation %d", #call, r_, e_, n_); \
				tap_failed = 1;                                               \
				more_ = false;                                                \
			}                                                                     \
			if (r_ >= 0) {                                                        \
				long result = r_;                                             \
				(void)result;                                                 \
				__VA_ARGS__;                                                  \
			}                                                                     \
		}                                                                             \
	} while (0)

static char buf[65536];

static const char *where(void)
{
	static char dir[64];

	snprintf(dir, sizeof(dir), "/tmp/failing-%d", getpid());
	mkdir(dir, 0700);
	REQUIRE(!chdir(dir));
	memset(buf, 'x', sizeof(buf));
	return dir;
}

static void leave(const char *dir)
{
	REQUIRE(!chdir("/"));
	EQ(rmdir(dir), 0);
}

TEST(names)
{
	const char *dir;
	static char long_name[200];

	begin();
	dir = where();
	memset(long_name, 'n', sizeof(long_name) - 1);
	EACH(mkdir("d", 0700), rmdir("d"));
	EACH(open("f", O_CREAT | O_EXCL | O_RDWR, 0600), (close(result), unlink("f")));
	EACH(mknod(long_name, S_IFREG | 0600, 0), unlink(long_name));
	EACH(symlink("somewhere/else", "l"), unlink("l"));
	EACH(mkfifo("p", 0600), unlink("p"));
	close(open("a", O_CREAT | O_WRONLY, 0600));
	EACH(link("a", long_name), unlink(long_name));
	EACH(rename("a", long_name), rename(long_name, "a"));
	EACH(access("a", R_OK), );
	EACH(open("/dev/null", O_RDWR), close(result));
	EACH(chdir("/tmp"), (void)!chdir(dir));
	EACH(readlink("/proc/self/exe", buf, 100), );
	EACH((long)getcwd(buf, 100) > 0 ? 0 : -1, );
	unlink("a");
	leave(dir);
}

TEST(contents)
{
	const char *dir;
	struct iovec v[20];
	int fd, copy;

	begin();
	dir = where();
	fd = open("f", O_CREAT | O_RDWR, 0600);
	copy = open("g", O_CREAT | O_RDWR, 0600);
	for (int i = 0; i < 20; i++)
		v[i] = (struct iovec){buf + i * 1000, 1000};
	EACH(pwrite(fd, buf, 30000, 0), ftruncate(fd, 0));
	EACH(pwritev(fd, v, 20, 1 << 30), ftruncate(fd, 0));
	EQ(pwrite(fd, buf, 50000, 0), 50000);
	EACH(preadv(fd, v, 20, 0), );
	EACH(ftruncate(fd, 1234), EQ(pwrite(fd, buf, 50000, 0), 50000));
	EACH(copy_file_range(fd, &(off_t){0}, copy, &(off_t){0}, 40000, 0), ftruncate(copy, 0));
	EACH(flock(fd, LOCK_EX), flock(fd, LOCK_UN));
	EACH(fcntl(fd, F_SETLK, (&(struct flock){.l_type = F_WRLCK, .l_start = 5, .l_len = 7})),
	     fcntl(fd, F_SETLK, (&(struct flock){.l_type = F_UNLCK})));
	close(fd);
	close(copy);
	unlink("f");
	unlink("g");
	leave(dir);
}

TEST(descriptors)
{
	int p[2];
	struct pollfd many[100];
	fd_set set;

	begin();
	EACH(pipe(p), (close(p[0]), close(p[1])));
	EACH(dup2(0, 900), close(900));
	REQUIRE(!pipe(p));
	EACH(write(p[1], buf, 40000) > 0 ? 0 : -1,
	     while (read(p[0], buf, sizeof(buf)) == sizeof(buf)));
	for (int i = 0; i < 100; i++)
		many[i] = (struct pollfd){p[0], POLLIN, 0};
	EACH(poll(many, 100, 0), );
	FD_ZERO(&set);
	FD_SET(p[1], &set);
	EACH(select(p[1] + 1, NULL, &set, NULL, &(struct timeval){0, 0}), );
}

/* A map of many areas, so that dividing and moving them takes what it can. */
TEST(address_space)
{
	char *p, *q;

	begin();
	EACH(
	    (long)mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	    munmap((void *)result, 16 * PAGE));
	EACH((long)mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	     munmap((void *)result, 16 * PAGE));
	EACH((long)mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0),
	     munmap((void *)result, 16 * PAGE));
	p = map_private(64 * PAGE);
	memset(p, 1, 64 * PAGE);
	EACH(mprotect(p + PAGE, PAGE, PROT_READ), mprotect(p, 64 * PAGE, PROT_READ | PROT_WRITE));
	EACH(madvise(p + PAGE, PAGE, MADV_DONTFORK), madvise(p, 64 * PAGE, MADV_DOFORK));
	EACH(munmap(p + 8 * PAGE, PAGE), (q = mmap(p + 8 * PAGE, PAGE, PROT_READ | PROT_WRITE,
						   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
					  *q = 1));
	q = map_anon(256 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
	EACH((long)mremap(p, 64 * PAGE, 128 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q),
	     REQUIRE(mremap(q, 128 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
	     REQUIRE(mmap(q, 256 * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == q));
	for (int i = 0; i < 64; i++)
		EQ(p[i * PAGE], 1);
	EACH(syscall(SYS_brk, syscall(SYS_brk, 0) + 4 * PAGE) > 0 ? 0 : -1, );
	EACH(mincore(p, 64 * PAGE, (void *)buf), );
}

TEST_FOR(120, processes)
{
	char *p = map_private(600 * PAGE), *const argv[] = {"prog", "--leave", NULL};

	begin();
	for (int i = 0; i < 600; i += 7)
		p[i * PAGE] = 1;
	EACH(({
		     pid_t pid = fork();
		     if (pid == 0)
			     _exit(0);
		     pid;
	     }),
	     waitpid(result, NULL, 0));
	EACH(({
		     pid_t pid = vfork();
		     if (pid == 0)
			     _exit(0);
		     pid;
	     }),
	     waitpid(result, NULL, 0));
	/* exec fails with the old image intact, or, past the point of no return, ends the child. */
	EACH(({
		     pid_t pid = vfork();
		     if (pid == 0) {
			     execve("/proc/self/exe", argv, argv + 2);
			     _exit(errno == ENOMEM ? 0 : 1);
		     }
		     pid;
	     }),
	     ({
		     int s = status_of(result);
		     CHECK(s == 0 || WIFSIGNALED(s));
	     }));
}
HELPER(leave)
{
	return 0;
}

/* Frames that are not the kernel's own, or are a slab's, once the caches have given back what they can. */
static long frames_left(void)
{
	static const char *const kinds[] = {"nr_free_pages ", "nr_anon_pages ",
					    "nr_slab_unreclaimable ", "nr_page_table_pages "};
	static char text[8192];
	long sum = 0;

	spit("/proc/sys/vm/drop_caches", "3\n");
	REQUIRE(slurp("/proc/vmstat", text, sizeof(text)) > 0);
	for (int i = 0; i < 4; i++) {
		char *at = strstr(text, kinds[i]);

		REQUIRE(at);
		sum += atol(at + strlen(kinds[i]));
	}
	return sum;
}

/* A fork that fails takes nothing, however many processes there are: now and then the next kernel's stack is to have
 * a page table of its own. */
#define CROWD 80
TEST_FOR(120, crowd)
{
	pid_t pids[CROWD];

	begin();
	for (int held = 1; held <= CROWD; held++) {
		pid_t one = pids[held - 1] = fork();
		long before;

		REQUIRE(one >= 0);
		if (one == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			sleep_long(NULL);
		}
		before = frames_left();
		for (int n = 1; held >= 50 && n <= 30; n++) {
			long gone;
			pid_t pid;

			arm(n);
			pid = fork();
			if (pid == 0)
				_exit(0);
			arm(0);
			if (pid > 0)
				EQ(status_of(pid), 0);
			gone = before - frames_left();
			for (int naps = 0; naps < 20 && gone; naps++) {
				sleep_ms(50);
				gone = before - frames_left();
			}
			if (gone) {
				say("# beside %d processes, allocation %d: %ld frames are gone",
				    held, n, gone);
				tap_failed = 1;
			}
		}
	}
	for (int i = 0; i < CROWD; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

/* Two threads, one of which executes a program, and a table of descriptors that a second process uses, whose
 * array a third one has. The n-th allocation fails. */
static void exec_in_company(int n)
{
	char *const argv[] = {"prog", "--leave", NULL};

	open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	start(sleep_long, NULL);
	if (syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0 || fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sleep_long(NULL);
	}
	arm(n);
	execve("/proc/self/exe", argv, argv + 2);
	arm(0);
	EQ(errno, ENOMEM);
	/* The others are still there. */
	EQ(value_of("/proc/self/status", "Threads"), 2);
	_exit(tap_failed);
}

/* The process goes on where it was, or the program runs, whatever becomes of that. */
TEST_FOR(120, exec_by_a_thread)
{
	bool more = true;

	begin();
	for (int n = 1; more && n < 500; n++) {
		char path[64], comm[64] = "";
		siginfo_t info = {0};
		pid_t p = fork();

		if (p == 0)
			exec_in_company(n);
		EQ(waitid(P_PID, p, &info, WEXITED | WNOWAIT), 0);
		more = fired();
		arm(0);
		snprintf(path, sizeof(path), "/proc/%d/comm", p);
		slurp(path, comm, sizeof(comm));
		if (info.si_code == CLD_EXITED)
			EQ(info.si_status, 0);
		else
			EQ(strcmp(comm, "exe\n"), 0);
		waitpid(p, NULL, 0);
	}
}

TEST(signals)
{
	union sigval v = {.sival_int = 5};
	sigset_t set;

	begin();
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* A queue that cannot grow says EAGAIN, not ENOMEM. */
	EACH(sigqueue(getpid(), SIGRTMIN, v) == 0 ? 0
	     : errno == EAGAIN			  ? (errno = ENOMEM, -1)
						  : -2,
	     sigtimedwait(&set, NULL, &(struct timespec){0, 0}));
}

TEST(looking)
{
	static const char *const files[] = {
	    "/proc/self/stat",	  "/proc/self/status",
	    "/proc/self/maps",	  "/proc/self/smaps",
	    "/proc/self/cmdline", "/proc/self/limits",
	    "/proc/self/mounts",  "/proc/self/pagemap",
	    "/proc/meminfo",	  "/proc/vmstat",
	    "/proc/cpuinfo",	  "/proc/slabinfo",
	    "/proc/self/mem",	  "/proc/kpageflags",
	    "/proc/self/environ", "/sys/devices/system/cpu/online",
	};
	int fd, dir;

	begin();
	memset(buf, 1, sizeof(buf));
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		EACH(open(files[i], O_RDONLY), close(result));
		if (strstr(files[i], "/mem") == files[i] + 10)
			continue;
		/* A read that is cut off by a failure has given what it had: the next one goes on.
		 */
		EACH(({
			     long r = -1;
			     fd = open(files[i], O_RDONLY);
			     if (fd >= 0) {
				     int e;
				     r = read(fd, buf, sizeof(buf));
				     e = errno;
				     close(fd);
				     errno = e;
			     }
			     r;
		     }), );
	}
	dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	EACH(syscall(SYS_getdents64, dir, buf, 4096), lseek(dir, 0, SEEK_SET));
	EACH(mount("proc", "/tmp", "proc", 0, NULL), umount("/tmp"));
	EACH(mount("none", "/tmp", "tmpfs", 0, NULL), umount("/tmp"));
}

/* A connection to l, or what the call that failed says. */
static int connection(int l, int port)
{
	int c = l < 0 ? socket(AF_UNIX, SOCK_STREAM, 0) : socket(AF_INET, SOCK_STREAM, 0), err;

	if (c < 0)
		return c;
	err = l < 0 ? unix_connect(c, "@failing") : connect_at(c, at4("127.0.0.1", port));
	if (!err)
		return c;
	close(c);
	return err;
}

TEST(sockets)
{
	int p[2], got[2], l, c, port;
	const char *dir = where();
	char name[80];

	begin();
	EACH(socket(AF_UNIX, SOCK_DGRAM, 0), close(result));
	EACH(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p), close(p[0]); close(p[1]));
	PAIR(p, SOCK_STREAM);
	EACH(send(p[0], buf, 100, 0), EQ(recv(p[1], buf, 100, MSG_WAITALL), 100));
	EACH(send(p[0], buf, 9000, 0), EQ(recv(p[1], buf, result, MSG_WAITALL), result));
	EACH(send_fds(p[0], p, 2), EQ(recv_fds(p[1], got, 2, 0, NULL), 2); close(got[0]);
	     close(got[1]));
	for (int i = 0; i < 2; i++)
		close(p[i]);
	snprintf(name, sizeof(name), "%s/socket", dir);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	EACH(unix_bind(l, name), close(l); unlink(name); l = socket(AF_UNIX, SOCK_STREAM, 0));
	EACH(unix_bind(l, "@failing"), close(l); l = socket(AF_UNIX, SOCK_STREAM, 0));
	EQ(unix_bind(l, "@failing"), 0);
	EQ(listen(l, 5), 0);
	EACH(connection(-1, 0), close(accept(l, NULL, NULL)); close(result));
	c = connection(-1, 0);
	EACH(accept(l, NULL, NULL), close(result); close(c); c = connection(-1, 0));
	close(c);
	close(l);
	l = listener(at4("127.0.0.1", 0), 5);
	port = port_of(l, false);
	EACH(connection(l, port), close(accept(l, NULL, NULL)); close(result));
	close(l);
	leave(dir);
}
