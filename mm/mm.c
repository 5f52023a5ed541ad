/* Address spaces come and go: creation, fork, teardown. */
#include "mm/mm.h"
#include "kernel/errno.h"
#include "kernel/panic.h"
#include "mm/area.h"
#include "mm/commit.h"
#include "mm/family.h"
#include "mm/pagecache.h"
#include "mm/rmap.h"
#include "mm/stat.h"
#include "mm/tree.h"

int vm_fork_share_level = 1;

static struct slab_cache *mm_cache, *family_cache;

void mm_init(void)
{
	mm_cache = slab_create("mm", sizeof(struct mm), 64);
	family_cache = slab_create("family", sizeof(struct family), 8);
	ASSERT(mm_cache && family_cache);
	area_init();
}

struct family *family_create(void)
{
	struct family *f = slab_alloc(family_cache);

	if (!f)
		return NULL;
	spin_init(&f->lock, LOCK_FAMILY);
	list_init(&f->members);
	f->refs = 0;
	return f;
}

void family_join(struct family *f, struct mm *mm)
{
	spin_lock(&f->lock);
	f->refs++;
	list_add_tail(&f->members, &mm->family_link);
	spin_unlock(&f->lock);
	mm->family = f;
}

void family_leave(struct mm *mm)
{
	struct family *f = mm->family;
	bool last;

	spin_lock(&f->lock);
	list_del(&mm->family_link);
	last = --f->refs == 0;
	spin_unlock(&f->lock);
	if (last)
		slab_free(family_cache, f);
}

/* An mm with a root and nothing else: no areas, no family. */
static struct mm *mm_alloc(void)
{
	struct mm *mm = slab_zalloc(mm_cache);

	if (!mm)
		return NULL;
	mm->root = table_alloc(TABLE_LEVELS);
	if (!mm->root) {
		slab_free(mm_cache, mm);
		return NULL;
	}
	mmu_init_root(table_entries(mm->root));
	mm->mmu.root = page_to_pfn(mm->root);
	mm->table_frames = 1;
	rwsem_init(&mm->lock, LOCK_MM);
	mm->refs = mm->users = 1;
	return mm;
}

struct mm *mm_create(void)
{
	struct mm *mm = mm_alloc();
	struct family *f;

	if (!mm)
		return NULL;
	mm->areas = area_set_create();
	f = family_create();
	if (!mm->areas || !f) {
		if (mm->areas)
			area_set_put(mm->areas);
		if (f)
			slab_free(family_cache, f);
		table_free(mm->root);
		slab_free(mm_cache, mm);
		return NULL;
	}
	mm->mmap_base = USER_END - (1ull << 30);
	mm->limit_stack = 8ull << 20;
	mm->limit_as = mm->limit_data = ~0ull;
	family_join(f, mm);
	rmap_add_mm(mm);
	return mm;
}

/* Drops every user entry. No CPU walks the tree any more, so nothing needs flushing. */
static void drop_tree(struct mm *mm)
{
	struct page *root = mm->root;
	pte_t *e = table_entries(root);
	unsigned first;

	table_for_each_group(first, root)
	{
		for (unsigned i = first; i < first + TABLE_GROUP; i++) {
			pte_t old = pte_take(&e[i]);

			if (!pte_none(old))
				tree_drop(pfn_to_page(pte_pfn(old)));
		}
	}
	root->table.live = 0;
	root->table.groups = 0;
	for (unsigned k = 0; k < RSS_KINDS; k++)
		mm->rss[k] = 0;
	mm->table_frames = 1;
}

/* The lock is for readers of /proc, who find the areas whole or gone. */
static void drop_contents(struct mm *mm)
{
	rmap_remove_mm(mm);
	rwsem_write_lock(&mm->lock);
	mmu_forget(&mm->mmu);
	drop_tree(mm);
	family_leave(mm);
	area_set_put(mm->areas);
	mm->areas = NULL;
	rwsem_write_unlock(&mm->lock);
	commit_release(mm->commit_pages);
	mm->commit_pages = 0;
	if (mm->exe)
		file_put(mm->exe);
	mm->exe = NULL;
}

void mm_get(struct mm *mm)
{
	atomic_inc(&mm->refs);
}

void mm_put(struct mm *mm)
{
	if (atomic_dec(&mm->refs))
		return;
	table_free(mm->root);
	slab_free(mm_cache, mm);
}

void mm_get_user(struct mm *mm)
{
	atomic_inc(&mm->users);
}

