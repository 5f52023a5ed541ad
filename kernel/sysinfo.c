/* sysinfo(2) and syslog(2). */
#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/log.h"
#include "kernel/sched.h"
#include "kernel/syscalls.h"
#include "mm/alloc.h"
#include "mm/pagecache.h"

/* struct sysinfo of the ABI. */
struct sysinfo {
	s64 uptime;   /* seconds */
	u64 loads[3]; /* in 1/65536 */
	u64 totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	u16 procs, pad;
	u64 totalhigh, freehigh;
	u32 mem_unit; /* bytes that the sizes are counted in */
};
_Static_assert(sizeof(struct sysinfo) == 112, "struct sysinfo is 112 bytes");

SYSCALL1(sysinfo, struct sysinfo __user *, out)
{
	struct sysinfo i = {
	    .uptime = (s64)(clock_ns() / 1000000000),
	    .totalram = frames_total() << PAGE_SHIFT,
	    .freeram = frames_free() << PAGE_SHIFT,
	    .sharedram = mapping_total_shmem() << PAGE_SHIFT,
	    .procs = (u16)task_count(),
	    .mem_unit = 1,
	};

	sched_load(i.loads);
	return copy_to_user(out, &i, sizeof(i)) ? -EFAULT : 0;
}

#define SYSLOG_CLOSE	     0
#define SYSLOG_OPEN	     1
#define SYSLOG_READ_ALL	     3
#define SYSLOG_CONSOLE_LEVEL 8
#define SYSLOG_SIZE_BUFFER   10

#define SYSLOG_SIZE (64 << 10) /* what READ_ALL gives at most */

static long syslog_read(char __user *out, s32 len)
{
	size_t size = (size_t)min(len, SYSLOG_SIZE), n;
	char *buf = kmalloc(size + 1);
	long err = 0;

	if (!buf)
		return -ENOMEM;
	n = log_tail(buf, size);
	if (copy_to_user(out, buf, n))
		err = -EFAULT;
	kfree(buf);
	return err ? err : (long)n;
}

/* Reading all that is still there, and the console's level. What would take lines out of the log is
 * not there. */
SYSCALL3(syslog, s32, type, char __user *, buf, s32, len)
{
	if (type != SYSLOG_READ_ALL && type != SYSLOG_SIZE_BUFFER && current->cred.euid != 0)
		return -EPERM;
	switch (type) {
	case SYSLOG_CLOSE:
	case SYSLOG_OPEN:
		return 0;
	case SYSLOG_READ_ALL:
		if (!buf || len < 0)
			return -EINVAL;
		return len ? syslog_read(buf, len) : 0;
	case SYSLOG_CONSOLE_LEVEL:
		if (len < 1 || len > 8)
			return -EINVAL;
		log_console_level = len - 1;
		return 0;
	case SYSLOG_SIZE_BUFFER:
		return SYSLOG_SIZE;
	default:
		return -EINVAL;
	}
}
