/*
 * Files: inodes, dentries, mounts, open files. What kernel/ and the file systems share.
 *
 *	inode	what a file is: type, owner, times, contents.
 *	dentry	a name in a directory. Those of one file system form a tree; each references its parent
 *		and its inode. There are no negative ones. A live dentry is always found by its parent.
 *	mount	a file system's tree, attached to a directory of another.
 *	path	a dentry as seen through a mount.
 *	file	an open file: what descriptors name.
 *
 * Two kinds of file system differ in who holds a dentry. A stored one (ramfs) pins each dentry
 * until it is unlinked: the dentries are the directory. A synthetic one (proc) has an
 * inode_ops->lookup, makes them when a path is walked, and loses them with their last user.
 *
 * `dentry_lock` guards the tree of dentries and of mounts: names, parents, children, link counts.
 * Each change of a directory is one critical section under it, so that no call sees half of one.
 * inode->lock guards contents and size of a regular file against other writers.
 */
#pragma once

#include "kernel/fs/abi.h"
#include "kernel/fs/iter.h"
#include "kernel/lib/list.h"
#include "kernel/lib/rbtree.h"
#include "kernel/rwsem.h"
#include "kernel/wait.h"
#include "mm/pagecache.h"

struct dentry;
struct fd_table;
struct file;
struct inode;
struct mount;
struct poll_table;
struct seq;
struct super_block;
struct watch;

#define PATH_MAX     4096
#define NAME_MAX     255
#define SYMLINKS_MAX 40

extern spinlock_t dentry_lock; /* LOCK_DENTRY */

/* What stat(2) and statx(2) tell. */
struct kstat {
	u64 dev, ino, rdev;
	u32 mode, nlink, uid, gid;
	u64 size, blocks; /* blocks of 512 bytes */
	u32 blksize;
	struct timespec atime, mtime, ctime, btime;
};

/* A change of attributes; `valid` says which. */
#define ATTR_MODE  BIT(0)
#define ATTR_UID   BIT(1)
#define ATTR_GID   BIT(2)
#define ATTR_SIZE  BIT(3)
#define ATTR_ATIME BIT(4)
#define ATTR_MTIME BIT(5)
struct iattr {
	u32 valid;
	u32 mode, uid, gid;
	u64 size;
	struct timespec atime, mtime;
	/* Who may do so is asked under the inode's lock, where the owner and the mode that decide it stay; what
	 * else changes with it may be added. 0 or an errno. NULL: the caller has asked. */
	int (*may)(const struct inode *i, struct iattr *attr);
};

/* Permissions asked of an inode. */
#define MAY_EXEC  1u
#define MAY_WRITE 2u
#define MAY_READ  4u

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

/*
 * What a file system does with its inodes. Any may be NULL, with the meaning given; none is called
 * with a spinlock held, except where it says so.
 */
struct inode_ops {
	/*
	 * Synthetic directories: the inode of a name, with a reference, or ERR_PTR(-ENOENT...).
	 * NULL: the children are exactly the dentries, and create makes more.
	 */
	struct inode *(*lookup)(struct inode *dir, const char *name, size_t len);
	/* Synthetic: false where a dentry found alive no longer stands for its name. NULL: it does.
	 * Must not sleep. */
	bool (*revalidate)(struct dentry *d);
	/* A new inode of this mode (and target, for a symlink) to be linked in dir. NULL: -EPERM.
	 */
	struct inode *(*create)(struct inode *dir, u32 mode, u64 rdev, const char *target);
	/* Writes a symlink's target, without a NUL, cut off at size; the length, or an errno. */
	ssize_t (*readlink)(struct inode *i, char *buf, size_t size);
	/* A magic link: the path that following it leads to, referenced. NULL: follow the text of
	 * readlink. */
	int (*follow)(struct inode *i, struct path *to);
	/* NULL: owner, group, other bits and root's privilege, by inode_permission_bits(). */
	int (*permission)(struct inode *i, u32 mask);
	/* NULL: -EPERM. inode_set_attr() is the plain one. Permissions are checked already. */
	int (*setattr)(struct inode *i, const struct iattr *attr);
	/* Corrects what inode_get_attr() has filled in. */
	void (*getattr)(struct inode *i, struct kstat *st);
};

