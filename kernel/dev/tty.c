/*
 * The terminal. A byte that comes in is pushed into a ring by the interrupt handler; the input task
 * takes it through the line discipline, which may echo, signal, or complete a line. (A signal
 * cannot be sent from an interrupt handler, and ^C must reach a program that reads nothing.)
 */
#include "kernel/dev/tty.h"

#include "arch/clock.h"
#include "arch/serial.h"
#include "kernel/console.h"
#include "kernel/dev/device.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/fs/poll.h"
#include "kernel/panic.h"
#include "kernel/task.h"

#define CHUNK	   256
#define INPUT_SIZE 16384 /* bytes that may wait for the line discipline */

struct tty console_tty;

/* From the interrupt handler, which alone moves head, to the input task, which alone moves tail. */
static struct {
	u32 head, tail;
	u8 bytes[INPUT_SIZE];
} serial_in;

/* ---- input ---- */

/* In the interrupt. A ring that is full drops the byte, as a line without flow control does. */
static void receive(u8 c)
{
	u32 head = serial_in.head;

	if (head - atomic_load_acquire(&serial_in.tail) == INPUT_SIZE)
		return;
	serial_in.bytes[head % INPUT_SIZE] = c;
	atomic_store_release(&serial_in.head, head + 1);
	waitq_wake_all(&console_tty.in_wait);
}

/* There is input that the line discipline can take: a reader makes room. */
static bool input_waits(struct tty *tty)
{
	return atomic_load_acquire(&serial_in.head) != serial_in.tail &&
	       ldisc_has_room(&tty->ldisc);
}

void tty_input_done(struct tty *tty)
{
	tty_send_signals(tty);
	waitq_wake_all(&tty->read_wait);
	waitq_wake_all(&tty->write_wait);
}

/* Takes what the ring holds through the line discipline. */
static void take_input(struct tty *tty)
{
	spin_lock(&tty->lock);
	while (input_waits(tty)) {
		ldisc_input(&tty->ldisc, serial_in.bytes[serial_in.tail % INPUT_SIZE]);
		atomic_store_release(&serial_in.tail, serial_in.tail + 1);
	}
	spin_unlock(&tty->lock);
	tty_input_done(tty);
}

static void input_task(void *arg)
{
	struct tty *tty = arg;

	for (;;) {
		if (wait_event(&tty->in_wait, input_waits(tty)) == 0)
			take_input(tty);
		cond_resched();
	}
}

/* ---- reading ---- */

static bool readable(struct tty *tty, u32 at_least)
{
	bool yes;

	spin_lock(&tty->lock);
	yes = ldisc_readable(&tty->ldisc, at_least);
	spin_unlock(&tty->lock);
	return yes;
}

/* Waits for input as the settings say. 1: read now; 0: the time is over; or an errno. */
static long wait_input(struct tty *tty, struct file *f, size_t want, bool first)
{
	bool canon = tty->ldisc.t.lflag & ICANON;
	u32 vmin = tty->ldisc.t.cc[VMIN], time = tty->ldisc.t.cc[VTIME];
	u32 at_least = canon ? 1 : (u32)min(want, (size_t)max(vmin, 1u));
	u64 deadline = WAIT_FOREVER;
	long err;

	if (readable(tty, time && vmin && !first ? 1 : at_least))
		return 1;
	if (READ_ONCE(tty->hung_up))
		return 0;
	if (f->flags & O_NONBLOCK)
		return readable(tty, 1) ? 1 : -EAGAIN;
	if (!canon && !vmin && !time)
		return 0;
	/* VTIME counts from the start where VMIN is 0, else between bytes, after the first. */
	if (!canon && time && (!vmin || !first || readable(tty, 1)))
		deadline = clock_ns() + time * (100 * NSEC_PER_MSEC);
	if (!canon && time)
		at_least = readable(tty, 1) ? tty->ldisc.head - tty->ldisc.tail + 1 : 1;
	err = wait_event_until(&tty->read_wait, WAIT_INTERRUPTIBLE, deadline,
			       readable(tty, at_least) || READ_ONCE(tty->hung_up) ||
				   canon != (bool)(tty->ldisc.t.lflag & ICANON));
	return err == 0 ? 1 : err == -ETIMEDOUT ? 0 : err;
}

