/* /proc/<pid>/stat, statm and status: a process in numbers. */
#include "kernel/fs/proc.h"

#include "kernel/errno.h"

#define PF_FORKNOEXEC 0x00000040u /* flags of /proc/<pid>/stat, as Linux numbers them */
#define PF_KTHREAD    0x00200000u
#define PF_RANDOMIZE  0x00400000u

/* Of `exec` pages that can be executed, those of the program itself. */
static u64 code_pages(const struct mm *mm, u64 exec)
{
	u64 n = (ALIGN_UP(mm->code_end, PAGE_SIZE) - ALIGN_DOWN(mm->code_start, PAGE_SIZE)) >>
		PAGE_SHIFT;

	return min(n, exec);
}

static u64 rss_of(const struct mm *mm, enum rss_kind kind)
{
	s64 n = atomic_load(&mm->rss[kind]);

	return n > 0 ? (u64)n : 0;
}

/* Addresses are for those who may look into the process; others see 0, or 1 for "some". */
static void show_stat_addresses(struct seq *s, const struct mm *mm, bool allowed)
{
	u64 hidden = mm && !allowed;

	if (!mm)
		allowed = false;
	seq_printf(s, " %lu %lu %lu 0 0", allowed ? mm->code_start : hidden,
		   allowed ? mm->code_end : hidden, allowed ? mm->stack_start : 0);
}

static void show_stat_tail(struct seq *s, const struct mm *mm, const struct proc_view *v,
			   bool allowed)
{
	seq_printf(s, " %d %u %u %u 0 0 0", v->exit_signal, v->cpu, v->rt_priority,
		   v->sched_policy);
	if (mm && allowed)
		seq_printf(s, " %lu %lu %lu %lu %lu %lu %lu", mm->data_start, mm->data_end,
			   mm->brk_start, mm->arg_start, mm->arg_end, mm->env_start, mm->env_end);
	else
		seq_puts(s, " 0 0 0 0 0 0 0");
	seq_printf(s, " %d\n", allowed ? v->exit_code : 0);
}

int proc_show_stat(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	struct mm *mm = proc_mm(o->node); /* before it is asked: the right may go, by exec */
	bool allowed = proc_may_look(o->node) == 0;
	u32 flags = 0;
	struct proc_view v;
	int err = proc_view(o->node, &v);

	if (err)
		goto out;
	if (v.kernel_thread)
		flags |= PF_KTHREAD;
	if (!v.did_exec)
		flags |= PF_FORKNOEXEC;
	if (mm && !mm->no_aslr)
		flags |= PF_RANDOMIZE;
	seq_printf(s, "%d (%s) %c %d %d %d %d %d %u", o->node->tid ? v.tid : v.pid, v.comm, v.state,
		   v.ppid, v.pgid, v.sid, (s32)v.tty_nr, v.tpgid, flags);
	seq_printf(s, " %lu %lu %lu %lu", v.usage.min_flt, v.child_usage.min_flt, v.usage.maj_flt,
		   v.child_usage.maj_flt);
	seq_printf(s, " %lu %lu %lu %lu", proc_ticks(v.usage.utime_ns),
		   proc_ticks(v.usage.stime_ns), proc_ticks(v.child_usage.utime_ns),
		   proc_ticks(v.child_usage.stime_ns));
	seq_printf(s, " %d %d %u 0 %lu", v.rt_priority ? -1 - v.rt_priority : 20 + v.nice, v.nice,
		   v.nr_threads, proc_ticks(v.start_ns));
	seq_printf(s, " %lu %lu %lu", mm ? READ_ONCE(mm->total_pages) << PAGE_SHIFT : 0,
		   mm ? mm_rss(mm) : 0, v.rlimits[RLIMIT_RSS].cur);
	show_stat_addresses(s, mm, allowed);
	seq_printf(s, " %lu %lu %lu %lu", v.signals.pending & 0x7fffffff,
		   v.signals.blocked & 0x7fffffff, v.signals.ignored & 0x7fffffff,
		   v.signals.caught & 0x7fffffff);
	seq_printf(s, " %d 0 0", allowed && v.state != 'R');
	show_stat_tail(s, mm, &v, allowed);
out:
	if (mm)
		mm_put(mm);
	return err;
}

int proc_show_statm(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	struct mm *mm = proc_mm(o->node);

	if (!mm) {
		if (proc_gone(o->node))
			return -ESRCH;
		seq_puts(s, "0 0 0 0 0 0 0\n");
		return 0;
	}
	seq_printf(s, "%lu %lu %lu %lu 0 %lu 0\n", READ_ONCE(mm->total_pages), mm_rss(mm),
		   rss_of(mm, RSS_FILE) + rss_of(mm, RSS_SHMEM),
		   code_pages(mm, READ_ONCE(mm->exec_pages)),
		   READ_ONCE(mm->data_pages) + READ_ONCE(mm->stack_pages));
	mm_put(mm);
	return 0;
}

static const char *state_name(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'S':
		return "sleeping";
	case 'T':
		return "stopped";
	case 'Z':
		return "zombie";
	case 'X':
		return "dead";
	default:
		return "disk sleep";
	}
}

/* Newlines and backslashes would break the line: they stand as in C. */
static void show_name(struct seq *s, const char *comm)
{
	seq_puts(s, "Name:\t");
	for (; *comm; comm++) {
		if (*comm == '\n' || *comm == '\\')
			seq_putc(s, '\\');
		seq_putc(s, *comm == '\n' ? 'n' : *comm);
	}
	seq_putc(s, '\n');
}

