/* A table of calls with what is wrong in them, and the errno that Linux gives. */
#include "tap.h"
#include <sched.h>

struct row {
	const char *what;
	int nr;
	long a[6];
	int err;
};

static long data[64];

#define P(x) ((long)(x))
#define BAD  8 /* no user page there */

static const char *const long_name = "/tmp/"
				     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void run(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		long got = syscall(r->nr, r->a[0], r->a[1], r->a[2], r->a[3], r->a[4], r->a[5]);

		if (got != -1 || errno != r->err) {
			say("# %s: %ld, errno %d (%s), not %d (%s)", r->what, got,
			    got == -1 ? errno : 0, got == -1 ? strerror(errno) : "", r->err,
			    strerror(r->err));
			tap_failed = 1;
		}
	}
}

#define R(nr, args, err)                                  \
	{                                                 \
#nr " " #args, SYS_##nr, UNWRAP args, err \
	}
#define UNWRAP(...)         \
	{                   \
		__VA_ARGS__ \
	}

TEST(descriptors)
{
	const struct row rows[] = {
	    R(read, (-1, P(data), 1), EBADF),
	    R(read, (12345, P(data), 1), EBADF),
	    R(write, (-1, P(data), 1), EBADF),
	    R(close, (-1), EBADF),
	    R(fstat, (-1, P(data)), EBADF),
	    R(lseek, (-1, 0, 0), EBADF),
	    R(ioctl, (-1, 0, 0), EBADF),
	    R(pread64, (-1, P(data), 1, 0), EBADF),
	    R(pwrite64, (-1, P(data), 1, 0), EBADF),
	    R(readv, (-1, P(data), 1), EBADF),
	    R(writev, (-1, P(data), 1), EBADF),
	    R(dup, (-1), EBADF),
	    R(dup2, (-1, 5), EBADF),
	    R(dup3, (-1, 5, 0), EBADF),
	    R(fcntl, (-1, F_GETFL, 0), EBADF),
	    R(fsync, (-1), EBADF),
	    R(fdatasync, (-1), EBADF),
	    R(ftruncate, (-1, 0), EBADF),
	    R(getdents64, (-1, P(data), 100), EBADF),
	    R(fchdir, (-1), EBADF),
	    R(fchmod, (-1, 0), EBADF),
	    R(fchown, (-1, 0, 0), EBADF),
	    R(openat, (-1, P("x"), O_RDONLY), EBADF),
	    R(mkdirat, (-1, P("x"), 0), EBADF),
	    R(unlinkat, (-1, P("x"), 0), EBADF),
	    R(newfstatat, (-1, P("x"), P(data), 0), EBADF),
	    R(mmap, (0, 4096, PROT_READ, MAP_PRIVATE, -1, 0), EBADF),
	    R(ioctl, (open("/dev/null", O_RDONLY), 0x5401, P(data)), ENOTTY),
	};
	run(rows, sizeof(rows) / sizeof(*rows));
}

