/*
 * The decoder of deflate. Output goes into a window of 32 KiB, which is handed on whenever it is
 * full: a match never reaches further back. Input past the end reads as an error at the bit that is
 * missing, so a cut-off stream is told from a complete one.
 */
#include "kernel/lib/inflate.h"

#include "kernel/lib/string.h"

#define END_OF_BLOCK 256

static int corrupt(struct inflate *s, const char *what)
{
	s->error = what;
	return -EINVAL;
}

static int cut_off(struct inflate *s)
{
	return corrupt(s, "the compressed data is cut off");
}

u32 crc32(u32 crc, const u8 *p, size_t n)
{
	/* Four bits at a time: a table that fits in a cache line. */
	static const u32 table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
				      0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
				      0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
				      0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};

	crc = ~crc;
	while (n--) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

/* ---- bits in ---- */

/* As many bits as fit: at least 48 unless the input ends. */
static void refill(struct inflate *s)
{
	while (s->nr_bits <= 56 && s->in < s->in_end) {
		s->bits |= (u64)*s->in++ << s->nr_bits;
		s->nr_bits += 8;
	}
}

/* n (at most 16) bits, or -EINVAL. */
static int take_bits(struct inflate *s, u32 n)
{
	int v;

	if (s->nr_bits < n)
		refill(s);
	if (s->nr_bits < n)
		return cut_off(s);
	v = (int)(s->bits & (BIT(n) - 1));
	s->bits >>= n;
	s->nr_bits -= n;
	return v;
}

/* ---- codes ---- */

static u32 reverse_bits(u32 v, u32 n)
{
	u32 r = 0;

	while (n--) {
		r = r << 1 | (v & 1);
		v >>= 1;
	}
	return r;
}

/* Builds the code whose symbol k has lengths[k] bits. -EINVAL where no such code is. */
static int build_code(struct inflate *s, struct inflate_code *c, const u8 *lengths, u32 n)
{
	u16 offset[16], next[16];
	int left = 1;
	u32 code = 0;

	memset(c->count, 0, sizeof(c->count));
	memset(c->fast, 0, sizeof(c->fast));
	for (u32 k = 0; k < n; k++)
		c->count[lengths[k]]++;
	c->count[0] = 0;
	offset[0] = next[0] = 0;
	for (u32 len = 1; len < 16; len++) {
		left = (left << 1) - c->count[len];
		if (left < 0)
			return corrupt(s, "a Huffman code has too many symbols");
		offset[len] = (u16)(offset[len - 1] + c->count[len - 1]);
		code = (code + c->count[len - 1]) << 1;
		next[len] = (u16)code;
	}
	for (u32 k = 0; k < n; k++) {
		u32 len = lengths[k];

		if (!len)
			continue;
		c->symbol[offset[len]++] = (u16)k;
		if (len <= INFLATE_FAST_BITS)
			for (u32 at = reverse_bits(next[len], len); at < BIT(INFLATE_FAST_BITS);
			     at += 1u << len)
				c->fast[at] = (u16)(k << 4 | len);
		next[len]++;
	}
	return 0;
}

/* A code longer than the table: bit by bit along the canonical order. */
static int decode_slow(struct inflate *s, const struct inflate_code *c)
{
	u32 code = 0, first = 0, index = 0;

	for (u32 len = 1; len < 16; len++) {
		if (s->nr_bits < len)
			return cut_off(s);
		code = code << 1 | (u32)(s->bits >> (len - 1) & 1);
		if (code - first < c->count[len]) {
			s->bits >>= len;
			s->nr_bits -= len;
			return c->symbol[index + code - first];
		}
		index += c->count[len];
		first = (first + c->count[len]) << 1;
	}
	return corrupt(s, "a Huffman code that stands for nothing");
}

static int decode(struct inflate *s, const struct inflate_code *c)
{
	u32 e, len;

	if (s->nr_bits < 16)
		refill(s);
	e = c->fast[s->bits & (BIT(INFLATE_FAST_BITS) - 1)];
	len = e & 15;
	if (!len || len > s->nr_bits)
		return decode_slow(s, c);
	s->bits >>= len;
	s->nr_bits -= len;
	return (int)(e >> 4);
}

/* ---- bytes out ---- */

