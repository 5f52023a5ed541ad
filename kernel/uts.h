/* What the system calls itself: uname(2), /proc/version, /proc/sys/kernel. */
#pragma once

#include "kernel/lib/compiler.h"

#define UTS_LEN 65 /* with the NUL, each field */
#ifdef __clang__
#define UTS_COMPILER __VERSION__
#else
#define UTS_COMPILER "gcc " __VERSION__
#endif

/* struct utsname of the ABI. nodename and domainname change; the kernel is not preempted in
 * between. */
struct uts_name {
	char sysname[UTS_LEN];
	char nodename[UTS_LEN];
	char release[UTS_LEN];
	char version[UTS_LEN];
	char machine[UTS_LEN];
	char domainname[UTS_LEN];
};

extern struct uts_name uts_name;
