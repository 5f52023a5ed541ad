/*
 * Red-black trees.
 *
 *	red	A red node has no red child; the root is black.
 *	black	Each path from a node down to a missing child passes equally many black nodes.
 *	hook	What update() computed is right for every node whenever a public function returns.
 *
 * Insertion and removal first change the links, then bring the hook's values up to date along
 * the path to the root, and rebalance last. A rotation leaves the set of nodes below its top as
 * it was, so from then on only the two nodes that a rotation turned need the hook again.
 */
#include "kernel/lib/rbtree.h"

static bool is_red(const struct rb_node *n)
{
	return n && n->parent_red & 1;
}

static void set_red(struct rb_node *n)
{
	n->parent_red |= 1;
}

static void set_black(struct rb_node *n)
{
	n->parent_red &= ~1ull;
}

static void set_parent(struct rb_node *n, struct rb_node *parent)
{
	n->parent_red = (u64)parent | (n->parent_red & 1);
}

/* Makes `new` (may be NULL) the child of parent that `old` was; the root where parent is NULL. */
static void change_child(struct rb_tree *t, struct rb_node *parent, struct rb_node *old,
			 struct rb_node *new)
{
	if (!parent)
		t->root = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
}

/* Turns the edge between `top` and its child `up`, which takes top's place. */
static void rotate(struct rb_tree *t, struct rb_node *top, struct rb_node *up)
{
	struct rb_node *parent = rb_parent(top);
	struct rb_node *inner;

	if (top->left == up) {
		inner = up->right;
		top->left = inner;
		up->right = top;
	} else {
		inner = up->left;
		top->right = inner;
		up->left = top;
	}
	if (inner)
		set_parent(inner, top);
	change_child(t, parent, top, up);
	set_parent(up, parent);
	set_parent(top, up);
	if (t->update) {
		t->update(top);
		t->update(up);
	}
}

void rb_update(struct rb_tree *t, struct rb_node *n)
{
	if (!t->update)
		return;
	for (; n; n = rb_parent(n))
		t->update(n);
}

void rb_insert_at(struct rb_tree *t, struct rb_node *node, struct rb_node *parent,
		  struct rb_node **link)
{
	struct rb_node *grand, *uncle;

	node->left = node->right = NULL;
	node->parent_red = (u64)parent | 1;
	*link = node;
	rb_update(t, node);

	while (is_red(parent = rb_parent(node))) {
		/* A red node is not the root, so there is a grandparent. */
		grand = rb_parent(parent);
		uncle = grand->left == parent ? grand->right : grand->left;
		if (is_red(uncle)) {
			set_black(parent);
			set_black(uncle);
			set_red(grand);
			node = grand;
			continue;
		}
		if ((parent->left == node) != (grand->left == parent)) {
			rotate(t, parent, node);
			parent = node;
		}
		set_black(parent);
		set_red(grand);
		rotate(t, grand, parent);
		break;
	}
	set_black(t->root);
}

/* The subtree at `n` (may be NULL), a child of parent, is one black node short: mends that. */
static void erase_fixup(struct rb_tree *t, struct rb_node *n, struct rb_node *parent)
{
	struct rb_node *sibling, *near, *far;
	bool left;

	while (parent && !is_red(n)) {
		left = parent->left == n;
		sibling = left ? parent->right : parent->left;
		if (is_red(sibling)) {
			set_black(sibling);
			set_red(parent);
			rotate(t, parent, sibling);
			sibling = left ? parent->right : parent->left;
		}
		near = left ? sibling->left : sibling->right;
		far = left ? sibling->right : sibling->left;
		if (!is_red(near) && !is_red(far)) {
			set_red(sibling);
			n = parent;
			parent = rb_parent(n);
			continue;
		}
		if (!is_red(far)) {
			set_black(near);
			set_red(sibling);
			rotate(t, sibling, near);
			far = sibling;
			sibling = near;
		}
		if (is_red(parent))
			set_red(sibling);
		else
			set_black(sibling);
		set_black(parent);
		set_black(far);
		rotate(t, parent, sibling);
		return;
	}
	if (n)
		set_black(n);
}

void rb_erase(struct rb_tree *t, struct rb_node *node)
{
	struct rb_node *parent = rb_parent(node);
	struct rb_node *child, *heir;
	bool red;

	if (node->left && node->right) {
		/* The next node has no left child; it leaves its place and takes this one's. */
		for (heir = node->right; heir->left;)
			heir = heir->left;
		red = is_red(heir);
		child = heir->right;
		parent = rb_parent(heir);
		if (parent == node) {
			parent = heir;
		} else {
			parent->left = child;
			if (child)
				set_parent(child, parent);
			heir->right = node->right;
			set_parent(heir->right, heir);
		}
		heir->left = node->left;
		set_parent(heir->left, heir);
		change_child(t, rb_parent(node), node, heir);
		heir->parent_red = node->parent_red;
	} else {
		red = is_red(node);
		child = node->left ? node->left : node->right;
		change_child(t, parent, node, child);
		if (child)
			set_parent(child, parent);
	}
	rb_update(t, parent);
	if (!red)
		erase_fixup(t, child, parent);
}

void rb_replace(struct rb_tree *t, struct rb_node *old, struct rb_node *new)
{
	*new = *old;
	change_child(t, rb_parent(old), old, new);
	if (new->left)
		set_parent(new->left, new);
	if (new->right)
		set_parent(new->right, new);
	rb_update(t, new);
}

struct rb_node *rb_first(const struct rb_tree *t)
{
	struct rb_node *n = t->root;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_tree *t)
{
	struct rb_node *n = t->root;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	struct rb_node *p;

	if (n->right) {
		for (p = n->right; p->left;)
			p = p->left;
		return p;
	}
	for (p = rb_parent(n); p && p->right == n; p = rb_parent(p))
		n = p;
	return p;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	struct rb_node *p;

	if (n->left) {
		for (p = n->left; p->right;)
			p = p->right;
		return p;
	}
	for (p = rb_parent(n); p && p->left == n; p = rb_parent(p))
		n = p;
	return p;
}
