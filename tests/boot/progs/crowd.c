/* A thousand processes alive at once, each with pages of its own; 512 MiB must do at level 1. */
#include "tap.h"

enum { CROWD = 1000 };

TEST_FOR(300, a_thousand_at_once)
{
	static pid_t pids[CROWD];
	const size_t shared = 128;
	unsigned char *p = map_private(shared * PAGE), c;
	int go[2], ready[2];
	int alive = 0;

	REQUIRE(!pipe(go) && !pipe(ready));
	memset(p, 7, shared * PAGE);
	for (int i = 0; i < CROWD; i++) {
		pids[i] = fork();
		REQUIRE(pids[i] >= 0);
		if (!pids[i]) {
			close(go[1]);
			p[i % shared * PAGE] = i;
			if (write(ready[1], "r", 1) != 1 || read(go[0], &c, 1) != 0)
				_exit(1);
			for (size_t j = 0; j < shared; j++)
				if (p[j * PAGE] != (j == i % shared ? (unsigned char)i : 7))
					_exit(2);
			_exit(0);
		}
	}
	for (int i = 0; i < CROWD; i++)
		REQUIRE(read(ready[0], &c, 1) == 1);
	for (int i = 0; i < CROWD; i++)
		alive += kill(pids[i], 0) == 0;
	EQ(alive, CROWD);
	close(go[1]); /* they all go home */
	for (int i = 0; i < CROWD; i++)
		JOIN(pids[i]);
	for (size_t j = 0; j < shared; j++)
		EQ(p[j * PAGE], 7);
}

TEST_FOR(120, a_thousand_sleepers_are_killed_at_once)
{
	pid_t leader = CHILD(setpgid(0, 0); for (int i = 0; i < CROWD - 1; i++) {
		pid_t pid = fork();
		REQUIRE(pid >= 0);
		if (!pid)
			for (;;)
				pause();
	} for (;;) pause());

	setpgid(leader, leader);
	sleep_ms(1500);
	EQ(kill(-leader, SIGKILL), 0);
	EQ(status_of(leader), SIGKILL);
}
