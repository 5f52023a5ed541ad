/* vfork, clone, clone3 and posix_spawn. */
#include "tap.h"
#include <sched.h>
#include <spawn.h>

struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};

extern char **environ;

HELPER(status)
{
	return argc > 1 ? atoi(argv[1]) : 0;
}

HELPER(env)
{
	const char *v = getenv("SPAWNED");

	return v && !strcmp(v, "yes") ? 7 : 8;
}

static volatile int shared_word;

TEST(vfork_shares_memory_and_the_parent_waits)
{
	pid_t pid;

	shared_word = 1;
	pid = vfork();
	REQUIRE(pid >= 0);
	if (!pid) {
		sleep_ms(30);
		shared_word = 2;
		_exit(5);
	}
	EQ(shared_word, 2);
	EQ(status_of(pid), 5 << 8);
}

TEST(vfork_then_exec)
{
	pid_t pid = vfork();

	REQUIRE(pid >= 0);
	if (!pid) {
		execl("/proc/self/exe", "spawn", "--status", "9", NULL);
		_exit(127);
	}
	EQ(status_of(pid), 9 << 8);
}

TEST(vfork_costs_no_page)
{
	unsigned char *p = map_private(256 * PAGE);
	long before;
	pid_t pid;

	memset(p, 1, 256 * PAGE);
	before = minor_faults();
	pid = vfork();
	if (!pid)
		_exit(0);
	EQ(status_of(pid), 0);
	for (int i = 0; i < 256; i++)
		p[i * PAGE] = 2;
	NEAR(minor_faults() - before, 0, 4);
}

TEST(vfork_child_killed_releases_the_parent)
{
	pid_t pid = vfork();

	REQUIRE(pid >= 0);
	if (!pid) {
		kill(getpid(), SIGKILL);
		_exit(0);
	}
	EQ(status_of(pid), SIGKILL);
}

TEST(clone_as_fork)
{
	int *p = map_private(PAGE), status;
	pid_t pid;

	*p = 1;
	pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	REQUIRE(pid >= 0);
	if (!pid) {
		*p = 2;
		_exit(3);
	}
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 3 << 8);
	EQ(*p, 1);
}

TEST(clone_without_exit_signal_needs_wclone)
{
	int status = 0;
	pid_t pid = syscall(SYS_clone, 0, 0, 0, 0, 0);

	REQUIRE(pid >= 0);
	if (!pid)
		_exit(4);
	FAILS(waitpid(pid, &status, 0), ECHILD);
	EQ(waitpid(pid, &status, __WCLONE), pid);
	EQ(status, 4 << 8);
}

static int on_new_stack(void *arg)
{
	*(int *)arg = 6;
	return 11;
}

TEST(clone_with_a_stack_of_its_own)
{
	char *stack = map_private(16 * PAGE);
	int word = 0, status;
	pid_t pid = clone(on_new_stack, stack + 16 * PAGE, SIGCHLD, &word);

	REQUIRE(pid >= 0);
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 11 << 8);
	EQ(word, 0);
}

TEST(clone_vm_vfork)
{
	char *stack = map_private(16 * PAGE);
	int word = 0, status;
	pid_t pid = clone(on_new_stack, stack + 16 * PAGE, CLONE_VM | CLONE_VFORK | SIGCHLD, &word);

	REQUIRE(pid >= 0);
	EQ(word, 6);
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 11 << 8);
}

TEST(clone_files_and_fs)
{
	char *stack = map_private(16 * PAGE), cwd[64];
	int fd = open("/", O_RDONLY), status;
	pid_t pid;

	EQ(chdir("/"), 0);
	/* a copy of the memory, but one table of descriptors and one current folder */
	pid = syscall(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0);
	REQUIRE(pid >= 0);
	if (!pid) {
		close(fd);
		_exit(chdir("/tmp") ? 1 : 0);
	}
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 0);
	FAILS(fcntl(fd, F_GETFD), EBADF);
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/tmp"));
	(void)stack;
}

TEST(clone3_as_fork)
{
	int *words = map_private(PAGE), status;
	struct clone3_args args = {.flags = CLONE_CHILD_SETTID | CLONE_PARENT_SETTID,
				   .child_tid = (uint64_t)&words[0],
				   .parent_tid = (uint64_t)&words[1],
				   .exit_signal = SIGCHLD};
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));

	REQUIRE(pid >= 0);
	if (!pid)
		_exit(words[0] == getpid() ? 12 : 13);
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 12 << 8);
	EQ(words[0], 0);
	EQ(words[1], pid);
}

TEST(clone3_refusals)
{
	struct clone3_args args = {.exit_signal = SIGCHLD};

	FAILS(syscall(SYS_clone3, &args, 63), EINVAL);
	FAILS(syscall(SYS_clone3, NULL, sizeof(args)), EFAULT);
	args.exit_signal = 65;
	FAILS(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.exit_signal = SIGCHLD;
	args.flags = SIGCHLD;
	FAILS(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.flags = 0;
	args.stack = 4096;
	FAILS(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.stack = 0;
	args.stack_size = 4096;
	FAILS(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	FAILS(syscall(SYS_clone3, &args, 5000), E2BIG);
}

/* 128 + SIGUSR1 would be SIGUSR1 to whoever takes it modulo 64. */
TEST(clone_with_an_exit_signal_that_is_none)
{
	pid_t pid = syscall(SYS_clone, 128 + SIGUSR1, 0, 0, 0, 0);
	int status = 0;

	REQUIRE(pid >= 0);
	if (!pid)
		_exit(3);
	EQ(waitpid(pid, &status, __WCLONE), pid);
	EQ(status, 3 << 8);
}

TEST(clone_refusals)
{
	FAILS(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_clone, CLONE_SETTLS | SIGCHLD, 0, 0, 0, 1ul << 63), EPERM);
}

/* A tid that cannot be written does not undo the fork, as on Linux. */
TEST(clone_with_wild_tid_pointers)
{
	int status;
	pid_t pid =
	    syscall(SYS_clone, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, 0, 0, 8, 0);

	REQUIRE(pid >= 0);
	if (!pid)
		_exit(0);
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 0);
}

TEST(posix_spawn_with_actions)
{
	posix_spawn_file_actions_t actions;
	char *argv[] = {"spawn", "--env", NULL}, *env[] = {"SPAWNED=yes", NULL};
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 9, "/dev/null", O_WRONLY, 0);
	EQ(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, env), 0);
	EQ(status_of(pid), 7 << 8);
	EQ(posix_spawn(&pid, "/no/such/file", NULL, NULL, argv, env), ENOENT);
}

TEST(posix_spawn_attributes)
{
	posix_spawnattr_t attr;
	char *argv[] = {"spawn", "--status", "3", NULL};
	sigset_t set;
	pid_t pid;

	posix_spawnattr_init(&attr);
	sigfillset(&set);
	posix_spawnattr_setsigdefault(&attr, &set);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	EQ(posix_spawn(&pid, "/proc/self/exe", NULL, &attr, argv, environ), 0);
	EQ(status_of(pid), 3 << 8);
}

TEST(pids_do_not_repeat_at_once)
{
	pid_t last = 0;

	for (int i = 0; i < 50; i++) {
		pid_t pid = CHILD();

		CHECK(pid != last);
		last = pid;
		JOIN(pid);
	}
}
