/* A socket address as it comes from a program, and goes to one. */
#pragma once

#include "kernel/lib/compiler.h"
#include "kernel/net/abi.h"

struct sock_addr {
	u32 len;
	union {
		u16 family;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		u8 bytes[128];
	};
};

/* -EINVAL for a length that no address has, -EFAULT. */
int addr_from_user(struct sock_addr *a, const void __user *user, s32 len) __must_check;
/* Writes as much as *len of user's has room for, and how long it is. */
int addr_to_user(const struct sock_addr *a, void __user *user, s32 __user *len) __must_check;
