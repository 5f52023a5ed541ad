/* struct rusage of the Linux ABI; see getrusage(2). */
#pragma once

#include "kernel/task.h"

struct rusage {
	struct timeval utime, stime;
	s64 maxrss; /* KiB */
	s64 ixrss, idrss, isrss;
	s64 minflt, majflt;
	s64 nswap, inblock, oublock, msgsnd, msgrcv, nsignals;
	s64 nvcsw, nivcsw;
};
_Static_assert(sizeof(struct rusage) == 144, "struct rusage is 144 bytes");

void rusage_fill(struct rusage *r, const struct rusage_counts *u);
void rusage_add(struct rusage_counts *sum, const struct rusage_counts *u);
