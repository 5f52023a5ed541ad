/* The vDSO: a shared object that the kernel maps into each program, with what needs no system call. */
#pragma once

#include "kernel/lib/compiler.h"

/* The object's bytes, whole pages that user mode may read and execute. */
extern const u8 arch_vdso_start[], arch_vdso_end[];

/* Fills the page of data that lies right below the object wherever that is mapped; clocks that are
 * set later change it. */
void arch_vdso_data(void *page);
