/* Address spaces come and go: creation and teardown. Fork is mm/fork.c's. */
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
	spin_assume_held(&f->lock);
	list_init(&f->members);
	f->refs = 0;
	f->auxv[0] = f->auxv[1] = 0; /* AT_NULL */
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

struct mm *mm_alloc(void)
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
	list_init(&mm->all_link);
	mm->refs = mm->users = 1;
	return mm;
}

struct mm *mm_create(void)
{
	struct mm *mm = mm_alloc();
	struct family *f;

	if (!mm)
		return NULL;
	rwsem_assume_held(&mm->lock);
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

	table_for_each_group (first, root) {
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
void mm_drop_contents(struct mm *mm)
{
	rmap_remove_mm(mm);
	rwsem_write_lock(&mm->lock);
	mmu_forget(&mm->mmu);
	drop_tree(mm);
	family_leave(mm);
	area_tell_all(mm, false);
	area_set_put(mm->areas);
	mm->areas = NULL;
	rwsem_write_unlock(&mm->lock);
	rwsem_assume_held(&mm->lock); /* its last user is here */
	commit_release(mm->commit_pages);
	mm->commit_pages = 0;
	if (mm->exe)
		file_put(mm->exe);
	mm->exe = NULL;
}

u64 *mm_auxv(struct mm *mm)
{
	return mm->family->auxv;
}

void mm_get(struct mm *mm)
{
	atomic_inc(&mm->refs);
}

void mm_put(struct mm *mm)
{
	if (atomic_dec(&mm->refs))
		return;
	mmu_clear_root(table_entries(mm->root));
	mm->root->flags |= PAGE_ZEROED;
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
	mm_drop_contents(mm);
	mm_put(mm);
}
