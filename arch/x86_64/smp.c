/*
 * Several CPUs: starting them, reaching them, stopping them.
 *
 *	start	CPU 0 alone starts the others, one after the other, by INIT and start-up interrupts
 *		(SDM volume 3, section 8.4.4). Numbers are given in the order of the MADT to those that
 *		answer, so that there is no gap. One that does not is put back to sleep by an INIT,
 *		since it might wake up later, and is left out.
 *	kick	An interrupt with nothing to say but "look": at the run queue, at the task's work.
 *	NMI	Reaches a CPU that has interrupts off: a panic's halt, and a request for a backtrace.
 */
#include "arch/x86_64/smp.h"

#include "arch/clock.h"
#include "arch/mmu.h"
#include "arch/traps.h"
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/control.h"
#include "arch/x86_64/irq.h"
#include "kernel/cmdline.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/sched.h"
#include "kernel/trace.h"

#define INIT_NS	  (10 * NSEC_PER_MSEC) /* between INIT and the start-up interrupt */
#define RETRY_NS  (20 * NSEC_PER_MSEC) /* between the first start-up interrupt and the second */
#define ANSWER_NS (5 * NSEC_PER_SEC)   /* an emulator's thread may have to wait for its host */
#define STOP_NS	  (200 * NSEC_PER_MSEC)
#define TRACE_NS  NSEC_PER_SEC

u32 nr_cpus = 1;

/* For the CPU that is being started, which takes the stack; see trampoline.S. */
u64 ap_stack;
struct percpu *ap_percpu;

extern char trampoline_start[], trampoline_end[];
extern char trampoline_fix_gdt[], trampoline_fix_32[], trampoline_fix_64[];

void __noreturn ap_main(struct percpu *p);

void ap_main(struct percpu *p)
{
	p->first_tsc = cpu_rdtsc();
	cpu_init_secondary(p);
	apic_init_secondary();
	arch_task_adopt(p->task);
	sched_adopt_idle(p->task);
	atomic_store_release(&p->online, true);
	sched_idle();
}

static void wait_ns(u64 ns)
{
	u64 end = clock_ns() + ns;

	while (clock_ns() < end)
		cpu_relax();
}

static bool comes_online(const struct percpu *p, u64 ns)
{
	u64 end = clock_ns() + ns;

	while (!atomic_load_acquire(&p->online)) {
		if (clock_ns() >= end)
			return false;
		cpu_relax();
	}
	return true;
}

static void lay_trampoline(paddr_t at)
{
	const char *const words[] = {trampoline_fix_gdt, trampoline_fix_32, trampoline_fix_64};
	u8 *page = phys_to_virt(at);

	memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		u8 *word = page + (words[i] - trampoline_start);
		u32 v;

		memcpy(&v, word, sizeof(v));
		v += (u32)at;
		memcpy(word, &v, sizeof(v));
	}
}

/* The CPU has had its INIT. False: it does not answer, or there is no memory for it. */
static bool start(u32 cpu, u32 apic_id, paddr_t page)
{
	struct task *idle = sched_create_idle(cpu);
	u32 command = APIC_START | (u32)(page >> PAGE_SHIFT);

	if (!idle)
		return false;
	if (cpu_prepare(cpu, apic_id, idle)) {
		ap_percpu = &percpus[cpu];
		atomic_store_release(&ap_stack, (u64)idle->kstack + KSTACK_SIZE);
		apic_command(apic_id, command);
		if (comes_online(ap_percpu, RETRY_NS))
			return true;
		apic_command(apic_id, command);
		/* One that has taken its stack is on its way, however long it takes. */
		if (comes_online(ap_percpu, ANSWER_NS) || !atomic_xchg(&ap_stack, 0))
			return comes_online(ap_percpu, ANSWER_NS);
		apic_command(apic_id, APIC_INIT);
	}
	sched_discard_idle(idle);
	return false;
}

