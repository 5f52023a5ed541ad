/* What starts in which order. */
#include "arch/mmu.h"
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/irq.h"
#include "kernel/cmdline.h"
#include "kernel/fs/proc.h"
#include "kernel/fs/vfs.h"
#include "kernel/knobs.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/net/socket.h"
#include "kernel/panic.h"
#include "kernel/task.h"
#include "kernel/vdso.h"

#define MAX_INIT_WORDS 64

void kernel_main(u32 magic, u32 tags);

/* Before there is memory to allocate: what a panic needs, then what the boot loader said. */
static void start_machine(u32 magic, u32 tags)
{
	cpu_init_early();
	serial_init();
	clock_init_early();
	boot_init(magic, tags);
	cmdline_init(boot_info.cmdline);
	log_console_level =
	    cmdline_has("quiet") ? LOG_WARN : (int)cmdline_get_u64("loglevel", LOG_INFO);
	log_info("Calf, started by %s", boot_info.loader[0] ? boot_info.loader : "a boot loader");
	log_info("command line: %s", boot_info.cmdline);
	cpu_init();
	clock_init();
	acpi_init(&boot_info);
	memory_init(&boot_info);
	screen_init(&boot_info.fb);
	mmu_choose_routines();
	wall_clock_init();
	irq_init();
	timer_init();
}

/* fork_share=0..4|auto */
static void set_fork_share(void)
{
	char word[8] = "";
	u64 level = cmdline_get_u64("fork_share", ~0ull);

	if (!cmdline_has("fork_share"))
		return;
	cmdline_get("fork_share", word, sizeof(word));
	if (!strcmp(word, "auto"))
		level = FORK_SHARE_AUTO;
	if (level <= FORK_SHARE_AUTO && (level <= FORK_SHARE_MAX || word[0] == 'a'))
		vm_fork_share_level = (int)level;
	else
		log_warn("fork_share=%s is not a level: 0 to %u and auto are", word,
			 FORK_SHARE_MAX);
}

/* norandmaps: addresses are the same at every exec. */
static void set_randomize(void)
{
	if (cmdline_has("norandmaps"))
		randomize_va_space = 0;
}

/* The first module is the initrd; its frames are given back once it is unpacked. */
static void take_initrd(void)
{
	const struct boot_module *m = &boot_info.modules[0];

	if (!boot_info.nr_modules)
		panic("boot: the boot loader passed no module, so there is no initrd");
	log_info("initrd: %s, %llu KiB", m->name[0] ? m->name : "module 0",
		 (unsigned long long)((m->end - m->start) >> 10));
	initrd_unpack(phys_to_virt(m->start), m->end - m->start);
	frames_add(ALIGN_UP(m->start, PAGE_SIZE) >> PAGE_SHIFT,
		   ALIGN_UP(m->end, PAGE_SIZE) >> PAGE_SHIFT);
}

static void start_init(const char *path)
{
	static const char *argv[MAX_INIT_WORDS + 2], *envp[MAX_INIT_WORDS + 3];
	unsigned n;
	int err;

	argv[0] = path;
	for (n = 0; n < MAX_INIT_WORDS && cmdline_init_arg(n); n++)
		argv[n + 1] = cmdline_init_arg(n);
	envp[0] = "HOME=/";
	envp[1] = "TERM=linux";
	for (n = 0; n < MAX_INIT_WORDS && cmdline_init_env(n); n++)
		envp[n + 2] = cmdline_init_env(n);
	err = kernel_exec(path, argv, envp);
	if (err)
		panic("init: %s cannot be run (error %d)", path, -err);
}

/* The kernel's own part of process 1: what may sleep. */
static void init_main(void *arg)
{
	static char path[256] = "/init";

	(void)arg;
	take_initrd();
	console_open_std();
	cmdline_get("init", path, sizeof(path));
	log_info("init: running %s", path);
	start_init(path);
}

void kernel_main(u32 magic, u32 tags)
{
	start_machine(magic, tags);
	mm_init();
	set_fork_share();
	set_randomize();
	task_init();
	fs_init();
	vdso_init();
	proc_init();
	sock_init();
	cpu_start_others();
	init_start(init_main, NULL);
	sched_idle();
}
