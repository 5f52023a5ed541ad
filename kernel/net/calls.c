/* The socket calls that make, name, connect and end sockets. */
#include "kernel/net/calls.h"

#include "arch/uaccess.h"
#include "kernel/fs/fs_internal.h"
#include "kernel/lib/string.h"
#include "kernel/net/unix.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

struct file *sock_fd_get(s32 fd, struct socket **s)
{
	struct file *f = fd_get(fd);

	if (!f)
		return ERR_PTR(-EBADF);
	*s = file_socket(f);
	if (*s)
		return f;
	file_put(f);
	return ERR_PTR(-ENOTSOCK);
}

int addr_from_user(struct sock_addr *a, const void __user *user, s32 len)
{
	if (len < 0 || len > (s32)sizeof(a->bytes))
		return -EINVAL;
	memset(a, 0, sizeof(*a));
	a->len = (u32)len;
	return copy_from_user(a->bytes, user, (u32)len) ? -EFAULT : 0;
}

int addr_to_user(const struct sock_addr *a, void __user *user, s32 __user *len)
{
	s32 room;

	if (get_user(room, len))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copy_to_user(user, a->bytes, min((u32)room, a->len)))
		return -EFAULT;
	return put_user((s32)a->len, len);
}

/* The flags that socket(2), socketpair(2) and accept4(2) know. */
static bool bad_flags(u32 flags)
{
	return flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static struct file *make_file(struct socket *s, u32 flags)
{
	return sock_file(s, flags & SOCK_NONBLOCK ? O_NONBLOCK : 0);
}

/* A descriptor of f, whose reference stays the caller's. f may be an ERR_PTR. */
static s32 install(struct file *f, u32 flags)
{
	return IS_ERR(f) ? (s32)PTR_ERR(f) : fd_install(file_get(f), 0, flags & SOCK_CLOEXEC);
}

SYSCALL3(socket, s32, family, u32, type, s32, protocol)
{
	u32 flags = type & ~SOCK_TYPE_MASK;
	struct socket *s;
	struct file *f;

	if (bad_flags(flags))
		return -EINVAL;
	s = sock_create(family, type & SOCK_TYPE_MASK, protocol);
	if (IS_ERR(s))
		return PTR_ERR(s);
	f = make_file(s, flags);
	return IS_ERR(f) ? PTR_ERR(f) : fd_install(f, 0, flags & SOCK_CLOEXEC);
}

/* Two connected sockets in pair. */
static int make_pair(int family, int type, int protocol, struct socket *pair[2])
{
	struct ucred me = sock_current_cred();

	pair[0] = sock_create(family, type, protocol);
	if (IS_ERR(pair[0]))
		return (int)PTR_ERR(pair[0]);
	if (family != AF_UNIX) {
		sock_put(pair[0]);
		return -EOPNOTSUPP;
	}
	pair[1] = sock_create(family, type, protocol);
	if (IS_ERR(pair[1])) {
		sock_put(pair[0]);
		return (int)PTR_ERR(pair[1]);
	}
	unix_pair(pair[0], pair[1], me);
	return 0;
}

SYSCALL4(socketpair, s32, family, u32, type, s32, protocol, s32 __user *, user)
{
	u32 flags = type & ~SOCK_TYPE_MASK;
	struct socket *pair[2] = {NULL, NULL};
	struct file *f[2];
	int err;

	if (bad_flags(flags))
		return -EINVAL;
	err = make_pair(family, type & SOCK_TYPE_MASK, protocol, pair);
	if (err)
		return err;
	f[0] = make_file(pair[0], flags);
	f[1] = make_file(pair[1], flags);
	return fd_install_pair(f, flags & SOCK_CLOEXEC, user);
}

SYSCALL3(bind, s32, fd, const void __user *, user, s32, len)
{
	struct sock_addr a;
	struct socket *s;
	struct file *f = sock_fd_get(fd, &s);
	long err;

	if (IS_ERR(f))
		return PTR_ERR(f);
	err = addr_from_user(&a, user, len);
	if (!err)
		err = s->ops->bind(s, &a);
	file_put(f);
	return err;
}

SYSCALL2(listen, s32, fd, s32, backlog)
{
	struct socket *s;
	struct file *f = sock_fd_get(fd, &s);
	long err;

	if (IS_ERR(f))
		return PTR_ERR(f);
	/* A negative one is a large one. */
	err = s->ops->listen ? s->ops->listen(s, min((u32)backlog, (u32)SOMAXCONN)) : -EOPNOTSUPP;
	file_put(f);
	return err;
}

SYSCALL3(connect, s32, fd, const void __user *, user, s32, len)
{
	struct sock_addr a;
	struct socket *s;
	struct file *f = sock_fd_get(fd, &s);
	long err;

	if (IS_ERR(f))
		return PTR_ERR(f);
	err = addr_from_user(&a, user, len);
	if (!err)
		err = s->ops->connect(s, &a, f->flags & O_NONBLOCK);
	file_put(f);
	return err;
}

/* ---- accept ---- */

/* A descriptor for conn, which s has accepted, as f; where there is none to be had, it is put back. */
static s32 install_accepted(struct socket *s, struct socket *conn, struct file *f, u32 flags)
{
	s32 fd;

	sock_set_file(f, conn);
	fd = install(f, flags);
	if (fd < 0) {
		sock_set_file(f, NULL);
		conn->file = NULL;
		conn->ino = 0;
		stream_unaccept(s, conn);
	}
	return fd;
}

static int put_peer_name(struct socket *conn, void __user *user, s32 __user *len)
{
	struct sock_addr a;

	if (!user)
		return 0;
	return conn->ops->name(conn, &a, true) ? -ECONNABORTED : addr_to_user(&a, user, len);
}

static long accept_on(struct socket *s, bool dontwait, void __user *user, s32 __user *len,
		      u32 flags)
{
	struct socket *conn;
	struct file *f;
	s32 fd;
	int err;

	if (!s->ops->accept)
		return -EOPNOTSUPP;
	f = make_file(NULL, flags);
	if (IS_ERR(f))
		return PTR_ERR(f);
	err = s->ops->accept(s, dontwait, &conn);
	if (err) {
		file_put(f);
		return err;
	}
	fd = install_accepted(s, conn, f, flags);
	/* Another thread may close the descriptor before we are done: f keeps conn. */
	err = fd < 0 ? fd : put_peer_name(conn, user, len);
	if (fd >= 0 && err)
		fd_uninstall(fd, f);
	file_put(f);
	return err ? err : fd;
}

static long do_accept(s32 fd, void __user *user, s32 __user *len, u32 flags)
{
	struct socket *s;
	struct file *f;
	long ret;

	if (bad_flags(flags))
		return -EINVAL;
	f = sock_fd_get(fd, &s);
	if (IS_ERR(f))
		return PTR_ERR(f);
	ret = accept_on(s, f->flags & O_NONBLOCK, user, len, flags);
	file_put(f);
	return ret;
}

SYSCALL3(accept, s32, fd, void __user *, user, s32 __user *, len)
{
	return do_accept(fd, user, len, 0);
}

SYSCALL4(accept4, s32, fd, void __user *, user, s32 __user *, len, u32, flags)
{
	return do_accept(fd, user, len, flags);
}

/* ---- names, shutdown ---- */

static long get_name(s32 fd, void __user *user, s32 __user *len, bool peer)
{
	struct sock_addr a;
	struct socket *s;
	struct file *f = sock_fd_get(fd, &s);
	long err;

	if (IS_ERR(f))
		return PTR_ERR(f);
	err = s->ops->name(s, &a, peer);
	if (!err)
		err = addr_to_user(&a, user, len);
	file_put(f);
	return err;
}

SYSCALL3(getsockname, s32, fd, void __user *, user, s32 __user *, len)
{
	return get_name(fd, user, len, false);
}

SYSCALL3(getpeername, s32, fd, void __user *, user, s32 __user *, len)
{
	return get_name(fd, user, len, true);
}

SYSCALL2(shutdown, s32, fd, s32, how)
{
	struct socket *s;
	struct file *f = sock_fd_get(fd, &s);
	long err = -EINVAL;

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (how >= SHUT_RD && how <= SHUT_RDWR)
		err = s->ops->shutdown(s, (u32)how + 1);
	file_put(f);
	return err;
}
