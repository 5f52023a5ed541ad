/*
 * Races in one address space, each between two ways to change it: two faults, a fault and a fork, a store
 * and what takes the page away, an exit and a shootdown. What races goes on until `racing` ends.
 */
#include "thread.h"

#include <setjmp.h>

enum { RACERS = 3, PAGES = 64 };

static char *arena;
static char path[64];

/* ---- two faults on one page ---- */

static void *fault_once(void *arg)
{
	long me = (long)arg;
	volatile char *p = arena;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < PAGES; i++)
		p[i * PAGE + me] = (char)(me + 1);
	return NULL;
}

/* Each of the racers stores to each page at about the same time; what else the pages hold is `rest`. */
static void race_to_fault(char rest)
{
	pthread_t t[RACERS];

	for (long i = 0; i < RACERS; i++)
		t[i] = start(fault_once, (void *)i);
	for (int i = 0; i < RACERS; i++)
		join(t[i]);
	for (int i = 0; i < PAGES; i++) {
		for (int k = 0; k < RACERS; k++)
			EQ(arena[i * PAGE + k], k + 1);
		EQ(arena[i * PAGE + RACERS], rest);
		EQ(arena[i * PAGE + PAGE - 1], rest);
	}
}

static void read_all(void)
{
	for (int i = 0; i < PAGES; i++)
		EQ(((volatile char *)arena)[i * PAGE], 0);
}

TEST(two_faults_on_untouched_pages)
{
	pthread_barrier_init(&barrier, NULL, RACERS);
	for (int i = 0; goes_on(i, 20); i++) {
		arena = map_private(PAGES * PAGE);
		if (i % 2)
			read_all(); /* the page of zeros gives way, not nothing */
		race_to_fault(0);
		OK(munmap(arena, PAGES * PAGE));
	}
}

/* A child that looks at the memory once more when it is told, and ends. */
static pid_t witness(int fds[2], char want)
{
	pid_t p;

	REQUIRE(pipe(fds) == 0);
	p = CHILD(char c; close(fds[1]); EQ(read(fds[0], &c, 1), 0);
		  for (size_t i = 0; i < PAGES * PAGE; i++) if (arena[i] != want) {
			  EQ(arena[i], want);
			  break;
		  });
	close(fds[0]);
	return p;
}

TEST(two_faults_on_shared_pages)
{
	pthread_barrier_init(&barrier, NULL, RACERS);
	for (int i = 0; goes_on(i, 20); i++) {
		int fds[2];
		pid_t p;

		arena = map_private(PAGES * PAGE);
		memset(arena, 7, PAGES * PAGE);
		p = witness(fds, 7);
		if (i % 2 == 0) {
			race_to_fault(7); /* copies */
			close(fds[1]);
			JOIN(p);
		} else {
			close(fds[1]);
			JOIN(p);
			race_to_fault(7); /* the last owner's */
		}
		OK(munmap(arena, PAGES * PAGE));
	}
}

