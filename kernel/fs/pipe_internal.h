/* What pipe.c, which moves bytes, and pipe_open.c, which makes and ends pipes, share. */
#pragma once

#include "kernel/fs/fs_internal.h"
#include "kernel/fs/pipe.h"
#include "kernel/rwsem.h"
#include "kernel/wait.h"

struct pipe {
	struct rwsem lock; /* LOCK_PIPE, taken exclusive */
	u32 head, tail;	   /* bytes ever written and read; the difference is what it holds */
	u32 size;	   /* of the ring: a power of two */
	u32 held;	   /* bytes from tail on that pipe_hold() gave out: who reads waits */
	u32 promised;	   /* bytes of room that pipe_promise() gave out: who writes has the rest */
	struct page **frames;
	u32 readers, writers;
	u32 opened_readers, opened_writers; /* ever: what a fifo's open waits for */
	u32 files;			    /* open files of it, under the inode's lock */
	struct user *user;		    /* who made it, and has its size counted */
	struct waitq read_wait, write_wait;
};

extern const struct file_ops pipe_ops;

/* The pipe of an open end; NULL where f is none. */
static inline struct pipe *file_pipe(struct file *f)
{
	return f->ops == &pipe_ops ? f->private : NULL;
}

/* pipe_open.c: an end's file goes. */
void pipe_release(struct file *f);
