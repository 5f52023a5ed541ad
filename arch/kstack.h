/* Kernel stacks: 16 KiB each, with an unmapped guard below. */
#pragma once

#include "kernel/lib/compiler.h"

/* The lowest address of a stack; its contents are undefined. NULL: no memory. */
void *kstack_alloc(void) __must_check;
/* Not the stack that is running. */
void kstack_free(void *stack);
/* Gives back what a burst of exits has left beyond a few stacks. Interrupts are on, no lock is held. */
void kstack_release(void);
/* Gives back every frame that cached stacks hold, and tables that map nothing: for the ledger. */
void kstack_trim(void);
/* True where va lies in the guard of some stack. */
bool kstack_is_guard(vaddr_t va);
