/*
 * TLB shootdown: making other CPUs drop what they have cached of a tree.
 *
 *	who		The CPUs in mmu->cpus, other than this one: those whose CR3 holds the tree. A CPU
 *			sets its bit before it loads CR3 and clears it after it has loaded another.
 *	order		Who flushes has changed the entries first, then reads mmu->cpus, with a full
 *			barrier between. Who activates sets its bit by an atomic operation, which is a
 *			full barrier, and then walks. So a CPU whose bit was not seen sees the new
 *			entries.
 *	tags		A CPU that has something of the tree cached under a tag, and walks another, is left
 *			alone: it finds out when it comes back (pcid.h).
 *	lazy		A kernel thread runs in whatever tree it finds, and is interrupted as any other.
 *			An idle CPU leaves the tree before it halts, so that none is woken for a flush;
 *			with a single CPU there is nobody to wake it, and it stays.
 *	request		Each CPU has one, since it waits for the end of each. It sets its number in the
 *			target's inbox and sends an interrupt; the target empties its inbox, does what
 *			the requests say, and takes its bit off each one's `pending`.
 *	no deadlock	Who waits serves its own inbox meanwhile, so CPUs may shoot at each other. What
 *			must not be is waiting with a lock held that another CPU spins for with
 *			interrupts off: such locks are never held here (arch/mmu.h).
 */
#include "arch/mmu.h"
#include "arch/x86_64/control.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/smp.h"

enum kind { SHOOT_RANGE, SHOOT_ALL, SHOOT_FORGET, SHOOT_KERNEL, SHOOT_NOTHING };

static struct request {
	enum kind kind;
	struct mmu *mmu;
	u64 flush;
	vaddr_t start, end;
	u64 pending; /* CPUs that have yet to answer. Atomic. */
} __aligned(64) requests[MAX_CPUS];

/* Whose requests wait for a CPU. Atomic. */
static struct {
	u64 from;
} __aligned(64) inboxes[MAX_CPUS];

static void answer(const struct request *r)
{
	struct percpu *p = this_cpu();
	bool here = r->mmu && read_cr3() >> PAGE_SHIFT == r->mmu->root;

	switch (r->kind) {
	case SHOOT_RANGE:
		if (here)
			mmu_flush_here(r->flush, r->start, r->end);
		break;
	case SHOOT_ALL:
		if (here)
			mmu_flush_all_here(r->flush);
		break;
	case SHOOT_FORGET:
		if (p->mmu == r->mmu)
			mmu_activate(NULL);
		break;
	case SHOOT_KERNEL:
		mmu_flush_kernel_here();
		break;
	default:
		break;
	}
	p->flush_served++;
}

void shootdown_serve(void)
{
	u32 me = cpu_id();
	u64 from = atomic_xchg(&inboxes[me].from, 0);

	while (from) {
		u32 cpu = (u32)__builtin_ctzll(from);

		from &= from - 1;
		answer(&requests[cpu]);
		atomic_and(&requests[cpu].pending, ~BIT(me));
	}
}

/* The rest of this CPU's request is filled in. Returns when all have answered. */
static void shoot(struct request *r, u64 targets)
{
	u32 me = cpu_id();

	this_cpu()->flush_sent++;
	atomic_store_release(&r->pending, targets);
	for (u64 left = targets; left; left &= left - 1) {
		u32 cpu = (u32)__builtin_ctzll(left);

		atomic_or(&inboxes[cpu].from, BIT(me));
		apic_command(percpus[cpu].apic_id, VEC_FLUSH);
	}
	while (atomic_load_acquire(&r->pending)) {
		if (atomic_load(&inboxes[me].from)) {
			u64 flags = irq_save();

			shootdown_serve();
			irq_restore(flags);
		}
		cpu_relax();
	}
}

void shootdown_range(struct mmu *m, u64 flush, u64 targets, vaddr_t start, vaddr_t end)
{
	struct request *r = &requests[cpu_id()];

	*r = (struct request){SHOOT_RANGE, m, flush, start, end, 0};
	shoot(r, targets);
}

void shootdown_all(struct mmu *m, u64 flush, u64 targets)
{
	struct request *r = &requests[cpu_id()];

	*r = (struct request){.kind = SHOOT_ALL, .mmu = m, .flush = flush};
	shoot(r, targets);
}

void shootdown_forget(struct mmu *m, u64 targets)
{
	struct request *r = &requests[cpu_id()];

	*r = (struct request){.kind = SHOOT_FORGET, .mmu = m};
	shoot(r, targets);
}

static void shoot_everybody(enum kind kind)
{
	u64 others = (~0ull >> (64 - cpu_count())) & ~BIT(cpu_id());
	struct request *r = &requests[cpu_id()];

	if (!others)
		return;
	*r = (struct request){.kind = kind};
	shoot(r, others);
}

void shootdown_kernel(void)
{
	u64 flags = irq_save();

	mmu_flush_kernel_here();
	irq_restore(flags);
	shoot_everybody(SHOOT_KERNEL);
}

void cpu_sync_all(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	shoot_everybody(SHOOT_NOTHING);
}
