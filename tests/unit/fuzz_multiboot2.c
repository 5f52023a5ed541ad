/* Corrupt tags of the boot loader: the parser must read nothing outside them, and end. */
#include "boot/multiboot2.h"
#include "kernel/panic.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct boot_info info;
	/* A block of exactly this size, so that the sanitizer sees the first byte too many. */
	void *tags = malloc(size ? size : 1);
	const char *wrong;

	memcpy(tags, data, size);
	memset(&info, 0xff, sizeof(info));
	wrong = multiboot2_parse(tags, 0x100000, size, &info);
	if (!wrong) {
		ASSERT(info.nr_ranges <= BOOT_MAX_RANGES && info.nr_modules <= BOOT_MAX_MODULES);
		ASSERT(strnlen(info.cmdline, sizeof(info.cmdline)) < sizeof(info.cmdline));
		ASSERT(strnlen(info.loader, sizeof(info.loader)) < sizeof(info.loader));
		ASSERT(info.rsdp_len <= sizeof(info.rsdp));
		for (unsigned i = 0; i < info.nr_modules; i++)
			ASSERT(memchr(info.modules[i].name, 0, sizeof(info.modules[i].name)));
		for (unsigned i = 0; i < info.nr_ranges; i++)
			ASSERT(info.ranges[i].start < info.ranges[i].end);
	}
	free(tags);
	return 0;
}
