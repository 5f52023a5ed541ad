/*
 * AF_INET and AF_INET6, over the loopback device alone: there is no other, so that what is sent is
 * received by then, and no packet is ever lost on the way.
 */
#pragma once

#include "kernel/net/socket.h"

/* 0 and the operations for this type; -EPROTONOSUPPORT, -ESOCKTNOSUPPORT. */
int inet_choose(int type, int *protocol, const struct sock_ops **ops);
void inet_setup(struct socket *s);
void inet_setup_like(struct socket *s, const struct socket *like);
/* An address as a socket of s's family shows it. */
void inet_to_addr(const struct socket *s, const struct inet_addr *from, struct sock_addr *a);
