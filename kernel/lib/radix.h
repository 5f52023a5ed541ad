/*
 * Radix trees: a sparse array of pointers, indexed by any u64. Each node has 64 slots; the tree is
 * no higher than its largest index needs, and one entry at index 0 needs no node at all. The
 * caller locks.
 */
#pragma once

#include "kernel/errno.h"
#include "kernel/lib/compiler.h"

struct radix_tree {
	void *root;	 /* a node, or where height is 0 the entry at index 0 */
	unsigned height; /* indexes below 64^height have a place */
};

static inline void radix_init(struct radix_tree *t)
{
	t->root = NULL;
	t->height = 0;
}

static inline bool radix_empty(const struct radix_tree *t)
{
	return !t->root;
}

/* The entry at index, or NULL. */
void *radix_get(const struct radix_tree *t, u64 index);
/* Stores an entry, not NULL, over whatever was there. 0, or -ENOMEM: then nothing has changed. */
int __must_check radix_set(struct radix_tree *t, u64 index, void *entry);
/* Takes the entry at index out and returns it; NULL: there was none. Never fails. */
void *radix_remove(struct radix_tree *t, u64 index);
/* The first entry at an index >= *index, which then says where; NULL: none. */
void *radix_next(const struct radix_tree *t, u64 *index);

/* Where nodes come from: mm/slab.c's, so that this room leans on nothing. All zeros; NULL: no
 * memory. */
#define RADIX_NODE_SIZE 520
void *radix_node_alloc(void) __must_check;
void radix_node_free(void *node);
