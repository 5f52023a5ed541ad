/*
 * What every test program is built on: tests register themselves, each runs in a child of its own
 * under a deadline, and each comes out as one TAP line. Lines go out by one write(2) each, so that
 * neither stdio's buffers nor the heap stand between a failing kernel and its message.
 */
#pragma once

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	  4096ul
#define MIB	  (1024ul * 1024)
#define EXIT_SKIP 77
#define SECONDS	  60 /* a test's time, where it does not ask for more */

struct tap_test {
	const char *name;
	void (*run)(void);
	unsigned seconds;
	unsigned pad;
	uint64_t align;
};

struct tap_helper {
	const char *name;
	int (*run)(int argc, char **argv);
};

/* A test, and one that may take longer than the rest. */
#define TEST_FOR(secs, id)                                                              \
	static void test_##id(void);                                                    \
	static const struct tap_test reg_##id                                           \
	    __attribute__((section("tap_tests"), used)) = {#id, test_##id, secs, 0, 0}; \
	static void test_##id(void)
#define TEST(id) TEST_FOR(SECONDS, id)

/* What the program does when it is executed as `prog --NAME args`. */
#define HELPER(id)                                                              \
	static int helper_##id(int argc, char **argv);                          \
	static const struct tap_helper hreg_##id                                \
	    __attribute__((section("tap_helpers"), used)) = {#id, helper_##id}; \
	static int helper_##id(int argc __attribute__((unused)),                \
			       char **argv __attribute__((unused)))

extern const struct tap_test __start_tap_tests[] __attribute__((weak));
extern const struct tap_test __stop_tap_tests[] __attribute__((weak));
extern const struct tap_helper __start_tap_helpers[] __attribute__((weak));
extern const struct tap_helper __stop_tap_helpers[] __attribute__((weak));

static volatile int tap_failed;
static char **tap_args;
static long tap_enough; /* now_ms() when the test in hand has done enough of what it repeats */

__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(1, line, n) != n)
		_exit(99);
}

