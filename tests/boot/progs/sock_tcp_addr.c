/* TCP over loopback: ports and addresses of both versions, who may have them, and what /proc shows of them. */
#include "tap.h"
#include "sock_net.h"

TEST(ports)
{
	int l = listener(at4("127.0.0.1", 0), 5), s = socket(AF_INET, SOCK_STREAM, 0);
	int port = port_of(l, false);

	FAILS(bind_at(s, at4("127.0.0.1", port)), EADDRINUSE);
	FAILS(bind_at(s, at4("0.0.0.0", port)), EADDRINUSE);
	SET(s, SOL_SOCKET, SO_REUSEADDR, 1);
	FAILS(bind_at(s, at4("127.0.0.1", port)), EADDRINUSE);
	EQ(bind_at(s, at4("127.0.0.2", port)), 0);
	FAILS(bind_at(s, at4("127.0.0.3", port)), EINVAL);
	FAILS(bind_at(socket(AF_INET, SOCK_STREAM, 0), at4("10.1.2.3", 0)), EADDRNOTAVAIL);
	/* both may be bound where both say so, but only one may listen */
	close(l);
	s = socket(AF_INET, SOCK_STREAM, 0);
	l = socket(AF_INET, SOCK_STREAM, 0);
	SET(s, SOL_SOCKET, SO_REUSEADDR, 1);
	SET(l, SOL_SOCKET, SO_REUSEADDR, 1);
	EQ(bind_at(s, at4("127.0.0.1", port)), 0);
	EQ(bind_at(l, at4("127.0.0.1", port)), 0);
	EQ(listen(s, 1), 0);
	FAILS(listen(l, 1), EADDRINUSE);
	JOIN(CHILD(EQ(setresuid(1000, 1000, 1000), 0); s = socket(AF_INET, SOCK_STREAM, 0);
		   FAILS(bind_at(s, at4("127.0.0.1", 80)), EACCES)));
}

TEST(port_is_free_again)
{
	int l = listener(at4("127.0.0.1", 0), 5), s, c, a, port = port_of(l, false);

	c = socket(AF_INET, SOCK_STREAM, 0);
	EQ(connect_at(c, at4("127.0.0.1", port)), 0);
	a = accept(l, NULL, NULL);
	close(l);
	/* the connection still has the port */
	s = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(bind_at(s, at4("127.0.0.1", port)), EADDRINUSE);
	l = listener(at4("127.0.0.1", port), 5);
	SENT(a, "x");
	GOT(c, "x");
}

