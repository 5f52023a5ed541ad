/* Arrays of open descriptors: the inside of tables of them. */
#pragma once

#include "kernel/lib/types.h"

struct file;

#define INLINE_FDS 64

struct fd_array {
	u32 refs; /* tables. Atomic. */
	u32 size; /* slots; a multiple of 64 */
	u32 next; /* no free slot below */
	struct file **files;
	u64 *open, *cloexec;
	u64 inline_bits[2];
	struct file *inline_files[INLINE_FDS];
};

void fd_array_init(void);
/* An empty array of `size` slots, with one reference. NULL: no memory. */
struct fd_array *fd_array_alloc(u32 size);
/* One table fewer has it; the last one drops the files. No spinlock is held. */
void fd_array_put(struct fd_array *a);
/* Calls fn for each open descriptor. Nobody changes the array meanwhile. */
void fd_array_for_each(const struct fd_array *a, void (*fn)(struct file *f));
/* The descriptors in use, rounded up to a word. */
u32 fd_array_used(const struct fd_array *a);
/* Fills `to`, which is empty and has the room, with what `from` has; each file gets a reference more. */
void fd_array_copy(struct fd_array *to, const struct fd_array *from);
/* Memory for fd_array_enlarge() to this many slots, to be given back by kfree() where it is not used. */
void *fd_array_room(u32 size);
/* Moves the array, which is one table's alone, into that memory. */
void fd_array_enlarge(struct fd_array *a, void *room, u32 size);
/* Puts f, whose reference it takes over, into a slot. */
void fd_array_set(struct fd_array *a, u32 fd, struct file *f, bool cloexec);