/* Failing checks say so and let the test go on; REQUIRE ends it. */
#define CHECK(what)                                                                              \
	({                                                                                       \
		int e_ = errno;                                                                  \
		bool ok_ = (what);                                                               \
		if (!ok_) {                                                                      \
			tap_failed = 1;                                                          \
			say("# %s:%d: %s is false (errno %d, then %d)", __FILE_NAME__, __LINE__, \
			    #what, e_, errno);                                                   \
		}                                                                                \
		ok_;                                                                             \
	})
#define REQUIRE(what)             \
	do {                      \
		if (!CHECK(what)) \
			_exit(1); \
	} while (0)
#define EQ(got, want)                                                                     \
	({                                                                                \
		long g_ = (long)(got), w_ = (long)(want);                                 \
		if (g_ != w_) {                                                           \
			tap_failed = 1;                                                   \
			say("# %s:%d: %s is %ld (0x%lx), not %ld (0x%lx)", __FILE_NAME__, \
			    __LINE__, #got, g_, g_, w_, w_);                              \
		}                                                                         \
		g_ == w_;                                                                 \
	})
/* Within `slack` of `want`. */
#define NEAR(got, want, slack)                                                                 \
	({                                                                                     \
		long g_ = (long)(got), w_ = (long)(want);                                      \
		bool ok_ = g_ >= w_ - (long)(slack) && g_ <= w_ + (long)(slack);               \
		if (!ok_) {                                                                    \
			tap_failed = 1;                                                        \
			say("# %s:%d: %s is %ld, not %ld within %ld", __FILE_NAME__, __LINE__, \
			    #got, g_, w_, (long)(slack));                                      \
		}                                                                              \
		ok_;                                                                           \
	})
#define BETWEEN(got, low, high)                                                                   \
	({                                                                                        \
		long g_ = (long)(got), l_ = (long)(low), h_ = (long)(high);                       \
		bool ok_ = g_ >= l_ && g_ <= h_;                                                  \
		if (!ok_) {                                                                       \
			tap_failed = 1;                                                           \
			say("# %s:%d: %s is %ld, not in %ld..%ld", __FILE_NAME__, __LINE__, #got, \
			    g_, l_, h_);                                                          \
		}                                                                                 \
		ok_;                                                                              \
	})
/* The call fails with this errno. */
#define FAILS(call, err)                                                                 \
	({                                                                               \
		errno = 0;                                                               \
		long r_ = (long)(call);                                                  \
		int e_ = errno;                                                          \
		bool ok_ = r_ == -1 && e_ == (err);                                      \
		if (!ok_) {                                                              \
			tap_failed = 1;                                                  \
			say("# %s:%d: %s gives %ld, errno %d (%s), not errno %d (%s)",   \
			    __FILE_NAME__, __LINE__, #call, r_, e_, strerror(e_), (err), \
			    strerror(err));                                              \
		}                                                                        \
		ok_;                                                                     \
	})

#define SKIP(why)                       \
	do {                            \
		say("# skip: %s", why); \
		_exit(EXIT_SKIP);       \
	} while (0)

/* Runs the block in a child and hands out its pid; the child ends with 1 where a check failed. */
#define CHILD(...)                         \
	({                                 \
		pid_t p_ = fork();         \
		REQUIRE(p_ >= 0);          \
		if (p_ == 0) {             \
			tap_failed = 0;    \
			__VA_ARGS__;       \
			_exit(tap_failed); \
		}                          \
		p_;                        \
	})
/* Waits for it, and checks that it ended with status 0. */
#define JOIN(pid)                            \
	do {                                 \
		int s_ = 0;                  \
		pid_t j_ = (pid);            \
		EQ(waitpid(j_, &s_, 0), j_); \
		EQ(s_, 0);                   \
	} while (0)

/* Waits for it and returns the raw status. */
static inline int status_of(pid_t pid)
{
	int status = -1;

	EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static inline void *map_anon(size_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, MAP_ANONYMOUS | flags, -1, 0);

	REQUIRE(p != MAP_FAILED);
	return p;
}

static inline void *map_private(size_t len)
{
	return map_anon(len, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

/* Monotonic time in milliseconds. */
static inline long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * Several CPUs keep their host's time, and one that is late may only have been kept waiting; with one,
 * time is counted in instructions.
 */
static inline bool on_host_time(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

#define LATE (on_host_time() ? 1500 : 0) /* milliseconds that the host may be late with anything */

/*
 * Whether there is to be an i-th of n rounds. Where several CPUs are more than the host has to spare, a
 * round of theirs takes as long as the host likes: then half of the test's time ends it, after ten.
 */
static inline bool goes_on(int i, int n)
{
	return i < n && (i < 10 || now_ms() < tap_enough);
}

static inline void sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* The whole of a file of /proc, with a NUL behind it; -1 where it cannot be read. */
static inline ssize_t slurp(const char *path, char *buf, size_t size)
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

/* The number behind `key` at the start of a line of that file; -1 where there is none. */
static inline long value_of(const char *path, const char *key)
{
	static char buf[65536];
	size_t n = strlen(key);

	if (slurp(path, buf, sizeof(buf)) < 0)
		return -1;
	for (char *line = buf; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		if (!strncmp(line, key, n))
			return strtol(line + n + strspn(line + n, ": \t"), NULL, 10);
	return -1;
}

#define LEVEL_AUTO 5

/* 0: fork copies at once; 1: copy-on-write, as on Linux, which has no such file; more: tables too. */
static inline int share_level(void)
{
	char buf[16];

	if (slurp("/proc/sys/vm/fork_share_level", buf, sizeof(buf)) <= 0)
		return 1;
	return buf[0] == 'a' ? LEVEL_AUTO : atoi(buf);
}

static inline bool on_calf(void)
{
	return access("/proc/sys/vm/fork_share_level", F_OK) == 0;
}

/* Has a task (0: the caller) run on this CPU alone: as sched_setaffinity(2). */
static inline int pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(pid, sizeof(set), &set);
}

/* Whether what can never be written can be read within so many milliseconds. */
static inline bool readable(int fd, int ms)
{
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};
	int n = poll(&p, 1, ms);

	REQUIRE(n >= 0);
	if (n)
		EQ(p.revents, POLLIN);
	return n;
}

static inline long minor_faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_minflt;
}

static inline void spit(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	REQUIRE(fd >= 0);
	EQ(write(fd, text, strlen(text)), (long)strlen(text));
	close(fd);
}

/* Waits for the child under the test's deadline; past it, kills it. True where it was late. */
static inline bool tap_await(pid_t pid, unsigned seconds, int *status)
{
	long deadline = now_ms() + seconds * 1000l;

	while (waitpid(pid, status, WNOHANG) == 0) {
		if (now_ms() > deadline) {
			kill(pid, SIGKILL);
			waitpid(pid, status, 0);
			return true;
		}
		sleep_ms(2);
	}
	return false;
}

/* Words with a `=` are options, the others name the tests that are wanted; none: all. */
static inline bool tap_wanted(const char *name, char **argv)
{
	bool all = true;

	while (*++argv) {
		if (strchr(*argv, '='))
			continue;
		if (!strcmp(*argv, name))
			return true;
		all = false;
	}
	return all;
}

/* The number that the program was given as `name=N`. */
static inline long tap_option(const char *name, long otherwise)
{
	size_t n = strlen(name);

	for (char **arg = tap_args + 1; *arg; arg++)
		if (!strncmp(*arg, name, n) && (*arg)[n] == '=')
			return strtol(*arg + n + 1, NULL, 0);
	return otherwise;
}

static inline unsigned tap_seconds(const struct tap_test *t)
{
	return on_host_time() ? 3 * t->seconds : t->seconds;
}

/* Runs one test in a process group of its own, and what it leaves behind is killed. */
static inline bool tap_run(const struct tap_test *t, int number)
{
	int status = 0;
	bool late;
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		tap_enough = now_ms() + t->seconds * 500l;
		t->run();
		_exit(tap_failed);
	}
	if (pid < 0) {
		say("not ok %d - %s", number, t->name);
		return false;
	}
	setpgid(pid, pid);
	late = tap_await(pid, tap_seconds(t), &status);
	kill(-pid, SIGKILL);
	if (late)
		say("# not done within %u s", tap_seconds(t));
	else if (WIFSIGNALED(status))
		say("# died of signal %d", WTERMSIG(status));
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP)
		say("ok %d - %s # SKIP", number, t->name);
	else
		say("%sok %d - %s", status ? "not " : "", number, t->name);
	return !status || (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP);
}

int main(int argc, char **argv)
{
	int number = 0, failed = 0;

	tap_args = argv;
	if (argc > 1 && !strncmp(argv[1], "--", 2)) {
		for (const struct tap_helper *h = __start_tap_helpers; h < __stop_tap_helpers; h++)
			if (!strcmp(argv[1] + 2, h->name))
				return h->run(argc - 1, argv + 1);
		say("# no helper %s", argv[1]);
		return 98;
	}
	for (const struct tap_test *t = __start_tap_tests; t < __stop_tap_tests; t++)
		if (tap_wanted(t->name, argv))
			failed += !tap_run(t, ++number);
	say("1..%d", number);
	return failed ? 1 : 0;
}
