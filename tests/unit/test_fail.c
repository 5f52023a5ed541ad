/*
 * Every allocation fails once: each operation, out of many states, with its k-th allocation
 * failing, for k from 1 until it needs no more. Nothing may be half done, the same operation tried
 * again with enough memory succeeds, and at the end of all processes no frame may be missing.
 *
 * Each share level has its states, and so has a family whose forks each choose a level.
 */
#include "tests/unit/host/tap.h"
#include "tests/unit/model/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATES 4
#define STEPS  120
#define MIXED  (FORK_SHARE_AUTO + 1) /* after the share levels */

static u32 choose(void *arg, u32 n)
{
	(void)arg;
	return (u32)rand_below(n);
}

struct trial {
	struct model m;
	unsigned op;
	u64 k;
	bool fired;
};

static struct trial t;

static void attempt(void *arg)
{
	u64 choices = rand_state;

	(void)arg;
	t.fired = model_do(&t.m, t.op, t.k);
	model_check(&t.m);
	rand_state = choices;
	model_do(&t.m, t.op, 0);
	model_check(&t.m);
	model_end(&t.m);
}

/* In a process of its own, so that the next k starts from the same state. True: it fired. */
static bool try_in_child(unsigned level, u64 seed)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		const char *message = panic_of(attempt, NULL);

		if (message) {
			tap_note("%s, level %u, state %lu, allocation %lu: %s", model_op_name(t.op),
				 level, seed, t.k, message);
			fflush(stdout);
		}
		_exit(message ? 2 : t.fired);
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		tap_fail("fail: %s, level %u, state %lu, allocation %lu", model_op_name(t.op),
			 level, seed, t.k);
	return WEXITSTATUS(status);
}

static void build_state(unsigned level, u64 seed)
{
	vm_fork_share_level = level == MIXED ? 1 : (int)level;
	rand_state = seed * 0x9e3779b97f4a7c15ull + 1;
	model_init(&t.m, choose, NULL);
	t.m.check_every = STEPS;
	t.m.mixed = level == MIXED;
	while (t.m.step < STEPS)
		model_step(&t.m);
}

int main(void)
{
	u64 states = env_number("RUNS", STATES), failures[32] = {0};

	model_boot(2048);
	for (unsigned level = 0; level <= MIXED; level++) {
		for (u64 seed = 1; seed <= states; seed++) {
			build_state(level, seed * (MIXED + 1) + level);
			for (t.op = 0; model_op_name(t.op); t.op++) {
				u64 here = rand_state;

				for (t.k = 1; try_in_child(level, seed); t.k++)
					failures[t.op]++;
				rand_state = here * 0x2545f4914f6cdd1dull + 1;
			}
			model_end(&t.m);
		}
	}
	for (t.op = 0; model_op_name(t.op); t.op++)
		tap_ok(true, "fail: %s, %lu allocations", model_op_name(t.op), failures[t.op]);
	return tap_done();
}