/* How many CPUs the command line allows: maxcpus=0 and nosmp mean the first alone, as in Linux. */
static u32 allowed(void)
{
	u64 n = cmdline_get_u64("maxcpus", MAX_CPUS);

	if (cmdline_has("nosmp"))
		return 1;
	return (u32)min(max(n, (u64)1), (u64)MAX_CPUS);
}

/* All CPUs tell the time by their own counter: one that lies elsewhere would show. */
static bool start_in_step(u32 cpu, u32 apic_id, paddr_t page)
{
	u64 before = cpu_rdtsc();

	if (!start(cpu, apic_id, page))
		return false;
	if (percpus[cpu].first_tsc < before || percpus[cpu].first_tsc > cpu_rdtsc())
		log_warn("smp: the time-stamp counter of CPU %u is not in step", cpu);
	return true;
}

static void start_all(paddr_t page, u32 most)
{
	const struct acpi_machine *m = &acpi_machine;
	u32 me = this_cpu()->apic_id;

	for (u32 i = 0; i < m->nr_cpus; i++)
		if (m->cpus[i] != me)
			apic_command(m->cpus[i], APIC_INIT);
	wait_ns(INIT_NS);
	for (u32 i = 0; i < m->nr_cpus && nr_cpus < most; i++) {
		if (m->cpus[i] == me)
			continue;
		if (start_in_step(nr_cpus, m->cpus[i], page))
			atomic_inc(&nr_cpus);
		else
			log_warn("smp: the CPU with APIC id %u does not answer: left out",
				 m->cpus[i]);
	}
}

void cpu_start_others(void)
{
	const struct acpi_machine *m = &acpi_machine;
	paddr_t page = memory_trampoline();
	u32 most = allowed();

	if (m->nr_cpus < 2)
		return;
	if (timer_is_pit())
		log_warn("smp: no local APIC: one CPU runs");
	else if (!page)
		log_warn("smp: no memory below 1 MiB to start CPUs in: one CPU runs");
	else if (most > 1) {
		mmu_expect_others();
		lay_trampoline(page);
		start_all(page, most);
	}
	log_info("smp: %u of %u CPUs run", nr_cpus, m->nr_cpus);
}

void cpu_kick(u32 cpu)
{
	apic_command(percpus[cpu].apic_id, VEC_KICK);
}

/* ---- NMI ---- */

static bool stopping;	 /* a panic's. Atomic. */
static u32 trace_wanted; /* the number, plus 1, of the CPU that is to fill in `trace`. Atomic. */
static struct trace trace;

static void fill_trace(const struct regs *regs)
{
	trace_collect(&trace, regs->rip, regs_user(regs) ? 0 : regs->rbp);
	trace.user = regs_user(regs);
}

bool smp_nmi(const struct regs *regs)
{
	struct percpu *p = this_cpu();

	if (atomic_load(&stopping)) {
		atomic_store(&p->stopped, true);
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	if (atomic_load(&trace_wanted) != p->cpu + 1)
		return false;
	fill_trace(regs);
	atomic_store_release(&trace_wanted, 0);
	return true;
}

void smp_stop_others(void)
{
	u32 me = cpu_id(), n = cpu_count();
	u64 end = clock_ns() + STOP_NS;

	atomic_store(&stopping, true);
	for (u32 cpu = 0; cpu < n; cpu++)
		if (cpu != me)
			apic_command(percpus[cpu].apic_id, APIC_NMI);
	for (u32 cpu = 0; cpu < n; cpu++)
		while (cpu != me && !atomic_load(&percpus[cpu].stopped) && clock_ns() < end)
			cpu_relax();
}

void cpu_backtrace_others(void)
{
	u32 me = cpu_id();

	for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
		u64 end = clock_ns() + TRACE_NS;
		u32 wanted = cpu + 1;

		if (cpu == me)
			continue;
		atomic_store(&trace_wanted, wanted);
		apic_command(percpus[cpu].apic_id, APIC_NMI);
		while (atomic_load_acquire(&trace_wanted) && clock_ns() < end)
			cpu_relax();
		if (atomic_cas(&trace_wanted, &wanted, 0))
			log_err("CPU %u does not answer an NMI", cpu);
		else
			trace_log(&trace);
	}
}
