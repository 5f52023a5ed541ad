/*
 * Each CPU's tables and control registers: GDT and TSS (SDM volume 3, sections 3.4.5 and 7.7),
 * IDT (6.14.1), what protection the CPU offers (CR0, CR4, EFER: 2.5), system calls (5.8.8).
 */
#include "arch/traps.h"

#include "arch/kstack.h"
#include "arch/mmu.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/control.h"
#include "arch/x86_64/fpu.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/segments.h"
#include "arch/x86_64/smp.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/task.h"

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iomap;
} __packed;

struct gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_mid;
	u32 offset_high, zero;
};

struct table_pointer {
	u16 limit;
	u64 base;
} __packed;

#define GATE_INTERRUPT	    0x8e /* present, DPL 0: interrupts go off */
#define GATE_INTERRUPT_USER 0xee /* DPL 3: for INT3 and INTO */
#define IST_STACK_SIZE	    8192
#define NR_IST		    4

/* What SYSCALL clears: interrupts, traps, direction, nested task, IOPL and the SMAP override. */
#define SYSCALL_CLEARS 0x257fd5ull

extern char syscall_entry[], trap_stubs[];

struct smap_site {
	u64 at, stac;
};
extern const struct smap_site smap_sites_start[], smap_sites_end[];

struct percpu percpus[MAX_CPUS];
static struct {
	struct tss tss;
	u64 gdt[GDT_SIZE];
} __aligned(64) tables[MAX_CPUS];
static struct gate idt[256];
/* CPU 0's, there before anything can be allocated. */
static struct {
	u8 guard[PAGE_SIZE]; /* unmapped */
	u8 stack[IST_STACK_SIZE];
} ist_stacks[NR_IST] __aligned(PAGE_SIZE);
u64 cpu_features;

void cpu_init_early(void)
{
	struct percpu *p = &percpus[0];

	p->self = p;
	wrmsr(MSR_GS_BASE, (u64)p);
}

static void init_gdt(u64 *gdt, struct tss *tss, u32 cpu)
{
	struct table_pointer ptr = {GDT_SIZE * sizeof(u64) - 1, (u64)gdt};
	u64 base = (u64)tss;

	gdt[KERNEL_CS / 8] = 0x00af9b000000ffff;
	gdt[KERNEL_DS / 8] = 0x00cf93000000ffff;
	gdt[USER_DS / 8] = 0x00cff3000000ffff;
	gdt[USER_CS / 8] = 0x00affb000000ffff;
	gdt[TSS_SEL / 8] = (sizeof(*tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
			   (base >> 24 & 0xff) << 56;
	gdt[TSS_SEL / 8 + 1] = base >> 32;
	gdt[CPU_SEL / 8] = 0x0040f10000000000 | cpu;
	tss->iomap = sizeof(*tss); /* no ports for user mode */
	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl %2, %%eax\n\t"
			 "movl %%eax, %%ss\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "movl %%eax, %%ds\n\t"
			 "movl %%eax, %%es\n\t"
			 "ltr %w3"
			 :
			 : "m"(ptr), "i"(KERNEL_CS), "i"(KERNEL_DS), "r"(TSS_SEL)
			 : "rax", "memory");
}

static void load_idt(void)
{
	struct table_pointer ptr = {sizeof(idt) - 1, (u64)idt};

	__asm__ volatile("lidt %0" ::"m"(ptr));
}

static void init_idt(void)
{
	for (unsigned i = 0; i < 256; i++) {
		u64 at = (u64)trap_stubs + i * 16;

		idt[i] = (struct gate){
		    .offset_low = (u16)at,
		    .offset_mid = (u16)(at >> 16),
		    .offset_high = (u32)(at >> 32),
		    .selector = KERNEL_CS,
		    .type = GATE_INTERRUPT,
		};
	}
	idt[1].ist = IST_DB;
	idt[2].ist = IST_NMI;
	idt[8].ist = IST_DF;
	idt[18].ist = IST_MC;
	idt[3].type = idt[4].type = GATE_INTERRUPT_USER;
	load_idt();
}

/* CLAC is 0f 01 ca, STAC 0f 01 cb; the text is still writable, through the direct map. */
static void patch_smap(void)
{
	for (const struct smap_site *s = smap_sites_start; s < smap_sites_end; s++) {
		u8 *code = phys_to_virt(s->at - KERNEL_BASE);

		code[0] = 0x0f;
		code[1] = 0x01;
		code[2] = s->stac ? 0xcb : 0xca;
	}
}

static void load_control(void)
{
	write_cr4(cpu_features);
	write_cr0((read_cr0() | CR0_MP | CR0_NE | CR0_WP) & ~(CR0_EM | CR0_TS | CR0_AM));
}

static void init_control(void)
{
	struct cpuid leaf1 = cpuid(1, 0), leaf7 = {0};
	u64 cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (!(cpuid(0x80000001, 0).edx & BIT(20)))
		panic("cpu: no NX: data would be executable");
	if (cpuid(0, 0).eax >= 7)
		leaf7 = cpuid(7, 0);
	if (leaf1.edx & BIT(13))
		cr4 |= CR4_PGE;
	if (leaf1.ecx & BIT(26))
		cr4 |= CR4_OSXSAVE;
	if (leaf7.ebx & BIT(7))
		cr4 |= CR4_SMEP;
	if (leaf7.ebx & BIT(20))
		cr4 |= CR4_SMAP;
	if (leaf7.ecx & BIT(2))
		cr4 |= CR4_UMIP;
	if (leaf1.ecx & BIT(17) && cr4 & CR4_PGE) {
		cr4 |= CR4_PCIDE;
		mmu_use_tags(leaf7.ebx & BIT(10));
	}
	if (cr4 & CR4_SMAP)
		patch_smap();
	cpu_features = cr4;
	load_control();
}

static void init_syscall(void)
{
	wrmsr(MSR_STAR, (u64)USER_CS32 << 48 | (u64)KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_SFMASK, SYSCALL_CLEARS);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE);
}

