/* Instances of inotify(7): a queue of events, as a file to read. See kernel/fs/inotify.h. */
#include "kernel/fs/inotify.h"

#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/seq.h"
#include "kernel/lib/string.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define FIONREAD       0x541bu
#define EVENT_SIZE_MIN 64

/* What a read gives, and behind it the name, if any: padded with zeros, of which there is at least one. */
struct record {
	s32 wd;
	u32 mask, cookie, len;
};

struct inotify_event {
	struct list_head link; /* in in->events; empty: in none */
	struct record record;
	u32 name_len;
	char name[];
};

/* ---- the queue ---- */

static size_t event_size(const struct inotify_event *e)
{
	return sizeof(struct record) + e->record.len;
}

static struct inotify_event *event_new(s32 wd, const struct news *n)
{
	/* Events come and go by the thousand: they stay out of the slabs of small objects that last. */
	struct inotify_event *e = kmalloc(max(sizeof(*e) + n->len, (size_t)EVENT_SIZE_MIN));

	if (!e)
		return NULL;
	list_init(&e->link);
	e->record = (struct record){.wd = wd, .mask = n->mask, .cookie = n->cookie};
	if (n->name)
		e->record.len = (u32)ALIGN_UP(n->len + 1, sizeof(struct record));
	e->name_len = (u32)n->len;
	memcpy(e->name, n->name, n->len);
	return e;
}

static void event_free(struct inotify *in, struct inotify_event *e)
{
	if (e != in->overflow)
		kfree(e);
}

/* The event in the queue's last place says the same: once is enough. */
static bool repeats(struct inotify *in, s32 wd, const struct news *n) __must_hold(&in->lock)
{
	const struct inotify_event *last;

	if (list_empty(&in->events))
		return false;
	last = list_last(&in->events, struct inotify_event, link);
	return !(last->record.mask & IN_IGNORED) && last->record.wd == wd &&
	       last->record.mask == n->mask && last->name_len == n->len &&
	       !memcmp(last->name, n->name, n->len);
}

/* Queues e; NULL: that something was lost, unless the queue says so. False: there is nothing new. */
static bool append(struct inotify *in, struct inotify_event *e) __must_hold(&in->lock)
{
	if (!e)
		e = in->overflow;
	if (!list_empty(&e->link))
		return false;
	list_add_tail(&in->events, &e->link);
	WRITE_ONCE(in->nr_events, in->nr_events + 1);
	return true;
}

void inotify_tell(struct inotify *in, s32 wd, const struct news *n)
{
	bool wake = false;

	spin_lock(&in->lock);
	if (in->nr_events >= in->max_events)
		wake = append(in, NULL);
	else if (!repeats(in, wd, n))
		wake = append(in, event_new(wd, n));
	spin_unlock(&in->lock);
	if (wake)
		waitq_wake_all(&in->wait);
}

/* Takes the first event; NULL: there is none. ERR_PTR(-EINVAL): it takes more than `room` bytes. */
static struct inotify_event *take(struct inotify *in, size_t room)
{
	struct inotify_event *e = NULL;

	spin_lock(&in->lock);
	if (!list_empty(&in->events)) {
		e = list_first(&in->events, struct inotify_event, link);
		if (event_size(e) > room) {
			e = ERR_PTR(-EINVAL);
		} else {
			list_del(&e->link);
			WRITE_ONCE(in->nr_events, in->nr_events - 1);
		}
	}
	spin_unlock(&in->lock);
	return e;
}

/* ---- the file ---- */

static bool put_event(struct io_iter *it, const struct inotify_event *e)
{
	static const char zeros[sizeof(struct record)];
	size_t padding = e->record.len - e->name_len;

	return iter_put(it, &e->record, sizeof(e->record)) == sizeof(e->record) &&
	       iter_put(it, e->name, e->name_len) == e->name_len &&
	       iter_put(it, zeros, padding) == padding;
}

/* The events that there are and that fit: bytes, 0 where there is none, -EINVAL, or -EFAULT, with the event
 * lost that could not be copied. */
