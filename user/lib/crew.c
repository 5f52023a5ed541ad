/* Workers in step. */
#include "user/lib/crew.h"

#include "user/lib/io.h"
#include "user/lib/options.h"
#include "user/lib/units.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_AFTER_MS 200 /* how often a parent that waits looks whether a worker has died */

uint64_t own_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_minflt;
}

void *map_memory(uint64_t bytes, bool shared, const char *what)
{
	int flags = MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (p == MAP_FAILED)
		err(STATUS_TROUBLE, "cannot map %s for %s", text_size(bytes).s, what);
	/* One fault for each 4 KiB, or no figure could be predicted. A kernel without huge pages
	 * may refuse, and is right. */
	madvise(p, bytes, MADV_NOHUGEPAGE);
	madvise(p, bytes,
		MADV_RANDOM); /* Calf copies several pages of a sequential streak at once */
	return p;
}

uint64_t memory_choose(uint64_t most, uint64_t least, uint64_t shares)
{
	struct machine m;

	machine_read(&m);
	while (most > least && most > m.available / 10 * 6 / shares)
		most /= 2;
	return most & ~(PAGE_BYTES - 1);
}

void memory_require(uint64_t need)
{
	struct machine m;

	machine_read(&m);
	if (need > m.available)
		errx(STATUS_TROUBLE, "this takes %s of memory, and %s are available",
		     text_size(need).s, text_size(m.available).s);
}

static void *allocate(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		err(STATUS_TROUBLE, "no memory for a crew");
	memset(p, 0, count * size); /* touch it: calloc leaves fresh pages alone */
	return p;
}

void crew_prepare(struct crew *crew, unsigned count)
{
	size_t slots = count * sizeof(*crew->slot);

	memset(crew, 0, sizeof(*crew));
	crew->count = count;
	crew->pid = allocate(count, sizeof(*crew->pid));
	crew->rows = allocate(count + 1, sizeof(*crew->rows));
	crew->slot = map_memory(slots, true, "a crew");
	memset(crew->slot, 0, slots);
	if (pipe(crew->ready) != 0 || pipe(crew->go[0]) != 0 || pipe(crew->go[1]) != 0)
		err(STATUS_TROUBLE, "no pipe for a crew");
}

static void __attribute__((noreturn))
be_worker(struct crew *crew, unsigned index, crew_work *work, void *arg)
{
	/* With the writing ends closed here, the end of the parent is the end of the pipe. */
	close(crew->ready[0]);
	close(crew->go[0][1]);
	close(crew->go[1][1]);
	_exit(work(crew, index, arg));
}

bool crew_start(struct crew *crew, crew_work *work, void *arg)
{
	uint64_t start;

	memory_use_read(getpid(), &crew->parent_before);
	start = now_ns();
	for (unsigned i = 0; i < crew->count; i++) {
		pid_t pid = fork();

		if (pid == 0)
			be_worker(crew, i, work, arg);
		if (pid < 0) {
			int saved = errno;

			crew_free(crew);
			errno = saved;
			return false;
		}
		crew->pid[i] = pid;
		crew->started = i + 1;
	}
	crew->fork_ns = now_ns() - start;
	return true;
}

void crew_meet(struct crew *crew)
{
	int go = crew->go[crew->turn++ % 2][0];
	char c = 0;

	if (!write_full(crew->ready[1], &c, 1) || read_full(go, &c, 1) != 1)
		_exit(STATUS_TROUBLE); /* the parent is gone */
}

bool crew_lost_one(void)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

void crew_release(struct crew *crew)
{
	static const char bytes[64];
	int go = crew->go[crew->turn++ % 2][1];

	for (unsigned done = 0; done < crew->started;) {
		unsigned n = crew->started - done;

		n = n < sizeof(bytes) ? n : sizeof(bytes);
		if (!write_full(go, bytes, n))
			err(STATUS_TROUBLE, "cannot release the workers");
		done += n;
	}
}