struct inode {
	u32 refs; /* atomic */
	u32 mode;
	u32 uid, gid;
	u32 nlink; /* under dentry_lock */
	u64 ino;
	u64 rdev; /* of a device node */
	struct timespec atime, mtime, ctime, btime;
	struct super_block *sb;
	const struct inode_ops *ops;
	const struct file_ops *fops; /* what an open file of it starts with */
	void *private;		     /* the file system's; super_ops->evict drops it */
	struct rwsem lock;	     /* LOCK_INODE */
	s32 writers;		     /* open for writing, or, negative, being executed. Atomic. */
	struct lock_list *locks;     /* advisory locks; kernel/fs/locks.c */
	struct watch *watches;	     /* who is told of it; kernel/fs/inotify.h */
	union {
		struct mapping mapping; /* S_ISREG of a stored file system: the contents */
		struct pipe *pipe;	/* S_ISFIFO: made by the first open */
		char *link;		/* S_ISLNK of a stored one: its target */
	};
};

#define DENTRY_UNLINKED BIT(0) /* no longer in its parent: " (deleted)" */
#define DENTRY_PINNED	BIT(1) /* the tree holds a reference of its own */
#define DENTRY_MOUNTED	BIT(2) /* a mount may be attached here */
#define DENTRY_WATCHED	BIT(3) /* the parent may be watched; kernel/fs/fsnotify.h */

#define DENTRY_INLINE_NAME 32

struct dentry {
	u32 refs;	       /* atomic; drops to 0 under dentry_lock only */
	u32 flags;	       /* DENTRY_ */
	struct dentry *parent; /* referenced; a root's is itself */
	struct inode *inode;   /* referenced; never NULL */
	struct super_block *sb;
	struct rb_tree children;     /* by hash, length, name */
	struct list_head child_list; /* the same in order of `cookie`: what readdir shows */
	u64 next_cookie;	     /* for the next child */
	struct rb_node node;	     /* in parent->children */
	struct list_head sibling;    /* in parent->child_list */
	u64 cookie; /* position in the parent, as getdents reports it; 0 and 1 are dots */
	u32 hash, len;
	char *name; /* NUL-terminated; inline_name or kmalloc'ed */
	char inline_name[DENTRY_INLINE_NAME];
};

struct super_ops {
	void (*evict)(struct inode *i); /* the last reference of an inode goes: drop its private */
	void (*release)(struct super_block *sb); /* the last mount goes: drop sb->private */
};

struct super_block {
	u32 refs; /* mounts; every inode in use is reached through one. Atomic. */
	const struct fs_type *type;
	const struct super_ops *ops; /* may be NULL */
	struct dentry *root;	     /* referenced */
	u64 dev;		     /* st_dev */
	u32 magic;		     /* f_type */
	u64 next_ino;		     /* atomic */
	u32 nr_watches;		     /* that have an inode of it. Atomic. */
	u64 max_bytes;		     /* of a ramfs: size= option; 0: no limit */
	void *private;
};

struct mount {
	u32 refs;    /* paths through it, and the tree of mounts. Atomic. */
	u32 flags;   /* MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME... */
	u32 writers; /* regular files open for writing through it. Atomic. */
	s32 id;
	struct mount *parent;	   /* referenced; the root's is itself, a detached one's NULL */
	struct dentry *mountpoint; /* in the parent; referenced */
	struct dentry *root;	   /* referenced */
	struct super_block *sb;	   /* referenced */
	char *source;		   /* first column of /proc/mounts */
	struct list_head link;	   /* in `mounts`, in order of mounting */
};

extern struct list_head mounts; /* under dentry_lock */
/* The mount after prev (NULL: the first), referenced; prev's reference goes. NULL at the end. */
struct mount *mount_next(struct mount *prev);

/*
 * Registering file systems, at boot. fill sets root (dentry_make_root), magic and ops of a new
 * super block from mount(2)'s options; what it fails undoes all. FS_SINGLE: all mounts show one
 * super block.
 */
#define FS_SINGLE BIT(0)
struct fs_type {
	const char *name;
	int (*fill)(struct super_block *sb, const char *options);
	u32 flags;
	struct super_block *single; /* the one, under dentry_lock */
	struct list_head link;
};
void fs_register(struct fs_type *type);
/* Calls fn for each registered name, for /proc/filesystems. */
void fs_types_for_each(void (*fn)(const char *name, void *arg), void *arg);

