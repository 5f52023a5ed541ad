/*
 * membarrier(2): a barrier on all CPUs that run a process's tasks, or anybody's.
 *
 * The private one flushes the process's translations: whoever runs in this address space takes an
 * interrupt for it, and whoever comes to run in it passes through a switch first; both order all
 * that was before them with all that comes after.
 */
#include "arch/cpu.h"
#include "kernel/process.h"
#include "kernel/syscalls.h"

#define MEMBARRIER_QUERY		      0
#define MEMBARRIER_GLOBAL		      1
#define MEMBARRIER_PRIVATE_EXPEDITED	      8
#define MEMBARRIER_REGISTER_PRIVATE_EXPEDITED 16

#define MEMBARRIER_SUPPORTED \
	(MEMBARRIER_GLOBAL | MEMBARRIER_PRIVATE_EXPEDITED | MEMBARRIER_REGISTER_PRIVATE_EXPEDITED)

static int private_barrier(void)
{
	if (!atomic_load(&current->proc->membarrier_private))
		return -EPERM;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mmu_flush_all(&current->mm->mmu);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return 0;
}

SYSCALL3(membarrier, int, command, u32, flags, int, cpu)
{
	(void)cpu;
	if (flags || (command & ~MEMBARRIER_SUPPORTED))
		return -EINVAL;
	switch (command) {
	case MEMBARRIER_QUERY:
		return MEMBARRIER_SUPPORTED;
	case MEMBARRIER_GLOBAL:
		cpu_sync_all();
		return 0;
	case MEMBARRIER_PRIVATE_EXPEDITED:
		return private_barrier();
	case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED:
		atomic_store(&current->proc->membarrier_private, true);
		return 0;
	default:
		return -EINVAL;
	}
}