TEST(bad_addresses)
{
	int zero = open("/dev/zero", O_RDWR);
	const struct row rows[] = {
	    R(read, (zero, BAD, 1), EFAULT),
	    R(stat, (P("/"), BAD), EFAULT),
	    R(stat, (BAD, P(data)), EFAULT),
	    R(fstat, (zero, BAD), EFAULT),
	    R(lstat, (P("/"), BAD), EFAULT),
	    R(open, (BAD, O_RDONLY), EFAULT),
	    R(openat, (AT_FDCWD, BAD, O_RDONLY), EFAULT),
	    R(readv, (zero, BAD, 1), EFAULT),
	    R(pipe, (BAD), EFAULT),
	    R(pipe2, (BAD, 0), EFAULT),
	    R(poll, (BAD, 1, 0), EFAULT),
	    R(nanosleep, (BAD, 0), EFAULT),
	    R(clock_gettime, (CLOCK_MONOTONIC, BAD), EFAULT),
	    R(clock_nanosleep, (CLOCK_MONOTONIC, 0, BAD, 0), EFAULT),
	    R(gettimeofday, (BAD, 0), EFAULT),
	    R(getrusage, (RUSAGE_SELF, BAD), EFAULT),
	    R(uname, (BAD), EFAULT),
	    R(sysinfo, (BAD), EFAULT),
	    R(times, (BAD), EFAULT),
	    R(getcwd, (BAD, 100), EFAULT),
	    R(chdir, (BAD), EFAULT),
	    R(mkdir, (BAD, 0), EFAULT),
	    R(rmdir, (BAD), EFAULT),
	    R(unlink, (BAD), EFAULT),
	    R(rename, (BAD, P("/tmp/x")), EFAULT),
	    R(link, (P("/"), BAD), EFAULT),
	    R(symlink, (BAD, P("/tmp/x")), EFAULT),
	    R(readlink, (P("/proc/self"), BAD, 10), EFAULT),
	    R(rt_sigaction, (SIGUSR1, BAD, 0, 8), EFAULT),
	    R(rt_sigaction, (SIGUSR1, 0, BAD, 8), EFAULT),
	    R(rt_sigprocmask, (SIG_BLOCK, BAD, 0, 8), EFAULT),
	    R(rt_sigpending, (BAD, 8), EFAULT),
	    R(rt_sigsuspend, (BAD, 8), EFAULT),
	    R(sigaltstack, (BAD, 0), EFAULT),
	    R(getitimer, (0, BAD), EFAULT),
	    R(getrlimit, (RLIMIT_NOFILE, BAD), EFAULT),
	    R(prlimit64, (0, RLIMIT_NOFILE, BAD, 0), EFAULT),
	    R(execve, (BAD, 0, 0), EFAULT),
	    R(getrandom, (BAD, 10, 0), EFAULT),
	    R(getdents64, (open("/", O_RDONLY), BAD, 1000), EFAULT),
	    R(sched_getaffinity, (0, 128, BAD), EFAULT),
	    R(clone3, (BAD, 88), EFAULT),
	    R(utimensat, (AT_FDCWD, P("/"), BAD, 0), EFAULT),
	    R(mincore, (P(data) & -4096, 4096, BAD), EFAULT),
	};
	run(rows, sizeof(rows) / sizeof(*rows));
}

TEST(bad_values)
{
	const struct row rows[] = {
	    R(rt_sigaction, (SIGUSR1, 0, 0, 4), EINVAL),
	    R(rt_sigaction, (0, P(data), 0, 8), EINVAL),
	    R(rt_sigprocmask, (0, 0, 0, 4), EINVAL),
	    R(rt_sigprocmask, (9, P(data), 0, 8), EINVAL),
	    R(rt_sigsuspend, (P(data), 4), EINVAL),
	    R(kill, (0, 100), EINVAL),
	    R(kill, (123456, 0), ESRCH),
	    R(tkill, (0, 0), EINVAL),
	    R(tgkill, (0, 1, 0), EINVAL),
	    R(wait4, (-1, 0, 0x4000, 0), EINVAL),
	    R(wait4, (-1, 0, 0, 0), ECHILD),
	    R(getrusage, (7, P(data)), EINVAL),
	    R(getrlimit, (99, P(data)), EINVAL),
	    R(getpriority, (9, 0), EINVAL),
	    R(setpriority, (9, 0, 0), EINVAL),
	    R(getitimer, (9, P(data)), EINVAL),
	    R(clock_gettime, (99, P(data)), EINVAL),
	    R(clock_getres, (99, P(data)), EINVAL),
	    R(setpgid, (0, -1), EINVAL),
	    R(getpgid, (123456), ESRCH),
	    R(getsid, (123456), ESRCH),
	    R(getrandom, (P(data), 8, 0x100), EINVAL),
	    R(pipe2, (P(data), 1), EINVAL),
	    R(dup3, (1, 1, 0), EINVAL),
	    R(lseek, (0, 0, 77), EINVAL),
	    R(mprotect, (1, 4096, 0), EINVAL),
	    R(munmap, (1, 4096), EINVAL),
	    R(madvise, (1, 4096, 0), EINVAL),
	    R(mremap, (1, 4096, 4096, 0), EINVAL),
	    R(msync, (1, 4096, 0), EINVAL),
	    R(mincore, (1, 4096, P(data)), EINVAL),
	    R(access, (P("/"), 8), EINVAL),
	    R(readlink, (P("/proc/self"), P(data), 0), EINVAL),
	    R(arch_prctl, (1, 0), EINVAL),
	    R(prctl, (12345, 0), EINVAL),
	    R(reboot, (0, 0, 0, 0), EINVAL),
	    R(sched_setscheduler, (0, 99, P(data)), EINVAL),
	    R(sched_get_priority_max, (99), EINVAL),
	    R(unlinkat, (AT_FDCWD, P("/x"), 0x8000), EINVAL),
	    R(newfstatat, (AT_FDCWD, P("/"), P(data), 0x80000), EINVAL),
	    R(clone, (CLONE_THREAD, 0, 0, 0, 0), EINVAL),
	    R(syslog, (99, 0, 0), EINVAL),
	    R(umount2, (P("/"), 0x1000), EINVAL),
	};
	run(rows, sizeof(rows) / sizeof(*rows));
}

