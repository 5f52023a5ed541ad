/*
 * What users have of what a user may have so much of only.
 *
 * A user is known here for as long as somebody refers to it: an epoll set, a pipe or an instance of inotify to who made it, files in flight to who
 * sent them. How much there may be is the business of who counts.
 */
#pragma once

#include "kernel/lib/list.h"
#include "kernel/lib/types.h"

enum user_count {
	USER_IN_FLIGHT,	      /* files between sockets, with repetition: under rights_lock */
	USER_WATCHES,	      /* of epoll. Atomic. */
	USER_PIPE_PAGES,      /* that its pipes may come to. Atomic. */
	USER_INOTIFY,	      /* instances of inotify: under fsnotify_lock */
	USER_INOTIFY_WATCHES, /* under fsnotify_lock */
	USER_COUNTS,
};

struct user {
	struct list_head link; /* under users_lock of users.c, as refs */
	u32 refs;
	u32 uid;
	u32 counts[USER_COUNTS];
};

/* The user, referenced. NULL: no memory. It takes a spinlock inside that of files in flight. */
struct user *user_get(u32 uid) __must_check;
void user_put(struct user *u);
