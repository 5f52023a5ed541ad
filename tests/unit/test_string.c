/* kernel/lib/string.c against the C library, at every alignment and many lengths. */
#include "kernel/lib/string.h"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#undef strchrnul
#undef strstr
#undef strspn
#undef strcspn
#include "tests/unit/host/tap.h"
#include <string.h>

#define ROOM 200

static u8 a[ROOM], b[ROOM], want[ROOM], got[ROOM];

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

static void fill(u8 *p, unsigned values)
{
	for (unsigned i = 0; i < ROOM; i++)
		p[i] = (u8)rand_below(values);
}

static void test_memory(void)
{
	for (unsigned n = 0; n < 90; n++)
		for (unsigned to = 0; to < 9; to++)
			for (unsigned from = 0; from < 20; from++) {
				fill(a, 256);
				memcpy(want, a, ROOM);
				memcpy(got, a, ROOM);
				memcpy(want + 100 + to, a + from, n);
				CHECK(calf_memcpy(got + 100 + to, a + from, n) == got + 100 + to);
				CHECK(!memcmp(want, got, ROOM));
				memmove(want + to, want + from, n);
				CHECK(calf_memmove(got + to, got + from, n) == got + to);
				CHECK(!memcmp(want, got, ROOM));
				memset(want + to, (int)(n * 77), n);
				CHECK(calf_memset(got + to, (int)(n * 77), n) == got + to);
				CHECK(!memcmp(want, got, ROOM));
			}
	tap_ok(true, "string: memcpy, memmove, memset");
}

static void test_compare(void)
{
	for (unsigned i = 0; i < 20000; i++) {
		size_t n = rand_below(100), at = rand_below(9), bt = rand_below(9);

		fill(a, 256);
		memcpy(b + bt, a + at, n);
		if (n && rand_below(2))
			b[bt + rand_below(n)] ^= 0x81;
		CHECK(sign(calf_memcmp(a + at, b + bt, n)) == sign(memcmp(a + at, b + bt, n)));
		CHECK(calf_memchr(a + at, a[50], n) == memchr(a + at, a[50], n));
		memset(b, 7, ROOM);
		CHECK(!memchr_inv(b + bt, 7, n));
		if (n) {
			size_t bad = rand_below(n);

			b[bt + bad] = 8;
			CHECK(memchr_inv(b + bt, 7, n) == b + bt + bad);
		}
	}
	tap_ok(true, "string: memcmp, memchr, memchr_inv");
}

static void test_strings(void)
{
	for (unsigned i = 0; i < 50000; i++) {
		char *s = (char *)a, *t = (char *)b, small[8] = "ab";
		size_t n = rand_below(12);

		fill(a, 4);
		fill(b, 4);
		for (unsigned k = 0; k < ROOM; k++) {
			a[k] = a[k] ? (u8)(a[k] + 'a' - 1) : rand_below(3) ? 'c' : 0;
			b[k] = b[k] ? (u8)(b[k] + 'a' - 1) : 0;
		}
		a[ROOM - 1] = b[ROOM - 1] = 0;
		CHECK(calf_strlen(s) == strlen(s));
		CHECK(calf_strnlen(s, n) == strnlen(s, n));
		CHECK(sign(calf_strcmp(s, t)) == sign(strcmp(s, t)));
		CHECK(sign(calf_strncmp(s, t, n)) == sign(strncmp(s, t, n)));
		CHECK(calf_strchr(s, 'b') == strchr(s, 'b') && calf_strchr(s, 0) == strchr(s, 0));
		CHECK(calf_strrchr(s, 'b') == strrchr(s, 'b') &&
		      calf_strrchr(s, 0) == strrchr(s, 0));
		CHECK(calf_strchrnul(s, 'z') == s + strlen(s));
		CHECK(calf_strstr(s, t) == strstr(s, t));
		CHECK(calf_strspn(s, "ab") == strspn(s, "ab"));
		CHECK(calf_strcspn(s, "c") == strcspn(s, "c"));
		CHECK(strstarts(s, t) == !strncmp(s, t, strlen(t)));
		CHECK(strlcpy(small, s, n % 9) == strlen(s));
		CHECK(n % 9 == 0 || (strlen(small) == min(strlen(s), n % 9 - 1) &&
				     !strncmp(small, s, strlen(small))));
		strlcpy(small, "ab", sizeof(small));
		CHECK(strlcat(small, t, sizeof(small)) == 2 + strlen(t));
		CHECK(strlen(small) == min(2 + strlen(t), sizeof(small) - 1));
	}
	tap_ok(true, "string: str*");
}

int main(void)
{
	rand_seed(1);
	test_memory();
	test_compare();
	test_strings();
	return tap_done();
}
