/* mmap, munmap, brk, and the initial stack. */
#include "mm/map.h"
#include "kernel/errno.h"
#include "mm/commit.h"
#include "mm/mman.h"
#include "mm/pagecache.h"

bool map_within_limits(const struct mm *mm, u32 flags, u64 pages)
{
	if (mm->total_pages + pages > mm_limit(MM_LIMIT_AS) >> PAGE_SHIFT)
		return false;
	if ((flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) != VM_WRITE)
		return true;
	return mm->data_pages + pages <= mm_limit(MM_LIMIT_DATA) >> PAGE_SHIFT;
}

int map_commit(struct mm *mm, u32 flags, u64 pages)
{
	u64 n = commit_pages_of(flags, pages);
	int err = n ? commit_reserve(mm, n, true) : 0;

	if (!err)
		mm->commit_pages += n;
	return err;
}

void map_uncommit(struct mm *mm, u32 flags, u64 pages)
{
	mm->commit_pages -= commit_give_back(flags, pages);
}

#define MAP_32BIT_END 0x80000000

long map_find_place(struct mm *mm, u64 len, unsigned flags)
{
	vaddr_t at;

	if (flags & MAP_32BIT) {
		at = area_find_hole(mm, len, 0x40000000, MAP_32BIT_END, true);
	} else {
		at = area_find_hole(mm, len, MMAP_MIN_ADDR, mm->mmap_base, false);
		if (!at)
			at = area_find_hole(mm, len, mm->mmap_base, USER_END, true);
	}
	return at ? (long)at : -ENOMEM;
}

int unmap_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
	struct area *a = area_find(mm, start), *next;
	struct gather g;
	int err;

	if (start == end || !a || a->start >= end)
		return 0;
	err = area_split(mm, start);
	if (!err)
		err = area_split(mm, end);
	gather_init(&g, mm);
	if (!err)
		err = tree_zap(mm, start, end, &g);
	gather_flush(&g);
	if (err) {
		area_merge_range(mm, start, end);
		return err;
	}
	for (a = area_find(mm, start); a && a->start < end; a = next) {
		next = area_next(a);
		map_uncommit(mm, a->flags, area_pages(a));
		area_remove(mm, a);
	}
	return 0;
}

long mm_munmap(struct mm *mm, vaddr_t addr, u64 len)
{
	int err;

	len = ALIGN_UP(len, PAGE_SIZE);
	if (!len || !range_ok(addr, len))
		return -EINVAL;
	rwsem_write_lock(&mm->lock);
	err = area_own(mm);
	if (!err)
		err = unmap_range(mm, addr, addr + len);
	rwsem_write_unlock(&mm->lock);
	return err;
}

/* Whether a is the part of a watched file that lies where it was mapped with its start at `addr`. */
static bool attached_at(const struct area *a, vaddr_t addr)
{
	return a->map && a->map->watch && a->start >= addr &&
	       (a->start - addr) >> PAGE_SHIFT == a->pgoff;
}

static int detach_locked(struct mm *mm, vaddr_t addr) __must_hold(&mm->lock)
{
	struct area *a = area_find(mm, addr);
	const struct file *f;
	vaddr_t end, next;
	int err = 0;

	while (a && !attached_at(a, addr))
		a = area_next(a);
	if (!a)
		return -EINVAL;
	f = a->file;
	end = addr + ALIGN_UP(atomic_load(&a->map->size), PAGE_SIZE);
	/* Where other parts are of the same file, that one lives as long as they do. */
	for (; a && a->start < end && !err; a = area_find(mm, next)) {
		next = a->end;
		if (a->file == f && attached_at(a, addr))
			err = unmap_range(mm, a->start, a->end);
	}
	return err;
}

long mm_detach(struct mm *mm, vaddr_t addr)
{
	int err;

	rwsem_write_lock(&mm->lock);
	err = area_own(mm);
	if (!err)
		err = detach_locked(mm, addr);
	rwsem_write_unlock(&mm->lock);
	return err;
}

struct request {
	vaddr_t addr;
	u64 len;
	unsigned flags;
	struct area_kind kind;
};

