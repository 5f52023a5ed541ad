/*
 * Inside of the synthetic file systems, /proc and /sys: tables of entries, and the inodes made of
 * them.
 *
 *	entry	one name in a table: what it is and who writes its text. Never changes.
 *	node	what one inode stands for: an entry, and under /proc/<pid> which process, task and
 *		descriptor. Holds a reference to the process, whose pid may meanwhile be another's:
 *		so a node asks the process, never its number.
 *	open	one open file of a node.
 *
 * An inode is made on lookup and goes with its last user. What a node's process has left behind
 * after it was waited for is nothing: every operation answers -ESRCH then, or -ENOENT for a name.
 */
#pragma once

#include "kernel/fs/seq.h"
#include "kernel/fs/vfs.h"
#include "kernel/task.h"

struct proc_open;

struct proc_entry {
	const char *name; /* NULL ends a table */
	u32 mode;
	u32 flags; /* PROC_ */

	/* A file of text: writes a step of it; arg is the struct proc_open. */
	seq_show_fn show;
	/* Takes a whole write: NUL-terminated, at most a page. Bytes used, or a negative errno. */
	ssize_t (*write)(struct proc_open *o, char *text, size_t len);

	const struct proc_entry *children; /* a directory that is a table */
	const struct file_ops *fops;	   /* what is neither: its own operations */
	const struct inode_ops *iops;
	const void *data; /* for show and write */
};

#define PROC_MM	   BIT(0) /* open asks for the right to look into the process, and holds its mm */
#define PROC_FIXED BIT(1) /* a size of 4096, as sysfs shows it */

struct proc_node {
	const struct proc_entry *entry;
	struct process *proc; /* referenced; NULL outside /proc/<pid> */
	s32 tid;	      /* 0: the process as a whole, which its leader stands for */
	s32 fd;		      /* under fd/ and fdinfo/; the CPU, under cpu<N> */
};

struct proc_open {
	const struct proc_node *node; /* the open file's inode keeps it */
	struct mm *mm;		      /* referenced; NULL without PROC_MM, or where there is none */
	struct seq_reader reader;
};

static inline struct proc_node *proc_node(const struct inode *i)
{
	return i->private;
}

/* ---- proc_fs.c: the file system ---- */

/* An inode for an entry; ERR_PTR(-ENOMEM). proc may be NULL. */
struct inode *proc_inode(struct super_block *sb, const struct proc_entry *e, struct process *proc,
			 s32 tid, s32 fd);
/* The number of that inode, the same at each lookup. */
u64 proc_entry_ino(const struct proc_entry *e, const struct process *p, s32 tid, s32 fd);
/* As inode_ops->lookup in a table; -ENOENT. */
struct inode *proc_lookup_table(struct inode *dir, const struct proc_entry *table, const char *name,
				size_t len);
/* Shows the dots and then the entries of a table, at positions from 2. True when all are shown. */
bool proc_emit_table(struct file *f, struct dir_context *ctx, const struct proc_entry *table);
/* Shows one entry and moves on to position `next`; false: the buffer is full. */
bool proc_emit(struct dir_context *ctx, const char *name, u64 ino, u32 mode, loff_t next);
int proc_fill(struct super_block *sb, const struct proc_entry *root, u32 magic);
extern const struct file_ops proc_file_ops, proc_table_ops;
extern const struct inode_ops proc_table_iops, proc_file_iops;
/* The plain operations, for entries that bring some of their own. */
bool proc_revalidate(struct dentry *d);
int proc_permission(struct inode *i, u32 mask);
int proc_setattr(struct inode *i, const struct iattr *attr);
void proc_getattr(struct inode *i, struct kstat *st);
int proc_file_open(struct inode *i, struct file *f);
void proc_file_release(struct file *f);
/* Puts p back and writes how it reads, without a NUL and cut off at size: for inode_ops->readlink.
 */
ssize_t proc_readlink_path(struct path *p, char *buf, size_t size);

/* A set of CPUs: as hexadecimal digits, and as a list of ranges. */
void proc_show_mask(struct seq *s, u64 mask);
void proc_show_mask_list(struct seq *s, u64 mask);
/* The CPUs that run tasks. */
u64 proc_cpus(void);
/* A constant text: entry->data. */
int proc_show_text(struct seq *s, void *arg);

