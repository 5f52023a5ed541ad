/*
 * Walking path names.
 *
 * A walk holds one path (`at`) and the text still to go. walk_parent() consumes components until
 * one is left in the whole path, the texts of symlinks included; what the caller does with that
 * last one differs between lookup, open and the calls that change a directory. A symlink met on the
 * way puts its text in front of what is left: the texts form a chain, each knowing where its outer
 * one goes on. There is no recursion.
 */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/task.h"
#include "mm/alloc.h"

struct link_text {
	struct link_text *outer; /* NULL: the caller's text */
	const char *rest;	 /* of the outer text; NULL: nothing is left of it */
	char target[];
};

/* ---- names in user memory ---- */

int user_name_get(struct user_name *n, const char __user *s)
{
	ssize_t len = strncpy_from_user(n->inline_buf, s, sizeof(n->inline_buf));

	n->heap = NULL;
	n->s = n->inline_buf;
	if (len < 0)
		return (int)len;
	if (len < (ssize_t)sizeof(n->inline_buf))
		return 0;
	n->heap = kmalloc(PATH_MAX);
	if (!n->heap)
		return -ENOMEM;
	n->s = n->heap;
	len = strncpy_from_user(n->heap, s, PATH_MAX);
	if (len >= 0 && len < PATH_MAX)
		return 0;
	kfree(n->heap);
	return len < 0 ? (int)len : -ENAMETOOLONG;
}

void user_name_put(struct user_name *n)
{
	kfree(n->heap);
}

/* ---- the walk ---- */

/* Where relative names start: the working directory, or what dirfd names. */
static int start_at(struct path *at, s32 dirfd, const char *name)
{
	struct file *f;
	int err = 0;

	if (dirfd == AT_FDCWD) {
		fs_context_cwd(current->fs, at);
		return 0;
	}
	f = fd_get_any(dirfd);
	if (!f)
		return -EBADF;
	if (*name && !S_ISDIR(f->inode->mode))
		err = -ENOTDIR;
	else {
		*at = f->path;
		path_get(at);
	}
	file_put(f);
	return err;
}

int walk_start(struct walk *w, s32 dirfd, const char *name, u32 flags)
{
	int err;

	*w = (struct walk){.name = name};
	if (!*name && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	fs_context_root(current->fs, &w->root);
	if (*name == '/') {
		w->at = w->root;
		path_get(&w->at);
		return 0;
	}
	err = start_at(&w->at, dirfd, name);
	if (err)
		path_put(&w->root);
	return err;
}

static void text_pop(struct walk *w)
{
	struct link_text *t = w->text;

	w->name = t->rest ? t->rest : "";
	w->text = t->outer;
	kfree(t);
}

void walk_end(struct walk *w)
{
	while (w->text)
		text_pop(w);
	path_put(&w->at);
	path_put(&w->root);
}

/* Replaces at.dentry within the same mount; takes the reference over. */
static void walk_to(struct walk *w, struct dentry *d)
{
	dentry_put(w->at.dentry);
	w->at.dentry = d;
	if (d->flags & DENTRY_MOUNTED)
		path_enter_mounts(&w->at);
}

void walk_up(struct walk *w)
{
	struct dentry *parent;

	while (!path_equal(&w->at, &w->root)) {
		if (w->at.dentry == w->at.mnt->root) {
			if (!path_leave_mount(&w->at))
				return;
			continue;
		}
		spin_lock(&dentry_lock);
		parent = w->at.dentry->parent;
		dentry_get(parent);
		spin_unlock(&dentry_lock);
		walk_to(w, parent);
		return;
	}
}

/* A new text that holds the target of symlink i. */
static struct link_text *text_new(struct inode *i, size_t room)
{
	struct link_text *t = kmalloc(sizeof(*t) + room);
	ssize_t len;

	if (!t)
		return ERR_PTR(-ENOMEM);
	len = i->ops->readlink(i, t->target, room);
	if (len > 0 && len < (ssize_t)room) {
		t->target[len] = 0;
		return t;
	}
	kfree(t);
	if (len <= 0)
		return ERR_PTR(len < 0 ? len : -ENOENT);
	return room < PATH_MAX ? text_new(i, PATH_MAX) : ERR_PTR(-ENAMETOOLONG);
}

/* Puts the text of symlink d in front of what is left. */
static int push_text(struct walk *w, struct dentry *d)
{
	struct link_text *t = text_new(d->inode, 128 - sizeof(*t));

	if (IS_ERR(t))
		return (int)PTR_ERR(t);
	while (*w->name == '/')
		w->name++;
	/* A text of which nothing is left is dropped now, so that the chain holds only texts to
	 * return to. */
	while (!*w->name && w->text)
		text_pop(w);
	t->outer = w->text;
	t->rest = *w->name ? w->name : NULL;
	w->text = t;
	w->name = t->target;
	if (*w->name == '/') {
		path_put(&w->at);
		w->at = w->root;
		path_get(&w->at);
	}
	return 0;
}

int walk_follow(struct walk *w, struct dentry *d)
{
	struct inode *i = d->inode;
	struct path to;
	int err;

	if (w->links++ >= SYMLINKS_MAX)
		return -ELOOP;
	i->atime = inode_now();
	if (!i->ops->follow)
		return push_text(w, d);
	err = i->ops->follow(i, &to);
	if (err)
		return err;
	path_put(&w->at);
	w->at = to;
	return 0;
}

static int may_search(struct walk *w)
{
	struct inode *i = w->at.dentry->inode;

	if (!S_ISDIR(i->mode))
		return -ENOTDIR;
	return inode_permission(i, MAY_EXEC);
}

/* One component that is not the last. */
static int walk_component(struct walk *w, const char *name, size_t len)
{
	struct dentry *d;
	int err;

	if (name[0] == '.' && len == 1)
		return 0;
	if (name[0] == '.' && name[1] == '.' && len == 2) {
		walk_up(w);
		return 0;
	}
	d = dentry_lookup(w->at.dentry, name, len);
	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	if (!S_ISLNK(d->inode->mode)) {
		walk_to(w, d);
		return 0;
	}
	err = walk_follow(w, d);
	dentry_put(d);
	return err;
}

static int last_type(const char *name, size_t len)
{
	if (name[0] == '.' && len == 1)
		return LAST_DOT;
	if (name[0] == '.' && name[1] == '.' && len == 2)
		return LAST_DOTDOT;
	return LAST_NORM;
}

int walk_parent(struct walk *w)
{
	for (;;) {
		const char *name;
		size_t len;
		int err;

		while (*w->name == '/')
			w->name++;
		if (!*w->name && w->text && w->text->rest) {
			text_pop(w);
			continue;
		}
		if (!*w->name) {
			w->last_type = LAST_ROOT;
			return 0;
		}
		name = w->name;
		len = (size_t)(strchrnul(name, '/') - name);
		w->name += len;
		err = may_search(w);
		if (err)
			return err;
		if (!w->name[strspn(w->name, "/")] && !(w->text && w->text->rest)) {
			if (*w->name)
				w->trailing = true;
			w->last = name;
			w->last_len = len;
			w->last_type = last_type(name, len);
			return 0;
		}
		err = walk_component(w, name, len);
		if (err)
			return err;
	}
}

/* Takes the last component; true in *more where it was a symlink whose text is to be walked now. */
static int walk_last(struct walk *w, u32 flags, bool *more)
{
	struct dentry *d;
	int err = 0;

	*more = false;
	if (w->last_type != LAST_NORM)
		return w->last_type == LAST_ROOT ? 0 : walk_component(w, w->last, w->last_len);
	d = dentry_lookup(w->at.dentry, w->last, w->last_len);
	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	if (S_ISLNK(d->inode->mode) && ((flags & LOOKUP_FOLLOW) || w->trailing)) {
		err = walk_follow(w, d);
		dentry_put(d);
		*more = true;
		return err;
	}
	walk_to(w, d);
	return 0;
}

int path_lookup(s32 dirfd, const char *name, u32 flags, struct path *out)
{
	struct walk w;
	bool more;
	int err = walk_start(&w, dirfd, name, flags);

	if (err)
		return err;
	do {
		err = walk_parent(&w);
		if (!err)
			err = walk_last(&w, flags, &more);
	} while (!err && more);
	if (!err && (w.trailing || (flags & LOOKUP_DIRECTORY)) &&
	    !S_ISDIR(w.at.dentry->inode->mode))
		err = -ENOTDIR;
	if (!err) {
		*out = w.at;
		path_get(out);
	}
	walk_end(&w);
	return err;
}

int path_lookup_user(s32 dirfd, const char __user *name, u32 flags, struct path *out)
{
	struct user_name n;
	int err = user_name_get(&n, name);

	if (err)
		return err;
	err = path_lookup(dirfd, n.s, flags, out);
	user_name_put(&n);
	return err;
}

int path_permission(const struct path *p, u32 mask)
{
	u32 mode = p->dentry->inode->mode;

	if ((mask & MAY_WRITE) && path_mount_readonly(p) &&
	    (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode)))
		return -EROFS;
	return inode_permission(p->dentry->inode, mask);
}

