/*
 * Names of AF_UNIX sockets. Bound sockets hang in a table: those with a path by their inode, the others by
 * their name's bytes. `unix_lock` guards it, and that a socket is bound once.
 */
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/string.h"
#include "kernel/net/unix.h"
#include "kernel/random.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define BUCKETS 64

spinlock_t unix_lock = SPINLOCK_INIT(LOCK_PORTS);
static struct list_head
    table[BUCKETS] __guarded_by_global(&unix_lock); /* each set up at its first use */

static struct list_head *bucket(u64 hash) __must_hold(&unix_lock)
{
	struct list_head *b = &table[hash % BUCKETS];

	if (!b->next)
		list_init(b);
	return b;
}

static struct list_head *bucket_of_inode(const struct inode *i) __must_hold(&unix_lock)
{
	return bucket((u64)i / sizeof(*i));
}

static struct list_head *bucket_of_name(const struct unix_name *n) __must_hold(&unix_lock)
{
	return bucket(name_hash(n->addr.path, n->len - sizeof(u16)));
}

/* ---- names ---- */

static struct unix_name *name_new(const struct sockaddr_un *un, u32 len)
{
	struct unix_name *n = kzalloc(sizeof(*n));

	if (!n)
		return NULL;
	n->refs = 1;
	n->len = len;
	memcpy(&n->addr, un, len);
	return n;
}

struct unix_name *unix_name_ref(struct unix_name *n)
{
	if (n)
		atomic_inc(&n->refs);
	return n;
}

void unix_name_put(struct unix_name *n)
{
	if (!atomic_dec(&n->refs))
		kfree(n);
}

void unix_name_get_addr(const struct unix_name *n, struct sock_addr *a)
{
	a->len = 0;
	if (!n)
		return;
	a->len = n->len;
	memcpy(&a->un, &n->addr, n->len);
}

int unix_check_addr(const struct sock_addr *a)
{
	if (a->len <= sizeof(u16) || a->len > sizeof(struct sockaddr_un) || a->family != AF_UNIX)
		return -EINVAL;
	return 0;
}

/* ---- binding ---- */

/* Gives s its name, unless it has one or (abstract) another socket has it. Takes n over when it succeeds. */
static int put_name(struct socket *s, struct unix_name *n, const struct path *path)
{
	struct socket *other;
	struct list_head *b;
	int err = 0;

	spin_lock(&unix_lock);
	b = path ? bucket_of_inode(path->dentry->inode) : bucket_of_name(n);
	if (s->un.name)
		err = -EINVAL;
	list_for_each (other, b, un.link)
		if (!err && !path && !other->un.path.dentry && other->type == s->type &&
		    other->un.name->len == n->len &&
		    !memcmp(&other->un.name->addr, &n->addr, n->len))
			err = -EADDRINUSE;
	if (!err) {
		if (path)
			s->un.path = *path;
		atomic_store_release(&s->un.name, n);
		list_add_tail(b, &s->un.link);
	}
	spin_unlock(&unix_lock);
	return err;
}

static int bind_abstract(struct socket *s, const struct sockaddr_un *un, u32 len)
{
	struct unix_name *n = name_new(un, len);
	int err = n ? put_name(s, n, NULL) : -ENOMEM;

	if (n && err)
		kfree(n);
	return err;
}

#define AUTOBIND_TRIES 1000

/* Any free name of five digits. */
static int bind_any(struct socket *s)
{
	static const char digits[] = "0123456789abcdef";
	struct sockaddr_un un = {.family = AF_UNIX};
	int err = -EADDRINUSE;

	if (unix_name_of(s))
		return 0;
	for (int tries = 0; err == -EADDRINUSE && tries < AUTOBIND_TRIES; tries++) {
		u64 number = random_u64();

		for (int n = 0; n < 5; n++)
			un.path[1 + n] = digits[number >> (4 * n) & 15];
		err = bind_abstract(s, &un, sizeof(u16) + 6);
	}
	return err == -EADDRINUSE ? -ENOSPC : err;
}

