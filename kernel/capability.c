/*
 * Capabilities: 64 bits that are permitted and 64 that are in effect, in each task's cred; its own task
 * alone writes them. They follow the user ids, as Linux's do without file capabilities:
 *
 *   exec as root (real or effective uid 0)   all permitted; in effect where the effective uid is 0
 *   exec as anybody else                     none
 *   the last of the three uids 0 is gone     none, but with PR_SET_KEEPCAPS those permitted stay so
 *   effective uid 0 is gone                  none in effect
 *   effective uid 0 is back                  those permitted are in effect
 *   capset                                   fewer, or those permitted in effect
 *
 * What asks for one: the calls that set ids (kernel/cred.c), which is what a program keeps them for when it
 * becomes another user. Everything else still asks whether the effective uid is 0.
 * Bounds, ambient sets and securebits are not there: inheritable ones are kept, and do nothing.
 */
#include "kernel/process.h"

#include "arch/uaccess.h"
#include "kernel/syscalls.h"

#define CAP_VERSION_1 0x19980330u
#define CAP_VERSION_2 0x20071026u
#define CAP_VERSION_3 0x20080522u

struct cap_header {
	u32 version;
	s32 pid;
};

struct cap_data {
	u32 effective, permitted, inheritable;
};

static bool any_root(const struct cred *c)
{
	return c->uid == 0 || c->euid == 0 || c->suid == 0;
}

void cred_fix_caps(struct cred *c, const struct cred *old)
{
	if (any_root(old) && !any_root(c) && !c->keep_caps)
		c->cap_permitted = c->cap_effective = 0;
	if (old->euid == 0 && c->euid != 0)
		c->cap_effective = 0;
	else if (old->euid != 0 && c->euid == 0)
		c->cap_effective = c->cap_permitted;
}

void cred_exec_caps(struct cred *c)
{
	c->cap_permitted = c->uid == 0 || c->euid == 0 ? CAPS_ALL : 0;
	c->cap_effective = c->euid == 0 ? CAPS_ALL : 0;
	c->keep_caps = false;
}

/* Words of cap_data by version, or -EINVAL with the version that is preferred. */
static int cap_words(struct cap_header __user *uheader, struct cap_header *h)
{
	if (copy_from_user(h, uheader, sizeof(*h)))
		return -EFAULT;
	if (h->version == CAP_VERSION_1)
		return 1;
	if (h->version == CAP_VERSION_2 || h->version == CAP_VERSION_3)
		return 2;
	if (put_user(CAP_VERSION_3, &uheader->version))
		return -EFAULT;
	return -EINVAL;
}

SYSCALL2(capget, struct cap_header __user *, uheader, struct cap_data __user *, udata)
{
	struct cap_data data[2];
	struct cap_header h;
	int words = cap_words(uheader, &h);
	struct task *t;

	if (words < 0)
		return words == -EINVAL && !udata ? 0 : words;
	if (h.pid < 0)
		return -EINVAL;
	t = task_find(h.pid ? h.pid : current->tid);
	if (!t)
		return -ESRCH;
	for (int i = 0; i < 2; i++)
		data[i] = (struct cap_data){(u32)(t->cred.cap_effective >> (32 * i)),
					    (u32)(t->cred.cap_permitted >> (32 * i)),
					    (u32)(t->cred.cap_inheritable >> (32 * i))};
	task_put(t);
	if (!udata)
		return 0;
	return copy_to_user(udata, data, (size_t)words * sizeof(data[0])) ? -EFAULT : 0;
}

static int set_caps(struct cred *c, u64 effective, u64 permitted, u64 inheritable)
{
	if (!cred_capable(c, CAP_SETPCAP) && inheritable & ~(c->cap_inheritable | c->cap_permitted))
		return -EPERM;
	if (permitted & ~c->cap_permitted || effective & ~permitted)
		return -EPERM;
	c->cap_effective = effective;
	c->cap_permitted = permitted;
	c->cap_inheritable = inheritable;
	return 0;
}

SYSCALL2(capset, struct cap_header __user *, uheader, const struct cap_data __user *, udata)
{
	struct cap_data d[2] = {{0}};
	struct cap_header h;
	int words = cap_words(uheader, &h);

	if (words < 0)
		return words;
	if (h.pid && h.pid != current->tid)
		return -EPERM;
	if (copy_from_user(d, udata, (size_t)words * sizeof(d[0])))
		return -EFAULT;
	return set_caps(&current->cred, CAPS_ALL & (d[0].effective | (u64)d[1].effective << 32),
			CAPS_ALL & (d[0].permitted | (u64)d[1].permitted << 32),
			CAPS_ALL & (d[0].inheritable | (u64)d[1].inheritable << 32));
}
