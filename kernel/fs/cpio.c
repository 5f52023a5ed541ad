/* The newc format: a header of 110 characters, the name, the contents, each padded to 4 bytes. */
#include "kernel/fs/cpio.h"

#include "kernel/lib/string.h"

void cpio_init(struct cpio *c, const struct cpio_ops *ops, void *ctx)
{
	c->ops = ops;
	c->ctx = ctx;
	c->state = CPIO_BETWEEN;
	c->error = NULL;
}

static int corrupt(struct cpio *c, const char *what)
{
	c->error = what;
	return -EINVAL;
}

/* Eight hexadecimal digits, either case. */
static bool parse_field(const char *s, u32 *out)
{
	u32 v = 0;

	for (unsigned n = 0; n < 8; n++) {
		char ch = s[n];

		if (ch >= '0' && ch <= '9')
			v = v << 4 | (u32)(ch - '0');
		else if (ch >= 'a' && ch <= 'f')
			v = v << 4 | (u32)(ch - 'a' + 10);
		else if (ch >= 'A' && ch <= 'F')
			v = v << 4 | (u32)(ch - 'A' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

static int parse_header(struct cpio *c)
{
	struct cpio_entry *e = &c->entry;
	u32 *fields[13] = {&e->ino,	  &e->mode,	  &e->uid,	  &e->gid,
			   &e->nlink,	  &e->mtime,	  &e->size,	  &e->dev_major,
			   &e->dev_minor, &e->rdev_major, &e->rdev_minor, &c->name_size,
			   &c->want_sum};

	if (memcmp(c->header, "070701", 6) && memcmp(c->header, "070702", 6))
		return corrupt(c, "an entry does not begin with the magic of a newc archive");
	c->checked = c->header[5] == '2';
	for (unsigned n = 0; n < ARRAY_SIZE(fields); n++)
		if (!parse_field(c->header + 6 + 8 * n, fields[n]))
			return corrupt(c, "a header has a field that is not a number");
	if (c->name_size < 2 || c->name_size > CPIO_NAME_MAX)
		return corrupt(c, "a name is empty or too long");
	return 0;
}

/* After `size` bytes at a multiple of 4 plus `before`: skips their padding, then goes on with
 * `next`. */
static void pad(struct cpio *c, u32 before, u32 size, enum cpio_state next)
{
	c->padding = -(before + size) & 3;
	c->have = 0;
	c->next = next;
	c->state = c->padding ? CPIO_PADDING : next;
}

/* All of an entry is there, but for padding after the last `size` bytes. */
static int entry_done(struct cpio *c, u32 before, u32 size)
{
	pad(c, before, size, c->trailer ? CPIO_BETWEEN : CPIO_HEADER);
	if (c->trailer)
		return 0;
	if (c->checked && c->sum != c->want_sum)
		return corrupt(c, "the contents of a file do not match their checksum");
	return c->ops->end(c->ctx);
}

/* The name is complete. */
static int begin_entry(struct cpio *c)
{
	if (c->name[c->name_size - 1] || memchr(c->name, 0, c->name_size - 1))
		return corrupt(c, "a name is not terminated where its length says");
	c->entry.name = c->name;
	c->sum = 0;
	c->trailer = !strcmp(c->name, "TRAILER!!!");
	return c->trailer ? 0 : c->ops->begin(c->ctx, &c->entry);
}

/* Copies towards `size` bytes of a fixed part; true once they are all there. */
static bool gather(struct cpio *c, char *to, u32 size, const u8 **p, size_t *n)
{
	size_t take = min((size_t)(size - c->have), *n);

	memcpy(to + c->have, *p, take);
	c->have += (u32)take;
	*p += take;
	*n -= take;
	return c->have == size;
}

static int take_data(struct cpio *c, const u8 **p, size_t *n)
{
	size_t take = min((size_t)(c->entry.size - c->have), *n);
	int err = 0;

	if (c->checked)
		for (size_t k = 0; k < take; k++)
			c->sum += (*p)[k];
	if (!c->trailer)
		err = c->ops->data(c->ctx, *p, take);
	c->have += (u32)take;
	*p += take;
	*n -= take;
	return err || c->have < c->entry.size ? err : entry_done(c, 0, c->entry.size);
}

static int take_name(struct cpio *c, const u8 **p, size_t *n)
{
	int err;

	if (!gather(c, c->name, c->name_size, p, n))
		return 0;
	err = begin_entry(c);
	if (err)
		return err;
	if (!c->entry.size)
		return entry_done(c, sizeof(c->header), c->name_size);
	pad(c, sizeof(c->header), c->name_size, CPIO_DATA);
	return 0;
}

static int take_header(struct cpio *c, const u8 **p, size_t *n)
{
	if (!gather(c, c->header, sizeof(c->header), p, n))
		return 0;
	c->have = 0;
	c->state = CPIO_NAME;
	return parse_header(c);
}

static void take_padding(struct cpio *c, const u8 **p, size_t *n)
{
	size_t skip = min((size_t)c->padding, *n);

	*p += skip;
	*n -= skip;
	c->padding -= (u32)skip;
	if (!c->padding)
		c->state = c->next;
}

ssize_t cpio_feed(struct cpio *c, const u8 *p, size_t n)
{
	size_t left = n;
	int err = 0;

	if (n && cpio_between(c)) {
		c->state = CPIO_HEADER;
		c->have = 0;
	}
	while (left && !err && !cpio_between(c)) {
		switch (c->state) {
		case CPIO_HEADER:
			err = take_header(c, &p, &left);
			break;
		case CPIO_NAME:
			err = take_name(c, &p, &left);
			break;
		case CPIO_DATA:
			err = take_data(c, &p, &left);
			break;
		case CPIO_PADDING:
			take_padding(c, &p, &left);
			break;
		case CPIO_BETWEEN:
			break;
		}
	}
	return err ? err : (ssize_t)(n - left);
}
