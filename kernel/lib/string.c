/*
 * Memory and strings. Eight bytes a step, unrolled: `rep` moves cost an emulated CPU one step an
 * element and a real one its start-up, and the kernel keeps no vector registers.
 *
 * Nothing here may be turned into a call of itself, so loops are not to be recognised as memcpy()
 * or memset(). Loads are of eight bytes at any alignment, which x86-64 does at full speed.
 */
#include "kernel/lib/string.h"

#ifndef __clang__
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

typedef u64 __attribute__((may_alias, aligned(1))) word_t;

#define WORD sizeof(word_t)

void *memcpy(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;

	for (; n >= 4 * WORD; n -= 4 * WORD, d += 4 * WORD, s += 4 * WORD) {
		u64 a = ((const word_t *)s)[0], b = ((const word_t *)s)[1];
		u64 c = ((const word_t *)s)[2], e = ((const word_t *)s)[3];

		((word_t *)d)[0] = a;
		((word_t *)d)[1] = b;
		((word_t *)d)[2] = c;
		((word_t *)d)[3] = e;
	}
	for (; n >= WORD; n -= WORD, d += WORD, s += WORD)
		*(word_t *)d = *(const word_t *)s;
	while (n--)
		*d++ = *s++;
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	char *d = (char *)to + n;
	const char *s = (const char *)from + n;

	/* Each word is loaded before a later one is stored, so forwards is right unless `to` lies
	 * within `from`. */
	if ((u64)to - (u64)from >= n)
		return memcpy(to, from, n);
	for (; n >= WORD; n -= WORD) {
		d -= WORD;
		s -= WORD;
		*(word_t *)d = *(const word_t *)s;
	}
	while (n--)
		*--d = *--s;
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	u64 v = (u8)byte * 0x0101010101010101ull;
	char *d = to;

	for (; n >= 4 * WORD; n -= 4 * WORD, d += 4 * WORD) {
		((word_t *)d)[0] = v;
		((word_t *)d)[1] = v;
		((word_t *)d)[2] = v;
		((word_t *)d)[3] = v;
	}
	for (; n >= WORD; n -= WORD, d += WORD)
		*(word_t *)d = v;
	while (n--)
		*d++ = (char)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;

	for (; n >= WORD && *(const word_t *)p == *(const word_t *)q; n -= WORD) {
		p += WORD;
		q += WORD;
	}
	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

void *memchr(const void *p, int byte, size_t n)
{
	const u8 *s = p;

	for (; n; n--, s++)
		if (*s == (u8)byte)
			return (void *)s;
	return NULL;
}

void *memchr_inv(const void *p, int byte, size_t n)
{
	u64 v = (u8)byte * 0x0101010101010101ull;
	const u8 *s = p;

	for (; n >= WORD && *(const word_t *)s == v; n -= WORD)
		s += WORD;
	for (; n; n--, s++)
		if (*s != (u8)byte)
			return (void *)s;
	return NULL;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	return 0;
}

char *strchrnul(const char *s, int c)
{
	while (*s && *s != (char)c)
		s++;
	return (char *)s;
}

char *strchr(const char *s, int c)
{
	char *p = strchrnul(s, c);

	return *p == (char)c ? p : NULL;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		if (*s == (char)c)
			last = s;
	} while (*s++);
	return (char *)last;
}

char *strstr(const char *s, const char *what)
{
	size_t n = strlen(what);

	for (;; s++) {
		if (!strncmp(s, what, n))
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

size_t strspn(const char *s, const char *set)
{
	size_t n = 0;

	while (s[n] && strchr(set, s[n]))
		n++;
	return n;
}

size_t strcspn(const char *s, const char *set)
{
	size_t n = 0;

	while (s[n] && !strchr(set, s[n]))
		n++;
	return n;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
	size_t n = strlen(from);
	size_t copy = n < size ? n : size - 1;

	if (size) {
		memcpy(to, from, copy);
		to[copy] = '\0';
	}
	return n;
}

size_t strlcat(char *to, const char *from, size_t size)
{
	size_t n = strnlen(to, size);

	return n + strlcpy(to + n, from, size - n);
}

bool strstarts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}