TEST(names)
{
	const struct row rows[] = {
	    R(open, (P(""), O_RDONLY), ENOENT),
	    R(open, (P("/none"), O_RDONLY), ENOENT),
	    R(open, (P("/none/x"), O_CREAT, 0600), ENOENT),
	    R(open, (P(long_name), O_CREAT, 0600), ENAMETOOLONG),
	    R(open, (P("/proc/self/exe/x"), O_RDONLY), ENOTDIR),
	    R(open, (P("/tmp"), O_WRONLY), EISDIR),
	    R(mkdir, (P("/"), 0755), EEXIST),
	    R(mkdir, (P("/tmp"), 0755), EEXIST),
	    R(rmdir, (P("/none")), ENOENT),
	    R(rmdir, (P("/")), EBUSY),
	    R(unlink, (P("/tmp")), EISDIR),
	    R(unlink, (P("/none")), ENOENT),
	    R(rename, (P("/none"), P("/tmp/x")), ENOENT),
	    R(rename, (P("/proc/uptime"), P("/tmp/x")), EXDEV),
	    R(link, (P("/proc/uptime"), P("/tmp/x")), EXDEV),
	    R(readlink, (P("/tmp"), P(data), 10), EINVAL),
	    R(chdir, (P("/none")), ENOENT),
	    R(chmod, (P("/none"), 0), ENOENT),
	    R(truncate, (P("/none"), 0), ENOENT),
	    R(truncate, (P("/tmp"), 0), EISDIR),
	    R(stat, (P("/none"), P(data)), ENOENT),
	    R(execve, (P("/none"), 0, 0), ENOENT),
	    R(execve, (P("/tmp"), 0, 0), EACCES),
	    R(mount, (P("x"), P("/none"), P("proc"), 0, 0), ENOENT),
	    R(mount, (P("x"), P("/tmp"), P("nosuchfs"), 0, 0), ENODEV),
	    R(umount2, (P("/tmp"), 0), EINVAL),
	    R(open, (P("/proc/uptime"), O_CREAT | O_EXCL, 0600), EEXIST),
	    R(open, (P("/proc/none"), O_CREAT | O_RDWR, 0600), ENOENT),
	};
	run(rows, sizeof(rows) / sizeof(*rows));
}

/* Numbers that no kernel has, and those that Linux has and keeps empty. */
TEST(unknown_numbers_are_enosys)
{
	static const long numbers[] = {-1,
				       500,
				       511,
				       1000,
				       4096,
				       1l << 20,
				       1l << 31,
				       -4096,
				       174 /* create_module */,
				       177,
				       178,
				       180,
				       183 /* afs_syscall */,
				       184,
				       185,
				       236 /* vserver */};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		FAILS(syscall(numbers[i], 1, 2, 3, 4, 5, 6), ENOSYS);
	for (long n = 460; n < 512; n++)
		FAILS(syscall(n, 0, 0, 0, 0, 0, 0), ENOSYS);
}

TEST(failed_calls_change_nothing)
{
	int fds[2] = {-7, -7};
	struct rlimit small = {8, 8};

	close(open("/dev/null", O_RDONLY));
	JOIN(CHILD(EQ(setrlimit(RLIMIT_NOFILE, &small), 0); int n = 0; while (dup(1) >= 0) n++;
		   CHECK(n > 0); FAILS(dup(1), EMFILE); FAILS(pipe(fds), EMFILE); EQ(fds[0], -7);
		   FAILS(open("/", O_RDONLY), EMFILE); close(7); FAILS(pipe(fds), EMFILE);
		   EQ(dup(1), 7)));
}
