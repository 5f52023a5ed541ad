/* inotify(7): its calls, flags, limits, and how events are read. */
#include "inotify.h"

#include <poll.h>
#include <sys/epoll.h>

#define LIMITS "/proc/sys/fs/inotify/"

TEST(descriptor)
{
	char name[64] = "", c[64];
	struct stat st;
	int fd = inotify_init();

	REQUIRE(fd >= 0);
	EQ(fcntl(fd, F_GETFL), O_RDONLY);
	EQ(fcntl(fd, F_GETFD), 0);
	close(fd);
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	EQ(fcntl(fd, F_GETFL), O_RDONLY | O_NONBLOCK);
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	sprintf(c, "/proc/self/fd/%d", fd);
	CHECK(readlink(c, name, sizeof(name) - 1) > 0);
	CHECK(!strcmp(name, "anon_inode:inotify"));
	EQ(fstat(fd, &st), 0);
	EQ(st.st_mode & S_IFMT, 0);
	FAILS(read(fd, c, sizeof(c)), EAGAIN);
	FAILS(read(fd, c, 1), EAGAIN);
	FAILS(write(fd, c, 1), EBADF);
	FAILS(pread(fd, c, sizeof(c), 0), ESPIPE);
	FAILS(fsync(fd), EINVAL);
	FAILS(ioctl(fd, 0x5413, c), ENOTTY);
	FAILS(inotify_init1(1), EINVAL);
	FAILS(inotify_init1(O_APPEND), EINVAL);
}