/* Moves what is there, of one line in canonical mode: bytes, or -EFAULT. */
static ssize_t take_bytes(struct tty *tty, struct io_iter *it, bool *line_done)
{
	u8 buf[CHUNK];
	ssize_t done = 0;
	size_t want, n;

	do {
		want = min(it->left, sizeof(buf));
		spin_lock(&tty->lock);
		n = ldisc_read(&tty->ldisc, buf, want, line_done);
		spin_unlock(&tty->lock);
		if (iter_put(it, buf, n) < n)
			return done ? done : -EFAULT;
		done += (ssize_t)n;
	} while (!*line_done && it->left && n == want);
	return done;
}

/* A read: one line in canonical mode, else until VMIN and VTIME have it enough. */
static ssize_t read_input(struct tty *tty, struct file *f, struct io_iter *it)
{
	ssize_t done = 0;

	while (it->left) {
		long ready = wait_input(tty, f, it->left, !done);
		bool line_done;
		ssize_t n;

		if (ready < 0)
			return done ? done : ready;
		n = take_bytes(tty, it, &line_done);
		if (n < 0)
			return done ? done : n;
		done += n;
		if (line_done || !ready)
			break;
		/* Nothing came of it where the settings changed during the wait: then once more. */
		if (n && ((tty->ldisc.t.lflag & ICANON) || (size_t)done >= tty->ldisc.t.cc[VMIN]))
			break;
	}
	return done;
}

static struct tty *file_tty(struct file *f)
{
	return f->private;
}

static ssize_t tty_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct tty *tty = file_tty(f);
	ssize_t n = tty_check_foreground(tty, SIGTTIN);

	(void)pos;
	if (n)
		return n;
	if (f->flags & O_NONBLOCK && rwsem_is_write_locked(&tty->read_lock))
		return -EAGAIN;
	n = rwsem_write_lock_killable(&tty->read_lock);
	if (n)
		return n;
	n = read_input(tty, f, it);
	rwsem_write_unlock(&tty->read_lock);
	waitq_wake_all(&tty->in_wait);
	if (n > 0)
		f->inode->atime = inode_now();
	return n;
}

/* ---- writing ---- */

static void to_console(struct ldisc *l, const char *s, size_t n)
{
	(void)l;
	console_write(s, n);
}

void tty_note_signal(struct ldisc *l, int sig)
{
	container_of(l, struct tty, ldisc)->signals |= 1u << sig;
}

static const struct ldisc_ops ldisc_ops = {.output = to_console, .signal = tty_note_signal};

/* How many bytes of output find room now. Under tty->lock. */
static size_t output_room(const struct tty *tty)
{
	if (tty->ldisc.stopped)
		return 0;
	return tty->pty ? pty_room(tty->pty) : SIZE_MAX;
}

static bool may_write(struct tty *tty)
{
	bool yes;

	spin_lock(&tty->lock);
	yes = tty->hung_up || output_room(tty);
	spin_unlock(&tty->lock);
	return yes;
}

/* Writes one chunk as output goes on: how much, or an errno where it is nothing. */
static ssize_t write_chunk(struct tty *tty, struct file *f, const char *s, size_t n)
{
	size_t done = 0, fits;
	long err = 0;

	while (!err && done < n) {
		bool hung_up;

		spin_lock(&tty->lock);
		hung_up = tty->hung_up;
		fits = hung_up ? 0 : min(n - done, output_room(tty));
		if (fits)
			ldisc_output(&tty->ldisc, s + done, fits);
		spin_unlock(&tty->lock);
		done += fits;
		if (hung_up)
			err = -EIO;
		else if (!fits && f->flags & O_NONBLOCK)
			err = -EAGAIN;
		else if (!fits)
			err = wait_event(&tty->write_wait, may_write(tty));
	}
	return done ? (ssize_t)done : err;
}