/* Boot, after fs_init(): registers "proc" and "sysfs". */
void proc_init(void);

/* ---- proc_task.c: looking at processes ---- */

/* What is shown of a task, as it stood at one moment. */
struct proc_view {
	s32 pid, tid, ppid, pgid, sid;
	s32 tpgid;  /* -1: no terminal */
	u32 tty_nr; /* 0: no terminal */
	char state; /* R, S, D, T, Z */
	bool did_exec, kernel_thread;
	char comm[TASK_COMM_LEN];
	struct cred cred;
	s32 nice;
	u8 sched_policy, rt_priority;
	u32 cpu, nr_threads;
	struct rusage_counts usage; /* of all the process's tasks, ended ones included; or of one */
	struct rusage_counts child_usage;
	struct rlimit rlimits[NR_RLIMITS];
	struct signal_view signals;
	u64 start_ns, cpu_mask;
	u32 personality;
	int exit_signal, exit_code;
};

/* 0, or -ESRCH where the process was waited for already, or the thread has ended. */
int proc_view(const struct proc_node *n, struct proc_view *v);
/* The task's address space, descriptor table, fs context; referenced. NULL: it has none. */
struct mm *proc_mm(const struct proc_node *n);
struct fd_table *proc_files(const struct proc_node *n);
struct fs_context *proc_fs_context(const struct proc_node *n);
/* 0 where the current task may look into the process (ptrace(2)'s rule), -EACCES, -ESRCH. */
int proc_may_look(const struct proc_node *n);
/* The same, and where it is 0 what proc_mm() gives: the two belong together though the task may exec. */
int proc_mm_to_look(const struct proc_node *n, struct mm **mm);
bool proc_gone(const struct proc_node *n);
/* The task that a node stands for, or NULL where it has ended. Under tasks_lock or the process's
 * sighand_lock. */
struct task *proc_task(const struct proc_node *n);
/* True below /proc/<pid>/task/<tid>, where one task's times are shown. */
bool proc_is_task(const struct proc_node *n);
/* The process whose folder /proc/<pid> the file is; NULL: another file. The file keeps it. */
struct process *proc_folder_process(const struct file *f);
/* Owner of the process's files here. */
void proc_owner(const struct proc_node *n, u32 *uid, u32 *gid);

/* Nanoseconds in ticks of 1/100 s, the unit of times in /proc. */
static inline u64 proc_ticks(u64 ns)
{
	return ns / 10000000;
}

/* ---- tables and generators ---- */

extern const struct proc_entry proc_system_entries[]; /* proc_system.c: /proc/<name> */
extern const struct proc_entry proc_sys_entries[];    /* proc_sysctl.c: /proc/sys */
extern const struct proc_entry proc_pid_entry;	      /* proc_pid.c: /proc/<pid> */
extern const struct proc_entry sysfs_root_entries[];  /* sysfs.c */
extern const struct inode_ops proc_self_iops, proc_thread_self_iops;
extern const struct inode_ops proc_fd_iops, proc_fdinfo_iops;
extern const struct file_ops proc_fd_ops, proc_mem_ops, proc_pagemap_ops;
extern const struct file_ops proc_kpagecount_ops, proc_kpageflags_ops;

int proc_show_stat(struct seq *s, void *arg);
int proc_show_statm(struct seq *s, void *arg);
int proc_show_status(struct seq *s, void *arg);
int proc_show_maps(struct seq *s, void *arg);
int proc_show_smaps(struct seq *s, void *arg);
int proc_show_smaps_rollup(struct seq *s, void *arg);
int proc_show_pagetables(struct seq *s, void *arg);
int proc_show_mounts(struct seq *s, void *arg);
int proc_show_mountinfo(struct seq *s, void *arg);
int proc_show_filesystems(struct seq *s, void *arg);
int proc_show_meminfo(struct seq *s, void *arg);
int proc_show_vmstat(struct seq *s, void *arg);
int proc_show_buddyinfo(struct seq *s, void *arg);
int proc_show_slabinfo(struct seq *s, void *arg);
