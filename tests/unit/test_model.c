/*
 * The reference model against mm/: random operations by many processes on several CPUs.
 *
 *	SEED=n		the first seed (a failure names its own)
 *	RUNS=n STEPS=n	how many sequences, and how long each is
 *	LEVEL=n		one share level alone; 6: each fork at a level of its own
 *	CHECK=n		steps between checks of everything: 1 finds the step that went wrong
 */
#include "tests/unit/host/tap.h"
#include "tests/unit/model/model.h"
#include <stdio.h>
#include <stdlib.h>

#define TIGHT_FRAMES 160
#define MIXED	     (FORK_SHARE_AUTO + 1) /* after the share levels: any of them at each fork */

static u32 choose(void *arg, u32 n)
{
	(void)arg;
	return (u32)rand_below(n);
}

struct run {
	u64 seed, steps;
	bool fail, tight, mixed;
	unsigned check_every;
};

static void run(void *arg)
{
	static struct model m;
	struct run *r = arg;

	rand_state = r->seed * 0x9e3779b97f4a7c15ull + 1;
	model_init(&m, choose, NULL);
	m.fail_allocations = r->fail;
	m.check_every = r->check_every;
	m.mixed = r->mixed;
	m.tight = r->tight;
	while (m.step < r->steps)
		model_step(&m);
	model_check(&m);
	model_end(&m);
}

/* Runs `runs` sequences from `seed` on at a level. */
static void run_all(struct run *r, int level, u64 seed, u64 runs)
{
	r->mixed = level == MIXED;
	vm_fork_share_level = level == MIXED ? 1 : level;
	for (u64 i = 0; i < runs; i++) {
		const char *m;

		r->seed = seed + i;
		r->fail = r->seed % 2 && !r->tight;
		m = panic_of(run, r);
		if (m)
			tap_fail("level %d, seed %lu%s: %s", level, r->seed,
				 r->tight ? ", little memory" : "", m);
	}
	tap_ok(true, "model: level %d%s, %lu sequences of %lu steps", level,
	       r->tight ? " with little memory" : "", runs, r->steps);
}

int main(void)
{
	u64 seed = env_number("SEED", 1), runs = env_number("RUNS", 9);
	u64 only = env_number("LEVEL", ~0ul);
	struct run r = {.check_every = (unsigned)env_number("CHECK", 4),
			.steps = env_number("STEPS", 1200)};

	model_boot(4096);
	for (unsigned tight = 0; tight < 2; tight++) {
		r.tight = tight;
		model_squeeze(tight ? TIGHT_FRAMES : ~0ul);
		for (int level = 0; level <= MIXED; level++)
			if (only == ~0ul || only == (u64)level)
				run_all(&r, level, seed, tight ? DIV_ROUND_UP(runs, 3) : runs);
	}
	return tap_done();
}
