/* The system calls of memory: arguments checked and turned into mm/'s terms. */
#include "arch/uaccess.h"
#include "kernel/fs/vfs.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"
#include "mm/mman.h"

/* Populating goes in parts, so that others run in between and SIGKILL ends it. */
#define POPULATE_PART (4ull << 20)

/* Faults that the kernel took on the program's behalf count as the program's. */
static void count_faults(long n)
{
	if (n > 0)
		current->usage.min_flt += (u64)n;
}

static void populate(vaddr_t addr, u64 len)
{
	for (u64 part; len && !fatal_signal_pending(); addr += part, len -= part) {
		part = min(len, POPULATE_PART);
		count_faults(mm_populate(current->mm, addr, part));
		cond_resched();
	}
}

/* MADV_POPULATE_READ and MADV_POPULATE_WRITE. */
static long madvise_populate(vaddr_t addr, u64 len, s32 advice)
{
	long n = 0;

	for (u64 part; len && n >= 0; addr += part, len -= part) {
		if (fatal_signal_pending())
			return -EINTR;
		part = min(len, POPULATE_PART);
		n = mm_madvise(current->mm, addr, part, advice);
		count_faults(n);
		cond_resched();
	}
	return min(n, 0l);
}

SYSCALL6(mmap, vaddr_t, addr, u64, len, u32, prot, u32, flags, s32, fd, u64, offset)
{
	struct file *file = NULL;
	long at;

	if (!(flags & MAP_ANONYMOUS)) {
		file = fd_get(fd);
		if (!file)
			return -EBADF;
	}
	at = mm_mmap(current->mm, addr, len, prot, flags, file, offset);
	if (file)
		file_put(file);
	if (!IS_ERR((void *)at) &&
	    (flags & MAP_LOCKED || (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE))
		populate((vaddr_t)at, len);
	return at;
}

SYSCALL2(munmap, vaddr_t, addr, u64, len)
{
	return mm_munmap(current->mm, addr, len);
}

SYSCALL3(mprotect, vaddr_t, addr, u64, len, u32, prot)
{
	return mm_mprotect(current->mm, addr, len, prot);
}

SYSCALL1(brk, vaddr_t, brk)
{
	return mm_brk(current->mm, brk);
}

SYSCALL5(mremap, vaddr_t, old, u64, old_len, u64, new_len, u32, flags, vaddr_t, new)
{
	return mm_mremap(current->mm, old, old_len, new_len, flags, new);
}

SYSCALL3(msync, vaddr_t, addr, u64, len, u32, flags)
{
	return mm_msync(current->mm, addr, len, flags);
}

SYSCALL3(mincore, vaddr_t, addr, u64, len, u8 __user *, vec)
{
	return mm_mincore(current->mm, addr, len, vec);
}

SYSCALL3(madvise, vaddr_t, addr, u64, len, s32, advice)
{
	bool populates = advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE;

	if (populates && len && user_range_ok((const void __user *)addr, len))
		return madvise_populate(addr, len, advice);
	return mm_madvise(current->mm, addr, len, advice);
}
