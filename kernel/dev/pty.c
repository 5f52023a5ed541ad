/*
 * Pseudo-terminals: a terminal whose other end is a program, the master, which opens /dev/ptmx.
 *
 *	what is written to		goes through the line discipline and is read from
 *	the master (typed)		the slave, /dev/pts/N; echoes come back to the master
 *	the slave (shown)		the master, by way of `out`
 *
 * A pty lives as long as the master or a file of its slave is open. Its name in devpts and its number
 * go with the master, and so does whatever session had it: the slave's files then read as ended and
 * take nothing. A master whose slave nobody has open any more reads -EIO.
 *
 * Names in devpts come and go with masters alone. Programs can change none: the nodes are not pinned,
 * as those of files that a program made are, and the root makes nothing.
 *
 * Packet mode (TIOCPKT) and TIOCGPTPEER are not there.
 */
#include "arch/uaccess.h"
#include "kernel/dev/device.h"
#include "kernel/dev/tty.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/poll.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "kernel/task.h"

#define PTYS_MAX    256
#define OUT_SIZE    4096u
#define CHUNK	    256
#define EXPANSION   8 /* bytes that one of output may become: a tab */
#define SLAVE_MAJOR 136
#define TTY_GROUP   5

struct pty {
	struct tty tty; /* the slave's side */
	u32 refs;	/* the master, and each file of the slave. Atomic. */
	u32 index;
	bool locked;	       /* by TIOCSPTLCK: the slave cannot be opened. Under ptys_lock. */
	struct dentry *dentry; /* its name; referenced, which is what keeps it */

	u32 slaves;		/* files of the slave. These under tty.lock. */
	bool opened;		/* there has been one */
	u32 out_head, out_tail; /* positions in `out`, counted without end */
	u8 out[OUT_SIZE];
	struct waitq master_wait; /* the master can read */
};

static spinlock_t ptys_lock = SPINLOCK_INIT(LOCK_PTYS);
static struct pty *ptys[PTYS_MAX]; /* by number; set up, and while the master is open */
static struct mount *devpts_mount; /* attached nowhere: holds the one devpts */

/* ---- output ---- */

size_t pty_room(const struct pty *p)
{
	return (OUT_SIZE - (p->out_head - p->out_tail)) / EXPANSION;
}

/* What finds no room is an echo, and is lost: a program's output waits for room. */
static void put_output(struct ldisc *l, const char *s, size_t n)
{
	struct pty *p = container_of(container_of(l, struct tty, ldisc), struct pty, tty);

	for (; n && p->out_head - p->out_tail < OUT_SIZE; n--)
		p->out[p->out_head++ % OUT_SIZE] = (u8)*s++;
	waitq_wake_all(&p->master_wait);
}

static const struct ldisc_ops ldisc_ops = {.output = put_output, .signal = tty_note_signal};

/* ---- life ---- */

static void pty_put(struct pty *p)
{
	if (atomic_dec(&p->refs) == 0)
		kfree(p);
}

void pty_slave_get(struct pty *p)
{
	atomic_inc(&p->refs);
	spin_lock(&p->tty.lock);
	p->slaves++;
	p->opened = true;
	spin_unlock(&p->tty.lock);
}

void pty_slave_put(struct pty *p)
{
	spin_lock(&p->tty.lock);
	p->slaves--;
	spin_unlock(&p->tty.lock);
	waitq_wake_all(&p->master_wait);
	pty_put(p);
}

/* Takes a number for p, by which others find it from here on: -ENOSPC where there is none left. */
static int take_number(struct pty *p)
{
	u32 n = 0;

	spin_lock(&ptys_lock);
	while (n < PTYS_MAX && ptys[n])
		n++;
	if (n < PTYS_MAX) {
		p->index = n;
		p->tty.dev = dev_make(SLAVE_MAJOR, n);
		ptys[n] = p;
	}
	spin_unlock(&ptys_lock);
	return n < PTYS_MAX ? 0 : -ENOSPC;
}

static void drop_number(struct pty *p)
{
	spin_lock(&ptys_lock);
	ptys[p->index] = NULL;
	spin_unlock(&ptys_lock);
}

/* A node in devpts, which is there while its one reference is held; ERR_PTR(-ENOMEM). */
static struct dentry *add_node(struct super_block *sb, const char *name, u32 mode, u64 rdev)
{
	struct inode *i = ram_inode(sb, NULL, mode, rdev, NULL);

