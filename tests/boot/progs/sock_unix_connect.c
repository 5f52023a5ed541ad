/* Sockets of AF_UNIX: names, who listens, connects and may, their options and errors. */
#include "tap.h"
#include "sock.h"

TEST(listen_connect_accept)
{
	struct sockaddr_un un, want;
	socklen_t len = sizeof(un), want_len = unix_addr(&want, "/tmp/s1");
	struct stat st;
	int l, c, a;

	umask(022);
	l = unix_listener(SOCK_STREAM, "/tmp/s1", 5);
	EQ(stat("/tmp/s1", &st), 0);
	EQ(st.st_mode, S_IFSOCK | 0755);
	FAILS(open("/tmp/s1", O_RDWR), ENXIO);
	EQ(ready(l), 0);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	EQ(ready(c), POLLOUT | POLLHUP);
	EQ(unix_connect(c, "/tmp/s1"), 0);
	EQ(ready(l), POLLIN);
	SENT(c, "early");
	a = accept(l, (void *)&un, &len);
	REQUIRE(a >= 0);
	EQ(len, sizeof(sa_family_t));
	EQ(un.sun_family, AF_UNIX);
	GOT(a, "early");
	SENT(a, "answer");
	GOT(c, "answer");
	len = sizeof(un);
	EQ(getsockname(a, (void *)&un, &len), 0);
	EQ(len, want_len);
	CHECK(!memcmp(&un, &want, len));
	len = sizeof(un);
	EQ(getpeername(c, (void *)&un, &len), 0);
	EQ(len, want_len);
	len = sizeof(un);
	EQ(getsockname(c, (void *)&un, &len), 0);
	EQ(len, sizeof(sa_family_t));
	EQ(OPTION(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
	EQ(OPTION(a, SOL_SOCKET, SO_ACCEPTCONN), 0);
	FAILS(unix_connect(c, "/tmp/s1"), EISCONN);
	FAILS(unix_bind(l, "/tmp/s2"), EINVAL);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	FAILS(unix_bind(c, "/tmp/s1"), EADDRINUSE);
	unlink("/tmp/s1");
	FAILS(unix_connect(c, "/tmp/s1"), ENOENT);
}

TEST(refused)
{
	int c = socket(AF_UNIX, SOCK_STREAM, 0), l;

	FAILS(unix_connect(c, "/tmp/none"), ENOENT);
	FAILS(unix_connect(c, "@none"), ECONNREFUSED);
	spit("/tmp/file", "");
	FAILS(unix_connect(c, "/tmp/file"), ECONNREFUSED);
	unlink("/tmp/file");
	l = unix_bound(SOCK_STREAM, "/tmp/s3");
	FAILS(unix_connect(c, "/tmp/s3"), ECONNREFUSED);
	EQ(listen(l, 1), 0);
	close(l);
	FAILS(unix_connect(c, "/tmp/s3"), ECONNREFUSED);
	unlink("/tmp/s3");
	l = unix_bound(SOCK_DGRAM, "/tmp/s3");
	FAILS(unix_connect(c, "/tmp/s3"), EPROTOTYPE);
	FAILS(unix_bind(c, "/tmp/no/such"), ENOENT);
	unlink("/tmp/s3");
}

TEST(permissions)
{
	int l = unix_listener(SOCK_STREAM, "/tmp/s4", 5);

	EQ(chmod("/tmp/s4", 0600), 0);
	JOIN(CHILD(EQ(setresuid(1000, 1000, 1000), 0); int c = socket(AF_UNIX, SOCK_STREAM, 0);
		   FAILS(unix_connect(c, "/tmp/s4"), EACCES)));
	EQ(chmod("/tmp/s4", 0666), 0);
	JOIN(CHILD(EQ(setresuid(1000, 1000, 1000), 0); int c = socket(AF_UNIX, SOCK_STREAM, 0);
		   EQ(unix_connect(c, "/tmp/s4"), 0)));
	unlink("/tmp/s4");
	close(l);
}

TEST(abstract_names)
{
	struct sockaddr_un un;
	socklen_t len = sizeof(un);
	int l = unix_listener(SOCK_STREAM, "@name", 5), c = socket(AF_UNIX, SOCK_STREAM, 0), d;

	d = socket(AF_UNIX, SOCK_STREAM, 0);
	FAILS(unix_bind(d, "@name"), EADDRINUSE);
	FAILS(unix_connect(c, "@nam"), ECONNREFUSED);
	EQ(unix_connect(c, "@name"), 0);
	EQ(getpeername(c, (void *)&un, &len), 0);
	EQ(len, sizeof(sa_family_t) + 5);
	CHECK(!memcmp(un.sun_path, "\0name", 5));
	close(l);
	EQ(unix_bind(d, "@name"), 0);
	/* the family alone asks for any name */
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	un.sun_family = AF_UNIX;
	EQ(bind(l, (void *)&un, sizeof(sa_family_t)), 0);
	len = sizeof(un);
	EQ(getsockname(l, (void *)&un, &len), 0);
	EQ(len, sizeof(sa_family_t) + 6);
	EQ(un.sun_path[0], 0);
}

TEST(backlog)
{
	int l = unix_listener(SOCK_STREAM, "@full", 1), c[3], a;

	for (int i = 0; i < 3; i++)
		c[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	EQ(unix_connect(c[0], "@full"), 0);
	EQ(unix_connect(c[1], "@full"), 0);
	FAILS(unix_connect(c[2], "@full"), EAGAIN);
	/* one that waits gets in when there is room */
	pid_t pid = CHILD(int d = socket(AF_UNIX, SOCK_STREAM, 0); EQ(unix_connect(d, "@full"), 0);
			  SENT(d, "in"));
	sleep_ms(50);
	for (int i = 0; i < 2; i++) {
		a = accept(l, NULL, NULL);
		CHECK(a >= 0);
	}
	a = accept(l, NULL, NULL);
	GOT(a, "in");
	JOIN(pid);
	nonblock(l);
	FAILS(accept(l, NULL, NULL), EAGAIN);
	/* those that nobody accepts are reset */
	EQ(unix_connect(c[2], "@full"), 0);
	close(l);
	char b;
	FAILS(read(c[2], &b, 1), ECONNRESET);
}

TEST(accept_waits_and_ends)
{
	int l = unix_listener(SOCK_STREAM, "@wait", 5), c = socket(AF_UNIX, SOCK_STREAM, 0), a;

	pid_t pid = CHILD(sleep_ms(30); EQ(unix_connect(c, "@wait"), 0));
	a = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(a >= 0);
	EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(a, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	JOIN(pid);
	timeout(l, SO_RCVTIMEO, 30);
	FAILS(accept(l, NULL, NULL), EAGAIN);
	EQ(shutdown(l, SHUT_RDWR), 0);
	FAILS(accept(l, NULL, NULL), EINVAL);
	FAILS(accept(c, NULL, NULL), EINVAL);
	FAILS(accept4(l, NULL, NULL, 1), EINVAL);
}

TEST(no_descriptor_left_keeps_the_connection)
{
	struct rlimit lim = {0, 0}, old;
	int l = unix_listener(SOCK_STREAM, "@many", 5), c = socket(AF_UNIX, SOCK_STREAM, 0), a;

	EQ(unix_connect(c, "@many"), 0);
	EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
	lim.rlim_max = old.rlim_max;
	EQ(setrlimit(RLIMIT_NOFILE, &lim), 0);
	FAILS(accept(l, NULL, NULL), EMFILE);
	FAILS(socket(AF_UNIX, SOCK_STREAM, 0), EMFILE);
	EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
	a = accept(l, NULL, NULL);
	CHECK(a >= 0);
	SENT(a, "there");
	GOT(c, "there");
}

TEST(errnos)
{
	struct sockaddr_un un = {.sun_family = AF_INET};
	socklen_t len = sizeof(un);
	char c;
	int s[2], u = socket(AF_UNIX, SOCK_STREAM, 0), fd = open("/proc/self/exe", O_RDONLY);

	FAILS(socket(AF_UNIX, 77, 0), EINVAL);
	FAILS(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	FAILS(socket(99, SOCK_STREAM, 0), EAFNOSUPPORT);
	FAILS(socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
	FAILS(socket(AF_UNIX, SOCK_STREAM, 5), EPROTONOSUPPORT);
	FAILS(socket(AF_UNIX, SOCK_STREAM | 0x100000, 0), EINVAL);
	FAILS(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8), EFAULT);
	FAILS(bind(fd, (void *)&un, sizeof(un)), ENOTSOCK);
	FAILS(send(fd, "a", 1, 0), ENOTSOCK);
	FAILS(recv(-1, &c, 1, 0), EBADF);
	FAILS(listen(fd, 1), ENOTSOCK);
	FAILS(listen(u, 1), EINVAL);
	FAILS(bind(u, (void *)&un, sizeof(un)), EINVAL);
	FAILS(bind(u, (void *)&un, 1000), EINVAL);
	FAILS(bind(u, NULL, 20), EFAULT);
	FAILS(connect(u, (void *)&un, sizeof(un)), EINVAL);
	FAILS(read(u, &c, 1), EINVAL);
	FAILS(write(u, "a", 1), ENOTCONN);
	FAILS(getpeername(u, (void *)&un, &len), ENOTCONN);
	EQ(shutdown(u, SHUT_RD), 0);
	PAIR(s, SOCK_STREAM);
	FAILS(listen(s[0], 1), EINVAL);
	FAILS(send(s[0], (void *)8, 10, 0), EFAULT);
	SENT(s[0], "x");
	FAILS(recv(s[1], (void *)8, 10, 0), EFAULT);
	GOT(s[1], "x");
	unix_addr(&un, "/tmp/x");
	FAILS(sendto(s[0], "a", 1, 0, (void *)&un, sizeof(un)), EISCONN);
	FAILS(sendto(u, "a", 1, 0, (void *)&un, sizeof(un)), EOPNOTSUPP);
	len = -1;
	FAILS(getsockname(u, (void *)&un, &len), EINVAL);
	FAILS(getsockname(u, (void *)&un, NULL), EFAULT);
	len = 1;
	EQ(getsockname(u, (void *)&un, &len), 0);
	EQ(len, 2);
	FAILS(ioctl(u, 0x1234, 0), ENOTTY);
}

TEST(options)
{
	struct linger l = {1, 5};
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int s[2], n = 1;

	PAIR(s, SOCK_STREAM);
	EQ(OPTION(s[0], SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	EQ(OPTION(s[0], SOL_SOCKET, SO_DOMAIN), AF_UNIX);
	EQ(OPTION(s[0], SOL_SOCKET, SO_PROTOCOL), 0);
	EQ(OPTION(s[0], SOL_SOCKET, SO_ERROR), 0);
	EQ(OPTION(s[0], SOL_SOCKET, SO_SNDBUF), 212992);
	SET(s[0], SOL_SOCKET, SO_SNDBUF, 10000);
	EQ(OPTION(s[0], SOL_SOCKET, SO_SNDBUF), 20000);
	SET(s[0], SOL_SOCKET, SO_SNDBUF, 1);
	EQ(OPTION(s[0], SOL_SOCKET, SO_SNDBUF), 4608);
	SET(s[0], SOL_SOCKET, SO_RCVBUF, 1 << 30);
	EQ(OPTION(s[0], SOL_SOCKET, SO_RCVBUF), 425984);
	SET(s[0], SOL_SOCKET, SO_REUSEADDR, 7);
	EQ(OPTION(s[0], SOL_SOCKET, SO_REUSEADDR), 1);
	EQ(OPTION(s[0], SOL_SOCKET, SO_RCVLOWAT), 1);
	EQ(setsockopt(s[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	l.l_linger = 0;
	len = sizeof(l);
	EQ(getsockopt(s[0], SOL_SOCKET, SO_LINGER, &l, &len), 0);
	EQ(l.l_linger, 5);
	len = sizeof(cred);
	EQ(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &cred, &len), 0);
	EQ(cred.pid, getpid());
	EQ(cred.uid, 0);
	FAILS(setsockopt(s[0], SOL_SOCKET, 12345, &n, sizeof(n)), ENOPROTOOPT);
	FAILS(getsockopt(s[0], SOL_SOCKET, 12345, &n, &len), ENOPROTOOPT);
	FAILS(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &n, 2), EINVAL);
	FAILS(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, NULL, 4), EFAULT);
	FAILS(setsockopt(s[0], 77, 1, &n, sizeof(n)), EOPNOTSUPP);
	FAILS(setsockopt(s[0], SOL_SOCKET, SO_TYPE, &n, sizeof(n)), ENOPROTOOPT);
}

TEST(peer_credentials_of_a_connection)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int l = unix_listener(SOCK_STREAM, "@cred", 5), a;
	pid_t pid = CHILD(EQ(setresgid(77, 77, 77), 0); EQ(setresuid(1000, 1000, 1000), 0);
			  int c = socket(AF_UNIX, SOCK_STREAM, 0); EQ(unix_connect(c, "@cred"), 0);
			  EQ(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &len), 0);
			  EQ(cred.pid, getppid()); EQ(cred.uid, 0); char b; EQ(read(c, &b, 1), 0));

	a = accept(l, NULL, NULL);
	EQ(getsockopt(a, SOL_SOCKET, SO_PEERCRED, &cred, &len), 0);
	EQ(cred.pid, pid);
	EQ(cred.uid, 1000);
	EQ(cred.gid, 77);
	close(a);
	JOIN(pid);
}

TEST(many_clients_of_many_servers)
{
	int l = unix_listener(SOCK_STREAM, "@prefork", 4);
	pid_t servers[3];

	for (int i = 0; i < 3; i++)
		servers[i] = CHILD(for (;;) {
			char c;
			int a = accept(l, NULL, NULL);

			if (a < 0)
				break;
			while (read(a, &c, 1) == 1)
				EQ(write(a, &c, 1), 1);
			close(a);
		});
	pid_t clients[6];
	for (int i = 0; i < 6; i++)
		clients[i] = CHILD(for (int k = 0; k < 20; k++) {
			char c = k;
			int s = socket(AF_UNIX, SOCK_STREAM, 0);

			REQUIRE(!unix_connect(s, "@prefork"));
			EQ(write(s, &c, 1), 1);
			EQ(read(s, &c, 1), 1);
			EQ(c, k);
			close(s);
		});
	for (int i = 0; i < 6; i++)
		JOIN(clients[i]);
	EQ(shutdown(l, SHUT_RDWR), 0);
	for (int i = 0; i < 3; i++)
		JOIN(servers[i]);
}

TEST(proc_shows_them)
{
	static char buf[65536];
	char path[64], link[64] = "", want[64];
	struct stat st;
	int l = unix_listener(SOCK_STREAM, "@shown", 4);

	EQ(fstat(l, &st), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", l);
	snprintf(want, sizeof(want), "socket:[%lu]", (long)st.st_ino);
	CHECK(readlink(path, link, sizeof(link) - 1) > 0);
	CHECK(!strcmp(link, want));
	FAILS(open(path, O_RDWR), ENXIO);
	CHECK(slurp("/proc/net/unix", buf, sizeof(buf)) > 0);
	CHECK(!strncmp(buf, "Num       RefCount Protocol Flags    Type St Inode Path\n", 56));
	snprintf(want, sizeof(want), ": 00000002 00000000 00010000 0001 01 %5lu @shown\n",
		 (long)st.st_ino);
	CHECK(strstr(buf, want));
}
