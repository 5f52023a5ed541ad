/* Corrupt gzip: nothing outside the input is read, and it ends. */
#include "kernel/lib/inflate.h"
#include "kernel/panic.h"
#include <stdlib.h>
#include <string.h>

#define OUTPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static int sink(void *ctx, const u8 *p, size_t n)
{
	u64 *total = ctx;

	*total += n + (n ? p[n - 1] & 0 : 0);
	return *total > OUTPUT_MAX ? -ENOSPC : 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct inflate s;
	u8 *copy = malloc(size ? size : 1);
	u64 total = 0;
	ssize_t used;

	memcpy(copy, data, size);
	memset(&s, 0xff, sizeof(s));
	used = gunzip(&s, copy, size, sink, &total);
	if (used >= 0)
		ASSERT((size_t)used <= size && s.total == total);
	else
		ASSERT(used == -ENOSPC || (used == -EINVAL && s.error));
	free(copy);
	return 0;
}
