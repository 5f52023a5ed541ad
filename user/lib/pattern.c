/* Contents that follow from a key. */
#include "user/lib/pattern.h"

#include "user/lib/units.h"

#define WORDS (PAGE_BYTES / sizeof(uint64_t))
#define STEP  0x9e3779b97f4a7c15ull /* odd: word i of a page differs from all its other words */

uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

uint64_t pattern_key(uint64_t seed, uint64_t page, uint64_t writer)
{
	return mix(mix(seed + STEP) + page * STEP + (writer << 48));
}

void pattern_fill(void *page, uint64_t key)
{
	uint64_t *word = page;

	for (unsigned i = 0; i < WORDS; i++, key += STEP)
		word[i] = key;
}

long pattern_check(const void *page, uint64_t key)
{
	const uint64_t *word = page;

	for (unsigned i = 0; i < WORDS; i++, key += STEP) {
		uint64_t wrong = word[i] ^ key;

		if (wrong)
			return (long)(i * sizeof(uint64_t)) + __builtin_ctzll(wrong) / 8;
	}
	return -1;
}
