/* What threads have in common: files, memory, and one entry in /proc. */
#include "thread.h"

#include <dirent.h>
#include <setjmp.h>

/* ---- /proc and accounts ---- */

static int entries_of(const char *path, const char *wanted)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;

	REQUIRE(d);
	while ((e = readdir(d)))
		if (wanted ? !strcmp(e->d_name, wanted) : e->d_name[0] != '.')
			n++;
	closedir(d);
	return n;
}

/* The n-th field of a stat file, counted from 1 as proc(5) does; from the fourth on. */
static long stat_field(const char *path, int n)
{
	char text[1024], *at;

	if (slurp(path, text, sizeof(text)) <= 0)
		return -1;
	at = strrchr(text, ')');
	for (int i = 2; at && i < n; i++)
		at = strchr(at + 1, ' ');
	return at ? atol(at) : -1;
}

TEST(in_proc)
{
	struct idler i, j;
	char path[96], name[16], text[64];

	idler_start(&i);
	idler_start(&j);
	EQ(value_of("/proc/self/status", "Threads"), 3);
	EQ(stat_field("/proc/self/stat", 20), 3);
	EQ(entries_of("/proc/self/task", NULL), 3);
	snprintf(name, sizeof(name), "%d", i.tid);
	EQ(entries_of("/proc/self/task", name), 1);
	EQ(entries_of("/proc", name), 0);
	snprintf(path, sizeof(path), "/proc/%d/status", i.tid);
	EQ(value_of(path, "Tgid"), getpid());
	EQ(value_of(path, "Pid"), i.tid);
	EQ(value_of(path, "Threads"), 3);
	snprintf(path, sizeof(path), "/proc/%d/task", i.tid);
	EQ(entries_of(path, NULL), 3);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", i.tid);
	EQ(stat_field(path, 5), getpgid(0));
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	EQ(atoi(text), i.tid);
	EQ(strchr(text, ')')[2], 'S');
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", i.tid);
	spit(path, "worker");
	REQUIRE(slurp(path, text, sizeof(text)) > 0);
	EQ(strcmp(text, "worker\n"), 0);
	REQUIRE(slurp("/proc/self/comm", text, sizeof(text)) > 0);
	CHECK(strcmp(text, "worker\n"));
	idler_end(&i);
	idler_end(&j);
}

/* What was looked up while the thread was there is not found after it. */
TEST(gone_from_proc)
{
	char path[4][96], text[512];
	struct idler i;
	int dir, stat;

	idler_start(&i);
	snprintf(path[0], sizeof(path[0]), "/proc/self/task/%d", i.tid);
	snprintf(path[1], sizeof(path[1]), "/proc/self/task/%d/stat", i.tid);
	snprintf(path[2], sizeof(path[2]), "/proc/%d", i.tid);
	snprintf(path[3], sizeof(path[3]), "/proc/%d/status", i.tid);
	for (int k = 0; k < 4; k++)
		OK(access(path[k], F_OK));
	dir = open(path[0], O_RDONLY | O_DIRECTORY);
	stat = open(path[1], O_RDONLY);
	REQUIRE(dir >= 0 && stat >= 0);
	OK(faccessat(dir, "comm", F_OK, 0));
	idler_end(&i);
	await_threads(1);
	for (int k = 0; k < 4; k++)
		FAILS(access(path[k], F_OK), ENOENT);
	FAILS(faccessat(dir, "comm", F_OK, 0), ENOENT);
	FAILS(syscall(SYS_getdents64, dir, text, sizeof(text)), ENOENT);
	FAILS(read(stat, text, sizeof(text)), ESRCH);
	close(dir);
	close(stat);
}

static void *name_me(void *arg)
{
	char name[16] = {0};

	OK(pthread_setname_np(pthread_self(), "named"));
	OK(pthread_getname_np(pthread_self(), name, sizeof(name)));
	EQ(strcmp(name, "named"), 0);
	return NULL;
}

TEST(names)
{
	char before[64], after[64];

	REQUIRE(slurp("/proc/self/comm", before, sizeof(before)) > 0);
	join(start(name_me, NULL));
	REQUIRE(slurp("/proc/self/comm", after, sizeof(after)) > 0);
	EQ(strcmp(before, after), 0);
}