TEST(ports_shared_by_many)
{
	int l[3], hits[3] = {0}, port = 0;

	loopback_up();
	for (int i = 0; i < 3; i++) {
		l[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		SET(l[i], SOL_SOCKET, SO_REUSEPORT, 1);
		EQ(bind_at(l[i], at4("127.0.0.1", port)), 0);
		EQ(listen(l[i], 100), 0);
		port = port_of(l[i], false);
	}
	for (int k = 0; k < 60; k++) {
		int c = socket(AF_INET, SOCK_STREAM, 0);

		EQ(connect_at(c, at4("127.0.0.1", port)), 0);
		for (int i = 0; i < 3; i++) {
			int a = accept(l[i], NULL, NULL);

			if (a >= 0) {
				hits[i]++;
				close(a);
			}
		}
		close(c);
	}
	EQ(hits[0] + hits[1] + hits[2], 60);
	for (int i = 0; i < 3; i++)
		CHECK(hits[i] > 0);
}

TEST(addresses)
{
	int l = listener(at4("0.0.0.0", 0), 5), c, a, port = port_of(l, false);

	c = socket(AF_INET, SOCK_STREAM, 0);
	EQ(connect_at(c, at4("0.0.0.0", port)), 0);
	CHECK(!strcmp(ip_of(c, true), "127.0.0.1"));
	a = accept(l, NULL, NULL);
	CHECK(!strcmp(ip_of(a, false), "127.0.0.1"));
	c = socket(AF_INET, SOCK_STREAM, 0);
	EQ(bind_at(c, at4("127.9.9.9", 0)), 0);
	EQ(connect_at(c, at4("127.1.2.3", port)), 0);
	a = accept(l, NULL, NULL);
	CHECK(!strcmp(ip_of(a, false), "127.1.2.3"));
	CHECK(!strcmp(ip_of(a, true), "127.9.9.9"));
	c = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(connect_at(c, at4("10.1.2.3", 80)), ENETUNREACH);
	FAILS(connect_at(c, at6("::1", port)), EAFNOSUPPORT);
	union addr x = at4("127.0.0.1", port);
	FAILS(connect(c, &x.sa, 8), EINVAL);
	FAILS(connect(c, &x.sa, 1), EINVAL);
}

TEST(version_6)
{
	int l = listener(at6("::", 0), 5), c, a, port = port_of(l, false);

	c = socket(AF_INET6, SOCK_STREAM, 0);
	EQ(connect_at(c, at6("::1", port)), 0);
	a = accept(l, NULL, NULL);
	CHECK(!strcmp(ip_of(a, true), "::1"));
	SENT(c, "six");
	GOT(a, "six");
	/* both versions come to a socket of version 6 */
	c = socket(AF_INET, SOCK_STREAM, 0);
	EQ(connect_at(c, at4("127.0.0.1", port)), 0);
	a = accept(l, NULL, NULL);
	CHECK(!strcmp(ip_of(a, true), "::ffff:127.0.0.1"));
	CHECK(!strcmp(ip_of(c, true), "127.0.0.1"));
	c = socket(AF_INET6, SOCK_STREAM, 0);
	EQ(connect_at(c, at6("::ffff:127.0.0.1", port)), 0);
	CHECK(!strcmp(ip_of(c, false), "::ffff:127.0.0.1"));
	c = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(bind_at(c, at4("127.0.0.1", port)), EADDRINUSE);
	close(l);
	l = socket(AF_INET6, SOCK_STREAM, 0);
	EQ(OPTION(l, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	SET(l, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	SET(l, SOL_SOCKET, SO_REUSEADDR, 1);
	EQ(bind_at(l, at6("::", 0)), 0);
	EQ(listen(l, 5), 0);
	port = port_of(l, false);
	FAILS(connect_at(c, at4("127.0.0.1", port)), ECONNREFUSED);
	EQ(bind_at(socket(AF_INET, SOCK_STREAM, 0), at4("0.0.0.0", port)), 0);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	FAILS(connect_at(c, at6("2001:db8::1", 80)), ENETUNREACH);
	union addr x = at4("127.0.0.1", port);
	FAILS(connect(c, &x.sa, sizeof(x.in)), EINVAL);
	FAILS(connect(c, &x.sa, sizeof(x.in6)), EAFNOSUPPORT);
}

TEST(proc_shows_them)
{
	static char buf[65536];
	char want[128];
	struct stat st;
	int l = listener(at4("127.0.0.1", 0), 4), l6 = listener(at6("::1", 0), 4);

	EQ(fstat(l, &st), 0);
	CHECK(slurp("/proc/net/tcp", buf, sizeof(buf)) > 0);
	CHECK(!strncmp(buf, "  sl  local_address rem_address   st tx_queue rx_queue tr ", 58));
	EQ(strcspn(buf, "\n"), 149);
	snprintf(want, sizeof(want),
		 ": 0100007F:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0   "
		 "     0 %lu ",
		 port_of(l, false), (long)st.st_ino);
	CHECK(strstr(buf, want));
	CHECK(slurp("/proc/net/tcp6", buf, sizeof(buf)) > 0);
	snprintf(want, sizeof(want), ": 00000000000000000000000001000000:%04X ",
		 port_of(l6, false));
	CHECK(strstr(buf, want));
}
