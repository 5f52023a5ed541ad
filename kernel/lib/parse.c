/* Numbers out of text. */
#include "kernel/lib/parse.h"

static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A') + 10;
	return 99;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

int parse_u64(const char *s, const char **end, unsigned base, u64 *out)
{
	bool any = false, wrapped = false;
	u64 v = 0;

	if ((base == 0 || base == 16) && s[0] == '0' && (s[1] | 32) == 'x' &&
	    digit_value(s[2]) < 16) {
		s += 2;
		base = 16;
	}
	if (base == 0)
		base = s[0] == '0' ? 8 : 10;
	for (; digit_value(*s) < base; s++) {
		any = true;
		wrapped |= __builtin_mul_overflow(v, base, &v);
		wrapped |= __builtin_add_overflow(v, digit_value(*s), &v);
	}
	if (end)
		*end = s;
	if (!any)
		return -EINVAL;
	if (wrapped)
		return -ERANGE;
	*out = v;
	return 0;
}

int parse_s64(const char *s, const char **end, unsigned base, s64 *out)
{
	bool minus = *s == '-';
	u64 v;
	int err = parse_u64(s + (*s == '-' || *s == '+'), end, base, &v);

	if (err)
		return err;
	if (v > (u64)INT64_MAX + minus)
		return -ERANGE;
	*out = minus ? (s64)-v : (s64)v;
	return 0;
}

int parse_size(const char *s, const char **end, u64 *out)
{
	unsigned shift = 0;
	const char *p;
	u64 v;
	int err = parse_u64(s, &p, 0, &v);

	if (!err) {
		if ((*p | 32) == 'k')
			shift = 10;
		else if ((*p | 32) == 'm')
			shift = 20;
		else if ((*p | 32) == 'g')
			shift = 30;
		p += shift != 0;
		if (v << shift >> shift != v)
			err = -ERANGE;
	}
	if (end)
		*end = p;
	if (!err)
		*out = v << shift;
	return err;
}

int parse_setting(const char *s, size_t len, s64 *out)
{
	const char *end;
	char text[32];
	size_t n = 0;
	int err;

	while (len && is_blank(*s)) {
		s++;
		len--;
	}
	while (n < len && n < sizeof(text) - 1 && s[n]) {
		text[n] = s[n];
		n++;
	}
	if (n < len && n == sizeof(text) - 1)
		return -EINVAL;
	text[n] = '\0';
	err = parse_s64(text, &end, 10, out);
	if (err)
		return err;
	while (is_blank(*end))
		end++;
	return *end ? -EINVAL : 0;
}
