/*
 * The end of a kernel that found itself broken: what happened, where, and what led there, on
 * every console; then QEMU ends with a failing status.
 */
#include "kernel/panic.h"

#include "arch/cpu.h"
#include "arch/power.h"
#include "arch/traps.h"
#include "kernel/console.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/symbols.h"
#include "kernel/task.h"

#define TAIL_BYTES 2048
#define FRAMES_MAX 32

#define NO_CPU ~0u

static u32 panicking = NO_CPU; /* the CPU that does. Atomic. */
static char tail[TAIL_BYTES];

/* The console alone: the ring's end is shown apart, and should not move meanwhile. */
static void say(const char *fmt, ...) __printf(1, 2);
static void say(const char *fmt, ...)
{
	char line[256];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	console_write(line, (size_t)min(n, (int)sizeof(line) - 1));
	console_write("\r\n", 2);
}

static void say_code(const char *what, vaddr_t addr)
{
	u64 offset = 0;
	const char *name = symbol_name(addr, &offset);

	if (name)
		say("%s %016llx %s+0x%llx", what, (unsigned long long)addr, name,
		    (unsigned long long)offset);
	else
		say("%s %016llx", what, (unsigned long long)addr);
}

#define LL(x) ((unsigned long long)(x))

static void say_regs(const struct regs *r)
{
	say_code("rip", r->rip);
	say("cs  %04llx  rflags %08llx  ss %04llx  rsp %016llx", LL(r->cs), LL(r->rflags),
	    LL(r->ss), LL(r->rsp));
	say("rax %016llx  rbx %016llx  rcx %016llx", LL(r->rax), LL(r->rbx), LL(r->rcx));
	say("rdx %016llx  rsi %016llx  rdi %016llx", LL(r->rdx), LL(r->rsi), LL(r->rdi));
	say("rbp %016llx  r8  %016llx  r9  %016llx", LL(r->rbp), LL(r->r8), LL(r->r9));
	say("r10 %016llx  r11 %016llx  r12 %016llx", LL(r->r10), LL(r->r11), LL(r->r12));
	say("r13 %016llx  r14 %016llx  r15 %016llx", LL(r->r13), LL(r->r14), LL(r->r15));
}

/* Frames are linked by RBP: saved RBP, then the return address. */
static void say_backtrace(u64 rbp)
{
	say("call trace:");
	for (unsigned i = 0; i < FRAMES_MAX; i++) {
		u64 frame[2];

		if (!arch_read_frame(rbp, frame) || !frame[1])
			break;
		say_code(" ", frame[1] - 1);
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
}

static void say_log(void)
{
	size_t n = log_tail(tail, sizeof(tail));
	const char *s = memchr(tail, '\n', n), *end = tail + n;

	say("last lines of the log:");
	while (s && ++s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		size_t len = (size_t)((nl ? nl : end) - s);

		say("  %.*s", (int)len, s);
		s = nl;
	}
}

static void __noreturn die(const struct regs *regs, u64 rbp, const char *what)
{
	struct task *t = current_task();
	u64 frame[2];

	say(" ");
	say("KERNEL PANIC: %s", what);
	if (t)
		say("CPU %u, task %d (%s)", cpu_id(), t->tid, t->comm);
	else
		say("CPU %u, no task yet", cpu_id());
	if (regs) {
		say_regs(regs);
		rbp = regs->rbp;
		/* A call of no function has no frame yet: its return address is at RSP. */
		if (!regs->rip && arch_read_frame(regs->rsp, frame))
			say_code("called from", frame[0] - 1);
	}
	arch_say_control(say);
	say_backtrace(rbp);
	say_log();
	say("KERNEL PANIC: %s", what);
	power_fail();
}

/* One panic is enough: a CPU that has another to tell waits until it is stopped. */
static void begin(void)
{
	u32 first = NO_CPU;

	irq_disable();
	if (!atomic_cas(&panicking, &first, cpu_id())) {
		if (first == cpu_id())
			power_fail(); /* the panic itself broke: nothing more can be trusted */
		for (;;)
			cpu_relax();
	}
	log_panic();
	arch_panic();
}

void panic_regs(const struct regs *regs, const char *fmt, ...)
{
	static char what[256];
	va_list args;

	begin();
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	die(regs, regs->rbp, what);
}

void panic(const char *fmt, ...)
{
	static char what[256];
	va_list args;

	begin();
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	die(NULL, (u64)__builtin_frame_address(0), what);
}