static void load_tables(u32 cpu)
{
	init_gdt(tables[cpu].gdt, &tables[cpu].tss, cpu);
	wrmsr(MSR_GS_BASE, (u64)&percpus[cpu]);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
}

void cpu_init(void)
{
	percpus[0].tss = &tables[0].tss;
	for (unsigned i = 0; i < NR_IST; i++)
		tables[0].tss.ist[i] = (u64)(ist_stacks[i].stack + IST_STACK_SIZE);
	load_tables(0);
	init_idt();
	init_control();
	init_syscall();
	fpu_init();
	log_info("cpu: protection%s%s%s%s%s, NX, WP", cpu_features & CR4_SMEP ? " SMEP" : "",
		 cpu_features & CR4_SMAP ? " SMAP" : "", cpu_features & CR4_UMIP ? " UMIP" : "",
		 cpu_features & CR4_PGE ? " PGE" : "", cpu_features & CR4_PCIDE ? " PCID" : "");
}

bool cpu_prepare(u32 cpu, u32 apic_id, struct task *idle)
{
	struct percpu *p = &percpus[cpu];
	struct tss *tss = &tables[cpu].tss;

	for (unsigned i = 0; i < NR_IST; i++) {
		void *stack = tss->ist[i] ? NULL : kstack_alloc();

		if (stack)
			tss->ist[i] = (u64)stack + KSTACK_SIZE;
		if (!tss->ist[i])
			return false;
	}
	*p = (struct percpu){.self = p, .cpu = cpu, .apic_id = apic_id, .tss = tss, .task = idle};
	p->kstack_top = tss->rsp[0] = (u64)idle->kstack + KSTACK_SIZE;
	return true;
}

void cpu_init_secondary(struct percpu *p)
{
	load_tables(p->cpu);
	load_idt();
	load_control();
	init_syscall();
	fpu_init_secondary();
}

void cpu_set_kernel_stack(u64 top)
{
	struct percpu *p = this_cpu();

	p->kstack_top = top;
	((struct tss *)p->tss)->rsp[0] = top;
}

vaddr_t cpu_stack_guard(unsigned i)
{
	if (i == 0)
		return (u64)boot_guard;
	return i <= NR_IST ? (u64)ist_stacks[i - 1].guard : 0;
}

void cpu_idle(void)
{
	/* STI takes effect after HLT has begun: no interrupt is lost between the two. */
	__asm__ volatile("sti; hlt" ::: "memory");
}

void arch_panic(void)
{
	smp_stop_others();
	serial_panic();
	screen_panic();
}

void arch_say_control(void (*say)(const char *fmt, ...))
{
	say("cr0 %08llx  cr2 %016llx  cr3 %016llx  cr4 %08llx", read_cr0(), read_cr2(), read_cr3(),
	    read_cr4());
}

bool arch_read_frame(u64 rbp, u64 frame[2])
{
	if (rbp % 8 || rbp < DIRECT_BASE || !kernel_mapped(rbp) || !kernel_mapped(rbp + 8))
		return false;
	memcpy(frame, (const void *)rbp, 16);
	return true;
}
