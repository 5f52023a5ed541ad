/*
 * Red-black trees whose nodes live inside the things ordered. The caller descends and compares by
 * itself, so there is no comparison function; an optional hook keeps what a node says of its whole
 * subtree (an augmented tree).
 *
 *	struct rb_node **link = &tree->root, *parent = NULL;
 *	while (*link) {
 *		parent = *link;
 *		link = less(new, parent) ? &parent->left : &parent->right;
 *	}
 *	rb_insert_at(tree, &new->node, parent, link);
 */
#pragma once

#include "kernel/lib/compiler.h"

struct rb_node {
	u64 parent_red; /* the parent's address; bit 0: this node is red */
	struct rb_node *left, *right;
};

struct rb_tree {
	struct rb_node *root;
	/*
	 * NULL, or recomputes what the node says of its subtree, from its children and itself.
	 * Called with the links consistent, children before parents. The result may depend only
	 * on which nodes are in the subtree and on the order of all nodes (so rb_prev() may be
	 * asked), never on the subtree's shape.
	 */
	void (*update)(struct rb_node *n);
};

static inline void rb_init(struct rb_tree *t, void (*update)(struct rb_node *n))
{
	t->root = NULL;
	t->update = update;
}

static inline bool rb_empty(const struct rb_tree *t)
{
	return !t->root;
}

static inline struct rb_node *rb_parent(const struct rb_node *n)
{
	return (struct rb_node *)(n->parent_red & ~1ull);
}

#define rb_entry(ptr, type, member) container_of(ptr, type, member)

/* Hangs node where the descent ended: *link is the child pointer of parent (or the root) that was
 * NULL. */
void rb_insert_at(struct rb_tree *t, struct rb_node *node, struct rb_node *parent,
		  struct rb_node **link);
/* Takes node, which is in the tree, out of it. */
void rb_erase(struct rb_tree *t, struct rb_node *node);
/* Puts `new` where `old` is; `old` leaves the tree. Their order among the others must be the same.
 */
void rb_replace(struct rb_tree *t, struct rb_node *old, struct rb_node *new);
/* Calls the hook from n up to the root: after something the hook reads of n has changed. */
void rb_update(struct rb_tree *t, struct rb_node *n);

/* In order; NULL where there is none. */
struct rb_node *rb_first(const struct rb_tree *t);
struct rb_node *rb_last(const struct rb_tree *t);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);
