/* What the CPU says of itself, for people and programs to read. */
#pragma once

#include "arch/cpu.h"

/* Writes this CPU's part of /proc/cpuinfo, for CPU number `cpu`, by calls of text(arg, ...). */
void cpu_describe(u32 cpu, void (*text)(void *arg, const char *text), void *arg);
