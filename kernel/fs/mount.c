/*
 * Mounts and super blocks: file system types, the tree of mounts, and crossing from one to another.
 *
 * An attached mount has one reference for its place in `mounts`, one for each path through it, and
 * one for each mount attached below it. It can be unmounted while only the first is left.
 */
#include "kernel/fs/fs_internal.h"

#include "kernel/fs/fsnotify.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "kernel/task.h"
#include "mm/alloc.h"

struct list_head mounts = LIST_INIT(mounts);

static struct list_head fs_types = LIST_INIT(fs_types); /* changed at boot only */
static u32 next_dev = 1, next_mount_id = 20;		/* atomic */

void fs_register(struct fs_type *type)
{
	list_add_tail(&fs_types, &type->link);
}

void fs_types_for_each(void (*fn)(const char *name, void *arg), void *arg)
{
	struct fs_type *t;

	list_for_each (t, &fs_types, link)
		fn(t->name, arg);
}

static struct fs_type *fs_type_find(const char *name)
{
	struct fs_type *t;

	list_for_each (t, &fs_types, link)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

static struct super_block *super_new(struct fs_type *type)
{
	struct super_block *sb = kzalloc(sizeof(*sb));

	if (!sb)
		return NULL;
	sb->refs = 1;
	sb->type = type;
	sb->dev = dev_make(0, atomic_inc(&next_dev));
	return sb;
}

static void super_put(struct super_block *sb)
{
	if (atomic_dec(&sb->refs))
		return;
	if (sb->root)
		dentry_drop_tree(sb->root);
	fsnotify_unmount(sb);
	if (sb->ops && sb->ops->release)
		sb->ops->release(sb);
	kfree(sb);
}

/* The super block that a new mount of this type shows, referenced. */
static struct super_block *super_get(struct fs_type *type, const char *options)
{
	struct super_block *sb, *first;
	int err;

	if (type->single) {
		atomic_inc(&type->single->refs);
		return type->single;
	}
	sb = super_new(type);
	if (!sb)
		return ERR_PTR(-ENOMEM);
	err = type->fill(sb, options);
	if (err) {
		kfree(sb);
		return ERR_PTR(err);
	}
	if (!(type->flags & FS_SINGLE))
		return sb;
	spin_lock(&dentry_lock);
	first = type->single;
	if (!first)
		type->single = sb;
	atomic_inc(&type->single->refs);
	spin_unlock(&dentry_lock);
	if (first)
		super_put(sb);
	return type->single;
}

static struct mount *mount_alloc(struct super_block *sb, struct dentry *root, const char *source,
				 u32 flags)
{
	struct mount *m = kzalloc(sizeof(*m));
	size_t len = strlen(source) + 1;

	if (!m)
		return NULL;
	m->source = kmalloc(len);
	if (!m->source) {
		kfree(m);
		return NULL;
	}
	memcpy(m->source, source, len);
	m->refs = 1;
	m->flags = flags;
	m->id = (s32)atomic_inc(&next_mount_id);
	m->sb = sb;
	m->root = root;
	dentry_get(root);
	list_init(&m->link);
	return m;
}

struct mount *mount_new(const char *type_name, const char *source, u32 flags, const char *options)
{
	struct fs_type *type = fs_type_find(type_name);
	struct super_block *sb;
	struct mount *m;

	if (!type)
		return ERR_PTR(-ENODEV);
	sb = super_get(type, options);
	if (IS_ERR(sb))
		return ERR_PTR(PTR_ERR(sb));
	m = mount_alloc(sb, sb->root, source, flags);
	if (!m) {
		super_put(sb);
		return ERR_PTR(-ENOMEM);
	}
	return m;
}

struct mount *mount_clone(const struct path *p, u32 flags)
{
	struct mount *m = mount_alloc(p->mnt->sb, p->dentry, p->mnt->source, flags);

	if (!m)
		return ERR_PTR(-ENOMEM);
	atomic_inc(&m->sb->refs);
	return m;
}

void mount_get(struct mount *m)
{
	atomic_inc(&m->refs);
}

void mount_put(struct mount *m)
{
	if (atomic_dec(&m->refs))
		return;
	dentry_put(m->root);
	super_put(m->sb);
	kfree(m->source);
	kfree(m);
}

struct mount *mount_next(struct mount *prev)
{
	struct list_head *l;
	struct mount *m = NULL;

	spin_lock(&dentry_lock);
	l = prev && !list_empty(&prev->link) ? prev->link.next : mounts.next;
	/* One that was unmounted meanwhile has lost its place: the listing ends there. */
	if (l != &mounts && !(prev && list_empty(&prev->link))) {
		m = list_entry(l, struct mount, link);
		mount_get(m);
	}
	spin_unlock(&dentry_lock);
	if (prev)
		mount_put(prev);
	return m;
}

void path_get(const struct path *p)
{
	mount_get(p->mnt);
	dentry_get(p->dentry);
}

void path_put(const struct path *p)
{
	dentry_put(p->dentry);
	mount_put(p->mnt);
}

/* The newest mount attached at exactly this place. */
static struct mount *mounted_at_locked(struct mount *parent, struct dentry *d)
{
	struct mount *m, *found = NULL;

