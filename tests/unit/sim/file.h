/* Files of the simulated machine: what mm/pagecache.h asks of kernel/fs. */
#pragma once

#include "mm/pagecache.h"

struct file {
	u32 refs;
	bool can_read, can_write;
	struct mapping map;
};

/* A file of `size` bytes of zeros with one reference. */
struct file *sim_file(u64 size, bool can_read, bool can_write);
/* As write(2): n bytes, which lie within one page, into the page cache. False: no memory. */
bool sim_file_write(struct file *f, u64 offset, const void *buf, size_t n);
/* Pages that may be locked; ~0: all. */
extern u64 sim_lock_limit;
extern u64 sim_limit[]; /* bytes, by enum mm_limit */
/* Files that are not freed yet. */
extern u32 sim_files;
