/* Control and model-specific registers (SDM volume 3, section 2.5, and volume 4). */
#pragma once

#include "kernel/lib/compiler.h"

#define CR0_MP	       BIT(1)
#define CR0_EM	       BIT(2)
#define CR0_TS	       BIT(3)
#define CR0_NE	       BIT(5)
#define CR0_WP	       BIT(16)
#define CR0_AM	       BIT(18)
#define CR4_PAE	       BIT(5)
#define CR4_MCE	       BIT(6)
#define CR4_PGE	       BIT(7)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)

#define MSR_APIC_BASE	   0x1b
#define MSR_EFER	   0xc0000080
#define MSR_STAR	   0xc0000081
#define MSR_LSTAR	   0xc0000082
#define MSR_SFMASK	   0xc0000084
#define MSR_FS_BASE	   0xc0000100
#define MSR_GS_BASE	   0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#define EFER_SCE BIT(0)
#define EFER_NXE BIT(11)

#define CR_ACCESS_(reg)                                                      \
	static inline unsigned long long read_##reg(void)                    \
	{                                                                    \
		u64 v;                                                       \
		__asm__ volatile("movq %%" #reg ", %0" : "=r"(v)::"memory"); \
		return v;                                                    \
	}                                                                    \
	static inline void write_##reg(u64 v)                                \
	{                                                                    \
		__asm__ volatile("movq %0, %%" #reg ::"r"(v) : "memory");    \
	}
CR_ACCESS_(cr0)
CR_ACCESS_(cr2)
CR_ACCESS_(cr3)
CR_ACCESS_(cr4)
#undef CR_ACCESS_

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)(v & ~0u)), "d"((u32)(v >> 32)) : "memory");
}

/* CR4 bits that the CPUs have and the kernel uses. */
extern u64 cpu_features;

struct cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

#define INVPCID_ALL 2ull /* tags, and global translations, too */

/* SDM volume 2, INVPCID, of the types that look at no address. */
static inline void invpcid(u64 type)
{
	const struct {
		u64 pcid, address;
	} nothing = {0};

	__asm__ volatile("invpcid %1, %0" ::"r"(type), "m"(nothing) : "memory");
}

static inline void invlpg(u64 va)
{
	__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}
