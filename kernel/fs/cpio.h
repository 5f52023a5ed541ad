/*
 * Reading newc cpio archives, a piece at a time: the parser is fed bytes and calls back for each
 * entry. Pure: no memory of its own, no calls but the callbacks.
 */
#pragma once

#include "kernel/errno.h"
#include "kernel/lib/compiler.h"

#define CPIO_NAME_MAX 4096

struct cpio_entry {
	u32 ino, mode, uid, gid, nlink, mtime, size;
	u32 dev_major, dev_minor, rdev_major, rdev_minor;
	const char *name; /* valid during the callbacks of this entry */
};

/* Each returns 0, or a negative errno that cpio_feed() then returns. */
struct cpio_ops {
	int (*begin)(void *ctx, const struct cpio_entry *e);
	int (*data)(void *ctx, const void *p, size_t n); /* e->size bytes in all, in order */
	int (*end)(void *ctx);				 /* the entry is complete */
};

enum cpio_state { CPIO_BETWEEN, CPIO_HEADER, CPIO_NAME, CPIO_DATA, CPIO_PADDING };

struct cpio {
	const struct cpio_ops *ops;
	void *ctx;
	enum cpio_state state, next; /* next: after the padding */
	const char *error;	     /* what is wrong with the archive; NULL: nothing */
	u32 have;		     /* bytes of the header, name or data so far */
	u32 name_size;		     /* with the NUL */
	u32 padding;		     /* bytes to skip */
	bool checked;		     /* 070702: the header carries a sum of the data's bytes */
	bool trailer;
	u32 sum, want_sum;
	struct cpio_entry entry;
	char header[110];
	char name[CPIO_NAME_MAX];
};

void cpio_init(struct cpio *c, const struct cpio_ops *ops, void *ctx);

/*
 * Takes up to n bytes and returns how many: fewer only where an archive ended (cpio_between() is
 * then true, and the rest may be another one). -EINVAL with c->error set where it is corrupt, or a
 * callback's errno.
 */
ssize_t cpio_feed(struct cpio *c, const u8 *p, size_t n) __must_check;

/* No archive is under way: padding or another one may follow, or the end. */
static inline bool cpio_between(const struct cpio *c)
{
	return c->state == CPIO_BETWEEN;
}
