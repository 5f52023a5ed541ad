/* What the files of socket calls share. */
#pragma once

#include "kernel/net/socket.h"

/* The open file of a socket's descriptor, referenced, and its socket. ERR_PTR(-EBADF), ERR_PTR(-ENOTSOCK). */
struct file *sock_fd_get(s32 fd, struct socket **s);

/* An option's value on its way: the program's, or for the program. */
#define OPTION_MAX 256
struct option {
	u32 len; /* set: of what the program gave, cut off; get: of the value */
	union {
		s32 number;
		struct linger linger;
		struct ucred cred;
		s64 pair[2]; /* struct timeval */
		struct sock_addr addr;
		char bytes[OPTION_MAX];
	};
};

/* A number as the value. */
static inline int option_number(struct option *o, s32 number)
{
	o->len = sizeof(number);
	o->number = number;
	return 0;
}
