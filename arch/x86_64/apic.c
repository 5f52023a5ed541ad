/*
 * The local APIC of each CPU (SDM volume 3, chapter 10): its timer gives one interrupt at a chosen
 * time; its interrupt command register reaches other CPUs. Its registers lie in memory, at one
 * address at which each CPU finds its own, or, where the CPU has x2APIC, are MSRs.
 */
#include "arch/x86_64/boot.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/control.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/paging.h"
#include "kernel/log.h"

enum {
	REG_ID = 0x20,
	REG_TPR = 0x80,
	REG_EOI = 0xb0,
	REG_SPURIOUS = 0xf0,
	REG_ICR = 0x300,
	REG_ICR_HIGH = 0x310,
	REG_LVT_TIMER = 0x320,
	REG_LVT_LINT0 = 0x350,
	REG_LVT_LINT1 = 0x360,
	REG_LVT_ERROR = 0x370,
	REG_INITIAL = 0x380,
	REG_COUNT = 0x390,
	REG_DIVIDE = 0x3e0,
};

#define APIC_BASE_ENABLE BIT(11)
#define APIC_BASE_X2	 BIT(10)
#define SPURIOUS_ENABLE	 BIT(8)
#define LVT_MASKED	 BIT(16)
#define LVT_NMI		 (4u << 8)
#define LVT_EXTINT	 (7u << 8)
#define ICR_PENDING	 BIT(12)
#define DIVIDE_BY_1	 0xb

#define MSR_X2APIC 0x800 /* the register at 16 * n is MSR 0x800 + n */

#define CPUID_1_ECX_X2APIC BIT(21)
#define CPUID_1_EDX_APIC   BIT(9)

#define MEASURE_NS 5000000ull

static volatile u32 *regs;
static bool x2;	       /* for all CPUs */
static bool present;   /* there is a local APIC, and it is on */
static u64 ticks_mult; /* timer ticks = ns * ticks_mult >> 32 */

static u32 apic_read(unsigned reg)
{
	return x2 ? (u32)rdmsr(MSR_X2APIC + reg / 16) : regs[reg / 4];
}

static void apic_write(unsigned reg, u32 v)
{
	if (x2)
		wrmsr(MSR_X2APIC + reg / 16, v);
	else
		regs[reg / 4] = v;
}

/*
 * One reading of the clock and the timer that belong together: of several tries the one in which
 * the least time passed, since an emulator's thread may be set aside between the two.
 */
static u64 read_both(u32 *count)
{
	u64 best = ~0ull, ns = 0;

	for (int i = 0; i < 8; i++) {
		u64 before = clock_ns();
		u32 c = apic_read(REG_COUNT);
		u64 gap = clock_ns() - before;

		if (gap < best) {
			best = gap;
			ns = before + gap / 2;
			*count = c;
		}
	}
	return ns;
}

/* The timer counts the bus clock, whose rate nothing tells: measured against the TSC. */
static void measure_timer(void)
{
	u64 start, end;
	u32 count_start = 0, count_end = 0;

	apic_write(REG_LVT_TIMER, LVT_MASKED | VEC_TIMER);
	apic_write(REG_INITIAL, ~0u);
	start = read_both(&count_start);
	while (clock_ns() - start < MEASURE_NS)
		cpu_relax();
	end = read_both(&count_end);
	apic_write(REG_INITIAL, 0);
	ticks_mult = ((u64)(count_start - count_end) << 32) / (end - start);
}

/* Turns this CPU's on, in the mode that all CPUs have, with all but its timer as it will be. */
static void enable(u32 lint0_as)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	if (!x2 && (base & APIC_BASE_X2)) { /* back to registers in memory: off, then on */
		wrmsr(MSR_APIC_BASE, base & ~(APIC_BASE_X2 | APIC_BASE_ENABLE));
		base &= ~APIC_BASE_X2;
	}
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	if (x2)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2);
	else if (!regs)
		regs = device_map(base & PTE_PFN_MASK, PAGE_SIZE);
	apic_write(REG_TPR, 0);
	apic_write(REG_LVT_LINT0, lint0_as);
	apic_write(REG_LVT_LINT1, LVT_NMI);
	apic_write(REG_LVT_ERROR, LVT_MASKED);
	apic_write(REG_SPURIOUS, SPURIOUS_ENABLE | VEC_SPURIOUS);
	apic_write(REG_DIVIDE, DIVIDE_BY_1);
	this_cpu()->apic_id = x2 ? apic_read(REG_ID) : apic_read(REG_ID) >> 24;
}

bool apic_init(void)
{
	struct cpuid leaf1 = cpuid(1, 0);

	if (!(leaf1.edx & CPUID_1_EDX_APIC))
		return false;
	x2 = leaf1.ecx & CPUID_1_ECX_X2APIC;
	enable(LVT_EXTINT);
	measure_timer();
	if (!ticks_mult) {
		log_warn("apic: the timer does not count");
		return false;
	}
	apic_write(REG_LVT_TIMER, VEC_TIMER);
	present = true;
	return true;
}

void apic_init_secondary(void)
{
	enable(LVT_MASKED);
	apic_write(REG_LVT_TIMER, VEC_TIMER);
}

void apic_without_8259(void)
{
	apic_write(REG_LVT_LINT0, LVT_MASKED);
}

bool apic_is_x2(void)
{
	return x2;
}

void apic_eoi(void)
{
	if (present)
		apic_write(REG_EOI, 0);
}

void apic_timer(u64 ns)
{
	u64 ticks;

	if (!ns) {
		apic_write(REG_INITIAL, 0);
		return;
	}
	/* One that lies beyond the counter's range comes early, and is armed again. */
	ticks = (u64)((unsigned __int128)ns * ticks_mult >> 32);
	ticks = min(ticks, (u64)~0u);
	apic_write(REG_INITIAL, (u32)max(ticks, (u64)1));
}

/* An NMI may come between and send one, too: it only does so to end the machine. */
void apic_command(u32 apic_id, u32 command)
{
	u64 flags;

	if (x2) {
		/* WRMSR to the APIC does not wait for earlier stores (SDM volume 3, 10.12.3). */
		__asm__ volatile("mfence; lfence" ::: "memory");
		wrmsr(MSR_X2APIC + REG_ICR / 16, (u64)apic_id << 32 | command);
		return;
	}
	flags = irq_save();
	while (apic_read(REG_ICR) & ICR_PENDING)
		cpu_relax();
	apic_write(REG_ICR_HIGH, apic_id << 24);
	apic_write(REG_ICR, command);
	irq_restore(flags);
}
