/* Advisory locks: flock(2), and record locks by process and by open file. */
#include "tap.h"
#include <sys/file.h>

#define NAME "/tmp/locks-test"

static int fresh(void)
{
	int fd = open(NAME, O_CREAT | O_TRUNC | O_RDWR, 0644);

	REQUIRE(fd >= 0);
	return fd;
}

/* fcntl's answer, or minus errno. */
static int record(int fd, int cmd, int type, long start, long len)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return fcntl(fd, cmd, &l) < 0 ? -errno : 0;
}

/* The same asked by a child. */
static int by_child(int fd, int type, long start, long len)
{
	int status;
	pid_t child = fork();

	REQUIRE(child >= 0);
	if (!child)
		_exit(-record(fd, F_SETLK, type, start, len));
	REQUIRE(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return -WEXITSTATUS(status);
}

TEST(flock_shared_and_exclusive)
{
	int a = fresh(), b = open(NAME, O_RDWR), c;

	EQ(flock(a, LOCK_SH), 0);
	EQ(flock(b, LOCK_SH | LOCK_NB), 0);
	FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	EQ(flock(a, LOCK_UN), 0);
	EQ(flock(b, LOCK_EX | LOCK_NB), 0);
	c = dup(b);
	close(b);
	FAILS(flock(a, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	close(c);
	EQ(flock(a, LOCK_SH | LOCK_NB), 0);
	FAILS(flock(a, 0), EINVAL);
	FAILS(flock(99, LOCK_SH), EBADF);
	unlink(NAME);
}

TEST(records_conflict_where_they_overlap)
{
	int fd = fresh();

	EQ(record(fd, F_SETLK, F_WRLCK, 10, 10), 0);
	EQ(by_child(fd, F_WRLCK, 0, 10), 0);
	EQ(by_child(fd, F_RDLCK, 0, 11), -EAGAIN);
	EQ(by_child(fd, F_RDLCK, 19, 1), -EAGAIN);
	EQ(by_child(fd, F_WRLCK, 20, 0), 0);
	EQ(record(fd, F_SETLK, F_RDLCK, 10, 10), 0);
	EQ(by_child(fd, F_RDLCK, 0, 0), 0);
	EQ(by_child(fd, F_WRLCK, 15, 1), -EAGAIN);
	unlink(NAME);
}

TEST(records_split)
{
	int fd = fresh();

	EQ(record(fd, F_SETLK, F_WRLCK, 0, 100), 0);
	EQ(record(fd, F_SETLK, F_UNLCK, 40, 20), 0);
	EQ(by_child(fd, F_WRLCK, 40, 20), 0);
	EQ(by_child(fd, F_WRLCK, 39, 1), -EAGAIN);
	EQ(by_child(fd, F_WRLCK, 60, 1), -EAGAIN);
	EQ(record(fd, F_SETLK, F_UNLCK, 0, 0), 0);
	EQ(by_child(fd, F_WRLCK, 0, 0), 0);
	unlink(NAME);
}

TEST(the_holder_is_named)
{
	int fd = fresh(), status;
	pid_t child;

	EQ(record(fd, F_SETLK, F_WRLCK, 5, 0), 0);
	child = fork();
	if (!child) {
		struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

		EQ(fcntl(fd, F_GETLK, &l), 0);
		EQ(l.l_type, F_WRLCK);
		EQ(l.l_start, 5);
		EQ(l.l_len, 0);
		EQ(l.l_pid, getppid());
		_exit(tap_failed);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	EQ(status, 0);
	unlink(NAME);
}

TEST(any_close_drops_the_records)
{
	int fd = fresh();

	EQ(record(fd, F_SETLK, F_WRLCK, 0, 0), 0);
	EQ(by_child(fd, F_WRLCK, 0, 0), -EAGAIN);
	close(open(NAME, O_RDONLY));
	EQ(by_child(fd, F_WRLCK, 0, 0), 0);
	unlink(NAME);
}

/* One that has its descriptors in common with another leaves no locks behind. */
TEST(dead_sharers_locks_go)
{
	int fd = fresh(), status;
	pid_t p = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (!p)
		_exit(-record(fd, F_SETLK, F_WRLCK, 0, 10));
	REQUIRE(waitpid(p, &status, 0) == p);
	EQ(status, 0);
	close(fd);
	fd = open(NAME, O_RDWR);
	EQ(by_child(fd, F_WRLCK, 0, 10), 0);
	unlink(NAME);
}

TEST(a_waiter_gets_it)
{
	int fd = fresh(), status;
	pid_t child;

	EQ(record(fd, F_SETLK, F_WRLCK, 0, 0), 0);
	child = fork();
	if (!child)
		_exit(-record(fd, F_SETLKW, F_WRLCK, 0, 0));
	usleep(50000);
	EQ(waitpid(child, &status, WNOHANG), 0);
	EQ(record(fd, F_SETLK, F_UNLCK, 0, 0), 0);
	REQUIRE(waitpid(child, &status, 0) == child);
	EQ(status, 0);
	unlink(NAME);
}

TEST(open_file_locks)
{
	int a = fresh(), b = open(NAME, O_RDWR);

	EQ(record(a, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
	EQ(record(b, F_OFD_SETLK, F_RDLCK, 0, 1), -EAGAIN);
	close(open(NAME, O_RDONLY));
	EQ(record(b, F_OFD_SETLK, F_RDLCK, 0, 1), -EAGAIN);
	close(a);
	EQ(record(b, F_OFD_SETLK, F_RDLCK, 0, 1), 0);
	unlink(NAME);
}

TEST(refusals)
{
	int fd = fresh(), ro = open(NAME, O_RDONLY);

	EQ(record(fd, F_SETLK, 7, 0, 0), -EINVAL);
	EQ(record(fd, F_SETLK, F_WRLCK, -5, 0), -EINVAL);
	EQ(record(fd, F_SETLK, F_WRLCK, 5, -3), 0);
	EQ(record(fd, F_SETLK, F_WRLCK, 5, -8), -EINVAL);
	EQ(record(ro, F_SETLK, F_WRLCK, 0, 0), -EBADF);
	EQ(record(99, F_SETLK, F_WRLCK, 0, 0), -EBADF);
	FAILS(fcntl(fd, F_SETLK, (void *)1), EFAULT);
	unlink(NAME);
}
