/* Sockets of AF_UNIX: datagrams, sequenced packets, files and credentials. */
#include "tap.h"
#include "sock.h"

TEST(datagram_pair)
{
	char buf[8];
	int s[2], left;

	PAIR(s, SOCK_DGRAM);
	EQ(send(s[0], "one", 3, 0), 3);
	EQ(send(s[0], "", 0, 0), 0);
	EQ(send(s[0], "three", 5, 0), 5);
	EQ(ioctl(s[1], FIONREAD, &left), 0);
	EQ(left, 3);
	EQ(recv(s[1], buf, 8, 0), 3);
	EQ(recv(s[1], buf, 8, 0), 0);
	EQ(recv(s[1], buf, 2, MSG_PEEK), 2);
	EQ(recv(s[1], buf, 2, MSG_TRUNC), 5);
	FAILS(recv(s[1], buf, 8, MSG_DONTWAIT), EAGAIN);
	EQ(ready(s[1]), POLLOUT);
	close(s[0]);
	EQ(ready(s[1]), POLLOUT);
	FAILS(send(s[1], "x", 1, 0), ECONNREFUSED);
	FAILS(send(s[1], "x", 1, 0), ENOTCONN);
}

TEST(named_datagrams)
{
	struct sockaddr_un un, want;
	socklen_t len = sizeof(un), to_len;
	char buf[8];
	int r = unix_bound(SOCK_DGRAM, "/tmp/dg"), s = unix_bound(SOCK_DGRAM, "@from"), t;

	to_len = unix_addr(&want, "/tmp/dg");
	EQ(sendto(s, "hi", 2, 0, (void *)&want, to_len), 2);
	EQ(recvfrom(r, buf, 8, 0, (void *)&un, &len), 2);
	EQ(len, sizeof(sa_family_t) + 5);
	EQ(sendto(r, "back", 4, 0, (void *)&un, len), 4);
	GOT(s, "back");
	t = socket(AF_UNIX, SOCK_DGRAM, 0);
	FAILS(send(t, "x", 1, 0), ENOTCONN);
	EQ(unix_connect(t, "/tmp/dg"), 0);
	EQ(send(t, "anon", 4, 0), 4);
	len = sizeof(un);
	EQ(recvfrom(r, buf, 8, 0, (void *)&un, &len), 4);
	EQ(len, 0);
	len = sizeof(un);
	EQ(getpeername(t, (void *)&un, &len), 0);
	EQ(len, to_len);
	/* one that is connected takes from nobody else */
	EQ(unix_connect(r, "@from"), 0);
	FAILS(send(t, "x", 1, 0), EPERM);
	FAILS(unix_connect(t, "/tmp/dg"), EPERM);
	un.sun_family = AF_UNSPEC;
	EQ(connect(r, (void *)&un, sizeof(sa_family_t)), 0);
	EQ(send(t, "x", 1, 0), 1);
	FAILS(sendto(s, "x", 1, 0, (void *)&want, 2), EINVAL);
	close(r);
	FAILS(send(t, "x", 1, 0), ECONNREFUSED);
	FAILS(sendto(s, "x", 1, 0, (void *)&want, to_len), ECONNREFUSED);
	unlink("/tmp/dg");
	FAILS(listen(s, 5), EOPNOTSUPP);
	FAILS(accept(s, NULL, NULL), EOPNOTSUPP);
}

TEST(full_receiver)
{
	static char big[300000];
	char buf[8];
	int r = unix_bound(SOCK_DGRAM, "@fullr"), s = socket(AF_UNIX, SOCK_DGRAM, 0), n = 0;

	EQ(unix_connect(s, "@fullr"), 0);
	while (send(s, "x", 1, MSG_DONTWAIT) == 1)
		n++;
	EQ(errno, EAGAIN);
	EQ(n, 11);
	EQ(ready(s), 0);
	EQ(recv(r, buf, 8, 0), 1);
	EQ(ready(s), POLLOUT);
	EQ(send(s, "y", 1, 0), 1);
	pid_t pid = CHILD(EQ(send(s, "waits", 5, 0), 5));
	pid_t poller = CHILD(struct pollfd p = {s, POLLOUT, 0}; EQ(poll(&p, 1, 5000), 1));
	sleep_ms(30);
	for (int i = 0; i < 11; i++)
		EQ(recv(r, buf, 8, 0), 1);
	EQ(recv(r, buf, 8, 0), 5);
	JOIN(pid);
	JOIN(poller);
	FAILS(send(s, big, sizeof(big), 0), EMSGSIZE);
	EQ(send(s, big, 150000, 0), 150000);
	EQ(recv(r, big, sizeof(big), 0), 150000);
}

