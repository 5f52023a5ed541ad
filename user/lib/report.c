/* Titles, checks, verdicts, and the table of processes. */
#include "user/lib/report.h"

#include "user/lib/options.h"
#include "user/lib/table.h"
#include "user/lib/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WIDTH	   79 /* one less than the terminal: the last column makes some of them wrap */
#define ROWS_SHOWN 7  /* of many processes: so many first ones, and the last */

static unsigned failed_checks;

static const struct column usage_columns[] = {
    {"process", -13}, {"RSS", 9},    {"PSS", 9},    {"private", 9}, {"shared", 9},
    {"faults", 9},    {"copied", 9}, {"reused", 9}, {NULL, 0},
};

static void print_level(char *buf, size_t size)
{
	if (share_level_known())
		snprintf(buf, size, "%s", share_level_name());
	else
		snprintf(buf, size, "Linux");
}

void report_title(const char *name, const char *format, ...)
{
	char subject[80], level[24];
	va_list args;
	int used;

	va_start(args, format);
	vsnprintf(subject, sizeof(subject), format, args);
	va_end(args);
	print_level(level, sizeof(level));
	used = printf("\n--- %s: %s ", name, subject) - 1;
	for (; used < WIDTH - (int)strlen(level) - 5; used++)
		putchar('-');
	printf(" %s ---\n", level);
}

void report_note(const char *format, ...)
{
	va_list args;

	printf("  ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

bool report_check(bool holds, const char *what, const char *format, ...)
{
	va_list args;

	if (!holds)
		failed_checks++;
	printf("  %-5s %-10s ", holds ? "ok" : "FAIL", what);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	return holds;
}

void report_skip(const char *what, const char *why)
{
	printf("  %-5s %-10s %s\n", "-", what, why);
}

bool report_predicted(const char *what, uint64_t measured, uint64_t predicted, uint64_t slack,
		      const char *unit)
{
	if (measured == UNKNOWN) {
		report_skip(what, "not counted by this kernel");
		return true;
	}
	return report_check(measured >= predicted && measured - predicted <= slack, what,
			    "%s %s, predicted %s", text_count(measured).s, unit,
			    text_count(predicted).s);
}

void report_copies(uint64_t copied, uint64_t reused, uint64_t copied_predicted,
		   uint64_t reused_predicted, uint64_t slack, const char *unit)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) == 1 || copied == UNKNOWN || reused == UNKNOWN) {
		report_predicted("copied", copied, copied_predicted, slack, unit);
		report_predicted("reused", reused, reused_predicted, slack, unit);
		return;
	}
	report_predicted("copied", copied, copied_predicted, slack + reused_predicted, unit);
	report_predicted("and reused", copied + reused, copied_predicted + reused_predicted, slack,
			 unit);
}

void report_tables(const struct machine *before, const struct machine *after)
{
	if (after->tables_copied == UNKNOWN)
		return;
	report_note("page tables: fork copied %s and shared %s; writes copied %s, re-armed %s",
		    text_count(counter_since(before->tables_copied, after->tables_copied)).s,
		    text_count(counter_since(before->tables_shared, after->tables_shared)).s,
		    text_count(counter_since(before->tables_unshared, after->tables_unshared)).s,
		    text_count(counter_since(before->tables_rearmed, after->tables_rearmed)).s);
}

void report_verdict(const char *format, ...)
{
	va_list args;

	printf("  ==>   ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

int report_status(void)
{
	return failed_checks ? STATUS_CHECK_FAILED : STATUS_OK;
}

void report_usage_row(const char *who, const struct memory_use *use)
{
	table_row(usage_columns, who, text_bytes(use->rss).s, text_bytes(use->pss).s,
		  text_bytes(use->private).s, text_bytes(use->shared).s, text_count(use->faults).s,
		  text_count(use->copied).s, text_count(use->reused).s);
}

void report_usage_head(void)
{
	table_head(usage_columns);
}

static void sum_usage(const struct usage_row *rows, unsigned count, struct memory_use *sum)
{
	*sum = (struct memory_use){0};
	for (unsigned i = 0; i < count; i++)
		memory_use_add(sum, &rows[i].use);
}

void report_usage(const struct usage_row *rows, unsigned count, bool all)
{
	struct memory_use sum;
	char gap[48];

	report_usage_head();
	for (unsigned i = 0; i < count; i++) {
		if (!all && count > ROWS_SHOWN + 2 && i == ROWS_SHOWN) {
			snprintf(gap, sizeof(gap), "... %u more ...", count - ROWS_SHOWN - 1);
			table_gap(gap);
			i = count - 1;
		}
		report_usage_row(rows[i].who, &rows[i].use);
	}
	table_rule(usage_columns);
	sum_usage(rows, count, &sum);
	report_usage_row("sum", &sum);
}

uint64_t report_saving(const struct usage_row *rows, unsigned count)
{
	uint64_t eager = 0, saved;
	struct memory_use sum;

	sum_usage(rows, count, &sum);
	for (unsigned i = 0; i < count; i++)
		eager += memory_use_eager(&rows[i].use);
	saved = eager > sum.pss ? eager - sum.pss : 0;
	report_note("held now %s; share level 0 would hold %s: %s saved, %s", text_size(sum.pss).s,
		    text_size(eager).s, text_size(saved).s,
		    text_share((double)saved, (double)eager).s);
	return saved;
}
