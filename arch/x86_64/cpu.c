/* This CPU's tables and control registers. */
#include "arch/traps.h"

#include "arch/mmu.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/control.h"
#include "kernel/lib/string.h"

static struct percpu percpus[MAX_CPUS];

void cpu_init_early(void)
{
	struct percpu *p = &percpus[0];

	p->self = p;
	wrmsr(MSR_GS_BASE, (u64)p);
}

void arch_panic(void)
{
	serial_panic();
}

void arch_say_control(void (*say)(const char *fmt, ...))
{
	say("cr0 %08llx  cr2 %016llx  cr3 %016llx  cr4 %08llx", read_cr0(), read_cr2(), read_cr3(),
	    read_cr4());
}

bool arch_read_frame(u64 rbp, u64 frame[2])
{
	if (rbp % 8 || rbp < DIRECT_BASE)
		return false;
	memcpy(frame, (const void *)rbp, 16);
	return true;
}
