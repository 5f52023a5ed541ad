/*
 * The page cache: a mapping is the contents of one inode, in frames. ramfs and shared anonymous
 * memory live in it and nowhere else, so its pages are never reclaimed.
 */
#pragma once

#include "kernel/lib/radix.h"
#include "mm/mm.h"

/* What the contents of many files take of one file system, and may take. */
struct mapping_store {
	u64 used_pages; /* in the caches of its files. Atomic. */
	u64 max_pages;	/* 0: no limit but memory itself */
	bool promised;	/* what is there counts as promised memory */
};

struct mapping {
	spinlock_t lock; /* LOCK_MAPPING: pages, nr_pages */
	struct radix_tree pages __guarded_by(&lock);
	u64 nr_pages __guarded_by(&lock);
	u64 size;  /* bytes: faults past its last page are SIGBUS. Atomic; changed under the inode's
		      lock. */
	u32 areas; /* areas that map it, in all mms. Atomic. */
	u32 shared_writable; /* of those, shared and writable. Atomic. */
	bool shmem;	     /* pages count as RssShmem rather than RssFile */
	u64 name;	     /* mm_name_word()'s; 0: not asked for yet. Atomic. */
	u32 seals;	     /* SEAL_: what memfd_create(2) lets one promise never to do. Atomic. */
	u64 committed;	     /* pages promised for all of it beforehand; 0: for each as it comes */
	struct mapping_store *store; /* that its pages count towards; NULL: none */
	struct mapping_watch *watch; /* NULL: nobody wants to know; set before it is first mapped */
};

/*
 * Who wants to know how many areas map the contents: areas() is called for each area that comes (`more`)
 * or goes, once for each address space that has it, however its areas are shared. Under that
 * mm's lock, with no spinlock held. gone(): the contents are destroyed, no area is left to come or go.
 */
struct mapping_watch {
	void (*areas)(struct mapping_watch *w, bool more);
	void (*gone)(struct mapping_watch *w);
};

#define SEAL_SEAL	  0x01u /* no more seals */
#define SEAL_SHRINK	  0x02u
#define SEAL_GROW	  0x04u
#define SEAL_WRITE	  0x08u /* nobody writes, nor maps it shared where it might be written */
#define SEAL_FUTURE_WRITE 0x10u /* as SEAL_WRITE, but what is mapped already stays */

void mapping_init(struct mapping *m, bool shmem);
/* Drops every page, and tells the watch. No area maps it any more. */
void mapping_destroy(struct mapping *m);

/* The page at index with a reference for the caller, or NULL: a hole. */
struct page *mapping_find(struct mapping *m, u64 index) __must_check;
/* As mapping_find(), but a hole is filled with zeros. NULL: no memory; ERR_PTR(-ENOSPC): the store is full. */
struct page *mapping_get(struct mapping *m, u64 index) __must_check;

/*
 * Cuts the contents to `size` bytes: pages past it leave the cache and every address space that
 * maps them, the rest of the last page is cleared. Caller holds the inode's lock, no mm's. 0, or
 * -ENOMEM with the contents as they were.
 */
int __must_check mapping_truncate(struct mapping *m, u64 size);

/*
 * Makes [start, end) of the contents a hole that reads as zeros, in every address space that maps it; the
 * private copies that programs have made stay. The size is as it was. Locks as for mapping_truncate(). 0, or
 * -ENOMEM with the contents as they were.
 */
int __must_check mapping_punch(struct mapping *m, u64 start, u64 end);
/* Drops the pages from index `first` on that lie past the size: what fallocate(2) failed to finish. */
void mapping_drop_tail(struct mapping *m, u64 first);

/* Machine-wide, for /proc/meminfo: pages in caches, and of them shmem. */
u64 mapping_total_pages(void);
u64 mapping_total_shmem(void);

/* What mm asks of kernel/fs about a file (the host tests have their own). */
struct mapping *file_mapping(struct file *f); /* NULL: cannot be mapped (-ENODEV) */
bool file_is_zeros(struct file *f);	      /* /dev/zero, which is mapped as anonymous memory */
struct file *file_get(struct file *f);
/* Also called with an mm's lock held: for a file that can be mapped it takes no sleeping lock. */
void file_put(struct file *f);
bool file_can_read(struct file *f);  /* opened for reading */
bool file_can_write(struct file *f); /* opened for writing */
/*
 * A new unlinked file of `size` bytes of zeros, behind MAP_SHARED|MAP_ANONYMOUS. `reserve`: memory for
 * all of it is promised (mm/commit.h). ERR_PTR on failure.
 */
struct file *shmem_file(const char *name, u64 size, bool reserve);
