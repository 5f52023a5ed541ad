/* Heap sort: no memory, no recursion, no bad case. */
#include "kernel/lib/sort.h"

static void swap_elements(char *a, char *b, size_t size)
{
	for (; size; size--, a++, b++) {
		char c = *a;

		*a = *b;
		*b = c;
	}
}

/* Lets element i of the heap [0, n) sink to where no child is larger. */
static void sink(char *base, size_t i, size_t n, size_t size,
		 int (*cmp)(const void *a, const void *b))
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= n)
			return;
		if (child + 1 < n && cmp(base + child * size, base + (child + 1) * size) < 0)
			child++;
		if (cmp(base + i * size, base + child * size) >= 0)
			return;
		swap_elements(base + i * size, base + child * size, size);
		i = child;
	}
}

void sort(void *base, size_t n, size_t size, int (*cmp)(const void *a, const void *b))
{
	for (size_t i = n / 2; i--;)
		sink(base, i, n, size, cmp);
	for (size_t end = n; end-- > 1;) {
		swap_elements(base, (char *)base + end * size, size);
		sink(base, 0, end, size, cmp);
	}
}
