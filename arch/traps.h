/* What a panic asks of the machine. */
#pragma once

#include "arch/x86_64/regs.h"
#include "kernel/lib/compiler.h"

/* As panic(), where the registers of the place that broke are known. */
void panic_regs(const struct regs *regs, const char *fmt, ...) __printf(2, 3) __noreturn;

/* Stops whatever could disturb a panic's output. */
void arch_panic(void);
/* Control registers, one line, through `say`. */
void arch_say_control(void (*say)(const char *fmt, ...));
/* Reads the two words of a stack frame; false where rbp is no kernel stack address. */
bool arch_read_frame(u64 rbp, u64 frame[2]);
