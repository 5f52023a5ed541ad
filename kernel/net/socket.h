/*
 * Sockets: what all families share.
 *
 *	socket	one end. References: its file's (or the backlog's that it waits in), a connected peer's,
 *		and one for each packet that is charged to it.
 *	ops	what its family and type do; the calls of calls.c check and copy, then ask them.
 *	queues	each socket receives into a queue of its own. Who sends fills a packet under no lock, and puts
 *		it into another's queue.
 *
 * Locks:
 *	lock		spins; guards what is said below. Of two sockets' locks at once only a listener's is
 *			held and, within, that of one which waits at it. A change of a connected pair is two
 *			critical sections, of which the second looks whether the other end is there still.
 *	read_lock	sleeps, while data is copied out of the queue's packets. Only its holder takes packets
 *			out of an open socket, so what it has seen at the front stays there without `lock`.
 *			It keeps connect(2)'s calls on an Internet socket apart, too.
 *
 * A connected stream of AF_UNIX keeps its peer until the file is closed: whoever has the file reads it without
 * a lock. TCP's may be disconnected at any time.
 */
#pragma once

#include "kernel/fs/vfs.h"
#include "kernel/net/packet.h"
#include "kernel/net/sock_addr.h"

struct option;
struct seq;

enum socket_state {
	SS_UNCONNECTED,
	SS_CONNECTING, /* a stream of AF_INET: waits in a full backlog, or has yet to tell how it went */
	SS_CONNECTED,
	SS_LISTENING,
	SS_CLOSED, /* a stream that was connected, and has no other end any more */
};

/* socket->shut */
#define SHUT_RECV BIT(0) /* nothing more comes in */
#define SHUT_SEND BIT(1) /* nothing more goes out */
#define SHUT_BOTH (SHUT_RECV | SHUT_SEND)

/* What SOL_SOCKET holds for all. Written by setsockopt, read at will. */
struct sock_options {
	u64 recv_timeout, send_timeout; /* ns; 0: none */
	u32 recv_low;
	u32 priority;
	struct linger linger;
	bool reuse_addr, reuse_port, keep_alive, broadcast, oob_inline, dont_route, debug;
	bool pass_cred;
	bool send_buf_set; /* SO_SNDBUF was: it grows by itself no more */
};

extern spinlock_t unix_lock, rights_lock;

struct unix_part {
	struct unix_name *name; /* set once by bind, under unix_lock */
	/* of a name in the file system; dentry NULL: none */
	struct path path __guarded_by_global(&unix_lock);
	struct list_head link __guarded_by_global(&unix_lock); /* in the table of names */
	u32 inflight __guarded_by_global(&rights_lock); /* how often its file lies in packets */
	struct list_head inflight_link __guarded_by_global(&rights_lock);
	u32 senders; /* datagram sockets that have it for their default receiver. Atomic. */
	u32 gc_refs __guarded_by_global(&rights_lock);
	bool gc_candidate __guarded_by_global(&rights_lock);
};

#define TCP_OPTIONS 26

struct inet_part {
	/* Under the lock of the table of ports. Port 0: not bound, not connected. */
	struct inet_addr local __guarded, remote __guarded;
	struct list_head link __guarded;
	bool only_v6;
	bool bound_addr; /* an address was asked for */
	u8 tos, ttl, hops;
	s32 tcp[TCP_OPTIONS]; /* options of the level TCP, by number */
	/* Under the socket's lock. */
	bool fin_sent __guarded; /* our direction has ended */
	bool failed __guarded;	 /* connecting has, and connect(2) has not told yet */
	bool told __guarded;	 /* connect(2) has told that it is connected */
	/* listening: far ends to be established, each referenced */
	struct list_head waiting __guarded;
	u32 nr_waiting __guarded;
	struct socket *listener __guarded; /* in whose `waiting` it is; see tcp_listen.c */
};

