/*
 * STAC and CLAC, which a CPU without SMAP does not know: the sites hold three bytes of NOP until
 * cpu_init() has seen that it does.
 */
#pragma once

/* clang-format off */
#ifdef __ASSEMBLY__
	.macro SMAP_SITE kind
771:	.byte 0x0f, 0x1f, 0x00
	.pushsection .smap_sites, "a"
	.quad 771b
	.quad \kind
	.popsection
	.endm
#define CLAC SMAP_SITE 0
#define STAC SMAP_SITE 1
#else
#define SMAP_SITE_(kind) \
	"771: .byte 0x0f, 0x1f, 0x00\n" \
	".pushsection .smap_sites, \"a\"\n" \
	".quad 771b, " #kind "\n" \
	".popsection\n"

static inline void user_access_begin(void)
{
	__asm__ volatile(SMAP_SITE_(1) ::: "memory");
}

static inline void user_access_end(void)
{
	__asm__ volatile(SMAP_SITE_(0) ::: "memory");
}
#endif
    /* clang-format on */
