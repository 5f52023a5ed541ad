/*
 * A crew: forked workers that go through phases in step with the parent, which measures them while
 * they stand still. Shared memory carries what they have to tell.
 */
#pragma once

#include "user/lib/report.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CREW_FIGURES 6

/* What a worker tells its parent. */
struct crew_slot {
	uint64_t figure[CREW_FIGURES];
	char complaint[96]; /* a check that failed in the worker; empty: none */
};

struct crew {
	unsigned count;	  /* workers asked for */
	unsigned started; /* workers forked */
	pid_t *pid;
	struct crew_slot *slot; /* shared memory, one a worker */
	struct usage_row *rows; /* of the last crew_measure(): the parent, then the workers */
	uint64_t fork_ns;	/* what starting all of them took the parent */
	int ready[2];		/* a byte for each worker that meets */
	int go[2][2];  /* a byte for each that may go on; in turn, so that none takes two */
	unsigned turn; /* of go: each side counts its own meetings */
	struct memory_use parent_before; /* the parent's when the crew was started */
};

/* A worker's life; its return value is its exit status. */
typedef int crew_work(struct crew *crew, unsigned index, void *arg);

/*
 * Allocates for `count` workers. Exits with a message where memory is too short. Workers are not
 * forked yet, so that what this touches is no part of what follows.
 */
void crew_prepare(struct crew *crew, unsigned count);

/*
 * Forks the workers. False, with errno, where one could not be: those already there are ended, and
 * the crew is freed.
 */
bool crew_start(struct crew *crew, crew_work *work, void *arg);

/* Worker: tells that it is here, and waits until the parent releases it. */
void crew_meet(struct crew *crew);

/*
 * Parent: waits until all workers meet. False, with a failed check, where one died; the others are
 * ended then.
 */
bool crew_gather(struct crew *crew);
/* Parent: lets all of them go on. */
void crew_release(struct crew *crew);

/* Has a child of this process ended, and not been waited for? */
bool crew_lost_one(void);

/* Fills crew->rows, while the workers stand still. */
void crew_measure(struct crew *crew);

/* Waits for all ends. True where every worker returned 0; else failed checks say what happened. */
bool crew_join(struct crew *crew);
/* Ends what is left of it, waits, and gives everything back. */
void crew_free(struct crew *crew);

/* Minor faults of the calling process so far. */
uint64_t own_faults(void);

/*
 * Sizes for an experiment that needs `shares` times its size where all is copied. choose: up to
 * `most`, halved until they fit in 60% of what is available. require: exits with a message where
 * `need` bytes are more than there is, since somebody would be killed half way.
 */
uint64_t memory_choose(uint64_t most, uint64_t least, uint64_t shares);
void memory_require(uint64_t need);

/* Memory for private or shared contents, of small pages. Exits with a message if there is none. */
void *map_memory(uint64_t bytes, bool shared, const char *what);
