/*
 * Pages whose every byte is known: the content of a page follows from a key alone, so that whoever
 * knows who wrote it last can check it without a copy to compare with.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key from a seed, a page's number and its writer; different ones give unlike pages. */
uint64_t pattern_key(uint64_t seed, uint64_t page, uint64_t writer);

/* Writes the page whole. */
void pattern_fill(void *page, uint64_t key);

/* Compares all bytes of the page. The offset of the first wrong one, or -1. */
long pattern_check(const void *page, uint64_t key);

/* A random number, for choices that repeat with the seed. */
uint64_t mix(uint64_t x);
