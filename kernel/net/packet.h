/*
 * Packets: what lies in a socket's receive queue. A datagram is one; a stream is cut into them, and
 * where the cuts are nobody sees.
 *
 *	charge	what a packet costs is charged to the socket that sent it, where that has a limit
 *		(`owner`), until it is freed. The sender's memory outlives its file for that long.
 *	data	up to PACKET_INLINE bytes lie behind the struct, more in frames of their own: no
 *		packet needs memory in one piece.
 */
#pragma once

#include "kernel/fs/iter.h"
#include "kernel/lib/list.h"
#include "kernel/net/abi.h"
#include "kernel/net/inet_addr.h"

struct file;
struct page;
struct socket;
struct unix_name;
struct user;

/* Files on their way: SCM_RIGHTS. */
struct rights {
	struct list_head link; /* those about to be dropped; see rights.c */
	struct user *user;     /* in flight: who sent them, referenced */
	u32 count;
	struct file *files[]; /* referenced */
};

struct packet {
	struct list_head link; /* in its queue */
	struct socket *owner;  /* charged; referenced. NULL: nobody */
	u32 charge;	       /* bytes of memory */
	u32 start, end;	       /* what is left of the data */
	u32 nr_frames;	       /* 0: the data lies in `data` */
	bool has_cred;
	struct ucred cred;
	struct rights *rights;	/* NULL: none */
	struct unix_name *name; /* AF_UNIX: the sender's, referenced; NULL: none */
	struct inet_addr from;	/* AF_INET and AF_INET6 */
	union {
		struct page *frames[0];
		char data[0];
	};
};

#define PACKET_INLINE (2048 - sizeof(struct packet))

/* A packet of the next n bytes of `it`. ERR_PTR(-EFAULT), ERR_PTR(-ENOBUFS): `it` may have moved. */
struct packet *packet_new(struct io_iter *it, size_t n) __must_check;
/* Copies up to n bytes out, from `skip` bytes behind the start; fewer than there are: -EFAULT's case. */
size_t packet_copy(const struct packet *p, struct io_iter *it, size_t skip, size_t n) __must_check;
/* Frees it and what it carries, gives the charge back, and wakes the owner where it may send again. No lock
 * is held. */
void packet_free(struct packet *p);

static inline u32 packet_len(const struct packet *p)
{
	return p->end - p->start;
}

/* Packets in order, guarded by the socket's lock. */
struct packet_queue {
	struct list_head list;
	u32 count;
	u32 bytes;  /* of data */
	u32 charge; /* of memory */
};

void packet_queue_init(struct packet_queue *q);
void packet_append(struct packet_queue *q, struct packet *p);
void packet_remove(struct packet_queue *q, struct packet *p);
/* Takes n bytes off the front of p, which is in the queue. */
void packet_consume(struct packet_queue *q, struct packet *p, u32 n);
/* Moves all of q to an empty list, to be freed without the lock. */
void packet_queue_take(struct packet_queue *q, struct list_head *to);
void packets_free(struct list_head *list);
