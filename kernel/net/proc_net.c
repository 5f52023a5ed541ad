/* /proc/net: tables of sockets, a line each. */
#include "kernel/net/proc_net.h"

#include "kernel/net/unix.h"

#define PER_STEP 64 /* sockets looked at in one step of a reader */

/*
 * Calls fn for the next sockets from s->next on. A socket's number is its place in the list: so each one that
 * is there all the while is shown once.
 */
static void for_some(struct seq *s, void (*fn)(struct seq *s, struct socket *sock))
{
	struct socket *sock = NULL;

	for (int n = 0; n < PER_STEP; n++) {
		sock = sock_next(s->next);
		if (!sock)
			break;
		s->next = sock->id + 1;
		fn(s, sock);
		sock_put(sock);
	}
	s->more = sock != NULL;
}

/* ---- AF_UNIX ---- */

#define FLAG_LISTENS 0x10000

/* SS_ of Linux, which counts otherwise. */
static u32 unix_state(const struct socket *s)
{
	bool connected = READ_ONCE(s->state) == SS_CONNECTED;

	if (!s->file)
		return connected ? 2 : 4;
	return connected ? 3 : 1;
}

static void show_unix_name(struct seq *s, const struct unix_name *n)
{
	u32 len = n->len - (u32)sizeof(u16);

	seq_putc(s, ' ');
	if (n->addr.path[0]) {
		seq_puts(s, n->addr.path);
		return;
	}
	for (u32 k = 0; k < len; k++)
		seq_putc(s, n->addr.path[k] ? n->addr.path[k] : '@');
}

static void show_unix(struct seq *s, struct socket *sock)
{
	struct unix_name *n;

	if (sock->family != AF_UNIX)
		return;
	n = unix_name_of(sock);
	seq_printf(s, "%016lx: %08X %08X %08X %04X %02X %5lu", 0ul, atomic_load(&sock->refs), 0u,
		   READ_ONCE(sock->state) == SS_LISTENING ? FLAG_LISTENS : 0, sock->type,
		   unix_state(sock), sock->ino);
	if (n)
		show_unix_name(s, n);
	seq_putc(s, '\n');
}

static int show_unix_table(struct seq *s, void *arg)
{
	(void)arg;
	if (!s->next)
		seq_puts(s, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	for_some(s, show_unix);
	return 0;
}

#define FILE_(name_, show_)                                          \
	{                                                            \
		.name = name_, .mode = S_IFREG | 0444, .show = show_ \
	}

const struct proc_entry proc_net_entries[] = {
    FILE_("unix", show_unix_table),
    {0},
};
