/*
 * The state of x87, SSE and AVX. XSAVE where the CPU has it, in the standard format, so that a
 * signal frame is a copy; else FXSAVE. Neither XSAVEOPT nor XSAVEC: both leave parts of the area
 * as they were, and what was there might be another task's.
 */
#include "arch/x86_64/fpu.h"

#include "arch/x86_64/control.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "mm/alloc.h"

#define FEATURE_X87    BIT(0)
#define FEATURE_SSE    BIT(1)
#define FEATURE_AVX    BIT(2)
#define FEATURE_AVX512 (BIT(5) | BIT(6) | BIT(7)) /* all three or none */

#define FXSAVE_SIZE   512
#define HEADER_SIZE   64
#define AVX_END	      832 /* legacy area, header, AVX: beyond it there may be gaps */
#define MXCSR_START   0x1f80
#define CONTROL_START 0x37f
#define STATE_MAX     4096

static u64 features = FEATURE_X87 | FEATURE_SSE;
static size_t size = FXSAVE_SIZE;
static bool has_xsave;
static u32 mxcsr_mask;
static struct slab_cache *cache;
static u8 start_area[STATE_MAX] __aligned(64); /* what a new program starts with */
static u8 probe_area[STATE_MAX] __aligned(64);

static void xsetbv(u64 v)
{
	__asm__ volatile("xsetbv" ::"c"(0), "a"((u32)v), "d"((u32)(v >> 32)));
}

void fpu_init(void)
{
	struct fpu_state *start = (void *)start_area;
	struct fpu_state *probe = (void *)probe_area;

	has_xsave = cpu_features & CR4_OSXSAVE;
	if (has_xsave) {
		u64 offered = cpuid(0xd, 0).eax;

		features |= offered & FEATURE_AVX;
		if ((features & FEATURE_AVX) && (offered & FEATURE_AVX512) == FEATURE_AVX512)
			features |= FEATURE_AVX512;
		xsetbv(features);
		size = cpuid(0xd, 0).ebx; /* for what XCR0 now enables */
	}
	ASSERT(size <= STATE_MAX);
	__asm__ volatile("fninit; fxsaveq (%0)" ::"r"(probe) : "memory");
	mxcsr_mask = probe->mxcsr_mask;
	if (!mxcsr_mask)
		mxcsr_mask = 0xffbf; /* SDM volume 1, section 11.6.6 */
	start->control = CONTROL_START;
	start->mxcsr = MXCSR_START;
	start->software = (struct fpu_software){
	    .magic = FPU_MAGIC1,
	    .whole_size = (u32)(has_xsave ? size + FPU_MAGIC2_SIZE : size),
	    .features = features,
	    .size = (u32)size,
	};
}

void fpu_init_secondary(void)
{
	if (has_xsave)
		xsetbv(features);
}

size_t fpu_size(void)
{
	return size;
}

bool fpu_has_xsave(void)
{
	return has_xsave;
}

/* What neither XSAVE nor FXSAVE writes: it must be sound for XRSTOR, and nobody else's leftovers.
 */
static void clear_gaps(struct fpu_state *s)
{
	memset(s->reserved1, 0, sizeof(s->reserved1));
	s->software = ((struct fpu_state *)(void *)start_area)->software;
	if (has_xsave)
		memset(&s->features, 0, HEADER_SIZE);
	if (size > AVX_END)
		memset((u8 *)s + AVX_END, 0, size - AVX_END);
}

struct fpu_state *fpu_alloc(void)
{
	struct fpu_state *s;

	if (!cache)
		cache = slab_create("fpu", size, 64);
	s = cache ? slab_alloc(cache) : NULL;
	if (s)
		clear_gaps(s);
	return s;
}

void fpu_free(struct fpu_state *s)
{
	if (s)
		slab_free(cache, s);
}

void fpu_save(struct fpu_state *s)
{
	if (has_xsave)
		__asm__ volatile("xsaveq (%0)" ::"r"(s), "a"(~0u), "d"(~0u) : "memory");
	else
		__asm__ volatile("fxsaveq (%0)" ::"r"(s) : "memory");
}

void fpu_load(const struct fpu_state *s)
{
	if (has_xsave)
		__asm__ volatile("xrstorq (%0)" ::"r"(s), "a"(~0u), "d"(~0u) : "memory");
	else
		__asm__ volatile("fxrstorq (%0)" ::"r"(s) : "memory");
}

void fpu_set_start(struct fpu_state *s)
{
	memcpy(s, start_area, size);
}

void fpu_reset(void)
{
	fpu_load((void *)start_area);
}

void fpu_sanitize(struct fpu_state *s)
{
	s->mxcsr &= mxcsr_mask;
	s->software = ((struct fpu_state *)(void *)start_area)->software;
	if (!has_xsave)
		return;
	s->features &= features;
	s->compaction = 0;
	memset(s->reserved2, 0, sizeof(s->reserved2));
}
