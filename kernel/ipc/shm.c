/*
 * System V shared memory: a segment is a file without a name, which shmat(2) maps.
 *
 * A segment knows how many areas map it, in all address spaces: mm tells each change through the mapping's
 * watch (mm/pagecache.h), fork, exec and exit included. One that was removed goes with the last of them.
 *
 *	mm->lock, then the set's lock. The segment's file may be dropped under mm->lock, by the last area, which
 *	has the file, too; it is opened without.
 *
 * The struct stays as long as the file's inode. So an area can tell it at any time, also one that comes when
 * the segment has gone already: remap_file_pages(2) maps its file again after unmapping the last area.
 */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/seq.h"
#include "kernel/ipc/ipc.h"
#include "kernel/lib/format.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/commit.h"
#include "mm/mman.h"

#define SHM_HUGETLB   04000u
#define SHM_NORESERVE 010000u

#define SHM_RDONLY 010000u
#define SHM_RND	   020000u
#define SHM_REMAP  040000u
#define SHM_EXEC   0100000u

#define SHM_LOCK     11
#define SHM_UNLOCK   12
#define SHM_STAT     13
#define SHM_INFO     14
#define SHM_STAT_ANY 15

/* in the mode */
#define SHM_DEST   01000u /* goes with the last area that maps it */
#define SHM_LOCKED 02000u

#define GUARDED __guarded_by_global(&ipc_shm.lock)

struct segment {
	struct ipc_object ipc;
	struct mapping_watch watch;
	struct file *file;    /* referenced until the segment leaves the set */
	u64 size;	      /* bytes, as asked */
	u64 attached GUARDED; /* areas that map it, and calls that are about to */
	s64 atime GUARDED, dtime GUARDED;
	s32 cpid, lpid GUARDED;
	bool removed GUARDED; /* out of the set */
};

/* struct shmid64_ds */
struct user_shmid {
	struct user_ipc_perm perm;
	u64 size;
	s64 atime, dtime, ctime;
	s32 cpid, lpid;
	u64 attached, unused[2];
};
_Static_assert(sizeof(struct user_shmid) == 112, "struct shmid64_ds is 112 bytes");

struct user_shminfo {
	u64 shmmax, shmmin, shmmni, shmseg, shmall, unused[4];
};

struct user_shm_info {
	s32 used_ids, pad;
	u64 total, resident, swapped, swap_attempts, swap_successes;
};

u64 ipc_shmmax = ~0ull - (1ull << 24), ipc_shmall = ~0ull - (1ull << 24);
struct ipc_set ipc_shm = IPC_SET_INIT(4096);
static u64 total_pages GUARDED; /* of all segments */

static struct segment *to_segment(struct ipc_object *o)
{
	return IS_ERR(o) ? (void *)o : container_of(o, struct segment, ipc);
}

static u64 segment_pages(const struct segment *s)
{
	return DIV_ROUND_UP(s->size, PAGE_SIZE);
}

/* Takes a segment that nobody maps out of the set. The caller drops it without the lock. */
static void unlink_segment(struct segment *s) __must_hold(&ipc_shm.lock)
{
	s->removed = true;
	ipc_remove(&ipc_shm, &s->ipc);
	total_pages -= segment_pages(s);
}

static void drop_segment(struct segment *s)
{
	file_put(s->file); /* and with the inode, which may be now, goes s */
}

/* One area or call fewer; under the lock. True: the segment is out of the set, and to be dropped. */
static bool detach(struct segment *s) __must_hold(&ipc_shm.lock)
{
	if (--s->attached || s->removed || !(s->ipc.mode & SHM_DEST))
		return false;
	unlink_segment(s);
	return true;
}

static void watch_gone(struct mapping_watch *w)
{
	kfree(container_of(w, struct segment, watch));
}