static long clock_ms(clockid_t clock)
{
	struct timespec ts = {0};

	OK(clock_gettime(clock, &ts));
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static long used_ms(const struct rusage *u)
{
	return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000 +
	       (u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1000;
}

static void *burn_and_tell(void *arg)
{
	struct rusage own;

	burn((void *)200);
	OK(getrusage(RUSAGE_THREAD, &own));
	NEAR(used_ms(&own), clock_ms(CLOCK_THREAD_CPUTIME_ID), 30);
	return (void *)used_ms(&own);
}

TEST(cpu_times)
{
	struct rusage all, own, child;
	int status;
	long burnt;
	pid_t p;

	burnt = (long)join(start(burn_and_tell, NULL));
	CHECK(burnt > 50);
	OK(getrusage(RUSAGE_SELF, &all));
	OK(getrusage(RUSAGE_THREAD, &own));
	CHECK(used_ms(&all) >= burnt);
	CHECK(used_ms(&own) < burnt);
	NEAR(clock_ms(CLOCK_PROCESS_CPUTIME_ID), used_ms(&all), 30);

	p = CHILD(join(start(burn_and_tell, NULL)));
	EQ(wait4(p, &status, 0, &child), p);
	EQ(status, 0);
	CHECK(used_ms(&child) > 50);
}

static clockid_t clock_of_thread(pid_t tid)
{
	return ~tid << 3 | 6;
}

TEST(clocks_of_threads)
{
	struct timespec ts;
	struct idler i;

	idler_start(&i);
	burn((void *)100);
	CHECK(clock_ms(clock_of_thread(i.tid)) < 50);
	CHECK(clock_ms(clock_of_thread(getpid())) >= 50);
	FAILS(clock_gettime(clock_of_thread(getppid()), &ts), EINVAL);
	idler_end(&i);
}

static cpu_set_t cpus_of(pid_t tid)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CHECK(sched_getaffinity(tid, sizeof(set), &set) == 0);
	return set;
}

static void *tell_cpu(void *arg)
{
	unsigned cpu = 99;
	cpu_set_t mine = cpus_of(0);

	EQ(CPU_EQUAL(&mine, (cpu_set_t *)arg), 1);
	OK(syscall(SYS_getcpu, &cpu, NULL, NULL));
	return (void *)(long)cpu;
}

static void *pin_me(void *arg)
{
	OK(sched_setaffinity(0, sizeof(cpu_set_t), arg));
	/* A new thread has its maker's. */
	EQ((long)join(start(tell_cpu, arg)), (long)tell_cpu(arg));
	return NULL;
}

/* Which CPUs a thread may run on is its own affair, and is asked for by its number. */
TEST(affinity_of_one)
{
	cpu_set_t all = cpus_of(0), last, got;
	struct idler i;
	char path[64];
	int cpu = 0;

	for (int k = 0; k < CPU_SETSIZE; k++)
		if (CPU_ISSET(k, &all))
			cpu = k;
	CPU_ZERO(&last);
	CPU_SET(cpu, &last);
	idler_start(&i);
	OK(sched_setaffinity(i.tid, sizeof(last), &last));
	got = cpus_of(i.tid);
	EQ(CPU_EQUAL(&got, &last), 1);
	got = cpus_of(0);
	EQ(CPU_EQUAL(&got, &all), 1);
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", i.tid);
	EQ(value_of(path, "Cpus_allowed_list"), cpu);
	join(start(pin_me, &last));
	got = cpus_of(getpid());
	EQ(CPU_EQUAL(&got, &all), 1);
	idler_end(&i);
	await_threads(1);
	FAILS(sched_setaffinity(i.tid, sizeof(last), &last), ESRCH);
}

/* ---- what threads share ---- */

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

/* ---- memory ---- */

enum { FAULTERS = 4, FAULT_PAGES = 64 };

static char *arena;

static void *fault_all(void *arg)
{
	long me = (long)arg;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < FAULT_PAGES; i++) {
		arena[i * PAGE + me] = me + 1;
		if (i % 8 == 0)
			sched_yield();
	}
	return NULL;
}

/* Several threads touch each page first; each page is one frame that has all their bytes. */
TEST(faults_on_one_page)
{
	pthread_t t[FAULTERS];

	pthread_barrier_init(&barrier, NULL, FAULTERS);
	for (int round = 0; round < 10; round++) {
		arena = map_private(FAULT_PAGES * PAGE);
		if (round % 2) {
			/* Not demand-zero but copies. */
			memset(arena, 0, FAULT_PAGES * PAGE);
			JOIN(CHILD(_exit(0)));
		}
		for (long i = 0; i < FAULTERS; i++)
			t[i] = start(fault_all, (void *)i);
		for (int i = 0; i < FAULTERS; i++)
			join(t[i]);
		for (int i = 0; i < FAULT_PAGES; i++)
			for (int k = 0; k < FAULTERS; k++)
				EQ(arena[i * PAGE + k], k + 1);
		OK(munmap(arena, FAULT_PAGES * PAGE));
	}
}

static void *store_on(void *arg)
{
	volatile unsigned long *page = arg;
	unsigned long n = 0;

	/* Twice, far apart: a fork in between may see the first store without the second only. */
	while (racing) {
		n++;
		page[0] = n;
		page[511] = n;
		if (page[0] != n || page[511] != n) {
			CHECK(!"a store was lost");
			break;
		}
	}
	return (void *)n;
}

