/*
 * Advisory locks: flock(2), and the record locks of fcntl(2), by process and by open file.
 *
 * An inode that ever had a lock has a list of them. A record lock's owner is a table of descriptors, which
 * is what POSIX means by "process" where threads have it in common, or, as that of flock, an open
 * file; one owner's record locks on a file never overlap. A waiter sleeps on the
 * inode's queue and tries again whenever a lock of it goes. Deadlocks between waiters are not
 * looked for.
 */
#include "kernel/fs/locks.h"

#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/alloc.h"

enum lock_kind { LOCK_KIND_RECORD, LOCK_KIND_FLOCK };

struct file_lock {
	struct list_head link;
	enum lock_kind kind;
	bool write;
	u64 start, end; /* both included */
	void *owner;	/* struct fd_table or struct file */
	s32 pid;	/* -1: an open file's */
};

/* Made for an inode's first lock, and kept as long as the inode. */
struct lock_list {
	struct list_head locks;
	struct waitq wait;
};

static struct slab_cache *list_cache;

void locks_init(void)
{
	list_cache = slab_create("file_lock_ctx", sizeof(struct lock_list), 16);
}

static spinlock_t locks_lock = SPINLOCK_INIT(LOCK_ADVISORY); /* every list and every lock in it */

static struct lock_list *list_of(struct inode *i)
{
	struct lock_list *l = __atomic_load_n(&i->locks, __ATOMIC_ACQUIRE), *made;

	if (l)
		return l;
	made = slab_alloc(list_cache);
	if (!made)
		return NULL;
	list_init(&made->locks);
	waitq_init(&made->wait);
	if (atomic_cas(&i->locks, &l, made))
		return made;
	slab_free(list_cache, made);
	return l;
}

void locks_free_inode(struct inode *i)
{
	if (i->locks)
		slab_free(list_cache, i->locks);
}

static bool overlaps(const struct file_lock *a, const struct file_lock *b)
{
	return a->kind == b->kind && a->start <= b->end && b->start <= a->end;
}

/* A lock of somebody else's that keeps `want` from being granted. */
static struct file_lock *conflict(struct lock_list *list, const struct file_lock *want)
{
	struct file_lock *l;

	list_for_each (l, &list->locks, link)
		if (overlaps(l, want) && l->owner != want->owner && (l->write || want->write))
			return l;
	return NULL;
}

/*
 * Takes [hole->start, hole->end] out of what hole->owner has locked. A lock that the hole splits in
 * two needs `spare`, which becomes NULL. What is left over goes to `drop`.
 */
static void punch(struct lock_list *list, const struct file_lock *hole, struct file_lock **spare,
		  struct list_head *drop)
{
	struct file_lock *l, *next;

	list_for_each_safe (l, next, &list->locks, link) {
		if (!overlaps(l, hole) || l->owner != hole->owner)
			continue;
		if (l->start < hole->start && l->end > hole->end) {
			struct file_lock *upper = *spare;

			*spare = NULL;
			*upper = *l;
			upper->start = hole->end + 1;
			l->end = hole->start - 1;
			list_add(&l->link, &upper->link);
		} else if (l->start < hole->start) {
			l->end = hole->start - 1;
		} else if (l->end > hole->end) {
			l->start = hole->end + 1;
		} else {
			list_del(&l->link);
			list_add(drop, &l->link);
		}
	}
}

static void free_all(struct list_head *drop)
{
	struct file_lock *l, *next;

	list_for_each_safe (l, next, drop, link)
		kfree(l);
}

/* One try. -EAGAIN where somebody else's lock is in the way. `want` is copied. */
static int try_lock(struct lock_list *list, const struct file_lock *want, bool unlock)
{
	struct file_lock *made = kmalloc(sizeof(*made)), *spare = kmalloc(sizeof(*spare));
	struct list_head drop = LIST_INIT(drop);
	int err = made && spare ? 0 : -ENOMEM;

	if (!err) {
		spin_lock(&locks_lock);
		if (!unlock && conflict(list, want))
			err = -EAGAIN;
		if (!err) {
			punch(list, want, &spare, &drop);
			if (!unlock) {
				*made = *want;
				list_add_tail(&list->locks, &made->link);
				made = NULL;
			}
		}
		spin_unlock(&locks_lock);
		if (!err)
			waitq_wake_all(&list->wait);
	}
	kfree(made);
	kfree(spare);
	free_all(&drop);
	return err;
}

static int set_lock(struct inode *i, const struct file_lock *want, bool unlock, bool wait)
{
	struct lock_list *list;
	int err, tried = -EAGAIN;

	if (unlock && !__atomic_load_n(&i->locks, __ATOMIC_ACQUIRE))
		return 0;
	list = list_of(i);
	if (!list)
		return -ENOMEM;
	tried = try_lock(list, want, unlock);
	if (tried != -EAGAIN || !wait)
		return tried;
	do {
		bool free;

		err = (int)wait_event(&list->wait, ({
			spin_lock(&locks_lock);
			free = !conflict(list, want);
			spin_unlock(&locks_lock);
			free;
		}));
		if (err)
			return err;
		tried = try_lock(list, want, false);
	} while (tried == -EAGAIN);
	return tried;
}

