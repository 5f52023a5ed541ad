/* From Multiboot2's tags to struct boot_info. */
#pragma once

#include "boot/boot_info.h"

#define MULTIBOOT2_LOADER_MAGIC 0x36d76289u

/*
 * Reads the tags at `tags`, which lie at physical address `pa`; at most `limit` bytes are looked
 * at. NULL, or what is wrong with them in words; *out is then of no use. Pure: nothing but *out
 * is written.
 */
const char *multiboot2_parse(const void *tags, u64 pa, size_t limit, struct boot_info *out);
