/*
 * Out of memory: what happens to the one who takes too much, and to everybody else. A process
 * grows until the kernel ends it, or says no; then its memory must be back, and this program,
 * which waited for it, unharmed.
 *
 *   grow   one process writes ever more memory
 *   fork   one process takes 70% of memory, and its children write all they inherited: each fork
 *          succeeds, since it shares, and the bill comes when they write
 */
#include "user/lib/crew.h"
#include "user/lib/io.h"
#include "user/lib/ledger.h"
#include "user/lib/options.h"
#include "user/lib/pattern.h"
#include "user/lib/units.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LARGE_MACHINE (4 * GIB)
#define FORK_CHILDREN 4
#define REFUSED	      3 /* exit status of a victim to whom the kernel said no */

/* Shared with the victims. */
struct account {
	atomic_ullong written; /* bytes that were written and still held */
	atomic_ullong killed;  /* fork: children ended by the kernel */
};

static uint64_t step = 4 * MIB, limit, seed = 1;
static const char *mode = "both";
static bool force;

static struct account *account;

static const struct option_spec options[] = {
    {"mode", 'm', OPTION_WORD, &mode, "WHICH", "grow, fork or both", 0, 0},
    {"step", 's', OPTION_BYTES, &step, "SIZE", "grow by so much at a time", 64 * KIB, GIB},
    {"limit", 'l', OPTION_BYTES, &limit, "SIZE", "stop there, killed or not", MIB, 0},
    {"force", 'f', OPTION_FLAG, &force, NULL, "also with more than 4 GiB of memory", 0, 0},
    {0},
};

static const struct program_spec program = {
    .name = "oom",
    .summary = "Uses memory up, in a process of its own, until the kernel ends it. Shows how\n"
	       "far it came, and that its memory is back and everybody else still there.\n",
    .options = options,
    .notes = "Meant for a virtual machine: elsewhere something else may be ended.\n\n"
	     "exit status: 0 all checks hold, 1 one failed, 2 trouble\n",
};

/* This process is the one to be chosen. */
static void volunteer(void)
{
	write_file("/proc/self/oom_score_adj", "1000\n");
}

static void write_region(uint8_t *p, uint64_t bytes)
{
	for (uint64_t at = 0; at + PAGE_BYTES <= bytes; at += PAGE_BYTES) {
		pattern_fill(p + at, pattern_key(seed, at, 0));
		atomic_fetch_add(&account->written, PAGE_BYTES);
	}
}

static void grow(void)
{
	volunteer();
	while (atomic_load(&account->written) < limit) {
		uint8_t *p =
		    mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			_exit(errno == ENOMEM ? REFUSED : STATUS_TROUBLE);
		write_region(p, step);
	}
	_exit(STATUS_OK);
}

static void reap(uint64_t running)
{
	int status;

	while (running > 0) {
		if (wait(&status) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		if (WIFSIGNALED(status))
			atomic_fetch_add(&account->killed, 1);
		running--;
	}
}

static void share_and_write(void)
{
	struct machine m;
	uint64_t size, running = 0;
	uint8_t *p;

	machine_read(&m);
	size = m.available / 100 * 70;
	if (size > limit)
		size = limit;
	size &= ~(PAGE_BYTES - 1);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(REFUSED);
	write_region(p, size);
	for (int i = 0; i < FORK_CHILDREN; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			volunteer();
			write_region(p, size);
			_exit(STATUS_OK);
		}
		if (pid < 0)
			atomic_fetch_add(&account->killed, 1); /* refused: as good an answer */
		else
			running++;
	}
	reap(running);
	for (uint64_t at = 0; at < size; at += PAGE_BYTES)
		if (pattern_check(p + at, pattern_key(seed, at, 0)) >= 0)
			_exit(STATUS_CHECK_FAILED);
	_exit(STATUS_OK);
}