struct socket {
	u32 refs; /* atomic */
	u16 family, type;
	u32 protocol;
	const struct sock_ops *ops;
	u64 id;		   /* its place in the list of all */
	bool async;	   /* its file has O_ASYNC: who waits for it may be told by a signal */
	struct file *file; /* its file, not referenced; NULL: not accepted yet, or closed */
	u64 ino;	   /* of its file; 0: not accepted yet */
	u32 uid;	   /* who made it */
	struct list_head all_link;

	spinlock_t lock;	      /* LOCK_SOCK */
	u8 state __guarded_by(&lock); /* enum socket_state */
	u8 shut __guarded_by(&lock);
	u32 disconnects
	    __guarded_by(&lock); /* TCP: how often it was; changes under read_lock, too */
	/* TCP: the end came in order, and is read before any error */
	bool got_end __guarded_by(&lock);
	bool dead __guarded_by(&lock); /* its file is closed: nothing is put into its queue */
	struct socket *peer __guarded_by(&lock); /* referenced */
	struct packet_queue received __guarded_by(&lock);
	/* listening: sockets to be accepted, each referenced */
	struct list_head pending __guarded_by(&lock);
	struct list_head pending_link __guarded; /* in a listener's list, by that one's lock */
	u32 nr_pending __guarded_by(&lock);
	u32 backlog __guarded_by(&lock);

	s32 error; /* an errno that the next call gets. Atomic. */
	u32 sent;  /* charges of what it has sent and nobody has read. Atomic. */
	u32 send_buf, recv_buf;
	u32 peer_buf; /* a stream of AF_INET: the other end's recv_buf, which takes what is under way too */
	struct sock_options options;
	struct ucred cred __guarded_by(&lock);	    /* whose it is as the other end sees it */
	struct ucred peer_cred __guarded_by(&lock); /* the other end's */

	struct rwsem read_lock;	 /* LOCK_SOCK_READ */
	struct waitq read_wait;	 /* data, connections to accept, ends and errors */
	struct waitq write_wait; /* room for what it sends, and that it is connected */
	struct waitq room_wait;	 /* room in its own queue or backlog, for others */

	union {
		struct unix_part un;
		struct inet_part in;
	};
};

/* One send or receive. */
struct message {
	struct io_iter *it;
	u32 flags;		/* MSG_; MSG_DONTWAIT by O_NONBLOCK too */
	u32 out_flags;		/* received: MSG_TRUNC and such */
	struct sock_addr *addr; /* sent to, len 0: none given; where from, NULL: nobody asks */
	struct rights
	    *rights; /* to be sent: the packet takes them over. Received: the caller does */
	bool has_cred;
	struct ucred cred;
};

/*
 * May be NULL where it says so. Each is called with the file held, and no lock. Errors are Linux's.
 */
struct sock_ops {
	const char *proto; /* for /proc */
	int (*bind)(struct socket *s, const struct sock_addr *a);
	int (*connect)(struct socket *s, const struct sock_addr *a, bool dontwait);
	int (*listen)(struct socket *s, u32 backlog); /* NULL: -EOPNOTSUPP */
	int (*accept)(struct socket *s, bool dontwait, struct socket **conn); /* likewise */
	int (*name)(struct socket *s, struct sock_addr *a, bool peer);
	ssize_t (*send)(struct socket *s, struct message *m);
	ssize_t (*recv)(struct socket *s, struct message *m);
	/* Streams: puts a filled packet where it goes, or frees it. 0 or an errno. */
	int (*deliver)(struct socket *s, struct packet *p);
	int (*shutdown)(struct socket *s, u32 shut);
	u32 (*poll)(struct socket *s);
	/* Levels other than SOL_SOCKET. */
	int (*set_option)(struct socket *s, int level, int name, const struct option *o);
	int (*get_option)(struct socket *s, int level, int name, struct option *o);
	long (*ioctl)(struct socket *s, u32 cmd, u64 arg); /* -ENOTTY: not known */
	/* Its file is closed, or (embryo) it was never accepted. */
	void (*release)(struct socket *s, bool embryo);
};

