/* Random numbers, good enough for addresses and keys. */
#pragma once

#include "kernel/lib/types.h"

void random_bytes(void *buf, size_t n);
u64 random_u64(void);
