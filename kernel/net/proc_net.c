/* /proc/net: tables of sockets, a line each. */
#include "kernel/net/proc_net.h"

#include "kernel/lib/string.h"
#include "kernel/net/inet.h"
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

/* ---- AF_INET, AF_INET6 ---- */

/* An address as the words of memory that it is, and the port. */
static void show_addr(struct seq *s, const struct socket *sock, const struct inet_addr *a)
{
	u32 words[4];

	memcpy(words, a->ip, sizeof(words));
	if (sock->family == AF_INET)
		seq_printf(s, " %08X:%04X", words[3], a->port);
	else
		seq_printf(s, " %08X%08X%08X%08X:%04X", words[0], words[1], words[2], words[3],
			   a->port);
}

static void show_inet(struct seq *s, struct socket *sock, u32 state, size_t width)
{
	size_t start = s->len;
	struct inet_addr local, remote;
	bool tcp = sock->type == SOCK_STREAM;

	port_names(sock, &local, &remote);
	if (!local.port)
		return;
	seq_printf(s, tcp ? "%4u:" : "%5u:", (u32)(sock->id % 10000));
	show_addr(s, sock, &local);
	show_addr(s, sock, &remote);
	seq_printf(s, " %02X %08X:%08X %02X:%08X %08X %5u %8d %lu %u %016lx", state, 0u,
		   state == TCP_LISTEN ? READ_ONCE(sock->nr_pending)
				       : READ_ONCE(sock->received.bytes),
		   0u, 0u, 0u, sock->uid, 0, sock->ino, atomic_load(&sock->refs), 0ul);
	seq_puts(s, tcp ? " 100 0 0 10 0" : " 0");
	seq_pad(s, start, width);
	seq_putc(s, '\n');
}

#define TCP_WIDTH 149
#define UDP_WIDTH 127

static void show_stream(struct seq *s, struct socket *sock)
{
	enum tcp_state state = tcp_state(sock);

	if (state != TCP_CLOSE)
		show_inet(s, sock, state, TCP_WIDTH);
}

static void show_tcp(struct seq *s, struct socket *sock)
{
	if (sock->family == AF_INET && sock->type == SOCK_STREAM)
		show_stream(s, sock);
}

static void show_tcp6(struct seq *s, struct socket *sock)
{
	if (sock->family == AF_INET6 && sock->type == SOCK_STREAM)
		show_stream(s, sock);
}

static u32 udp_state(const struct socket *s)
{
	return READ_ONCE(s->state) == SS_CONNECTED ? TCP_ESTABLISHED : TCP_CLOSE;
}

static void show_udp(struct seq *s, struct socket *sock)
{
	if (sock->family == AF_INET && sock->type == SOCK_DGRAM)
		show_inet(s, sock, udp_state(sock), UDP_WIDTH);
}

static void show_udp6(struct seq *s, struct socket *sock)
{
	if (sock->family == AF_INET6 && sock->type == SOCK_DGRAM)
		show_inet(s, sock, udp_state(sock), UDP_WIDTH);
}

#define HEAD  "local_address rem_address   st"
#define HEAD6 "local_address                         remote_address                        st"
#define TAIL  " tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"

static int show_table(struct seq *s, const char *head, size_t width,
		      void (*fn)(struct seq *s, struct socket *sock))
{
	if (!s->next) {
		seq_puts(s, head);
		seq_pad(s, 0, width);
		seq_putc(s, '\n');
	}
	for_some(s, fn);
	return 0;
}

static int show_tcp_table(struct seq *s, void *arg)
{
	(void)arg;
	return show_table(s, "  sl  " HEAD TAIL, TCP_WIDTH, show_tcp);
}

static int show_tcp6_table(struct seq *s, void *arg)
{
	(void)arg;
	return show_table(s, "  sl  " HEAD6 TAIL, 0, show_tcp6);
}

static int show_udp_table(struct seq *s, void *arg)
{
	(void)arg;
	return show_table(s, "   sl  " HEAD TAIL " ref pointer drops", UDP_WIDTH, show_udp);
}

static int show_udp6_table(struct seq *s, void *arg)
{
	(void)arg;
	return show_table(s, "  sl  " HEAD6 TAIL " ref pointer drops", 0, show_udp6);
}

#define FILE_(name_, show_)                                          \
	{                                                            \
		.name = name_, .mode = S_IFREG | 0444, .show = show_ \
	}

/* The device counts nothing. */
static const char devices[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
    "drop fifo colls carrier compressed\n"
    "    lo:       0       0    0    0    0     0          0         0        0       0    0    "
    "0    0     0       0          0\n";

const struct proc_entry proc_net_entries[] = {
    {.name = "dev", .mode = S_IFREG | 0444, .show = proc_show_text, .data = devices},
    FILE_("tcp", show_tcp_table),
    FILE_("tcp6", show_tcp6_table),
    FILE_("udp", show_udp_table),
    FILE_("udp6", show_udp6_table),
    FILE_("unix", show_unix_table),
    {0},
};
