/* Sockets: their life, their files, and what all families share. */
#include "kernel/net/socket.h"

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/fs/poll.h"
#include "kernel/lib/string.h"
#include "kernel/net/inet.h"
#include "kernel/net/rights.h"
#include "kernel/net/unix.h"
#include "kernel/panic.h"
#include "kernel/task.h"
#include "mm/alloc.h"

#define DEFAULT_BUF 212992

static struct slab_cache *socket_cache;

/* All sockets, in the order in which they were made. */
static spinlock_t list_lock = SPINLOCK_INIT(LOCK_SOCKS);
static struct list_head sockets __guarded_by_global(&list_lock) = LIST_INIT(sockets);
static u64 next_id __guarded_by_global(&list_lock);

void sock_init(void)
{
	socket_cache = slab_create("socket", sizeof(struct socket), 16);
	if (!socket_cache)
		panic("no memory for the socket cache");
}

/* ---- life ---- */

static struct socket *alloc(int family, int type, u32 protocol, const struct sock_ops *ops)
{
	struct socket *s = slab_zalloc(socket_cache);

	if (!s)
		return NULL;
	s->refs = 1;
	s->family = (u16)family;
	s->type = (u16)type;
	s->protocol = protocol;
	s->ops = ops;
	s->uid = current->cred.fsuid;
	s->send_buf = s->recv_buf = DEFAULT_BUF;
	s->options.recv_low = 1;
	spin_init(&s->lock, LOCK_SOCK);
	rwsem_init(&s->read_lock, LOCK_SOCK_READ);
	waitq_init(&s->read_wait);
	waitq_init(&s->write_wait);
	waitq_init(&s->room_wait);
	spin_assume_held(&s->lock);
	packet_queue_init(&s->received);
	list_init(&s->pending);
	list_init(&s->pending_link);
	spin_lock(&list_lock);
	s->id = ++next_id;
	list_add_tail(&sockets, &s->all_link);
	spin_unlock(&list_lock);
	return s;
}

struct socket *sock_create(int family, int type, int protocol)
{
	const struct sock_ops *ops;
	struct socket *s;
	int err;

	if (family < 0 || family >= AF_MAX)
		return ERR_PTR(-EAFNOSUPPORT);
	if (type < 0 || type > SOCK_PACKET)
		return ERR_PTR(-EINVAL);
	if (family == AF_UNIX)
		err = unix_choose(type, &protocol, &ops);
	else if (family == AF_INET || family == AF_INET6)
		err = inet_choose(type, &protocol, &ops);
	else
		err = -EAFNOSUPPORT;
	if (err)
		return ERR_PTR(err);
	/* Linux takes a raw socket of AF_UNIX for one of datagrams. */
	if (type == SOCK_RAW)
		type = SOCK_DGRAM;
	s = alloc(family, type, (u32)protocol, ops);
	if (!s)
		return ERR_PTR(-ENOMEM);
	if (family == AF_UNIX)
		unix_setup(s);
	else
		inet_setup(s);
	return s;
}

struct socket *sock_create_like(const struct socket *like)
{
	struct socket *s = alloc(like->family, like->type, like->protocol, like->ops);

	if (!s)
		return NULL;
	s->uid = like->uid;
	s->options = like->options;
	s->send_buf = like->send_buf;
	s->recv_buf = like->recv_buf;
	if (like->family == AF_UNIX)
		unix_setup(s);
	else
		inet_setup_like(s, like);
	return s;
}

struct socket *sock_get(struct socket *s)
{
	atomic_inc(&s->refs);
	return s;
}

struct socket *sock_get_peer(struct socket *s)
{
	struct socket *peer;

	spin_lock(&s->lock);
	peer = s->peer ? sock_get(s->peer) : NULL;
	spin_unlock(&s->lock);
	return peer;
}

void sock_put(struct socket *s)
{
	if (atomic_dec(&s->refs))
		return;
	spin_lock(&list_lock);
	list_del(&s->all_link);
	spin_unlock(&list_lock);
	if (s->family == AF_UNIX && s->un.name)
		unix_name_put(s->un.name);
	slab_free(socket_cache, s);
}

struct socket *sock_next(u64 id)
{
	struct socket *s, *found = NULL;

	spin_lock(&list_lock);
	list_for_each (s, &sockets, all_link) {
		/* One whose last reference has gone is about to leave the list. */
		u32 refs = atomic_load(&s->refs);

		if (s->id < id)
			continue;
		while (refs && !atomic_cas(&s->refs, &refs, refs + 1))
			;
		if (refs) {
			found = s;
			break;
		}
	}
	spin_unlock(&list_lock);
	return found;
}

/* ---- as files ---- */

static ssize_t sock_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct socket *s = f->private;
	struct message m = {.it = it, .flags = f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0};
	ssize_t n;

	(void)pos;
	if (!it->left)
		return 0;
	n = s->ops->recv(s, &m);
	if (m.rights)
		rights_free(m.rights);
	return n;
}

static ssize_t sock_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct socket *s = f->private;
	struct sock_addr none = {.len = 0};
	struct message m = {
	    .it = it, .flags = f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0, .addr = &none};

	(void)pos;
	return s->ops->send(s, &m);
}

static u32 sock_poll(struct file *f, struct poll_table *pt)
{
	struct socket *s = f->private;

	poll_wait(&s->read_wait, pt);
	poll_wait(&s->write_wait, pt);
	return s->ops->poll(s);
}

