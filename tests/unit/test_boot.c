/* The boot loader's tags: read right, and every cut and every wrong byte survived. */
#include "boot/multiboot2.h"
#include "tests/unit/host/tap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED "tests/unit/corpus/fuzz_multiboot2/valid"

static struct boot_info info;

/* Parses a copy in a block of exactly this size, so that the sanitizer sees the first byte too
 * many. */
static const char *parse(const u8 *tags, size_t size)
{
	u8 *copy = malloc(size ? size : 1);
	const char *wrong;

	memcpy(copy, tags, size);
	wrong = multiboot2_parse(copy, 0x100000, size, &info);
	free(copy);
	return wrong;
}

static void test_valid(const u8 *tags, size_t size)
{
	const char *wrong = parse(tags, size);

	if (!tap_ok(!wrong, "boot: a whole set of tags is taken (%s)", wrong ? wrong : "it is"))
		return;
	tap_ok(!strcmp(info.cmdline, "fork_share=1 -- sh") && !strcmp(info.loader, "GRUB 2.06"),
	       "boot: command line and loader");
	tap_ok(info.nr_modules == 1 && info.modules[0].start == 0x1000000 &&
		   info.modules[0].end == 0x1800000,
	       "boot: module");
	tap_ok(info.nr_ranges == 3 && info.ranges[2].start == 0x100000 &&
		   info.ranges[2].end == 0x7ffe0000 && info.ranges[2].type == BOOT_RAM,
	       "boot: memory map");
	tap_ok(info.rsdp_len == 36, "boot: the newer root pointer wins");
	tap_ok(info.symtab == 0x200000 && info.strtab_size == 100, "boot: symbols");
}

static void test_damage(const u8 *tags, size_t size)
{
	u8 *copy = malloc(size);
	unsigned cut = 0;

	for (size_t n = 0; n < size; n++)
		cut += parse(tags, n) != NULL;
	tap_ok(cut == size, "boot: each of %lu cuts is refused", size);
	for (size_t at = 0; at < size; at++)
		for (unsigned v = 0; v < 256; v++) {
			memcpy(copy, tags, size);
			copy[at] = (u8)v;
			parse(copy, size);
		}
	tap_ok(true, "boot: no wrong byte leads astray");
	free(copy);
}

int main(void)
{
	static u8 tags[4096];
	FILE *f = fopen(SEED, "rb");
	size_t size;

	if (!f)
		tap_fail("boot: no " SEED);
	size = fread(tags, 1, sizeof(tags), f);
	fclose(f);
	test_valid(tags, size);
	test_damage(tags, size);
	return tap_done();
}
