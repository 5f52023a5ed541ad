/*
 * inotify(7): watches on files and directories, and the queue in which their events wait to be read.
 *
 *	instance	an open file of its own, with a queue of events, and its watches by number (wd).
 *	watch		belongs to one instance and one inode. The inode lists its watches; a watch has a
 *			reference to the inode, which therefore outlives its names, but not its watches.
 *	event		a copy of what happened, name and all: it outlives the watch.
 *	user		of kernel/users.h: an instance and its watches count for who made it.
 *
 * A watch ends when it is removed or its instance closed, when it was for one event (IN_ONESHOT), when the
 * last name of its file is freed, and when its file system goes. Under fsnotify_lock it then leaves all
 * lists and becomes `dead`: the reference to its inode must be dropped without a spinlock, by
 * fsnotify_reap(). sb->nr_watches counts the dead, too, and a file system that goes waits for them.
 *
 * Locks, outermost first:
 *	dentry_lock	names, so that an event has the one that was true.
 *	fsnotify_lock	LOCK_FSNOTIFY: which watches there are, all fields of them, what users have of them.
 *	instance->lock	LOCK_INOTIFY: the queue. So whoever reads does not hold up who changes files.
 *
 * Rejected: a lock for each inode, and references to watches. There are events only where somebody watches,
 * and what is done under fsnotify_lock is short.
 */
#pragma once

#include "kernel/fs/fsnotify.h"
#include "kernel/lock.h"

#define IN_ONLYDIR     0x01000000u
#define IN_DONT_FOLLOW 0x02000000u
#define IN_EXCL_UNLINK 0x04000000u
#define IN_MASK_CREATE 0x10000000u
#define IN_MASK_ADD    0x20000000u
#define IN_ONESHOT     0x80000000u

struct inotify_event;

struct inotify {
	struct user *user; /* who made it, referenced */

	/* under fsnotify_lock */
	struct rb_tree watches; /* by wd */
	s32 last_wd;

	spinlock_t lock;
	struct list_head events __guarded_by(&lock);
	u32 nr_events;			/* written under lock */
	u32 max_events;			/* that wait at a time */
	struct inotify_event *overflow; /* ready for use: says that events were lost */
	struct waitq wait;
};

struct watch {
	struct watch *next;  /* of the same inode, or of the dead */
	struct inode *inode; /* referenced */
	struct dentry
	    *kept; /* of a synthetic file system, referenced: its name leads to this very inode */
	struct inotify *in;
	struct rb_node node;   /* in in->watches */
	struct list_head link; /* in all_watches */
	s32 wd;
	u32 mask; /* events asked for; IN_ONESHOT, IN_EXCL_UNLINK */
};

/* What is told of: mask, and where it has them, a cookie and a name. */
struct news {
	u32 mask, cookie;
	const char *name; /* NULL: of the watched file itself */
	size_t len;
};

/* Knobs: /proc/sys/fs/inotify. */
extern int inotify_max_queued_events, inotify_max_user_instances, inotify_max_user_watches;

/* ---- fsnotify.c ---- */

extern spinlock_t fsnotify_lock;

void fsnotify_init(void); /* boot */
struct watch *watch_alloc(void) __must_check;
void watch_free(struct watch *w); /* one that was never attached */
/* Lists w, whose inode the caller has referenced for it. */
void watch_attach(struct watch *w) __must_hold(&fsnotify_lock);
/* The watch of this instance on i; NULL: none. */
struct watch *watch_find(const struct inode *i, const struct inotify *in)
    __must_hold(&fsnotify_lock);
/* w is dead; fsnotify_reap() is to follow. IN_IGNORED is told where `tell`. */
void watch_detach(struct watch *w, bool tell) __must_hold(&fsnotify_lock);
/* The children of directory d are to know that it is watched. */
void watch_children(struct dentry *d);

/* ---- inotify.c: instances ---- */

/* One that has no user yet. NULL: no memory. */
struct inotify *inotify_new(void) __must_check;
struct file *inotify_file(struct inotify *in, u32 flags); /* over in; ERR_PTR: in is the caller's */
void inotify_free(struct inotify *in); /* and what is queued; no watch leads to it */
/* The instance of an open file; NULL: it is another kind of file. */
struct inotify *file_inotify(const struct file *f);
/* Queues an event, or that one was lost. */
void inotify_tell(struct inotify *in, s32 wd, const struct news *n);

/* ---- inotify_watch.c: watches by number, the calls ---- */

void inotify_init(void); /* boot */
/* The watch with the highest number below `wd`; NULL: none. */
struct watch *inotify_below(const struct inotify *in, s64 wd) __must_hold(&fsnotify_lock);
/* w leaves its instance and its user's count. */
void inotify_forget(struct watch *w) __must_hold(&fsnotify_lock);
/* An instance ends: its watches too, and it counts no more for its user. */
void inotify_end(struct inotify *in);
