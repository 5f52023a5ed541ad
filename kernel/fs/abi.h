/* Constants and structures of the file calls, as Linux lays them out on x86-64. */
#pragma once

#include "kernel/lib/types.h"
#include "kernel/timer.h" /* struct timespec */

/* open(2) */
#define O_RDONLY    00u
#define O_WRONLY    01u
#define O_RDWR	    02u
#define O_ACCMODE   03u
#define O_CREAT	    0100u
#define O_EXCL	    0200u
#define O_NOCTTY    0400u
#define O_TRUNC	    01000u
#define O_APPEND    02000u
#define O_NONBLOCK  04000u
#define O_DSYNC	    010000u
#define O_ASYNC	    020000u
#define O_DIRECT    040000u
#define O_LARGEFILE 0100000u
#define O_DIRECTORY 0200000u
#define O_NOFOLLOW  0400000u
#define O_NOATIME   01000000u
#define O_CLOEXEC   02000000u
#define O_SYNC	    04010000u
#define O_PATH	    010000000u
#define O_TMPFILE   020200000u

/* Directory-relative calls. */
#define AT_FDCWD	    (-100)
#define AT_SYMLINK_NOFOLLOW 0x100u
#define AT_EACCESS	    0x200u
#define AT_REMOVEDIR	    0x200u
#define AT_SYMLINK_FOLLOW   0x400u
#define AT_NO_AUTOMOUNT	    0x800u
#define AT_EMPTY_PATH	    0x1000u
#define AT_STATX_SYNC_TYPE  0x6000u

#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE	 2u
#define RENAME_WHITEOUT	 4u

/* st_mode */
#define S_IFMT	  0170000u
#define S_IFSOCK  0140000u
#define S_IFLNK	  0120000u
#define S_IFREG	  0100000u
#define S_IFBLK	  0060000u
#define S_IFDIR	  0040000u
#define S_IFCHR	  0020000u
#define S_IFIFO	  0010000u
#define S_ISUID	  04000u
#define S_ISGID	  02000u
#define S_ISVTX	  01000u
#define S_IXGRP	  00010u
#define S_IALLUGO 07777u

#define S_ISREG(m)  (((m)&S_IFMT) == S_IFREG)
#define S_ISDIR(m)  (((m)&S_IFMT) == S_IFDIR)
#define S_ISLNK(m)  (((m)&S_IFMT) == S_IFLNK)
#define S_ISCHR(m)  (((m)&S_IFMT) == S_IFCHR)
#define S_ISBLK(m)  (((m)&S_IFMT) == S_IFBLK)
#define S_ISFIFO(m) (((m)&S_IFMT) == S_IFIFO)
#define S_ISSOCK(m) (((m)&S_IFMT) == S_IFSOCK)

/* d_type of a directory entry: the mode's type bits, shifted down. */
#define DT_UNKNOWN    0u
#define DT_FIFO	      1u
#define DT_CHR	      2u
#define DT_DIR	      4u
#define DT_BLK	      6u
#define DT_REG	      8u
#define DT_LNK	      10u
#define DT_SOCK	      12u
#define MODE_TO_DT(m) (((m)&S_IFMT) >> 12)

#define SEEK_SET  0
#define SEEK_CUR  1
#define SEEK_END  2
#define SEEK_DATA 3
#define SEEK_HOLE 4

/* poll(2) */
#define POLLIN	   0x0001u
#define POLLPRI	   0x0002u
#define POLLOUT	   0x0004u
#define POLLERR	   0x0008u
#define POLLHUP	   0x0010u
#define POLLNVAL   0x0020u
#define POLLRDNORM 0x0040u
#define POLLRDBAND 0x0080u
#define POLLWRNORM 0x0100u
#define POLLWRBAND 0x0200u
#define POLLRDHUP  0x2000u

/* mount(2) */
#define MS_RDONLY      1u
#define MS_NOSUID      2u
#define MS_NODEV       4u
#define MS_NOEXEC      8u
#define MS_SYNCHRONOUS 16u
#define MS_REMOUNT     32u
#define MS_DIRSYNC     128u
#define MS_NOATIME     1024u
#define MS_NODIRATIME  2048u
#define MS_BIND	       4096u
#define MS_MOVE	       8192u
#define MS_REC	       16384u
#define MS_SILENT      32768u
#define MS_UNBINDABLE  (1u << 17)
#define MS_PRIVATE     (1u << 18)
#define MS_SLAVE       (1u << 19)
#define MS_SHARED      (1u << 20)
#define MS_RELATIME    (1u << 21)
#define MS_STRICTATIME (1u << 24)
#define MS_LAZYTIME    (1u << 25)

/* f_type of statfs(2) */
#define RAMFS_MAGIC   0x858458f6u
#define TMPFS_MAGIC   0x01021994u
#define DEVPTS_MAGIC  0x00001cd1u
#define PROC_MAGIC    0x9fa0u
#define SYSFS_MAGIC   0x62656572u
#define PIPEFS_MAGIC  0x50495045u
#define ANON_FS_MAGIC 0x09041934u

struct iovec {
	u64 base; /* a user address, or a kernel one where the iterator says so */
	u64 len;
};

/* struct stat */
struct user_stat {
	u64 dev, ino, nlink;
	u32 mode, uid, gid, pad0;
	u64 rdev;
	s64 size, blksize, blocks;
	struct timespec atime, mtime, ctime;
	s64 unused[3];
};
_Static_assert(sizeof(struct user_stat) == 144, "struct stat is 144 bytes");

/* makedev(3)'s 64-bit encoding, as stat reports it. */
static inline u64 dev_make(u32 major, u32 minor)
{
	return (u64)(minor & 0xff) | (u64)(major & 0xfff) << 8 | (u64)(minor & ~0xffu) << 12 |
	       (u64)(major & ~0xfffu) << 32;
}

static inline u32 dev_major(u64 dev)
{
	return (u32)((dev >> 8) & 0xfff) | (u32)((dev >> 32) & ~0xfffull);
}

static inline u32 dev_minor(u64 dev)
{
	return (u32)(dev & 0xff) | (u32)((dev >> 12) & ~0xffull);
}
