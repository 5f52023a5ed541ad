/* A check of the whole machine's counts, for tests and the debug build: see mm/audit.c. */
#pragma once

#include "kernel/lib/compiler.h"

/*
 * True where every count agrees with a walk of all trees; else the first few disagreements are in
 * the log. The caller sees to it that no tree changes meanwhile: it does not sleep, and has stopped
 * the other CPUs (kernel/stop.c).
 */
bool mm_audit(void);
