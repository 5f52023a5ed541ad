/* kernel/lib/format.c against the C library. */
#include "kernel/lib/format.h"
#undef vsnprintf
#undef snprintf
#include "tests/unit/host/tap.h"
#include <stdio.h>
#include <string.h>

/* Both ways, in a buffer of each of a few sizes. */
#define SAME(...)                                                                           \
	do {                                                                                \
		for (size_t size_ = 0; size_ < 130; size_ += size_ < 12 ? 1 : 59) {         \
			char want_[130] = "?", got_[130] = "?";                             \
			int w_ = snprintf(want_, size_, __VA_ARGS__);                       \
			int g_ = calf_snprintf(got_, size_, __VA_ARGS__);                   \
                                                                                            \
			if (w_ != g_ || strcmp(want_, got_))                                \
				tap_fail("%s:%d: '%s' (%d), should be '%s' (%d)", __FILE__, \
					 __LINE__, got_, g_, want_, w_);                    \
		}                                                                           \
	} while (0)

#ifndef __clang__
#pragma GCC diagnostic ignored "-Wformat-truncation"
#endif
#pragma GCC diagnostic ignored "-Wformat"

static const long values[] = {0,
			      1,
			      -1,
			      7,
			      42,
			      -42,
			      255,
			      4096,
			      2147483647,
			      -2147483648l,
			      9223372036854775807l,
			      -9223372036854775807l - 1,
			      0x123456789abcdefl};

static void test_numbers(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		long v = values[i];

		SAME("%ld|%5ld|%-25ld|%025ld|%+ld|% ld|%.3ld|%20.5ld", v, v, v, v, v, v, v, v);
		SAME("%lu|%lx|%lX|%lo|%#lx|%#lo|%#20lx|%#020lx", v, v, v, v, v, v, v, v);
		SAME("%d|%u|%x|%hd|%hhd|%hhu|%hu", (int)v, (int)v, (int)v, (int)v, (int)v, (int)v,
		     (int)v);
		SAME("%zu|%jd|%td|%lld|%llx", (size_t)v, v, v, (long long)v, (long long)v);
		SAME("%*ld|%-*ld|%.*ld|%*.*ld", 9, v, 9, v, 4, v, -12, 6, v);
		SAME("%.0ld|%.ld|%-08ld|%+05d", v, v, v, (int)v);
	}
	tap_ok(true, "format: numbers");
}

static void test_text(void)
{
	SAME("%s|%10s|%-10s|%.2s|%10.2s|%.*s", "calf", "calf", "calf", "calf", "calf", 3, "calf");
	SAME("%c%c%5c|%-5c|100%%", 'a', 'b', 'c', 'd');
	SAME("%s and nothing else, which is long enough to be cut off in most buffers", "");
	tap_ok(true, "format: text");
}

static void test_own(void)
{
	char buf[40];

	calf_snprintf(buf, sizeof(buf), "%p %s", (void *)0xffff800012345678, (char *)NULL);
	tap_ok(!strcmp(buf, "0xffff800012345678 (null)"), "format: %s", buf);
	tap_ok(scnprintf(buf, 5, "%s", "long enough") == 4 && !strcmp(buf, "long"),
	       "format: scnprintf says what is there");
}

int main(void)
{
	test_numbers();
	test_text();
	test_own();
	return tap_done();
}
