/* Readers of /proc. */
#include "user/lib/procfs.h"

#include "user/lib/io.h"
#include "user/lib/units.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHARE_LEVEL_FILE "/proc/sys/vm/fork_share_level"

uint64_t proc_number(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) != 0)
			continue;
		if (line[len] == ':' || line[len] == ' ' || line[len] == '\t')
			return strtoull(line + len + 1, NULL, 10);
	}
	return UNKNOWN;
}

static uint64_t proc_kib(const char *text, const char *key)
{
	uint64_t n = proc_number(text, key);

	return n == UNKNOWN ? UNKNOWN : n * KIB;
}

static uint64_t sum_known(uint64_t a, uint64_t b)
{
	return a == UNKNOWN || b == UNKNOWN ? UNKNOWN : a + b;
}

/* Field 10 of /proc/pid/stat, counted behind the name, which may hold blanks and parentheses. */
static uint64_t minor_faults(const char *stat)
{
	unsigned long long n;
	const char *p = strrchr(stat, ')');

	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %llu", &n) != 1)
		return UNKNOWN;
	return n;
}

/* Static, and so is what it reads: a measuring parent touches no new page while it measures. */
static const char *read_of(pid_t pid, const char *name)
{
	static char text[8192];
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return read_file(path, text, sizeof(text)) < 0 ? NULL : text;
}

bool memory_use_read(pid_t pid, struct memory_use *use)
{
	const char *text = read_of(pid, "smaps_rollup");

	if (!text)
		return false;
	use->rss = proc_kib(text, "Rss");
	if (use->rss == UNKNOWN) { /* empty: no memory any more */
		errno = ESRCH;
		return false;
	}
	use->pss = proc_kib(text, "Pss");
	use->private = sum_known(proc_kib(text, "Private_Clean"), proc_kib(text, "Private_Dirty"));
	use->shared = sum_known(proc_kib(text, "Shared_Clean"), proc_kib(text, "Shared_Dirty"));
	use->anon = proc_kib(text, "Anonymous");
	use->pss_anon = proc_kib(text, "Pss_Anon");
	text = read_of(pid, "stat");
	if (!text)
		return false;
	use->faults = minor_faults(text);
	text = read_of(pid, "status");
	if (!text)
		return false;
	use->copied = proc_number(text, "CowCopy");
	use->reused = proc_number(text, "CowReuse");
	return true;
}

void memory_use_add(struct memory_use *sum, const struct memory_use *use)
{
	sum->rss = sum_known(sum->rss, use->rss);
	sum->pss = sum_known(sum->pss, use->pss);
	sum->private = sum_known(sum->private, use->private);
	sum->shared = sum_known(sum->shared, use->shared);
	sum->anon = sum_known(sum->anon, use->anon);
	sum->pss_anon = sum_known(sum->pss_anon, use->pss_anon);
	sum->faults = sum_known(sum->faults, use->faults);
	sum->copied = sum_known(sum->copied, use->copied);
	sum->reused = sum_known(sum->reused, use->reused);
}

uint64_t memory_use_eager(const struct memory_use *use)
{
	return use->anon + (use->pss > use->pss_anon ? use->pss - use->pss_anon : 0);
}

void machine_read(struct machine *m)
{
	static char text[16384];

	if (read_file("/proc/meminfo", text, sizeof(text)) < 0)
		text[0] = '\0';
	m->total = proc_kib(text, "MemTotal");
	m->available = proc_kib(text, "MemAvailable");
	if (read_file("/proc/vmstat", text, sizeof(text)) < 0)
		text[0] = '\0';
	m->free_frames = proc_number(text, "nr_free_pages");
	m->faults = proc_number(text, "pgfault");
	m->oom_kills = proc_number(text, "oom_kill");
	m->cow_copy = proc_number(text, "cow_copy");
	m->cow_reuse = proc_number(text, "cow_reuse");
	m->zero_fill = proc_number(text, "zero_fill");
	m->fork_copied = proc_number(text, "fork_copied_pages");
	m->tables_copied = proc_number(text, "fork_copied_tables");
	m->tables_shared = proc_number(text, "fork_shared_tables");
	m->tables_unshared = proc_number(text, "cow_table_copy");
	m->tables_rearmed = proc_number(text, "cow_rearm");
}

uint64_t counter_since(uint64_t a, uint64_t b)
{
	return a == UNKNOWN || b == UNKNOWN ? UNKNOWN : b - a;
}

bool share_level_known(void)
{
	return access(SHARE_LEVEL_FILE, R_OK) == 0;
}

unsigned share_level(void)
{
	char text[32];

	if (read_file(SHARE_LEVEL_FILE, text, sizeof(text)) <= 0)
		return 1;
	if (strncmp(text, "auto", 4) == 0)
		return SHARE_AUTO;
	return (unsigned)strtoul(text, NULL, 10);
}

const char *share_level_name(void)
{
	static char name[32];
	unsigned level = share_level();

	snprintf(name, sizeof(name), level == SHARE_AUTO ? "share level auto" : "share level %u",
		 level);
	return name;
}

static char saved_level[32]; /* what to write back; empty: nothing was changed */

void share_level_restore(void)
{
	if (saved_level[0])
		write_file(SHARE_LEVEL_FILE, saved_level);
	saved_level[0] = '\0';
}

static void restore_and_die(int sig)
{
	share_level_restore();
	signal(sig, SIG_DFL);
	raise(sig);
}

bool share_level_remember(void)
{
	if (saved_level[0])
		return true;
	if (read_file(SHARE_LEVEL_FILE, saved_level, sizeof(saved_level)) <= 0)
		return false;
	atexit(share_level_restore);
	signal(SIGINT, restore_and_die);
	signal(SIGTERM, restore_and_die);
	return true;
}

bool share_level_set(unsigned level)
{
	char text[32];

	snprintf(text, sizeof(text), level == SHARE_AUTO ? "auto\n" : "%u\n", level);
	return share_level_remember() && write_file(SHARE_LEVEL_FILE, text);
}
