/*
 * AF_UNIX.
 *
 *	name	what bind gives: a path, whose inode leads to the socket, or an abstract name, or none.
 *		It lives as long as a socket or a packet that it has sent needs it.
 *
 * unix_name.c finds sockets by name; unix.c has streams and what all types do; unix_dgram.c has
 * datagrams and sequenced packets.
 */
#pragma once

#include "kernel/net/socket.h"

struct unix_name {
	u32 refs; /* atomic */
	u32 len;  /* of the address, family included, and of a path the NUL */
	union {
		struct sockaddr_un addr;
		char bytes[sizeof(struct sockaddr_un) + 1]; /* the longest path has its NUL here */
	};
};

/* 0 and the operations for this type; -EPROTONOSUPPORT, -ESOCKTNOSUPPORT. */
int unix_choose(int type, int *protocol, const struct sock_ops **ops);
void unix_setup(struct socket *s);
/* Connects two sockets that nobody else knows, and that are `cred`'s. */
void unix_pair(struct socket *a, struct socket *b, struct ucred cred);

struct unix_name *unix_name_ref(struct unix_name *n); /* NULL stays NULL */
void unix_name_put(struct unix_name *n);
/* As an address that a program reads; NULL: of an unbound socket. */
void unix_name_get_addr(const struct unix_name *n, struct sock_addr *a);
/* A socket's name, set or not. */
static inline struct unix_name *unix_name_of(struct socket *s)
{
	return atomic_load_acquire(&s->un.name);
}

/* bind(2); an address of the family alone takes any free abstract name. */
int unix_bind(struct socket *s, const struct sock_addr *a);
/* The socket bound to an address, referenced. ERR_PTR(-ECONNREFUSED...), ERR_PTR(-EPROTOTYPE) where it is of
 * another type. */
struct socket *unix_find(const struct sock_addr *a, u16 type);
/* The socket is closed: nobody finds it any more. */
void unix_unbind(struct socket *s);
/* -EINVAL where it is no address of AF_UNIX. */
int unix_check_addr(const struct sock_addr *a);

/*
 * So many datagrams a receiver takes from those that it is not connected to, and one more. Who takes one out
 * that leaves just as many calls unix_room(): who waits to send may go on.
 */
#define UNIX_DGRAM_MAX 10
void unix_room(struct socket *s);

/* ---- unix.c, for unix_dgram.c ---- */

int unix_get_name(struct socket *s, struct sock_addr *a, bool peer);
int unix_shutdown(struct socket *s, u32 shut);
int unix_listen(struct socket *s, u32 backlog);
int unix_stream_connect(struct socket *s, const struct sock_addr *a, bool dontwait);
void unix_release(struct socket *s, bool embryo);
u32 unix_poll(struct socket *s);
long unix_ioctl(struct socket *s, u32 cmd, u64 arg);
/* What a packet tells of the sender, where either side wants that. */
void unix_add_cred(struct packet *p, const struct message *m, const struct socket *from,
		   const struct socket *to);
extern const struct sock_ops unix_dgram_ops, unix_seqpacket_ops;
