/*
 * System V IPC: what shared memory, semaphores and message queues have in common. Each of the three is
 * a set of objects with an id, a key by which programs find one, an owner and a mode.
 *
 *	id	the place in the set, plus 32,768 times a number that changes with each new object, so that an
 *		old id does not name a new object
 *	key	chosen by programs; IPC_PRIVATE is nobody's
 *
 * A set's lock (LOCK_IPC) guards the set and everything in its objects, but where a field says otherwise. Nothing
 * sleeps under it: what comes from and goes to user memory is copied before and after.
 */
#pragma once

#include "kernel/lib/bitmap.h"
#include "kernel/lib/radix.h"
#include "kernel/lock.h"

struct seq;

#define IPC_PLACES 32768 /* of a set; part of what an id is */

#define IPC_PRIVATE 0

/* flags of the get calls */
#define IPC_CREAT  01000u
#define IPC_EXCL   02000u
#define IPC_NOWAIT 04000u

/* commands of the ctl calls */
#define IPC_RMID 0
#define IPC_SET	 1
#define IPC_STAT 2
#define IPC_INFO 3

#define IPC_READ  0444u
#define IPC_WRITE 0222u
#define IPC_EXEC  0111u
#define IPC_BITS  0777u

/* The head of each object. */
struct ipc_object {
	s32 key, id;
	u32 uid, gid, cuid, cgid; /* owner, creator */
	u32 mode;
	s64 ctime; /* seconds */
};

struct ipc_set {
	spinlock_t lock;
	struct radix_tree objects __guarded_by(&lock); /* by place */
	u64 taken[BITMAP_WORDS(IPC_PLACES)] __guarded_by(&lock);
	s32 count __guarded_by(&lock), limit; /* objects there are, and may be: a knob */
	u32 sequence __guarded_by(&lock);
};

#define IPC_SET_INIT(limit_)                                       \
	{                                                          \
		.lock = SPINLOCK_INIT(LOCK_IPC), .limit = (limit_) \
	}

/* struct ipc64_perm of the ABI. */
struct user_ipc_perm {
	s32 key;
	u32 uid, gid, cuid, cgid, mode;
	u16 seq, pad[3];
	u64 unused[2];
};
_Static_assert(sizeof(struct user_ipc_perm) == 48, "struct ipc64_perm is 48 bytes");

/* The permission functions below are called with the lock of the object's set held. */

/* The object of this id, or of this place: ERR_PTR(-EINVAL), and ERR_PTR(-EIDRM) for an id whose
 * place is another's by now. */
struct ipc_object *ipc_find(struct ipc_set *s, s32 id) __must_hold(&s->lock);
struct ipc_object *ipc_at(struct ipc_set *s, s32 place) __must_hold(&s->lock);
/*
 * What a get call finds: an object that may be used with the flags' mode, NULL where a new one is to be
 * made, or ERR_PTR: -ENOENT, -EEXIST, -EACCES. `fits` is asked of an object before its mode is.
 */
struct ipc_object *ipc_get(struct ipc_set *s, s32 key, u32 flags,
			   int (*fits)(struct ipc_object *o, u64 arg), u64 arg)
    __must_hold(&s->lock);
/* Puts a new object, owned by the current task, into the set: its id, or -ENOSPC, -ENOMEM. */
long ipc_add(struct ipc_set *s, struct ipc_object *o, s32 key, u32 flags) __must_hold(&s->lock);
void ipc_remove(struct ipc_set *s, struct ipc_object *o) __must_hold(&s->lock);
/* The next object at or after *place, which then says where; NULL: none. */
struct ipc_object *ipc_next(struct ipc_set *s, u64 *place) __must_hold(&s->lock);
/* The highest place taken; 0 where there is none. */
s32 ipc_highest(struct ipc_set *s) __must_hold(&s->lock);

/* 0 or -EACCES: `wants` has bits of IPC_READ and its kin. */
int ipc_may(const struct ipc_object *o, u32 wants);
/* 0 or -EPERM: the owner, the creator, root. Needs no lock for an object that cannot go. */
int ipc_may_control(const struct ipc_object *o);
/* For the ctl calls: the object by id, or by place for the STAT commands that list; and the right to
 * read it unless `any`. */
struct ipc_object *ipc_for_stat(struct ipc_set *s, s32 id, bool by_place, bool any)
    __must_hold(&s->lock);
/* ipc_find() and ipc_may_control(). */
struct ipc_object *ipc_for_control(struct ipc_set *s, s32 id) __must_hold(&s->lock);
void ipc_show_perm(const struct ipc_object *o, struct user_ipc_perm *out);
/* IPC_SET's owner and mode. 0 or -EINVAL. */
int ipc_set_perm(struct ipc_object *o, const struct user_ipc_perm *in);

/* Needs no lock: seconds since 1970. */
s64 ipc_now(void);

/* ---- what others call ---- */

/* The process is gone, memory and all: its semaphores are undone. Holds no lock. */
struct process;
void sem_exit(struct process *p);

/* /proc/sysvipc */
int ipc_show_shm(struct seq *s, void *arg);
int ipc_show_sem(struct seq *s, void *arg);
int ipc_show_msg(struct seq *s, void *arg);

/* /proc/sys/kernel: plain numbers, read as they are. */
extern u64 ipc_shmmax, ipc_shmall;	       /* bytes of a segment, pages of all */
extern int ipc_msgmax, ipc_msgmnb;	       /* bytes of a message, of a queue */
extern int ipc_semmsl, ipc_semmns, ipc_semopm; /* of a set, of all sets, of a call */
extern struct ipc_set ipc_shm, ipc_sem, ipc_msg;
