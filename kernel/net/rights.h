/*
 * Files in flight: those that packets of AF_UNIX carry.
 *
 * A socket may lie in its own queue, or two in each other's. When nobody has them open any more only
 * they keep each other alive: so whenever a socket is closed while others are in flight, those that
 * no program can reach are looked for, and what they hold is dropped.
 */
#pragma once

#include "kernel/net/packet.h"

/* With room for SCM_MAX_FD files, and none in it. NULL: no memory. */
struct rights *rights_new(void) __must_check;
/* Closes the files of rights that are not in flight. */
void rights_free(struct rights *r);
/* The files are in flight from here on. 0; -ETOOMANYREFS: too many of the user's are; -ENOMEM. */
int rights_send(struct rights *r) __must_check;
/* The files of a packet that is being received: in flight no more. */
struct rights *rights_detach(struct packet *p);
/* The same files again, not in flight. NULL: no memory. */
struct rights *rights_copy(const struct rights *r) __must_check;
/*
 * Closes files that were in flight. Closing a socket may drop more rights: these are then left to the
 * task that is about it already, so that however long a chain is, it does not nest.
 */
void rights_drop(struct rights *r);
/* A socket of AF_UNIX was closed. Where that was among what is dropped, the dropping task looks once it is done. */
void rights_collect(void);
