/* Many forks: ten thousand in a row, with work in each, in trees and in chains. */
#include "tap.h"

TEST_FOR(300, ten_thousand_forks_with_work)
{
	enum { PAGES = 64 };
	int forks = on_calf() ? 10000 : 2000; /* Linux takes its time */
	unsigned char *p = map_private(PAGES * PAGE);

	for (int i = 0; i < PAGES; i++)
		p[i * PAGE] = i;
	for (int n = 0; n < forks; n++) {
		int status;
		pid_t pid = fork();

		REQUIRE(pid >= 0);
		if (!pid) {
			/* reads all of it, writes a few pages of its own */
			for (int i = 0; i < PAGES; i++)
				if (p[i * PAGE] != i)
					_exit(1);
			for (int i = n % 8; i < PAGES; i += 16)
				p[i * PAGE] = 0xff;
			_exit(p[(n % 8) * PAGE] == 0xff ? 0 : 2);
		}
		if (n % 100 == 0)
			p[PAGE + 8] = n;
		REQUIRE(waitpid(pid, &status, 0) == pid);
		if (status)
			EQ(status, 0);
	}
	for (int i = 0; i < PAGES; i++)
		EQ(p[i * PAGE], i);
}

/* Every node forks twice and adds its children's sizes. */
static int tree(int depth, unsigned char *p)
{
	int size = 1;

	p[depth * PAGE]++;
	for (int i = 0; i < 2 && depth > 0; i++) {
		int fds[2], child = 0;
		pid_t pid;

		REQUIRE(!pipe(fds));
		pid = fork();
		REQUIRE(pid >= 0);
		if (!pid) {
			child = tree(depth - 1, p);
			_exit(write(fds[1], &child, sizeof(child)) != sizeof(child));
		}
		JOIN(pid);
		EQ(read(fds[0], &child, sizeof(child)), sizeof(child));
		close(fds[0]);
		close(fds[1]);
		size += child;
	}
	EQ(p[depth * PAGE], 1);
	return size;
}

TEST_FOR(120, a_binary_tree_of_forks)
{
	EQ(tree(8, map_private(9 * PAGE)), 511);
}

static int bomb(int depth)
{
	for (int i = 0; i < depth; i++)
		if (fork() == 0)
			i = 0, depth--;
	while (wait(NULL) > 0)
		;
	return 0;
}

TEST_FOR(120, forks_all_at_once)
{
	JOIN(CHILD(bomb(6)));
}

TEST_FOR(120, five_hundred_execs)
{
	for (int i = 0; goes_on(i, 500); i++) {
		pid_t pid = i % 2 ? fork() : vfork();

		REQUIRE(pid >= 0);
		if (!pid) {
			execl("/bin/busybox", "true", NULL);
			_exit(1);
		}
		JOIN(pid);
	}
}

TEST_FOR(120, killed_at_any_moment)
{
	unsigned char *p = map_private(64 * PAGE);

	memset(p, 1, 64 * PAGE);
	for (int i = 0; goes_on(i, 200); i++) {
		pid_t pid = fork();

		if (!pid) {
			for (;;) {
				pid_t inner = fork();

				if (!inner) {
					memset(p, 2, 64 * PAGE);
					_exit(0);
				}
				waitpid(inner, NULL, 0);
			}
		}
		for (volatile int spin = 0; spin < i * 500; spin++)
			;
		if (i % 3 == 0)
			sched_yield();
		EQ(kill(pid, SIGKILL), 0);
		EQ(status_of(pid), SIGKILL);
	}
	EQ(p[0], 1);
}

TEST_FOR(120, shared_counter_of_many_writers)
{
	int *n = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	pid_t pids[20];

	for (int i = 0; i < 20; i++)
		pids[i] = CHILD(for (int j = 0; j < 1000; j++) {
			__atomic_fetch_add(n, 1, __ATOMIC_SEQ_CST);
			if (j % 100 == 0)
				sched_yield();
		});
	for (int i = 0; i < 20; i++)
		JOIN(pids[i]);
	EQ(*n, 20000);
}
