/* uname(2), sethostname(2), setdomainname(2). */
#include "kernel/uts.h"

#include "arch/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

/* A program asks what it may expect of the ABI: that of this Linux release. */
struct uts_name uts_name = {
    .sysname = "Linux",
    .nodename = "calf",
    .release = "6.1.0-calf",
    .version = "#1 Calf",
    .machine = "x86_64",
    .domainname = "(none)",
};

SYSCALL1(uname, struct uts_name __user *, out)
{
	return copy_to_user(out, &uts_name, sizeof(uts_name)) ? -EFAULT : 0;
}

static long set_name(char *name, const char __user *text, s32 len)
{
	char buf[UTS_LEN] = {0};

	if (current->cred.euid != 0)
		return -EPERM;
	if (len < 0 || len >= UTS_LEN)
		return -EINVAL;
	if (copy_from_user(buf, text, (size_t)len))
		return -EFAULT;
	memcpy(name, buf, UTS_LEN);
	return 0;
}

SYSCALL2(sethostname, const char __user *, text, s32, len)
{
	return set_name(uts_name.nodename, text, len);
}

SYSCALL2(setdomainname, const char __user *, text, s32, len)
{
	return set_name(uts_name.domainname, text, len);
}
