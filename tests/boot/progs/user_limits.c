/* What one user may have of the kernel's memory: pages in pipes, watches of epoll(7). */
#include "epoll.h"

#define FULL 65536 /* bytes of a pipe */
#define MOST "/proc/sys/fs/epoll/max_user_watches"

static void set_limit(const char *name, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/fs/%s", name);
	spit(path, value);
}

/* What a user's pipes come to: four of full size here, then small ones, and at last none. */
static void fill_pipes(void)
{
	int p[7][2];

	EQ(setuid(1000), 0);
	for (int i = 0; i < 4; i++) {
		REQUIRE(!pipe(p[i]));
		EQ(fcntl(p[i][0], F_GETPIPE_SZ), FULL);
	}
	FAILS(fcntl(p[0][1], F_SETPIPE_SZ, 2 * FULL), EPERM);
	for (int i = 4; i < 6; i++) {
		REQUIRE(!pipe(p[i]));
		EQ(fcntl(p[i][0], F_GETPIPE_SZ), 2 * PAGE);
	}
	FAILS(fcntl(p[4][1], F_SETPIPE_SZ, 4 * PAGE), EPERM);
	EQ(fcntl(p[4][1], F_SETPIPE_SZ, PAGE), PAGE);
	FAILS(pipe(p[6]), ENFILE);
	for (int i = 0; i < 2; i++) {
		close(p[i][0]);
		close(p[i][1]);
	}
	REQUIRE(!pipe(p[6]));
	EQ(fcntl(p[6][0], F_GETPIPE_SZ), FULL);
}

TEST(pipes_of_a_user_are_limited)
{
	int p[2];

	EQ(value_of("/proc/sys/fs/pipe-max-size", ""), 1048576);
	EQ(value_of("/proc/sys/fs/pipe-user-pages-soft", ""), 16384);
	EQ(value_of("/proc/sys/fs/pipe-user-pages-hard", ""), 0);
	set_limit("pipe-user-pages-soft", "64");
	set_limit("pipe-user-pages-hard", "68");
	JOIN(CHILD(fill_pipes()));
	JOIN(CHILD(fill_pipes())); /* all have gone with it */
	REQUIRE(!pipe(p));
	EQ(fcntl(p[0], F_SETPIPE_SZ, 4 << 20), 4 << 20);
	set_limit("pipe-user-pages-hard", "0");
	set_limit("pipe-user-pages-soft", "16384");
	/* What is there is larger than may be asked for: it may stay so, or shrink. */
	REQUIRE(!pipe(p));
	set_limit("pipe-max-size", "16384");
	JOIN(CHILD(EQ(setuid(1000), 0); EQ(fcntl(p[0], F_SETPIPE_SZ, FULL), FULL);
		   EQ(fcntl(p[0], F_SETPIPE_SZ, FULL / 2), FULL / 2);
		   FAILS(fcntl(p[0], F_SETPIPE_SZ, FULL), EPERM); REQUIRE(!pipe(p));
		   EQ(fcntl(p[0], F_GETPIPE_SZ), 16384)));
	set_limit("pipe-max-size", "1048576");
	JOIN(CHILD(EQ(setuid(1000), 0); FAILS(fcntl(p[0], F_SETPIPE_SZ, 8 << 20), EPERM)));
}

/* As another user: a set, or two, of at most 4 watches in all. */
static void fill_sets(int others)
{
	int a, b, e[5];

	EQ(setresuid(1234, 1234, 1234), 0);
	a = ep();
	b = ep();
	for (int i = 0; i < 5; i++)
		e[i] = event(0);
	for (int i = 0; i < 4; i++)
		add(i % 2 ? a : b, e[i], EPOLLIN);
	FAILS(ctl(a, EPOLL_CTL_ADD, e[4], EPOLLIN), ENOSPC);
	FAILS(ctl(a, EPOLL_CTL_ADD, e[1], EPOLLIN), EEXIST);
	/* who made the set counts, not who adds */
	add(others, e[4], EPOLLIN);
	EQ(ctl(a, EPOLL_CTL_DEL, e[1], 0), 0);
	add(a, e[4], EPOLLIN);
	FAILS(ctl(a, EPOLL_CTL_ADD, e[1], EPOLLIN), ENOSPC);
	close(e[3]);
	add(a, e[1], EPOLLIN);
	FAILS(ctl(a, EPOLL_CTL_ADD, e[0], EPOLLIN), ENOSPC);
	close(b);
	add(a, e[0], EPOLLIN);
	add(a, e[2], EPOLLIN);
}

TEST(watches_of_a_user_are_limited)
{
	long most = value_of(MOST, "");
	char text[32];

	CHECK(most > 1000);
	set_limit("epoll/max_user_watches", "4");
	JOIN(CHILD(fill_sets(ep())));
	/* all have gone with it */
	JOIN(CHILD(fill_sets(ep())));
	snprintf(text, sizeof(text), "%ld", most);
	set_limit("epoll/max_user_watches", text);
	EQ(value_of(MOST, ""), most);
}
