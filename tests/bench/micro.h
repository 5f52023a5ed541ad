/* The halves of the benchmark of single paths. */
#pragma once

#include "common.h"

/* forks.c: the name of each figure ends in `name`. */
void forks(const char *name, int rounds, size_t mib, int children);
void ballast(void); /* what the program does as `micro --ballast` */
void fork_storms(size_t mib);
void fork_areas(void);
void fork_descriptors(void);
