/* What the files of kernel/fs share among themselves. */
#pragma once

#include "kernel/fs/vfs.h"

/* Boot, in the order of fs_init(). */
void inode_init(void);
void dentry_init(void);
void mount_init(void);
void file_init(void);
void fd_table_init(void);
void ramfs_init(void);
void shmem_init(void);
void pipe_init(void);
void device_init(void);

/* One more file open for writing: 0 or -ETXTBSY while it runs. */
int inode_get_write(struct inode *i);
void inode_put_write(struct inode *i);
/* f is open for writing: counted for its inode and its mount. */
int file_get_write(struct file *f);
void file_put_write(struct file *f);
/* A read of f: its access time. */
void file_accessed(struct file *f);

/* ---- dentry.c ---- */

/* Those named _locked are called under dentry_lock. */
struct dentry *dentry_alloc(struct super_block *sb, const char *name, size_t len,
			    struct inode *i) __must_check;
/* Frees one that was never attached, and its inode's reference. */
void dentry_free(struct dentry *d);
/* Names d. 0 or -ENOMEM. */
int dentry_set_name(struct dentry *d, const char *name, size_t len) __must_check;
u32 name_hash(const char *name, size_t len);
struct dentry *dentry_find_locked(struct dentry *parent, const char *name, size_t len, u32 hash);
/* Attaches d, which takes a reference on parent; d->parent is not set before. */
void dentry_attach_locked(struct dentry *parent, struct dentry *d);
/* Detaches d from its parent; the reference on the parent remains d's. */
void dentry_detach_locked(struct dentry *d);
/* A child by name, synthetic ones made on demand. ERR_PTR(-ENOENT...). */
struct dentry *dentry_lookup(struct dentry *parent, const char *name, size_t len) __must_check;
/* Drops every pinned dentry of a super block that nobody reaches any more, and its root. */
void dentry_drop_tree(struct dentry *root);

/* ---- namei.c ---- */

#define LAST_NORM   0
#define LAST_ROOT   1 /* there is no component: the path is "/", or ended in a magic link */
#define LAST_DOT    2
#define LAST_DOTDOT 3

struct link_text;

/* A walk along a path. Between walk_start() and walk_end(). */
struct walk {
	struct path at;		/* referenced */
	struct path root;	/* referenced: where "/" leads */
	const char *name;	/* what is left of the current text */
	struct link_text *text; /* of the symlink being walked; NULL: the caller's text */
	u32 links;
	bool trailing;	  /* the path ended in a slash */
	const char *last; /* set by walk_parent */
	size_t last_len;
	int last_type;
};

int walk_start(struct walk *w, s32 dirfd, const char *name, u32 flags) __must_check;
/* Walks until one component is left: w->last in w->at, which is then a directory that may be
 * searched. */
int walk_parent(struct walk *w) __must_check;
/* Goes on along the text of symlink d, in w->at; call walk_parent() next. */
int walk_follow(struct walk *w, struct dentry *d) __must_check;
void walk_end(struct walk *w);
/* Moves up one level, across mounts, not above w->root. */
void walk_up(struct walk *w);

/* A path name copied from user memory. */
struct user_name {
	const char *s;
	char *heap;
	char inline_buf[224];
};
/* 0, -EFAULT, -ENAMETOOLONG, -ENOMEM. */
int user_name_get(struct user_name *n, const char __user *s) __must_check;
void user_name_put(struct user_name *n);

/* ---- dirops.c ---- */

/* As mknod(2), mkdir(2) and symlink(2) (by mode), link(2), and unlink(2) or rmdir(2), with names of
 * the kernel's own. */
int kernel_mknod(const char *name, u32 mode, u64 rdev, const char *link);
/* As kernel_mknod(); *made is the new file's path, referenced. */
int kernel_mknod_path(const char *name, u32 mode, struct path *made);
int kernel_link(const char *old_name, const char *name);
int kernel_unlink(const char *name, bool want_dir);

/* ---- mount.c ---- */

/* Descends into whatever is mounted on *p. */
void path_enter_mounts(struct path *p);
/* Where p is the root of its mount: steps to the mountpoint in the parent mount. false: it is not,
 * or is the topmost. */
bool path_leave_mount(struct path *p);
bool path_mount_readonly(const struct path *p);
bool dentry_is_mountpoint_locked(struct dentry *d);
/* A mount that is attached nowhere yet: of a new file system, and of what p shows. Referenced;
 * ERR_PTR. */