/*
 * A threaded parent writes while it forks: no store is lost, and the child sees none that came
 * after the fork.
 */
TEST(writes_against_fork)
{
	enum { WRITERS = 3 };
	unsigned long *pages[WRITERS];
	pthread_t t[WRITERS];

	racing = 1;
	for (int i = 0; i < WRITERS; i++) {
		pages[i] = map_private(PAGE);
		t[i] = start(store_on, pages[i]);
	}
	for (int round = 0; round < 40; round++) {
		pid_t p = CHILD(for (int i = 0; i < WRITERS; i++) {
			volatile unsigned long *page = pages[i];
			unsigned long a = page[0], b = page[511];

			CHECK(a == b || a == b + 1);
			for (int k = 0; k < 5; k++) {
				sched_yield();
				EQ(page[0], a);
				EQ(page[511], b);
			}
			page[0] = page[511] = 0;
		});

		if (round % 4 == 0)
			sleep_ms(1);
		JOIN(p);
	}
	racing = 0;
	for (int i = 0; i < WRITERS; i++) {
		unsigned long n = (unsigned long)join(t[i]);

		EQ(pages[i][0], n);
		EQ(pages[i][511], n);
		CHECK(n > 0);
	}
}

static void *drop_pages(void *arg)
{
	while (racing) {
		OK(madvise(arg, 4 * PAGE, MADV_DONTNEED));
		sched_yield();
	}
	return NULL;
}

/* What is read is zero or what was written there, never another page's contents. */
TEST(writes_against_dontneed)
{
	volatile unsigned long *p = map_private(4 * PAGE);
	pthread_t t;
	int fresh = 0;

	racing = 1;
	t = start(drop_pages, (void *)p);
	for (unsigned long n = 1; n < 20000; n++) {
		volatile unsigned long *word = &p[n % 4 * 512];
		unsigned long seen;

		*word = n << 8 | n % 4;
		if (n % 64 == 0)
			sched_yield();
		seen = *word;
		fresh += !seen;
		CHECK(!seen || seen == (n << 8 | n % 4));
	}
	racing = 0;
	join(t);
}

static __thread sigjmp_buf jump;

static void jump_out(int sig)
{
	siglongjmp(jump, 1);
}

struct toucher {
	pthread_t thread;
	volatile char *at;
	volatile long hits, faults;
};

static void *touch_on(void *arg)
{
	struct toucher *t = arg;

	while (racing) {
		if (sigsetjmp(jump, 1)) {
			t->faults++;
		} else {
			t->at[0] = 1;
			t->at[3 * PAGE] = 1;
			t->hits++;
		}
	}
	return NULL;
}

/* By 2, since the first may be of a round that had begun. */
static bool grows(volatile long *n)
{
	long was = *n, end = now_ms() + 10000 + LATE;

	while (*n < was + 2 && now_ms() < end)
		sleep_ms(1);
	return *n >= was + 2;
}

/* Which of the two a thread meets, nobody can promise as long as it changes; then it is certain. */
TEST(faults_against_munmap)
{
	char *at = map_private(4 * PAGE);
	struct toucher t[2] = {{.at = at}, {.at = at}};

	handle(SIGSEGV, jump_out, 0);
	racing = 1;
	for (int i = 0; i < 2; i++)
		t[i].thread = start(touch_on, &t[i]);
	for (int round = 0; round < 300; round++) {
		OK(munmap(at, 4 * PAGE));
		if (round % 8 == 0)
			sched_yield();
		REQUIRE(mmap(at, 4 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
		if (round % 8 == 4)
			sleep_ms(1);
	}
	for (int i = 0; i < 2; i++)
		CHECK(grows(&t[i].hits));
	OK(munmap(at, 4 * PAGE));
	for (int i = 0; i < 2; i++)
		CHECK(grows(&t[i].faults));
	racing = 0;
	for (int i = 0; i < 2; i++)
		join(t[i].thread);
}

static void *map_and_protect(void *arg)
{
	for (int i = 0; goes_on(i, 150); i++) {
		char *p = map_private(16 * PAGE);

		memset(p, (long)arg, 16 * PAGE);
		OK(mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ));
		OK(munmap(p + 8 * PAGE, PAGE));
		EQ(p[5 * PAGE], (long)arg);
		EQ(p[15 * PAGE], (long)arg);
		OK(munmap(p, 16 * PAGE));
		if (i % 10 == 0)
			sched_yield();
	}
	return NULL;
}

TEST(areas_race)
{
	pthread_t t[4];

	for (long i = 0; i < 4; i++)
		t[i] = start(map_and_protect, (void *)(i + 1));
	for (int round = 0; round < 10; round++)
		JOIN(CHILD(_exit(0)));
	for (int i = 0; i < 4; i++)
		join(t[i]);
}
