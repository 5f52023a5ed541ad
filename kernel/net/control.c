/* Control data of messages, between the program's buffer and a struct message. */
#include "kernel/net/control.h"

#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/string.h"
#include "kernel/net/rights.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define CONTROL_MAX 20480 /* as Linux's optmem_max */
#define NOBODY	    65534

/* ---- sending ---- */

/* Adds the files of `count` descriptors to m->rights. */
static int get_rights(struct message *m, const s32 *fds, u64 count)
{
	struct rights *r;

	if (!count)
		return 0;
	if (count > SCM_MAX_FD || (m->rights && m->rights->count + count > SCM_MAX_FD))
		return -EINVAL;
	if (!m->rights)
		m->rights = rights_new();
	r = m->rights;
	if (!r)
		return -ENOMEM;
	for (u64 n = 0; n < count; n++) {
		struct file *f = fd_get_any(fds[n]);

		if (!f)
			return -EBADF;
		r->files[r->count++] = f;
	}
	return 0;
}

static bool is_one_of(u32 id, u32 a, u32 b, u32 c)
{
	return id == a || id == b || id == c;
}

/* Whom a program may say that it is: itself, unless it is root. */
static int get_cred(struct message *m, const struct ucred *said)
{
	const struct cred *c = &current->cred;

	if (c->euid != 0 &&
	    (said->pid != current->proc->pid || !is_one_of(said->uid, c->uid, c->euid, c->suid) ||
	     !is_one_of(said->gid, c->gid, c->egid, c->sgid)))
		return -EPERM;
	if (said->uid == ~0u || said->gid == ~0u)
		return -EINVAL;
	if (said->pid != current->proc->pid) {
		struct process *p = process_find(said->pid);

		if (!p)
			return -ESRCH;
		process_put(p);
	}
	m->cred = *said;
	m->has_cred = true;
	return 0;
}

/* One control message: hdr, and behind it its data. */
static int get_one(const struct socket *s, struct message *m, const struct cmsghdr *hdr)
{
	u64 len = hdr->len - sizeof(*hdr);

	if (s->family != AF_UNIX)
		return hdr->level == SOL_SOCKET ? 0 : -EINVAL;
	if (hdr->level != SOL_SOCKET)
		return 0;
	if (hdr->type == SCM_RIGHTS)
		return get_rights(m, (const s32 *)(hdr + 1), len / sizeof(s32));
	if (hdr->type == SCM_CREDENTIALS && len == sizeof(struct ucred))
		return get_cred(m, (const struct ucred *)(hdr + 1));
	return -EINVAL;
}

static int get_all(const struct socket *s, struct message *m, const char *buf, u64 len)
{
	u64 at = 0;
	int err = 0;

	while (!err && len - at >= sizeof(struct cmsghdr)) {
		const struct cmsghdr *hdr = (const struct cmsghdr *)(buf + at);

		if (hdr->len < sizeof(*hdr) || hdr->len > len - at)
			return -EINVAL;
		err = get_one(s, m, hdr);
		if (CMSG_ALIGN(hdr->len) > len - at)
			break;
		at += CMSG_ALIGN(hdr->len);
	}
	return err;
}

int control_get(const struct socket *s, struct message *m, u64 user, u64 len)
{
	char *buf;
	int err;

	if (len > CONTROL_MAX)
		return -ENOBUFS;
	if (len < sizeof(struct cmsghdr))
		return 0;
	buf = kmalloc(len);
	if (!buf)
		return -ENOBUFS;
	if (copy_from_user(buf, (const void __user *)user, len))
		err = -EFAULT;
	else
		err = get_all(s, m, buf, len);
	kfree(buf);
	/* From here on they may keep each other alive. */
	if (m->rights && !err)
		err = rights_send(m->rights);
	if (err && m->rights) {
		rights_free(m->rights);
		m->rights = NULL;
	}
	return err;
}

/* ---- receiving ---- */

struct output {
	u64 at, left; /* in the program's buffer */
	u32 *flags;
};

static void move_on(struct output *o, u64 len)
{
	u64 n = min(CMSG_ALIGN(len), o->left);

	o->at += n;
	o->left -= n;
}

/* Writes a message's header and so much of its data as there is room for. */
static void put_one(struct output *o, s32 type, const void *data, u64 n)
{
	struct cmsghdr hdr = {.len = sizeof(hdr) + n, .level = SOL_SOCKET, .type = type};

	if (o->left < sizeof(hdr)) {
		*o->flags |= MSG_CTRUNC;
		return;
	}
	if (o->left < hdr.len) {
		*o->flags |= MSG_CTRUNC;
		hdr.len = o->left;
	}
	if (copy_to_user((void __user *)o->at, &hdr, sizeof(hdr)) ||
	    copy_to_user((void __user *)(o->at + sizeof(hdr)), data, hdr.len - sizeof(hdr)))
		return;
	move_on(o, hdr.len);
}

/* A descriptor of f, whose number is written to `user`: none where that faults. */
static bool put_fd(struct file *f, s32 __user *user, bool cloexec)
{
	s32 fd = fd_install(file_get(f), 0, cloexec);

	if (fd < 0)
		return false;
	if (!put_user(fd, user))
		return true;
	fd_uninstall(fd, f);
	return false;
}

/*
 * Makes descriptors of as many of the files as there is room for in the buffer and the table, up to the first
 * of which the program cannot be told. The header is written before, since it may fault, and again when it
 * is known how many there are.
 */
static void put_rights(struct output *o, const struct rights *r, bool cloexec)
{
	struct cmsghdr hdr = {.len = sizeof(hdr), .level = SOL_SOCKET, .type = SCM_RIGHTS};
	u64 room = o->left > sizeof(hdr) ? (o->left - sizeof(hdr)) / sizeof(s32) : 0;
	void __user *at = (void __user *)o->at;
	s32 __user *fds = (s32 __user *)(o->at + sizeof(hdr));
	u32 n = 0;

	if (room && copy_to_user(at, &hdr, sizeof(hdr)))
		room = 0;
	while (n < r->count && n < room && put_fd(r->files[n], &fds[n], cloexec))
		n++;
	if (n) {
		hdr.len += n * sizeof(s32);
		if (!copy_to_user(at, &hdr, sizeof(hdr)))
			move_on(o, hdr.len);
	}
	if (n < r->count)
		*o->flags |= MSG_CTRUNC;
}

u64 control_put(const struct socket *s, struct message *m, u64 user, u64 len)
{
	struct output o = {.at = user, .left = user ? len : 0, .flags = &m->out_flags};

	if (s->options.pass_cred && s->family == AF_UNIX) {
		struct ucred nobody = {0, NOBODY, NOBODY};

		put_one(&o, SCM_CREDENTIALS, m->has_cred ? &m->cred : &nobody, sizeof(nobody));
	}
	if (m->rights) {
		put_rights(&o, m->rights, m->flags & MSG_CMSG_CLOEXEC);
		rights_free(m->rights);
		m->rights = NULL;
	}
	return o.at - user;
}
