/* Devices without hardware: null, zero, full, random, urandom, kmsg. */
#include "kernel/dev/device.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/random.h"
#include "kernel/task.h"
#include "mm/alloc.h"

static ssize_t null_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	(void)f;
	(void)it;
	(void)pos;
	return 0;
}

static ssize_t null_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	size_t n = it->left;

	(void)f;
	(void)pos;
	iter_skip(it, n);
	return (ssize_t)n;
}

/* These have no position, but programs may seek in them: it stays 0. */
static loff_t null_seek(struct file *f, loff_t off, int whence)
{
	(void)off;
	(void)whence;
	f->pos = 0;
	return 0;
}

static ssize_t zero_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	size_t done = 0;

	(void)f;
	(void)pos;
	while (it->left && !signal_pending()) {
		size_t want = min(it->left, (size_t)PAGE_SIZE), got = iter_zero(it, want);

		done += got;
		if (got < want)
			return done ? (ssize_t)done : -EFAULT;
		cond_resched();
	}
	return done || !it->left ? (ssize_t)done : -ERESTARTSYS;
}

static ssize_t full_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	(void)f;
	(void)it;
	(void)pos;
	return -ENOSPC;
}

static ssize_t random_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	u8 buf[256];
	size_t done = 0;

	(void)f;
	(void)pos;
	while (it->left) {
		size_t want = min(it->left, sizeof(buf)), got;

		random_bytes(buf, want);
		got = iter_put(it, buf, want);
		done += got;
		if (got < want)
			return done ? (ssize_t)done : -EFAULT;
		if (signal_pending())
			break;
		cond_resched();
	}
	return (ssize_t)done;
}

/* What a program writes is stirred in. */
static ssize_t random_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	u8 buf[64];
	size_t done = 0;

	(void)f;
	(void)pos;
	while (it->left) {
		size_t want = min(it->left, sizeof(buf)), got = iter_get(it, buf, want);

		random_add(buf, got);
		done += got;
		if (got < want)
			return done ? (ssize_t)done : -EFAULT;
		cond_resched();
	}
	return (ssize_t)done;
}

#define KMSG_LINE 976 /* the longest line, as Linux */

/* A line for the log, with an optional "<level>" before it. */
static ssize_t kmsg_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	char line[KMSG_LINE + 1];
	size_t n = it->left;
	char *text = line, *end;

	(void)f;
	(void)pos;
	if (n > KMSG_LINE)
		return -EINVAL;
	if (iter_get(it, line, n) < n)
		return -EFAULT;
	line[n] = 0;
	if (n && line[n - 1] == '\n')
		line[n - 1] = 0;
	end = strchr(line, '>');
	if (line[0] == '<' && end && end - line <= 4)
		text = end + 1;
	log_info("%s", text);
	return (ssize_t)n;
}

static const struct file_ops null_ops = {.read = null_read, .write = null_write, .seek = null_seek};
static const struct file_ops zero_ops = {
    .read = zero_read,
    .write = null_write,
    .seek = null_seek,
    .zeros = true,
};
static const struct file_ops full_ops = {.read = zero_read, .write = full_write, .seek = null_seek};
static const struct file_ops random_ops = {
    .read = random_read, .write = random_write, .seek = null_seek};
static const struct file_ops kmsg_ops = {.write = kmsg_write, .seek = null_seek};

void mem_devices_init(void)
{
	chrdev_register(1, 3, 1, "mem", &null_ops);
	chrdev_register(1, 5, 1, "mem", &zero_ops);
	chrdev_register(1, 7, 1, "mem", &full_ops);
	chrdev_register(1, 8, 2, "mem", &random_ops);
	chrdev_register(1, 11, 1, "mem", &kmsg_ops);
}
