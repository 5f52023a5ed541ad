/*
 * Which CPUs are threads of one core, and which cores lie in one package: fields of the APIC id, whose
 * widths CPUID tells (Intel SDM volume 3, 9.9; AMD APM volume 3, appendix E.4 and E.5). All CPUs of the
 * machine are taken to be alike.
 */
#include "arch/cpuinfo.h"

#include "arch/x86_64/control.h"
#include "arch/x86_64/smp.h"

#define LEVEL_SMT   1
#define HAS_SEVERAL BIT(28) /* CPUID.1:EDX.HTT */

/* The lowest bit of the APIC id that numbers cores, and of that which numbers packages. */
struct widths {
	u32 core, package;
};

/* How many bits number `n` things. */
static u32 order_of(u32 n)
{
	u32 order = 0;

	while (order < 31 && (1u << order) < n)
		order++;
	return order;
}

/* Leaf 0xb lists the levels, each with what it shifts the id by. False: it does not. */
static bool by_levels(struct widths *w)
{
	if (cpuid(0, 0).eax < 0xb || !cpuid(0xb, 0).ebx)
		return false;
	for (u32 i = 0; i < 8; i++) {
		struct cpuid c = cpuid(0xb, i);
		u32 level = c.ecx >> 8 & 0xff, shift = c.eax & 0x1f;

		if (!level)
			break;
		if (level == LEVEL_SMT)
			w->core = shift;
		w->package = shift;
	}
	return true;
}

static struct widths widths(void)
{
	struct widths w = {0, 0};
	u32 sizes = 0;

	if (by_levels(&w) || !(cpuid(1, 0).edx & HAS_SEVERAL))
		return w;
	if (cpuid(0x80000000, 0).eax >= 0x80000008)
		sizes = cpuid(0x80000008, 0).ecx;
	if (sizes >> 12 & 0xf)
		w.package = sizes >> 12 & 0xf;
	else if (sizes & 0xff)
		w.package = order_of((sizes & 0xff) + 1);
	else
		w.package = order_of(cpuid(1, 0).ebx >> 16 & 0xff);
	return w;
}

void cpu_topology(u32 cpu, struct cpu_topology *t)
{
	u32 id = percpus[cpu].apic_id;
	struct widths w = widths();

	t->package = id >> w.package;
	t->core = (id & (u32)(BIT(w.package) - 1)) >> w.core;
	t->core_cpus = t->package_cpus = 0;
	for (u32 i = 0; i < cpu_count(); i++) {
		u32 other = percpus[i].apic_id;

		if (other >> w.core == id >> w.core)
			t->core_cpus |= BIT(i);
		if (other >> w.package == id >> w.package)
			t->package_cpus |= BIT(i);
	}
}
