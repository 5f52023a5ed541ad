/* The kernel command line: kept whole, and split into words once. */
#include "kernel/cmdline.h"

#include "kernel/errno.h"
#include "kernel/lib/compiler.h"
#include "kernel/lib/parse.h"
#include "kernel/lib/string.h"

#define WORDS_MAX 128

static char whole[CMDLINE_MAX];
static char split[CMDLINE_MAX]; /* the words, each ended by a NUL */
static const char *words[WORDS_MAX];
static unsigned nr_words;
static unsigned nr_kernel_words; /* those before "--" */

/* What the kernel itself looks at: not handed to init. */
static const char *const kernel_keys[] = {
    "fork_share", "norandmaps", "loglevel", "init", "console", "quiet", "panic", "maxcpus", "nosmp",
};

/* Cuts the first word out of *s, quotes removed; NULL at the end. */
static char *next_word(char **s)
{
	char *from = *s, *to, *word;
	bool quoted = false;

	while (*from == ' ' || *from == '\t' || *from == '\n')
		from++;
	if (!*from)
		return NULL;
	word = to = from;
	for (; *from && (quoted || (*from != ' ' && *from != '\t' && *from != '\n')); from++) {
		if (*from == '"')
			quoted = !quoted;
		else
			*to++ = *from;
	}
	*s = *from ? from + 1 : from;
	*to = '\0';
	return word;
}

void cmdline_init(const char *line)
{
	char *s = split, *word;
	bool ended = false;

	strlcpy(whole, line, sizeof(whole));
	strlcpy(split, line, sizeof(split));
	nr_words = nr_kernel_words = 0;
	while (nr_words < WORDS_MAX && (word = next_word(&s))) {
		if (!ended && strcmp(word, "--") == 0) {
			ended = true;
			continue;
		}
		words[nr_words++] = word;
		if (!ended)
			nr_kernel_words = nr_words;
	}
}

const char *cmdline_get_all(void)
{
	return whole;
}

/* The value where `word` is key or key=value ("" for the former), else NULL. */
static const char *match(const char *word, const char *key)
{
	size_t n = strlen(key);

	if (strncmp(word, key, n) != 0)
		return NULL;
	if (word[n] == '=')
		return word + n + 1;
	return word[n] ? NULL : word + n;
}

static const char *find(const char *key)
{
	for (unsigned i = nr_kernel_words; i-- > 0;) {
		const char *value = match(words[i], key);

		if (value)
			return value;
	}
	return NULL;
}

ssize_t cmdline_get(const char *key, char *buf, size_t size)
{
	const char *value = find(key);

	if (!value)
		return -ENOENT;
	strlcpy(buf, value, size);
	return (ssize_t)strnlen(value, size ? size - 1 : 0);
}

bool cmdline_has(const char *key)
{
	return find(key);
}

u64 cmdline_get_u64(const char *key, u64 otherwise)
{
	const char *value = find(key), *end;
	u64 n;

	if (!value || parse_u64(value, &end, 0, &n) || *end)
		return otherwise;
	return n;
}

static bool is_kernel_word(unsigned i)
{
	if (i >= nr_kernel_words)
		return false;
	for (unsigned k = 0; k < ARRAY_SIZE(kernel_keys); k++)
		if (match(words[i], kernel_keys[k]))
			return true;
	/* module.option=value: Linux keeps those from init too */
	return strchr(words[i], '.') && strchr(words[i], '=') > strchr(words[i], '.');
}

static const char *nth(unsigned n, bool env)
{
	for (unsigned i = 0; i < nr_words; i++) {
		bool is_env = i < nr_kernel_words && strchr(words[i], '=');

		if (is_kernel_word(i) || is_env != env)
			continue;
		if (n-- == 0)
			return words[i];
	}
	return NULL;
}

const char *cmdline_init_arg(unsigned i)
{
	return nth(i, false);
}

const char *cmdline_init_env(unsigned i)
{
	return nth(i, true);
}
