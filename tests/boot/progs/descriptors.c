/* Descriptors over fork: parent and child begin with the same ones, and neither sees what the other does. */
#include "tap.h"
#include <sys/ioctl.h>
#include <sys/resource.h>

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Ends the child's turn or the parent's: one byte through a pipe each way. */
static int to_child[2], to_parent[2];

static void turns(void)
{
	REQUIRE(!pipe(to_child) && !pipe(to_parent));
}

static void pass(int *p)
{
	EQ(write(p[1], "x", 1), 1);
}

static void await(int *p)
{
	char c;

	EQ(read(p[0], &c, 1), 1);
}

TEST(what_the_child_closes_stays_open_in_the_parent)
{
	int fd = open("/dev/null", O_RDWR);
	pid_t pid;

	turns();
	pid = CHILD(EQ(close(fd), 0); CHECK(!is_open(fd)); pass(to_parent); await(to_child);
		    CHECK(!is_open(fd)));
	await(to_parent);
	CHECK(is_open(fd));
	EQ(write(fd, "x", 1), 1);
	pass(to_child);
	JOIN(pid);
	CHECK(is_open(fd));
}

TEST(what_the_parent_changes_the_child_does_not_see)
{
	int fd = open("/dev/null", O_RDWR), other;
	pid_t pid;

	turns();
	pid = CHILD(await(to_child); CHECK(is_open(fd)); EQ(fcntl(fd, F_GETFD), 0);
		    CHECK(!is_open(500)); EQ(dup(fd), fd + 5); pass(to_parent));
	EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
	other = dup2(fd, 500);
	EQ(other, 500);
	pass(to_child);
	await(to_parent);
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(is_open(500));
	JOIN(pid);
}

TEST(offsets_are_shared_all_the_same)
{
	int fd = open("/tmp/offsets", O_RDWR | O_CREAT | O_TRUNC, 0644);

	REQUIRE(fd >= 0);
	EQ(write(fd, "abcdef", 6), 6);
	JOIN(CHILD(EQ(lseek(fd, 2, SEEK_SET), 2)));
	EQ(lseek(fd, 0, SEEK_CUR), 2);
	unlink("/tmp/offsets");
}

/* Who inherits a file appends to it where the others stopped, whether or not they run at once. */
TEST(writers_of_one_file_take_turns)
{
	enum { WRITERS = 4, LINES = 500, LENGTH = 16 };
	int fd = open("/tmp/turns", O_RDWR | O_CREAT | O_TRUNC, 0644), seen[WRITERS] = {0};
	pid_t pids[WRITERS];
	char line[LENGTH + 1];

	REQUIRE(fd >= 0);
	for (int i = 0; i < WRITERS; i++) {
		memset(line, 'a' + i, LENGTH);
		pids[i] =
		    CHILD(for (int n = 0; n < LINES; n++) EQ(write(fd, line, LENGTH), LENGTH));
	}
	for (int i = 0; i < WRITERS; i++)
		JOIN(pids[i]);
	EQ(lseek(fd, 0, SEEK_CUR), WRITERS * LINES * LENGTH);
	EQ(lseek(fd, 0, SEEK_SET), 0);
	for (int n = 0; n < WRITERS * LINES; n++) {
		EQ(read(fd, line, LENGTH), LENGTH);
		REQUIRE(line[0] >= 'a' && line[0] < 'a' + WRITERS);
		for (int i = 1; i < LENGTH; i++)
			EQ(line[i], line[0]);
		seen[line[0] - 'a']++;
	}
	for (int i = 0; i < WRITERS; i++)
		EQ(seen[i], LINES);
	unlink("/tmp/turns");
}

