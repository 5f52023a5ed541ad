/*
 * What happens to files, for those who watch them: the VFS calls a hook, and each watch on the file, or
 * on the directory that it is in, that asks for such an event gets it. Watches are inotify's
 * (kernel/fs/inotify.h).
 *
 * What a hook costs:
 *	nobody watches anything		a load, a comparison, a branch: `fsnotify_watches` is 0
 *	others are watched		a call and two loads: inode->watches is NULL, and the dentry has no
 *					DENTRY_WATCHED. No lock.
 *	the file or its parent is	dentry_lock and fsnotify_lock, and memory for each event
 *
 * DENTRY_WATCHED says that the parent may be watched. It is set, under dentry_lock, in all children
 * when a directory's first watch comes, and in each child that is attached to one that has any; who
 * finds that it is no longer true takes it off.
 *
 * A hook named _locked is called under dentry_lock, in the critical section that makes the change: so what
 * is told of a directory is told in the order in which it happened. Its caller calls fsnotify_reap() once
 * it has dropped the lock. The others are called with no spinlock held.
 */
#pragma once

#include "kernel/fs/vfs.h"

#define IN_ACCESS	 0x001u
#define IN_MODIFY	 0x002u
#define IN_ATTRIB	 0x004u
#define IN_CLOSE_WRITE	 0x008u
#define IN_CLOSE_NOWRITE 0x010u
#define IN_OPEN		 0x020u
#define IN_MOVED_FROM	 0x040u
#define IN_MOVED_TO	 0x080u
#define IN_CREATE	 0x100u
#define IN_DELETE	 0x200u
#define IN_DELETE_SELF	 0x400u
#define IN_MOVE_SELF	 0x800u
#define IN_ALL_EVENTS	 0xfffu
/* What nobody has to ask for. */
#define IN_UNMOUNT    0x2000u
#define IN_Q_OVERFLOW 0x4000u
#define IN_IGNORED    0x8000u
#define IN_ISDIR      0x40000000u

extern u32 fsnotify_watches; /* in the machine. Atomic. */
extern struct watch
    *fsnotify_dead; /* taken from their inodes, which they yet have a reference to */

void fsnotify_file_slow(const struct file *f, u32 event);
void fsnotify_io_slow(const struct file *f, long n, bool write);
void fsnotify_close_slow(const struct file *f);
void fsnotify_change_slow(struct dentry *d, u32 valid);
void fsnotify_created_slow(const struct dentry *d);
void fsnotify_unlinked_slow(const struct dentry *d);
void fsnotify_moved_slow(const struct dentry *old_dir, const char *old_name, size_t len,
			 const struct dentry *d, const struct dentry *over);
void fsnotify_gone_slow(struct inode *i);
void fsnotify_unmount_slow(struct super_block *sb);
void fsnotify_reap_slow(void);

static inline bool fsnotify_any(void)
{
	return unlikely(READ_ONCE(fsnotify_watches));
}

/* Gives back what watches that ended had: their memory and their inodes. */
static inline void fsnotify_reap(void)
{
	if (unlikely(READ_ONCE(fsnotify_dead)))
		fsnotify_reap_slow();
}

/* f was opened, or changed or looked through by other means than read and write: one of those events. */
static inline void fsnotify_file(const struct file *f, u32 event)
{
	if (fsnotify_any())
		fsnotify_file_slow(f, event);
}

/* A read or a write of f has moved n bytes; 0 or an errno: none. */
static inline void fsnotify_io(const struct file *f, long n, bool write)
{
	if (fsnotify_any())
		fsnotify_io_slow(f, n, write);
}

/* The last reference of f goes. */
static inline void fsnotify_close(const struct file *f)
{
	if (fsnotify_any())
		fsnotify_close_slow(f);
}

/* The attributes ATTR_ `valid` of what d names were set. */
static inline void fsnotify_change(struct dentry *d, u32 valid)
{
	if (fsnotify_any())
		fsnotify_change_slow(d, valid);
}

/* d is a new name in its directory. */
static inline void fsnotify_created_locked(const struct dentry *d)
{
	if (fsnotify_any())
		fsnotify_created_slow(d);
}

/* d has just been unlinked; the caller has a reference, and its pin. */
static inline void fsnotify_unlinked_locked(const struct dentry *d)
{
	if (fsnotify_any())
		fsnotify_unlinked_slow(d);
}

/* d, which was `old_name` in `old_dir`, has the place where it is now from `over` (NULL: it was free). */
static inline void fsnotify_moved_locked(const struct dentry *old_dir, const char *old_name,
					 size_t len, const struct dentry *d,
					 const struct dentry *over)
{
	if (fsnotify_any())
		fsnotify_moved_slow(old_dir, old_name, len, d, over);
}

/* d is attached to its parent. */
static inline void fsnotify_attached_locked(struct dentry *d)
{
	if (unlikely(READ_ONCE(d->parent->inode->watches)))
		d->flags |= DENTRY_WATCHED;
	else
		d->flags &= ~DENTRY_WATCHED;
}

/* A name of i is freed: where the file has no other it ends with it, and so do its watches. */
static inline void fsnotify_name_freed(struct inode *i)
{
	if (unlikely(READ_ONCE(i->watches)) && !i->nlink)
		fsnotify_gone_slow(i);
}

/* Nobody reaches sb any more: on return no watch has an inode of it. May sleep. */
static inline void fsnotify_unmount(struct super_block *sb)
{
	if (unlikely(atomic_load(&sb->nr_watches)))
		fsnotify_unmount_slow(sb);
}