/* What is sent to one that is connected to the sender has always room. */
TEST(full_for_others)
{
	int r = unix_bound(SOCK_DGRAM, "@fullo"), s = unix_bound(SOCK_DGRAM, "@fulls");
	char c;

	EQ(unix_connect(s, "@fullo"), 0);
	while (send(s, "x", 1, MSG_DONTWAIT) == 1)
		;
	EQ(ready(s), 0);
	pid_t pid = CHILD(struct pollfd p = {s, POLLOUT, 0}; EQ(poll(&p, 1, 5000), 1));
	pid_t sender = on_calf() ? CHILD(EQ(send(s, "waits", 5, 0), 5)) : 0;
	sleep_ms(30);
	EQ(unix_connect(r, "@fulls"), 0);
	EQ(ready(s), POLLOUT);
	/* Linux lets those who wait already wait on */
	if (!on_calf())
		EQ(recv(r, &c, 1, 0), 1);
	JOIN(pid);
	if (sender)
		JOIN(sender);
}

/* Takes what comes until an empty one does. */
static void drain(int r)
{
	char c;

	while (recv(r, &c, 1, 0) == 1)
		;
}

/* Several receivers make room at the same time: no sender misses it. */
TEST_FOR(60, room_is_made_side_by_side)
{
	int r = unix_bound(SOCK_DGRAM, "@rooms");
	pid_t senders[3], receivers[3];

	for (int i = 0; i < 3; i++)
		receivers[i] = CHILD(drain(r));
	for (int i = 0; i < 3; i++)
		senders[i] =
		    CHILD(int s = socket(AF_UNIX, SOCK_DGRAM, 0); struct pollfd p = {s, POLLOUT, 0};
			  EQ(unix_connect(s, "@rooms"), 0); for (int k = 0; k < 3000;) {
				  if (send(s, "x", 1, MSG_DONTWAIT) == 1)
					  k++;
				  else
					  REQUIRE(poll(&p, 1, 10000) == 1);
			  });
	for (int i = 0; i < 3; i++)
		JOIN(senders[i]);
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);
	EQ(unix_connect(s, "@rooms"), 0);
	for (int i = 0; i < 3; i++)
		EQ(send(s, "", 0, 0), 0);
	for (int i = 0; i < 3; i++)
		JOIN(receivers[i]);
}

