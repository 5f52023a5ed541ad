/* What the CPU says of itself, for people and programs to read. */
#pragma once

#include "arch/cpu.h"

/* Writes this CPU's part of /proc/cpuinfo, for CPU number `cpu`, by calls of text(arg, ...). */
void cpu_describe(u32 cpu, void (*text)(void *arg, const char *text), void *arg);

/* Where a CPU lies. Numbers are the machine's own, with gaps where it has them. */
struct cpu_topology {
	u32 package, core; /* cores are numbered within their package */
	u64 core_cpus;	   /* a bit for each CPU that is a thread of the same core, this one too */
	u64 package_cpus;
};
void cpu_topology(u32 cpu, struct cpu_topology *t);
