/* The loopback device, the only one, as ioctl(2) on a socket shows it. It is always up. */
#include "arch/uaccess.h"
#include "kernel/net/inet.h"
#include "kernel/task.h"

#define SIOCGIFNAME    0x8910
#define SIOCGIFCONF    0x8912
#define SIOCGIFFLAGS   0x8913
#define SIOCSIFFLAGS   0x8914
#define SIOCGIFADDR    0x8915
#define SIOCSIFADDR    0x8916
#define SIOCGIFNETMASK 0x891b
#define SIOCGIFMTU     0x8921
#define SIOCGIFHWADDR  0x8927
#define SIOCGIFINDEX   0x8933

#define IFF_UP	     0x1
#define IFF_LOOPBACK 0x8
#define IFF_RUNNING  0x40

#define LOOPBACK_MTU	65536
#define ARPHRD_LOOPBACK 772

struct ifreq {
	char name[16];
	union {
		struct sockaddr_in addr;
		s32 number;
		s16 flags;
		u8 bytes[24];
	};
};
_Static_assert(sizeof(struct ifreq) == 40, "struct ifreq is 40 bytes");

struct ifconf {
	s32 len;
	u32 pad;
	u64 buf; /* a user address */
};

static const struct ifreq loopback = {.name = "lo",
				      .addr = {.family = AF_INET, .addr = {127, 0, 0, 1}}};

/* The list of one. */
static long get_conf(u64 arg)
{
	struct ifconf c;

	if (copy_from_user(&c, (const void __user *)arg, sizeof(c)))
		return -EFAULT;
	if (c.buf && c.len < (s32)sizeof(loopback))
		c.len = 0;
	else
		c.len = sizeof(loopback);
	if (c.buf && copy_to_user((void __user *)c.buf, &loopback, (size_t)c.len))
		return -EFAULT;
	return copy_to_user((void __user *)arg, &c, sizeof(c)) ? -EFAULT : 0;
}

static bool is_loopback(const struct ifreq *r)
{
	return !strncmp(r->name, loopback.name, sizeof(r->name));
}

/* Answers a question about the device in r. */
static long ask(u32 cmd, struct ifreq *r)
{
	switch (cmd) {
	case SIOCGIFFLAGS:
		r->flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
		return 0;
	case SIOCSIFFLAGS:
		if (current->cred.euid != 0)
			return -EPERM;
		return r->flags & IFF_UP ? 0 : -EOPNOTSUPP;
	case SIOCGIFADDR:
		r->addr = loopback.addr;
		return 0;
	case SIOCGIFNETMASK:
		r->addr = (struct sockaddr_in){.family = AF_INET, .addr = {255}};
		return 0;
	case SIOCGIFMTU:
		r->number = LOOPBACK_MTU;
		return 0;
	case SIOCGIFHWADDR:
		memset(r->bytes, 0, sizeof(r->bytes));
		r->addr.family = ARPHRD_LOOPBACK;
		return 0;
	case SIOCGIFINDEX:
		r->number = 1;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

long netdev_ioctl(u32 cmd, u64 arg)
{
	struct ifreq r;
	long err;

	if (cmd == SIOCGIFCONF)
		return get_conf(arg);
	if (cmd < SIOCGIFNAME || cmd > SIOCGIFINDEX)
		return -ENOTTY;
	if (copy_from_user(&r, (const void __user *)arg, sizeof(r)))
		return -EFAULT;
	if (cmd == SIOCGIFNAME) {
		if (r.number != 1)
			return -ENODEV;
		memcpy(r.name, loopback.name, sizeof(r.name));
	} else {
		err = is_loopback(&r) ? ask(cmd, &r) : -ENODEV;
		if (err)
			return err;
	}
	return copy_to_user((void __user *)arg, &r, sizeof(r)) ? -EFAULT : 0;
}
