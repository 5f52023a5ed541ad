/* unshare(2): what a thread has of its own afterwards, and what cannot be parted. */
#include "tap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/sem.h>

static int in_thread(void *(*body)(void *), void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, body, arg))
		return -1;
	return pthread_join(t, NULL);
}

static void *close_after_unshare(void *arg)
{
	int fd = *(int *)arg;

	EQ(unshare(CLONE_FILES), 0);
	EQ(close(fd), 0);
	FAILS(fcntl(fd, F_GETFD), EBADF);
	return NULL;
}

TEST(descriptors_are_its_own)
{
	int fd = open("/", O_RDONLY);

	CHECK(fd >= 0);
	EQ(in_thread(close_after_unshare, &fd), 0);
	EQ(fcntl(fd, F_GETFD), 0);
	EQ(close(fd), 0);
}

static void *move_after_unshare(void *arg)
{
	char at[64];

	(void)arg;
	EQ(unshare(CLONE_FS), 0);
	EQ(chdir("/tmp"), 0);
	umask(077);
	CHECK(getcwd(at, sizeof(at)) && !strcmp(at, "/tmp"));
	return NULL;
}

TEST(working_directory_is_its_own)
{
	char at[64];

	EQ(chdir("/"), 0);
	umask(022);
	EQ(in_thread(move_after_unshare, NULL), 0);
	CHECK(getcwd(at, sizeof(at)) && !strcmp(at, "/"));
	EQ(umask(022), 022);
}

static void *refused(void *arg)
{
	(void)arg;
	FAILS(unshare(CLONE_THREAD), EINVAL);
	FAILS(unshare(CLONE_SIGHAND), EINVAL);
	FAILS(unshare(CLONE_VM), EINVAL);
	return NULL;
}

TEST(tasks_of_a_process_stay_together)
{
	EQ(in_thread(refused, NULL), 0);
	/* The thread may be joined and not have ended yet: in a child there never was one. */
	JOIN(CHILD(EQ(unshare(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM), 0)));
	EQ(unshare(0), 0);
	FAILS(unshare(1), EINVAL);
	FAILS(unshare(CLONE_FILES | CLONE_PARENT), EINVAL);
}

TEST(semaphores_are_undone)
{
	struct sembuf up = {.sem_op = 3, .sem_flg = SEM_UNDO};
	int set = semget(IPC_PRIVATE, 1, 0600);

	CHECK(set >= 0);
	EQ(semop(set, &up, 1), 0);
	EQ(semctl(set, 0, GETVAL), 3);
	EQ(unshare(CLONE_SYSVSEM), 0);
	EQ(semctl(set, 0, GETVAL), 0);
	EQ(semctl(set, 0, IPC_RMID), 0);
}
