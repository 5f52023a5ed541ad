/* What tcp.c, a connection's ends, and tcp_listen.c, those that wait at a listener, know of each other. */
#pragma once

#include "kernel/net/socket.h"

/* ---- tcp.c ---- */

/* s, which was connecting, is connected now: its far end is `from`. Does nothing where it is not. */
void tcp_establish(struct socket *s, const struct socket *from);
void tcp_release(struct socket *s, bool embryo);

/* ---- tcp_listen.c ---- */

/*
 * Puts the far end conn where l accepts from, which takes a reference over. 0: there is room, the client is
 * to be established; 1: it has to wait; or -ECONNREFUSED.
 */
int tcp_enqueue(struct socket *l, struct socket *conn) __must_check;
/* The client of conn goes. True: conn was waiting to be established, and is no more. */
bool tcp_leave(struct socket *conn);
int tcp_listen(struct socket *s, u32 backlog);
int tcp_accept(struct socket *l, bool dontwait, struct socket **conn);
/* s listens no more: those that nobody has accepted are reset. */
void tcp_stop_listening(struct socket *s);
