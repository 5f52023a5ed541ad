/*
 * /proc/<pid>/maps, smaps, smaps_rollup: the areas of an address space and what is in them.
 *
 * Each step looks at one area with mm->lock shared, keeps a copy, and formats it after the lock
 * is dropped, since the name of a file needs locks that come first. Where the areas change
 * between two steps the text goes on at the next address, so no address is shown twice.
 */
#include "kernel/errno.h"
#include "kernel/fs/proc.h"
#include "kernel/lib/string.h"
#include "kernel/vdso.h"
#include "mm/area.h"

#define SUM_STEP    (1ull << 30) /* bytes that are looked at in one go */
#define NAME_COLUMN 73		 /* where the name of an area stands in its line */

/* What an area's entries add up to, in bytes; pss_ ones shifted by PSS_SHIFT. */
struct mem_sum {
	u64 resident, shared_clean, shared_dirty, private_clean, private_dirty;
	u64 referenced, anonymous, locked;
	u64 pss, pss_dirty, pss_anon, pss_file, pss_shmem, pss_locked;
	bool in_locked; /* the area at hand is VM_LOCKED */
};

/* An area as it stood, with its file referenced. */
struct area_copy {
	vaddr_t start, end;
	u64 pgoff;
	u32 flags;
	struct file *file;
	const char *name; /* of an area whose file is none, or the kernel's own; may be NULL */
};

static const char *area_name(const struct mm *mm, const struct area *a)
    __must_hold_shared(&mm->lock)
{
	if (a->start < mm->brk && a->end > mm->brk_start)
		return "[heap]";
	if (a->start <= mm->stack_start && a->end >= mm->stack_start)
		return "[stack]";
	return NULL;
}

static int sum_page(const struct page_view *v, void *arg)
{
	struct mem_sum *m = arg;
	bool anon, dirty;

	if (!v->page)
		return 0;
	anon = v->page->kind == PAGE_ANON;
	/* A page of a ramfs has no other copy, so it counts as dirty from the start, as in Linux.
	 */
	dirty = !anon || pte_has(v->pte, PTE_DIRTY);
	m->resident += PAGE_SIZE;
	m->pss += v->pss;
	if (dirty)
		m->pss_dirty += v->pss;
	if (anon) {
		m->anonymous += PAGE_SIZE;
		m->pss_anon += v->pss;
	} else if (v->page->file.mapping->shmem) {
		m->pss_shmem += v->pss;
	} else {
		m->pss_file += v->pss;
	}
	if (m->in_locked)
		m->pss_locked += v->pss;
	if (pte_has(v->pte, PTE_ACCESSED))
		m->referenced += PAGE_SIZE;
	if (v->exclusive)
		*(dirty ? &m->private_dirty : &m->private_clean) += PAGE_SIZE;
	else
		*(dirty ? &m->shared_dirty : &m->shared_clean) += PAGE_SIZE;
	return 0;
}

/* Adds up [start, end). Caller holds mm->lock; others get the CPU in between. */
static void sum_range(struct mm *mm, vaddr_t start, vaddr_t end, struct mem_sum *sum)
    __must_hold_shared(&mm->lock)
{
	while (start < end) {
		vaddr_t next = min(end, start + SUM_STEP);

		mm_walk(mm, start, next, sum_page, sum);
		start = next;
		cond_resched();
	}
}

/*
 * Copies the first area that ends above va, and adds its pages to `sum` where that is not NULL.
 * `more` tells whether areas follow. False: no area there.
 */
static bool area_copy_at(struct mm *mm, vaddr_t va, struct area_copy *copy, struct mem_sum *sum,
			 bool *more)
{
	struct area *a;

	if (!mm_get_live(mm))
		return false;
	rwsem_read_lock(&mm->lock);
	a = area_find(mm, va);
	if (a) {
		copy->start = max(a->start, va);
		copy->end = a->end;
		copy->flags = a->flags;
		copy->name = a->file ? vdso_area_name(a->file, a->pgoff) : area_name(mm, a);
		copy->file = a->file && !copy->name ? file_get(a->file) : NULL;
		copy->pgoff = copy->file ? a->pgoff + ((copy->start - a->start) >> PAGE_SHIFT) : 0;
		*more = area_next(a) != NULL;
		if (sum) {
			sum->in_locked = a->flags & VM_LOCKED;
			sum_range(mm, copy->start, a->end, sum);
		}
	}
	rwsem_read_unlock(&mm->lock);
	mm_put_user(mm);
	return a != NULL;
}

static int show_area_line(struct seq *s, const struct area_copy *a)
{
	size_t start = s->len;
	struct kstat st = {0};

	if (a->file)
		path_getattr(&a->file->path, &st);
	seq_printf(s, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", a->start, a->end,
		   a->flags & VM_READ ? 'r' : '-', a->flags & VM_WRITE ? 'w' : '-',
		   a->flags & VM_EXEC ? 'x' : '-', a->flags & VM_MAYSHARE ? 's' : 'p',
		   a->pgoff << PAGE_SHIFT, dev_major(st.dev), dev_minor(st.dev), st.ino);
	if (a->file) {
		char *buf = kmalloc(PATH_MAX);
		char *name = buf ? path_format(&a->file->path, buf, PATH_MAX) : NULL;

		seq_pad(s, start, NAME_COLUMN);
		if (name && !IS_ERR(name))
			seq_escape(s, name, "\n");
		kfree(buf);
		if (!name)
			return -ENOMEM;
	} else if (a->name) {
		seq_pad(s, start, NAME_COLUMN);
		seq_puts(s, a->name);
	}
	seq_putc(s, '\n');
	return 0;
}

