/*
 * Copy on write, of leaf entries: a write to a private page that is there, and whose entry lacks W.
 *
 *	frame				what becomes of the entry
 *	has one owner			W: reused in place
 *	the zero page			a new frame of zeros
 *	has several, or is a file's	a copy
 *
 * An entry that gets another frame is replaced in four steps, so that no thread reads the old frame
 * after another has written the new one:
 *
 *	fill	new frames, while the old ones are read on: none of them can be written
 *	busy	the entries become PTE_BUSY, and still reference the old frames. Whoever faults on
 *		one waits for it in tree_own().
 *	flush	with the table unlocked where another CPU must be reached
 *	store	the new entries; and only then do the old frames lose theirs
 *
 * Streaks. Who writes page after page of shared memory pays for a trap each, which is a fifth of what
 * such a fault costs. STREAK_AFTER faults in a row, each at the page behind the last one, make a
 * streak; from then on a fault resolves 2, 4, 8... pages, up to vm_cow_streak, and a fault
 * anywhere else ends it. So a program that writes here and there gets no page that it does not
 * write, and one that stops in the middle of a streak no more than a window of them. MADV_RANDOM says
 * that there will be no streak, MADV_SEQUENTIAL that the second fault in a row begins one.
 *
 * Measured, by instructions: a page copied on write takes 1,080 with a fault each, 865 in a streak.
 */
#include "mm/fault.h"

#define STREAK_AFTER 4
#define STREAK_MAX   32

unsigned vm_cow_streak = 16;

/* Entries of one table that get another frame. */
struct copies {
	unsigned n;
	unsigned at[STREAK_MAX]; /* distance from the first entry */
	pte_t old[STREAK_MAX], new[STREAK_MAX];
};

/* How many faults in a row this one goes on, each at the page behind the last one. */
static inline u64 streak_run(struct fault *f)
{
	u64 run = atomic_load(&f->mm->streak) - f->va;

	return run < PAGE_SIZE ? min(run + 1, (u64)STREAK_MAX) : 0;
}

/* The fault resolved n pages. */
static inline void streak_note(struct fault *f, u64 run, u64 n)
{
	atomic_store(&f->mm->streak, f->va + n * PAGE_SIZE + run);
}

/* How many pages this fault may resolve, from f->va on. */
static unsigned streak_window(struct fault *f, const struct slot *s, u64 run)
{
	u64 after = f->area->flags & VM_SEQ_READ ? 1 : STREAK_AFTER;
	u64 left = min((f->area->end - f->va) >> PAGE_SHIFT, TABLE_ENTRIES - slot_index(s));
	u64 n = 1;

	if (run < after)
		return 1;
	n <<= min(run - after + 1, (u64)5);
	n = min(n, left);
	return (unsigned)max(min(n, (u64)atomic_load(&vm_cow_streak)), (u64)1);
}

/* Lets the last owner of the frame that e references write it: true where that is who asks. */
static inline bool reuse(struct fault *f, pte_t *pte, pte_t e)
{
	struct page *p = pte_page(e);

	if (!p || p->kind != PAGE_ANON || !page_sole_owner(p))
		return false;
	/* A CPU that has the old right cached faults once more, and finds this done. */
	pte_store(pte, pte_with(e, PTE_WRITE | PTE_DIRTY));
	vm_count(VM_cow_reuse);
	atomic_inc(&f->mm->stat.cow_reuse);
	return true;
}

/* Step fill: the entry of a private frame with the contents of that of e; none: no memory. */
static __force_inline pte_t copy_frame(struct fault *f, pte_t e, vaddr_t va)
{
	bool zeros = pte_pfn(e) == zero_pfn;
	struct page *p = page_alloc(PAGE_ANON, 0, zeros ? ALLOC_ZERO : 0);

	if (!p)
		return (pte_t){0};
	if (zeros) {
		count_zero_fill(f);
	} else {
		mmu_copy_frame(page_to_pfn(p), pte_pfn(e));
		count_copy(f);
	}
	return private_entry(f, p, va);
}

/* Step store. */
static inline void store(struct mm *mm, struct slot *s, pte_t e, pte_t new)
    __must_hold(&s->table->lock)
{
	struct page *old = pte_page(e);

	if (likely(old && old->kind == PAGE_ANON))
		pte_store(s->pte, new); /* RSS stays as it is */
	else
		slot_replace(mm, s, new);
	if (old)
		tree_drop(old);
}

static enum fault_result write_one(struct fault *f, struct slot *s) __must_hold(&s->table->lock)
{
	pte_t e = pte_load(s->pte), new;

	if (reuse(f, s->pte, e))
		return FAULT_OK;
	new = copy_frame(f, e, f->va);
	if (pte_none(new))
		return FAULT_OOM;
	pte_make_busy(s->pte);
	tree_flush_busy(f->mm, s->table, f->va, f->va + PAGE_SIZE);
	store(f->mm, s, e, new);
	return FAULT_OK;
}

/* Whether a page behind the one that was written is one to resolve with it. */
static bool wants_write(pte_t e)
{
	const struct page *p;

	if (!pte_present(e) || pte_writable(e))
		return false;
	p = pte_page(e);
	return p && p->kind == PAGE_ANON;
}

/* Resolves the i-th entry, or fills a frame for it. False: no memory. */
static bool prepare(struct fault *f, struct slot *s, unsigned i, struct copies *c)
    __must_hold(&s->table->lock)
{
	pte_t e = pte_load(&s->pte[i]), new;

	if (reuse(f, &s->pte[i], e))
		return true;
	new = copy_frame(f, e, f->va + i * PAGE_SIZE);
	if (pte_none(new))
		return false;
	c->at[c->n] = i;
	c->old[c->n] = e;
	c->new[c->n++] = new;
	return true;
}

/* Steps busy, flush and store. There is one entry at least, and they are in order. */
static void replace(struct fault *f, struct slot *s, const struct copies *c)
    __must_hold(&s->table->lock)
{
	for (unsigned i = 0; i < c->n; i++)
		pte_make_busy(&s->pte[c->at[i]]);
	tree_flush_busy(f->mm, s->table, f->va + c->at[0] * PAGE_SIZE,
			f->va + (c->at[c->n - 1] + 1) * PAGE_SIZE);
	for (unsigned i = 0; i < c->n; i++) {
		struct slot one = {&s->pte[c->at[i]], s->table};

		spin_assert_held(&one.table->lock);
		store(f->mm, &one, c->old[i], c->new[i]);
	}
}

static enum fault_result write_streak(struct fault *f, struct slot *s, u64 run)
    __must_hold(&s->table->lock)
{
	unsigned window = streak_window(f, s, run), i;
	struct copies c;

	c.n = 0;
	if (!prepare(f, s, 0, &c))
		return FAULT_OOM;
	for (i = 1; i < window; i++) {
		if (!wants_write(pte_load(&s->pte[i])) || !prepare(f, s, i, &c))
			break;
		vm_count(VM_cow_ahead);
	}
	streak_note(f, run, i);
	if (c.n)
		replace(f, s, &c);
	return FAULT_OK;
}

enum fault_result cow_write(struct fault *f, struct slot *s)
{
	if (!(f->area->flags & VM_RAND_READ)) {
		u64 run = streak_run(f);

		if (unlikely(run))
			return write_streak(f, s, run);
		streak_note(f, 0, 1);
	}
	return write_one(f, s);
}
