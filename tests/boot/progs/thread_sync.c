/* What the C library builds on futexes. */
#include "thread.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long total;

static void *add_up(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&mutex);
		long was = total;

		if (i % 64 == 0)
			sched_yield();
		total = was + 1;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

TEST(mutex)
{
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		threads[i] = start(add_up, NULL);
	for (int i = 0; i < 8; i++)
		join(threads[i]);
	EQ(total, 8 * 2000);
}

static int ring[4];
static int ring_n;

static void *consume(void *arg)
{
	long sum = 0;

	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&mutex);
		while (!ring_n)
			pthread_cond_wait(&cond, &mutex);
		sum += ring[--ring_n];
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return (void *)sum;
}

TEST(condition)
{
	pthread_t a = start(consume, NULL), b = start(consume, NULL);
	struct timespec ts;
	long sum = 0;

	for (int i = 1; i <= 1000; i++) {
		pthread_mutex_lock(&mutex);
		while (ring_n == 4)
			pthread_cond_wait(&cond, &mutex);
		ring[ring_n++] = i;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	sum += (long)join(a);
	sum += (long)join(b);
	EQ(sum, 1000 * 1001 / 2);
	pthread_mutex_lock(&mutex);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	EQ(pthread_cond_timedwait(&cond, &mutex, &ts), ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
}

static int phase[4];

static void *in_step(void *arg)
{
	int me = (long)arg;
	long serial = 0;

	for (int i = 0; i < 50; i++) {
		phase[me] = i;
		serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
		for (int k = 0; k < 4; k++)
			EQ(phase[k], i);
		serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
	}
	return (void *)serial;
}

TEST(barrier)
{
	pthread_t threads[4];
	long serial = 0;

	OK(pthread_barrier_init(&barrier, NULL, 4));
	for (long i = 0; i < 4; i++)
		threads[i] = start(in_step, (void *)i);
	for (int i = 0; i < 4; i++)
		serial += (long)join(threads[i]);
	EQ(serial, 100);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long pair[2];

static void *write_pair(void *arg)
{
	for (int i = 0; i < 500; i++) {
		pthread_rwlock_wrlock(&rwlock);
		pair[0]++;
		if (i % 50 == 0)
			sched_yield();
		pair[1]++;
		pthread_rwlock_unlock(&rwlock);
	}
	return NULL;
}

static void *read_pair(void *arg)
{
	for (int i = 0; i < 500; i++) {
		pthread_rwlock_rdlock(&rwlock);
		EQ(pair[0], pair[1]);
		pthread_rwlock_unlock(&rwlock);
	}
	return NULL;
}

TEST(rwlock)
{
	pthread_t threads[6];

	for (int i = 0; i < 6; i++)
		threads[i] = start(i % 2 ? write_pair : read_pair, NULL);
	for (int i = 0; i < 6; i++)
		join(threads[i]);
	EQ(pair[0], 1500);
}

static pthread_mutex_t robust;

static void *lock_and_die(void *arg)
{
	OK(pthread_mutex_lock(&robust));
	return NULL;
}

static void check_robust(int protocol)
{
	pthread_mutexattr_t attr;

	OK(pthread_mutexattr_init(&attr));
	OK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
	if (protocol && pthread_mutexattr_setprotocol(&attr, protocol) == ENOTSUP)
		return;
	OK(pthread_mutex_init(&robust, &attr));
	join(start(lock_and_die, NULL));
	EQ(pthread_mutex_lock(&robust), EOWNERDEAD);
	OK(pthread_mutex_consistent(&robust));
	OK(pthread_mutex_unlock(&robust));
	OK(pthread_mutex_lock(&robust));
	OK(pthread_mutex_unlock(&robust));
}

TEST(robust_mutex)
{
	check_robust(0);
	check_robust(PTHREAD_PRIO_INHERIT);
}

static pthread_mutex_t pi;

static void *add_up_pi(void *arg)
{
	for (int i = 0; i < 300; i++) {
		OK(pthread_mutex_lock(&pi));
		long was = total;

		sched_yield();
		total = was + 1;
		OK(pthread_mutex_unlock(&pi));
	}
	return NULL;
}

TEST(pi_mutex)
{
	pthread_mutexattr_t attr;
	pthread_t threads[5];

	OK(pthread_mutexattr_init(&attr));
	if (pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT))
		SKIP("no PI mutexes");
	OK(pthread_mutex_init(&pi, &attr));
	for (int i = 0; i < 5; i++)
		threads[i] = start(add_up_pi, NULL);
	for (int i = 0; i < 5; i++)
		join(threads[i]);
	EQ(total, 1500);
}

static int cleaned;

static void clean(void *arg)
{
	cleaned += (long)arg;
}

static void *be_cancelled(void *arg)
{
	int *fds = arg;
	char c;

	pthread_cleanup_push(clean, (void *)1);
	sem_post(&done);
	for (;;)
		if (fds)
			(void)!read(fds[0], &c, 1);
		else
			sleep_ms(1000);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *be_cancelled_anywhere(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	sem_post(&done);
	for (;;)
		;
	return NULL;
}

TEST(cancel)
{
	int fds[2];
	pthread_t t;

	REQUIRE(pipe(fds) == 0);
	sem_init(&done, 0, 0);
	for (int i = 0; i < 3; i++) {
		t = start(i == 2 ? be_cancelled_anywhere : be_cancelled, i ? NULL : fds);
		sem_wait(&done);
		sleep_ms(5);
		OK(pthread_cancel(t));
		CHECK(join(t) == PTHREAD_CANCELED);
	}
	EQ(cleaned, 2);
}