static ssize_t read_some(struct inotify *in, struct io_iter *it)
{
	size_t before = it->left;

	for (;;) {
		struct inotify_event *e = take(in, it->left);
		bool copied;

		if (IS_ERR(e) && it->left == before)
			return PTR_ERR(e);
		if (!e || IS_ERR(e))
			return (ssize_t)(before - it->left);
		copied = put_event(it, e);
		event_free(in, e);
		if (!copied)
			return -EFAULT;
	}
}

static ssize_t inotify_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct inotify *in = f->private;
	ssize_t done;
	long err;

	(void)pos;
	for (;;) {
		done = read_some(in, it);
		if (done)
			return done;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		/* Another reader may be quicker. */
		err = wait_event(&in->wait, READ_ONCE(in->nr_events));
		if (err)
			return err;
	}
}

static u32 inotify_poll(struct file *f, struct poll_table *pt)
{
	struct inotify *in = f->private;

	poll_wait(&in->wait, pt);
	return READ_ONCE(in->nr_events) ? POLLIN | POLLRDNORM : 0;
}

static long inotify_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct inotify *in = f->private;
	struct inotify_event *e;
	size_t bytes = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	spin_lock(&in->lock);
	list_for_each (e, &in->events, link)
		bytes += event_size(e);
	spin_unlock(&in->lock);
	return put_user((s32)bytes, (s32 __user *)arg);
}

static void inotify_release(struct file *f)
{
	struct inotify *in = f->private;

	inotify_end(in);
	inotify_free(in);
}

/* One watch as fdinfo shows it: its handle is what a file system without handles of its own would make. */
static void show_watch(struct seq *s, s32 wd, u32 mask, const struct kstat *st)
{
	u64 dev = (u64)dev_major(st->dev) << 20 | dev_minor(st->dev);

	seq_printf(s, "inotify wd:%x ino:%lx sdev:%lx mask:%x ignored_mask:0 ", (u32)wd, st->ino,
		   dev, mask);
	seq_puts(s, "fhandle-bytes:8 fhandle-type:1 f_handle:");
	for (unsigned n = 0; n < 8; n++)
		seq_printf(s, "%02x", n < 4 ? (u32)(st->ino >> 8 * n) & 0xff : 0);
	seq_putc(s, '\n');
}

/* The newest first. */
static void inotify_show(struct file *f, struct seq *s)
{
	struct inotify *in = f->private;
	s64 wd = INT64_MAX;
	struct watch *w;

	do {
		struct kstat st;
		u32 mask;

		spin_lock(&fsnotify_lock);
		w = inotify_below(in, wd);
		if (w) {
			wd = w->wd;
			mask = w->mask;
			st = (struct kstat){.ino = w->inode->ino, .dev = w->inode->sb->dev};
		}
		spin_unlock(&fsnotify_lock);
		if (w)
			show_watch(s, (s32)wd, mask, &st);
	} while (w);
}

static const struct file_ops inotify_ops = {
    .read = inotify_read,
    .poll = inotify_poll,
    .ioctl = inotify_ioctl,
    .release = inotify_release,
    .show_fdinfo = inotify_show,
    .special = true,
};

struct inotify *file_inotify(const struct file *f)
{
	return f->ops == &inotify_ops ? f->private : NULL;
}

/* ---- instances ---- */

struct inotify *inotify_new(void)
{
	struct inotify *in = kzalloc(sizeof(*in));

	if (!in)
		return NULL;
	in->overflow = event_new(-1, &(struct news){.mask = IN_Q_OVERFLOW});
	if (!in->overflow) {
		kfree(in);
		return NULL;
	}
	rb_init(&in->watches, NULL);
	spin_init(&in->lock, LOCK_INOTIFY);
	spin_assume_held(&in->lock);
	list_init(&in->events);
	in->max_events = (u32)inotify_max_queued_events;
	waitq_init(&in->wait);
	return in;
}

void inotify_free(struct inotify *in)
{
	struct inotify_event *e;

	while ((e = take(in, SIZE_MAX)))
		event_free(in, e);
	kfree(in->overflow);
	kfree(in);
}

struct file *inotify_file(struct inotify *in, u32 flags)
{
	return file_special("anon_inode:inotify", &inotify_ops, O_RDONLY | flags, in);
}