static pid_t start(void (*victim)(void))
{
	pid_t pid;

	atomic_store(&account->written, 0);
	atomic_store(&account->killed, 0);
	pid = fork();
	if (pid == 0)
		victim();
	if (pid < 0)
		err(STATUS_TROUBLE, "cannot fork");
	return pid;
}

/* Follows it as it grows: a row each time that it holds twice as much. Returns its wait status. */
static int follow(pid_t pid)
{
	uint64_t told = 32 * MIB;
	struct memory_use use;
	char who[20];
	int status;

	snprintf(who, sizeof(who), "pid %d", (int)pid);
	report_usage_head();
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (memory_use_read(pid, &use) && use.rss >= told) {
			report_usage_row(who, &use);
			while (told <= use.rss)
				told *= 2;
		}
		nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
	}
	return status;
}

static void check_back(const struct machine *before)
{
	/* Where others live on the machine, too, what they take and give shows. */
	uint64_t slack = before->total / (share_level_known() ? 100 : 10);
	struct machine after;

	machine_read(&after);
	report_check(after.available + slack >= before->available, "memory",
		     "%s available before, %s after", text_size(before->available).s,
		     text_size(after.available).s);
}

static void try_grow(void)
{
	struct machine before;
	uint64_t written;
	int status;

	machine_read(&before);
	status = follow(start(grow));
	written = atomic_load(&account->written);
	if (WIFSIGNALED(status))
		report_check(WTERMSIG(status) == SIGKILL, "ended", "by %s, after %s of %s",
			     strsignal(WTERMSIG(status)), text_size(written).s,
			     text_size(before.available).s);
	else if (WEXITSTATUS(status) == REFUSED)
		report_check(true, "refused", "mmap says ENOMEM, after %s of %s",
			     text_size(written).s, text_size(before.available).s);
	else
		report_check(WEXITSTATUS(status) == STATUS_OK && written >= limit, "limit",
			     "stopped by itself, at %s", text_size(written).s);
	check_back(&before);
}

static void try_fork(void)
{
	struct machine before;
	uint64_t killed;
	int status;

	machine_read(&before);
	status = follow(start(share_and_write));
	killed = atomic_load(&account->killed);
	if (WIFSIGNALED(status))
		report_check(WTERMSIG(status) == SIGKILL, "ended", "the parent itself, by %s",
			     strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == REFUSED)
		report_check(true, "refused", "mmap says ENOMEM to the parent");
	else
		report_check(WEXITSTATUS(status) == STATUS_OK, "contents",
			     "the parent's memory is whole; children ended or refused: %s of %d",
			     text_count(killed).s, FORK_CHILDREN);
	check_back(&before);
}

static int experiment(void)
{
	account = map_memory(sizeof(*account), true, "the account");
	if (strcmp(mode, "fork") != 0) {
		report_note("a process grows by %s at a time:", text_size(step).s);
		try_grow();
	}
	if (strcmp(mode, "grow") != 0) {
		report_note("a process of 70%% of memory, and %d children that write all of it:",
			    FORK_CHILDREN);
		try_fork();
	}
	if (report_status() == STATUS_OK)
		report_verdict("whoever took too much paid for it, and nobody else");
	return report_status();
}

int main(int argc, char **argv)
{
	struct machine m;

	options_parse(&program, argc, argv);
	if (strcmp(mode, "grow") != 0 && strcmp(mode, "fork") != 0 && strcmp(mode, "both") != 0)
		errx(STATUS_TROUBLE, "--mode is grow, fork or both");
	machine_read(&m);
	if (m.total > LARGE_MACHINE && !limit && !force)
		errx(STATUS_TROUBLE, "%s of memory is much to use up: --limit or --force",
		     text_size(m.total).s);
	if (!limit)
		limit = UINT64_MAX;
	report_title(program.name, "%s of memory, %s of it available", text_size(m.total).s,
		     text_size(m.available).s);
	return ledger_run(experiment);
}