bool mm_get_live(struct mm *mm)
{
	u32 n = atomic_load(&mm->users);

	while (n)
		if (atomic_cas(&mm->users, &n, n + 1))
			return true;
	return false;
}

void mm_put_user(struct mm *mm)
{
	if (atomic_dec(&mm->users))
		return;
	drop_contents(mm);
	mm_put(mm);
}

/* What a child takes over as it is. The pointers and counts that need care are set by the caller.
 */
static void copy_fields(struct mm *to, const struct mm *from)
{
	to->mmap_base = from->mmap_base;
	to->brk_start = from->brk_start;
	to->brk = from->brk;
	to->code_start = from->code_start;
	to->code_end = from->code_end;
	to->data_start = from->data_start;
	to->data_end = from->data_end;
	to->stack_start = from->stack_start;
	to->arg_start = from->arg_start;
	to->arg_end = from->arg_end;
	to->env_start = from->env_start;
	to->env_end = from->env_end;
	to->vdso = from->vdso;
	for (unsigned i = 0; i < sizeof(to->saved_auxv) / sizeof(to->saved_auxv[0]); i++)
		to->saved_auxv[i] = from->saved_auxv[i];
	to->total_pages = to->peak_total = from->total_pages;
	to->data_pages = from->data_pages;
	to->stack_pages = from->stack_pages;
	to->exec_pages = from->exec_pages;
	to->limit_stack = from->limit_stack;
	to->limit_as = from->limit_as;
	to->limit_data = from->limit_data;
	to->no_aslr = from->no_aslr;
	to->oom_score_adj = from->oom_score_adj;
	to->commit_pages = from->commit_pages;
}

/*
 * Shares or copies the parent's tree, and leaves the parent's CPUs no writable translation of what
 * is shared now. On failure the child holds what was copied so far.
 */
static int fork_tree(struct mm *child, struct mm *parent)
{
	int err = tree_copy_table(child->root, parent->root, (unsigned)vm_fork_share_level);

	mmu_flush_all(&parent->mmu);
	if (err)
		return err;
	for (unsigned k = 0; k < RSS_KINDS; k++)
		child->rss[k] = atomic_load(&parent->rss[k]);
	child->table_frames = atomic_load(&parent->table_frames);
	child->peak_rss = mm_rss(child);
	vm_count(VM_fork);
	return 0;
}

/* Takes from the child what its areas say that fork leaves out. */
static int fork_exceptions(struct mm *child)
{
	struct gather g;
	struct area *a, *next;
	int err = 0;

	for (a = area_first(child); a; a = area_next(a))
		if (a->flags & (VM_DONTCOPY | VM_WIPEONFORK | VM_LOCKED))
			break;
	if (!a)
		return 0;
	if (area_own(child))
		return -ENOMEM;
	gather_init(&g, child);
	for (a = area_first(child); a && !err; a = next) {
		next = area_next(a);
		if (a->flags & VM_LOCKED)
			area_set_flags(child, a, a->flags & ~VM_LOCKED);
		if (!(a->flags & (VM_DONTCOPY | VM_WIPEONFORK)))
			continue;
		err = tree_zap(child, a->start, a->end, &g);
		gather_flush(&g);
		if (!err && a->flags & VM_DONTCOPY) {
			child->commit_pages -= commit_give_back(a->flags, area_pages(a));
			area_remove(child, a);
		}
	}
	return err;
}

static int fork_locked(struct mm *child, struct mm *parent)
{
	int err = commit_reserve(parent->commit_pages, false);

	if (err)
		return err;
	copy_fields(child, parent);
	child->areas = area_set_share(parent->areas);
	child->exe = parent->exe ? file_get(parent->exe) : NULL;
	family_join(parent->family, child);
	rmap_add_mm(child);
	child->locked_pages = parent->locked_pages;
	err = fork_tree(child, parent);
	if (!err)
		err = fork_exceptions(child);
	return err;
}

struct mm *mm_fork(struct mm *parent, vaddr_t stack)
{
	struct mm *child = mm_alloc();
	int err;

	(void)stack; /* the levels that share tables hand the stack's page over beforehand */
	if (!child)
		return NULL;
	rwsem_write_lock(&parent->lock);
	err = fork_locked(child, parent);
	rwsem_write_unlock(&parent->lock);
	if (!err)
		return child;
	if (child->areas)
		drop_contents(child);
	mm_put(child);
	return NULL;
}
