/* Free frames before and after. */
#include "user/lib/ledger.h"

#include "user/lib/io.h"
#include "user/lib/options.h"
#include "user/lib/procfs.h"
#include "user/lib/report.h"
#include "user/lib/units.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAULTS_OF_A_KILL 2  /* at most: see others_faults() */
#define TRIES		 20 /* looks at the counter, 10 ms apart, until what ended is quite gone */

static uint64_t free_frames(void)
{
	struct machine m;

	write_file("/proc/sys/vm/drop_caches", "3\n"); /* caches of the allocators are free, too */
	machine_read(&m);
	return m.free_frames;
}

/* What the experiment has left behind, where it was killed, comes to an end by itself. */
static void reap_orphans(void)
{
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

/* Its wait status. */
static int run_child(int (*experiment)(void))
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		err(STATUS_TROUBLE, "cannot fork");
	if (pid == 0) {
		int result = experiment();

		fflush(stdout);
		share_level_restore();
		_exit(result);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err(STATUS_TROUBLE, "lost the experiment");
	reap_orphans();
	return status;
}

static int nothing(void)
{
	return 0;
}

/* Free frames once all that ended is quite gone: `before`, if the ledger balances. */
static uint64_t settled(uint64_t before)
{
	uint64_t after = free_frames();

	for (int i = 0; i < TRIES && after != before; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
		after = free_frames();
	}
	return after;
}

/*
 * Faults of processes that are no part of the experiment: all of the machine less those of this
 * process and of all that it has waited for, and less the last ones of those killed for want of
 * memory, which the machine counts and the process does not.
 */
static int64_t others_faults(void)
{
	struct rusage self, children;
	struct machine m;

	machine_read(&m);
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return (int64_t)(m.faults - FAULTS_OF_A_KILL * m.oom_kills) - self.ru_minflt -
	       children.ru_minflt;
}

static int exit_status(int status)
{
	if (WIFSIGNALED(status)) {
		report_check(false, "experiment", "killed: %s", strsignal(WTERMSIG(status)));
		return STATUS_CHECK_FAILED;
	}
	return WEXITSTATUS(status);
}

int ledger_run(int (*experiment)(void))
{
	uint64_t before, after;
	int64_t others;
	int status;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!share_level_known()) {
		status = exit_status(run_child(experiment));
		report_skip("ledger", "this kernel does not count free frames exactly");
		return status;
	}
	/* Once in vain: what this process touches while it measures, it has then touched before. */
	run_child(nothing);
	settled(free_frames());
	others = others_faults();
	before = free_frames();
	status = run_child(experiment);
	after = settled(before);
	others = others_faults() - others;
	/* Only now a word: to write a message may touch a new page of this process. */
	status = exit_status(status);
	if (after != before && others > 0)
		report_skip("ledger", "other processes ran at the same time: theirs change, too");
	else
		report_check(after == before, "ledger", "%s frames free before, %s after",
			     text_count(before).s, text_count(after).s);
	return status ? status : report_status();
}
