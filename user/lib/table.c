/* Tables of text. */
#include "user/lib/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void print_cell(const struct column *column, const char *text)
{
	int width = abs(column->width);

	printf(column->width < 0 ? "%-*.*s" : "%*.*s", width, width, text);
}

void table_rule(const struct column *columns)
{
	int width = 0;

	for (; columns->title; columns++)
		width += abs(columns->width);
	printf("  ");
	while (width-- > 0)
		putchar('-');
	putchar('\n');
}

void table_head(const struct column *columns)
{
	table_rule(columns);
	printf("  ");
	for (const struct column *c = columns; c->title; c++)
		print_cell(c, c->title);
	putchar('\n');
	table_rule(columns);
}

void table_row(const struct column *columns, ...)
{
	va_list args;

	printf("  ");
	va_start(args, columns);
	for (; columns->title; columns++)
		print_cell(columns, va_arg(args, const char *));
	va_end(args);
	putchar('\n');
}

void table_gap(const char *text)
{
	printf("  %s\n", text);
}
