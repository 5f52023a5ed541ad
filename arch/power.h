/* Ending the machine. */
#pragma once

#include "kernel/lib/compiler.h"

/* ACPI soft-off; QEMU ends with status 0. Halts where the machine has no such thing. */
void power_off(void) __noreturn;
void power_reset(void) __noreturn;
/* QEMU with its isa-debug-exit device ends with a failing status; else the CPU halts for good. */
void power_fail(void) __noreturn;
