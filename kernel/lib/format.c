/* printf's formatting. */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

enum length { LEN_CHAR, LEN_SHORT, LEN_INT, LEN_LONG };

/* One conversion, as its text says. */
struct spec {
	bool left, zero, plus, space, alt;
	int width;
	int precision; /* -1: none */
	enum length length;
};

struct out {
	char *buf;
	size_t size, len; /* len counts on past size */
};

/* A va_list that functions can hand on. */
struct args {
	va_list list;
};

static void put(struct out *o, char c)
{
	if (o->len < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_many(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text, int len)
{
	if (!s->left)
		put_many(o, ' ', s->width - len);
	for (int i = 0; i < len; i++)
		put(o, text[i]);
	if (s->left)
		put_many(o, ' ', s->width - len);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
	if (!text)
		text = "(null)";
	put_text(o, s, text,
		 (int)strnlen(text, s->precision < 0 ? INT32_MAX : (size_t)s->precision));
}

/* A number whose sign or prefix is at most two characters. */
static void put_number(struct out *o, const struct spec *s, u64 v, unsigned base, bool upper,
		       const char *prefix)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int plen = (int)strlen(prefix);
	char text[24];
	int n = 0, zeros;

	for (; v; v /= base)
		text[n++] = digits[v % base];
	if (!n && s->precision != 0)
		text[n++] = '0';
	zeros = s->precision - n;
	if (s->precision < 0)
		zeros = s->zero && !s->left ? s->width - plen - n : 0;
	zeros = max(zeros, 0);

	if (!s->left)
		put_many(o, ' ', s->width - plen - zeros - n);
	for (; *prefix; prefix++)
		put(o, *prefix);
	put_many(o, '0', zeros);
	for (int i = n; i--;)
		put(o, text[i]);
	if (s->left)
		put_many(o, ' ', s->width - plen - zeros - n);
}

static void put_signed(struct out *o, const struct spec *s, s64 v)
{
	const char *prefix;

	v = s->length == LEN_CHAR ? (s8)v : s->length == LEN_SHORT ? (s16)v : v;
	prefix = v < 0 ? "-" : s->plus ? "+" : s->space ? " " : "";
	put_number(o, s, v < 0 ? -(u64)v : (u64)v, 10, false, prefix);
}

static void put_unsigned(struct out *o, const struct spec *s, u64 v, char conv)
{
	const char *prefix = "";

	v = s->length == LEN_CHAR ? (u8)v : s->length == LEN_SHORT ? (u16)v : v;
	switch (conv) {
	case 'u':
		put_number(o, s, v, 10, false, "");
		break;
	case 'o':
		put_number(o, s, v, 8, false, s->alt && v ? "0" : "");
		break;
	default:
		if (s->alt && v)
			prefix = conv == 'X' ? "0X" : "0x";
		put_number(o, s, v, 16, conv == 'X', prefix);
		break;
	}
}

static int parse_count(const char **fmt)
{
	int n = 0;

	for (; **fmt >= '0' && **fmt <= '9'; (*fmt)++)
		n = n < 100000 ? n * 10 + (**fmt - '0') : n;
	return n;
}

static const char *parse_flags(const char *fmt, struct spec *s)
{
	for (;; fmt++) {
		switch (*fmt) {
		case '-':
			s->left = true;
			break;
		case '0':
			s->zero = true;
			break;
		case '+':
			s->plus = true;
			break;
		case ' ':
			s->space = true;
			break;
		case '#':
			s->alt = true;
			break;
		default:
			return fmt;
		}
	}
}

static const char *parse_length(const char *fmt, struct spec *s)
{
	s->length = LEN_INT;
	if (*fmt == 'h') {
		s->length = *++fmt == 'h' ? LEN_CHAR : LEN_SHORT;
		return s->length == LEN_CHAR ? fmt + 1 : fmt;
	}
	while (*fmt == 'l' || *fmt == 'z' || *fmt == 'j' || *fmt == 't') {
		s->length = LEN_LONG;
		fmt++;
	}
	return fmt;
}

/* Reads flags, width, precision and length; returns where the conversion's letter stands. */
static const char *parse_spec(const char *fmt, struct spec *s, struct args *a)
{
	fmt = parse_flags(fmt, s);
	if (*fmt == '*') {
		s->width = va_arg(a->list, int);
		s->left |= s->width < 0;
		s->width = s->width < 0 ? -s->width : s->width;
		fmt++;
	} else {
		s->width = parse_count(&fmt);
	}
	if (*fmt == '.') {
		fmt++;
		if (*fmt == '*') {
			s->precision = max(va_arg(a->list, int), -1);
			fmt++;
		} else {
			s->precision = parse_count(&fmt);
		}
	}
	return parse_length(fmt, s);
}

static void put_conversion(struct out *o, char conv, struct spec *s, struct args *a)
{
	bool wide = s->length == LEN_LONG;
	char c;

	switch (conv) {
	case 'd':
	case 'i':
		put_signed(o, s, wide ? va_arg(a->list, long) : va_arg(a->list, int));
		break;
	case 'u':
	case 'o':
	case 'x':
	case 'X':
		put_unsigned(
		    o, s, wide ? va_arg(a->list, unsigned long) : va_arg(a->list, unsigned), conv);
		break;
	case 'p':
		s->precision = 16;
		put_number(o, s, (u64)va_arg(a->list, void *), 16, false, "0x");
		break;
	case 's':
		put_string(o, s, va_arg(a->list, const char *));
		break;
	case 'c':
		c = (char)va_arg(a->list, int);
		put_text(o, s, &c, 1);
		break;
	case '%':
		put(o, '%');
		break;
	default:
		put(o, '%');
		put(o, conv);
		break;
	}
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = {buf, size, 0};
	struct args a;

	va_copy(a.list, args);
	for (; *fmt; fmt++) {
		struct spec s = {.precision = -1};

		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt = parse_spec(fmt + 1, &s, &a);
		if (!*fmt)
			break;
		put_conversion(&o, *fmt, &s, &a);
	}
	va_end(a.list);
	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return n;
}

int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return (size_t)n < size ? n : size ? (int)size - 1 : 0;
}