/* Where the mapping goes, with what was there unmapped; or a negative errno. */
static long place(struct mm *mm, const struct request *r) __must_hold(&mm->lock)
{
	struct area *a;

	if (r->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (r->addr & ~PAGE_MASK)
			return -EINVAL;
		if (!range_ok(r->addr, r->len))
			return -ENOMEM;
		if (r->addr < MMAP_MIN_ADDR)
			return -EPERM;
		a = area_find(mm, r->addr);
		if (!a || a->start >= r->addr + r->len)
			return (long)r->addr;
		if (r->flags & MAP_FIXED_NOREPLACE)
			return -EEXIST;
		return unmap_range(mm, r->addr, r->addr + r->len) ?: (long)r->addr;
	}
	if (r->addr & PAGE_MASK) {
		vaddr_t hint = max(r->addr & PAGE_MASK, MMAP_MIN_ADDR);
		vaddr_t top, high = r->flags & MAP_32BIT ? MAP_32BIT_END : USER_END;

		a = area_find(mm, hint);
		top = a ? a->start - (a->flags & VM_GROWSDOWN ? min(STACK_GUARD_GAP, a->start) : 0)
			: USER_END;
		if (range_ok(hint, r->len) && hint + r->len <= min(top, high))
			return (long)hint;
	}
	return map_find_place(mm, r->len, r->flags);
}

/*
 * What the file's seals leave of a shared mapping: its flags, or -EPERM. Asked again once the area counts
 * among those that write: who seals looks at that count after sealing.
 */
static long sealed_flags(const struct mapping *map, u32 vm)
{
	u32 seals = map && (vm & VM_SHARED) ? atomic_load(&map->seals) : 0;

	if (seals & SEAL_WRITE)
		return -EPERM;
	if (!(seals & SEAL_FUTURE_WRITE))
		return vm;
	if (vm & VM_WRITE)
		return -EPERM;
	return vm & ~VM_MAYWRITE;
}

/* The pages of areas within what the request takes the place of. */
static u64 pages_replaced(struct mm *mm, const struct request *r) __must_hold(&mm->lock)
{
	vaddr_t end = r->addr + r->len;
	u64 n = 0;

	if (!(r->flags & MAP_FIXED) || !range_ok(r->addr, r->len))
		return 0;
	for (const struct area *a = area_find(mm, r->addr); a && a->start < end; a = area_next(a))
		n += (min(a->end, end) - max(a->start, r->addr)) >> PAGE_SHIFT;
	return n;
}

/* As Linux, which subtracts whatever is replaced from the pages that count as data, too. */
static bool has_room(struct mm *mm, const struct request *r) __must_hold(&mm->lock)
{
	u64 pages = r->len >> PAGE_SHIFT;

	return likely(map_within_limits(mm, r->kind.flags, pages)) ||
	       map_within_limits(mm, r->kind.flags, pages - pages_replaced(mm, r));
}

static long map_locked(struct mm *mm, struct request *r) __must_hold(&mm->lock)
{
	u64 pages = r->len >> PAGE_SHIFT;
	struct area *a;
	long at;
	int err;

	err = area_own(mm);
	if (err)
		return err;
	if (mm->areas->count >= (u32)vm_max_map_count || !has_room(mm, r))
		return -ENOMEM;
	if (unlikely(r->kind.flags & VM_LOCKED) && !mlock_within_limit(mm, pages))
		return -EAGAIN;
	a = area_new(&r->kind);
	if (a && a->map && sealed_flags(a->map, a->flags) < 0) {
		area_discard(a);
		return -EPERM;
	}
	err = a ? map_commit(mm, r->kind.flags, pages) : -ENOMEM;
	if (err) {
		area_discard(a);
		return err;
	}
	at = place(mm, r); /* last, since it may unmap what is there */
	if (at < 0) {
		map_uncommit(mm, r->kind.flags, pages);
		area_discard(a);
		return at;
	}
	if (!r->kind.file)
		a->pgoff = (u64)at >> PAGE_SHIFT;
	area_insert(mm, a, (vaddr_t)at, (vaddr_t)at + r->len);
	area_merge_range(mm, (vaddr_t)at, (vaddr_t)at + r->len);
	return at;
}