/* Called by readdir for each entry; false: the buffer is full, stop and leave pos at this entry.
 * Does not sleep. */
struct dir_context {
	bool (*emit)(struct dir_context *ctx, const char *name, size_t len, u64 ino, unsigned type);
	loff_t pos; /* of the next entry; emit reports it as d_off of the entry before */
};

/*
 * What an open file can do. A NULL read or write answers -EINVAL, a NULL ioctl -ENOTTY, a NULL seek
 * -ESPIPE, a NULL readdir -ENOTDIR; a NULL poll is always ready.
 */
struct file_ops {
	/* Moves up to it->left bytes at *pos, advances both. *pos is the file's own or a pread's.
	 */
	ssize_t (*read)(struct file *f, struct io_iter *it, loff_t *pos);
	ssize_t (*write)(struct file *f, struct io_iter *it, loff_t *pos);
	int (*open)(struct inode *i, struct file *f);
	void (*release)(struct file *f);
	loff_t (*seek)(struct file *f, loff_t off, int whence);
	int (*readdir)(struct file *f, struct dir_context *ctx);
	u32 (*poll)(struct file *f, struct poll_table *pt); /* POLL bits ready now */
	long (*ioctl)(struct file *f, u32 cmd, u64 arg);
	int (*fsync)(struct file *f);
	void (*show_fdinfo)(struct file *f, struct seq *s); /* more lines of /proc/<pid>/fdinfo */
	void (*async)(struct file *f, bool on);	    /* O_ASYNC changes. NULL: it sends no signals */
	struct mapping *(*mapping)(struct file *f); /* NULL: cannot be mapped */
	bool zeros;				    /* mapped as anonymous memory: /dev/zero */
	/* file_special()'s, but for a pidfd's: lseek(2) stays at 0, and nothing is spliced in. */
	bool special;
};

struct file {
	u32 refs;  /* atomic */
	u32 flags; /* O_ bits without those of creation; the status bits change by fcntl */
	loff_t pos;
	struct rwsem pos_lock; /* LOCK_FILE_POS: pos, where several descriptors share the file */
	struct path path;      /* referenced */
	struct inode *inode;
	const struct file_ops *ops;
	void *private;
	bool executed;		  /* opened for exec: keeps writers of its inode out */
	struct list_head watches; /* epoll items, under watch_lock of kernel/fs/epoll.c */
	struct fowner {		  /* under owner_lock of kernel/fs/fcntl.c */
		s32 pid;	  /* F_SETOWN: negative, a group */
		s32 sig;	  /* F_SETSIG; 0: SIGIO */
		u32 uid, euid;	  /* of who set it */
	} owner;
};

/* The owner as one task has set it. A spinlock within those of sockets. */
struct fowner file_owner(const struct file *f);
/* Sends the owner of an O_ASYNC file its signal, where who set it may. The caller has copied it. */
void fowner_signal(const struct fowner *o);

/* ---- inodes ---- */

/* A new inode of sb: one reference, nlink 1 (2 for a directory), owned by root, times now, ino
 * assigned. NULL: no memory. */
struct inode *inode_new(struct super_block *sb, u32 mode) __must_check;
/* As inode_new(), owned by the current task, with the directory's group where it is S_ISGID. */
struct inode *inode_new_in(struct inode *dir, u32 mode) __must_check;
void inode_get(struct inode *i);
void inode_put(struct inode *i);
struct timespec inode_now(void);
/* 0 or -EACCES (-EROFS is the mount's: path_permission). */
int inode_permission(struct inode *i, u32 mask);
int inode_permission_bits(const struct inode *i, u32 mask);
bool inode_is_owner(const struct inode *i);
/* The set-user-ID and set-group-ID bits that i loses when the current task gives it other content or another
 * owner. */
u32 inode_lost_bits(const struct inode *i);
/* Applies attr; a size goes to the mapping. For inode_ops->setattr. */
int inode_set_attr(struct inode *i, const struct iattr *attr);
void inode_get_attr(struct inode *i, struct kstat *st);
/* Keeps writers out while a program runs: 0 or -ETXTBSY. inode_allow_write() ends it. */
int inode_deny_write(struct inode *i);
void inode_allow_write(struct inode *i);

