/*
 * What the machine shows first: each stress program once, with sizes that take seconds, and a
 * table of how they did.
 */
#include "user/lib/io.h"
#include "user/lib/options.h"
#include "user/lib/procfs.h"
#include "user/lib/report.h"
#include "user/lib/table.h"
#include "user/lib/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS 12

static bool quick;

static const struct option_spec options[] = {
    {"quick", 'q', OPTION_FLAG, &quick, NULL, "smaller still: for slow machines", 0, 0},
    {0},
};

static const struct program_spec program = {
    .name = "demo",
    .summary = "Runs forkstorm, cowstorm, prefork and thrash with small sizes, and sums up.\n",
    .options = options,
    .notes = "exit status: 0 all checks hold, 1 one failed, 2 trouble\n",
};

struct part {
	const char *what;
	const char *argv[MAX_ARGS], *quick_argv[MAX_ARGS];
	int status;
	uint64_t ns;
};

static struct part parts[] = {
    {.what = "600 forks with work in each",
     .argv = {"forkstorm", "--count", "300", "--chain", "50", "--alive", "100", "--depth", "3"},
     .quick_argv = {"forkstorm", "-n", "50", "-l", "10", "-c", "20", "-d", "2", "-s", "1M"}},
    {.what = "everybody writes everything",
     .argv = {"cowstorm", "--children", "3"},
     .quick_argv = {"cowstorm", "--children", "2", "--size", "2M"}},
    {.what = "everybody writes one page in 16",
     .argv = {"cowstorm", "--children", "3", "--write", "1/16"},
     .quick_argv = {"cowstorm", "--children", "2", "--size", "2M", "--write", "1/16"}},
    {.what = "32 web servers over one heap",
     .argv = {"prefork", "--requests", "3200"},
     .quick_argv = {"prefork", "--requests", "320", "--heap", "1M"}},
    {.what = "when copy-on-write does not pay",
     .argv = {"thrash", "--rounds", "2"},
     .quick_argv = {"thrash", "--rounds", "1", "--size", "2M"}},
};

#define PARTS (sizeof(parts) / sizeof(*parts))

static void print_rule(void)
{
	puts("===============================================================================");
}

static void print_banner(void)
{
	struct utsname u;
	struct machine m;

	uname(&u);
	machine_read(&m);
	putchar('\n');
	print_rule();
	printf("  %s %s on %s, %ld CPU%s, %s of memory, %s available\n", u.sysname, u.release,
	       u.machine, sysconf(_SC_NPROCESSORS_ONLN), plural(sysconf(_SC_NPROCESSORS_ONLN)),
	       text_size(m.total).s, text_size(m.available).s);
	if (share_level_known())
		printf("  fork at %s: it shares %s\n", share_level_name(),
		       share_level() == 0   ? "nothing, all is copied at once"
		       : share_level() == 1 ? "data pages, each copied when it is written"
					    : "page tables and all below them");
	puts("  What does a fork cost here, and what does copy-on-write save?");
	print_rule();
}

static void run(struct part *part)
{
	const char **argv = quick ? part->quick_argv : part->argv;
	uint64_t start = now_ns();
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], (char *const *)argv);
		fprintf(stderr, "demo: cannot run %s: %s\n", argv[0], strerror(errno));
		_exit(STATUS_TROUBLE);
	}
	part->status = STATUS_TROUBLE << 8;
	while (pid > 0 && waitpid(pid, &part->status, 0) < 0)
		if (errno != EINTR)
			break;
	if (pid < 0)
		fprintf(stderr, "demo: cannot fork: %s\n", strerror(errno));
	part->ns = now_ns() - start;
}

static const char *outcome(int status)
{
	if (WIFSIGNALED(status))
		return strsignal(WTERMSIG(status));
	switch (WEXITSTATUS(status)) {
	case STATUS_OK:
		return "ok";
	case STATUS_CHECK_FAILED:
		return "FAILED";
	default:
		return "trouble";
	}
}

static int sum_up(void)
{
	static const struct column columns[] = {
	    {"program", -12}, {"what it shows", -42}, {"time", 10}, {"checks", 13}, {NULL, 0}};
	int status = STATUS_OK;

	putchar('\n');
	table_head(columns);
	for (struct part *p = parts; p < parts + PARTS; p++) {
		table_row(columns, p->argv[0], p->what, text_time(p->ns).s, outcome(p->status));
		if (p->status)
			status = STATUS_CHECK_FAILED;
	}
	table_rule(columns);
	return status;
}

int main(int argc, char **argv)
{
	options_parse(&program, argc, argv);
	print_banner();
	for (struct part *p = parts; p < parts + PARTS; p++)
		run(p);
	return sum_up();
}