static ssize_t tty_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct tty *tty = file_tty(f);
	char buf[CHUNK];
	ssize_t done = 0;
	long err = 0;

	(void)pos;
	if (tty->ldisc.t.lflag & TOSTOP)
		err = tty_check_foreground(tty, SIGTTOU);
	while (!err && it->left) {
		size_t want = min(it->left, sizeof(buf)), n = iter_get(it, buf, want);
		ssize_t written = n ? write_chunk(tty, f, buf, n) : 0;

		if (written < 0)
			err = written;
		else
			done += written;
		if (!err && (size_t)written < n)
			break;
		if (!err && n < want)
			err = -EFAULT;
		if (!err && fatal_signal_pending())
			err = -ERESTARTSYS;
		cond_resched();
	}
	return done ? done : err;
}

/* ---- ioctl, poll ---- */

static long tty_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct tty *tty = file_tty(f);

	return READ_ONCE(tty->hung_up) ? -EIO : tty_ioctl_on(tty, cmd, arg);
}

static u32 tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty *tty = file_tty(f);
	u32 ready = 0;
	u8 min;

	poll_wait(&tty->read_wait, pt);
	poll_wait(&tty->write_wait, pt);
	spin_lock(&tty->lock);
	min = tty->ldisc.t.cc[VTIME] ? 1 : tty->ldisc.t.cc[VMIN];
	if (ldisc_readable(&tty->ldisc, min))
		ready |= POLLIN | POLLRDNORM;
	if (output_room(tty))
		ready |= POLLOUT | POLLWRNORM;
	if (tty->hung_up)
		ready |= POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR | POLLHUP;
	spin_unlock(&tty->lock);
	return ready;
}

/* ---- opening ---- */

static int tty_open(struct inode *i, struct file *f)
{
	f->private = &console_tty;
	/* The console does not become anybody's controlling terminal by being opened. */
	if (i->rdev != dev_make(5, 1) && !(f->flags & O_NOCTTY))
		tty_open_controlling(&console_tty);
	return 0;
}

static struct tty *tty_current(void)
{
	struct tty *tty;

	spin_lock(&tasks_lock);
	tty = current->proc->tty;
	/* A terminal leaves its processes, under this lock, before it goes. */
	if (tty && tty->pty)
		pty_slave_get(tty->pty);
	spin_unlock(&tasks_lock);
	return tty;
}

/* /dev/tty: the caller's controlling terminal. */
static int current_tty_open(struct inode *i, struct file *f)
{
	(void)i;
	f->private = tty_current();
	return f->private ? 0 : -ENXIO;
}

static void tty_release(struct file *f)
{
	if (file_tty(f)->pty)
		pty_slave_put(file_tty(f)->pty);
}

#define TTY_OPS                                                                     \
	.read = tty_read, .write = tty_write, .ioctl = tty_ioctl, .poll = tty_poll, \
	.release = tty_release

const struct file_ops tty_slave_ops = {TTY_OPS};
static const struct file_ops tty_ops = {TTY_OPS, .open = tty_open};
static const struct file_ops current_tty_ops = {TTY_OPS, .open = current_tty_open};

void tty_setup(struct tty *tty, const struct ldisc_ops *ops, u64 dev)
{
	spin_init(&tty->lock, LOCK_TTY);
	ldisc_init(&tty->ldisc, ops);
	waitq_init(&tty->read_wait);
	waitq_init(&tty->write_wait);
	waitq_init(&tty->in_wait);
	rwsem_init(&tty->read_lock, LOCK_TTY_READ);
	tty->dev = dev;
}

void tty_init(void)
{
	struct tty *tty = &console_tty;
	struct task *t;

	tty_setup(tty, &ldisc_ops, dev_make(4, 64));
	chrdev_register(4, 0, 1, "tty", &tty_ops);
	chrdev_register(4, 64, 1, "ttyS", &tty_ops);
	chrdev_register(5, 0, 1, "/dev/tty", &current_tty_ops);
	chrdev_register(5, 1, 1, "/dev/console", &tty_ops);
	t = kthread_create("tty", input_task, tty);
	if (IS_ERR(t))
		panic("no memory for the terminal's task");
	serial_set_receiver(receive);
}