	if (IS_ERR(i))
		return ERR_PTR(PTR_ERR(i));
	return dentry_add(sb->root, name, strlen(name), i, false);
}

static int add_name(struct pty *p)
{
	char name[16];
	struct dentry *d;

	snprintf(name, sizeof(name), "%u", p->index);
	d = add_node(devpts_mount->sb, name, S_IFCHR | 0620, p->tty.dev);
	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	d->inode->uid = current->cred.fsuid;
	d->inode->gid = TTY_GROUP;
	p->dentry = d;
	return 0;
}

/* A pty that nobody finds yet, with the master's reference; NULL: no memory. */
static struct pty *pty_alloc(void)
{
	struct pty *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->refs = 1;
	p->locked = true;
	waitq_init(&p->master_wait);
	tty_setup(&p->tty, &ldisc_ops, 0);
	p->tty.pty = p;
	return p;
}

static int pty_publish(struct pty *p)
{
	int err = take_number(p);

	if (err)
		return err;
	err = add_name(p);
	if (err)
		drop_number(p);
	return err;
}

/* ---- the master ---- */

static int master_open(struct inode *i, struct file *f)
{
	struct pty *p = pty_alloc();
	int err = p ? pty_publish(p) : -ENOMEM;

	(void)i;
	if (p && err)
		pty_put(p);
	f->private = p;
	return err;
}

static void master_release(struct file *f)
{
	struct pty *p = f->private;

	drop_number(p);
	p->dentry->inode->nlink = 0;
	dentry_remove(p->dentry);
	spin_lock(&p->tty.lock);
	p->tty.hung_up = true;
	spin_unlock(&p->tty.lock);
	tty_hang_up(&p->tty);
	waitq_wake_all(&p->tty.read_wait);
	waitq_wake_all(&p->tty.write_wait);
	pty_put(p);
}

static bool master_readable(struct pty *p)
{
	bool yes;

	spin_lock(&p->tty.lock);
	yes = p->out_head != p->out_tail || (p->opened && !p->slaves);
	spin_unlock(&p->tty.lock);
	return yes;
}

/* Moves up to n bytes of output to buf; 0: there is none, and -EIO: nor will there be. */
static ssize_t take_output(struct pty *p, u8 *buf, size_t n)
{
	size_t done = 0;
	bool over;

	spin_lock(&p->tty.lock);
	while (done < n && p->out_tail != p->out_head)
		buf[done++] = p->out[p->out_tail++ % OUT_SIZE];
	over = p->opened && !p->slaves;
	spin_unlock(&p->tty.lock);
	if (done)
		waitq_wake_all(&p->tty.write_wait);
	return done || !over ? (ssize_t)done : -EIO;
}

static ssize_t master_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct pty *p = f->private;
	ssize_t done = 0;
	u8 buf[CHUNK];

	(void)pos;
	while (it->left) {
		ssize_t n = take_output(p, buf, min(it->left, sizeof(buf)));
		long err;

		if (n > 0) {
			if (iter_put(it, buf, (size_t)n) < (size_t)n)
				return done ? done : -EFAULT;
			done += n;
			continue;
		}
		if (done || n < 0)
			return done ? done : n;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event(&p->master_wait, master_readable(p));
		if (err)
			return err;
	}
	return done;
}

static bool input_has_room(struct tty *tty)
{
	bool yes;

	spin_lock(&tty->lock);
	yes = ldisc_has_room(&tty->ldisc);
	spin_unlock(&tty->lock);
	return yes;
}

/* Types n bytes: how many, or an errno where not even one. */
static ssize_t type(struct file *f, struct tty *tty, const u8 *s, size_t n)
{
	size_t done = 0;

	for (;;) {
		long err;

		spin_lock(&tty->lock);
		while (done < n && ldisc_has_room(&tty->ldisc))
			ldisc_input(&tty->ldisc, s[done++]);
		spin_unlock(&tty->lock);
		tty_input_done(tty);
		if (done == n)
			return (ssize_t)n;
		err = -EAGAIN;
		if (!(f->flags & O_NONBLOCK))
			err = wait_event(&tty->in_wait, input_has_room(tty));
		if (err)
			return done ? (ssize_t)done : err;
	}
}

static ssize_t master_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct pty *p = f->private;
	ssize_t done = 0;
	u8 buf[CHUNK];

	(void)pos;
	while (it->left) {
		size_t want = min(it->left, sizeof(buf)), n = iter_get(it, buf, want);
		ssize_t typed = n ? type(f, &p->tty, buf, n) : -EFAULT;

		if (typed < 0)
			return done ? done : typed;
		done += typed;
		if ((size_t)typed < want)
			break;
	}
	return done;
}

