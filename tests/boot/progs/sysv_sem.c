/* System V semaphores: operations that are all or nothing, waiting for them, and undoing at exit. */
#include "tap.h"

#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static int sems(int n)
{
	int id = semget(IPC_PRIVATE, n, IPC_CREAT | 0600);

	REQUIRE(id >= 0);
	return id;
}

static void drop(int id)
{
	EQ(semctl(id, 0, IPC_RMID), 0);
}

static int set(int id, int n, int value)
{
	return semctl(id, n, SETVAL, (union semun){.val = value});
}

static int get(int id, int n)
{
	return semctl(id, n, GETVAL);
}

static int op(int id, int n, int by, int flags)
{
	struct sembuf b = {n, by, flags};

	return semop(id, &b, 1);
}

/* Until `what` says n: others come to wait when they please. */
static void until(int id, int sem, int what, int n)
{
	for (int k = 0; k < 2000 && semctl(id, sem, what) != n; k++)
		sleep_ms(2);
	EQ(semctl(id, sem, what), n);
}

TEST(semget_and_keys)
{
	key_t key = 0x5e30000 + getpid();
	int id = semget(key, 3, IPC_CREAT | IPC_EXCL | 0600);

	REQUIRE(id >= 0);
	EQ(semget(key, 2, 0), id);
	EQ(semget(key, 0, 0), id);
	FAILS(semget(key, 4, 0), EINVAL);
	FAILS(semget(key, 3, IPC_CREAT | IPC_EXCL), EEXIST);
	drop(id);
	FAILS(semget(key, 3, 0), ENOENT);
	FAILS(semget(IPC_PRIVATE, 0, IPC_CREAT), EINVAL);
	FAILS(semget(IPC_PRIVATE, -1, IPC_CREAT), EINVAL);
	FAILS(semget(IPC_PRIVATE, 32001, IPC_CREAT), EINVAL);
	FAILS(get(id, 0), EINVAL);
	int again = sems(1);
	CHECK(again != id);
	drop(again);
}

TEST(values)
{
	int id = sems(3);
	unsigned short v[3] = {1, 2, 3};

	EQ(get(id, 2), 0);
	EQ(semctl(id, 0, SETALL, (union semun){.array = v}), 0);
	EQ(get(id, 1), 2);
	EQ(set(id, 1, 32767), 0);
	FAILS(set(id, 1, 32768), ERANGE);
	FAILS(set(id, 1, -1), ERANGE);
	FAILS(set(id, 3, 1), EINVAL);
	FAILS(get(id, 3), EINVAL);
	v[0] = 40000;
	FAILS(semctl(id, 0, SETALL, (union semun){.array = v}), ERANGE);
	EQ(semctl(id, 0, GETALL, (union semun){.array = v}), 0);
	EQ(v[0], 1);
	EQ(v[1], 32767);
	EQ(v[2], 3);
	EQ(semctl(id, 1, GETPID), getpid());
	FAILS(semctl(id, 0, GETALL, (union semun){.array = (void *)8}), EFAULT);
	FAILS(semctl(id, 0, 99), EINVAL);
	drop(id);
}

TEST(semop_refuses)
{
	int id = sems(2);
	struct sembuf b[2] = {{0, 1, 0}, {2, 1, 0}}, many[501] = {{0}};

	FAILS(semop(id, b, 2), EFBIG);
	FAILS(semop(id, b, 0), EINVAL);
	FAILS(semop(-1, b, 1), EINVAL);
	FAILS(semop(id, many, 501), E2BIG);
	FAILS(semop(id, (void *)8, 1), EFAULT);
	EQ(set(id, 0, 32767), 0);
	FAILS(op(id, 0, 1, 0), ERANGE);
	FAILS(op(id, 1, -1, IPC_NOWAIT), EAGAIN);
	FAILS(op(id, 0, 0, IPC_NOWAIT), EAGAIN);
	EQ(get(id, 0), 32767);
	drop(id);
}

TEST(all_or_nothing)
{
	int id = sems(3);
	struct sembuf b[3] = {{0, 2, 0}, {1, -1, IPC_NOWAIT}, {2, 1, 0}};

	FAILS(semop(id, b, 3), EAGAIN);
	EQ(get(id, 0), 0);
	EQ(get(id, 2), 0);
	EQ(set(id, 1, 1), 0);
	EQ(semop(id, b, 3), 0);
	EQ(get(id, 0), 2);
	EQ(get(id, 1), 0);
	EQ(get(id, 2), 1);
	struct sembuf twice[2] = {{0, -2, 0}, {0, 0, 0}}; /* steps see those before them */
	EQ(semop(id, twice, 2), 0);
	drop(id);
}