/* ---- paths as text ---- */

static bool prepend(char **at, const char *buf, const char *s, size_t len)
{
	if ((size_t)(*at - buf) < len)
		return false;
	*at -= len;
	memcpy(*at, s, len);
	return true;
}

/* Writes the names from p up to root before *at, under dentry_lock. False: no room. */
static bool prepend_names(struct path p, const struct path *root, char **at, const char *buf)
{
	while (!path_equal(&p, root)) {
		if (p.dentry == p.mnt->root) {
			if (!p.mnt->parent || p.mnt->parent == p.mnt)
				return true;
			p = (struct path){p.mnt->parent, p.mnt->mountpoint};
			continue;
		}
		if (p.dentry->parent == p.dentry)
			return true;
		if (!prepend(at, buf, p.dentry->name, p.dentry->len) || !prepend(at, buf, "/", 1))
			return false;
		p.dentry = p.dentry->parent;
	}
	return true;
}

/* What has no place in the tree goes by its own name; one that ends in a colon is followed by the inode's number. */
static char *format_placeless(const struct dentry *d, char *buf, size_t size)
{
	int len;

	if (d->name[d->len - 1] == ':')
		len = snprintf(buf, size, "%s[%llu]", d->name, (unsigned long long)d->inode->ino);
	else
		len = snprintf(buf, size, "%s", d->name);
	return (size_t)len < size ? buf : ERR_PTR(-ENAMETOOLONG);
}

char *path_format(const struct path *p, char *buf, size_t size)
{
	char *at = buf + size, *end;
	struct path root;
	bool fits;

	if (p->dentry->parent == p->dentry && p->dentry->name[0] != '/')
		return format_placeless(p->dentry, buf, size);
	fs_context_root(current->fs, &root);
	fits = prepend(&at, buf, "", 1);
	spin_lock(&dentry_lock);
	if (p->dentry->flags & DENTRY_UNLINKED)
		fits = fits && prepend(&at, buf, " (deleted)", 10);
	end = at;
	fits = fits && prepend_names(*p, &root, &at, buf);
	spin_unlock(&dentry_lock);
	path_put(&root);
	if (fits && at == end)
		fits = prepend(&at, buf, "/", 1);
	return fits ? at : ERR_PTR(-ENAMETOOLONG);
}
