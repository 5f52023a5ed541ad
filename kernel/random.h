/* Random numbers that nobody can predict: a ChaCha20 generator (RFC 8439's block function) with
 * fast key erasure. */
#pragma once

#include "kernel/lib/types.h"

/* Takes its key from the CPU's generator, where it has one, and from the cycle counter. First use
 * does it by itself. */
void random_bytes(void *buf, size_t n);
u64 random_u64(void);
/* Stirs bytes into the key. */
void random_add(const void *buf, size_t n);
