/* Control data of messages: files (SCM_RIGHTS) and credentials (SCM_CREDENTIALS). */
#pragma once

#include "kernel/net/rights.h"
#include "kernel/net/socket.h"

/*
 * Reads the control data of a message to be sent into m. 0; -EINVAL, -EBADF, -EPERM, -ETOOMANYREFS,
 * -ENOMEM, -EFAULT: then m holds nothing.
 */
int control_get(const struct socket *s, struct message *m, u64 user, u64 len) __must_check;
/*
 * Writes what m has received (its rights go, whatever happens) into user's buffer of len bytes; returns
 * the bytes used, and sets MSG_CTRUNC in m->out_flags where there was more.
 */
u64 control_put(const struct socket *s, struct message *m, u64 user, u64 len);
