/*
 * The tree of dentries.
 *
 *	found	A dentry is in parent->children from dentry_attach_locked() until
 *		dentry_detach_locked(), which sets DENTRY_UNLINKED. Lookups take their reference
 *		under dentry_lock, and only there may the count reach 0: so what is found is alive.
 *	pinned	A stored file system's dentry has one reference more, dropped by unlinking it.
 *	order	child_list is ordered by cookie, which only grows: readdir goes on after the cookie
 *		it saw last, whatever came and went meanwhile.
 */
#include "kernel/fs/fs_internal.h"

#include "kernel/fs/fsnotify.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "mm/alloc.h"

spinlock_t dentry_lock = SPINLOCK_INIT(LOCK_DENTRY);

static struct slab_cache *dentry_cache;

void dentry_init(void)
{
	dentry_cache = slab_create("dentry", sizeof(struct dentry), 16);
	if (!dentry_cache)
		panic("no memory for the dentry cache");
}

u32 name_hash(const char *name, size_t len)
{
	u32 h = 0;

	for (size_t n = 0; n < len; n++)
		h = h * 31 + (u8)name[n];
	return h;
}

int dentry_set_name(struct dentry *d, const char *name, size_t len)
{
	d->name = d->inline_name;
	if (len >= DENTRY_INLINE_NAME) {
		d->name = kmalloc(len + 1);
		if (!d->name)
			return -ENOMEM;
	}
	memcpy(d->name, name, len);
	d->name[len] = 0;
	d->len = (u32)len;
	d->hash = name_hash(name, len);
	return 0;
}

struct dentry *dentry_alloc(struct super_block *sb, const char *name, size_t len, struct inode *i)
{
	struct dentry *d = slab_alloc(dentry_cache);

	if (!d || dentry_set_name(d, name, len)) {
		if (d)
			slab_free(dentry_cache, d);
		inode_put(i);
		return NULL;
	}
	d->refs = 1;
	d->flags = 0;
	d->parent = NULL;
	d->inode = i;
	d->sb = sb;
	rb_init(&d->children, NULL);
	list_init(&d->child_list);
	list_init(&d->sibling);
	d->next_cookie = 2;
	return d;
}

void dentry_free(struct dentry *d)
{
	fsnotify_name_freed(d->inode);
	inode_put(d->inode);
	if (d->name != d->inline_name)
		kfree(d->name);
	slab_free(dentry_cache, d);
}

void dentry_get(struct dentry *d)
{
	atomic_inc(&d->refs);
}

/* True where the count was above 1 and is now one less. */
static bool put_unless_last(struct dentry *d)
{
	u32 refs = atomic_load(&d->refs);

	while (refs > 1)
		if (atomic_cas(&d->refs, &refs, refs - 1))
			return true;
	return false;
}

void dentry_put(struct dentry *d)
{
	while (d) {
		struct dentry *parent;

		if (put_unless_last(d))
			return;
		spin_lock(&dentry_lock);
		if (atomic_dec(&d->refs)) {
			spin_unlock(&dentry_lock);
			return;
		}
		parent = d->parent == d ? NULL : d->parent;
		if (parent && !(d->flags & DENTRY_UNLINKED))
			dentry_detach_locked(d);
		spin_unlock(&dentry_lock);
		dentry_free(d);
		d = parent;
	}
}

static int name_compare(const struct dentry *d, const char *name, size_t len, u32 hash)
{
	if (hash != d->hash)
		return hash < d->hash ? -1 : 1;
	if (len != d->len)
		return len < d->len ? -1 : 1;
	return memcmp(name, d->name, len);
}

struct dentry *dentry_find_locked(struct dentry *parent, const char *name, size_t len, u32 hash)
{
	struct rb_node *n = parent->children.root;

	while (n) {
		struct dentry *d = rb_entry(n, struct dentry, node);
		int c = name_compare(d, name, len, hash);

		if (c == 0)
			return d;
		n = c < 0 ? n->left : n->right;
	}
	return NULL;
}