	list_for_each (m, &mounts, link)
		if (m->parent == parent && m->mountpoint == d && m != parent)
			found = m;
	return found;
}

void path_enter_mounts(struct path *p)
{
	struct mount *m;

	while (p->dentry->flags & DENTRY_MOUNTED) {
		struct path next;

		spin_lock(&dentry_lock);
		m = mounted_at_locked(p->mnt, p->dentry);
		if (m) {
			next = (struct path){m, m->root};
			path_get(&next);
		}
		spin_unlock(&dentry_lock);
		if (!m)
			return;
		path_put(p);
		*p = next;
	}
}

bool path_leave_mount(struct path *p)
{
	struct path up;
	bool left = false;

	spin_lock(&dentry_lock);
	if (p->dentry == p->mnt->root && p->mnt->parent && p->mnt->parent != p->mnt) {
		up = (struct path){p->mnt->parent, p->mnt->mountpoint};
		path_get(&up);
		left = true;
	}
	spin_unlock(&dentry_lock);
	if (left) {
		path_put(p);
		*p = up;
	}
	return left;
}

bool path_mount_readonly(const struct path *p)
{
	return p->mnt->flags & MS_RDONLY;
}

bool dentry_is_mountpoint_locked(struct dentry *d)
{
	struct mount *m;

	if (!(d->flags & DENTRY_MOUNTED))
		return false;
	list_for_each (m, &mounts, link)
		if (m->mountpoint == d && m->parent != m)
			return true;
	return false;
}

int mount_attach(struct mount *m, const struct path *at)
{
	int err = 0;

	spin_lock(&dentry_lock);
	if (at->dentry->flags & DENTRY_UNLINKED)
		err = -ENOENT;
	else if (!at->mnt->parent)
		err = -EINVAL; /* in a tree that has been detached */
	else if (mounted_at_locked(at->mnt, at->dentry))
		err = -EBUSY;
	if (!err) {
		m->parent = at->mnt;
		m->mountpoint = at->dentry;
		path_get(at);
		at->dentry->flags |= DENTRY_MOUNTED;
		mount_get(m);
		list_add_tail(&mounts, &m->link);
	}
	spin_unlock(&dentry_lock);
	return err;
}

/* Takes m out of the tree; *up is the place it leaves, whose references are the caller's now. */
static void detach_locked(struct mount *m, struct path *up)
{
	*up = (struct path){m->parent, m->mountpoint};
	m->parent = NULL;
	m->mountpoint = NULL;
	list_del(&m->link);
	if (!dentry_is_mountpoint_locked(up->dentry))
		up->dentry->flags &= ~DENTRY_MOUNTED;
}

static struct mount *child_mount_locked(struct mount *parent)
{
	struct mount *m;

	list_for_each (m, &mounts, link)
		if (m->parent == parent && m != parent)
			return m;
	return NULL;
}

/* A mount with no mounts below it that is m or lies below it. */
static struct mount *deepest_locked(struct mount *m)
{
	struct mount *child;

	while ((child = child_mount_locked(m)))
		m = child;
	return m;
}

int mount_detach(struct mount *m, bool lazy)
{
	bool more;

	do {
		struct mount *victim;
		struct path up;
		int err = 0;

		spin_lock(&dentry_lock);
		if (!m->parent || m->parent == m)
			err = -EINVAL; /* not attached, or the root */
		else if (!lazy &&
			 atomic_load(&m->refs) > 2) /* its place in the tree, and the caller */
			err = -EBUSY;
		if (err) {
			spin_unlock(&dentry_lock);
			return err;
		}
		victim = deepest_locked(m);
		detach_locked(victim, &up);
		more = victim != m;
		spin_unlock(&dentry_lock);
		path_put(&up);
		mount_put(victim);
	} while (more);
	return 0;
}

int mount_move(struct mount *m, const struct path *to)
{
	struct path up;
	struct mount *above;
	int err = 0;

	spin_lock(&dentry_lock);
	if (!m->parent || m->parent == m || !to->mnt->parent)
		err = -EINVAL;
	for (above = to->mnt; !err; above = above->parent) {
		if (above == m)
			err = -ELOOP;
		if (above->parent == above)
			break;
	}
	if (!err) {
		detach_locked(m, &up);
		m->parent = to->mnt;
		m->mountpoint = to->dentry;
		path_get(to);
		to->dentry->flags |= DENTRY_MOUNTED;
		list_add_tail(&mounts, &m->link);
	}
	spin_unlock(&dentry_lock);
	if (!err)
		path_put(&up);
	return err;
}

/* The first mount of all: its parent is itself. */
struct mount *mount_make_root(const char *type)
{
	struct mount *m = mount_new(type, "rootfs", 0, "");

	if (IS_ERR(m))
		panic("cannot mount the root file system: %ld", PTR_ERR(m));
	m->parent = m;
	m->mountpoint = m->root;
	list_add_tail(&mounts, &m->link);
	return m;
}