static void drop_owned(struct inode *i, enum lock_kind kind, void *owner)
{
	struct lock_list *list = __atomic_load_n(&i->locks, __ATOMIC_ACQUIRE);
	struct file_lock all = {.kind = kind, .end = ~0ull, .owner = owner}, *spare = NULL;
	struct list_head drop = LIST_INIT(drop);

	if (!list)
		return;
	spin_lock(&locks_lock);
	punch(list, &all, &spare, &drop);
	spin_unlock(&locks_lock);
	if (!list_empty(&drop))
		waitq_wake_all(&list->wait);
	free_all(&drop);
}

void locks_close(struct file *f)
{
	drop_owned(f->inode, LOCK_KIND_RECORD, current->files);
}

void locks_end_table(struct fd_table *t)
{
	struct file *f;

	for (s32 fd = 0; (f = fd_table_next(t, &fd, NULL)); fd++) {
		drop_owned(f->inode, LOCK_KIND_RECORD, t);
		file_put(f);
	}
}

void locks_release(struct file *f)
{
	drop_owned(f->inode, LOCK_KIND_RECORD, f);
	drop_owned(f->inode, LOCK_KIND_FLOCK, f);
}

/* ---- fcntl ---- */

#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2

struct user_flock {
	s16 type, whence;
	s64 start, len;
	s32 pid;
};

/* The range that u asks for, from its whence. */
static int flock_range(struct file *f, const struct user_flock *u, struct file_lock *l)
{
	s64 start = u->start, end;

	if (u->whence == SEEK_CUR)
		start += f->pos;
	else if (u->whence == SEEK_END)
		start += S_ISREG(f->inode->mode) ? (s64)atomic_load(&f->inode->mapping.size) : 0;
	else if (u->whence != SEEK_SET)
		return -EINVAL;
	end = (s64)MAX_FILE_SIZE;
	if (u->len > 0 && __builtin_add_overflow(start, u->len - 1, &end))
		return -EOVERFLOW;
	if (u->len < 0) {
		end = start - 1;
		start += u->len;
	}
	if (start < 0 || end < 0)
		return -EINVAL;
	l->start = (u64)start;
	l->end = (u64)end;
	return 0;
}

static int import_lock(struct file *f, struct user_flock *u, const void __user *arg,
		       struct file_lock *l, bool by_file)
{
	int err;

	if (copy_from_user(u, arg, sizeof(*u)))
		return -EFAULT;
	if (u->type < F_RDLCK || u->type > F_UNLCK || (by_file && u->pid))
		return -EINVAL;
	*l = (struct file_lock){.kind = LOCK_KIND_RECORD, .write = u->type == F_WRLCK};
	err = flock_range(f, u, l);
	l->owner = by_file ? (void *)f : (void *)current->files;
	if (!by_file)
		fd_table_note_record_lock();
	l->pid = by_file ? -1 : current->proc->pid;
	return err;
}

/*
 * f's record lock is there. Where another task has closed fd meanwhile, its close may have come too
 * early to drop the lock: that is made up for, and the answer is -EBADF.
 */
static int check_still_open(struct file *f, s32 fd)
{
	struct file *now = fd_get_any(fd);
	bool same = now == f;

	if (now)
		file_put(now);
	if (same)
		return 0;
	locks_close(f);
	return -EBADF;
}

long locks_fcntl_set(struct file *f, s32 fd, void __user *arg, bool by_file, bool wait)
{
	struct user_flock u;
	struct file_lock l;
	int err = import_lock(f, &u, arg, &l, by_file);

	if (err)
		return err;
	if ((u.type == F_RDLCK && !file_readable(f)) || (u.type == F_WRLCK && !file_writable(f)))
		return -EBADF;
	err = set_lock(f->inode, &l, u.type == F_UNLCK, wait);
	/* An open file keeps its own locks till it goes, and what is unlocked needs no look. */
	if (err || by_file || u.type == F_UNLCK)
		return err;
	return check_still_open(f, fd);
}

long locks_fcntl_get(struct file *f, void __user *arg, bool by_file)
{
	struct lock_list *list = __atomic_load_n(&f->inode->locks, __ATOMIC_ACQUIRE);
	struct file_lock l, *other = NULL;
	struct user_flock u;
	int err = import_lock(f, &u, arg, &l, by_file);

	if (err)
		return err;
	if (u.type == F_UNLCK)
		return -EINVAL;
	spin_lock(&locks_lock);
	if (list)
		other = conflict(list, &l);
	if (other) {
		u.type = other->write ? F_WRLCK : F_RDLCK;
		u.whence = SEEK_SET;
		u.start = (s64)other->start;
		u.len = other->end == MAX_FILE_SIZE ? 0 : (s64)(other->end - other->start + 1);
		u.pid = other->pid;
	} else {
		u.type = F_UNLCK;
	}
	spin_unlock(&locks_lock);
	return copy_to_user(arg, &u, sizeof(u)) ? -EFAULT : 0;
}

#define LOCK_SH	  1u
#define LOCK_EX	  2u
#define LOCK_NB	  4u
#define LOCK_UN	  8u
#define LOCK_MAND 32u

SYSCALL2(flock, s32, fd, u32, op)
{
	u32 what = op & ~LOCK_NB;
	struct file_lock l = {.kind = LOCK_KIND_FLOCK, .write = what == LOCK_EX, .end = ~0ull};
	struct file *f;
	long err;

	if (op & LOCK_MAND)
		return 0; /* Linux has had these, and takes no notice of them now */
	if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	l.owner = f;
	err = set_lock(f->inode, &l, what == LOCK_UN, !(op & LOCK_NB));
	file_put(f);
	return err;
}
