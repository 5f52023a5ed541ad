/*
 * A sleeping lock, shared or exclusive. A waiting writer holds back new readers. The struct has
 * room for the host tests' implementation, which stands on pthreads.
 */
#pragma once

#include "kernel/wait.h"

struct rwsem {
	s64 count; /* readers inside, or -1 for a writer; guarded by q.lock */
	u32 writers_waiting;
	enum lock_rank rank;
	struct waitq q;
#ifdef CALF_HOST
	void *host;
#endif
};

void rwsem_init(struct rwsem *s, enum lock_rank rank);
void rwsem_read_lock(struct rwsem *s);
void rwsem_read_unlock(struct rwsem *s);
void rwsem_write_lock(struct rwsem *s);
void rwsem_write_unlock(struct rwsem *s);
/* Turns an exclusive hold into a shared one, with no moment between. */
void rwsem_downgrade(struct rwsem *s);
/* -EINTR where the task is killed while it waits. */
int __must_check rwsem_write_lock_killable(struct rwsem *s);
bool rwsem_is_write_locked(const struct rwsem *s);
bool rwsem_is_locked(const struct rwsem *s);
