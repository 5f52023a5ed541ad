/* Gathering exec's strings before the old address space goes. */
#include "kernel/exec_args.h"

#include "arch/mmu.h"
#include "arch/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/task.h"

#define MAX_ARG_STRLEN (32 * PAGE_SIZE)
#define POINTER_SIZE   sizeof(u64)

/* Makes room for n more bytes. */
static int reserve(struct exec_args *a, size_t n)
{
	size_t room = max(a->room, (size_t)PAGE_SIZE);
	char *buf;

	if (a->len + n > a->limit || a->len + n > KMALLOC_MAX)
		return -E2BIG;
	if (a->len + n <= a->room)
		return 0;
	while (room < a->len + n)
		room *= 2;
	buf = kmalloc(room);
	if (!buf)
		return -ENOMEM;
	if (a->buf)
		memcpy(buf, a->buf, a->len);
	kfree(a->buf);
	a->buf = buf;
	a->room = room;
	return 0;
}

/* Each string costs its pointer too. */
static int charge_pointer(struct exec_args *a)
{
	if (a->limit < a->len + POINTER_SIZE)
		return -E2BIG;
	a->limit -= POINTER_SIZE;
	return 0;
}

int exec_args_add(struct exec_args *a, const char *s)
{
	size_t n = strlen(s) + 1;
	int err = charge_pointer(a);

	if (!err)
		err = reserve(a, n);
	if (err)
		return err;
	memcpy(a->buf + a->len, s, n);
	a->len += n;
	return 0;
}

static int add_user(struct exec_args *a, const char __user *s)
{
	size_t n = strnlen_user(s, MAX_ARG_STRLEN);
	int err = charge_pointer(a);

	if (!n)
		return -EFAULT;
	if (n > MAX_ARG_STRLEN)
		return -E2BIG;
	if (!err)
		err = reserve(a, n);
	if (err)
		return err;
	if (copy_from_user(a->buf + a->len, s, n))
		return -EFAULT;
	/* Another task may have written to it since it was measured. */
	a->buf[a->len + n - 1] = 0;
	a->len += strlen(a->buf + a->len) + 1;
	return 0;
}

static int add_user_array(struct exec_args *a, char *const __user *const __user *array, u32 skip,
			  u32 *count)
{
	char *s;
	int err;

	for (u32 i = 0;; i++) {
		if (copy_from_user(&s, array + i, sizeof(s)))
			return -EFAULT;
		if (!s)
			return 0;
		if (fatal_signal_pending())
			return -EINTR;
		cond_resched();
		if (i < skip)
			continue;
		err = add_user(a, (const char __user *)s);
		if (err)
			return err;
		++*count;
	}
}

int exec_args_add_array(struct exec_args *a, const struct string_array *from, u32 skip, u32 *count)
{
	int err = 0;

	if (from->user)
		return add_user_array(a, from->user, skip, count);
	for (u32 i = 0; !err && from->kernel && from->kernel[i]; i++) {
		if (i < skip)
			continue;
		err = exec_args_add(a, from->kernel[i]);
		if (!err)
			++*count;
	}
	return err;
}

void exec_args_free(struct exec_args *a)
{
	kfree(a->buf);
	*a = (struct exec_args){0};
}
