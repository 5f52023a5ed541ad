/* Corrupt archives: whatever the pieces they come in, the callbacks see whole entries in order. */
#include "kernel/fs/cpio.h"
#include "kernel/panic.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct seen {
	bool open;
	u64 left;
};

static int begin(void *ctx, const struct cpio_entry *e)
{
	struct seen *s = ctx;

	ASSERT(!s->open && e->name[0] && strlen(e->name) < CPIO_NAME_MAX);
	s->open = true;
	s->left = e->size;
	return 0;
}

static int take(void *ctx, const void *p, size_t n)
{
	struct seen *s = ctx;
	static volatile u8 sink;

	ASSERT(s->open && n <= s->left);
	for (size_t i = 0; i < n; i++)
		sink = ((const u8 *)p)[i];
	(void)sink;
	s->left -= n;
	return 0;
}

static int end(void *ctx)
{
	struct seen *s = ctx;

	ASSERT(s->open && !s->left);
	s->open = false;
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const struct cpio_ops ops = {begin, take, end};
	static struct cpio c;
	struct seen seen = {0};
	size_t piece = size ? 1 + data[0] % 64 : 1, at = size ? 1 : 0;

	memset(&c, 0xff, sizeof(c));
	cpio_init(&c, &ops, &seen);
	while (at < size) {
		size_t n = min(piece, size - at);
		u8 *copy = malloc(n);
		ssize_t done;

		memcpy(copy, data + at, n);
		done = cpio_feed(&c, copy, n);
		free(copy);
		if (done < 0) {
			ASSERT(c.error);
			return 0;
		}
		ASSERT((size_t)done <= n && (done || cpio_between(&c)));
		ASSERT((size_t)done == n || cpio_between(&c));
		at += (size_t)done;
	}
	return 0;
}