void dentry_attach_locked(struct dentry *parent, struct dentry *d)
{
	struct rb_node **link = &parent->children.root, *above = NULL;

	while (*link) {
		struct dentry *other = rb_entry(*link, struct dentry, node);

		above = *link;
		link = name_compare(other, d->name, d->len, d->hash) < 0 ? &above->left
									 : &above->right;
	}
	rb_insert_at(&parent->children, &d->node, above, link);
	d->cookie = parent->next_cookie++;
	list_add_tail(&parent->child_list, &d->sibling);
	d->parent = parent;
	d->flags &= ~DENTRY_UNLINKED;
	fsnotify_attached_locked(d);
	dentry_get(parent);
}

void dentry_detach_locked(struct dentry *d)
{
	rb_erase(&d->parent->children, &d->node);
	list_del(&d->sibling);
	d->flags |= DENTRY_UNLINKED;
}

struct dentry *dentry_make_root(struct super_block *sb, struct inode *i)
{
	struct dentry *d = dentry_alloc(sb, "/", 1, i);

	if (d)
		d->parent = d;
	return d;
}

struct dentry *dentry_add(struct dentry *parent, const char *name, size_t len, struct inode *i,
			  bool pin)
{
	struct dentry *d = dentry_alloc(parent->sb, name, len, i);
	int err = 0;

	if (!d)
		return ERR_PTR(-ENOMEM);
	spin_lock(&dentry_lock);
	if (parent->flags & DENTRY_UNLINKED)
		err = -ENOENT;
	else if (dentry_find_locked(parent, name, len, d->hash))
		err = -EEXIST;
	if (!err) {
		if (pin) {
			d->flags |= DENTRY_PINNED;
			d->refs++;
			if (S_ISDIR(i->mode))
				parent->inode->nlink++;
		}
		dentry_attach_locked(parent, d);
		if (pin)
			fsnotify_created_locked(d);
	}
	spin_unlock(&dentry_lock);
	fsnotify_reap();
	if (err) {
		dentry_free(d);
		return ERR_PTR(err);
	}
	return d;
}

void dentry_remove(struct dentry *d)
{
	spin_lock(&dentry_lock);
	dentry_detach_locked(d);
	d->flags &= ~DENTRY_PINNED;
	spin_unlock(&dentry_lock);
	dentry_put(d);
}

/* A dentry found alive that no longer stands for its name leaves its parent; the caller's reference
 * goes. */
static void dentry_invalidate(struct dentry *d)
{
	spin_lock(&dentry_lock);
	if (!(d->flags & DENTRY_UNLINKED))
		dentry_detach_locked(d);
	spin_unlock(&dentry_lock);
	dentry_put(d);
}

struct dentry *dentry_lookup(struct dentry *parent, const char *name, size_t len)
{
	const struct inode_ops *ops = parent->inode->ops;
	u32 hash = name_hash(name, len);
	struct inode *i;
	struct dentry *d;

	if (len > NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	for (;;) {
		spin_lock(&dentry_lock);
		d = dentry_find_locked(parent, name, len, hash);
		if (d)
			dentry_get(d);
		spin_unlock(&dentry_lock);
		if (d && (!ops->revalidate || ops->revalidate(d)))
			return d;
		if (d)
			dentry_invalidate(d);
		if (!ops->lookup)
			return ERR_PTR(-ENOENT);
		i = ops->lookup(parent->inode, name, len);
		if (IS_ERR(i))
			return ERR_PTR(PTR_ERR(i));
		d = dentry_add(parent, name, len, i, false);
		/* Somebody else was quicker: use theirs. */
		if (!IS_ERR(d) || PTR_ERR(d) != -EEXIST)
			return d;
	}
}

void dentry_drop_tree(struct dentry *root)
{
	struct dentry *d = root;

	/* Nobody else reaches the tree, and removal goes from the leaves up. */
	while (!list_empty(&d->child_list) || d != root) {
		struct dentry *parent;

		if (!list_empty(&d->child_list)) {
			d = list_first(&d->child_list, struct dentry, sibling);
			continue;
		}
		parent = d->parent;
		dentry_remove(d);
		d = parent;
	}
	dentry_put(root);
}