/* What cannot be said of a shared mapping. */
static int check_shared(unsigned flags, const struct file *file)
{
	bool validate = (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;

	if (file)
		return validate && flags & ~MAP_VALIDATED ? -EOPNOTSUPP : 0;
	return validate || flags & MAP_GROWSDOWN ? -EINVAL : 0;
}

/* The VM_ flags of a mapping, or a negative errno where the file forbids it. */
static long flags_for(const struct mm *mm, unsigned prot, unsigned flags, struct file *file)
{
	u32 vm = prot_to_flags(prot) | mm->def_flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

	if (flags & MAP_GROWSDOWN)
		vm |= VM_GROWSDOWN;
	if (flags & MAP_LOCKED) {
		if (!mm_lock_limit())
			return -EPERM;
		vm |= VM_LOCKED;
	}
	if (flags & MAP_NORESERVE && vm_overcommit_memory != 2)
		vm |= VM_NORESERVE;
	if ((flags & MAP_TYPE) != MAP_PRIVATE) {
		int err = check_shared(flags, file);

		if (err)
			return err;
		vm |= VM_SHARED | VM_MAYSHARE;
	}
	if (file) {
		if (!file_can_read(file))
			return -EACCES;
		if (vm & VM_SHARED && !file_can_write(file)) {
			if (prot & PROT_WRITE)
				return -EACCES;
			vm &= ~(VM_MAYWRITE | VM_SHARED);
		}
		if (!file_is_zeros(file) && !file_mapping(file))
			return -ENODEV;
		if (flags & MAP_GROWSDOWN)
			return -EINVAL;
	}
	if (map_accountable(vm))
		vm |= VM_ACCOUNT;
	return file ? sealed_flags(file_mapping(file), vm) : vm;
}

long mm_mmap(struct mm *mm, vaddr_t addr, u64 len, unsigned prot, unsigned flags, struct file *file,
	     u64 offset)
{
	struct request r = {.addr = addr, .flags = flags};
	struct file *anon_file = NULL;
	long vm, at;

	if (!len || offset & ~PAGE_MASK || (flags & MAP_TYPE) < MAP_SHARED ||
	    (flags & MAP_TYPE) > MAP_SHARED_VALIDATE || flags & MAP_HUGETLB)
		return -EINVAL;
	r.len = ALIGN_UP(len, PAGE_SIZE);
	if (!r.len || r.len > USER_END)
		return -ENOMEM;
	if (offset + r.len < offset)
		return -EOVERFLOW;
	vm = flags_for(mm, prot, flags, file);
	if (vm < 0)
		return vm;
	if (file && file_is_zeros(file))
		file = NULL;
	if (!file && vm & VM_SHARED) {
		anon_file = shmem_file("dev/zero", r.len, !(vm & VM_NORESERVE));
		if (IS_ERR(anon_file))
			return PTR_ERR(anon_file);
		offset = 0;
	}
	r.kind = (struct area_kind){offset >> PAGE_SHIFT, (u32)vm, file ? file : anon_file};
	rwsem_write_lock(&mm->lock);
	at = map_locked(mm, &r);
	rwsem_write_unlock(&mm->lock);
	if (anon_file)
		file_put(anon_file);
	return at;
}

long mm_map_stack(struct mm *mm, vaddr_t top, u64 size)
{
	struct area_kind kind = {.flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE |
					  VM_MAYEXEC | VM_GROWSDOWN | VM_ACCOUNT};
	struct request r = {top - size, size, MAP_FIXED_NOREPLACE, kind};
	long at;

	rwsem_write_lock(&mm->lock);
	at = map_locked(mm, &r);
	rwsem_write_unlock(&mm->lock);
	return at < 0 ? at : 0;
}

/* Moves the end of the heap from one page boundary to another. 0 or -ENOMEM. */
static int move_heap_end(struct mm *mm, vaddr_t old, vaddr_t new) __must_hold(&mm->lock)
{
	struct request r = {.addr = old, .len = new - old, .flags = MAP_FIXED_NOREPLACE};
	struct area *a;

	if (new == old)
		return 0;
	if (new < old)
		return area_own(mm) ?: unmap_range(mm, new, old);
	a = area_find(mm, old);
	if (a && a->start < new + PAGE_SIZE)
		return -ENOMEM;
	r.kind.flags =
	    VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT | mm->def_flags;
	return map_locked(mm, &r) < 0 ? -ENOMEM : 0;
}

long mm_brk(struct mm *mm, vaddr_t brk)
{
	vaddr_t result;

	rwsem_write_lock(&mm->lock);
	if (brk >= mm->brk_start && brk < USER_END &&
	    (brk <= mm->brk ||
	     brk - mm->brk_start + (mm->data_end - mm->data_start) <= mm_limit(MM_LIMIT_DATA)) &&
	    !move_heap_end(mm, ALIGN_UP(mm->brk, PAGE_SIZE), ALIGN_UP(brk, PAGE_SIZE)))
		mm->brk = brk;
	result = mm->brk;
	rwsem_write_unlock(&mm->lock);
	return (long)result;
}