static int bind_path(struct socket *s, const struct sock_addr *a)
{
	u32 mode = s->file ? s->file->inode->mode & 0777 : 0777, len;
	struct sockaddr_un un = a->un;
	char text[sizeof(un.path) + 1];
	struct unix_name *n;
	struct path path;
	int err;

	memcpy(text, un.path, sizeof(un.path));
	text[a->len - sizeof(u16)] = 0;
	len = (u32)(sizeof(u16) + strlen(text) + 1);
	if (unix_name_of(s))
		return -EINVAL;
	n = name_new(&un, min(len, (u32)sizeof(un)));
	if (!n)
		return -ENOMEM;
	n->len = len;
	mode &= ~atomic_load(&current->fs->umask);
	err = kernel_mknod_path(text, S_IFSOCK | mode, &path);
	if (!err) {
		err = put_name(s, n, &path);
		if (err) {
			kernel_unlink(text, false);
			path_put(&path);
		}
	}
	if (err)
		kfree(n);
	return err == -EEXIST ? -EADDRINUSE : err;
}

int unix_bind(struct socket *s, const struct sock_addr *a)
{
	if (a->len == sizeof(u16) && a->family == AF_UNIX)
		return bind_any(s);
	if (unix_check_addr(a))
		return -EINVAL;
	if (a->un.path[0])
		return bind_path(s, a);
	return bind_abstract(s, &a->un, a->len);
}

void unix_unbind(struct socket *s)
{
	struct path path;

	spin_lock(&unix_lock);
	path = s->un.path;
	s->un.path = (struct path){NULL, NULL};
	list_del(&s->un.link);
	spin_unlock(&unix_lock);
	if (path.dentry)
		path_put(&path);
}

/* ---- finding ---- */

static struct socket *find_inode(const struct inode *i)
{
	struct socket *s, *found = NULL;

	spin_lock(&unix_lock);
	list_for_each (s, bucket_of_inode(i), un.link)
		if (s->un.path.dentry && s->un.path.dentry->inode == i)
			found = s;
	if (found)
		sock_get(found);
	spin_unlock(&unix_lock);
	return found;
}

static struct socket *find_abstract(const struct sock_addr *a, u16 type)
{
	u64 hash = name_hash(a->un.path, a->len - sizeof(u16));
	struct socket *s, *found = NULL;

	spin_lock(&unix_lock);
	list_for_each (s, bucket(hash), un.link)
		if (!s->un.path.dentry && s->type == type && s->un.name->len == a->len &&
		    !memcmp(&s->un.name->addr, &a->un, a->len))
			found = s;
	if (found)
		sock_get(found);
	spin_unlock(&unix_lock);
	return found;
}

static struct socket *find_path(const struct sock_addr *a)
{
	char text[sizeof(a->un.path) + 1];
	struct socket *s = NULL;
	struct path path;
	int err;

	memcpy(text, a->un.path, sizeof(a->un.path));
	text[a->len - sizeof(u16)] = 0;
	err = path_lookup(AT_FDCWD, text, LOOKUP_FOLLOW, &path);
	if (err)
		return ERR_PTR(err);
	err = path_permission(&path, MAY_WRITE);
	if (!err) {
		if (S_ISSOCK(path.dentry->inode->mode))
			s = find_inode(path.dentry->inode);
		if (!s)
			err = -ECONNREFUSED;
	}
	path_put(&path);
	return err ? ERR_PTR(err) : s;
}

struct socket *unix_find(const struct sock_addr *a, u16 type)
{
	struct socket *s = a->un.path[0] ? find_path(a) : find_abstract(a, type);

	if (!s)
		return ERR_PTR(-ECONNREFUSED);
	if (!IS_ERR(s) && s->type != type) {
		sock_put(s);
		return ERR_PTR(-EPROTOTYPE);
	}
	return s;
}