/* A file of PAGES pages of `byte`, with no name. */
static int file_of(char byte)
{
	static char page[PAGE];
	int fd;

	snprintf(path, sizeof(path), "/tmp/race-%d", getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	REQUIRE(fd >= 0);
	unlink(path);
	memset(page, byte, PAGE);
	for (int i = 0; i < PAGES; i++)
		REQUIRE(write(fd, page, PAGE) == (ssize_t)PAGE);
	return fd;
}

static void file_holds(int fd, char byte)
{
	static char page[PAGE];

	for (int i = 0; i < PAGES; i++) {
		REQUIRE(pread(fd, page, PAGE, i * PAGE) == (ssize_t)PAGE);
		EQ(page[0], byte);
		EQ(page[1], byte);
		CHECK(!memcmp(page, page + 1, PAGE - 1));
	}
}

TEST(two_faults_on_pages_of_a_file)
{
	int fd = file_of(9);

	pthread_barrier_init(&barrier, NULL, RACERS);
	for (int i = 0; goes_on(i, 20); i++) {
		arena = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		REQUIRE(arena != MAP_FAILED);
		race_to_fault(9);
		OK(munmap(arena, PAGES * PAGE));
	}
	file_holds(fd, 9);
}

/* ---- stores, and what takes the page away ---- */

static __thread sigjmp_buf jump;

static void jump_out(int sig)
{
	siglongjmp(jump, 1);
}

static void *drop_and_protect(void *arg)
{
	pthread_barrier_wait(&barrier);
	for (int i = 0; racing; i++) {
		if (i % 16 == 0)
			OK(mprotect(arg, PAGES * PAGE,
				    i % 32 ? PROT_READ : PROT_READ | PROT_WRITE));
		OK(madvise(arg, PAGES * PAGE, MADV_DONTNEED));
		if (*(volatile char *)arg == 0x55)
			sched_yield();
	}
	return NULL;
}

/*
 * The kernel's write to private memory copies the page. Where the copy is dropped in between, or may only
 * be read by then, the write must not find the file's own page under its hands. Linux forces such a
 * write, Calf refuses it.
 */
TEST(writes_by_proc_mem_against_dontneed)
{
	int fd = file_of(9), mem = open("/proc/self/mem", O_RDWR), done = 0;
	static char bytes[64];
	pthread_t t;

	REQUIRE(mem >= 0);
	memset(bytes, 0x55, sizeof(bytes));
	arena = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	REQUIRE(arena != MAP_FAILED);
	racing = 1;
	pthread_barrier_init(&barrier, NULL, 2);
	t = start(drop_and_protect, arena);
	pthread_barrier_wait(&barrier);
	for (int i = 0; goes_on(i, done ? 2000 : INT32_MAX); i++) {
		ssize_t n = pwrite(mem, bytes, sizeof(bytes), (off_t)arena + i % PAGES * PAGE);

		CHECK(n == sizeof(bytes) || (n < 0 && errno == EIO));
		done += n > 0;
	}
	racing = 0;
	join(t);
	CHECK(done > 0);
	OK(madvise(arena, PAGES * PAGE, MADV_DONTNEED));
	for (int i = 0; i < PAGES; i++)
		EQ(arena[i * PAGE], 9);
	file_holds(fd, 9);
}

static volatile long stores[RACERS];

/* Stores ever larger numbers to the first page, where there is one. */
static void *store_where_it_is(void *arg)
{
	long me = (long)arg;
	volatile long *word = (volatile long *)arena + me * 8;

	while (racing) {
		if (sigsetjmp(jump, 1)) {
			sched_yield();
			continue;
		}
		*word = ++stores[me];
	}
	return NULL;
}

/*
 * Once mremap(2) has returned no store by another thread reaches the page that was moved; its old
 * address has a new page, or none. Every third round a fork comes between, so that the page is a copy.
 */
TEST(no_store_after_mremap)
{
	char *to = map_private(PAGE);
	pthread_t t[RACERS];

	handle(SIGSEGV, jump_out, SA_NODEFER);
	arena = map_private(PAGE);
	racing = 1;
	for (long i = 0; i < RACERS; i++)
		t[i] = start(store_where_it_is, (void *)i);
	for (int round = 0; goes_on(round, 120); round++) {
		static char seen[PAGE];

		if (round % 3 == 2)
			JOIN(CHILD(_exit(0)));
		REQUIRE(mremap(arena, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
		memcpy(seen, to, PAGE);
		if (round % 2)
			sched_yield();
		REQUIRE(mmap(arena, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == arena);
		sched_yield();
		CHECK(!memcmp(seen, to, PAGE));
		if (round % 8 == 0)
			sleep_ms(1);
	}
	racing = 0;
	for (int i = 0; i < RACERS; i++)
		join(t[i]);
}

/* The same of memory that goes for good: what is mapped next has none of it. */
TEST(no_store_after_munmap)
{
	pthread_t t[RACERS];

	handle(SIGSEGV, jump_out, SA_NODEFER);
	arena = map_private(PAGE);
	racing = 1;
	for (long i = 0; i < RACERS; i++)
		t[i] = start(store_where_it_is, (void *)i);
	for (int round = 0; goes_on(round, 120); round++) {
		volatile long *other;

		OK(munmap(arena, PAGE));
		other = map_private(4 * PAGE); /* has the frame that went, as likely as not */
		for (int i = 0; i < 4 * 512; i++)
			other[i] = -round;
		REQUIRE(mmap(arena, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == arena);
		sched_yield();
		for (int i = 0; i < 4 * 512; i++)
			EQ(other[i], -round);
		OK(munmap((void *)other, 4 * PAGE));
	}
	racing = 0;
	for (int i = 0; i < RACERS; i++)
		join(t[i]);
}

static void *read_into(void *arg)
{
	int fd = (int)(long)arg;

	while (racing) {
		ssize_t n = pread(fd, arena, 4 * PAGE, 0);

		CHECK((n > 0 && n <= (ssize_t)(4 * PAGE)) || (n < 0 && errno == EFAULT));
	}
	return NULL;
}

/* The kernel's own faults: a call that stores to what goes away ends short, or with EFAULT. */
TEST(calls_against_munmap)
{
	pthread_t t[RACERS];
	int fd = file_of(3);

	arena = map_private(4 * PAGE);
	racing = 1;
	for (long i = 0; i < RACERS; i++)
		t[i] = start(read_into, (void *)(long)fd);
	for (int round = 0; goes_on(round, 120); round++) {
		OK(munmap(arena + round % 3 * PAGE, 2 * PAGE));
		if (round % 8 == 0)
			sched_yield();
		REQUIRE(mmap(arena, 4 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == arena);
		if (round % 8 == 4)
			sleep_ms(1);
		for (size_t i = 0; i < 4 * PAGE; i += 512)
			CHECK(arena[i] == 0 || arena[i] == 3);
	}
	racing = 0;
	for (int i = 0; i < RACERS; i++)
		join(t[i]);
	file_holds(fd, 3);
}

/* ---- fork, and what the other threads change meanwhile ---- */

static void *change_on(void *arg)
{
	char *at = arena + (long)arg * 16 * PAGE;

	for (int i = 0; racing; i++) {
		OK(mprotect(at, 8 * PAGE, PROT_READ));
		OK(munmap(at + 4 * PAGE, 8 * PAGE));
		REQUIRE(mmap(at + 4 * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at + 4 * PAGE);
		OK(mprotect(at, 8 * PAGE, PROT_READ | PROT_WRITE));
		for (int k = 0; k < 16; k++)
			at[k * PAGE] = (char)((long)arg + 1);
		OK(madvise(at + 12 * PAGE, 2 * PAGE, MADV_DONTNEED));
	}
	return NULL;
}

/* Whatever moment the child has, each page is its own thread's or empty, or not there. */
TEST(fork_against_changes)
{
	pthread_t t[RACERS];

	arena = map_private(RACERS * 16 * PAGE);
	racing = 1;
	for (long i = 0; i < RACERS; i++)
		t[i] = start(change_on, (void *)i);
	for (int round = 0; goes_on(round, 60); round++)
		JOIN(CHILD(handle(SIGSEGV, jump_out, SA_NODEFER);
			   for (int i = 0; i < RACERS * 16; i++) {
				   volatile char *p = arena + i * PAGE;

				   if (sigsetjmp(jump, 1))
					   continue;
				   CHECK(p[0] == 0 || p[0] == i / 16 + 1);
				   p[1] = 99;
				   EQ(p[1], 99);
			   }));
	racing = 0;
	for (int i = 0; i < RACERS; i++)
		join(t[i]);
	for (int i = 0; i < RACERS * 16; i++)
		EQ(arena[i * PAGE + 1], 0);
}

/* ---- exit against shootdown ---- */

static void *map_and_unmap(void *arg)
{
	for (;;) {
		char *p = map_private(8 * PAGE);

		for (int i = 0; i < 8; i++)
			p[i * PAGE] = 1;
		mprotect(p, 4 * PAGE, PROT_READ);
		munmap(p, 8 * PAGE);
	}
	return NULL;
}

HELPER(end)
{
	return 7;
}

NORETURN static void end_somehow(int how, int ready)
{
	static char *const args[] = {"race", "--end", NULL};

	for (int i = 0; i < RACERS; i++)
		start(map_and_unmap, NULL);
	REQUIRE(write(ready, "x", 1) == 1);
	sleep_ms(how % 4);
	if (how % 3 == 0)
		_exit(7);
	if (how % 3 == 1)
		execv("/proc/self/exe", args);
	for (;;)
		pause();
}

/* The process ends while its threads shoot at each other: by itself, by a thread's exec, by a kill. */
TEST(exit_against_shootdown)
{
	for (int round = 0; goes_on(round, 36); round++) {
		int fds[2];
		char c;
		pid_t p;

		REQUIRE(pipe(fds) == 0);
		p = CHILD(end_somehow(round, fds[1]));
		REQUIRE(read(fds[0], &c, 1) == 1);
		if (round % 3 == 2) {
			sleep_ms(round % 5);
			kill(p, SIGKILL);
		}
		EQ(status_of(p), round % 3 == 2 ? SIGKILL : 7 << 8);
		close(fds[0]);
		close(fds[1]);
	}
}

static void *touch_and_go(void *arg)
{
	char *p = map_private(4 * PAGE);

	for (int i = 0; i < 4; i++)
		p[i * PAGE] = 1;
	return p;
}

/* Threads end while one goes on with changes that must reach each CPU that they ran on. */
TEST(exits_of_threads_against_shootdown)
{
	pthread_t t[RACERS];

	for (int round = 0; goes_on(round, 60); round++) {
		for (int i = 0; i < RACERS; i++)
			t[i] = start(touch_and_go, NULL);
		for (int k = 0; k < 4; k++) {
			char *p = map_private(4 * PAGE);

			p[0] = p[3 * PAGE] = 1;
			OK(munmap(p, 4 * PAGE));
		}
		for (int i = 0; i < RACERS; i++) {
			char *p = join(t[i]);

			EQ(p[0] + p[3 * PAGE], 2);
			OK(munmap(p, 4 * PAGE));
		}
	}
}
