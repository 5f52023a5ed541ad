/*
 * User and group ids. One rule: who has CAP_SETUID, or CAP_SETGID for groups, may set any; others may
 * choose among the real, effective and saved ids that they have. What a change of ids does to
 * capabilities is in kernel/capability.c.
 */
#include "kernel/process.h"

#include "arch/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"

#define KEEP (~0u) /* -1: this id stays */

SYSCALL0(getuid)
{
	return current->cred.uid;
}

SYSCALL0(geteuid)
{
	return current->cred.euid;
}

SYSCALL0(getgid)
{
	return current->cred.gid;
}

SYSCALL0(getegid)
{
	return current->cred.egid;
}

static bool has_uid(const struct cred *c, u32 id)
{
	return id == KEEP || id == c->uid || id == c->euid || id == c->suid;
}

static bool has_gid(const struct cred *c, u32 id)
{
	return id == KEEP || id == c->gid || id == c->egid || id == c->sgid;
}

static void set_euid(struct cred *c, u32 id)
{
	if (id != KEEP) {
		if (id != c->euid)
			current->proc->dumpable = false;
		c->euid = id;
	}
	c->fsuid = c->euid;
	cred_changed(current);
}

static void set_egid(struct cred *c, u32 id)
{
	if (id != KEEP) {
		if (id != c->egid)
			current->proc->dumpable = false;
		c->egid = id;
	}
	c->fsgid = c->egid;
	cred_changed(current);
}

SYSCALL1(setuid, u32, id)
{
	struct cred *c = &current->cred, old = *c;

	if (id == KEEP)
		return -EINVAL;
	if (cred_capable(c, CAP_SETUID))
		c->uid = c->suid = id;
	else if (id != c->uid && id != c->suid)
		return -EPERM;
	set_euid(c, id);
	cred_fix_caps(c, &old);
	return 0;
}

SYSCALL1(setgid, u32, id)
{
	struct cred *c = &current->cred;

	if (id == KEEP)
		return -EINVAL;
	if (cred_capable(c, CAP_SETGID))
		c->gid = c->sgid = id;
	else if (id != c->gid && id != c->sgid)
		return -EPERM;
	set_egid(c, id);
	return 0;
}

SYSCALL2(setreuid, u32, ruid, u32, euid)
{
	struct cred *c = &current->cred, old = *c;

	if (!cred_capable(c, CAP_SETUID) &&
	    ((ruid != KEEP && ruid != c->uid && ruid != c->euid) || !has_uid(c, euid)))
		return -EPERM;
	if (ruid != KEEP)
		c->uid = ruid;
	set_euid(c, euid);
	if (ruid != KEEP || (euid != KEEP && euid != old.uid))
		c->suid = c->euid;
	cred_fix_caps(c, &old);
	return 0;
}

SYSCALL2(setregid, u32, rgid, u32, egid)
{
	struct cred *c = &current->cred, old = *c;

	if (!cred_capable(c, CAP_SETGID) &&
	    ((rgid != KEEP && rgid != c->gid && rgid != c->egid) || !has_gid(c, egid)))
		return -EPERM;
	if (rgid != KEEP)
		c->gid = rgid;
	set_egid(c, egid);
	if (rgid != KEEP || (egid != KEEP && egid != old.gid))
		c->sgid = c->egid;
	return 0;
}

SYSCALL3(setresuid, u32, ruid, u32, euid, u32, suid)
{
	struct cred *c = &current->cred, old = *c;

	if (!cred_capable(c, CAP_SETUID) &&
	    !(has_uid(c, ruid) && has_uid(c, euid) && has_uid(c, suid)))
		return -EPERM;
	if (ruid != KEEP)
		c->uid = ruid;
	if (suid != KEEP)
		c->suid = suid;
	set_euid(c, euid);
	cred_fix_caps(c, &old);
	return 0;
}

SYSCALL3(setresgid, u32, rgid, u32, egid, u32, sgid)
{
	struct cred *c = &current->cred;

	if (!cred_capable(c, CAP_SETGID) &&
	    !(has_gid(c, rgid) && has_gid(c, egid) && has_gid(c, sgid)))
		return -EPERM;
	if (rgid != KEEP)
		c->gid = rgid;
	if (sgid != KEEP)
		c->sgid = sgid;
	set_egid(c, egid);
	return 0;
}

static int put_ids(u32 __user *r, u32 __user *e, u32 __user *s, u32 rid, u32 eid, u32 sid)
{
	return put_user(rid, r) || put_user(eid, e) || put_user(sid, s) ? -EFAULT : 0;
}

SYSCALL3(getresuid, u32 __user *, ruid, u32 __user *, euid, u32 __user *, suid)
{
	const struct cred *c = &current->cred;

	return put_ids(ruid, euid, suid, c->uid, c->euid, c->suid);
}

SYSCALL3(getresgid, u32 __user *, rgid, u32 __user *, egid, u32 __user *, sgid)
{
	const struct cred *c = &current->cred;

	return put_ids(rgid, egid, sgid, c->gid, c->egid, c->sgid);
}

/* These two return the old id, whether or not it changed. */
SYSCALL1(setfsuid, u32, id)
{
	struct cred *c = &current->cred;
	u32 old = c->fsuid;

	if (id != KEEP && (cred_capable(c, CAP_SETUID) || has_uid(c, id) || id == old))
		c->fsuid = id;
	return old;
}

SYSCALL1(setfsgid, u32, id)
{
	struct cred *c = &current->cred;
	u32 old = c->fsgid;

	if (id != KEEP && (cred_capable(c, CAP_SETGID) || has_gid(c, id) || id == old))
		c->fsgid = id;
	return old;
}

SYSCALL2(getgroups, s32, size, u32 __user *, list)
{
	const struct cred *c = &current->cred;

	if (size < 0 || (size && (u32)size < c->ngroups))
		return -EINVAL;
	if (size && copy_to_user(list, c->groups, c->ngroups * sizeof(u32)))
		return -EFAULT;
	return c->ngroups;
}

SYSCALL2(setgroups, s32, size, const u32 __user *, list)
{
	struct cred *c = &current->cred;
	u32 groups[NGROUPS_MAX];

	if (!cred_capable(c, CAP_SETGID))
		return -EPERM;
	if (size < 0 || size > NGROUPS_MAX)
		return -EINVAL;
	if (copy_from_user(groups, list, (u32)size * sizeof(u32)))
		return -EFAULT;
	memcpy(c->groups, groups, (u32)size * sizeof(u32));
	c->ngroups = (u32)size;
	return 0;
}
