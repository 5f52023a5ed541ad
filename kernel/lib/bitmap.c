/* Bitmaps. */
#include "kernel/lib/bitmap.h"

/* Bits [start % 64, ...) of the word that holds start, at most n of them. */
static u64 word_mask(size_t start, size_t n)
{
	size_t first = start % 64;
	u64 low = n >= 64 ? ~0ull : BIT(n) - 1;

	return low << first;
}

void bitmap_set_range(u64 *map, size_t start, size_t n)
{
	while (n) {
		size_t step = min(64 - start % 64, n);

		map[start / 64] |= word_mask(start, step);
		start += step;
		n -= step;
	}
}

void bitmap_clear_range(u64 *map, size_t start, size_t n)
{
	while (n) {
		size_t step = min(64 - start % 64, n);

		map[start / 64] &= ~word_mask(start, step);
		start += step;
		n -= step;
	}
}

/* The first bit at >= start that is set in map XOR flip. */
static size_t find(const u64 *map, size_t bits, size_t start, u64 flip)
{
	while (start < bits) {
		u64 w = (map[start / 64] ^ flip) >> (start % 64);

		if (w)
			return min(start + (size_t)__builtin_ctzll(w), bits);
		start = ALIGN_DOWN(start, 64) + 64;
	}
	return bits;
}

size_t bitmap_find_set(const u64 *map, size_t bits, size_t start)
{
	return find(map, bits, start, 0);
}

size_t bitmap_find_clear(const u64 *map, size_t bits, size_t start)
{
	return find(map, bits, start, ~0ull);
}

size_t bitmap_find_clear_run(const u64 *map, size_t bits, size_t start, size_t n)
{
	for (;;) {
		size_t from = bitmap_find_clear(map, bits, start);
		size_t to;

		if (bits - from < n || from == bits)
			return bits;
		to = bitmap_find_set(map, from + n, from);
		if (to == from + n)
			return from;
		start = to + 1;
	}
}

size_t bitmap_weight(const u64 *map, size_t bits)
{
	size_t n = 0, i;

	for (i = 0; i < bits / 64; i++)
		n += (size_t)__builtin_popcountll(map[i]);
	if (bits % 64)
		n += (size_t)__builtin_popcountll(map[i] & (BIT(bits % 64) - 1));
	return n;
}
