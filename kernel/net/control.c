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
	n = min(CMSG_ALIGN(hdr.len), o->left);
	o->at += n;
	o->left -= n;
}

/* Makes descriptors of as many of the files as there is room for in the buffer and the table. */
static void put_rights(struct output *o, const struct rights *r, bool cloexec)
{
	u64 room = o->left > sizeof(struct cmsghdr) ? (o->left - sizeof(struct cmsghdr)) / 4 : 0;
	u32 n = 0;
	s32 *fds = kmalloc(r->count * sizeof(*fds));

	for (; fds && n < r->count && n < room; n++) {
		fds[n] = fd_install(file_get(r->files[n]), 0, cloexec);
		if (fds[n] < 0)
			break;
	}
	if (n)
		put_one(o, SCM_RIGHTS, fds, n * sizeof(*fds));
	if (n < r->count)
		*o->flags |= MSG_CTRUNC;
	kfree(fds);
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
