/* Reaching into an address space from the kernel, by its tables: another process's, or one not yet
 * run. */
#include "kernel/errno.h"
#include "kernel/lib/string.h"
#include "mm/area.h"
#include "mm/pagecache.h"
#include "mm/tree.h"

/*
 * Copies within one page, where it is there with the right. mm->lock is held throughout, so that no
 * fork can make the frame shared between the look and the copy, and the table's lock, so that no
 * fault of another thread replaces it. False: fault it in first.
 */
static bool copy_page_part(struct mm *mm, vaddr_t va, void *buf, size_t n, bool write)
{
	bool done = false;
	struct slot s;
	pte_t e;

	rwsem_read_lock(&mm->lock);
	e = tree_find(mm, va, &s);
	if (pte_present(e) && (!write || pte_writable(e))) {
		u8 *p = (u8 *)pfn_to_virt(pte_pfn(e)) + (va & ~PAGE_MASK);

		if (write)
			memcpy(p, buf, n);
		else
			memcpy(buf, p, n);
		done = true;
	}
	slot_put(&s);
	rwsem_read_unlock(&mm->lock);
	return done;
}

ssize_t mm_access(struct mm *mm, vaddr_t va, void *buf, size_t len, bool write)
{
	size_t done = 0;

	if (!mm_get_live(mm))
		return 0;
	while (done < len) {
		vaddr_t at = va + done;
		size_t n = min(len - done, (size_t)(PAGE_SIZE - (at & ~PAGE_MASK)));

		if (at < va || at >= USER_END)
			break;
		if (copy_page_part(mm, at, (u8 *)buf + done, n, write))
			done += n;
		else if (mm_fault(mm, at, write ? PROT_WRITE : PROT_READ) != FAULT_OK)
			break;
	}
	mm_put_user(mm);
	return done || !len ? (ssize_t)done : -EFAULT;
}

/* The number of what has its own in *name, which it gets where that is the first time. */
static u64 number_of(u64 *name)
{
	static u64 last; /* atomic */
	u64 old = atomic_load(name), new;

	if (old)
		return old;
	new = atomic_inc(&last);
	return atomic_cas(name, &old, new) ? new : old;
}

u64 mm_name_word(struct mm *mm, vaddr_t va, bool private, u64 *offset)
{
	const struct area *a;
	u64 name = 0;

	*offset = va;
	if (private)
		return number_of(&mm->name);
	rwsem_read_lock(&mm->lock);
	a = area_at(mm, va);
	if (a && a->flags & VM_SHARED && a->map) {
		name = number_of(&a->map->name);
		*offset = area_index(a, va) << PAGE_SHIFT | (va & ~PAGE_MASK);
	} else if (a && (a->map || a->flags & VM_WRITE)) {
		name = number_of(&mm->name);
	}
	rwsem_read_unlock(&mm->lock);
	return name;
}
