/* Tables of text for an 80-column terminal. */
#pragma once

struct column {
	const char *title; /* NULL ends the columns */
	int width;	   /* right-aligned in it; negative: left-aligned */
};

/* The titles with a rule above and below. */
void table_head(const struct column *columns);
/* One row: a string for each column. */
void table_row(const struct column *columns, ...);
/* A line in place of rows left out. */
void table_gap(const char *text);
/* A rule as wide as the columns. */
void table_rule(const struct column *columns);