static void watch_areas(struct mapping_watch *w, bool more)
{
	struct segment *s = container_of(w, struct segment, watch);
	bool gone = false;

	spin_lock(&ipc_shm.lock);
	s->lpid = current->proc->pid;
	if (more) {
		s->attached++;
		s->atime = ipc_now();
	} else {
		s->dtime = ipc_now();
		gone = detach(s);
	}
	spin_unlock(&ipc_shm.lock);
	if (gone)
		drop_segment(s);
}

/* ---- shmget ---- */

static int segment_fits(struct ipc_object *o, u64 size)
{
	return to_segment(o)->size < size ? -EINVAL : 0;
}

static struct segment *new_segment(s32 key, u64 size, u32 flags)
{
	struct segment *s = kzalloc(sizeof(*s));
	char name[16];

	if (!s)
		return ERR_PTR(-ENOMEM);
	snprintf(name, sizeof(name), "SYSV%08x", (u32)key);
	s->file = shmem_file(name, size, !(flags & SHM_NORESERVE) || vm_overcommit_memory == 2);
	if (IS_ERR(s->file)) {
		kfree(s);
		return ERR_PTR(-ENOMEM);
	}
	s->size = size;
	s->cpid = current->proc->pid;
	s->watch = (struct mapping_watch){watch_areas, watch_gone};
	s->file->inode->mapping.watch = &s->watch;
	return s;
}

/*
 * Under the lock: the id of what is there, or of *s, which is then NULL; or an errno. -EAGAIN: a new one is
 * wanted, and *s is NULL.
 */
static long get_or_add(s32 key, u64 size, u32 flags, struct segment **s) __must_hold(&ipc_shm.lock)
{
	struct ipc_object *o = ipc_get(&ipc_shm, key, flags, segment_fits, size);
	u64 pages = DIV_ROUND_UP(size, PAGE_SIZE);
	long id;

	if (o)
		return IS_ERR(o) ? PTR_ERR(o) : o->id;
	if (size < 1 || size > ipc_shmmax || size > INT64_MAX)
		return -EINVAL;
	if (total_pages + pages < total_pages || total_pages + pages > ipc_shmall)
		return -ENOSPC;
	if (flags & SHM_HUGETLB)
		return -EINVAL;
	if (!*s)
		return -EAGAIN;
	id = ipc_add(&ipc_shm, &(*s)->ipc, key, flags);
	if (id < 0)
		return id;
	total_pages += pages;
	(*s)->file->inode->ino = (u64)id; /* as maps shows it */
	(*s)->file->inode->mode = S_IFREG | (flags & IPC_BITS);
	*s = NULL;
	return id;
}

SYSCALL3(shmget, s32, key, u64, size, u32, flags)
{
	struct segment *s = NULL;
	long id;

	spin_lock(&ipc_shm.lock);
	id = get_or_add(key, size, flags, &s);
	spin_unlock(&ipc_shm.lock);
	if (id != -EAGAIN)
		return id;
	s = new_segment(key, size, flags);
	if (IS_ERR(s))
		return PTR_ERR(s);
	spin_lock(&ipc_shm.lock);
	id = get_or_add(key, size, flags, &s);
	spin_unlock(&ipc_shm.lock);
	if (s)
		drop_segment(s);
	return id;
}

/* ---- shmat, shmdt ---- */

struct attach {
	vaddr_t addr;
	u32 prot, map_flags, wants;
};

static int attach_decode(struct attach *a, vaddr_t addr, u32 flags)
{
	*a = (struct attach){addr, PROT_READ, MAP_SHARED, IPC_READ};
	if (addr & ~PAGE_MASK) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		a->addr &= PAGE_MASK;
	}
	if (!a->addr && (flags & SHM_REMAP))
		return -EINVAL;
	if (addr)
		a->map_flags |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	if (!(flags & SHM_RDONLY)) {
		a->prot |= PROT_WRITE;
		a->wants |= IPC_WRITE;
	}
	if (flags & SHM_EXEC) {
		a->prot |= PROT_EXEC;
		a->wants |= IPC_EXEC;
	}
	return 0;
}

