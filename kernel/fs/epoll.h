/*
 * Epoll sets: files that somebody waits on for long, so that a wait costs what is ready and not what
 * is watched.
 *
 *	set	an open file of its own. It has an item for each (file, descriptor) that it watches, and
 *		a list of those that may be ready.
 *	item	hooks the queues of its file. A wake-up there puts it on its set's ready list; whether it
 *		is ready indeed is asked when somebody waits.
 *	level	An item that was reported goes back to the end of the list, and leaves it once it is asked
 *		and has nothing. Edge-triggered, it leaves the list when it is reported.
 *
 * An item holds no reference to its file: the last reference of a watched file ends its items
 * (epoll_forget) before the file's release operation, so a queue is there while an item hooks it.
 *
 * Locks, outermost first:
 *	nest_lock	LOCK_EPOLL_NEST: a set comes to be watched by another; a watched file, or a set, ends.
 *	set->lock	LOCK_EPOLL: its items, and one that reports at a time. Sets that watch each other
 *			form no circle, and are locked from the outer one inwards.
 *	watch_lock	LOCK_WATCH: file->watches of all files.
 *	set->ready_lock	LOCK_READY, with interrupts off: the ready list. Hooks take it.
 *
 * Rejected: a second list for what becomes ready while the first is reported. A report looks at as
 * many items as there are at its start, and whatever comes in between goes to the end.
 */
#pragma once

#include "kernel/fs/vfs.h"

#define EPOLLEXCLUSIVE (1u << 28)
#define EPOLLWAKEUP    (1u << 29)
#define EPOLLONESHOT   (1u << 30)
#define EPOLLET	       (1u << 31)
/* How to report, rather than what. */
#define EPOLL_HOW (EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET)

#define EPOLL_DEPTH_MAX 5 /* sets in a row, each watched by the next */

struct epoll_event {
	u32 events;
	u64 data;
} __packed;

struct epoll_set {
	struct rwsem lock;    /* LOCK_EPOLL: items */
	struct rb_tree items; /* by file and descriptor */
	struct file *file;    /* its own, without a reference */
	struct user *user;    /* who made it: what it watches counts as that one's */
	spinlock_t ready_lock;
	struct list_head ready; /* struct epoll_item, the longest there first */
	u32 nr_ready;
	struct waitq wait;	/* epoll_wait(2) */
	struct waitq poll_wait; /* who polls the set itself */
};

/* On one queue of an item's file. */
struct epoll_hook {
	struct wait_hook hook;
	struct epoll_item *item;
	struct epoll_hook *next;
};

struct epoll_item {
	struct rb_node node;
	struct epoll_set *set;
	struct file *file; /* without a reference */
	s32 fd;
	u32 events;		     /* written under set->lock; hooks read it */
	u64 data;		     /* under set->lock, as are the hooks */
	struct list_head ready_link; /* empty: not on the list */
	struct list_head watch_link; /* in file->watches */
	struct epoll_hook *hooks;
	struct epoll_hook first; /* most files have one queue */
};

/* epoll_nest.c */
extern struct rwsem epoll_nest_lock; /* LOCK_EPOLL_NEST */
/* Whether `outer` may watch `inner`: 0 -ELOOP or -EINVAL. Under epoll_nest_lock. */
int epoll_check_nest(struct epoll_set *outer, struct epoll_set *inner);

extern spinlock_t watch_lock; /* LOCK_WATCH */
extern int epoll_max_user_watches;

void epoll_init(void);
struct epoll_set *epoll_set_new(void) __must_check; /* NULL: no memory */
void epoll_set_free(struct epoll_set *s);	    /* one that watches nothing */
struct file *epoll_file(struct epoll_set *s); /* over s; ERR_PTR(-ENOMEM): s is the caller's */
/* The set of an open file; NULL: it is another kind of file. */
struct epoll_set *file_epoll(struct file *f);
/* Under s->lock. 0, -ENOENT, -EEXIST, -ENOMEM, -ENOSPC, -EINVAL. */
struct epoll_item *epoll_find(struct epoll_set *s, struct file *f, s32 fd);
int epoll_add(struct epoll_set *s, struct file *f, s32 fd, const struct epoll_event *e);
void epoll_modify(struct epoll_item *i, const struct epoll_event *e);
void epoll_remove(struct epoll_item *i);
/* Reports up to `max` events: how many, 0, -EFAULT, or -EINTR and -ETIMEDOUT where there was none
 * before a signal or the deadline of clock_ns(). */
long epoll_collect(struct epoll_set *s, struct epoll_event __user *to, u32 max, u64 deadline);

/* The last reference of f has gone: no set watches it any more. */
void epoll_forget(struct file *f);
