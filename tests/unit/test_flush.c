/*
 * Is every flush needed, and would the model notice if it were not there? Each call of
 * mmu_flush_range() and mmu_flush_all() in mm/ is left out in turn: the same random sequences that
 * passed with it must fail without it.
 */
#include "tests/unit/host/tap.h"
#include "tests/unit/model/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS 1000
#define SEEDS 60

static u32 choose(void *arg, u32 n)
{
	(void)arg;
	return (u32)rand_below(n);
}

static void run(void *arg)
{
	static struct model m;

	rand_state = *(u64 *)arg * 0x9e3779b97f4a7c15ull + 1;
	model_init(&m, choose, NULL);
	m.check_every = 5;
	vm_fork_share_level = (int)(*(u64 *)arg % (FORK_SHARE_AUTO + 2));
	m.mixed = vm_fork_share_level > FORK_SHARE_AUTO;
	while (m.step < STEPS)
		model_step(&m);
	model_end(&m);
}

/* Runs the sequence in a process of its own, since a missed flush leaves nothing sound behind. */
static bool caught(int skip, u64 seed)
{
	const char *message;
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		sim_flush_skip = skip;
		message = panic_of(run, &seed);
		if (message)
			tap_note("flush %d left out: %s", skip, message);
		fflush(stdout);
		_exit(message ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

int main(void)
{
	int sites;

	model_boot(4096);
	for (u64 seed = 1; seed <= 12; seed++) {
		const char *message = panic_of(run, &seed);

		if (message)
			tap_fail("flush: nothing left out, seed %lu: %s", seed, message);
	}
	sites = sim_flush_sites();
	tap_ok(sites > 0, "flush: %d places flush", sites);
	for (int n = 0; n < sites; n++) {
		u64 seed = 1;

		while (seed <= SEEDS && !caught(n, seed))
			seed++;
		tap_ok(seed <= SEEDS, "flush: without number %d (%p) seed %lu fails", n,
		       sim_flush_site(n), seed);
	}
	return tap_done();
}
