/* Figures as text, and back. */
#include "user/lib/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static struct text not_available(void)
{
	return (struct text){"n/a"};
}

struct text text_bytes(uint64_t bytes)
{
	struct text t;

	if (bytes == UNKNOWN)
		return not_available();
	if (bytes < MIB)
		snprintf(t.s, sizeof(t.s), "%llu K", (unsigned long long)(bytes / KIB));
	else if (bytes < 10 * GIB)
		snprintf(t.s, sizeof(t.s), "%.1f M", (double)bytes / MIB);
	else
		snprintf(t.s, sizeof(t.s), "%.1f G", (double)bytes / GIB);
	return t;
}

struct text text_size(uint64_t bytes)
{
	static const struct {
		const char *name;
		uint64_t size;
	} units[] = {{"GiB", GIB}, {"MiB", MIB}, {"KiB", KIB}};
	struct text t;

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		uint64_t unit = units[i].size;

		if (bytes < unit)
			continue;
		snprintf(t.s, sizeof(t.s), bytes % unit ? "%.1f %s" : "%.0f %s",
			 (double)bytes / (double)unit, units[i].name);
		return t;
	}
	snprintf(t.s, sizeof(t.s), "%llu bytes", (unsigned long long)bytes);
	return t;
}

struct text text_count(uint64_t n)
{
	char digits[24];
	struct text t;
	size_t out = 0;
	int len;

	if (n == UNKNOWN)
		return not_available();
	len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	for (int i = 0; i < len && out < sizeof(t.s) - 2; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			t.s[out++] = ',';
		t.s[out++] = digits[i];
	}
	t.s[out] = '\0';
	return t;
}

struct text text_time(uint64_t ns)
{
	static const struct {
		const char *name;
		double size;
	} units[] = {{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}};
	struct text t;

	if (ns == UNKNOWN)
		return not_available();
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		double value = (double)ns / units[i].size;

		if (value < 1)
			continue;
		snprintf(t.s, sizeof(t.s), "%.*f %s",
			 value < 10    ? 2
			 : value < 100 ? 1
				       : 0,
			 value, units[i].name);
		return t;
	}
	snprintf(t.s, sizeof(t.s), "%llu ns", (unsigned long long)ns);
	return t;
}

struct text text_share(double part, double whole)
{
	struct text t;

	if (whole == 0)
		return not_available();
	snprintf(t.s, sizeof(t.s), "%.1f%%", 100 * part / whole);
	return t;
}

bool parse_count(const char *s, uint64_t *n)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*n = strtoull(s, &end, 10);
	return errno == 0 && *end == '\0';
}

bool parse_bytes(const char *s, uint64_t *bytes)
{
	static const char letters[] = "kmgt";
	uint64_t unit = 1;
	const char *letter;
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*bytes = strtoull(s, &end, 10);
	if (errno)
		return false;
	letter = *end ? strchr(letters, tolower((unsigned char)*end)) : NULL;
	if (letter) {
		unit <<= 10 * (letter - letters + 1);
		end++;
		if (strcasecmp(end, "ib") == 0 || strcasecmp(end, "b") == 0)
			end += strlen(end);
	}
	return *end == '\0' && !__builtin_mul_overflow(*bytes, unit, bytes);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