static long sock_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct socket *s = f->private;

	return s->ops->ioctl(s, cmd, arg);
}

static void sock_release(struct file *f)
{
	struct socket *s = f->private;

	if (!s)
		return;
	s->ops->release(s, false);
	sock_put(s);
}

static void sock_async(struct file *f, bool on)
{
	struct socket *s = f->private;

	WRITE_ONCE(s->async, on);
}

static const struct file_ops socket_ops = {
    .async = sock_async,
    .read = sock_read,
    .write = sock_write,
    .poll = sock_poll,
    .ioctl = sock_ioctl,
    .release = sock_release,
};

struct socket *file_socket(struct file *f)
{
	return f->ops == &socket_ops ? f->private : NULL;
}

void sock_set_file(struct file *f, struct socket *s)
{
	f->private = s;
	if (s) {
		s->ino = f->inode->ino;
		s->file = f;
	}
}

struct file *sock_file(struct socket *s, u32 flags)
{
	struct inode *i = inode_anon(S_IFSOCK | 0777);
	struct file *f = ERR_PTR(-ENOMEM);

	if (i)
		f = file_anon("socket:", i, &socket_ops, O_RDWR | (flags & O_NONBLOCK), NULL);
	if (!IS_ERR(f)) {
		sock_set_file(f, s);
	} else if (s) {
		s->ops->release(s, false);
		sock_put(s);
	}
	return f;
}

/* ---- waking, errors ---- */

/* O_ASYNC: the owner of the file gets a signal, too. */
static void signal_owner(struct socket *s)
{
	struct fowner owner = {.pid = 0};

	spin_lock(&s->lock);
	if (s->file)
		owner = file_owner(s->file);
	spin_unlock(&s->lock);
	fowner_signal(&owner);
}

void sock_wake_read(struct socket *s)
{
	waitq_wake_all(&s->read_wait);
	if (unlikely(READ_ONCE(s->async)))
		signal_owner(s);
}

void sock_wake_write(struct socket *s)
{
	waitq_wake_all(&s->write_wait);
	if (unlikely(READ_ONCE(s->async)))
		signal_owner(s);
}

void sock_wake(struct socket *s)
{
	waitq_wake_all(&s->write_wait);
	waitq_wake_all(&s->room_wait);
	sock_wake_read(s);
}

void sock_wake_senders(const struct socket *to)
{
	struct socket *s;

	if (!atomic_load(&to->un.senders))
		return;
	spin_lock(&list_lock);
	list_for_each (s, &sockets, all_link)
		if (READ_ONCE(s->peer) == to)
			waitq_wake_all(&s->write_wait);
	spin_unlock(&list_lock);
}

int sock_take_error(struct socket *s)
{
	return atomic_load(&s->error) ? -atomic_xchg(&s->error, 0) : 0;
}

void sock_set_error(struct socket *s, int err)
{
	atomic_store(&s->error, err);
}

struct ucred sock_current_cred(void)
{
	return (struct ucred){current->proc->pid, current->cred.euid, current->cred.egid};
}

u64 sock_deadline(u64 timeout)
{
	u64 now;

	if (!timeout)
		return WAIT_FOREVER;
	now = clock_ns();
	return timeout > WAIT_FOREVER - now ? WAIT_FOREVER : now + timeout;
}

long sock_wait_result(long err, u64 deadline)
{
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	/* With a timeout the call would wait for all of it again. */
	if (err == -ERESTARTSYS && deadline != WAIT_FOREVER)
		return -EINTR;
	return err;
}

struct packet *sock_next_packet(struct socket *s, struct packet *p)
{
	struct list_head *next;

	spin_lock(&s->lock);
	next = p ? p->link.next : s->received.list.next;
	if (next == &s->received.list)
		next = NULL;
	spin_unlock(&s->lock);
	return next ? list_entry(next, struct packet, link) : NULL;
}

bool sock_has_news(const struct socket *s)
{
	return READ_ONCE(s->received.count) || atomic_load(&s->error) ||
	       (READ_ONCE(s->shut) & SHUT_RECV);
}

u32 sock_next_bytes(struct socket *s)
{
	u32 n;

	spin_lock(&s->lock);
	n = s->received.bytes;
	if (s->type == SOCK_DGRAM)
		n = list_empty(&s->received.list)
			? 0
			: packet_len(list_first(&s->received.list, struct packet, link));
	spin_unlock(&s->lock);
	return n;
}

/* ---- room ---- */

u32 sock_send_limit(const struct socket *s)
{
	return READ_ONCE(s->send_buf) + READ_ONCE(s->peer_buf);
}

bool sock_has_room(const struct socket *s)
{
	return atomic_load(&s->sent) < sock_send_limit(s);
}

/* So that one who waits is woken for more than a byte. */
static bool is_writable(u32 sent, u32 limit)
{
	return sent <= limit / 4;
}

bool sock_writable(const struct socket *s)
{
	return is_writable(atomic_load(&s->sent), sock_send_limit(s));
}

void sock_charge(struct socket *s, struct packet *p)
{
	p->owner = sock_get(s);
	atomic_add(&s->sent, p->charge);
}

void sock_uncharge(struct socket *s, u32 charge)
{
	u32 sent = atomic_sub(&s->sent, charge), limit = sock_send_limit(s);

	if (is_writable(sent, limit) && !is_writable(sent + charge, limit))
		sock_wake_write(s);
}
