/* kernel/cmdline.c: words, values, and what is left for init. */
#include "kernel/cmdline.h"

#include "kernel/errno.h"
#include "tests/unit/host/tap.h"
#include <string.h>

static bool value_is(const char *key, const char *want)
{
	char buf[64] = "?";

	return cmdline_get(key, buf, sizeof(buf)) == (ssize_t)strlen(want) && !strcmp(buf, want);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static void test_values(void)
{
	char small[4];

	cmdline_init("a=1  fork_share=0x4 quiet\tname=\"two words\" a=2 empty= n=12x");
	tap_ok(value_is("a", "2"), "cmdline: the last one counts");
	tap_ok(value_is("name", "two words"), "cmdline: quotes keep blanks");
	tap_ok(value_is("empty", "") && value_is("quiet", ""), "cmdline: no value");
	tap_ok(cmdline_has("quiet") && !cmdline_has("qui") && !cmdline_has("quieter"),
	       "cmdline: whole words");
	tap_ok(cmdline_get("b", small, sizeof(small)) == -ENOENT, "cmdline: absent");
	tap_ok(cmdline_get("name", small, sizeof(small)) == 3 && !strcmp(small, "two"),
	       "cmdline: cut to the buffer");
	tap_ok(cmdline_get_u64("fork_share", 1) == 4 && cmdline_get_u64("n", 7) == 7 &&
		   cmdline_get_u64("m", 9) == 9,
	       "cmdline: numbers");
}

static void test_init_words(void)
{
	cmdline_init("loglevel=4 single SEED=1 mod.opt=2 init=/bin/sh 3 -- -x k=v init=/no");
	tap_ok(same(cmdline_init_arg(0), "single") && same(cmdline_init_arg(1), "3") &&
		   same(cmdline_init_arg(2), "-x") && same(cmdline_init_arg(3), "k=v") &&
		   same(cmdline_init_arg(4), "init=/no") && !cmdline_init_arg(5),
	       "cmdline: init's arguments");
	tap_ok(same(cmdline_init_env(0), "SEED=1") && !cmdline_init_env(1),
	       "cmdline: init's environment");
	tap_ok(value_is("init", "/bin/sh"), "cmdline: what follows -- is init's alone");
}

static void test_bounds(void)
{
	static char line[3 * CMDLINE_MAX];

	for (size_t i = 0; i + 2 < sizeof(line); i += 2)
		memcpy(line + i, "w ", 2);
	cmdline_init(line);
	tap_ok(strlen(cmdline_get_all()) == CMDLINE_MAX - 1, "cmdline: too long a line is cut");
	cmdline_init("open=\"never closed");
	tap_ok(value_is("open", "never closed"), "cmdline: a quote that stays open");
	cmdline_init("");
	tap_ok(!cmdline_init_arg(0) && !cmdline_has(""), "cmdline: empty");
}

int main(void)
{
	test_values();
	test_init_words();
	test_bounds();
	return tap_done();
}
