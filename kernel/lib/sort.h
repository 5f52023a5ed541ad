/* Sorting in place, without memory of its own. */
#pragma once

#include "kernel/lib/compiler.h"

/* Orders n elements of `size` bytes by cmp (<0, 0, >0). O(n log n) at worst; not stable. */
void sort(void *base, size_t n, size_t size, int (*cmp)(const void *a, const void *b));
