/* A process's place in the tree: root, working directory, umask. */
#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/string.h"
#include "kernel/process.h"
#include "kernel/syscalls.h"
#include "mm/alloc.h"

struct fs_context *fs_context_new(const struct path *root)
{
	struct fs_context *fs = kzalloc(sizeof(*fs));

	if (!fs)
		return NULL;
	fs->refs = 1;
	fs->umask = 022;
	spin_init(&fs->lock, LOCK_FS);
	fs->root = fs->cwd = *root;
	path_get(root);
	path_get(root);
	return fs;
}

struct fs_context *fs_context_fork(struct fs_context *fs)
{
	struct fs_context *copy = kzalloc(sizeof(*copy));

	if (!copy)
		return NULL;
	copy->refs = 1;
	copy->umask = atomic_load(&fs->umask);
	spin_init(&copy->lock, LOCK_FS);
	spin_lock(&fs->lock);
	copy->root = fs->root;
	copy->cwd = fs->cwd;
	path_get(&copy->root);
	path_get(&copy->cwd);
	spin_unlock(&fs->lock);
	return copy;
}

struct fs_context *fs_context_get(struct fs_context *fs)
{
	atomic_inc(&fs->refs);
	return fs;
}

void fs_context_put(struct fs_context *fs)
{
	if (atomic_dec(&fs->refs))
		return;
	path_put(&fs->root);
	path_put(&fs->cwd);
	kfree(fs);
}

void fs_context_use(struct fs_context *fs)
{
	struct fs_context *old = current->fs;

	/* /proc looks at it with this held. */
	spin_lock(&current->proc->sighand_lock);
	current->fs = fs;
	spin_unlock(&current->proc->sighand_lock);
	fs_context_put(old);
}

void fs_context_root(struct fs_context *fs, struct path *out)
{
	spin_lock(&fs->lock);
	*out = fs->root;
	path_get(out);
	spin_unlock(&fs->lock);
}

void fs_context_cwd(struct fs_context *fs, struct path *out)
{
	spin_lock(&fs->lock);
	*out = fs->cwd;
	path_get(out);
	spin_unlock(&fs->lock);
}

/* Replaces fs->root or fs->cwd; takes the reference of `to` over. */
static void context_set(struct fs_context *fs, struct path *which, const struct path *to)
{
	struct path old;

	spin_lock(&fs->lock);
	old = *which;
	*which = *to;
	spin_unlock(&fs->lock);
	path_put(&old);
}

SYSCALL1(chdir, const char __user *, name)
{
	struct path to;
	int err = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &to);

	if (err)
		return err;
	err = path_permission(&to, MAY_EXEC);
	if (err) {
		path_put(&to);
		return err;
	}
	context_set(current->fs, &current->fs->cwd, &to);
	return 0;
}

SYSCALL1(fchdir, s32, fd)
{
	struct file *f = fd_get_any(fd);
	struct path to;
	int err = 0;

	if (!f)
		return -EBADF;
	if (!S_ISDIR(f->inode->mode))
		err = -ENOTDIR;
	else
		err = path_permission(&f->path, MAY_EXEC);
	if (!err) {
		to = f->path;
		path_get(&to);
		context_set(current->fs, &current->fs->cwd, &to);
	}
	file_put(f);
	return err;
}

SYSCALL1(chroot, const char __user *, name)
{
	struct path to;
	int err = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &to);

	if (err)
		return err;
	err = path_permission(&to, MAY_EXEC);
	if (!err && current->cred.euid != 0)
		err = -EPERM;
	if (err) {
		path_put(&to);
		return err;
	}
	context_set(current->fs, &current->fs->root, &to);
	return 0;
}

/* True where p lies below the current root. */
static bool reachable(const struct path *p)
{
	struct path root;
	struct path at = *p;
	bool found = false;

	fs_context_root(current->fs, &root);
	spin_lock(&dentry_lock);
	for (;;) {
		found = path_equal(&at, &root);
		if (found)
			break;
		if (at.dentry == at.mnt->root) {
			if (!at.mnt->parent || at.mnt->parent == at.mnt)
				break;
			at = (struct path){at.mnt->parent, at.mnt->mountpoint};
		} else {
			at.dentry = at.dentry->parent;
		}
	}
	spin_unlock(&dentry_lock);
	path_put(&root);
	return found;
}

SYSCALL2(getcwd, char __user *, buf, u64, size)
{
	static const char unreachable_mark[] = "(unreachable)";
	size_t mark_len = sizeof(unreachable_mark) - 1, len;
	struct path cwd;
	char *page, *s;
	long n;

	page = kmalloc(PATH_MAX);
	if (!page)
		return -ENOMEM;
	fs_context_cwd(current->fs, &cwd);
	s = path_format(&cwd, page + mark_len, PATH_MAX - mark_len);
	if (IS_ERR(s)) {
		n = PTR_ERR(s);
	} else if (cwd.dentry->flags & DENTRY_UNLINKED) {
		n = -ENOENT;
	} else {
		if (!reachable(&cwd)) {
			s -= mark_len;
			memcpy(s, unreachable_mark, mark_len);
		}
		len = strlen(s) + 1;
		if (len > size)
			n = -ERANGE;
		else
			n = copy_to_user(buf, s, len) ? -EFAULT : (long)len;
	}
	path_put(&cwd);
	kfree(page);
	return n;
}

SYSCALL1(umask, u32, mask)
{
	return (long)atomic_xchg(&current->fs->umask, mask & 0777);
}
