/*
 * AF_INET and AF_INET6, over the loopback device alone: there is no other, so that what is sent is
 * received by then, and no packet is ever lost on the way.
 *
 *	inet.c		addresses, what all types do
 *	inet_ports.c	who has which port
 *	inet_options.c	options of the levels IP, IPv6 and TCP
 *	tcp.c, tcp_listen.c, udp.c
 *			the protocols, as far as programs see them
 *	netdev.c	the one network device, as ioctl(2) shows it
 */
#pragma once

#include "kernel/net/socket.h"

/* 0 and the operations for this type; -EPROTONOSUPPORT, -ESOCKTNOSUPPORT. */
int inet_choose(int type, int *protocol, const struct sock_ops **ops);
void inet_setup(struct socket *s);
void inet_setup_like(struct socket *s, const struct socket *like);

/* ---- addresses ---- */

/* An address as a socket of s's family shows it. */
void inet_to_addr(const struct socket *s, const struct inet_addr *from, struct sock_addr *a);
/* What a program has written as an address of s's family. -EINVAL, -EAFNOSUPPORT. */
int inet_from_addr(const struct socket *s, const struct sock_addr *a, struct inet_addr *to);
/* As a destination: "any" becomes this machine. -ENETUNREACH for all others. */
int inet_destination(const struct socket *s, const struct sock_addr *a, struct inet_addr *to);
int inet_bind(struct socket *s, const struct sock_addr *a);
int inet_get_name(struct socket *s, struct sock_addr *a, bool peer);
long inet_ioctl(struct socket *s, u32 cmd, u64 arg);
int inet_set_option(struct socket *s, int level, int name, const struct option *o);
int inet_get_option(struct socket *s, int level, int name, struct option *o);
/* Fills in what options are before anybody sets them. */
void inet_default_options(struct socket *s);

/* ---- inet_ports.c ---- */

/* Binds s to an address and port; port 0: any that nobody has. -EADDRINUSE, -EINVAL where it is bound. */
int port_bind(struct socket *s, const struct inet_addr *a);
/* Gives s any port, unless it has one. -EADDRNOTAVAIL: none is free. */
int port_bind_any(struct socket *s);
/* A socket that a listener has accepted has the listener's port, and address a of it. */
void port_share(struct socket *s, const struct inet_addr *a, const struct inet_addr *remote);
void port_unbind(struct socket *s);
/* s listens from now on. -EINVAL: its state forbids that; -EADDRINUSE: who has the same address does. */
int port_listen(struct socket *s, u32 backlog);
/* The addresses of both ends. */
void port_names(struct socket *s, struct inet_addr *local, struct inet_addr *remote);
/* s talks to `remote`, from `local` where it has not chosen an address; remote NULL: to nobody. */
void port_connect(struct socket *s, const struct inet_addr *local, const struct inet_addr *remote);
/*
 * The socket that a packet from `from` to `to` is for, referenced, or NULL. Of TCP: who listens. Of UDP: who is
 * connected to `from` before others. An address before "any"; of several with SO_REUSEPORT, one by
 * `from`'s port.
 */
struct socket *port_find(u16 type, const struct inet_addr *to, const struct inet_addr *from);

/* ---- the device ---- */

/* -ENOTTY: not known. */
long netdev_ioctl(u32 cmd, u64 arg);

/* TCP's states, as /proc and TCP_INFO number them. */
enum tcp_state {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_FIN_WAIT2 = 5,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LISTEN = 10,
};
enum tcp_state tcp_state(const struct socket *s);

extern const struct sock_ops tcp_ops, udp_ops;
