/* Memory that threads share: faults, forks and changes of areas while others write to it. */
#include "thread.h"

#include <setjmp.h>

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
