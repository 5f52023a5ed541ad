/* What the initrd is read with: gzip against the gzip program, cpio in pieces of any size. */
#include "kernel/fs/cpio.h"
#include "kernel/lib/inflate.h"
#include "tests/unit/host/tap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM (1u << 20)

static u8 plain[ROOM], packed[ROOM + 4096], out[ROOM];
static size_t out_len;

/* ---- gzip ---- */

static int collect(void *ctx, const u8 *p, size_t n)
{
	(void)ctx;
	if (out_len + n > ROOM)
		return -ENOSPC;
	memcpy(out + out_len, p, n);
	out_len += n;
	return 0;
}

static ssize_t unpack(const u8 *in, size_t n, const char **error)
{
	static struct inflate s;
	u8 *copy = malloc(n ? n : 1);
	ssize_t used;

	memcpy(copy, in, n);
	memset(&s, 0xa5, sizeof(s));
	out_len = 0;
	used = gunzip(&s, copy, n, collect, NULL);
	*error = s.error;
	free(copy);
	return used;
}

/* Packs plain[0, n) with `gzip -level`; returns the length. */
static size_t pack(size_t n, int level)
{
	char name[] = "/tmp/calf-unit-XXXXXX", cmd[80];
	int fd = mkstemp(name);
	FILE *f = fdopen(fd, "wb");
	size_t len;

	fwrite(plain, 1, n, f);
	fclose(f);
	snprintf(cmd, sizeof(cmd), "gzip -c -%d < %s", level, name);
	f = popen(cmd, "r");
	len = fread(packed, 1, sizeof(packed), f);
	pclose(f);
	remove(name);
	return len;
}

static void fill(size_t n, unsigned kind)
{
	for (size_t i = 0; i < n; i++)
		plain[i] = kind == 0   ? 0
			   : kind == 1 ? (u8)rand64()
			   : kind == 2
			       ? (u8)("fork copies on write "[i % 21] + (rand_below(50) == 0))
			       : (u8)(rand64() & rand64() & rand64());
}

static void test_gzip(void)
{
	static const size_t sizes[] = {0, 1, 2, 300, 32768, 32769, 100000, 700000};
	const char *error;
	unsigned n = 0;

	for (unsigned kind = 0; kind < 4; kind++)
		for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
			for (int level = 1; level <= 9; level += 4) {
				size_t len;
				ssize_t used;

				fill(sizes[i], kind);
				len = pack(sizes[i], level);
				used = unpack(packed, len, &error);
				if (used != (ssize_t)len || out_len != sizes[i] ||
				    memcmp(out, plain, out_len))
					tap_fail("gzip: kind %u, %lu bytes, level %d: %ld (%s)",
						 kind, sizes[i], level, used,
						 error ? error : "no error");
				n++;
			}
	tap_ok(true, "gzip: %u files of the gzip program", n);
}

static void test_gzip_damage(void)
{
	unsigned refused = 0, seen = 0;
	const char *error;
	size_t len;

	fill(3000, 2);
	len = pack(3000, 9);
	for (size_t n = 0; n < len; n++) {
		ssize_t used = unpack(packed, n, &error);

		CHECK(used == -EINVAL && error);
		refused++;
	}
	tap_ok(refused == len, "gzip: each of %lu cuts is refused", len);
	for (size_t at = 10; at < len; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			packed[at] ^= (u8)(1 << bit);
			if (unpack(packed, len, &error) != (ssize_t)len ||
			    memcmp(out, plain, 3000) || out_len != 3000)
				seen++;
			packed[at] ^= (u8)(1 << bit);
		}
	/* What a flipped bit of the padding before the sum changes is nothing. */
	tap_ok(seen + 8 >= (len - 10) * 8, "gzip: %u of %lu flipped bits are noticed", seen,
	       (len - 10) * 8);
}

/* ---- cpio ---- */

static char log_text[4096];
static size_t log_len;
static u64 sum;

static int begin(void *ctx, const struct cpio_entry *e)
{
	(void)ctx;
	log_len += (size_t)snprintf(log_text + log_len, sizeof(log_text) - log_len,
				    "%s %o %u:", e->name, e->mode, e->size);
	sum = 0;
	return 0;
}

static int data(void *ctx, const void *p, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + ((const u8 *)p)[i];
	return 0;
}

static int end(void *ctx)
{
	(void)ctx;
	log_len += (size_t)snprintf(log_text + log_len, sizeof(log_text) - log_len, "%lx\n", sum);
	return 0;
}

static size_t add(u8 *to, size_t at, const char *name, u32 mode, const char *text)
{
	size_t size = text ? strlen(text) : 0;

	at += (size_t)sprintf((char *)to + at,
			      "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 7, mode,
			      0, 0, 1, 1234, (u32)size, 0, 1, 0, 0, (u32)strlen(name) + 1, 0);
	memcpy(to + at, name, strlen(name) + 1);
	at += strlen(name) + 1;
	for (; at % 4; at++)
		to[at] = 0;
	memcpy(to + at, text ? text : "", size);
	for (at += size; at % 4; at++)
		to[at] = 0;
	return at;
}

/* Feeds it all in pieces; the negative errno, or how many bytes were taken. */
static ssize_t feed(const u8 *archive, size_t size, size_t piece, bool *whole)
{
	static const struct cpio_ops ops = {begin, data, end};
	static struct cpio c;
	size_t at = 0;

	log_len = 0;
	memset(&c, 0xa5, sizeof(c));
	cpio_init(&c, &ops, NULL);
	while (at < size) {
		size_t n = min(piece, size - at);
		u8 *copy = malloc(n);
		ssize_t done;

		memcpy(copy, archive + at, n);
		done = cpio_feed(&c, copy, n);
		free(copy);
		if (done < 0)
			return done;
		at += (size_t)done;
		if (cpio_between(&c))
			break;
	}
	*whole = cpio_between(&c);
	return (ssize_t)at;
}

static void test_cpio(void)
{
	static u8 archive[4096];
	char want[sizeof(log_text)];
	size_t size = 0;
	bool whole;

	size = add(archive, size, ".", 040755, NULL);
	size = add(archive, size, "init", 0100755, "#!/bin/sh\necho moo\n");
	size = add(archive, size, "a/somewhat/longer/name", 0100644, "x");
	size = add(archive, size, "empty", 0100600, NULL);
	size = add(archive, size, "link", 0120777, "init");
	size = add(archive, size, "TRAILER!!!", 0, NULL);
	tap_ok(feed(archive, size, size, &whole) == (ssize_t)size && whole, "cpio: taken whole");
	memcpy(want, log_text, sizeof(want));
	for (size_t piece = 1; piece < size; piece++) {
		CHECK(feed(archive, size, piece, &whole) == (ssize_t)size && whole);
		CHECK(!strcmp(want, log_text));
	}
	tap_ok(strstr(want, "init 100755 19:") != NULL, "cpio: the same in pieces of any size");
	for (size_t n = 0; n < size; n++) {
		whole = false;
		CHECK(feed(archive, n, 64, &whole) < 0 || !whole || !n);
	}
	tap_ok(true, "cpio: a cut is seen at each of %lu places", size);
	for (size_t at = 0; at < size; at++)
		for (unsigned v = 0; v < 256; v++) {
			u8 was = archive[at];

			archive[at] = (u8)v;
			feed(archive, size, 100, &whole);
			archive[at] = was;
		}
	tap_ok(true, "cpio: no wrong byte leads astray");
}

int main(void)
{
	rand_seed(1);
	test_gzip();
	test_gzip_damage();
	test_cpio();
	return tap_done();
}