static void show_status_ids(struct seq *s, const struct proc_open *o, const struct proc_view *v)
{
	struct fs_context *fs = proc_fs_context(o->node);
	struct fd_table *files = proc_files(o->node);
	const struct cred *c = &v->cred;

	show_name(s, v->comm);
	if (fs)
		seq_printf(s, "Umask:\t%#04o\n", atomic_load(&fs->umask));
	seq_printf(s, "State:\t%c (%s)\n", v->state, state_name(v->state));
	seq_printf(s, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", v->pid,
		   o->node->tid ? v->tid : v->pid, v->ppid);
	seq_printf(s, "Uid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid);
	seq_printf(s, "Gid:\t%u\t%u\t%u\t%u\n", c->gid, c->egid, c->sgid, c->fsgid);
	seq_printf(s, "FDSize:\t%u\nGroups:\t", files ? fd_table_size(files) : 0);
	for (u32 i = 0; i < c->ngroups; i++)
		seq_printf(s, "%s%u", i ? " " : "", c->groups[i]);
	seq_printf(s, " \nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", v->pid,
		   o->node->tid ? v->tid : v->pid, v->pgid, v->sid);
	if (files)
		fd_table_release(files);
	if (fs)
		fs_context_put(fs);
}

static void show_kb(struct seq *s, const char *name, u64 pages)
{
	seq_printf(s, "%s:\t%8lu kB\n", name, pages << (PAGE_SHIFT - 10));
}

static void show_status_mm(struct seq *s, const struct mm *mm)
{
	u64 total = READ_ONCE(mm->total_pages), rss = mm_rss(mm);
	/* Once: it may be less by the time that the libraries' part is told. */
	u64 exec = READ_ONCE(mm->exec_pages), code = code_pages(mm, exec);

	show_kb(s, "VmPeak", max(total, READ_ONCE(mm->peak_total)));
	show_kb(s, "VmSize", total);
	show_kb(s, "VmLck", READ_ONCE(mm->locked_pages));
	show_kb(s, "VmPin", 0);
	show_kb(s, "VmHWM", max(rss, mm->peak_rss));
	show_kb(s, "VmRSS", rss);
	show_kb(s, "RssAnon", rss_of(mm, RSS_ANON));
	show_kb(s, "RssFile", rss_of(mm, RSS_FILE));
	show_kb(s, "RssShmem", rss_of(mm, RSS_SHMEM));
	show_kb(s, "VmData", READ_ONCE(mm->data_pages));
	show_kb(s, "VmStk", READ_ONCE(mm->stack_pages));
	show_kb(s, "VmExe", code);
	show_kb(s, "VmLib", exec - code);
	show_kb(s, "VmPTE", atomic_load(&mm->table_frames));
	show_kb(s, "VmSwap", 0);
	show_kb(s, "HugetlbPages", 0);
	seq_puts(s, "CoreDumping:\t0\nTHP_enabled:\t0\n");
}

static void show_status_signals(struct seq *s, const struct proc_view *v)
{
	const struct signal_view *sig = &v->signals;

	seq_printf(s, "Threads:\t%u\n", v->nr_threads);
	seq_printf(s, "SigQ:\t%u/%lu\n", sig->queued, v->rlimits[RLIMIT_SIGPENDING].cur);
	seq_printf(s, "SigPnd:\t%016lx\nShdPnd:\t%016lx\n", sig->pending, sig->shared_pending);
	seq_printf(s, "SigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n", sig->blocked,
		   sig->ignored, sig->caught);
}

static void show_status_rights(struct seq *s, const struct proc_view *v)
{
	const struct cred *c = &v->cred;

	seq_printf(s, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\n", c->cap_inheritable,
		   c->cap_permitted, c->cap_effective);
	seq_printf(s, "CapBnd:\t%016llx\nCapAmb:\t%016x\n", CAPS_ALL, 0);
	seq_puts(s, "NoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n");
	seq_puts(s, "Speculation_Store_Bypass:\tvulnerable\n"
		    "SpeculationIndirectBranch:\talways enabled\n");
}

static void show_status_machine(struct seq *s, const struct proc_view *v)
{
	u64 cpus = v->cpu_mask & proc_cpus();

	seq_puts(s, "Cpus_allowed:\t");
	proc_show_mask(s, cpus);
	seq_puts(s, "\nCpus_allowed_list:\t");
	proc_show_mask_list(s, cpus);
	seq_puts(s, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
	seq_printf(s, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n",
		   v->usage.nvcsw, v->usage.nivcsw);
}

/* Calf's own, and so the last lines: what its writes to shared pages came to. */
static void show_status_cow(struct seq *s, const struct mm *mm)
{
	seq_printf(s, "CowCopy:\t%lu\nCowReuse:\t%lu\nZeroFill:\t%lu\n",
		   atomic_load(&mm->stat.cow_copy), atomic_load(&mm->stat.cow_reuse),
		   atomic_load(&mm->stat.zero_fill));
}

int proc_show_status(struct seq *s, void *arg)
{
	const struct proc_open *o = arg;
	struct mm *mm = proc_mm(o->node);
	struct proc_view v;
	int err = proc_view(o->node, &v);

	if (!err) {
		show_status_ids(s, o, &v);
		if (mm)
			show_status_mm(s, mm);
		show_status_signals(s, &v);
		show_status_rights(s, &v);
		show_status_machine(s, &v);
		if (mm)
			show_status_cow(s, mm);
	}
	if (mm)
		mm_put(mm);
	return err;
}
