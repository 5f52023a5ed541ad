/* From what GRUB hands over to boot_info, or to a panic that says what is wrong. */
#include "arch/x86_64/boot.h"

#include "arch/mmu.h"
#include "boot/multiboot2.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/symbols.h"

struct boot_info boot_info;

#define BOOT_MAPPED BIT(32) /* boot/entry.S maps the first 4 GiB */

/* GRUB puts a backslash before each quote and backslash that was in the command line. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && (s[1] == '\\' || s[1] == '"' || s[1] == '\''))
			s++;
		*to++ = *s;
	}
	*to = '\0';
}

void boot_init(u32 magic, u32 tags)
{
	const char *wrong;

	if (magic != MULTIBOOT2_LOADER_MAGIC)
		panic("boot: not started by a Multiboot2 loader (EAX is %08x)", magic);
	wrong = multiboot2_parse(phys_to_virt(tags), tags, BOOT_MAPPED - tags, &boot_info);
	if (wrong)
		panic("boot: %s", wrong);
	unescape(boot_info.cmdline);
	if (boot_info.cmdline_cut)
		log_warn("boot: command line is cut after %d bytes", BOOT_CMDLINE_MAX - 1);
	if (boot_info.symtab && boot_info.symtab + boot_info.symtab_size <= BOOT_MAPPED &&
	    boot_info.strtab + boot_info.strtab_size <= BOOT_MAPPED)
		symbols_init(phys_to_virt(boot_info.symtab), boot_info.symtab_size,
			     phys_to_virt(boot_info.strtab), boot_info.strtab_size);
	else
		log_warn("boot: no ELF symbols: backtraces will show addresses alone");
}