void crew_measure(struct crew *crew)
{
	struct usage_row *row = crew->rows;

	memset(row, 0, sizeof(*row));
	snprintf(row->who, sizeof(row->who), "parent");
	memory_use_read(getpid(), &row->use);
	row->use.faults = counter_since(crew->parent_before.faults, row->use.faults);
	row->use.copied = counter_since(crew->parent_before.copied, row->use.copied);
	row->use.reused = counter_since(crew->parent_before.reused, row->use.reused);
	for (unsigned i = 0; i < crew->started; i++) {
		row++;
		memset(row, 0, sizeof(*row));
		snprintf(row->who, sizeof(row->who), "child %u", i + 1);
		if (!memory_use_read(crew->pid[i], &row->use))
			report_check(false, "process", "child %u is gone", i + 1);
	}
}

static void explain_end(unsigned index, pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		report_check(false, "process", "child %u (pid %d) was killed: %s", index + 1,
			     (int)pid, strsignal(WTERMSIG(status)));
	else
		report_check(false, "process", "child %u (pid %d) ended with status %d", index + 1,
			     (int)pid, WEXITSTATUS(status));
}

static pid_t wait_for(pid_t pid, int *status)
{
	pid_t got;

	do
		got = waitpid(pid, status, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

/* Says how worker i ended, where that is not as it should be. Returns whether it was. */
static bool judge_end(struct crew *crew, unsigned i, int status)
{
	const char *complaint = crew->slot[i].complaint;

	if (*complaint)
		report_check(false, "contents", "child %u: %s", i + 1, complaint);
	else if (status != 0)
		explain_end(i, crew->pid[i], status);
	crew->pid[i] = 0;
	return status == 0 && !*complaint;
}

/* Ends those that are left: they may wait for one that is no more. */
static void end_rest(struct crew *crew)
{
	for (unsigned i = 0; i < crew->started; i++) {
		if (crew->pid[i] == 0)
			continue;
		kill(crew->pid[i], SIGKILL);
		wait_for(crew->pid[i], NULL);
		crew->pid[i] = 0;
	}
	crew->started = 0;
}

/* A worker ended where it should meet. Says which, and ends the others. False, for the caller. */
static bool crew_give_up(struct crew *crew)
{
	for (unsigned i = 0; i < crew->started; i++) {
		int status;

		if (crew->pid[i] == 0 || waitpid(crew->pid[i], &status, WNOHANG) != crew->pid[i])
			continue;
		if (judge_end(crew, i, status))
			report_check(false, "process", "child %u ended too early", i + 1);
	}
	end_rest(crew);
	return false;
}

bool crew_gather(struct crew *crew)
{
	struct pollfd pfd = {.fd = crew->ready[0], .events = POLLIN};
	char buf[256];

	for (unsigned here = 0; here < crew->started;) {
		size_t want = crew->started - here;
		int ready = poll(&pfd, 1, LOOK_AFTER_MS);
		ssize_t n;

		if (ready == 0 && crew_lost_one())
			return crew_give_up(crew);
		if (ready <= 0)
			continue;
		n = read(crew->ready[0], buf, want < sizeof(buf) ? want : sizeof(buf));
		if (n > 0)
			here += (unsigned)n;
	}
	return true;
}

bool crew_join(struct crew *crew)
{
	bool ok = true;

	for (unsigned i = 0; i < crew->started; i++) {
		int status;

		if (crew->pid[i] == 0)
			continue;
		if (wait_for(crew->pid[i], &status) != crew->pid[i])
			status = 0;
		ok &= judge_end(crew, i, status);
	}
	crew->started = 0;
	return ok;
}

void crew_free(struct crew *crew)
{
	end_rest(crew);
	for (int i = 0; i < 2; i++) {
		close(crew->ready[i]);
		close(crew->go[0][i]);
		close(crew->go[1][i]);
	}
	munmap(crew->slot, crew->count * sizeof(*crew->slot));
	free(crew->pid);
	free(crew->rows);
	memset(crew, 0, sizeof(*crew));
}