struct mount *mount_new(const char *type, const char *source, u32 flags, const char *options);
struct mount *mount_clone(const struct path *p, u32 flags);
/* The first mount, of which everything hangs; panics where there is no memory. */
struct mount *mount_make_root(const char *type);
/* -ENOENT, -EINVAL. The place in the tree takes references of its own. */
int mount_attach(struct mount *m, const struct path *at);
/* -EBUSY where paths beside the caller's go through it, unless lazy; -EINVAL. */
int mount_detach(struct mount *m, bool lazy);
int mount_move(struct mount *m, const struct path *to);

/* ---- ramfs.c ---- */

#define MAX_FILE_SIZE 0x7fffffffffffffffull

int ram_fill(struct super_block *sb, const char *options);
/* A new inode in dir, or (dir NULL) of sb alone. ERR_PTR(-ENOMEM). */
struct inode *ram_inode(struct super_block *sb, struct inode *dir, u32 mode, u64 rdev,
			const char *target);
/* Pages that files of a ramfs may still take. */
u64 ram_free_pages(struct super_block *sb);
#define FALLOC_FL_KEEP_SIZE	 0x01u
#define FALLOC_FL_PUNCH_HOLE	 0x02u
#define FALLOC_FL_COLLAPSE_RANGE 0x08u
#define FALLOC_FL_ZERO_RANGE	 0x10u
#define FALLOC_FL_INSERT_RANGE	 0x20u
#define FALLOC_FL_UNSHARE_RANGE	 0x40u
#define FALLOC_FL_ALL		 0x7bu
/* fallocate(2) of [start, end), as tmpfs does it. -EOPNOTSUPP where f is of another file system, or
 * the mode is beyond it. */
int ram_fallocate(struct file *f, u64 start, u64 end, u32 mode);
/* As truncate(2) checks the size that a file is to have: 0, or -EFBIG with SIGXFSZ sent. */
int ram_size_allowed(const struct inode *i, u64 size);

/* ---- shmem.c ---- */

/* F_GET_SEALS and F_ADD_SEALS: SEAL_ bits, or -EINVAL where f has none; 0, -EPERM, -EBUSY. */
long shmem_get_seals(struct file *f);
long shmem_add_seals(struct file *f, u32 seals);

/* ---- open.c, file.c ---- */

struct file *open_path(struct path *p, u32 flags, bool created);
struct file *open_name(s32 dirfd, const char *name, u32 flags, u32 mode);
/* Cuts or extends a regular file, with the checks on limits. Inode lock not held. */
int inode_truncate(struct inode *i, u64 size);
/* Applies attr to what p names. */
int notify_change(const struct path *p, struct iattr *attr);
struct file *file_alloc(void) __must_check;
/* Frees one that was never opened. */
void file_free(struct file *f);
/* Open files, machine-wide. */
u32 file_count(void);

/* ---- fdtable.c ---- */

/* True where another task may use the files of the current one's descriptors by references that they
 * have in common with it. Asked before the file's own references are counted. */
bool fd_files_shared(void);
/* As close(2): 0 or -EBADF. */
int fd_close(s32 fd);
bool fd_get_cloexec(s32 fd);
int fd_set_cloexec(s32 fd, bool on); /* 0, also where fd is not open; or -ENOMEM */

/* ---- context.c ---- */

struct fs_context *fs_context_new(const struct path *root) __must_check;

static inline bool file_readable(const struct file *f)
{
	u32 m = f->flags & (O_ACCMODE | O_PATH);

	return m == O_RDONLY || m == O_RDWR;
}

static inline bool file_writable(const struct file *f)
{
	u32 m = f->flags & (O_ACCMODE | O_PATH);

	return m == O_WRONLY || m == O_RDWR;
}

/* ---- locks.c ---- */

void locks_init(void);
void locks_free_inode(struct inode *i);
/* A descriptor of f in the current task's table was closed: the table's record locks on the file go. */
void locks_close(struct file *f);
/* Nobody uses t any more, other tables may have its files: its record locks go. */
void locks_end_table(struct fd_table *t);
/* The current task's table may have record locks from now on. */
void fd_table_note_record_lock(void);
/* The last reference of f goes: its flock goes. */
void locks_release(struct file *f);

/* ---- device.c ---- */

extern const struct file_ops chrdev_open_ops; /* an inode's fops that open the registered device */
extern const struct file_ops blkdev_open_ops; /* likewise: there are none */
extern const struct file_ops fifo_ops;	      /* likewise, a pipe with a name */
