/* What threads share: files, the place in the tree and locks, also while another thread closes or uses them. */
#include "thread.h"

static void *open_and_move(void *arg)
{
	OK(chdir("/proc"));
	umask(027);
	return (void *)(long)open("self/status", O_RDONLY);
}

TEST(shared_files_and_place)
{
	char cwd[64];
	int fd = (long)join(start(open_and_move, NULL));

	CHECK(fcntl(fd, F_GETFD) == 0);
	REQUIRE(getcwd(cwd, sizeof(cwd)));
	EQ(strcmp(cwd, "/proc"), 0);
	EQ(umask(0), 027);
}

static void *read_one(void *arg)
{
	char c = 0;

	sem_post(&done);
	EQ(read(*(int *)arg, &c, 1), 1);
	return (void *)(long)c;
}

/* A read goes on in a file whose descriptor is closed meanwhile. */
TEST(close_under_a_reader)
{
	int fds[2], other;
	pthread_t t;

	sem_init(&done, 0, 0);
	REQUIRE(pipe(fds) == 0);
	t = start(read_one, &fds[0]);
	sem_wait(&done);
	sleep_ms(10);
	OK(close(fds[0]));
	other = open("/proc/self/status", O_RDONLY);
	EQ(other, fds[0]);
	EQ(write(fds[1], "x", 1), 1);
	EQ(join(t), 'x');
	close(other);
}

static int lock_whole(int fd, int how, int type)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET};

	return fcntl(fd, how, &l) < 0 ? -errno : l.l_type;
}

static void *wait_for_lock(void *arg)
{
	sem_post(&done);
	return (void *)(long)lock_whole(*(int *)arg, F_SETLKW, F_WRLCK);
}

/* Who waits for a lock on a descriptor that is closed meanwhile gets none that nobody could release. */
TEST(close_under_a_lock)
{
	int fd = open("/tmp/locked", O_RDWR | O_CREAT, 0600), ready[2];
	pthread_t t;
	pid_t p;
	char c;

	sem_init(&done, 0, 0);
	REQUIRE(fd >= 0 && pipe(ready) == 0);
	p = CHILD(EQ(lock_whole(fd, F_SETLK, F_WRLCK), F_WRLCK); EQ(write(ready[1], "x", 1), 1);
		  sleep_ms(60));
	EQ(read(ready[0], &c, 1), 1);
	t = start(wait_for_lock, &fd);
	sem_wait(&done);
	sleep_ms(20);
	OK(close(fd));
	EQ((long)join(t), -EBADF);
	JOIN(p);
	fd = open("/tmp/locked", O_RDWR);
	JOIN(CHILD(EQ(lock_whole(fd, F_GETLK, F_WRLCK), F_UNLCK)));
	OK(unlink("/tmp/locked"));
}

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif

static void *lock_apart(void *arg)
{
	int *fd = arg;

	OK(syscall(SYS_close_range, 1000, 1000, CLOSE_RANGE_UNSHARE));
	/* Who has descriptors of its own has locks of its own. */
	EQ(lock_whole(fd[0], F_SETLK, F_WRLCK), -EAGAIN);
	OK(close(fd[0]));
	EQ(lock_whole(fd[1], F_SETLK, F_WRLCK), F_WRLCK);
	EQ(lock_whole(fd[2], F_SETLK, F_WRLCK), F_WRLCK);
	OK(close(fd[2]));
	JOIN(CHILD(EQ(lock_whole(fd[1], F_GETLK, F_WRLCK), F_WRLCK)));
	return NULL;
}

/* Locks are a table's of descriptors: its closing of a file drops its own, and so does its end. */
TEST(locks_of_a_thread_apart)
{
	static const char *const names[] = {"/tmp/locked0", "/tmp/locked1", "/tmp/locked2"};
	int fd[3];

	for (int i = 0; i < 3; i++)
		fd[i] = open(names[i], O_RDWR | O_CREAT, 0600);
	EQ(lock_whole(fd[0], F_SETLK, F_WRLCK), F_WRLCK);
	join(start(lock_apart, fd));
	await_threads(1);
	JOIN(CHILD(EQ(lock_whole(fd[0], F_GETLK, F_WRLCK), F_WRLCK);
		   EQ(lock_whole(fd[1], F_GETLK, F_WRLCK), F_UNLCK);
		   EQ(lock_whole(fd[2], F_GETLK, F_WRLCK), F_UNLCK)));
	for (int i = 0; i < 3; i++)
		OK(unlink(names[i]));
}

static void *open_and_close(void *arg)
{
	while (racing) {
		int fd = open("/proc/self/exe", O_RDONLY);

		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

static void *use_any(void *arg)
{
	int source = (long)arg;
	char buf[16];

	for (int i = 0; racing; i++) {
		ssize_t n = read(3 + i % 8, buf, sizeof(buf));

		CHECK(n >= 0 || errno == EBADF);
		if (i % 16 == 0)
			dup2(source, 3 + i % 8);
		if (i % 16 == 8)
			close(3 + i % 8);
	}
	return NULL;
}

TEST(descriptors_race)
{
	pthread_t t[4];

	long source = fcntl(open("/proc/self/exe", O_RDONLY), F_DUPFD, 20);

	racing = 1;
	for (int i = 0; i < 4; i++)
		t[i] = start(i % 2 ? open_and_close : use_any, (void *)source);
	sleep_ms(300);
	racing = 0;
	for (int i = 0; i < 4; i++)
		join(t[i]);
}
