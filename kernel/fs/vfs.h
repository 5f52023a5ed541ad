/*
 * Files: inodes, dentries, mounts, open files. What kernel/ and the file systems share.
 *
 * Dentries form one tree per file system; an inode is what they name. A ramfs pins its dentries, a synthetic
 * file system (proc) makes them on lookup and drops them with their last user.
 */
#pragma once

#include "kernel/lib/list.h"
#include "kernel/wait.h"
#include "mm/pagecache.h"

struct dentry;
struct file;
struct inode;
struct mount;
struct poll_table;
struct super_block;
struct kstat;

#define PATH_MAX 4096
#define NAME_MAX 255

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

/* Called by getdents64; false: the buffer is full, come back with the same position. */
struct dir_context {
	bool (*emit)(struct dir_context *ctx, const char *name, size_t len, u64 ino, unsigned type);
	loff_t pos;
};

/* What a file can do. A NULL operation answers -EINVAL (read, write, ioctl: as Linux does for such a file). */
struct file_ops {
	ssize_t (*read)(struct file *f, void __user *buf, size_t n, loff_t *pos);
	ssize_t (*write)(struct file *f, const void __user *buf, size_t n, loff_t *pos);
	int (*open)(struct inode *i, struct file *f);
	void (*release)(struct file *f);
	loff_t (*seek)(struct file *f, loff_t off, int whence);
	int (*readdir)(struct file *f, struct dir_context *ctx);
	u32 (*poll)(struct file *f, struct poll_table *pt); /* POLL bits ready now; registers on pt */
	long (*ioctl)(struct file *f, u32 cmd, u64 arg);
	int (*fsync)(struct file *f);
	struct mapping *(*mapping)(struct file *f); /* NULL: cannot be mapped */
};

struct file {
	u32 refs; /* atomic */
	u32 flags; /* O_ bits; the status bits change by fcntl */
	loff_t pos;
	struct path path; /* referenced */
	struct inode *inode;
	const struct file_ops *ops;
	void *private;
};

/*
 * Reads n bytes at pos into kernel memory: exec's headers, #! lines. Short at the end of the file.
 */
ssize_t file_read_kernel(struct file *f, void *buf, size_t n, loff_t pos);
/* Opens a path for the kernel, with the current task's root and directory. ERR_PTR on failure. */
struct file *file_open(const char *path, u32 flags, u32 mode);
/* Opens a program for exec: a regular file with an x bit for the caller, else -EACCES. */
struct file *file_open_exec(s32 dirfd, const char *path, u32 flags);
/* The path as getcwd and /proc show it, NUL-terminated, from the end of buf; ERR_PTR(-ENAMETOOLONG). */
char *path_format(const struct path *p, char *buf, size_t size);

/* The open file of a descriptor with a reference, or NULL. */
struct file *fd_get(s32 fd);
/* A new descriptor for f in the current table (takes the reference over), or -EMFILE. */
s32 fd_install(struct file *f, s32 lowest, bool cloexec);

/* Descriptor tables and fs contexts over fork, exec and exit. */
struct fd_table *fd_table_fork(struct fd_table *t); /* a copy; NULL: no memory */
struct fd_table *fd_table_get(struct fd_table *t);  /* shared: CLONE_FILES */
void fd_table_put(struct fd_table *t);
int fd_table_exec(void); /* unshares current's, closes close-on-exec descriptors */
struct fs_context *fs_context_fork(struct fs_context *fs);
struct fs_context *fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);
