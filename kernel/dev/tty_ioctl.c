/* The ioctls of a terminal: settings, size, queues. Job control's are in jobs.c. */
#include "arch/uaccess.h"
#include "kernel/dev/tty.h"
#include "kernel/lib/string.h"
#include "kernel/process.h"

static long get_termios(struct tty *tty, void __user *arg, bool second)
{
	struct termios2 t = {.ispeed = 38400, .ospeed = 38400};

	spin_lock(&tty->lock);
	t.t = tty->ldisc.t;
	spin_unlock(&tty->lock);
	return copy_to_user(arg, &t, second ? sizeof(t) : sizeof(t.t)) ? -EFAULT : 0;
}

static long set_termios(struct tty *tty, const void __user *arg, bool flush)
{
	struct termios t;
	long err = tty_check_foreground(tty, SIGTTOU);

	if (err)
		return err;
	if (copy_from_user(&t, arg, sizeof(t)))
		return -EFAULT;
	spin_lock(&tty->lock);
	if (flush)
		ldisc_flush_input(&tty->ldisc);
	ldisc_set_termios(&tty->ldisc, &t);
	spin_unlock(&tty->lock);
	waitq_wake_all(&tty->in_wait);
	waitq_wake_all(&tty->read_wait);
	waitq_wake_all(&tty->write_wait);
	return 0;
}

static long set_size(struct tty *tty, const struct winsize __user *arg)
{
	struct winsize w;
	bool changed;
	s32 pgrp;

	if (copy_from_user(&w, arg, sizeof(w)))
		return -EFAULT;
	spin_lock(&tty->lock);
	changed = memcmp(&w, &tty->size, sizeof(w));
	tty->size = w;
	spin_unlock(&tty->lock);
	spin_lock(&tasks_lock);
	pgrp = tty->pgrp;
	spin_unlock(&tasks_lock);
	if (changed && pgrp)
		signal_group(pgrp, SIGWINCH, NULL);
	return 0;
}

static long get_size(struct tty *tty, struct winsize __user *arg)
{
	struct winsize w;

	spin_lock(&tty->lock);
	w = tty->size;
	spin_unlock(&tty->lock);
	return copy_to_user(arg, &w, sizeof(w)) ? -EFAULT : 0;
}

/* TCFLSH: input, output (which is never held back), or both. */
static long flush_queue(struct tty *tty, u64 which)
{
	long err = tty_check_foreground(tty, SIGTTOU);

	if (err)
		return err;
	if (which > 2)
		return -EINVAL;
	if (which == 1)
		return 0;
	spin_lock(&tty->lock);
	ldisc_flush_input(&tty->ldisc);
	spin_unlock(&tty->lock);
	waitq_wake_all(&tty->in_wait);
	return 0;
}

/* TCXONC: stop output, go on, or send the characters that ask the other end to. */
static long flow_control(struct tty *tty, u64 action)
{
	long err = tty_check_foreground(tty, SIGTTOU);
	char c;

	if (err)
		return err;
	if (action > 3)
		return -EINVAL;
	spin_lock(&tty->lock);
	if (action < 2) {
		tty->ldisc.stopped = action == 0;
	} else {
		c = (char)tty->ldisc.t.cc[action == 2 ? VSTOP : VSTART];
		if (c)
			tty->ldisc.ops->output(&tty->ldisc, &c, 1);
	}
	spin_unlock(&tty->lock);
	waitq_wake_all(&tty->write_wait);
	return 0;
}

static long available(struct tty *tty, s32 __user *arg)
{
	s32 n;

	spin_lock(&tty->lock);
	n = (s32)ldisc_available(&tty->ldisc);
	spin_unlock(&tty->lock);
	return put_user(n, arg);
}

/* TIOCSTI: as if c had been typed. */
static long type_char(struct tty *tty, const u8 __user *arg)
{
	u8 c;

	if (READ_ONCE(current->proc->tty) != tty && current->cred.euid != 0)
		return -EPERM;
	if (get_user(c, arg))
		return -EFAULT;
	spin_lock(&tty->lock);
	ldisc_input(&tty->ldisc, c);
	spin_unlock(&tty->lock);
	tty_input_done(tty);
	return 0;
}

long tty_ioctl_on(struct tty *tty, u32 cmd, u64 arg)
{
	void __user *p = (void __user *)arg;

	switch (cmd) {
	case TCGETS:
	case TCGETS2:
		return get_termios(tty, p, cmd == TCGETS2);
	case TCSETS:
	case TCSETSW:
	case TCSETS2:
	case TCSETSW2:
		return set_termios(tty, p, false);
	case TCSETSF:
	case TCSETSF2:
		return set_termios(tty, p, true);
	case TIOCGWINSZ:
		return get_size(tty, p);
	case TIOCSWINSZ:
		return set_size(tty, p);
	case TCFLSH:
		return flush_queue(tty, arg);
	case TCXONC:
		return flow_control(tty, arg);
	case TCSBRK:
	case TCSBRKP:
		return tty_check_foreground(tty, SIGTTOU); /* output is out already */
	case FIONREAD:
		return available(tty, p);
	case TIOCOUTQ:
	case TIOCGETD:
		return put_user(0, (s32 __user *)p);
	case TIOCGDEV:
		return put_user((u32)tty->dev, (u32 __user *)p);
	case TIOCSTI:
		return type_char(tty, p);
	default:
		return tty_job_ioctl(tty, cmd, arg);
	}
}