TEST(the_last_writer_of_a_pipe_counts)
{
	int p[2];
	pid_t a, b;
	char c;

	turns();
	REQUIRE(!pipe(p));
	a = CHILD(close(to_child[1]);
		  await(to_child)); /* holds p[1], and never changes a thing... */
	b = CHILD(close(p[0]); EQ(write(p[1], "b", 1), 1));
	JOIN(b);
	EQ(close(p[1]), 0);
	EQ(read(p[0], &c, 1), 1);
	EQ(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	FAILS(read(p[0], &c, 1), EAGAIN); /* ...so that the pipe has a writer */
	pass(to_child);
	JOIN(a);
	EQ(read(p[0], &c, 1), 0);
}

TEST(chains_and_siblings_end_in_any_order)
{
	pid_t pids[20];
	int p[2];
	char c;

	REQUIRE(!pipe(p));
	for (int i = 0; i < 20; i++)
		pids[i] = CHILD(if (i % 3 == 0) close(p[0]); if (i % 3 == 1) dup2(p[1], 300 + i);
				JOIN(CHILD(EQ(write(p[1], "x", 1), 1); close(p[1]);)));
	EQ(close(p[1]), 0);
	for (int i = 19; i >= 0; i -= 2)
		JOIN(pids[i]);
	for (int i = 0; i < 20; i += 2)
		JOIN(pids[i]);
	for (int i = 0; i < 20; i++)
		EQ(read(p[0], &c, 1), 1);
	EQ(read(p[0], &c, 1), 0);
}

TEST(a_thousand_are_inherited_and_close_on_exec_still_works)
{
	struct rlimit limit = {1100, 1100};
	int fd = open("/dev/null", O_RDWR);

	REQUIRE(!setrlimit(RLIMIT_NOFILE, &limit));
	for (int i = 100; i < 1100; i++)
		EQ(dup3(fd, i, i % 2 ? O_CLOEXEC : 0), i);
	JOIN(CHILD(for (int i = 100; i < 1100; i++) CHECK(is_open(i)); FAILS(dup2(fd, 1100), EBADF);
		   EQ(close(1099), 0); EQ(dup2(fd, 1099), 1099)));
	EQ(fcntl(1099, F_GETFD), FD_CLOEXEC);
	JOIN(CHILD(execl("/bin/busybox", "sh", "-c",
			 "[ -e /proc/self/fd/100 ] && ! [ -e /proc/self/fd/101 ]", NULL);
		   _exit(errno == ENOENT ? EXIT_SKIP : 1)));
	for (int i = 100; i < 1100; i++)
		CHECK(is_open(i));
}

TEST(record_locks_are_the_process_s_own)
{
	struct flock whole = {.l_type = F_WRLCK}, seen;
	int fd = open("/tmp/locked", O_RDWR | O_CREAT, 0644);

	REQUIRE(fd >= 0);
	EQ(fcntl(fd, F_SETLK, &whole), 0);
	/* a child that ends with the same descriptors drops nothing of its parent's... */
	JOIN(CHILD());
	JOIN(CHILD(seen = whole; EQ(fcntl(fd, F_GETLK, &seen), 0); EQ(seen.l_type, F_WRLCK);
		   EQ(seen.l_pid, getppid())));
	EQ(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_UNLCK}), 0);
	/* ...and takes its own with it, although others have the file open still */
	JOIN(CHILD(EQ(fcntl(fd, F_SETLK, &whole), 0)));
	EQ(fcntl(fd, F_SETLK, &whole), 0);
	unlink("/tmp/locked");
}

/* Each allocation of a child's that changes a shared table fails once: an errno, and all is as it was. */
TEST(memory_runs_out_at_any_step)
{
	int fd = open("/dev/null", O_RDWR);

	if (!on_calf())
		SKIP("needs /proc/sys/vm/fail_nth");
	for (int op = 0; op < 4; op++) {
		for (int k = 1; k < 6; k++) {
			char text[16];
			int knob, n = 0;

			snprintf(text, sizeof(text), "%d", k);
			knob = open("/proc/sys/vm/fail_nth", O_WRONLY);
			REQUIRE(knob >= 0);
			n = status_of(CHILD(int r;
					    if (write(knob, text, strlen(text)) < 0) _exit(1);
					    r = op == 0	  ? close(fd)
						: op == 1 ? dup2(fd, 200)
						: op == 2 ? fcntl(fd, F_SETFD, FD_CLOEXEC)
							  : dup(fd);
					    if (r < 0 && errno != ENOMEM) _exit(2);
					    if (write(knob, "0", 1) != 1) _exit(3);
					    if (r < 0 && !is_open(fd)) _exit(4)));
			close(knob);
			if (WIFEXITED(n)) /* else out of memory killed it, in a page fault */
				EQ(WEXITSTATUS(n), 0);
			else
				EQ(WTERMSIG(n), SIGKILL);
			CHECK(is_open(fd) && !is_open(200));
		}
	}
}

TEST(owner_and_signal_are_kept)
{
	int p[2], on = 1, null = open("/dev/null", O_RDWR);

	REQUIRE(!pipe(p));
	EQ(syscall(SYS_fcntl, p[0], F_GETOWN), 0);
	EQ(syscall(SYS_fcntl, p[0], F_SETOWN, getpid()), 0);
	EQ(syscall(SYS_fcntl, p[0], F_GETOWN), getpid());
	EQ(syscall(SYS_fcntl, p[0], F_SETOWN, 0), 0);
	EQ(syscall(SYS_fcntl, p[0], F_GETOWN), 0);
	FAILS(syscall(SYS_fcntl, p[0], F_SETOWN, 32000), ESRCH);
	EQ(fcntl(p[0], F_GETSIG), 0);
	EQ(fcntl(p[0], F_SETSIG, SIGUSR1), 0);
	EQ(fcntl(p[0], F_GETSIG), SIGUSR1);
	EQ(fcntl(p[0], F_SETSIG, 0), 0);
	FAILS(fcntl(p[0], F_SETSIG, 65), EINVAL);
	FAILS(ioctl(null, FIOASYNC, &on), ENOTTY);
}
