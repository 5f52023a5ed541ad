/* Bitmaps: arrays of u64, bit n in word n / 64. No atomics: the caller locks. */
#pragma once

#include "kernel/lib/compiler.h"

#define BITMAP_WORDS(bits) DIV_ROUND_UP(bits, 64)

static inline bool bitmap_test(const u64 *map, size_t bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

static inline void bitmap_set(u64 *map, size_t bit)
{
	map[bit / 64] |= BIT(bit % 64);
}

static inline void bitmap_clear(u64 *map, size_t bit)
{
	map[bit / 64] &= ~BIT(bit % 64);
}

void bitmap_set_range(u64 *map, size_t start, size_t n);
void bitmap_clear_range(u64 *map, size_t start, size_t n);

/* The first set (clear) bit at >= start, or `bits` where there is none. */
size_t bitmap_find_set(const u64 *map, size_t bits, size_t start);
size_t bitmap_find_clear(const u64 *map, size_t bits, size_t start);
/* The first of n clear bits in a row at >= start, or `bits`. */
size_t bitmap_find_clear_run(const u64 *map, size_t bits, size_t start, size_t n);
/* How many of the first `bits` are set. */
size_t bitmap_weight(const u64 *map, size_t bits);
