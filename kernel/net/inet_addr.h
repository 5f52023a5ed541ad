/* Internet addresses: all of them in 16 bytes, those of version 4 as ::ffff:a.b.c.d. */
#pragma once

#include "kernel/lib/types.h"

struct inet_addr {
	u8 ip[16];
	u16 port; /* the CPU's byte order */
};
