/* Backtraces for the log; a panic, which trusts less, has its own. */
#include "kernel/trace.h"

#include "arch/traps.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/symbols.h"
#include "kernel/task.h"

void trace_collect(struct trace *t, u64 rip, u64 rbp)
{
	const struct task *task = current;
	u64 frame[2];

	*t = (struct trace){.cpu = cpu_id(), .tid = task->tid};
	memcpy(t->comm, task->comm, sizeof(t->comm));
	if (rip)
		t->addrs[t->n++] = rip;
	/* Frames are linked by RBP: saved RBP, then the return address. */
	while (t->n < TRACE_MAX && arch_read_frame(rbp, frame) && frame[1]) {
		t->addrs[t->n++] = frame[1] - 1;
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
}

void trace_log(const struct trace *t)
{
	log_err("CPU %u, task %d (%s)%s:", t->cpu, t->tid, t->comm,
		t->user ? ", in user mode" : "");
	for (u32 i = 0; i < t->n; i++) {
		u64 offset = 0;
		const char *name = t->user ? NULL : symbol_name(t->addrs[i], &offset);

		log_err("  %016llx %s+0x%llx", (unsigned long long)t->addrs[i], name ? name : "?",
			(unsigned long long)offset);
	}
}
