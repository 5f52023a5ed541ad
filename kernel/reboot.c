/* reboot(2): ending the machine on request. */
#include "kernel/process.h"

#include "arch/power.h"
#include "kernel/log.h"
#include "kernel/syscalls.h"

#define REBOOT_MAGIC1	 0xfee1deadu
#define REBOOT_MAGIC2	 672274793u
#define REBOOT_MAGIC2A	 85072278u
#define REBOOT_MAGIC2B	 369367448u
#define REBOOT_MAGIC2C	 537993216u
#define REBOOT_RESTART	 0x01234567u
#define REBOOT_HALT	 0xcdef0123u
#define REBOOT_CAD_ON	 0x89abcdefu
#define REBOOT_CAD_OFF	 0x00000000u
#define REBOOT_POWER_OFF 0x4321fedcu
#define REBOOT_RESTART2	 0xa1b2c3d4u

SYSCALL4(reboot, u32, magic1, u32, magic2, u32, command, const void __user *, arg)
{
	(void)arg;
	if (!task_is_root(current))
		return -EPERM;
	if (magic1 != REBOOT_MAGIC1 || (magic2 != REBOOT_MAGIC2 && magic2 != REBOOT_MAGIC2A &&
					magic2 != REBOOT_MAGIC2B && magic2 != REBOOT_MAGIC2C))
		return -EINVAL;
	switch (command) {
	case REBOOT_CAD_ON:
	case REBOOT_CAD_OFF:
		return 0;
	case REBOOT_POWER_OFF:
	case REBOOT_HALT:
		log_info("powering off");
		power_off();
	case REBOOT_RESTART:
	case REBOOT_RESTART2:
		log_info("restarting");
		power_reset();
	default:
		return -EINVAL;
	}
}