/* Maps a segment that cannot go meanwhile. The file is opened anew, with the rights of this attachment. */
static long attach_map(struct segment *s, const struct attach *a)
{
	struct path p = s->file->path;
	struct file *f;
	long at;

	f = open_path(&p, (a->prot & PROT_WRITE ? O_RDWR : O_RDONLY) | O_LARGEFILE, true);
	if (IS_ERR(f))
		return PTR_ERR(f);
	at = mm_mmap(current->mm, a->addr, s->size, a->prot, a->map_flags, f, 0);
	file_put(f);
	return at == -EEXIST ? -EINVAL : at;
}

SYSCALL3(shmat, s32, id, vaddr_t, addr, u32, flags)
{
	struct attach a;
	struct segment *s;
	bool gone;
	long at = attach_decode(&a, addr, flags);

	if (id < 0 || at)
		return -EINVAL;
	spin_lock(&ipc_shm.lock);
	s = to_segment(ipc_find(&ipc_shm, id));
	at = IS_ERR(s) ? PTR_ERR(s) : ipc_may(&s->ipc, a.wants);
	if (!at)
		s->attached++;
	spin_unlock(&ipc_shm.lock);
	if (at)
		return at;
	at = attach_map(s, &a);
	spin_lock(&ipc_shm.lock);
	gone = detach(s);
	spin_unlock(&ipc_shm.lock);
	if (gone)
		drop_segment(s);
	return at;
}

SYSCALL1(shmdt, vaddr_t, addr)
{
	if (addr & ~PAGE_MASK)
		return -EINVAL;
	return mm_detach(current->mm, addr);
}

/* ---- shmctl ---- */

static void segment_show(const struct segment *s, struct user_shmid *u) __must_hold(&ipc_shm.lock)
{
	ipc_show_perm(&s->ipc, &u->perm);
	u->size = s->size;
	u->atime = s->atime;
	u->dtime = s->dtime;
	u->ctime = s->ipc.ctime;
	u->cpid = s->cpid;
	u->lpid = s->lpid;
	u->attached = s->attached;
}

static long shm_stat(s32 id, s32 cmd, void __user *buf)
{
	struct user_shmid u = {0};
	struct segment *s;
	long n;

	spin_lock(&ipc_shm.lock);
	s = to_segment(ipc_for_stat(&ipc_shm, id, cmd != IPC_STAT, cmd == SHM_STAT_ANY));
	n = IS_ERR(s) ? PTR_ERR(s) : cmd == IPC_STAT ? 0 : s->ipc.id;
	if (!IS_ERR(s))
		segment_show(s, &u);
	spin_unlock(&ipc_shm.lock);
	return n >= 0 && copy_to_user(buf, &u, sizeof(u)) ? -EFAULT : n;
}

static long shm_limits(void __user *buf)
{
	struct user_shminfo u = {ipc_shmmax,	     1,		 (u64)ipc_shm.limit,
				 (u64)ipc_shm.limit, ipc_shmall, {0}};
	s32 highest;

	spin_lock(&ipc_shm.lock);
	highest = ipc_highest(&ipc_shm);
	spin_unlock(&ipc_shm.lock);
	return copy_to_user(buf, &u, sizeof(u)) ? -EFAULT : highest;
}

static u64 segment_resident(const struct segment *s)
{
	return atomic_load(&s->file->inode->mapping.nr_pages);
}

static long shm_usage(void __user *buf)
{
	struct user_shm_info u = {0};
	struct ipc_object *o;
	s32 highest;

	spin_lock(&ipc_shm.lock);
	u.used_ids = ipc_shm.count;
	u.total = total_pages;
	for (u64 place = 0; (o = ipc_next(&ipc_shm, &place)); place++)
		u.resident += segment_resident(to_segment(o));
	highest = ipc_highest(&ipc_shm);
	spin_unlock(&ipc_shm.lock);
	return copy_to_user(buf, &u, sizeof(u)) ? -EFAULT : highest;
}

