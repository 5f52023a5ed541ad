/* AF_INET and AF_INET6. */
#include "kernel/net/inet.h"

int inet_choose(int type, int *protocol, const struct sock_ops **ops)
{
	(void)type;
	(void)protocol;
	(void)ops;
	return -EAFNOSUPPORT;
}

void inet_setup(struct socket *s)
{
	(void)s;
}

void inet_setup_like(struct socket *s, const struct socket *like)
{
	(void)s;
	(void)like;
}

void inet_to_addr(const struct socket *s, const struct inet_addr *from, struct sock_addr *a)
{
	(void)s;
	(void)from;
	a->len = 0;
}
