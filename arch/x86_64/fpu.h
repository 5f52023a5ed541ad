/* The state of x87, SSE and AVX: saved and restored whole (SDM volume 1, chapter 13). */
#pragma once

#include "kernel/lib/compiler.h"

struct task;

#define FPU_MAGIC1	0x46505853u
#define FPU_MAGIC2	0x46505845u /* follows the state in a signal frame */
#define FPU_MAGIC2_SIZE 4

/* Bytes 464-511, which the CPU leaves alone: Linux says there what a signal frame holds. */
struct fpu_software {
	u32 magic, whole_size; /* with FPU_MAGIC2 */
	u64 features;
	u32 size;
	u32 reserved[7];
};

/* What XSAVE or FXSAVE lays down; fpu_size() bytes, aligned to 64. */
struct fpu_state {
	u16 control, status;
	u8 tag, reserved0;
	u16 opcode;
	u64 ip, dp;
	u32 mxcsr, mxcsr_mask;
	u8 st[128], xmm[256];
	u8 reserved1[48];
	struct fpu_software software;
	/* From here on XSAVE's alone. */
	u64 features; /* XSTATE_BV: which components are not in their initial state */
	u64 compaction;
	u64 reserved2[6];
	u8 extended[];
};

void fpu_init(void);
/* On each further CPU, once CR4 is set. */
void fpu_init_secondary(void);
size_t fpu_size(void);
bool fpu_has_xsave(void);

/* NULL: no memory. To be filled by fpu_save() or fpu_set_start() before anything loads it. */
struct fpu_state *fpu_alloc(void) __must_check;
/* What a new program starts with. */
void fpu_set_start(struct fpu_state *s);
void fpu_free(struct fpu_state *s);

/* From the registers, and into them. `s` must be sound: see fpu_sanitize(). */
void fpu_save(struct fpu_state *s);
void fpu_load(const struct fpu_state *s);
/* The registers as a new program finds them. */
void fpu_reset(void);
/* Makes a state that came from user mode one that fpu_load() takes without a fault. */
void fpu_sanitize(struct fpu_state *s);