/* ---- dentries ---- */

void dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
/* The root of a new super block over an inode whose reference it takes, even when it fails. NULL:
 * no memory. */
struct dentry *dentry_make_root(struct super_block *sb, struct inode *i) __must_check;
/*
 * A child of parent over an inode whose reference it takes, even when it fails. ERR_PTR: -ENOMEM,
 * -EEXIST, -ENOENT where the parent is gone. `pin` as a stored file system does. Referenced for the
 * caller.
 */
struct dentry *dentry_add(struct dentry *parent, const char *name, size_t len, struct inode *i,
			  bool pin) __must_check;
/* Makes a name disappear and drops the reference that kept it, which is a stored file system's pin;
 * its inode's nlink is the caller's affair. */
void dentry_remove(struct dentry *d);
/* For readdir: emits "." and ".." at positions 0 and 1 and leaves pos 2. false: the buffer is full.
 */
bool dir_emit_dots(struct file *f, struct dir_context *ctx);
/* The directory operations of stored file systems: readdir over the dentries. */
extern const struct file_ops dentry_dir_ops;

/* ---- paths and mounts ---- */

static inline bool path_equal(const struct path *a, const struct path *b)
{
	return a->mnt == b->mnt && a->dentry == b->dentry;
}
void path_get(const struct path *p);
void path_put(const struct path *p);
void mount_get(struct mount *m);
void mount_put(struct mount *m);

#define LOOKUP_FOLLOW	 BIT(0) /* a last component that is a symlink is followed */
#define LOOKUP_DIRECTORY BIT(1) /* the result must be a directory */
#define LOOKUP_EMPTY	 BIT(2) /* "" is dirfd itself */
/* Resolves a path; out is referenced. Names in user memory, and in the kernel's. */
int path_lookup(s32 dirfd, const char *name, u32 flags, struct path *out) __must_check;
int path_lookup_user(s32 dirfd, const char __user *name, u32 flags, struct path *out) __must_check;
/* inode_permission(), and -EROFS for a write through a read-only mount. */
int path_permission(const struct path *p, u32 mask);
int path_getattr(const struct path *p, struct kstat *st);

/*
 * The path as getcwd and /proc show it, NUL-terminated, from the end of buf;
 * ERR_PTR(-ENAMETOOLONG). " (deleted)" follows an unlinked one.
 */
char *path_format(const struct path *p, char *buf, size_t size);

/* Mounts a file system of this name on a path of the kernel's own at boot, as mount(2) does. */
int kernel_mount(const char *type, const char *source, const char *target, u32 flags);

/* ---- open files ---- */

/*
 * Reads n bytes at pos into kernel memory: exec's headers, #! lines. Short at the end of the file.
 */
ssize_t file_read_kernel(struct file *f, void *buf, size_t n, loff_t pos);
/* Opens a path for the kernel, with the current task's root and directory. ERR_PTR on failure. */
struct file *file_open(const char *path, u32 flags, u32 mode);
/*
 * Opens a program for exec: a regular file with an x bit for the caller, else -EACCES. Nobody
 * writes to it while this file is open; -ETXTBSY where somebody does.
 */
struct file *file_open_exec(s32 dirfd, const char *path, u32 flags);
/* An open file over ops with no name but `name` ("pipe:", "[eventfd]"): pipes and their kin. Takes
 * the inode's reference. ERR_PTR. */
struct file *file_anon(const char *name, struct inode *i, const struct file_ops *ops, u32 flags,
		       void *private);
/* An inode for file_anon(), owned by the caller's fsuid. NULL: no memory. */
struct inode *inode_anon(u32 mode);
/* As file_anon(), over an inode of its own that is of no type: eventfds, epoll sets and their kin.
 * Where it fails `private` is still the caller's; from then on it is for ops->release to drop. */
struct file *file_special(const char *name, const struct file_ops *ops, u32 flags, void *private);

/* seek operations: of contents with a size (SEEK_DATA and SEEK_HOLE too), and of synthetic files.
 */
loff_t seek_mapping(struct file *f, loff_t off, int whence);
loff_t seek_plain(struct file *f, loff_t off, int whence);