TEST(waiting_for_more_and_for_zero)
{
	int id = sems(2);
	pid_t down, zero;

	EQ(set(id, 1, 2), 0);
	down = CHILD(EQ(op(id, 0, -2, 0), 0));
	zero = CHILD(EQ(op(id, 1, 0, 0), 0));
	until(id, 0, GETNCNT, 1);
	until(id, 1, GETZCNT, 1);
	EQ(semctl(id, 1, GETNCNT), 0);
	EQ(op(id, 0, 1, 0), 0);
	sleep_ms(5);
	EQ(semctl(id, 0, GETNCNT), 1);
	EQ(op(id, 0, 2, 0), 0);
	JOIN(down);
	EQ(get(id, 0), 1);
	EQ(semctl(id, 0, GETPID), down);
	EQ(set(id, 1, 0), 0);
	JOIN(zero);
	drop(id);
}

TEST(removal_wakes_who_waits)
{
	int id = sems(1);
	pid_t pids[3];

	for (int k = 0; k < 3; k++)
		pids[k] = CHILD(FAILS(op(id, 0, -1, SEM_UNDO), EIDRM));
	until(id, 0, GETNCNT, 3);
	drop(id);
	for (int k = 0; k < 3; k++)
		JOIN(pids[k]);
}

static void on_alarm(int sig)
{
	(void)sig;
}

TEST(a_signal_ends_the_wait)
{
	int id = sems(1);
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval t = {{0, 0}, {0, 20000}};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
	FAILS(op(id, 0, -1, 0), EINTR);
	EQ(semctl(id, 0, GETNCNT), 0);
	drop(id);
}

TEST(semtimedop_gives_up)
{
	int id = sems(1);
	struct sembuf b = {0, -1, 0};
	struct timespec ts = {0, 30000000}, bad = {0, 1000000000};

	FAILS(semtimedop(id, &b, 1, &ts), EAGAIN);
	FAILS(semtimedop(id, &b, 1, &bad), EINVAL);
	EQ(set(id, 0, 1), 0);
	EQ(semtimedop(id, &b, 1, &ts), 0);
	drop(id);
}

TEST(the_first_in_line_is_served_first)
{
	int id = sems(2), out[2];
	pid_t pids[4];
	char got[5] = "";

	REQUIRE(!pipe(out));
	for (int k = 0; k < 4; k++) {
		pids[k] = CHILD(char c = 'a' + k; EQ(op(id, 0, -1, 0), 0);
				EQ(write(out[1], &c, 1), 1); EQ(op(id, 1, 1, 0), 0));
		until(id, 0, GETNCNT, k + 1);
	}
	for (int k = 0; k < 4; k++) {
		EQ(op(id, 0, 1, 0), 0);
		EQ(op(id, 1, -1, 0), 0);
	}
	for (int k = 0; k < 4; k++)
		JOIN(pids[k]);
	EQ(read(out[0], got, 4), 4);
	CHECK(!strcmp(got, "abcd"));
	drop(id);
}

TEST(undone_at_exit)
{
	int id = sems(2);

	EQ(set(id, 0, 5), 0);
	EQ(set(id, 1, 5), 0);
	JOIN(CHILD(EQ(op(id, 0, -3, SEM_UNDO), 0); EQ(op(id, 0, 1, SEM_UNDO), 0);
		   EQ(op(id, 1, -1, 0), 0); EQ(get(id, 0), 3)));
	EQ(get(id, 0), 5);
	EQ(get(id, 1), 4);
	/* what was set by hand is not undone */
	JOIN(CHILD(EQ(op(id, 0, -3, SEM_UNDO), 0); EQ(set(id, 0, 1), 0)));
	EQ(get(id, 0), 1);
	/* a value stays within its bounds */
	JOIN(CHILD(EQ(op(id, 0, 7, SEM_UNDO), 0); EQ(op(id, 0, -8, 0), 0)));
	EQ(get(id, 0), 0);
	/* the child of one that undoes has nothing to undo */
	JOIN(CHILD(EQ(op(id, 1, -2, SEM_UNDO), 0); JOIN(CHILD(EQ(get(id, 1), 2)));
		   EQ(get(id, 1), 2)));
	EQ(get(id, 1), 4);
	drop(id);
}

HELPER(hold)
{
	EQ(semctl(atoi(argv[1]), 0, GETVAL), 0);
	return tap_failed;
}

