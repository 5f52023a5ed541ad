/* One parser for the command lines of all programs. */
#include "user/lib/options.h"

#include "user/lib/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct program_spec *program_now;

static void __attribute__((noreturn, format(printf, 1, 2))) usage_error(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_now->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (see %s --help)\n", program_now->name);
	exit(STATUS_TROUBLE);
}

/* The default as --help shows it; nothing where there is none. */
static void print_default(const struct option_spec *o)
{
	if (o->kind == OPTION_COUNT)
		printf(" (%s)", text_count(*(uint64_t *)o->value).s);
	else if (o->kind == OPTION_BYTES && *(uint64_t *)o->value)
		printf(" (%s)", text_size(*(uint64_t *)o->value).s);
	else if (o->kind == OPTION_BYTES)
		printf(" (as fits)");
	else if (o->kind == OPTION_WORD && *(const char **)o->value)
		printf(" (%s)", *(const char **)o->value);
}

static void __attribute__((noreturn)) print_help(const struct program_spec *p)
{
	printf("usage: %s [OPTION...]%s%s\n\n%s\noptions:\n", p->name, p->operand ? " " : "",
	       p->operand ? p->operand : "", p->summary);
	for (const struct option_spec *o = p->options; o->name; o++) {
		char left[40], letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
			 o->arg ? o->arg : "");
		printf("  %-22s  %s", left, o->help);
		print_default(o);
		putchar('\n');
	}
	printf("  %-22s  %s\n", "-h, --help", "this text");
	if (p->notes)
		printf("\n%s", p->notes);
	exit(STATUS_OK);
}

static const struct option_spec *find_long(const char *name, size_t len)
{
	for (const struct option_spec *o = program_now->options; o->name; o++)
		if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
			return o;
	usage_error("no option --%.*s", (int)len, name);
}

static const struct option_spec *find_letter(char letter)
{
	for (const struct option_spec *o = program_now->options; o->name; o++)
		if (o->letter == letter)
			return o;
	usage_error("no option -%c", letter);
}

static void store(const struct option_spec *o, const char *text)
{
	uint64_t n;
	bool ok;

	if (o->kind == OPTION_FLAG) {
		*(bool *)o->value = true;
		return;
	}
	if (o->kind == OPTION_WORD) {
		*(const char **)o->value = text;
		return;
	}
	ok = o->kind == OPTION_BYTES ? parse_bytes(text, &n) : parse_count(text, &n);
	if (!ok)
		usage_error("--%s: '%s' is not a %s", o->name, text,
			    o->kind == OPTION_BYTES ? "size such as 64M" : "number");
	if (n < o->min || (o->max && n > o->max))
		usage_error("--%s: %s is out of range (%llu to %llu)", o->name, text,
			    (unsigned long long)o->min, (unsigned long long)o->max);
	*(uint64_t *)o->value = n;
}

/* One argument that begins with a dash; `next` is the one after it. True if it took that too. */
static bool take_option(const char *arg, const char *next)
{
	const struct option_spec *o;
	const char *value = NULL;

	if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
		print_help(program_now);
	if (arg[1] == '-') {
		const char *equals = strchr(arg, '=');

		o = find_long(arg + 2, equals ? (size_t)(equals - arg - 2) : strlen(arg + 2));
		value = equals ? equals + 1 : NULL;
	} else {
		o = find_letter(arg[1]);
		value = arg[2] ? arg + 2 : NULL;
	}
	if (o->kind == OPTION_FLAG) {
		if (value)
			usage_error("--%s takes no value", o->name);
		store(o, NULL);
		return false;
	}
	if (!value && !next)
		usage_error("--%s needs a value", o->name);
	store(o, value ? value : next);
	return !value;
}

const char *options_parse(const struct program_spec *program, int argc, char **argv)
{
	const char *operand = NULL;
	bool only_operands = false;

	program_now = program;
	setvbuf(stdout, NULL, _IOLBF,
		0); /* so that no child inherits text that waits to be written */
	for (int i = 1; i < argc; i++) {
		if (!only_operands && strcmp(argv[i], "--") == 0)
			only_operands = true;
		else if (!only_operands && argv[i][0] == '-' && argv[i][1])
			i += take_option(argv[i], i + 1 < argc ? argv[i + 1] : NULL);
		else if (program->operand && !operand)
			operand = argv[i];
		else
			usage_error("what is '%s'?", argv[i]);
	}
	return operand;
}
