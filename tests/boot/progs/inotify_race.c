/* inotify(7) from several threads: watches and instances that come and go while files change. */
#include "inotify.h"

#include <sys/mount.h>

#define MS 700 /* that each race takes */

static volatile int stop;
static int shared; /* the instance that all use */

/* Files that come, change, move and go. */
static void *change_files(void *arg)
{
	char a[16], b[16];
	long n = (long)arg;

	sprintf(a, "a%ld", n);
	sprintf(b, "b%ld", n);
	while (!stop) {
		int fd = open(a, O_CREAT | O_RDWR, 0644);

		(void)!write(fd, "x", 1);
		(void)!rename(a, b);
		(void)!link(b, a);
		unlink(b);
		(void)!fchmod(fd, 0600);
		unlink(a);
		close(fd);
	}
	return NULL;
}

static void *watch_files(void *arg)
{
	static const char *const names[] = {".", "a0", "b0", "a1", "b1", "/tmp"};
	uint32_t mask = (uint32_t)(long)arg;

	for (unsigned i = 0; !stop; i++)
		(void)inotify_add_watch(shared, names[i % 6], mask);
	return NULL;
}

static void *unwatch_files(void *arg)
{
	(void)arg;
	/* Numbers only grow, and an event tells how far they are. */
	for (int wd = 1; !stop;) {
		if (inotify_rm_watch(shared, wd) == 0)
			wd++;
		else if (inotify_rm_watch(shared, wd + 1) == 0)
			wd += 2;
		else
			wd = wd > 1 && errno == EINVAL && (wd & 15) ? wd + 1 : wd + 2;
		if ((wd & 1023) == 0)
			sched_yield();
	}
	return NULL;
}

static void *read_events(void *arg)
{
	char buf[4096] __attribute__((aligned(8)));
	long events = 0;

	(void)arg;
	while (!stop) {
		ssize_t n = read(shared, buf, sizeof(buf));

		if (n < 0)
			sched_yield();
		for (char *p = buf; n > 0 && p < buf + n; events++) {
			const struct inotify_event *e = (const struct inotify_event *)p;

			CHECK(e->len % 16 == 0 && e->len <= 256);
			CHECK(e->wd > 0 || e->mask == IN_Q_OVERFLOW);
			p += sizeof(*e) + e->len;
		}
	}
	return (void *)events;
}

static void *instances_come_and_go(void *arg)
{
	(void)arg;
	while (!stop) {
		int in = inotify_init1(IN_NONBLOCK);

		if (in < 0)
			continue;
		(void)inotify_add_watch(in, ".", IN_ALL_EVENTS);
		(void)inotify_add_watch(in, "a0", IN_ALL_EVENTS | IN_ONESHOT);
		(void)inotify_add_watch(in, "b1", IN_ALL_EVENTS);
		sched_yield();
		close(in);
	}
	return NULL;
}

static void race(void *(*const fns[])(void *), const long *args, int n)
{
	pthread_t t[8];

	stop = 0;
	for (int i = 0; i < n; i++)
		t[i] = start(fns[i], (void *)args[i]);
	sleep_ms(MS);
	stop = 1;
	for (int i = 0; i < n; i++)
		join(t[i]);
}

TEST(watches_removed_while_events_come)
{
	enter_folder();
	shared = instance();
	race((void *(*const[])(void *)){change_files, change_files, watch_files, unwatch_files,
					read_events},
	     (const long[]){0, 1, IN_ALL_EVENTS, 0, 0}, 5);
	close(shared);
	leave_folder();
}

TEST(one_shots_while_events_come)
{
	enter_folder();
	shared = instance();
	race((void *(*const[])(void *)){change_files, change_files, watch_files, watch_files,
					read_events},
	     (const long[]){0, 1, (long)(IN_ALL_EVENTS | IN_ONESHOT), IN_ALL_EVENTS}, 5);
	close(shared);
	leave_folder();
}

TEST(instances_closed_while_files_change)
{
	enter_folder();
	race((void *(*const[])(void *)){change_files, change_files, instances_come_and_go,
					instances_come_and_go},
	     (const long[]){0, 1, 0, 0}, 4);
	leave_folder();
}

/* ---- order ---- */

static void *make_one(void *arg)
{
	(void)arg;
	while (!stop)
		close(open("one", O_CREAT | O_WRONLY, 0644));
	return NULL;
}

static void *remove_one(void *arg)
{
	(void)arg;
	while (!stop)
		unlink("one");
	return NULL;
}

/* A name is never told to go before it is told to come, whoever did which. */
static void *check_order(void *arg)
{
	char buf[4096] __attribute__((aligned(8)));
	uint32_t last = IN_DELETE;
	long wrong = 0;

	(void)arg;
	for (;;) {
		int stopped = stop;
		ssize_t n = read(shared, buf, sizeof(buf));

		if (n < 0 && stopped)
			break;
		for (char *p = buf; n > 0 && p < buf + n;) {
			const struct inotify_event *e = (const struct inotify_event *)p;

			if (e->mask == IN_Q_OVERFLOW)
				return (void *)wrong;
			wrong += e->mask == last;
			last = e->mask;
			p += sizeof(*e) + e->len;
		}
	}
	return (void *)wrong;
}

TEST(made_before_removed)
{
	pthread_t t[4];

	enter_folder();
	shared = instance();
	EQ(watch(shared, ".", IN_CREATE | IN_DELETE), 1);
	t[0] = start(make_one, NULL);
	t[1] = start(make_one, NULL);
	t[2] = start(remove_one, NULL);
	t[3] = start(check_order, NULL);
	sleep_ms(MS);
	stop = 1;
	for (int i = 0; i < 3; i++)
		join(t[i]);
	EQ((long)join(t[3]), 0);
	close(shared);
	leave_folder();
}

/* ---- file systems that go ---- */

static void *watch_mounted(void *arg)
{
	(void)arg;
	while (!stop) {
		int wd = inotify_add_watch(shared, "m/f", IN_ALL_EVENTS | IN_ONESHOT);

		if (wd > 0)
			inotify_rm_watch(shared, wd);
	}
	return NULL;
}

static void *open_mounted(void *arg)
{
	(void)arg;
	while (!stop)
		close(open("m/f", O_RDONLY));
	return NULL;
}

TEST(unmounted_while_watched)
{
	pthread_t t[4];

	enter_folder();
	shared = instance();
	mkdir("m", 0755);
	t[0] = start(watch_mounted, NULL);
	t[1] = start(open_mounted, NULL);
	t[2] = start(watch_mounted, NULL);
	t[3] = start(read_events, NULL);
	for (int i = 0; goes_on(i, 300); i++) {
		REQUIRE(mount("none", "m", "tmpfs", 0, NULL) == 0);
		make_file("m/f");
		sched_yield();
		EQ(umount2("m", MNT_DETACH), 0);
	}
	stop = 1;
	for (int i = 0; i < 4; i++)
		join(t[i]);
	close(shared);
	leave_folder();
}
