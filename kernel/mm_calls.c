/* The system calls of memory: arguments checked and turned into mm/'s terms. */
#include "arch/uaccess.h"
#include "kernel/fs/vfs.h"
#include "kernel/syscalls.h"
#include "kernel/process.h"
#include "mm/area.h"
#include "mm/mman.h"

/* What goes over all pages goes in parts, so that others run in between and SIGKILL ends it. */
#define PART_SIZE (4ull << 20)

/* Faults that the kernel took on the program's behalf count as the program's. */
static void count_faults(long n)
{
	if (n > 0)
		current->usage.min_flt += (u64)n;
}

static void populate(vaddr_t addr, u64 len)
{
	for (u64 part; len && !fatal_signal_pending(); addr += part, len -= part) {
		part = min(len, PART_SIZE);
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
		part = min(len, PART_SIZE);
		n = mm_madvise(current->mm, addr, part, advice);
		count_faults(n);
		cond_resched();
	}
	return min(n, 0l);
}

u64 mm_lock_limit(void)
{
	u64 limit = current->proc->rlimits[RLIMIT_MEMLOCK].cur;

	return task_is_root(current) || limit == RLIM_INFINITY ? ~0ull : limit >> PAGE_SHIFT;
}

u64 mm_limit(enum mm_limit which)
{
	static const u8 rlimit_of[] = {
	    [MM_LIMIT_STACK] = RLIMIT_STACK,
	    [MM_LIMIT_AS] = RLIMIT_AS,
	    [MM_LIMIT_DATA] = RLIMIT_DATA,
	};

	return READ_ONCE(current->proc->rlimits[rlimit_of[which]].cur);
}

/* Brings in what of the range is locked. 0, or what mlock(2) answers. */
static long populate_locked(vaddr_t addr, u64 len)
{
	long n = 0;

	for (u64 part; len && n >= 0 && !fatal_signal_pending(); addr += part, len -= part) {
		part = min(len, PART_SIZE);
		n = mm_populate_locked(current->mm, addr, part);
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
	if (!IS_ERR((void *)at) && (flags & MAP_LOCKED || current->mm->def_flags & VM_LOCKED ||
				    (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE))
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
	struct mm *mm = current->mm;
	vaddr_t old = READ_ONCE(mm->brk);
	long new = mm_brk(mm, brk);

	if (unlikely(mm->def_flags & VM_LOCKED) && (vaddr_t) new > old)
		(void)populate_locked(old & PAGE_MASK, (u64) new - (old & PAGE_MASK));
	return new;
}

SYSCALL5(mremap, vaddr_t, old, u64, old_len, u64, new_len, u32, flags, vaddr_t, new)
{
	long at = mm_mremap(current->mm, old, old_len, new_len, flags, new);

	old_len = ALIGN_UP(old_len, PAGE_SIZE);
	if (at > 0 && new_len > old_len && unlikely(READ_ONCE(current->mm->locked_pages)))
		(void)populate_locked((vaddr_t)at + old_len, new_len - old_len);
	return at;
}

SYSCALL3(msync, vaddr_t, addr, u64, len, u32, flags)
{
	return mm_msync(current->mm, addr, len, flags);
}

SYSCALL3(mincore, vaddr_t, addr, u64, len, u8 __user *, vec)
{
	long err = 0;

	if (len <= PART_SIZE || !user_range_ok((const void __user *)addr, len))
		return mm_mincore(current->mm, addr, len, vec);
	for (u64 part; len && !err; addr += part, len -= part, vec += part >> PAGE_SHIFT) {
		part = min(len, PART_SIZE);
		err = fatal_signal_pending() ? -EINTR : mm_mincore(current->mm, addr, part, vec);
		cond_resched();
	}
	return err;
}

SYSCALL3(madvise, vaddr_t, addr, u64, len, s32, advice)
{
	bool populates = advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE;

	if (populates && len && user_range_ok((const void __user *)addr, len))
		return madvise_populate(addr, len, advice);
	return mm_madvise(current->mm, addr, len, advice);
}

static long lock_memory(vaddr_t addr, u64 len, bool on_fault)
{
	long err = mm_mlock(current->mm, addr, len, on_fault);

	/* A length that wraps when it is made whole pages is none, here as there. */
	len = ALIGN_UP(len + (addr & ~PAGE_MASK), PAGE_SIZE);
	return err || on_fault ? err : populate_locked(addr & PAGE_MASK, len);
}

SYSCALL2(mlock, vaddr_t, addr, u64, len)
{
	return lock_memory(addr, len, false);
}

#define MLOCK_ONFAULT 1u

SYSCALL3(mlock2, vaddr_t, addr, u64, len, u32, flags)
{
	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return lock_memory(addr, len, flags & MLOCK_ONFAULT);
}

SYSCALL2(munlock, vaddr_t, addr, u64, len)
{
	return mm_munlock(current->mm, addr, len);
}

SYSCALL1(mlockall, u32, flags)
{
	long err = mm_mlockall(current->mm, flags);

	if (err || !(flags & MCL_CURRENT))
		return err;
	for (vaddr_t va = mm_next_area(current->mm, 0); va < USER_END && !fatal_signal_pending();
	     va = mm_next_area(current->mm, va + PART_SIZE))
		populate(va, PART_SIZE);
	return 0;
}

SYSCALL0(munlockall)
{
	return mm_munlockall(current->mm);
}

SYSCALL5(remap_file_pages, vaddr_t, start, u64, len, u32, prot, u64, pgoff, u32, flags)
{
	if (prot)
		return -EINVAL;
	return mm_remap_file_pages(current->mm, start, len, pgoff, !(flags & MAP_NONBLOCK));
}

/* ---- protection keys: as on a CPU that has none ---- */

#define PKEY_RIGHTS 3u

SYSCALL2(pkey_alloc, u32, flags, u64, rights)
{
	return flags || rights & ~(u64)PKEY_RIGHTS ? -EINVAL : -ENOSPC;
}

SYSCALL1(pkey_free, s32, key)
{
	(void)key;
	return -EINVAL;
}

SYSCALL4(pkey_mprotect, vaddr_t, addr, u64, len, u32, prot, s32, key)
{
	return key == -1 ? mm_mprotect(current->mm, addr, len, prot) : -EINVAL;
}
