/* What starts in which order. */
#include "arch/x86_64/boot.h"
#include "arch/x86_64/clock.h"
#include "boot/multiboot2.h"
#include "kernel/cmdline.h"
#include "kernel/log.h"
#include "kernel/panic.h"

void kernel_main(u32 magic, u32 tags);

void kernel_main(u32 magic, u32 tags)
{
	cpu_init_early();
	serial_init();
	clock_init_early();
	boot_init(magic, tags);
	cmdline_init(boot_info.cmdline);
	log_info("Calf: %s", boot_info.cmdline);
	clock_init();
	panic("nothing more to start");
}
