/*
 * Inflating gzip (RFC 1952, RFC 1951): the input whole in memory, the output handed on piece by
 * piece. Pure: the only memory is the caller's struct.
 */
#pragma once

#include "kernel/errno.h"
#include "kernel/lib/compiler.h"

#define INFLATE_WINDOW	  32768
#define INFLATE_FAST_BITS 10

/* A Huffman code: short codes by table, longer ones canonically. */
struct inflate_code {
	u16 fast[1 << INFLATE_FAST_BITS]; /* symbol << 4 | length; 0: longer, or none */
	u16 count[16];			  /* codes of each length */
	u16 symbol[288];		  /* in order of code */
};

struct inflate {
	const char *error; /* what is wrong with the input; NULL: nothing */
	const u8 *in, *in_end;
	u64 bits; /* read and not yet used, the oldest lowest */
	u32 nr_bits;
	u32 out; /* bytes in the window not yet handed on */
	u32 crc;
	u64 total; /* bytes put out */
	int (*sink)(void *ctx, const u8 *p, size_t n);
	void *ctx;
	struct inflate_code lengths, distances;
	u8 window[INFLATE_WINDOW];
};

/*
 * Inflates one gzip member at in[0, n). sink takes each piece, and stops it all by a negative
 * errno. Returns the bytes of input that the member took, or an errno: -EINVAL with s->error set
 * where it is corrupt or cut off.
 */
ssize_t gunzip(struct inflate *s, const u8 *in, size_t n,
	       int (*sink)(void *ctx, const u8 *p, size_t n), void *ctx) __must_check;
/* The CRC-32 of gzip over [p, p+n), continued from crc (0 at first). */
u32 crc32(u32 crc, const u8 *p, size_t n);