static int flush(struct inflate *s)
{
	u32 n = s->out;

	s->out = 0;
	s->crc = crc32(s->crc, s->window, n);
	return n ? s->sink(s->ctx, s->window, n) : 0;
}

static int put_byte(struct inflate *s, u8 byte)
{
	s->window[s->out++] = byte;
	s->total++;
	return s->out == INFLATE_WINDOW ? flush(s) : 0;
}

static int put_match(struct inflate *s, u32 distance, u32 length)
{
	u32 from = (s->out - distance) & (INFLATE_WINDOW - 1);
	int err = 0;

	if (distance > s->total)
		return corrupt(s, "a match reaches back before the beginning");
	while (length-- && !err) {
		err = put_byte(s, s->window[from]);
		from = (from + 1) & (INFLATE_WINDOW - 1);
	}
	return err;
}

/* ---- blocks ---- */

static int stored_block(struct inflate *s)
{
	int len, check, err = 0;

	take_bits(s, s->nr_bits & 7);
	len = take_bits(s, 16);
	check = len < 0 ? len : take_bits(s, 16);
	if (check < 0)
		return check;
	if ((len ^ check) != 0xffff)
		return corrupt(s, "a stored block has two lengths");
	while (len-- && !err) {
		int byte = take_bits(s, 8);

		err = byte < 0 ? byte : put_byte(s, (u8)byte);
	}
	return err;
}

/* A length or distance: its base and the extra bits that follow. */
static int with_extra(struct inflate *s, u32 base, u32 extra)
{
	int v = take_bits(s, extra);

	return v < 0 ? v : (int)base + v;
}

static int match_length(struct inflate *s, u32 symbol)
{
	u32 n = symbol - 257, extra;

	if (n < 8)
		return (int)n + 3;
	if (n == 28)
		return 258;
	if (n > 28)
		return corrupt(s, "a length that does not exist");
	extra = n / 4 - 1;
	return with_extra(s, ((4 + n % 4) << extra) + 3, extra);
}

static int match_distance(struct inflate *s)
{
	int symbol = decode(s, &s->distances);
	u32 extra;

	if (symbol < 0)
		return symbol;
	if (symbol < 4)
		return symbol + 1;
	if (symbol > 29)
		return corrupt(s, "a distance that does not exist");
	extra = (u32)symbol / 2 - 1;
	return with_extra(s, (2u + (u32)symbol % 2) << extra, extra) + (s->error ? 0 : 1);
}

static int compressed_block(struct inflate *s)
{
	for (;;) {
		int symbol = decode(s, &s->lengths), length, distance, err;

		if (symbol < 0)
			return symbol;
		if (symbol == END_OF_BLOCK)
			return 0;
		if (symbol < END_OF_BLOCK) {
			err = put_byte(s, (u8)symbol);
		} else {
			length = match_length(s, (u32)symbol);
			distance = length < 0 ? length : match_distance(s);
			err = distance < 0 ? distance : put_match(s, (u32)distance, (u32)length);
		}
		if (err)
			return err;
	}
}

static int fixed_block(struct inflate *s)
{
	u8 lengths[288];
	int err;

	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	err = build_code(s, &s->lengths, lengths, 288);
	memset(lengths, 5, 30);
	if (!err)
		err = build_code(s, &s->distances, lengths, 30);
	return err ? err : compressed_block(s);
}

/* Reads `n` code lengths, themselves coded, into lengths. */
static int read_lengths(struct inflate *s, u8 *lengths, u32 n)
{
	u32 k = 0;

	while (k < n) {
		int symbol = decode(s, &s->lengths), repeat;
		u8 value = 0;

		if (symbol < 0)
			return symbol;
		if (symbol < 16) {
			lengths[k++] = (u8)symbol;
			continue;
		}
		if (symbol == 16 && k == 0)
			return corrupt(s, "a repeated length with none before it");
		if (symbol == 16)
			value = lengths[k - 1];
		repeat = symbol == 16	? with_extra(s, 3, 2)
			 : symbol == 17 ? with_extra(s, 3, 3)
					: with_extra(s, 11, 7);
		if (repeat < 0)
			return repeat;
		if ((u32)repeat > n - k)
			return corrupt(s, "more code lengths than symbols");
		memset(lengths + k, value, (size_t)repeat);
		k += (u32)repeat;
	}
	return 0;
}

