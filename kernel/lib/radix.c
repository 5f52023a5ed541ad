/*
 * Radix trees.
 *
 *	present		Bit i of a node's `present` says that slot i is in use; a node with none is
 *			freed at once.
 *	low root	The root node has an entry besides slot 0, else it would be a level too high.
 */
#include "kernel/lib/radix.h"

#define RADIX_SHIFT 6
#define RADIX_SLOTS (1u << RADIX_SHIFT)
#define RADIX_MAX   DIV_ROUND_UP(64, RADIX_SHIFT)

struct radix_node {
	u64 present;
	void *slot[RADIX_SLOTS];
};
_Static_assert(sizeof(struct radix_node) == RADIX_NODE_SIZE, "RADIX_NODE_SIZE is a node's size");

/* Which slot of a node `level` levels above the entries (1: its slots are entries) index lies in.
 */
static unsigned slot_of(u64 index, unsigned level)
{
	return (index >> (RADIX_SHIFT * (level - 1))) & (RADIX_SLOTS - 1);
}

static bool fits(u64 index, unsigned height)
{
	return height >= RADIX_MAX || index >> (RADIX_SHIFT * height) == 0;
}

static void node_put(struct radix_node *n, unsigned slot, void *what)
{
	n->slot[slot] = what;
	n->present |= BIT(slot);
}

/* Takes away roots that have slot 0 alone. */
static void shrink(struct radix_tree *t)
{
	struct radix_node *n;

	while (t->height) {
		n = t->root;
		if (n && n->present != 1)
			return;
		t->root = n ? n->slot[0] : NULL;
		t->height = n ? t->height - 1 : 0;
		if (n)
			radix_node_free(n);
	}
}

void *radix_get(const struct radix_tree *t, u64 index)
{
	unsigned level = t->height;
	void *p = t->root;

	if (!fits(index, level))
		return NULL;
	for (; p && level; level--)
		p = ((struct radix_node *)p)->slot[slot_of(index, level)];
	return p;
}

/* Raises the root until index has a place. */
static int grow(struct radix_tree *t, u64 index)
{
	while (!fits(index, t->height)) {
		if (t->root) {
			struct radix_node *n = radix_node_alloc();

			if (!n)
				return -ENOMEM;
			node_put(n, 0, t->root);
			t->root = n;
		}
		t->height++;
	}
	return 0;
}

/* A chain of `levels` nodes down to the entry at index; the entry itself where that is 0. NULL: no
 * memory. */
static void *make_chain(u64 index, unsigned levels, void *entry)
{
	struct radix_node *n;
	void *below = entry;
	unsigned level;

	for (level = 1; level <= levels; level++) {
		n = radix_node_alloc();
		if (!n)
			break;
		node_put(n, slot_of(index, level), below);
		below = n;
	}
	if (level > levels)
		return below;
	while (--level) {
		n = below;
		below = n->slot[slot_of(index, level)];
		radix_node_free(n);
	}
	return NULL;
}

int radix_set(struct radix_tree *t, u64 index, void *entry)
{
	struct radix_node *parent = NULL;
	unsigned level;
	void *p, *chain;

	if (grow(t, index))
		goto fail;
	p = t->root;
	for (level = t->height; p && level; level--) {
		parent = p;
		p = parent->slot[slot_of(index, level)];
	}
	chain = make_chain(index, level, entry);
	if (!chain)
		goto fail;
	if (parent)
		node_put(parent, slot_of(index, level + 1), chain);
	else
		t->root = chain;
	return 0;
fail:
	shrink(t);
	return -ENOMEM;
}

void *radix_remove(struct radix_tree *t, u64 index)
{
	struct radix_node *path[RADIX_MAX + 1];
	unsigned level = t->height;
	void *p = t->root;

	if (!fits(index, level))
		return NULL;
	for (; p && level; level--) {
		path[level] = p;
		p = path[level]->slot[slot_of(index, level)];
	}
	if (!p)
		return NULL;
	for (level = 1; level <= t->height; level++) {
		struct radix_node *n = path[level];
		unsigned s = slot_of(index, level);

		n->slot[s] = NULL;
		n->present &= ~BIT(s);
		if (n->present)
			break;
		radix_node_free(n);
	}
	if (level > t->height)
		radix_init(t);
	shrink(t);
	return p;
}

/* The first entry at >= *index below node, which is `level` levels above the entries. */
static void *next_below(const struct radix_node *n, unsigned level, u64 *index)
{
	unsigned shift = RADIX_SHIFT * (level - 1);
	unsigned s = slot_of(*index, level);
	u64 left;
	void *p;

	for (left = n->present & (~0ull << s); left; left &= left - 1) {
		unsigned found = (unsigned)__builtin_ctzll(left);

		if (found != s) {
			/* A later slot: the search goes on from its first index. */
			u64 above = shift + RADIX_SHIFT >= 64 ? 0 : ~0ull << (shift + RADIX_SHIFT);

			*index = (*index & above) | (u64)found << shift;
		}
		p = level == 1 ? n->slot[found] : next_below(n->slot[found], level - 1, index);
		if (p)
			return p;
	}
	return NULL;
}

void *radix_next(const struct radix_tree *t, u64 *index)
{
	if (!t->root || !fits(*index, t->height))
		return NULL;
	if (!t->height)
		return t->root;
	return next_below(t->root, t->height, index);
}