/* Reading and writing with an iterator, at *pos: rights and limits checked, ops called. */
ssize_t file_read(struct file *f, struct io_iter *it, loff_t *pos);
ssize_t file_write(struct file *f, struct io_iter *it, loff_t *pos);

/* The open file of a descriptor with a reference, or NULL. fd_get() does not give O_PATH files. */
struct file *fd_get(s32 fd);
struct file *fd_get_any(s32 fd);
/* A new descriptor for f in the current table (takes the reference over, even when it fails), or
 * -EMFILE, -ENOMEM. */
s32 fd_install(struct file *f, s32 lowest, bool cloexec);
/* Takes that back, where fd is still f's: other tasks may have closed it and opened another. */
void fd_uninstall(s32 fd, struct file *f);
/* Has `to` name f (takes the reference over), and closes what it named: to, -EBADF beyond the limit, -ENOMEM. */
long fd_replace(struct file *f, u32 to, bool cloexec);
/*
 * Descriptors of both files (takes the references over; either may be an ERR_PTR), of which the program is told
 * at `user`. Where that fails there are none: 0, -EMFILE, -ENOMEM, -EFAULT, or what an ERR_PTR says.
 */
int fd_install_pair(struct file *const f[2], bool cloexec, s32 __user *user);
/* Of another task's table, for /proc: the lowest open descriptor >= *fd, its file referenced; NULL:
 * none. */
struct file *fd_table_next(struct fd_table *t, s32 *fd, bool *cloexec);
/* Slots allocated: FDSize of /proc/pid/status. */
u32 fd_table_size(struct fd_table *t);

/* Descriptor tables and fs contexts over fork, exec and exit. */
struct fd_table *fd_table_new(void);		    /* an empty one; NULL: no memory */
struct fd_table *fd_table_fork(struct fd_table *t); /* as good as a copy; NULL: no memory */
struct fd_table *fd_table_get(struct fd_table *t);  /* shared: CLONE_FILES */
void fd_table_put(struct fd_table *t);		    /* the last user's drops its record locks */
/* The current task gets a table of its own, where others use its: -ENOMEM. */
int __must_check fd_table_unshare(void);
/* For who looks at another task's table. */
struct fd_table *fd_table_hold(struct fd_table *t);
void fd_table_release(struct fd_table *t);
/* Memory that fd_table_exec() may need, taken before it is too late to do without. What it has not used
 * fd_room_free() gives back, also where fd_room_make() failed half way with -ENOMEM. */
struct fd_room {
	struct fd_table *table;
	struct fd_array *array;
};
int __must_check fd_room_make(struct fd_room *room);
void fd_room_free(struct fd_room *room);
/*
 * Unshares the current task's table and closes close-on-exec descriptors. -ENOMEM, with none closed
 * and `room` too small: empty, or the table has grown since.
 */
int __must_check fd_table_exec(struct fd_room *room);

struct fs_context {
	u32 refs;	 /* atomic */
	u32 umask;	 /* atomic */
	spinlock_t lock; /* LOCK_FS: root, cwd */
	struct path root, cwd;
};
struct fs_context *fs_context_fork(struct fs_context *fs); /* NULL: no memory */
struct fs_context *fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);
/* Gives the current task another one, and takes the reference over. */
void fs_context_use(struct fs_context *fs);
void fs_context_root(struct fs_context *fs, struct path *out); /* referenced */
void fs_context_cwd(struct fs_context *fs, struct path *out);  /* referenced */

/* ---- devices ---- */

/* Opening a character device node of this number (minors [minor, minor + count)) gives ops. Boot
 * only. */
void chrdev_register(u32 major, u32 minor, u32 count, const char *name, const struct file_ops *ops);
/* Calls fn for each registered device, for /proc/devices. */
void chrdev_for_each(void (*fn)(u32 major, const char *name, void *arg), void *arg);

/*
 * Boot: file system types, a ramfs as root, /dev in it; gives the current task its fs context and
 * descriptor table. Then the initrd module's contents, plain or gzip, [data, data + size): panics
 * where it cannot be used.
 */
void fs_init(void);
void initrd_unpack(const void *data, size_t size);
/* /dev/console as descriptors 0, 1 and 2 of the current task: process 1. */
void console_open_std(void);