TEST(errors)
{
	int in = instance(), null = open("/dev/null", O_RDONLY), path = open("/", O_PATH);

	enter_folder();
	make_file("f");
	FAILS(inotify_add_watch(99, ".", IN_OPEN), EBADF);
	FAILS(inotify_add_watch(null, ".", IN_OPEN), EINVAL);
	FAILS(inotify_add_watch(path, ".", IN_OPEN), EBADF);
	FAILS(inotify_add_watch(in, "none", IN_OPEN), ENOENT);
	FAILS(inotify_add_watch(in, "", IN_OPEN), ENOENT);
	FAILS(inotify_add_watch(in, "f/g", IN_OPEN), ENOTDIR);
	FAILS(inotify_add_watch(in, (char *)1, IN_OPEN), EFAULT);
	FAILS(inotify_add_watch(in, ".", 0), EINVAL);
	FAILS(inotify_add_watch(99, ".", 0), EINVAL);
	FAILS(inotify_add_watch(in, ".", IN_OPEN | 0x00800000), EINVAL);
	FAILS(inotify_add_watch(in, ".", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL);
	FAILS(inotify_add_watch(null, ".", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL);
	FAILS(inotify_add_watch(in, "f", IN_OPEN | IN_ONLYDIR), ENOTDIR);
	FAILS(inotify_rm_watch(99, 1), EBADF);
	FAILS(inotify_rm_watch(null, 1), EINVAL);
	FAILS(inotify_rm_watch(in, 1), EINVAL);
	FAILS(inotify_rm_watch(in, -1), EINVAL);
	EQ(chmod("f", 0222), 0);
	JOIN(CHILD({
		REQUIRE(setuid(7) == 0);
		FAILS(inotify_add_watch(in, "f", IN_OPEN), EACCES);
	}));
	TELLS(in, "");
	leave_folder();
}

TEST(numbers_are_not_used_again)
{
	int in = instance();

	enter_folder();
	EQ(watch(in, ".", IN_OPEN), 1);
	EQ(watch(in, ".", IN_OPEN), 1);
	EQ(inotify_rm_watch(in, 1), 0);
	TELLS(in, "1:IGNORED");
	FAILS(inotify_rm_watch(in, 1), EINVAL);
	EQ(watch(in, ".", IN_OPEN), 2);
	EQ(watch(in, "..", IN_OPEN), 3);
	leave_folder();
}

/* What was told before is still to be read. */
TEST(removed_with_events_queued)
{
	int in = instance();

	enter_folder();
	EQ(watch(in, ".", IN_CREATE), 1);
	make_file("f");
	EQ(inotify_rm_watch(in, 1), 0);
	make_file("g");
	TELLS(in, "1:CREATE f, 1:IGNORED");
	leave_folder();
}

/* ---- flags ---- */

TEST(masks_are_replaced_or_added_to)
{
	int in = instance();

	enter_folder();
	EQ(watch(in, ".", IN_CREATE), 1);
	make_file("a");
	TELLS(in, "1:CREATE a");
	EQ(watch(in, ".", IN_DELETE), 1);
	make_file("b");
	unlink("a");
	TELLS(in, "1:DELETE a");
	EQ(watch(in, ".", IN_CREATE | IN_MASK_ADD), 1);
	make_file("c");
	unlink("b");
	TELLS(in, "1:CREATE c, 1:DELETE b");
	FAILS(inotify_add_watch(in, ".", IN_OPEN | IN_MASK_CREATE), EEXIST);
	EQ(watch(in, "c", IN_OPEN | IN_MASK_CREATE), 2);
	close(open("c", O_RDONLY));
	TELLS(in, "2:OPEN");
	leave_folder();
}

TEST(flags_alone_ask_for_nothing)
{
	int in = instance();

	enter_folder();
	EQ(watch(in, ".", IN_ONLYDIR), 1);
	make_file("a");
	TELLS(in, "");
	EQ(inotify_rm_watch(in, 1), 0);
	TELLS(in, "1:IGNORED");
	leave_folder();
}

TEST(one_shot)
{
	int in = instance();

	enter_folder();
	EQ(watch(in, ".", IN_CREATE | IN_ONESHOT), 1);
	make_file("a");
	make_file("b");
	TELLS(in, "1:CREATE a, 1:IGNORED");
	FAILS(inotify_rm_watch(in, 1), EINVAL);
	EQ(watch(in, "a", IN_MODIFY | IN_ONESHOT), 2);
	close(open("a", O_RDONLY));
	TELLS(in, "");
	EQ(truncate("a", 1), 0);
	TELLS(in, "2:MODIFY, 2:IGNORED");
	/* Both ends of a move in the same folder: the first is all. */
	EQ(watch(in, ".", IN_MOVE | IN_ONESHOT), 3);
	EQ(rename("a", "c"), 0);
	TELLS(in, "3:MOVED_FROM a #1, 3:IGNORED");
	leave_folder();
}

TEST(links_are_followed_or_not)
{
	int in = instance();

	enter_folder();
	make_file("f");
	EQ(symlink("f", "l"), 0);
	EQ(watch(in, "l", IN_ALL_EVENTS), 1);
	EQ(watch(in, "f", IN_ALL_EVENTS), 1);
	EQ(watch(in, "l", IN_ALL_EVENTS | IN_DONT_FOLLOW), 2);
	close(open("l", O_RDONLY));
	TELLS(in, "1:OPEN, 1:CLOSE_NOWRITE");
	EQ(rename("l", "m"), 0);
	EQ(unlink("m"), 0);
	TELLS(in, "2:MOVE_SELF, 2:ATTRIB, 2:DELETE_SELF, 2:IGNORED");
	leave_folder();
}

/* ---- reading ---- */

TEST(names_are_padded)
{
	static const char *const names[] = {"a", "fifteen-letters", "sixteen--letters"};
	static const unsigned lengths[] = {16, 16, 32};
	char buf[EVENT_MAX], zeros[32] = "";
	struct inotify_event *e = (void *)buf;
	int in = instance(), left;

	enter_folder();
	EQ(watch(in, ".", IN_CREATE), 1);
	for (int i = 0; i < 3; i++) {
		size_t len = strlen(names[i]);

		make_file(names[i]);
		EQ(ioctl(in, FIONREAD, &left), 0);
		EQ(left, sizeof(*e) + lengths[i]);
		memset(buf, 7, sizeof(buf));
		EQ(read(in, buf, sizeof(buf)), sizeof(*e) + lengths[i]);
		EQ(e->len, lengths[i]);
		CHECK(!strcmp(e->name, names[i]));
		CHECK(!memcmp(e->name + len, zeros, lengths[i] - len));
		EQ(e->cookie, 0);
	}
	EQ(ioctl(in, FIONREAD, &left), 0);
	EQ(left, 0);
	FAILS(ioctl(in, FIONREAD, (int *)1), EFAULT);
	leave_folder();
}

TEST(longest_name)
{
	char name[256], buf[sizeof(struct inotify_event) + 256];
	struct inotify_event *e = (void *)buf;
	int in = instance();

	enter_folder();
	memset(name, 'n', 255);
	name[255] = 0;
	EQ(watch(in, ".", IN_CREATE), 1);
	make_file(name);
	EQ(read(in, buf, sizeof(buf)), sizeof(buf));
	EQ(e->len, 256);
	CHECK(!strcmp(e->name, name));
	leave_folder();
}

TEST(events_are_read_whole)
{
	char buf[256];
	int in = instance(), left;

	enter_folder();
	EQ(watch(in, ".", IN_CREATE), 1);
	EQ(watch(in, "..", IN_ATTRIB), 2);
	make_file("a");
	make_file("b");
	make_file("c");
	EQ(ioctl(in, FIONREAD, &left), 0);
	EQ(left, 96);
	FAILS(read(in, buf, 31), EINVAL);
	FAILS(read(in, buf, 0), EINVAL);
	EQ(read(in, buf, 63), 32);
	EQ(read(in, buf, sizeof(buf)), 64);
	FAILS(read(in, buf, 31), EAGAIN);
	/* One event of two cannot be copied: what is left is still there. */
	make_file("d");
	make_file("e");
	FAILS(read(in, (char *)1, 64), EFAULT);
	TELLS(in, "1:CREATE e");
	leave_folder();
}

TEST(read_by_vector)
{
	char a[16], b[48];
	struct iovec v[2] = {{a, sizeof(a)}, {b, sizeof(b)}};
	int in = instance();

	enter_folder();
	EQ(watch(in, ".", IN_CREATE | IN_OPEN), 1);
	close(open(".", O_RDONLY));
	make_file("b");
	/* Linux reads into each part by itself, and each holds whole events. */
	EQ(readv(in, v, 2), 48);
	EQ(((struct inotify_event *)a)->len, 0);
	EQ(((struct inotify_event *)b)->len, 16);
	leave_folder();
}

static void *make_later(void *arg)
{
	sleep_ms(50);
	make_file(arg);
	return NULL;
}

TEST(reading_waits)
{
	int in = inotify_init();
	char buf[EVENT_MAX];
	pthread_t t;

	enter_folder();
	EQ(watch(in, ".", IN_CREATE), 1);
	t = start(make_later, "f");
	EQ(read(in, buf, 1000), 32);
	join(t);
	leave_folder();
}

static void on_alarm(int sig)
{
	(void)sig;
}

TEST(signal_ends_the_wait)
{
	int in = inotify_init();
	char buf[EVENT_MAX];

	handle(SIGALRM, on_alarm, 0);
	alarm(1);
	FAILS(read(in, buf, sizeof(buf)), EINTR);
}

TEST(ready_for_poll_and_epoll)
{
	int in = instance(), set = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT};
	struct pollfd p = {in, POLLIN | POLLOUT | POLLRDNORM, 0};
	pthread_t t;

	enter_folder();
	EQ(watch(in, ".", IN_CREATE), 1);
	EQ(epoll_ctl(set, EPOLL_CTL_ADD, in, &e), 0);
	EQ(poll(&p, 1, 0), 0);
	EQ(epoll_wait(set, &e, 1, 0), 0);
	make_file("f");
	EQ(poll(&p, 1, 0), 1);
	EQ(p.revents, POLLIN | POLLRDNORM);
	EQ(epoll_wait(set, &e, 1, 0), 1);
	EQ(e.events, EPOLLIN);
	TELLS(in, "1:CREATE f");
	EQ(poll(&p, 1, 0), 0);
	EQ(epoll_wait(set, &e, 1, 0), 0);
	t = start(make_later, "g");
	EQ(epoll_wait(set, &e, 1, 10000), 1);
	join(t);
	TELLS(in, "1:CREATE g");
	t = start(make_later, "h");
	EQ(poll(&p, 1, 10000), 1);
	join(t);
	leave_folder();
}

/* One that says what the last one in the queue says is left out. */
TEST(equal_events_are_merged)
{
	int in = instance(), fd;

	enter_folder();
	fd = open("f", O_CREAT | O_RDWR, 0644);
	EQ(watch(in, ".", IN_MODIFY | IN_ATTRIB), 1);
	for (int i = 0; i < 5; i++)
		EQ(write(fd, "x", 1), 1);
	EQ(fchmod(fd, 0600), 0);
	EQ(fchmod(fd, 0644), 0);
	EQ(write(fd, "x", 1), 1);
	TELLS(in, "1:MODIFY f, 1:ATTRIB f, 1:MODIFY f");
	EQ(write(fd, "x", 1), 1);
	TELLS(in, "1:MODIFY f");
	leave_folder();
}

/* ---- limits ---- */

static int limit_of(const char *name)
{
	char text[32];

	REQUIRE(slurp(name, text, sizeof(text)) > 0);
	return atoi(text);
}

static void set_limit(const char *name, int n)
{
	char text[32];

	sprintf(text, "%d\n", n);
	spit(name, text);
}

TEST(queue_overflows)
{
	int old = limit_of(LIMITS "max_queued_events"), in, left;

	enter_folder();
	EQ(old, 16384);
	set_limit(LIMITS "max_queued_events", 3);
	in = instance();
	set_limit(LIMITS "max_queued_events", old);
	EQ(watch(in, ".", IN_CREATE), 1);
	for (char name[] = "a"; *name < 'g'; ++*name)
		make_file(name);
	EQ(ioctl(in, FIONREAD, &left), 0);
	EQ(left, 3 * 32 + 16);
	TELLS(in, "1:CREATE a, 1:CREATE b, 1:CREATE c, -1:Q_OVERFLOW");
	make_file("h");
	EQ(inotify_rm_watch(in, 1), 0);
	TELLS(in, "1:CREATE h, 1:IGNORED");
	leave_folder();
}

TEST(too_many_instances)
{
	int old = limit_of(LIMITS "max_user_instances"), fds[4];

	EQ(old, 128);
	set_limit(LIMITS "max_user_instances", 3);
	JOIN(CHILD({
		REQUIRE(setuid(4711) == 0);
		for (int i = 0; i < 3; i++)
			fds[i] = instance();
		FAILS(inotify_init(), EMFILE);
		close(fds[1]);
		fds[1] = instance();
		FAILS(inotify_init1(IN_CLOEXEC), EMFILE);
		JOIN(CHILD({ FAILS(inotify_init(), EMFILE); }));
	}));
	/* Each user has instances of its own; those of the one are gone by now. */
	JOIN(CHILD({
		REQUIRE(setuid(4711) == 0);
		for (int i = 0; i < 3; i++)
			fds[i] = instance();
	}));
	set_limit(LIMITS "max_user_instances", old);
}

TEST(too_many_watches)
{
	int old = limit_of(LIMITS "max_user_watches");

	CHECK(old >= 8192);
	enter_folder();
	for (char name[] = "a"; *name < 'e'; ++*name)
		make_file(name);
	set_limit(LIMITS "max_user_watches", 2);
	JOIN(CHILD({
		REQUIRE(setuid(4711) == 0);
		int in = instance(), other = instance();

		EQ(watch(in, "a", IN_OPEN), 1);
		EQ(watch(other, "b", IN_OPEN), 1);
		FAILS(inotify_add_watch(in, "c", IN_OPEN), ENOSPC);
		EQ(watch(in, "a", IN_MODIFY), 1);
		EQ(inotify_rm_watch(other, 1), 0);
		CHECK(watch(in, "c", IN_OPEN) > 1);
		FAILS(inotify_add_watch(other, "d", IN_OPEN), ENOSPC);
		close(in);
		CHECK(watch(other, "d", IN_OPEN) > 1);
	}));
	set_limit(LIMITS "max_user_watches", old);
	leave_folder();
}

/* ---- /proc ---- */

TEST(fdinfo)
{
	char name[64], text[4096], want[256], *line;
	struct stat st[2];
	int in = instance();

	enter_folder();
	make_file("f");
	EQ(watch(in, ".", IN_CREATE | IN_ONLYDIR), 1);
	EQ(watch(in, "f", IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK), 2);
	EQ(stat("f", &st[0]), 0);
	EQ(stat(".", &st[1]), 0);
	sprintf(name, "/proc/self/fdinfo/%d", in);
	REQUIRE(slurp(name, text, sizeof(text)) > 0);
	/* The newest first. */
	line = strstr(text, "inotify ");
	REQUIRE(line);
	sprintf(want, "inotify wd:2 ino:%lx sdev:%lx mask:84000fff ignored_mask:0 fhandle-bytes:",
		st[0].st_ino, st[0].st_dev);
	if (!CHECK(!strncmp(line, want, strlen(want))))
		say("# %s is not %s", line, want);
	line = strchr(line, '\n');
	REQUIRE(line);
	sprintf(want, "\ninotify wd:1 ino:%lx sdev:%lx mask:100 ignored_mask:0 fhandle-bytes:",
		st[1].st_ino, st[1].st_dev);
	if (!CHECK(!strncmp(line, want, strlen(want))))
		say("# %s is not %s", line, want);
	line = strchr(line + 1, '\n');
	CHECK(line && !line[1]);
	leave_folder();
}

/* ---- who has it ---- */

TEST(inherited_over_fork)
{
	int in = instance();

	enter_folder();
	JOIN(CHILD({ EQ(watch(in, ".", IN_CREATE), 1); }));
	make_file("f");
	TELLS(in, "1:CREATE f");
	JOIN(CHILD({ close(in); }));
	make_file("g");
	JOIN(CHILD({ TELLS(in, "1:CREATE g"); }));
	TELLS(in, "");
	leave_folder();
}

/* Descriptors without rights tell nothing. */
TEST(path_descriptors)
{
	int in = instance(), fd;

	enter_folder();
	make_file("f");
	EQ(watch(in, "f", IN_ALL_EVENTS), 1);
	fd = open("f", O_PATH);
	close(fd);
	TELLS(in, "");
	leave_folder();
}

/* Calf's own: each allocation fails once, and an event that there is no memory for overflows the queue. */
TEST(without_memory)
{
	int knob = open("/proc/sys/vm/fail_nth", O_RDWR), lost = 0;
	char text[16];

	if (knob < 0)
		SKIP("no vm.fail_nth");
	enter_folder();
	make_file("f");
	for (int n = 1; n < 40; n++) {
		int in, fd;

		fd = open("f", O_RDWR);
		EQ(pwrite(knob, text, sprintf(text, "%d", n), 0), (long)strlen(text));
		in = inotify_init1(IN_NONBLOCK);
		if (in < 0)
			CHECK(errno == ENOMEM);
		if (in >= 0 && inotify_add_watch(in, ".", IN_ALL_EVENTS) < 0)
			CHECK(errno == ENOMEM);
		(void)!write(fd, "x", 1);
		EQ(pwrite(knob, "0", 1, 0), 1);
		if (in >= 0)
			lost += strstr(told(in), "-1:Q_OVERFLOW") != NULL;
		close(in);
		close(fd);
	}
	CHECK(lost > 0);
	leave_folder();
}