TEST(sequenced_packets)
{
	char buf[8], c;
	struct iovec iov = {buf, 4};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int l = unix_listener(SOCK_SEQPACKET, "@seq", 5), s = socket(AF_UNIX, SOCK_SEQPACKET, 0), a;

	signal(SIGPIPE, SIG_IGN);
	FAILS(send(s, "x", 1, 0), ENOTCONN);
	FAILS(recv(s, &c, 1, 0), ENOTCONN);
	EQ(unix_connect(s, "@seq"), 0);
	a = accept(l, NULL, NULL);
	EQ(send(s, "first", 5, 0), 5);
	EQ(send(s, "2nd", 3, 0), 3);
	EQ(recvmsg(a, &m, 0), 4);
	EQ(m.msg_flags, MSG_TRUNC);
	iov.iov_len = 8;
	EQ(recvmsg(a, &m, 0), 3);
	EQ(m.msg_flags, 0);
	EQ(shutdown(s, SHUT_WR), 0);
	FAILS(send(s, "x", 1, 0), EPIPE);
	EQ(recv(a, buf, 8, 0), 0);
	EQ(recv(a, buf, 8, MSG_DONTWAIT), 0);
	close(s);
	FAILS(send(a, "x", 1, 0), EPIPE);
	EQ(ready(a) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
}

/* ---- files ---- */

TEST(files_travel)
{
	char buf[8] = "";
	int s[2], p[2], got[4], n = -1;

	PAIR(s, SOCK_STREAM);
	REQUIRE(!pipe(p));
	EQ(send_fds(s[0], p, 2), 1);
	close(p[0]);
	close(p[1]);
	EQ(recv_fds(s[1], got, 4, MSG_CMSG_CLOEXEC, &n), 2);
	EQ(n, MSG_CMSG_CLOEXEC);
	EQ(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	EQ(write(got[1], "through", 7), 7);
	EQ(read(got[0], buf, 8), 7);
	close(got[1]);
	EQ(read(got[0], buf, 1), 0);
}

TEST(files_cut_short)
{
	int s[2], fds[3] = {0, 1, 2}, got[4], flags = -1;
	char c;

	PAIR(s, SOCK_DGRAM);
	EQ(send_fds(s[0], fds, 3), 1);
	/* Room is counted as the buffer has it: two, with the padding. */
	EQ(recv_fds(s[1], got, 1, 0, &flags), 2);
	EQ(flags, MSG_CTRUNC);
	EQ(send_fds(s[0], fds, 3), 1);
	EQ(recv_fds(s[1], got, 0, 0, &flags), 0);
	EQ(flags, MSG_CTRUNC);
	EQ(send_fds(s[0], fds, 3), 1);
	EQ(read(s[1], &c, 1), 1);
	EQ(send_fds(s[0], fds, 3), 1);
	EQ(recv_fds(s[1], got, 3, MSG_PEEK, &flags), 3);
	EQ(recv_fds(s[1], got, 3, 0, &flags), 3);
	fds[1] = 999;
	FAILS(send_fds(s[0], fds, 3), EBADF);
}

/* Receives a byte, with a buffer for control data of which the end, or all, faults. */
static int recv_into(int from, char *control, size_t len, struct msghdr *m)
{
	static char byte;
	static struct iovec iov = {&byte, 1};

	*m = (struct msghdr){
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = len};
	return recvmsg(from, m, 0);
}

/* A descriptor of which the program cannot be told is not made. */
TEST(files_into_a_bad_buffer)
{
	char *page = map_private(8192), *control = page + 4096 - CMSG_LEN(sizeof(int));
	int s[2], fds[3] = {0, 1, 2}, lowest;
	struct cmsghdr *c = (void *)control;
	struct msghdr m;

	EQ(mprotect(page + 4096, 4096, PROT_NONE), 0);
	PAIR(s, SOCK_STREAM);
	lowest = dup(0);
	close(lowest);
	EQ(send_fds(s[0], fds, 3), 1);
	EQ(recv_into(s[1], page + 4096, 64, &m), 1);
	EQ(m.msg_flags, MSG_CTRUNC);
	EQ(m.msg_controllen, 0);
	EQ(dup(0), lowest);
	close(lowest);
	/* room for the number of one */
	EQ(send_fds(s[0], fds, 3), 1);
	EQ(recv_into(s[1], control, 64, &m), 1);
	EQ(m.msg_flags, MSG_CTRUNC);
	EQ(m.msg_controllen, CMSG_SPACE(sizeof(int)));
	EQ(c->cmsg_len, CMSG_LEN(sizeof(int)));
	EQ(*(int *)CMSG_DATA(c), lowest);
	EQ(dup(0), lowest + 1);
}

static int sent_as(int s, int uid, int limit)
{
	struct rlimit r = {limit, limit};
	int fd = 0, n = 0;

	EQ(setrlimit(RLIMIT_NOFILE, &r), 0);
	EQ(setresuid(uid, uid, uid), 0);
	while (n < 100 && send_fds(s, &fd, 1) == 1)
		n++;
	if (n < 100)
		EQ(errno, ETOOMANYREFS);
	return n;
}

/* How many files a user may have in flight is nothing to another. */
TEST(files_in_flight_are_counted_by_user)
{
	int s[2], fd = 0;

	PAIR(s, SOCK_STREAM);
	JOIN(CHILD(EQ(sent_as(s[0], 1000, 20), 21)));
	JOIN(CHILD(EQ(sent_as(s[0], 1001, 20), 21)));
	JOIN(CHILD(EQ(sent_as(s[0], 1000, 20), 0)));
	EQ(send_fds(s[0], &fd, 1), 1);
	/* what is received is in flight no more */
	for (int i = 0; i < 5; i++) {
		EQ(recv_fds(s[1], &fd, 1, 0, NULL), 1);
		close(fd);
	}
	fd = 0;
	JOIN(CHILD(EQ(sent_as(s[0], 1000, 20), 5)));
}

TEST(files_bound_what_a_read_gets)
{
	char buf[16];
	int s[2], fd = 0;

	PAIR(s, SOCK_STREAM);
	SENT(s[0], "ab");
	EQ(send_fds(s[0], &fd, 1), 1);
	SENT(s[0], "cd");
	EQ(read(s[1], buf, 16), 3);
	EQ(read(s[1], buf, 16), 2);
}

TEST(sockets_in_each_other)
{
	int s[2], t[2];

	/* in its own queue */
	for (int i = 0; i < 50; i++) {
		PAIR(s, SOCK_STREAM);
		EQ(send_fds(s[0], &s[1], 1), 1);
		close(s[0]);
		close(s[1]);
	}
	/* in each other's */
	for (int i = 0; i < 50; i++) {
		PAIR(s, SOCK_DGRAM);
		PAIR(t, SOCK_DGRAM);
		EQ(send_fds(s[0], &t[1], 1), 1);
		EQ(send_fds(t[0], &s[1], 1), 1);
		EQ(send_fds(t[0], t, 2), 1);
		for (int k = 0; k < 2; k++) {
			close(s[k]);
			close(t[k]);
		}
	}
	/* waiting to be accepted; Linux gives the name back a little later */
	for (int i = 0; i < 10; i++) {
		char name[16];
		int l, c = socket(AF_UNIX, SOCK_STREAM, 0);

		snprintf(name, sizeof(name), "@cycle%d", i);
		l = unix_listener(SOCK_STREAM, name, 5);
		EQ(unix_connect(c, name), 0);
		EQ(send_fds(c, &l, 1), 1);
		EQ(send_fds(c, &c, 1), 1);
		close(l);
		close(c);
	}
}

TEST(reachable_ones_stay)
{
	int s[2], t[2], got[2];
	char c;

	PAIR(s, SOCK_STREAM);
	PAIR(t, SOCK_STREAM);
	SENT(t[0], "kept");
	EQ(send_fds(t[0], &t[1], 1), 1);
	EQ(send_fds(s[0], &t[1], 1), 1);
	close(t[1]);
	PAIR(t, SOCK_STREAM);
	close(t[0]); /* looks for what nobody can reach */
	close(t[1]);
	EQ(recv_fds(s[1], got, 1, 0, NULL), 1);
	GOT(got[0], "keptf");
	FAILS(recv(got[0], &c, 1, MSG_DONTWAIT), EAGAIN);
}

TEST(long_chain)
{
	int s[2], last = -1;

	/* each holds the one before it: closing the last closes all */
	for (int i = 0; i < 3; i++) {
		PAIR(s, SOCK_DGRAM);
		if (last >= 0)
			EQ(send_fds(s[0], &last, 1), 1);
		close(last);
		close(s[0]);
		last = s[1];
	}
	close(last);
}

/* Linux, too, closes a chain as long as it likes; what it takes for each link does not grow with the chain. */
TEST_FOR(30, very_long_chain)
{
	int s[2], last = -1, links = 1500;
	long start;

	for (int i = 0; i < links; i++) {
		PAIR(s, SOCK_DGRAM);
		if (last >= 0)
			REQUIRE(send_fds(s[0], &last, 1) == 1);
		close(last);
		close(s[0]);
		last = s[1];
	}
	start = now_ms();
	close(last);
	CHECK(now_ms() - start < 1000 + LATE);
}

/* ---- credentials ---- */

/* Sends a byte that says it is from cred; recv tells who it was from. */
static ssize_t send_cred(int fd, struct ucred cred)
{
	char control[CMSG_SPACE(sizeof(cred))] = "", byte = 'c';
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(cred));
	memcpy(CMSG_DATA(c), &cred, sizeof(cred));
	return sendmsg(fd, &m, 0);
}

static struct ucred recv_cred(int fd)
{
	struct ucred cred = {-1, -1, -1};
	char control[CMSG_SPACE(sizeof(cred))] = "", byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c;

	EQ(recvmsg(fd, &m, 0), 1);
	c = CMSG_FIRSTHDR(&m);
	if (CHECK(c && c->cmsg_type == SCM_CREDENTIALS))
		memcpy(&cred, CMSG_DATA(c), sizeof(cred));
	return cred;
}

TEST(credentials)
{
	struct ucred c, me = {getpid(), 0, 0};
	int s[2];

	PAIR(s, SOCK_DGRAM);
	SET(s[1], SOL_SOCKET, SO_PASSCRED, 1);
	EQ(OPTION(s[1], SOL_SOCKET, SO_PASSCRED), 1);
	pid_t pid = CHILD(EQ(setresuid(1000, 1000, 1000), 0); EQ(send(s[0], "x", 1, 0), 1);
			  FAILS(send_cred(s[0], (struct ucred){getpid(), 0, 0}), EPERM);
			  FAILS(send_cred(s[0], (struct ucred){1, 1000, 0}), EPERM);
			  EQ(send_cred(s[0], (struct ucred){getpid(), 1000, 0}), 1));
	c = recv_cred(s[1]);
	EQ(c.pid, pid);
	EQ(c.uid, 1000);
	c = recv_cred(s[1]);
	EQ(c.pid, pid);
	JOIN(pid);
	me.uid = 55;
	EQ(send_cred(s[0], me), 1);
	c = recv_cred(s[1]);
	EQ(c.uid, 55);
	/* nobody asked when it was sent */
	SET(s[1], SOL_SOCKET, SO_PASSCRED, 0);
	EQ(send(s[0], "x", 1, 0), 1);
	SET(s[1], SOL_SOCKET, SO_PASSCRED, 1);
	c = recv_cred(s[1]);
	EQ(c.pid, 0);
	EQ(c.uid, 65534);
}

TEST(senders_are_kept_apart)
{
	char buf[16];
	int s[2];

	PAIR(s, SOCK_STREAM);
	SET(s[1], SOL_SOCKET, SO_PASSCRED, 1);
	JOIN(CHILD(SENT(s[0], "ab"); SENT(s[0], "cd")));
	JOIN(CHILD(SENT(s[0], "ef")));
	EQ(read(s[1], buf, 16), 4);
	EQ(read(s[1], buf, 16), 2);
	JOIN(CHILD(SENT(s[0], "ab"); SENT(s[0], "cd")));
	SET(s[1], SOL_SOCKET, SO_PASSCRED, 0);
	JOIN(CHILD(SENT(s[0], "ef")));
	EQ(read(s[1], buf, 16), 6);
}

TEST(message_errnos)
{
	char control[64] = "", byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
	struct cmsghdr *c = (void *)control;
	int s[2];

	PAIR(s, SOCK_STREAM);
	m.msg_controllen = sizeof(control);
	FAILS(sendmsg(s[0], &m, 0), EINVAL);
	c->cmsg_len = 100;
	FAILS(sendmsg(s[0], &m, 0), EINVAL);
	c->cmsg_len = sizeof(*c);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = 99;
	FAILS(sendmsg(s[0], &m, 0), EINVAL);
	m.msg_controllen = 0;
	FAILS(syscall(SYS_sendmsg, s[0], 8, 0), EFAULT);
	struct {
		void *name;
		int name_len;
		void *iov;
		unsigned long n;
		void *control;
		unsigned long control_len;
		int flags;
	} raw = {NULL, 0, &iov, 2000, NULL, 0, 0};
	FAILS(syscall(SYS_sendmsg, s[0], &raw, 0), EMSGSIZE);
	FAILS(syscall(SYS_recvmsg, s[0], &raw, 0), EMSGSIZE);
	raw.n = 1;
	raw.control = control;
	raw.control_len = 1 << 20;
	FAILS(syscall(SYS_sendmsg, s[0], &raw, 0), ENOBUFS);
	raw.control_len = 0;
	raw.name = &raw;
	raw.name_len = -1;
	FAILS(syscall(SYS_sendmsg, s[0], &raw, 0), EINVAL);
}

/* ---- many in one call ---- */

static int heard;

static void hear(int sig)
{
	heard += sig == SIGIO;
}

/* A signal that comes while they are sent does not hide one that was. */
TEST(all_that_was_sent_is_counted)
{
	struct sigaction sa = {.sa_handler = hear, .sa_flags = SA_RESTART};
	struct iovec iov = {"x", 1};
	struct mmsghdr m[4] = {0};
	int s[2], came = 0;
	char c;

	PAIR(s, SOCK_DGRAM);
	EQ(sigaction(SIGIO, &sa, NULL), 0);
	EQ(fcntl(s[1], F_SETOWN, getpid()), 0);
	EQ(fcntl(s[1], F_SETFL, O_ASYNC), 0);
	for (int i = 0; i < 4; i++)
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
	EQ(syscall(SYS_sendmmsg, s[0], m, 4, 0), 4); /* musl's own sends one by one */
	EQ(heard, 1);
	for (int i = 0; i < 4; i++)
		EQ(m[i].msg_len, 1);
	while (recv(s[1], &c, 1, MSG_DONTWAIT) == 1)
		came++;
	EQ(came, 4);
}

TEST(a_message_that_went_in_part_is_the_last)
{
	static char big[1 << 20];
	struct iovec iov[2] = {{big, sizeof(big)}, {"", 0}};
	struct mmsghdr m[2] = {0};
	int s[2];

	PAIR(s, SOCK_STREAM);
	for (int i = 0; i < 2; i++)
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	EQ(syscall(SYS_sendmmsg, s[0], m, 2, MSG_DONTWAIT), 1);
	BETWEEN(m[0].msg_len, 1, sizeof(big) - 1);
}