static u32 master_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = f->private;
	u32 ready = 0;

	poll_wait(&p->master_wait, pt);
	poll_wait(&p->tty.in_wait, pt);
	spin_lock(&p->tty.lock);
	if (p->out_head != p->out_tail)
		ready |= POLLIN | POLLRDNORM;
	if (p->opened && !p->slaves)
		ready |= POLLHUP;
	if (ldisc_has_room(&p->tty.ldisc))
		ready |= POLLOUT | POLLWRNORM;
	spin_unlock(&p->tty.lock);
	return ready;
}

static long set_locked(struct pty *p, const s32 __user *arg)
{
	s32 lock;

	if (get_user(lock, arg))
		return -EFAULT;
	spin_lock(&ptys_lock);
	p->locked = lock;
	spin_unlock(&ptys_lock);
	return 0;
}

/* The slave's foreground group, and its session: the master sees them whoever asks. */
static long get_job(struct pty *p, bool session, s32 __user *arg)
{
	s32 id;

	spin_lock(&tasks_lock);
	id = session ? p->tty.session : p->tty.pgrp;
	spin_unlock(&tasks_lock);
	return session && !id ? -ENOTTY : put_user(id, arg);
}

static long master_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct pty *p = f->private;
	s32 __user *out = (s32 __user *)arg;
	u32 n;

	switch (cmd) {
	case TIOCGPTN:
		return put_user((s32)p->index, out);
	case TIOCSPTLCK:
		return set_locked(p, out);
	case TIOCGPTLCK:
		return put_user((s32)READ_ONCE(p->locked), out);
	case TIOCGPTPEER:
		return -EINVAL;
	case TIOCGPGRP:
	case TIOCGSID:
		return get_job(p, cmd == TIOCGSID, out);
	case TIOCSCTTY:
	case TIOCNOTTY:
		return -ENOTTY;
	case FIONREAD:
		spin_lock(&p->tty.lock);
		n = p->out_head - p->out_tail;
		spin_unlock(&p->tty.lock);
		return put_user((s32)n, out);
	default:
		return tty_ioctl_on(&p->tty, cmd, arg);
	}
}

static const struct file_ops master_ops = {
    .open = master_open,
    .release = master_release,
    .read = master_read,
    .write = master_write,
    .poll = master_poll,
    .ioctl = master_ioctl,
};

/* ---- the slave ---- */

static int slave_open(struct inode *i, struct file *f)
{
	u32 index = dev_minor(i->rdev);
	struct pty *p;

	spin_lock(&ptys_lock);
	p = index < PTYS_MAX ? ptys[index] : NULL;
	if (p && p->locked)
		p = NULL;
	if (p)
		pty_slave_get(p);
	spin_unlock(&ptys_lock);
	if (!p)
		return -EIO;
	f->private = &p->tty;
	f->ops = &tty_slave_ops;
	if (!(f->flags & O_NOCTTY))
		tty_open_controlling(&p->tty);
	return 0;
}

static const struct file_ops slave_ops = {.open = slave_open};

/* ---- devpts ---- */

static const struct inode_ops root_ops = {.setattr = inode_set_attr};

static int devpts_fill(struct super_block *sb, const char *options)
{
	int err = ram_fill(sb, "");
	struct dentry *d;

	(void)options; /* gid=, mode=: they are as Debian mounts it */
	if (err)
		return err;
	sb->magic = DEVPTS_MAGIC;
	sb->root->inode->ops = &root_ops;
	d = add_node(sb, "ptmx", S_IFCHR | 0666, dev_make(5, 2));
	if (IS_ERR(d)) {
		dentry_drop_tree(sb->root);
		sb->ops->release(sb);
		return -ENOMEM;
	}
	return 0;
}

static struct fs_type devpts = {.name = "devpts", .fill = devpts_fill, .flags = FS_SINGLE};

void pty_init(void)
{
	chrdev_register(5, 2, 1, "/dev/ptmx", &master_ops);
	chrdev_register(SLAVE_MAJOR, 0, PTYS_MAX, "pts", &slave_ops);
	fs_register(&devpts);
	devpts_mount = mount_new("devpts", "devpts", 0, "");
	if (IS_ERR(devpts_mount))
		panic("no memory for devpts");
}