static void show_kb(struct seq *s, const char *name, u64 bytes)
{
	seq_printf(s, "%-16s%8lu kB\n", name, bytes >> 10);
}

/* The lines that smaps and smaps_rollup have in common. */
static void show_sum(struct seq *s, const struct mem_sum *m, bool rollup)
{
	show_kb(s, "Rss:", m->resident);
	show_kb(s, "Pss:", m->pss >> PSS_SHIFT);
	show_kb(s, "Pss_Dirty:", m->pss_dirty >> PSS_SHIFT);
	if (rollup) {
		show_kb(s, "Pss_Anon:", m->pss_anon >> PSS_SHIFT);
		show_kb(s, "Pss_File:", m->pss_file >> PSS_SHIFT);
		show_kb(s, "Pss_Shmem:", m->pss_shmem >> PSS_SHIFT);
	}
	show_kb(s, "Shared_Clean:", m->shared_clean);
	show_kb(s, "Shared_Dirty:", m->shared_dirty);
	show_kb(s, "Private_Clean:", m->private_clean);
	show_kb(s, "Private_Dirty:", m->private_dirty);
	show_kb(s, "Referenced:", m->referenced);
	show_kb(s, "Anonymous:", m->anonymous);
	show_kb(s, "LazyFree:", 0);
	show_kb(s, "AnonHugePages:", 0);
	show_kb(s, "ShmemPmdMapped:", 0);
	show_kb(s, "FilePmdMapped:", 0);
	show_kb(s, "Shared_Hugetlb:", 0);
	show_kb(s, "Private_Hugetlb:", 0);
	show_kb(s, "Swap:", 0);
	show_kb(s, "SwapPss:", 0);
	show_kb(s, "Locked:", m->pss_locked >> PSS_SHIFT);
}

static void show_vm_flags(struct seq *s, u32 flags)
{
	/* In the order of their bits, as Linux prints them. */
	static const struct {
		u32 bit;
		char name[3];
	} names[] = {
	    {VM_READ, "rd"},	  {VM_WRITE, "wr"},	  {VM_EXEC, "ex"},
	    {VM_SHARED, "sh"},	  {VM_MAYREAD, "mr"},	  {VM_MAYWRITE, "mw"},
	    {VM_MAYEXEC, "me"},	  {VM_MAYSHARE, "ms"},	  {VM_GROWSDOWN, "gd"},
	    {VM_LOCKED, "lo"},	  {VM_LOCKONFAULT, "lf"}, {VM_SEQ_READ, "sr"},
	    {VM_RAND_READ, "rr"}, {VM_DONTCOPY, "dc"},	  {VM_DONTEXPAND, "de"},
	    {VM_ACCOUNT, "ac"},	  {VM_NORESERVE, "nr"},	  {VM_WIPEONFORK, "wf"},
	    {VM_DONTDUMP, "dd"},  {VM_HUGEPAGE, "hg"},	  {VM_NOHUGEPAGE, "nh"},
	    {VM_MERGEABLE, "mg"},
	};

	seq_puts(s, "VmFlags: ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			seq_printf(s, "%s ", names[i].name);
	seq_putc(s, '\n');
}

int proc_show_maps(struct seq *s, void *arg)
{
	struct proc_open *o = arg;
	struct area_copy a;
	bool more = false;
	int err;

	if (proc_gone(o->node))
		return -ESRCH;
	if (!o->mm || !area_copy_at(o->mm, s->next, &a, NULL, &more))
		return 0;
	err = show_area_line(s, &a);
	if (a.file)
		file_put(a.file);
	s->next = a.end;
	s->more = more;
	return err;
}

int proc_show_smaps(struct seq *s, void *arg)
{
	struct proc_open *o = arg;
	struct mem_sum sum = {0};
	struct area_copy a;
	bool more = false;
	int err;

	if (proc_gone(o->node))
		return -ESRCH;
	if (!o->mm || !area_copy_at(o->mm, s->next, &a, &sum, &more))
		return 0;
	err = show_area_line(s, &a);
	if (a.file)
		file_put(a.file);
	show_kb(s, "Size:", a.end - a.start);
	show_kb(s, "KernelPageSize:", PAGE_SIZE);
	show_kb(s, "MMUPageSize:", PAGE_SIZE);
	show_sum(s, &sum, false);
	seq_puts(s, "THPeligible:    0\n");
	show_vm_flags(s, a.flags);
	s->next = a.end;
	s->more = more;
	return err;
}

/* One walk under one hold of the lock, so that the sum is of one moment. */
int proc_show_smaps_rollup(struct seq *s, void *arg)
{
	struct proc_open *o = arg;
	struct mem_sum sum = {0};
	vaddr_t first = 0, last = 0;
	size_t start = s->len;

	if (!o->mm || !mm_get_live(o->mm))
		return -ESRCH;
	rwsem_read_lock(&o->mm->lock);
	for (struct area *a = area_first(o->mm); a; a = area_next(a)) {
		if (!last)
			first = a->start;
		last = a->end;
		sum.in_locked = a->flags & VM_LOCKED;
		sum_range(o->mm, a->start, a->end, &sum);
	}
	rwsem_read_unlock(&o->mm->lock);
	mm_put_user(o->mm);
	seq_printf(s, "%08lx-%08lx ---p 00000000 00:00 0 ", first, last);
	seq_pad(s, start, NAME_COLUMN);
	seq_puts(s, "[rollup]\n");
	show_sum(s, &sum, true);
	return 0;
}