TEST(undone_after_exec_and_after_a_kill)
{
	int id = sems(1), status;
	char text[16];
	pid_t pid;

	snprintf(text, sizeof(text), "%d", id);
	EQ(set(id, 0, 1), 0);
	pid = CHILD(EQ(op(id, 0, -1, SEM_UNDO), 0);
		    execl("/proc/self/exe", "sysv_sem", "--hold", text, NULL));
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 0);
	EQ(get(id, 0), 1);
	pid = CHILD(EQ(op(id, 0, -1, SEM_UNDO), 0); pause());
	EQ(op(id, 0, 0, 0), 0);
	pid_t waiter = CHILD(EQ(op(id, 0, -1, 0), 0));
	until(id, 0, GETNCNT, 1);
	EQ(kill(pid, SIGKILL), 0);
	JOIN(waiter);
	EQ(waitpid(pid, &status, 0), pid);
	drop(id);
}

TEST(undo_is_forgotten_with_its_set)
{
	int id = sems(1);

	JOIN(CHILD(EQ(op(id, 0, 1, SEM_UNDO), 0); drop(id); id = sems(1); EQ(op(id, 0, 3, 0), 0);
		   JOIN(CHILD(EQ(get(id, 0), 3))); drop(id)));
	id = sems(1);
	FAILS(op(id, 0, 32767, SEM_UNDO) ?: op(id, 0, -32767, 0) ?: op(id, 0, 32767, SEM_UNDO), ERANGE);
	EQ(get(id, 0), 0);
	drop(id);
}

TEST_FOR(120, a_lock_that_many_fight_for)
{
	int id = sems(1);
	volatile int *n = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	pid_t pids[4];

	EQ(set(id, 0, 1), 0);
	for (int k = 0; k < 4; k++)
		pids[k] = CHILD(for (int i = 0; i < 200; i++) {
			REQUIRE(!op(id, 0, -1, SEM_UNDO));
			int seen = *n;

			if (i % 16 == 0)
				sched_yield();
			*n = seen + 1;
			REQUIRE(!op(id, 0, 1, SEM_UNDO));
		});
	for (int k = 0; k < 4; k++)
		JOIN(pids[k]);
	EQ(*n, 800);
	EQ(get(id, 0), 1);
	drop(id);
}

TEST(what_stat_and_the_lists_say)
{
	int id = sems(3), highest;
	struct semid_ds ds;
	struct seminfo si;
	bool found = false;
	char line[200];
	time_t now = time(NULL);
	FILE *f;

	EQ(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}), 0);
	EQ(ds.sem_nsems, 3);
	EQ(ds.sem_otime, 0);
	EQ(ds.sem_perm.mode, 0600);
	EQ(op(id, 0, 1, 0), 0);
	EQ(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}), 0);
	BETWEEN(ds.sem_otime, now - 2, now + 20);
	ds.sem_perm.mode = 0644;
	EQ(semctl(id, 0, IPC_SET, (union semun){.buf = &ds}), 0);
	highest = semctl(0, 0, SEM_INFO, (union semun){.info = &si});
	CHECK(highest >= 0);
	CHECK(si.semusz >= 1 && si.semaem >= 3);
	EQ(semctl(0, 0, IPC_INFO, (union semun){.info = &si}), highest);
	EQ(si.semmsl, 32000);
	EQ(si.semopm, 500);
	EQ(si.semvmx, 32767);
	for (int k = 0; k <= highest; k++)
		found |= semctl(k, 0, SEM_STAT, (union semun){.buf = &ds}) == id;
	CHECK(found);
	found = false;
	f = fopen("/proc/sysvipc/sem", "r");
	REQUIRE(f);
	while (fgets(line, sizeof(line), f)) {
		int key, semid, perms, n;

		if (sscanf(line, "%d %d %o %d", &key, &semid, &perms, &n) == 4 && semid == id)
			found = perms == 0644 && n == 3;
	}
	CHECK(found);
	fclose(f);
	f = fopen("/proc/sys/kernel/sem", "r");
	CHECK(f && fgets(line, sizeof(line), f) &&
	      !strcmp(line, "32000\t1024000000\t500\t32000\n"));
	if (geteuid() == 0)
		JOIN(CHILD(EQ(setgid(50), 0); EQ(setuid(50), 0); FAILS(op(id, 0, 1, 0), EACCES);
			   EQ(get(id, 0), 1); FAILS(set(id, 0, 1), EACCES);
			   FAILS(semctl(id, 0, IPC_RMID), EPERM)));
	drop(id);
}