static int dynamic_block(struct inflate *s)
{
	static const u8 order[19] = {16, 17, 18, 0, 8,	7, 9,  6, 10, 5,
				     11, 4,  12, 3, 13, 2, 14, 1, 15};
	int literals = take_bits(s, 5), distances = take_bits(s, 5), codes = take_bits(s, 4), err;
	u8 lengths[320] = {0};

	if (literals < 0 || distances < 0 || codes < 0)
		return -EINVAL;
	literals += 257;
	distances += 1;
	if (literals > 286 || distances > 30)
		return corrupt(s, "a block with too many codes");
	for (int k = 0; k < codes + 4; k++) {
		int len = take_bits(s, 3);

		if (len < 0)
			return len;
		lengths[order[k]] = (u8)len;
	}
	err = build_code(s, &s->lengths, lengths, 19);
	if (!err)
		err = read_lengths(s, lengths, (u32)(literals + distances));
	if (err)
		return err;
	if (!lengths[END_OF_BLOCK])
		return corrupt(s, "a block without an end");
	err = build_code(s, &s->distances, lengths + literals, (u32)distances);
	if (!err)
		err = build_code(s, &s->lengths, lengths, (u32)literals);
	return err ? err : compressed_block(s);
}

static int inflate_blocks(struct inflate *s)
{
	int last, type, err;

	do {
		last = take_bits(s, 1);
		type = last < 0 ? last : take_bits(s, 2);
		if (type < 0)
			return type;
		if (type == 0)
			err = stored_block(s);
		else if (type == 1)
			err = fixed_block(s);
		else if (type == 2)
			err = dynamic_block(s);
		else
			err = corrupt(s, "a block of unknown type");
	} while (!err && !last);
	return err ? err : flush(s);
}

/* ---- gzip ---- */

#define FHCRC	 2
#define FEXTRA	 4
#define FNAME	 8
#define FCOMMENT 16

static int skip_text(struct inflate *s)
{
	int byte;

	do {
		byte = take_bits(s, 8);
	} while (byte > 0);
	return byte;
}

static int gzip_header(struct inflate *s)
{
	int flags = 0, n, err = 0;

	for (unsigned k = 0; k < 10; k++) {
		static const int magic[3] = {0x1f, 0x8b, 8};
		int byte = take_bits(s, 8);

		if (byte < 0)
			return byte;
		if (k < 3 && byte != magic[k])
			return corrupt(s, "not in gzip's format");
		if (k == 3)
			flags = byte;
	}
	if (flags & FEXTRA) {
		n = take_bits(s, 16);
		while (n > 0 && take_bits(s, 8) >= 0)
			n--;
		err = n ? -EINVAL : 0;
	}
	if (!err && (flags & FNAME))
		err = skip_text(s);
	if (!err && (flags & FCOMMENT))
		err = skip_text(s);
	if (!err && (flags & FHCRC))
		err = take_bits(s, 16) < 0 ? -EINVAL : 0;
	return err;
}

/* Two little-endian words: the CRC and the length of what was put out. */
static int gzip_trailer(struct inflate *s)
{
	u32 words[2] = {0, 0};

	take_bits(s, s->nr_bits & 7);
	for (unsigned k = 0; k < 8; k++) {
		int byte = take_bits(s, 8);

		if (byte < 0)
			return byte;
		words[k / 4] |= (u32)byte << 8 * (k % 4);
	}
	if (words[0] != s->crc || words[1] != (u32)s->total)
		return corrupt(s, "the contents do not match their checksum");
	return 0;
}

ssize_t gunzip(struct inflate *s, const u8 *in, size_t n,
	       int (*sink)(void *ctx, const u8 *p, size_t n), void *ctx)
{
	int err;

	s->error = NULL;
	s->in = in;
	s->in_end = in + n;
	s->bits = s->nr_bits = s->out = s->crc = 0;
	s->total = 0;
	s->sink = sink;
	s->ctx = ctx;
	err = gzip_header(s);
	if (!err)
		err = inflate_blocks(s);
	if (!err)
		err = gzip_trailer(s);
	return err ? err : (ssize_t)(s->in - in) - (ssize_t)(s->nr_bits / 8);
}
