/* Inside of System V semaphores. See kernel/ipc/sem.c. */
#pragma once

#include "kernel/ipc/ipc.h"
#include "kernel/task.h"
#include "kernel/wait.h"

#define SEM_UNDO 0x1000

#define SEM_VALUE_MAX  32767
#define SEM_ADJUST_MAX 32767

#define WOULD_WAIT 1 /* what is no errno: the operation must wait */

/* One step of an operation; the ABI's. */
struct sembuf {
	u16 num;
	s16 op;
	s16 flags;
};

struct sem {
	s32 value;
	s32 pid; /* of whoever changed it last */
};

#define SEM_GUARDED __guarded_by_global(&ipc_sem.lock)

struct sem_array {
	struct ipc_object ipc;
	s64 otime SEM_GUARDED;
	struct list_head waiting SEM_GUARDED; /* struct sem_wait, the oldest first */
	struct list_head undos SEM_GUARDED;   /* struct sem_undo */
	u32 count;
	struct sem sems[] SEM_GUARDED;
};

/* What is added to the values of one set when the process ends. */
struct sem_undo {
	struct list_head process_link SEM_GUARDED, set_link SEM_GUARDED;
	struct sem_array *sems;
	u32 count;
	s16 adjust[] SEM_GUARDED;
};

/* An operation, on the stack of the call that makes it. */
struct sem_wait {
	struct list_head link SEM_GUARDED;
	struct sembuf *ops;
	u32 count;
	u32 blocking SEM_GUARDED; /* the step that must wait */
	u32 count_sems;		  /* of the set, while an undo is made for it */
	bool alters;
	s32 pid;
	struct sem_undo *undo SEM_GUARDED;
	struct waitq queue;
	bool done; /* atomic; result is set before */
	int result SEM_GUARDED;
};

extern u64 sem_total SEM_GUARDED; /* semaphores of all sets */

struct sem_array *to_sems(struct ipc_object *o);
/* Values have changed: does what waiting operations can do now. */
void sem_values_changed(struct sem_array *a) __must_hold(&ipc_sem.lock);
/* Takes a set out; those who wait have -EIDRM. The caller frees it. */
void sem_array_end(struct sem_array *a) __must_hold(&ipc_sem.lock);