/* ---- life ---- */

/* A socket without a file, one reference. ERR_PTR(-ENOMEM), or what the family answers. */
struct socket *sock_create(int family, int type, int protocol);
/* One of the same kind as `like`, for who connects to it. NULL: no memory. */
struct socket *sock_create_like(const struct socket *like);
struct socket *sock_get(struct socket *s);
void sock_put(struct socket *s);
/* s->peer, referenced; NULL: there is none. */
struct socket *sock_get_peer(struct socket *s);
/* A file for a socket, whose reference it takes over, even when it fails. `s` NULL: sock_set_file()
 * follows. */
struct file *sock_file(struct socket *s, u32 flags);
void sock_set_file(struct file *f, struct socket *s);
/* The socket of an open file; NULL: it is none. */
struct socket *file_socket(struct file *f);

/* ---- what the families share ---- */

/* Wakes who waits to read, to write, or both and for room in it. */
void sock_wake_read(struct socket *s);
void sock_wake_write(struct socket *s);
void sock_wake(struct socket *s);
/* The pending error, negative, which is then no more; or 0. */
int sock_take_error(struct socket *s);
void sock_set_error(struct socket *s, int err);
/* The current task, as another end is told of it. */
struct ucred sock_current_cred(void);

/* Under read_lock: the packet behind p in the queue, p NULL: the first. NULL: there is none. */
struct packet *sock_next_packet(struct socket *s, struct packet *p);
/* Who waits to receive may stop waiting. */
bool sock_has_news(const struct socket *s);
/* Bytes of a stream, or of the datagram that the next call gets: FIONREAD. */
u32 sock_next_bytes(struct socket *s);

/* What s has sent may take this much more memory. */
u32 sock_send_limit(const struct socket *s);
bool sock_has_room(const struct socket *s);
bool sock_writable(const struct socket *s);	      /* as poll says it: much of it is free */
void sock_charge(struct socket *s, struct packet *p); /* p->owner is s from now on */
void sock_uncharge(struct socket *s, u32 charge);

/* The clock's reading at which a wait of so many ns ends; 0: never. */
u64 sock_deadline(u64 timeout);
/* What a wait that ended with `err` answers the program. */
long sock_wait_result(long err, u64 deadline);
#define sock_wait(q, deadline, cond)                                                         \
	({                                                                                   \
		u64 sock_until_ = (deadline);                                                \
		sock_wait_result(wait_event_until(q, WAIT_INTERRUPTIBLE, sock_until_, cond), \
				 sock_until_);                                               \
	})

/* Wakes who polls to write to s of AF_UNIX, having connected to it without a connection. */
void sock_wake_senders(const struct socket *s);
/* The first socket with an id from *id on, under no lock, referenced; NULL: none. */
struct socket *sock_next(u64 id);

/* ---- stream.c ---- */

ssize_t stream_send(struct socket *s, struct message *m);
ssize_t stream_recv(struct socket *s, struct message *m);
int stream_accept(struct socket *s, bool dontwait, struct socket **conn);
/* Puts a socket that was taken by accept back to the front. */
void stream_unaccept(struct socket *s, struct socket *conn);
/* -EPIPE, with SIGPIPE for the current thread unless the call says MSG_NOSIGNAL. */
int sock_broken(const struct message *m);
/* Resets those that waited to be accepted, and drops them. */
void stream_release_pending(struct list_head *pending);
/*
 * Puts p, which comes from s's peer `from`, or (NULL) where it has none, into its queue, and wakes readers.
 * False: s is dead, or has another peer by now, and p is still the caller's.
 */
bool sock_receive(struct socket *s, const struct socket *from, struct packet *p) __must_check;

/* ---- dgram.c ---- */

/* Receives one packet. */
ssize_t dgram_recv(struct socket *s, struct message *m);

/* ---- boot ---- */

void sock_init(void);
