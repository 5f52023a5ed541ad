/* mprotect: rights of areas, and of the entries below them. */
#include "kernel/errno.h"
#include "mm/map.h"

struct protect {
	struct area *area;
	struct gather *g;
};

/*
 * W comes back only where nobody else can see the write: in shared memory, or on a frame with one
 * owner. Everywhere else the next write faults and decides.
 */
static u64 write_right(const struct area *a, pte_t e)
{
	const struct page *p = pte_page(e);

	if (!(a->flags & VM_WRITE))
		return 0;
	if (!area_is_private(a))
		return PTE_WRITE;
	return p && p->kind == PAGE_ANON && page_sole_owner(p) ? PTE_WRITE : 0;
}

static void protect_leaf(struct mm *mm, vaddr_t va, struct slot *s, void *arg)
{
	struct protect *p = arg;
	/* Emptied for a moment, so that no D which a CPU sets now is lost; its fault waits for
	 * mm->lock. */
	pte_t old = pte_take(s->pte);
	u64 keep = old.v & (PTE_PFN_MASK | PTE_DIRTY);

	(void)mm;
	pte_store(s->pte, (pte_t){keep | p->area->pte_bits | write_right(p->area, old)});
	gather_range(p->g, va, PAGE_SIZE);
}

/* Gives [start, end), inside one area, new flags. All that can fail comes before the first change.
 */
static int protect_piece(struct mm *mm, vaddr_t start, vaddr_t end, u32 flags, struct gather *g)
    __must_hold(&mm->lock)
{
	struct protect p = {.g = g};
	u64 pages = (end - start) >> PAGE_SHIFT;
	struct area *a = area_at(mm, start);
	bool charge = map_accountable(flags) && !(flags & VM_ACCOUNT);
	int err;

	if (a->flags == flags)
		return 0;
	/* Only what becomes data counts: the pages are part of the address space already. */
	if (!map_within_limits(mm, flags, pages) && map_within_limits(mm, a->flags, pages))
		return -ENOMEM;
	err = area_split(mm, start);
	if (!err)
		err = area_split(mm, end);
	if (!err)
		err = tree_own_range(mm, start, end);
	if (!err && charge) {
		flags |= VM_ACCOUNT;
		err = map_commit(mm, flags, pages);
	}
	if (err)
		return err;
	p.area = area_at(mm, start);
	area_set_flags(mm, p.area, flags);
	return tree_for_each(mm, start, end, protect_leaf, &p);
}

static int protect_range(struct mm *mm, vaddr_t start, vaddr_t end, u32 rights)
    __must_hold(&mm->lock)
{
	vaddr_t va = start;
	struct gather g;
	int err = 0;

	gather_init(&g, mm);
	while (va < end && !err) {
		struct area *a = area_at(mm, va);
		vaddr_t next;
		u32 flags;

		if (!a) {
			err = -ENOMEM;
			break;
		}
		next = min(a->end, end);
		flags = (a->flags & ~(VM_READ | VM_WRITE | VM_EXEC)) | rights;
		/* VM_MAYx is four bits above VM_x */
		if (rights & ~(flags >> 4))
			err = -EACCES;
		else
			err = protect_piece(mm, va, next, flags, &g);
		va = next;
	}
	gather_flush(&g);
	area_merge_range(mm, start, end);
	return err;
}

long mm_mprotect(struct mm *mm, vaddr_t addr, u64 len, unsigned prot)
{
	vaddr_t end;
	struct area *a;
	int err;

	if (addr & ~PAGE_MASK || (prot & PROT_GROWSDOWN && prot & PROT_GROWSUP))
		return -EINVAL;
	if (!len)
		return 0;
	end = addr + ALIGN_UP(len, PAGE_SIZE);
	if (end <= addr)
		return -ENOMEM;
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | 8u | PROT_GROWSDOWN | PROT_GROWSUP))
		return -EINVAL;
	if (end > USER_END)
		return -ENOMEM;
	rwsem_write_lock(&mm->lock);
	err = area_own(mm);
	if (!err && prot & PROT_GROWSDOWN) {
		a = area_find(mm, addr);
		if (!a || a->start >= end)
			err = -ENOMEM;
		else if (!(a->flags & VM_GROWSDOWN))
			err = -EINVAL;
		else
			addr = a->start;
	} else if (!err && prot & PROT_GROWSUP) {
		err = -EINVAL;
	}
	if (!err)
		err = protect_range(mm, addr, end, prot_to_flags(prot));
	rwsem_write_unlock(&mm->lock);
	return err;
}
