/* What calls about memory policy, and others, ask of areas, and leave with them. */
#include "kernel/errno.h"
#include "mm/map.h"
#include "mm/mman.h"
#include "mm/pagecache.h"

vaddr_t mm_next_area(struct mm *mm, vaddr_t va)
{
	const struct area *a;
	vaddr_t at;

	rwsem_read_lock(&mm->lock);
	a = area_find(mm, va);
	at = a ? max(a->start, va) : USER_END;
	rwsem_read_unlock(&mm->lock);
	return at;
}

static bool has_hole(struct mm *mm, vaddr_t start, vaddr_t end) __must_hold_shared(&mm->lock)
{
	for (vaddr_t va = start; va < end;) {
		const struct area *a = area_at(mm, va);

		if (!a)
			return true;
		va = a->end;
	}
	return false;
}

static int set_policy(struct mm *mm, vaddr_t start, vaddr_t end, u16 policy) __must_hold(&mm->lock)
{
	int err = area_own(mm);

	if (err)
		return err;
	if (has_hole(mm, start, end))
		return -EFAULT;
	err = area_split(mm, start);
	if (!err)
		err = area_split(mm, end);
	for (struct area *a = area_find(mm, start); !err && a && a->start < end; a = area_next(a))
		a->policy = policy;
	area_merge_range(mm, start, end);
	return err;
}

long mm_set_policy(struct mm *mm, vaddr_t start, vaddr_t end, u16 policy)
{
	int err;

	rwsem_write_lock(&mm->lock);
	err = set_policy(mm, start, end, policy);
	rwsem_write_unlock(&mm->lock);
	return err;
}

long mm_policy(struct mm *mm, vaddr_t va)
{
	const struct area *a;
	long policy;

	rwsem_read_lock(&mm->lock);
	a = area_at(mm, va);
	policy = a ? a->policy : -EFAULT;
	rwsem_read_unlock(&mm->lock);
	return policy;
}

/* The file that [start, start + len) maps shared, referenced, with the rights and flags of a mapping that takes its
 * place. NULL: there is no one such file. */
static struct file *shared_file(struct mm *mm, vaddr_t start, u64 len, unsigned *prot,
				unsigned *flags)
{
	struct file *f = NULL;

	rwsem_read_lock(&mm->lock);
	for (vaddr_t va = start; va < start + len;) {
		const struct area *a = area_at(mm, va);

		if (!a || !(a->flags & VM_SHARED) || (f && (a->file != f))) {
			f = NULL;
			break;
		}
		f = a->file;
		*prot = a->flags & (PROT_READ | PROT_WRITE | PROT_EXEC);
		*flags = MAP_SHARED | MAP_FIXED | (a->flags & VM_LOCKED ? MAP_LOCKED : 0);
		va = a->end;
	}
	if (f)
		file_get(f);
	rwsem_read_unlock(&mm->lock);
	return f;
}

long mm_remap_file_pages(struct mm *mm, vaddr_t start, u64 len, u64 pgoff, bool populate)
{
	unsigned prot, flags;
	struct file *f;
	long at;

	start &= PAGE_MASK;
	len &= PAGE_MASK;
	if (start + len <= start || pgoff + (len >> PAGE_SHIFT) < pgoff ||
	    pgoff > USER_END >> PAGE_SHIFT || !range_ok(start, len))
		return -EINVAL;
	f = shared_file(mm, start, len, &prot, &flags);
	if (!f)
		return -EINVAL;
	at = mm_mmap(mm, start, len, prot, flags, f, pgoff << PAGE_SHIFT);
	file_put(f);
	if (at > 0 && populate)
		(void)mm_populate(mm, start, len);
	return min(at, 0l);
}