static long shm_set(s32 id, const void __user *buf)
{
	struct user_shmid u;
	struct segment *s;
	long err;

	if (copy_from_user(&u, buf, sizeof(u)))
		return -EFAULT;
	spin_lock(&ipc_shm.lock);
	s = to_segment(ipc_for_control(&ipc_shm, id));
	err = IS_ERR(s) ? PTR_ERR(s) : ipc_set_perm(&s->ipc, &u.perm);
	spin_unlock(&ipc_shm.lock);
	return err;
}

static long shm_remove(s32 id)
{
	struct segment *s;
	bool gone = false;

	spin_lock(&ipc_shm.lock);
	s = to_segment(ipc_for_control(&ipc_shm, id));
	if (!IS_ERR(s)) {
		s->ipc.mode |= SHM_DEST;
		s->ipc.key = IPC_PRIVATE;
		gone = !s->attached;
		if (gone)
			unlink_segment(s);
	}
	spin_unlock(&ipc_shm.lock);
	if (gone)
		drop_segment(s);
	return IS_ERR(s) ? PTR_ERR(s) : 0;
}

/* Nothing is ever swapped out: that a segment is locked is all that there is to it. */
static long shm_lock(s32 id, bool lock)
{
	struct segment *s;
	long err;

	spin_lock(&ipc_shm.lock);
	s = to_segment(ipc_find(&ipc_shm, id));
	err = IS_ERR(s) ? PTR_ERR(s) : ipc_may_control(&s->ipc);
	if (!err && lock && current->cred.euid != 0 && !current->proc->rlimits[RLIMIT_MEMLOCK].cur)
		err = -EPERM;
	if (!err)
		s->ipc.mode = lock ? s->ipc.mode | SHM_LOCKED : s->ipc.mode & ~SHM_LOCKED;
	spin_unlock(&ipc_shm.lock);
	return err;
}

SYSCALL3(shmctl, s32, id, s32, cmd, void __user *, buf)
{
	if (cmd < 0 || id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_RMID:
		return shm_remove(id);
	case IPC_SET:
		return shm_set(id, buf);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return shm_stat(id, cmd, buf);
	case IPC_INFO:
		return shm_limits(buf);
	case SHM_INFO:
		return shm_usage(buf);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_lock(id, cmd == SHM_LOCK);
	default:
		return -EINVAL;
	}
}

/* ---- /proc/sysvipc/shm ---- */

int ipc_show_shm(struct seq *q, void *arg)
{
	struct user_shmid u = {0};
	struct ipc_object *o;
	u64 resident = 0, place = q->next;
	s32 id = 0;

	(void)arg;
	if (!q->next)
		seq_puts(q, "       key      shmid perms                  size  cpid  lpid nattch"
			    "   uid   gid  cuid  cgid      atime      dtime      ctime"
			    "                   rss                  swap\n");
	spin_lock(&ipc_shm.lock);
	o = ipc_next(&ipc_shm, &place);
	if (o) {
		segment_show(to_segment(o), &u);
		resident = segment_resident(to_segment(o));
		id = o->id;
	}
	spin_unlock(&ipc_shm.lock);
	if (!o)
		return 0;
	seq_printf(q, "%10d %10d  %4o %21lu %5u %5u  %5lu %5u %5u %5u %5u %10ld %10ld %10ld",
		   u.perm.key, id, u.perm.mode, u.size, u.cpid, u.lpid, u.attached, u.perm.uid,
		   u.perm.gid, u.perm.cuid, u.perm.cgid, u.atime, u.dtime, u.ctime);
	seq_printf(q, " %21lu %21lu\n", resident << PAGE_SHIFT, 0ul);
	q->next = place + 1;
	q->more = true;
	return 0;
}
